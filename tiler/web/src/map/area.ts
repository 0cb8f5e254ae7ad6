/** The reader's area on the map: drawing it, and its outline. */
import { effect } from "@preact/signals";
import { createEmpty, type Extent } from "ol/extent";
import Feature from "ol/Feature";
import GeoJSON from "ol/format/GeoJSON";
import type { Geometry } from "ol/geom";
import OlPolygon from "ol/geom/Polygon";
import Draw from "ol/interaction/Draw";
import VectorLayer from "ol/layer/Vector";
import type OlMap from "ol/Map";
import VectorSource from "ol/source/Vector";
import { getArea } from "ol/sphere";
import CircleStyle from "ol/style/Circle";
import Fill from "ol/style/Fill";
import Stroke from "ol/style/Stroke";
import Style from "ol/style/Style";
import { makeArea } from "../area";
import type { Site, SiteGeometry } from "../sites";
import { chooseArea, drawing, outline, sites, sketched } from "../state/choices";
import { colour } from "../theme";

const source = new VectorSource<Feature<Geometry>>();
export const areaLayer = new VectorLayer({ source });
const siteSource = new VectorSource<Feature<Geometry>>();
/** Every site of a file. */
export const siteLayer = new VectorLayer({ source: siteSource });

const HECTARE = 10_000;

const format = new GeoJSON({ featureProjection: "EPSG:3857" });

/** An outline, or points, in map units. */
export function outlineOf(shown: SiteGeometry): Geometry {
  const geometry = format.readGeometry(shown);
  if (!geometry) throw new Error(`a ${shown.type} has no geometry`);
  return geometry;
}

export function hectaresOf(shown: SiteGeometry): number {
  return getArea(outlineOf(shown)) / HECTARE;
}

export function paintArea(): void {
  const stroke = new Stroke({ color: colour("--pin"), width: 2.5 });
  const halo = new Stroke({ color: "rgb(255 255 255 / 0.85)", width: 5 });
  const white = new Stroke({ color: "#fff", width: 2.5 });
  const image = new CircleStyle({ radius: 7, fill: new Fill({ color: colour("--pin") }), stroke: white });
  areaLayer.setStyle([new Style({ stroke: halo }), new Style({ stroke, image })]);
  const thin = new Stroke({ color: colour("--pin"), width: 1.5 });
  const small = new CircleStyle({ radius: 5, fill: new Fill({ color: colour("--pin") }), stroke: thin });
  // A filled outline is hit anywhere inside.
  siteLayer.setStyle([
    new Style({ stroke: halo }),
    new Style({ stroke: thin, fill: new Fill({ color: "rgb(255 255 255 / 0.05)" }), image: small }),
  ]);
}

/** Around every site, in map units; empty without any. */
export const sitesExtent = (): Extent => siteSource.getExtent() ?? createEmpty();

/** The site drawn at a pixel of the map, if any. */
export function siteAt(map: OlMap, pixel: number[]): Site | undefined {
  const found = map.forEachFeatureAtPixel(pixel, (hit) => hit, {
    layerFilter: (layer) => layer === siteLayer,
    hitTolerance: 6,
  });
  return found?.get("site") as Site | undefined;
}

/** Keeps the outline equal to the area, and draws a new one whenever that is asked for. */
export function followArea(map: OlMap): void {
  effect(() => {
    source.clear();
    if (outline.value) source.addFeature(new Feature(outlineOf(outline.value)));
  });
  effect(() => {
    siteSource.clear();
    for (const one of sites.value?.sites ?? []) {
      const feature = new Feature(outlineOf(one.geometry));
      feature.set("site", one);
      siteSource.addFeature(feature);
    }
  });
  effect(() => {
    areaLayer.setVisible(!drawing.value);
    return drawing.value ? startDrawing(map) : undefined;
  });
}

/** Lets the reader draw; returns how to stop. */
function startDrawing(map: OlMap): () => void {
  const draw = new Draw({ type: "Polygon", style: sketchStyle() });
  draw.on("drawstart", ({ feature }) => {
    feature.getGeometry()?.on("change", ({ target }) => {
      sketched.value = getArea(target as OlPolygon) / HECTARE;
    });
  });
  draw.on("drawabort", () => {
    sketched.value = 0;
  });
  draw.on("drawend", ({ feature }) => {
    const polygon = feature.getGeometry();
    // The click that closes the outline also reaches the map, which must not take it for a place.
    setTimeout(() => {
      if (polygon instanceof OlPolygon) finish(polygon);
    });
  });
  const onKey = (event: KeyboardEvent): void => answerKey(event, map, draw);
  addEventListener("keydown", onKey);
  map.addInteraction(draw);
  map.getTargetElement()?.focus();
  return () => {
    removeEventListener("keydown", onKey);
    map.removeInteraction(draw);
    sketched.value = 0;
  };
}

function finish(polygon: OlPolygon): void {
  const degrees = polygon.clone().transform("EPSG:3857", "EPSG:4326") as OlPolygon;
  const drawn = makeArea(degrees.getCoordinates());
  // Two corners are no area: the drawing begins anew.
  if (!drawn) return;
  drawing.value = false;
  chooseArea(drawn);
}

/** Escape cancels; on the map, the space bar sets a corner in the middle and Enter closes the outline. */
function answerKey(event: KeyboardEvent, map: OlMap, draw: Draw): void {
  if (event.key === "Escape") drawing.value = false;
  if (event.target instanceof HTMLElement && event.target.closest("button, input, textarea, select, a"))
    return;
  if (event.key === "Enter") draw.finishDrawing();
  const middle = map.getView().getCenter();
  if (event.key !== " " || !middle) return;
  event.preventDefault();
  draw.appendCoordinates([middle]);
}

function sketchStyle(): Style {
  const stroke = new Stroke({ color: colour("--pin"), width: 2.5, lineDash: [6, 5] });
  const fill = new Fill({ color: colour("--map-held") });
  const image = new CircleStyle({ radius: 6, fill: new Fill({ color: colour("--pin") }) });
  return new Style({ stroke, fill, image });
}
