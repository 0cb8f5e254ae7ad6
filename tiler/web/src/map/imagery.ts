/** What the satellite saw: the newest clear images, or the one acquisition that is chosen. */
import { effect } from "@preact/signals";
import TileLayer from "ol/layer/Tile";
import type OlMap from "ol/Map";
import { transformExtent } from "ol/proj";
import XYZ from "ol/source/XYZ";
import { INDEX_COLLECTION, SURFACE_COLLECTION, TOP_COLLECTION } from "../api";
import type { Scene } from "../catalogue";
import { formatYears } from "../format";
import { t } from "../i18n";
import type { Sample } from "../series";
import { other, selected, series } from "../state/answers";
import { heldTiles, otherScenes, scenes } from "../state/archive";
import { place } from "../state/choices";
import { against, clouds, index, layer, swipe } from "../state/view";
import { cloudTiles, colourTiles, indexTiles, newestTiles } from "../tiles";
import { coverageExtent, IMAGERY_ZOOM } from "./coverage";

/** True colour of whatever is newest and clear, until an acquisition is chosen. */
export const newestLayer = new TileLayer<XYZ>({ minZoom: IMAGERY_ZOOM, visible: false });
export const chosenLayer = new TileLayer<XYZ>({ visible: false, minZoom: 7 });
/** The acquisition compared with, left of the swipe. */
export const otherLayer = new TileLayer<XYZ>({ visible: false, minZoom: 7 });
/** Clouds and shadows of the chosen one. */
export const cloudLayer = new TileLayer<XYZ>({ visible: false, minZoom: 7 });

/** Whether an acquisition is on the map, or about to be: what is shown then stays until it is replaced. */
export const pending = (): boolean =>
  selected.value === null ? series.value.kind === "loading" : scenes.value === null;

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

type Scenes = readonly Scene[] | null;

/** An acquisition's item in a collection, when the archive has it. */
function itemIn(collection: string, sample: Sample | null, found: Scenes): Scene | undefined {
  // The L1C of an image has a name of its own.
  return found?.find(
    (scene) =>
      scene.collection === collection && (collection === TOP_COLLECTION || scene.id === sample?.itemId),
  );
}

/** The chosen acquisition's item in a collection. */
export const sceneIn = (collection: string): Scene | undefined =>
  itemIn(collection, selected.value, scenes.value);

const holds = (scene: Scene | undefined, asset: string): boolean =>
  scene?.assets?.[asset]?.href !== undefined;
export const hasColour = (): boolean => holds(sceneIn(SURFACE_COLLECTION), "TCI");
export const hasTop = (): boolean => holds(sceneIn(TOP_COLLECTION), "TCI");
export const hasClasses = (): boolean => holds(sceneIn(SURFACE_COLLECTION), "SCL");

/** Keeps the imagery layers equal to the choices. */
export function followImagery(map: OlMap): void {
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
    show(chosenLayer, chosenTiles());
    const classes = clouds.value && hasClasses() ? sceneIn(SURFACE_COLLECTION) : undefined;
    show(cloudLayer, classes ? { url: cloudTiles(classes.id), scene: classes } : null);
  });
  effect(() => show(otherLayer, other.value && tilesOf(other.value, otherScenes.value)));
  effect(() => {
    swipe.value;
    against.value;
    map.render();
  });
  clip(otherLayer, () => [0, swipe.value]);
  clip(chosenLayer, () => (otherLayer.getVisible() ? [swipe.value, 1] : [0, 1]));
}

function show(target: TileLayer<XYZ>, wanted: Shown | null): void {
  target.setVisible(wanted !== null);
  if (!wanted) return;
  target.setExtent(transformExtent([...wanted.scene.bbox], "EPSG:4326", "EPSG:3857"));
  const years = formatYears([Date.parse(wanted.scene.properties.datetime)]);
  const source = target.getSource();
  // A new address on the same source keeps the old image until the new one has arrived.
  if (!source) target.setSource(xyz(wanted.url, years));
  else if (source.getUrls()?.[0] !== wanted.url) {
    source.setUrl(wanted.url);
    source.setAttributions(() => t.attribution.sentinel(years));
  }
}

/** Draws a layer between two shares of the map's width only. */
function clip(target: TileLayer<XYZ>, between: () => readonly [number, number]): void {
  target.on("prerender", ({ context }) => {
    if (!(context instanceof CanvasRenderingContext2D)) return;
    const { width, height } = context.canvas;
    const [from, to] = between();
    context.save();
    context.beginPath();
    context.rect(width * from, 0, width * (to - from), height);
    context.clip();
  });
  target.on("postrender", ({ context }) => {
    if (context instanceof CanvasRenderingContext2D) context.restore();
  });
}

function nothingChosen(): boolean {
  return place.value === null || (series.value.kind !== "loading" && selected.value === null);
}

interface Shown {
  readonly url: string;
  readonly scene: Scene;
}

/** The XYZ template that the map shows for the chosen acquisition, and the item behind it. */
export const chosenTiles = (): Shown | null => selected.value && tilesOf(selected.value, scenes.value);

function tilesOf(sample: Sample, found: Scenes): Shown | null {
  if (layer.value === "none") return null;
  if (layer.value === "index") {
    const scene = itemIn(INDEX_COLLECTION, sample, found);
    return scene ? { url: indexTiles(scene.id, index.value), scene } : null;
  }
  const collection = layer.value === "top" ? TOP_COLLECTION : SURFACE_COLLECTION;
  const scene = itemIn(collection, sample, found);
  return scene && holds(scene, "TCI") ? { url: colourTiles(scene.id, collection), scene } : null;
}
