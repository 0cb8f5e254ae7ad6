/** The map: layers in their order, and the gestures that choose a place. */
import { effect, untracked } from "@preact/signals";
import Attribution from "ol/control/Attribution";
import ScaleLine from "ol/control/ScaleLine";
import Zoom from "ol/control/Zoom";
import {
  containsCoordinate,
  containsExtent,
  createEmpty,
  getCenter,
  getIntersection,
  isEmpty,
} from "ol/extent";
import Feature from "ol/Feature";
import Point from "ol/geom/Point";
import { defaults as interactions } from "ol/interaction/defaults";
import VectorLayer from "ol/layer/Vector";
import OlMap from "ol/Map";
import { fromLonLat, toLonLat, transformExtent } from "ol/proj";
import VectorSource from "ol/source/Vector";
import CircleStyle from "ol/style/Circle";
import Fill from "ol/style/Fill";
import Stroke from "ol/style/Stroke";
import Style from "ol/style/Style";
import View from "ol/View";
import { loadTileStatus } from "../freshness";
import { t } from "../i18n";
import { loadCoverage } from "../load";
import type { SiteGeometry } from "../sites";
import { chooseSite, drawing, outline, pick, place, sites } from "../state/choices";
import { zoom } from "../state/view";
import { colour, repaint } from "../theme";
import { areaLayer, followArea, outlineOf, paintArea, siteAt, siteLayer, sitesExtent } from "./area";
import { basemap, loadBasemap, nameLayer, paintBasemap } from "./basemap";
import { coverageExtent, coverageLayer, followCoverage, paintCoverage } from "./coverage";
import { chosenLayer, cloudLayer, followImagery, newestLayer, otherLayer } from "./imagery";

/** A field is visible from here on. */
const PLACE_ZOOM = 13;
/** Nearer than this, a click is precise enough to leave the view alone. */
const NEAR = 10;
const WORLD = [-180, -85, 180, 85];

const pin = new VectorSource();
const pinLayer = new VectorLayer({ source: pin });

/** Builds the map in an element and keeps it in step with the state. */
export function createMap(target: HTMLElement): void {
  const view = new View({ center: [0, 1_500_000], zoom: 2, minZoom: 1, maxZoom: 18 });
  const map = new OlMap({
    target,
    view,
    layers: [
      ...basemap,
      newestLayer,
      chosenLayer,
      otherLayer,
      cloudLayer,
      coverageLayer,
      nameLayer,
      siteLayer,
      areaLayer,
      pinLayer,
    ],
    // A double click would choose twice and zoom away from what it chose.
    interactions: interactions({ doubleClickZoom: false }),
    controls: [new Zoom(), new ScaleLine({ minWidth: 60 }), new Attribution({ collapsible: false })],
  });
  effect(() => nameControls(target));
  followCoverage();
  followImagery(map);
  followPlace(view);
  followArea(map);
  followSites(view);
  chooseByHand(map, target);
  askForCoverage(map);
  effect(() => {
    repaint.value;
    place.value;
    paintBasemap();
    paintCoverage();
    paintPin();
    paintArea();
  });
  void loadBasemap();
  void loadTileStatus();
}

/** OpenLayers names its buttons "+" and "–", with words in the tooltip only, and in one language. */
function nameControls(target: HTMLElement): void {
  target.ariaLabel = t.map.label;
  const words = [t.map.zoomIn, t.map.zoomOut];
  for (const [at, button] of target.querySelectorAll<HTMLElement>(".ol-zoom button").entries()) {
    button.title = words[at] ?? "";
    button.ariaLabel = button.title;
  }
}

function paintPin(): void {
  const fill = new Fill({ color: colour("--pin") });
  const stroke = new Stroke({ color: "#fff", width: 3 });
  const shade = new Style({
    image: new CircleStyle({ radius: 11, fill: new Fill({ color: "rgb(0 0 0 / 0.25)" }) }),
  });
  pinLayer.setStyle([shade, new Style({ image: new CircleStyle({ radius: 7, fill, stroke }) })]);
}

function followPlace(view: View): void {
  let first = true;
  effect(() => {
    const where = place.value;
    pin.clear();
    const opening = first;
    first = false;
    if (!where) return;
    const shown = outline.value;
    if (shown) {
      untracked(() => fitArea(view, shown, opening));
      return;
    }
    const centre = fromLonLat([where.lon, where.lat]);
    pin.addFeature(new Feature(new Point(centre)));
    untracked(() => reveal(view, centre, opening));
  });
}

/** Brings a place into view, near enough to recognise a field; a reader who is near already is not moved. */
function reveal(view: View, centre: number[], first: boolean): void {
  const now = view.getZoom() ?? 0;
  if (first) {
    view.setCenter(centre);
    view.setZoom(zoom.value ?? PLACE_ZOOM);
    return;
  }
  const seen = containsCoordinate(view.calculateExtent(), centre);
  if (now < NEAR || !seen) view.animate({ center: centre, zoom: Math.max(now, PLACE_ZOOM), duration: 450 });
}

/** Brings a new list of sites into view, all of it. */
function followSites(view: View): void {
  let opening = true;
  effect(() => {
    const asked = opening && zoom.peek() !== null;
    opening = false;
    const extent = sites.value ? sitesExtent() : createEmpty();
    if (!asked && !isEmpty(extent)) view.fit(extent, { padding: [100, 60, 60, 60], maxZoom: 15 });
  });
}

/** Brings an area into view, unless it was drawn there. */
function fitArea(view: View, shown: SiteGeometry, first: boolean): void {
  const extent = outlineOf(shown).getExtent();
  if (first && zoom.value !== null) {
    view.setCenter(getCenter(extent));
    view.setZoom(zoom.value);
  } else if (first || !containsExtent(view.calculateExtent(), extent)) {
    view.fit(extent, { padding: [100, 60, 60, 60], maxZoom: 16, duration: first ? 0 : 450 });
  }
}

function chooseByHand(map: OlMap, target: HTMLElement): void {
  const choose = (coordinate: number[] | undefined): void => {
    if (drawing.value) return;
    const [lon, lat] = toLonLat(coordinate ?? []);
    if (lon !== undefined && lat !== undefined) pick(lon, lat);
  };
  map.on("click", (event) => {
    const hit = drawing.value ? undefined : siteAt(map, event.pixel);
    if (hit) chooseSite(hit);
    else choose(event.coordinate);
  });
  target.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target === target) choose(map.getView().getCenter());
  });
}

/** Looks up the tiles in view whenever the map comes to rest; at first in the whole world, to know where to look. */
function askForCoverage(map: OlMap): void {
  const view = map.getView();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const ask = (): void => {
    const seen = getIntersection(transformExtent(view.calculateExtent(), "EPSG:3857", "EPSG:4326"), WORLD);
    void loadCoverage(isEmpty(seen) ? WORLD : seen);
  };
  const listen = (): void => {
    map.on("moveend", () => {
      zoom.value = view.getZoom() ?? null;
      clearTimeout(timer);
      timer = setTimeout(ask, 300);
    });
  };
  if (place.value) listen();
  else
    void loadCoverage(WORLD).then(() => {
      const extent = coverageExtent();
      if (extent && !place.value) view.fit(extent, { padding: [60, 60, 60, 60], maxZoom: 9 });
      listen();
    });
}
