/** Rings that cross ±180° as the map can draw them: continuous, and once on either side. */
import type { MultiPolygon, Polygon, Position } from "geojson";

/** The southern edge that closes a ring around the pole, beyond what Web Mercator shows. */
const SOUTH = -86;

/** The same land with continuous longitudes; what then reaches past ±180° is there a second time, a world away. */
export function unfold(geometry: Polygon | MultiPolygon): MultiPolygon {
  const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
  return { type: "MultiPolygon", coordinates: polygons.flatMap(unfoldPolygon) };
}

function unfoldPolygon(rings: Position[][]): Position[][][] {
  const straight = rings.map(unfoldRing);
  const longitudes = straight.flat().map(([lon = 0]) => lon);
  const [west, east] = [Math.min(...longitudes), Math.max(...longitudes)];
  if (west >= -180 && east <= 180) return [straight];
  return [straight, straight.map((ring) => shift(ring, east > 180 ? -360 : 360))];
}

function unfoldRing(ring: Position[]): Position[] {
  let [turns, before] = [0, ring[0]?.[0] ?? 0];
  const straight = ring.map(([lon = 0, lat = 0]): Position => {
    if (lon - before > 180) turns -= 360;
    if (before - lon > 180) turns += 360;
    before = lon;
    return [lon + turns, lat];
  });
  const [first, last] = [straight[0]?.[0] ?? 0, straight.at(-1)?.[0] ?? 0];
  return Math.abs(last - first) > 180 ? [...straight, [last, SOUTH], [first, SOUTH]] : straight;
}

function shift(ring: Position[], by: number): Position[] {
  return ring.map(([lon = 0, lat = 0]) => [lon + by, lat]);
}
