/** The reader's area on the map: drawing it, and its outline. */
import { effect } from "@preact/signals";
import Feature from "ol/Feature";
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
import { type Area, makeArea } from "../area";
import { area, chooseArea, drawing, sketched } from "../state";
import { colour } from "../theme";

const source = new VectorSource<Feature<OlPolygon>>();
export const areaLayer = new VectorLayer({ source });

const HECTARE = 10_000;

/** The polygon in map units. */
export function outlineOf(shown: Area): OlPolygon {
  const polygon = new OlPolygon(shown.map((ring) => ring.map((corner) => [...corner])));
  return polygon.transform("EPSG:4326", "EPSG:3857") as OlPolygon;
}

export function hectaresOf(shown: Area): number {
  return getArea(outlineOf(shown)) / HECTARE;
}

export function paintArea(): void {
  const stroke = new Stroke({ color: colour("--pin"), width: 2.5 });
  const halo = new Stroke({ color: "rgb(255 255 255 / 0.85)", width: 5 });
  areaLayer.setStyle([new Style({ stroke: halo }), new Style({ stroke })]);
}

/** Keeps the outline equal to the area, and draws a new one whenever that is asked for. */
export function followArea(map: OlMap): void {
  effect(() => {
    source.clear();
    if (area.value) source.addFeature(new Feature(outlineOf(area.value)));
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
