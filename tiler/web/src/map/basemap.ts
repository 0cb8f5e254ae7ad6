/** Land, borders and country names of Natural Earth, drawn from a file of our own. */
import type { Geometry, MultiPolygon, Polygon } from "geojson";
import Feature from "ol/Feature";
import GeoJSON from "ol/format/GeoJSON";
import OlPolygon from "ol/geom/Polygon";
import VectorLayer from "ol/layer/Vector";
import VectorSource from "ol/source/Vector";
import Fill from "ol/style/Fill";
import Stroke from "ol/style/Stroke";
import Style from "ol/style/Style";
import Text from "ol/style/Text";
import { feature, mesh } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import worldUrl from "world-atlas/countries-50m.json?url";
import { FONTS, t } from "../i18n";
import { colour } from "../theme";
import { unfold } from "./antimeridian";

type World = Topology<{
  countries: GeometryCollection<{ name: string }>;
  land: GeometryCollection;
}>;

const format = new GeoJSON({ featureProjection: "EPSG:3857" });
const land = new VectorSource({ attributions: () => t.attribution.base });
const borders = new VectorSource();
const names = new VectorSource();

/** The layers beneath imagery; they fill once the file has arrived. */
export const basemap = [new VectorLayer({ source: land }), new VectorLayer({ source: borders })] as const;

/** Country names, above imagery, until the map is close enough for them to be in the way. */
export const nameLayer = new VectorLayer({ source: names, declutter: true, maxZoom: 9 });

export async function loadBasemap(): Promise<void> {
  const world = (await (await fetch(worldUrl)).json()) as World;
  const { countries, land: coasts } = world.objects;
  for (const { geometry } of feature(world, coasts).features) {
    if (isArea(geometry)) land.addFeature(new Feature(format.readGeometry(unfold(geometry)) ?? undefined));
  }
  // Each shared border once, dashed: drawn per country, two dashes would overlap into a line.
  borders.addFeatures(format.readFeatures(mesh(world, countries, (a, b) => a !== b)));
  for (const { geometry, properties } of feature(world, countries).features) {
    const ground = isArea(geometry) ? mainland(geometry) : undefined;
    if (ground) names.addFeature(new Feature({ geometry: ground, name: properties.name }));
  }
}

function isArea(geometry: Geometry | null): geometry is Polygon | MultiPolygon {
  return geometry?.type === "Polygon" || geometry?.type === "MultiPolygon";
}

/** The largest part of a country, where its name belongs. */
function mainland(geometry: Polygon | MultiPolygon): OlPolygon | undefined {
  const parts = unfold(geometry).coordinates.map((coordinates) =>
    format.readGeometry({ type: "Polygon", coordinates }),
  );
  const areas = parts.filter((part) => part instanceof OlPolygon);
  return areas.toSorted((a, b) => b.getArea() - a.getArea())[0];
}

export function paintBasemap(): void {
  const [ground, lines] = basemap;
  const coast = new Stroke({ color: colour("--map-coast"), width: 1 });
  ground.setStyle(new Style({ fill: new Fill({ color: colour("--map-land") }), stroke: coast }));
  lines.setStyle(
    new Style({ stroke: new Stroke({ color: colour("--map-border"), width: 1, lineDash: [4, 4] }) }),
  );
  const fill = new Fill({ color: colour("--map-text") });
  const stroke = new Stroke({ color: colour("--map-land"), width: 3 });
  nameLayer.setStyle(
    (country) =>
      new Style({
        text: new Text({
          text: String(country.get("name")),
          font: `13px ${FONTS}`,
          fill,
          stroke,
        }),
      }),
  );
}
