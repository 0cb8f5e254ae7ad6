/** Series as the page asks for them. */
import type { Feature, FeatureCollection } from "geojson";
import { ApiError, ask, INDEX_COLLECTION, request, root } from "./api";
import { type Area, toPolygon } from "./area";
import type { Place } from "./coordinates";
import type { IndexName } from "./indices";
import type { Site } from "./sites";

/** One acquisition at the chosen place; `value` is null where the date is masked or could not be read. */
export interface Sample {
  readonly time: number;
  readonly datetime: string;
  readonly value: number | null;
  /** 25th and 75th percentile within an area. */
  readonly quartiles: readonly [number, number] | null;
  /** Share of the pixels that are neither masked nor missing, 0 to 1. */
  readonly validFraction: number;
  /** Of a step that sums up several images: when it ends, what the calendar calls it, how many it holds. */
  readonly summed: {
    readonly end: number;
    readonly label: string;
    readonly images: number;
    readonly clear: number;
  } | null;
  readonly status: string;
  readonly reason: string | null;
  /** Tiles; more than one where an area lies across their edge. */
  readonly tiles: readonly string[];
  /** The image on the first of the tiles. */
  readonly itemId: string;
}

type Cell = string | number | boolean | null;

interface TimeSeriesAnswer {
  readonly columns: readonly string[];
  readonly data: Readonly<Record<string, readonly Cell[]>>;
}

/** What a series is of. */
export type Where =
  | { readonly kind: "place"; readonly place: Place }
  | { readonly kind: "area"; readonly area: Area }
  | { readonly kind: "sites"; readonly sites: readonly Site[] };

/** Further parameters of a request, as the API names them. */
export type Options = Readonly<Record<string, string>>;

/** The address of a series; the same request in each format. All but a place is posted there. */
export function seriesUrl(where: Where, index: IndexName, format: string, options: Options = {}): string {
  const query = new URLSearchParams({ index, ...options }).toString().replaceAll("%2C", ",");
  const path =
    where.kind === "place" ? `point/${where.place.lon},${where.place.lat}.${format}` : `statistics.${format}`;
  return `${root}/raster/collections/${INDEX_COLLECTION}/timeseries/${path}?${query}`;
}

/** What is posted, or null where everything stands in the address. */
export function bodyOf(where: Where): string | null {
  if (where.kind === "place") return null;
  return JSON.stringify(where.kind === "area" ? areaFeature(where.area) : collectionOf(where.sites));
}

function areaFeature(area: Area): Feature {
  return { type: "Feature", id: "area", properties: {}, geometry: toPolygon(area) };
}

function collectionOf(sites: readonly Site[]): FeatureCollection {
  const features = sites.map(
    ({ id, geometry, properties }): Feature => ({
      type: "Feature",
      id,
      geometry,
      properties: { ...properties },
    }),
  );
  return { type: "FeatureCollection", features };
}

export const GEOJSON = "application/geo+json";

function init(where: Where): RequestInit {
  const body = bodyOf(where);
  return body === null ? {} : { method: "POST", headers: { "content-type": GEOJSON }, body };
}

/** A series as the server writes it for other programs. Throws {@link ApiError}. */
export async function fetchFile(
  where: Where,
  index: IndexName,
  format: string,
  options: Options,
): Promise<Blob> {
  return (await ask(seriesUrl(where, index, format, options), init(where))).blob();
}

/**
 * Every acquisition, oldest first, by the id of the feature: a single one of a place or an area, each site's of
 * several. Empty outside coverage. Throws {@link ApiError}.
 */
export async function fetchSeries(
  where: Where,
  index: IndexName,
  signal: AbortSignal,
  options: Options = {},
): Promise<ReadonlyMap<string, readonly Sample[]>> {
  try {
    const answer = await request<TimeSeriesAnswer>(seriesUrl(where, index, "json", options), {
      ...init(where),
      signal,
    });
    return readSamples(answer);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return new Map();
    throw error;
  }
}

function readSamples({ data }: TimeSeriesAnswer): Map<string, Sample[]> {
  const found = new Map<string, Sample[]>();
  for (const [row, id] of (data["feature_id"] ?? []).entries()) {
    const sample = readSample(data, row);
    const known = found.get(String(id));
    if (known) known.push(sample);
    else found.set(String(id), [sample]);
  }
  for (const samples of found.values()) samples.sort((a, b) => a.time - b.time);
  return found;
}

function readSample(data: TimeSeriesAnswer["data"], row: number): Sample {
  const number = (name: string): number | null => {
    const cell = data[name]?.[row];
    return typeof cell === "number" ? cell : null;
  };
  const text = (name: string): string => String(data[name]?.[row] ?? "");
  const [low, high] = [number("p25"), number("p75")];
  return {
    time: Date.parse(text("datetime")),
    datetime: text("datetime"),
    value: number("mean"),
    quartiles: low !== null && high !== null ? [low, high] : null,
    validFraction: number("valid_fraction") ?? 0,
    summed: data["period"]
      ? {
          end: Date.parse(text("end")),
          label: text("period"),
          images: number("acquisitions") ?? 0,
          clear: number("clear") ?? 0,
        }
      : null,
    status: text("status"),
    reason: text("reason") || null,
    tiles: text("tile").replaceAll("MGRS-", "").split(" "),
    itemId: text("item_id").split(" ")[0] ?? "",
  };
}
