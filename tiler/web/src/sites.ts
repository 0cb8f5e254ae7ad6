/** Several places at once: what an uploaded file holds, and how a link holds the same. */
import type { Geometry, MultiPoint, MultiPolygon, Point, Polygon, Position } from "geojson";
import { decodeRings, encodeRings } from "./area";
import type { Place as PlaceOfFile, UploadReport } from "./openapi/raster";

export type SiteGeometry = Point | MultiPoint | Polygon | MultiPolygon;

export interface Site {
  readonly id: string;
  /** What the reader calls it. */
  readonly name: string;
  readonly geometry: SiteGeometry;
  readonly properties: Readonly<Record<string, unknown>>;
}

export interface SiteSet {
  readonly sites: readonly Site[];
  /** The attribute that gave the names, if any did. */
  readonly named: string | null;
  /** What the server did to the file's features, in its own words. */
  readonly report: UploadReport | null;
}

const NAMES = /^(name|nom|nome|site|label|title|titre|village|commune|district|libell?e|lieu|place|ឈ្មោះ)/i;

/** Sites named by the attribute that most likely holds their names, else by their ids. */
export function makeSites(placed: readonly PlaceOfFile[], report: UploadReport | null): SiteSet {
  const named = nameColumn(placed);
  const sites = placed.map(({ id, geometry, properties }): Site => {
    const given = named === null ? "" : String(properties[named] ?? "").trim();
    // OpenAPI says no more of GeoJSON's geometries than that they are objects.
    return { id, name: given || id, geometry: geometry as unknown as SiteGeometry, properties };
  });
  return { sites, named, report };
}

function nameColumn(placed: readonly PlaceOfFile[]): string | null {
  const columns = Object.keys(placed[0]?.properties ?? {});
  const texts = columns.filter((column) =>
    placed.some(({ properties }) => typeof properties[column] === "string" && properties[column] !== ""),
  );
  const called = texts.find((column) => NAMES.test(column));
  return called ?? texts.find((column) => areDistinct(placed, column)) ?? null;
}

function areDistinct(placed: readonly PlaceOfFile[], column: string): boolean {
  return new Set(placed.map(({ properties }) => properties[column])).size === placed.length;
}

export const hasArea = (geometry: Geometry): boolean => geometry.type.endsWith("Polygon");

/** Each polygon's rings; a ring of one corner for each point. */
function partsOf(geometry: SiteGeometry): Position[][][] {
  switch (geometry.type) {
    case "Point":
      return [[[geometry.coordinates]]];
    case "MultiPoint":
      return geometry.coordinates.map((point) => [[point]]);
    case "Polygon":
      return [geometry.coordinates];
    default:
      return geometry.coordinates;
  }
}

/** The middle of the box around a geometry, as longitude and latitude. */
export function middleOf(geometry: SiteGeometry): [number, number] {
  const corners = partsOf(geometry).flat(2);
  const middle = (axis: 0 | 1): number => {
    const values = corners.map((corner) => corner[axis] ?? 0);
    return (Math.min(...values) + Math.max(...values)) / 2;
  };
  return [middle(0), middle(1)];
}

/** Longer than this, a link is refused by too many programs on its way. */
const LONGEST = 6_000;
const BETWEEN = "|";

/** Names and outlines for the address, or null where they are too much for one. Other attributes are left out. */
export function writeSites({ sites }: SiteSet): { sites: string; names: string } | null {
  const written = sites.map(({ geometry }) => partsOf(geometry).map(encodeRings).join("."));
  const names = sites.map(({ name }) => name.replaceAll(BETWEEN, "/"));
  const found = { sites: written.join("!"), names: names.join(BETWEEN) };
  return found.sites.length + encodeURIComponent(found.names).length > LONGEST ? null : found;
}

/** What {@link writeSites} wrote, or null where the text is something else. */
export function readSites(sites: string | null, names: string | null): SiteSet | null {
  if (!sites) return null;
  const called = (names ?? "").split(BETWEEN);
  const found = sites.split("!").map((text, at): Site | null => {
    const geometry = geometryOf(text.split(".").map(decodeRings));
    if (!geometry) return null;
    return {
      id: `${at + 1}`,
      name: called[at] || `${at + 1}`,
      geometry,
      properties: { name: called[at] ?? "" },
    };
  });
  return found.every((site) => site !== null) ? { sites: found, named: "name", report: null } : null;
}

function geometryOf(parts: readonly (Position[][] | null)[]): SiteGeometry | null {
  const whole = parts.filter((part) => part !== null);
  if (whole.length < parts.length || whole.flat().some((ring) => ring.length === 0)) return null;
  const points = whole.flat().filter((ring) => ring.length === 1);
  if (points.length === 0) {
    const polygons = whole.map((rings) => rings.map(closed));
    return polygons[0] && polygons.length === 1
      ? { type: "Polygon", coordinates: polygons[0] }
      : { type: "MultiPolygon", coordinates: polygons };
  }
  const corners = points.flat();
  if (points.length < whole.flat().length) return null;
  return corners[0] && corners.length === 1
    ? { type: "Point", coordinates: corners[0] }
    : { type: "MultiPoint", coordinates: corners };
}

function closed(ring: Position[]): Position[] {
  return ring[0] ? [...ring, ring[0]] : ring;
}
