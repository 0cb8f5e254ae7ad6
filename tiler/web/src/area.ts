/** An area of the reader's: drawn, pasted, or in the address. */
import type { Polygon, Position } from "geojson";
import { parsePlace } from "./coordinates";

/** Closed rings of [longitude, latitude] in degrees, the outline first, then its holes. */
export type Area = readonly (readonly Position[])[];

const DECIMALS = 5;
const FACTOR = 10 ** DECIMALS;
/** Six bits a character, all of them safe in an address. */
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** The rings rounded to about a metre and closed, or null where they do not enclose a place on Earth. */
export function makeArea(rings: readonly (readonly Position[])[]): Area | null {
  const closed = rings.map(close);
  const valid = closed.length > 0 && closed.every((ring) => ring.length > 3 && ring.every(isOnEarth));
  return valid ? closed : null;
}

function close(ring: readonly Position[]): Position[] {
  const round = (value = Number.NaN): number => Math.round(value * FACTOR) / FACTOR;
  const rounded = ring.map(([lon, lat]): Position => [round(lon), round(lat)]);
  const unlike = rounded.filter((here, at) => at === 0 || !same(here, rounded[at - 1]));
  const first = unlike[0];
  return first && !same(first, unlike.at(-1)) ? [...unlike, first] : unlike;
}

function same(a: Position, b: Position | undefined): boolean {
  return a[0] === b?.[0] && a[1] === b?.[1];
}

function isOnEarth([lon = Number.NaN, lat = Number.NaN]: Position): boolean {
  return Math.abs(lon) <= 180 && Math.abs(lat) <= 90;
}

export function toPolygon(area: Area): Polygon {
  return { type: "Polygon", coordinates: area.map((ring) => [...ring]) };
}

export function encodeArea(area: Area): string {
  return encodeRings(area);
}

/** Rings joined by "~", each the differences of its corners: Google's polyline encoding in letters of an address. */
export function encodeRings(rings: readonly (readonly Position[])[]): string {
  // What closes a ring goes without saying; a single corner is a point.
  return rings.map((ring) => encodeRing(ring.length > 1 ? ring.slice(0, -1) : ring)).join("~");
}

function encodeRing(ring: readonly Position[]): string {
  let before = [0, 0];
  return ring
    .map(([lon = 0, lat = 0]) => {
      const here = [Math.round(lon * FACTOR), Math.round(lat * FACTOR)];
      const steps = here.map((value, axis) => encodeNumber(value - (before[axis] ?? 0)));
      before = here;
      return steps.join("");
    })
    .join("");
}

function encodeNumber(value: number): string {
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  let text = "";
  while (rest >= 32) {
    text += LETTERS[32 + (rest % 32)];
    rest = Math.floor(rest / 32);
  }
  return text + LETTERS[rest];
}

/** What {@link encodeArea} wrote, or null where the text is something else. */
export function decodeArea(text: string): Area | null {
  const rings = decodeRings(text);
  return rings && makeArea(rings);
}

/** Open rings as {@link encodeRings} wrote them, or null where the text is something else. */
export function decodeRings(text: string): Position[][] | null {
  const rings = text.split("~").map(decodeRing);
  return rings.every((ring) => ring?.every(isOnEarth)) ? rings.filter((ring) => ring !== null) : null;
}

function decodeRing(text: string): Position[] | null {
  const steps: number[] = [];
  let [value, weight] = [0, 1];
  for (const letter of text) {
    const code = LETTERS.indexOf(letter);
    if (code < 0) return null;
    value += (code % 32) * weight;
    weight *= 32;
    if (code >= 32) continue;
    steps.push(value % 2 === 1 ? -(value + 1) / 2 : value / 2);
    [value, weight] = [0, 1];
  }
  let [lon, lat] = [0, 0];
  return Array.from({ length: Math.floor(steps.length / 2) }, (_, corner): Position => {
    lon += steps[2 * corner] ?? 0;
    lat += steps[2 * corner + 1] ?? 0;
    return [lon / FACTOR, lat / FACTOR];
  });
}

/** Reads one polygon from GeoJSON, from WKT, or from corners, a "latitude, longitude" on each line. */
export function parseArea(text: string): Area | null {
  const trimmed = text.trim();
  if (trimmed.startsWith("{")) return parseGeoJson(trimmed);
  return /^(SRID=4326;)?\s*(MULTI)?POLYGON/i.test(trimmed) ? parseWkt(trimmed) : parseCorners(trimmed);
}

interface Loose {
  readonly type?: string;
  readonly features?: readonly Loose[];
  readonly geometry?: Loose;
  readonly coordinates?: unknown;
}

function parseGeoJson(text: string): Area | null {
  try {
    return areaOf(JSON.parse(text) as Loose);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null;
    throw error;
  }
}

function areaOf({ type, features, geometry, coordinates }: Loose): Area | null {
  if (type === "FeatureCollection") return features?.length === 1 && features[0] ? areaOf(features[0]) : null;
  if (type === "Feature") return geometry ? areaOf(geometry) : null;
  if (type === "Polygon") return makeArea(coordinates as Position[][]);
  const parts = coordinates as Position[][][];
  return type === "MultiPolygon" && parts.length === 1 && parts[0] ? makeArea(parts[0]) : null;
}

function parseWkt(text: string): Area | null {
  const rings = [...text.matchAll(/\(([^()]+)\)/g)].map(([, corners = ""]) =>
    corners.split(",").map((corner) => corner.trim().split(/\s+/).map(Number)),
  );
  const parts = text.match(/\)\s*\)\s*,\s*\(\s*\(/g);
  return parts ? null : makeArea(rings);
}

function parseCorners(text: string): Area | null {
  const places = text
    .split(/\n/)
    .filter((line) => line.trim() !== "")
    .map(parsePlace);
  if (places.length < 3 || !places.every((place) => place !== null)) return null;
  return makeArea([places.map(({ lon, lat }): Position => [lon, lat])]);
}
