/** The outlines of the tiles we hold. */
import { effect } from "@preact/signals";
import { createEmpty, type Extent, extend, getCenter, isEmpty } from "ol/extent";
import Feature from "ol/Feature";
import GeoJSON from "ol/format/GeoJSON";
import type { Geometry } from "ol/geom";
import VectorLayer from "ol/layer/Vector";
import VectorSource from "ol/source/Vector";
import { getDistance } from "ol/sphere";
import Fill from "ol/style/Fill";
import Stroke from "ol/style/Stroke";
import Style from "ol/style/Style";
import Text from "ol/style/Text";
import type { Scene } from "../catalogue";
import type { Place } from "../coordinates";
import { formatDate } from "../format";
import { CLASSES, freshnessOf, tileStatus } from "../freshness";
import { FONTS, t } from "../i18n";
import { type HeldTile, heldTiles } from "../state/archive";
import { place } from "../state/choices";
import { colour } from "../theme";

const mercator = new GeoJSON({ featureProjection: "EPSG:3857" });
const degrees = new GeoJSON();
const source = new VectorSource<Feature<Geometry>>();

export const coverageLayer = new VectorLayer({ source, declutter: true });

/** Keeps the drawn outlines equal to the known tiles. */
export function followCoverage(): void {
  effect(() => {
    source.clear();
    source.addFeatures(heldTiles.value.map((tile) => outline(tile, tileStatus.value)));
  });
}

function outline({ code, scene, newest }: HeldTile, known: typeof tileStatus.value): Feature<Geometry> {
  const feature = new Feature<Geometry>(readOutline(scene, mercator));
  feature.setId(code);
  const name = code.replace("MGRS-", "");
  const count = known.get(name)?.count;
  feature.set("label", [name, formatDate(newest), ...(count ? [t.coverage.images(count)] : [])].join("\n"));
  feature.set("fresh", freshnessOf(newest).colour);
  return feature;
}

function readOutline(scene: Scene, format: GeoJSON): Geometry {
  const geometry = format.readGeometry(scene.geometry);
  if (!geometry) throw new Error(`item ${scene.id} has no geometry`);
  return geometry;
}

/** The extent of every known tile in map units, or null when none is known. */
export function coverageExtent(): Extent | null {
  const extent = source.getFeatures().reduce((all, one) => extend(all, extentOf(one)), createEmpty());
  return isEmpty(extent) ? null : extent;
}

function extentOf(feature: Feature<Geometry>): Extent {
  return feature.getGeometry()?.getExtent() ?? createEmpty();
}

export interface Nearest {
  readonly code: string;
  readonly km: number;
  /** The tile's middle. */
  readonly place: Place;
}

/** The known tile nearest to a place, by the distance to its outline. */
export function nearestTile(to: Place): Nearest | null {
  let best: Nearest | null = null;
  for (const { code, scene } of heldTiles.value) {
    const geometry = readOutline(scene, degrees);
    const [lon = 0, lat = 0] = geometry.getClosestPoint([to.lon, to.lat]);
    const km = getDistance([to.lon, to.lat], [lon, lat]) / 1000;
    const [x = 0, y = 0] = getCenter(geometry.getExtent());
    if (!best || km < best.km) best = { code: code.replace("MGRS-", ""), km, place: { lon: x, lat: y } };
  }
  return best;
}

/** Across and up a tile: in those of the sample archive there are rice fields, and in their middle nothing changes. */
const EXAMPLE = [0.4, 0.23] as const;

/** A place well inside the archive, to show as an example, on the tile with the newest image. */
export function examplePlace(): Place | null {
  const tile = heldTiles.value.reduce<HeldTile | null>((a, b) => (a && a.newest >= b.newest ? a : b), null);
  if (!tile) return null;
  const outline = readOutline(tile.scene, degrees);
  const [west = 0, south = 0, east = 0, north = 0] = outline.getExtent();
  const place = [west + EXAMPLE[0] * (east - west), south + EXAMPLE[1] * (north - south)];
  const [lon = 0, lat = 0] = outline.intersectsCoordinate(place) ? place : getCenter(outline.getExtent());
  return { lon, lat };
}

/** From this zoom on, imagery fills the tiles and only their edge is drawn. */
export const IMAGERY_ZOOM = 8;

export function paintCoverage(): void {
  const stroke = new Stroke({ color: colour("--accent"), width: 1.5 });
  const text = new Fill({ color: colour("--accent") });
  const halo = new Stroke({ color: colour("--surface"), width: 4 });
  const font = `600 12px ${FONTS}`;
  const edge = new Style({ stroke });
  const far = new Map(
    CLASSES.map(({ colour: name }) => {
      const shade = colour(name);
      const fill = new Fill({ color: shade.replace(/^rgb\((.*)\)$/, "rgb($1 / 0.4)").replaceAll(",", " ") });
      return [name, new Style({ stroke: new Stroke({ color: shade, width: 1.5 }), fill })] as const;
    }),
  );
  coverageLayer.setStyle((feature, resolution) => {
    const close = resolution < 156543 / 2 ** IMAGERY_ZOOM;
    if (!close) return far.get(feature.get("fresh"));
    // The date of the newest image would contradict that of the chosen one.
    if (place.value) return edge;
    return new Style({
      stroke,
      text: new Text({ text: String(feature.get("label")), font, fill: text, stroke: halo, overflow: false }),
    });
  });
}
