/** Series as the page asks for them. */
import type { Feature, FeatureCollection } from "geojson";
import { ApiError, ask, INDEX_COLLECTION, isAbort, rasterUrl } from "./api";
import { type Area, toPolygon } from "./area";
import type { Place } from "./coordinates";
import type { IndexName } from "./indices";
import type { SeriesRow, SeriesStop, SeriesSummary } from "./openapi/raster";
import type { Span } from "./period";
import type { Site } from "./sites";

/** What became of an image: the server's word, or the reader's choice. */
export type SampleStatus = Exclude<SeriesRow["status"], "smoothed"> | "few_valid" | "excluded";

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
  readonly status: SampleStatus;
  readonly reason: string | null;
  /** Tiles; more than one where an area lies across their edge. */
  readonly tiles: readonly string[];
  /** The image on the first of the tiles. */
  readonly itemId: string;
}

/** What a series has told so far. */
export interface Arrival {
  /** Oldest first, by the id of the feature: a single one of a place or an area, each site's of several. */
  readonly found: ReadonlyMap<string, readonly Sample[]>;
  /** How many samples there will be, and the time they span in milliseconds; null where the server did not say. */
  readonly total: number | null;
  readonly span: Span | null;
}

type Line = SeriesRow | SeriesSummary | SeriesStop;

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
  const collection = { collection_id: INDEX_COLLECTION };
  const address =
    where.kind === "place"
      ? rasterUrl("/collections/{collection_id}/timeseries/point/{place}", {
          ...collection,
          place: `${where.place.lon},${where.place.lat}.${format}`,
        })
      : rasterUrl("/collections/{collection_id}/timeseries/statistics.{suffix}", {
          ...collection,
          suffix: format,
        });
  return `${address}?${query}`;
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

/** A series that broke off; what had come until then stands in what its reader was told. */
export class CutError extends ApiError {}

const NOTHING: Arrival = { found: new Map(), total: 0, span: null };

/**
 * Reads every acquisition, the newest first, telling `hear` what is there after each piece; nothing outside coverage.
 * Throws {@link ApiError}, of which {@link CutError} once something was there.
 */
export async function readSeries(
  where: Where,
  index: IndexName,
  signal: AbortSignal,
  options: Options = {},
  hear: (arrival: Arrival) => void = () => undefined,
): Promise<Arrival> {
  try {
    const response = await ask(seriesUrl(where, index, "ndjson", options), { ...init(where), signal });
    return await readLines(response, hear);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return NOTHING;
    throw error;
  }
}

async function readLines(response: Response, hear: (arrival: Arrival) => void): Promise<Arrival> {
  const samples = new Map<string, Sample[]>();
  const promised = { total: countOf(response.headers), span: spanIn(response.headers) };
  const soFar = (): Arrival => ({ found: sorted(samples), ...promised });
  let last: SeriesSummary | SeriesStop | null = null;
  try {
    for await (const lines of linesOf(response)) {
      for (const line of lines) {
        if (isRow(line)) add(samples, line);
        else last = line;
      }
      hear(soFar());
    }
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new CutError(0, error instanceof Error ? error.message : String(error));
  }
  // Without its summary, the answer was cut short.
  if (last?.type !== "summary") throw new CutError(503, last?.detail ?? "");
  return soFar();
}

/** A row is told by its feature: any other name may be an attribute of the reader's. */
const isRow = (line: Line): line is SeriesRow => "feature_id" in line;

function countOf(headers: Headers): number | null {
  const count = headers.get("x-rows");
  return count === null ? null : Number(count);
}

function spanIn(headers: Headers): Span | null {
  const [first, last] = (headers.get("x-interval") ?? "").split("/").map((time) => Date.parse(time));
  return first && last ? [first, last] : null;
}

/** The objects of a stream of JSON lines, as many at a time as have come. */
async function* linesOf(response: Response): AsyncGenerator<Line[]> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let piece = await reader?.read(); piece && !piece.done; piece = await reader?.read()) {
    const lines = (rest + piece.value).split("\n");
    rest = lines.pop() ?? "";
    yield lines.map((line) => JSON.parse(line) as Line);
  }
}

function add(samples: Map<string, Sample[]>, row: SeriesRow): void {
  const known = samples.get(row.feature_id);
  if (known) known.push(readSample(row));
  else samples.set(row.feature_id, [readSample(row)]);
}

function sorted(samples: ReadonlyMap<string, readonly Sample[]>): Map<string, readonly Sample[]> {
  return new Map([...samples].map(([id, some]) => [id, some.toSorted((a, b) => a.time - b.time)]));
}

function readSample(row: SeriesRow): Sample {
  const { p25 = null, p75 = null } = row;
  return {
    time: Date.parse(row.datetime),
    datetime: row.datetime,
    value: row.mean,
    quartiles: p25 !== null && p75 !== null ? [p25, p75] : null,
    validFraction: row.valid_fraction ?? 0,
    summed: row.period
      ? {
          end: Date.parse(row.end ?? ""),
          label: row.period,
          images: row.acquisitions ?? 0,
          clear: row.clear ?? 0,
        }
      : null,
    // The page asks for no smoothed curve.
    status: row.status as SampleStatus,
    reason: row.reason,
    tiles: row.tile.replaceAll("MGRS-", "").split(" "),
    itemId: row.item_id.split(" ")[0] ?? "",
  };
}
