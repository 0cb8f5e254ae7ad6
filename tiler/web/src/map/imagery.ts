/** What the satellite saw: the newest clear images, or the one acquisition that is chosen. */
import { effect } from "@preact/signals";
import TileLayer from "ol/layer/Tile";
import { transformExtent } from "ol/proj";
import XYZ from "ol/source/XYZ";
import { INDEX_COLLECTION, SURFACE_COLLECTION } from "../api";
import type { Scene } from "../catalogue";
import { formatYears } from "../format";
import { t } from "../i18n";
import { heldTiles, index, layer, place, scenes, selected, series } from "../state";
import { colourTiles, indexTiles, newestTiles } from "../tiles";
import { coverageExtent, IMAGERY_ZOOM } from "./coverage";

/** True colour of whatever is newest and clear, until an acquisition is chosen. */
export const newestLayer = new TileLayer<XYZ>({ minZoom: IMAGERY_ZOOM, visible: false });
export const chosenLayer = new TileLayer<XYZ>({ visible: false, minZoom: 7 });

/** Whether an acquisition is on the map, or about to be: what is shown then stays until it is replaced. */
export const pending = (): boolean =>
  series.value.kind === "loading" || (selected.value !== null && scenes.value === null);

/** Beyond this zoom a 10 m pixel is only enlarged. */
const DEEPEST = 15;

function xyz(url: string, years: string): XYZ {
  return new XYZ({
    url,
    maxZoom: DEEPEST,
    attributions: () => t.attribution.sentinel(years),
    transition: 150,
  });
}

/** The chosen acquisition's item in a collection, when the archive has it. */
export function sceneIn(collection: string): Scene | undefined {
  const item = selected.value?.itemId;
  return scenes.value?.find((scene) => scene.collection === collection && scene.id === item);
}

export const hasColour = (): boolean => sceneIn(SURFACE_COLLECTION)?.assets?.["TCI"]?.href !== undefined;

/** Keeps the two imagery layers equal to the choices. */
export function followImagery(): void {
  effect(() => {
    const extent = heldTiles.value.length > 0 ? coverageExtent() : null;
    newestLayer.setVisible(extent !== null && layer.value === "colour" && nothingChosen());
    if (!extent) return;
    newestLayer.setExtent(extent);
    if (!newestLayer.getSource()) {
      newestLayer.setSource(xyz(newestTiles(), formatYears(heldTiles.value.map((tile) => tile.newest))));
    }
  });

  effect(() => {
    if (place.value !== null && pending()) return;
    const chosen = chosenTiles();
    chosenLayer.setVisible(chosen !== null);
    if (!chosen) return;
    chosenLayer.setExtent(transformExtent([...chosen.scene.bbox], "EPSG:4326", "EPSG:3857"));
    const years = formatYears([Date.parse(chosen.scene.properties.datetime)]);
    const source = chosenLayer.getSource();
    // A new address on the same source keeps the old image until the new one has arrived.
    if (!source) chosenLayer.setSource(xyz(chosen.url, years));
    else if (source.getUrls()?.[0] !== chosen.url) {
      source.setUrl(chosen.url);
      source.setAttributions(() => t.attribution.sentinel(years));
    }
  });
}

function nothingChosen(): boolean {
  return place.value === null || (series.value.kind !== "loading" && selected.value === null);
}

/** The XYZ template that the map shows for the chosen acquisition, and the item behind it. */
export function chosenTiles(): { url: string; scene: Scene } | null {
  const scene = sceneIn(layer.value === "index" ? INDEX_COLLECTION : SURFACE_COLLECTION);
  if (!scene || layer.value === "none") return null;
  if (layer.value === "index") return { url: indexTiles(scene.id, index.value), scene };
  return hasColour() ? { url: colourTiles(scene.id), scene } : null;
}
