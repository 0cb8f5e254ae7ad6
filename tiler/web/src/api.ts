/** The typed client of the two APIs. Everything the page asks a server for is asked here. */
import type { MultiPolygon, Polygon } from "geojson";
import { type Area, toPolygon } from "./area";
import type { Place } from "./coordinates";
import { INDEX_STYLES, type IndexName } from "./indices";

const metaRoot = document.querySelector<HTMLMetaElement>('meta[name="api-root"]')?.content ?? "/";
const root = new URL(metaRoot, document.baseURI).href.replace(/\/$/, "");

export const INDEX_COLLECTION = "sentinel-2-indices";
export const SURFACE_COLLECTION = "sentinel-2-l2a";
export const TOP_COLLECTION = "sentinel-2-l1c";

/** The server could not be reached (`status` 0) or refused (`status` and its own words in `message`). */
export class ApiError extends Error {
  override readonly name = "ApiError";
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** One acquisition at the chosen place; `value` is null where the date is masked or could not be read. */
export interface Sample {
  readonly time: number;
  readonly datetime: string;
  readonly value: number | null;
  /** 25th and 75th percentile within an area. */
  readonly quartiles: readonly [number, number] | null;
  /** Share of the pixels that are neither masked nor missing, 0 to 1. */
  readonly validFraction: number;
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

/** The fields of a STAC item that the page asks for. */
export interface Scene {
  readonly id: string;
  readonly collection: string;
  readonly bbox: readonly number[];
  readonly geometry: Polygon | MultiPolygon;
  readonly properties: {
    readonly datetime: string;
    readonly platform?: string;
    readonly "grid:code"?: string;
    readonly "eo:cloud_cover"?: number | null;
    readonly "s2:processing_baseline"?: string;
  };
  readonly assets?: Readonly<Record<string, { readonly href?: string }>>;
}

interface SearchAnswer {
  readonly features: readonly Scene[];
}

async function request<T>(url: string, init: RequestInit): Promise<T> {
  return (await (await ask(url, init)).json()) as T;
}

async function ask(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, error instanceof Error ? error.message : String(error));
  }
  // A gateway answers for a service that is away; its page is no message for the reader.
  if (!response.ok) throw new ApiError(response.status, await problemOf(response));
  return response;
}

async function problemOf(response: Response): Promise<string> {
  const type = response.headers.get("content-type") ?? "";
  if (!type.includes("json")) return `${response.status} ${response.statusText}`;
  const body = (await response.json()) as { detail?: unknown; description?: unknown };
  const words = [body.detail, body.description].find((text) => typeof text === "string");
  return typeof words === "string" ? words : `${response.status} ${response.statusText}`;
}

function search(body: object, signal: AbortSignal): Promise<SearchAnswer> {
  return request<SearchAnswer>(`${root}/stac/search`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
}

/** The address of a point series; the same request in each format. */
export function seriesUrl(place: Place, index: IndexName, format: "json" | "csv"): string {
  const path = `/raster/collections/${INDEX_COLLECTION}/timeseries/point/${place.lon},${place.lat}.${format}`;
  return `${root}${path}?index=${index}`;
}

/** The address to which an area is posted. */
export function areaUrl(index: IndexName, format: "json" | "csv"): string {
  return `${root}/raster/collections/${INDEX_COLLECTION}/timeseries/statistics.${format}?index=${index}`;
}

/** What is posted for an area. */
export function areaBody(area: Area): string {
  return JSON.stringify({ type: "Feature", id: "area", properties: {}, geometry: toPolygon(area) });
}

function posted(area: Area): RequestInit {
  return { method: "POST", headers: { "content-type": "application/geo+json" }, body: areaBody(area) };
}

/** An area's series as the server writes it for a spreadsheet. Throws {@link ApiError}. */
export async function fetchAreaCsv(area: Area, index: IndexName): Promise<Blob> {
  return (await ask(areaUrl(index, "csv"), posted(area))).blob();
}

/** Every acquisition at a place or over an area, oldest first. Empty outside coverage. Throws {@link ApiError}. */
export async function fetchSeries(
  where: Place | Area,
  index: IndexName,
  signal: AbortSignal,
): Promise<Sample[]> {
  const [url, init] =
    "lon" in where ? [seriesUrl(where, index, "json"), {}] : [areaUrl(index, "json"), posted(where)];
  try {
    const answer = await request<TimeSeriesAnswer>(url, { ...init, signal });
    return readSamples(answer).sort((a, b) => a.time - b.time);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return [];
    throw error;
  }
}

function readSamples({ data }: TimeSeriesAnswer): Sample[] {
  const number = (name: string, row: number): number | null => {
    const cell = data[name]?.[row];
    return typeof cell === "number" ? cell : null;
  };
  const text = (name: string, row: number): string => String(data[name]?.[row] ?? "");
  return (data["datetime"] ?? []).map((datetime, row) => {
    const [low, high] = [number("p25", row), number("p75", row)];
    return {
      time: Date.parse(String(datetime)),
      datetime: String(datetime),
      value: number("mean", row),
      quartiles: low !== null && high !== null ? [low, high] : null,
      validFraction: number("valid_fraction", row) ?? 0,
      status: text("status", row),
      reason: text("reason", row) || null,
      tiles: text("tile", row).replaceAll("MGRS-", "").split(" "),
      itemId: text("item_id", row).split(" ")[0] ?? "",
    };
  });
}

const HOUR = 3_600_000;

/** The surface and top-of-atmosphere items of one sample; either may be missing from the archive. */
export async function fetchScenes(sample: Sample, signal: AbortSignal): Promise<Scene[]> {
  const around = [sample.time - HOUR, sample.time + HOUR].map((time) => new Date(time).toISOString());
  const answer = await search(
    {
      collections: [SURFACE_COLLECTION, TOP_COLLECTION, INDEX_COLLECTION],
      datetime: around.join("/"),
      "filter-lang": "cql2-json",
      filter: { op: "=", args: [{ property: "grid:code" }, `MGRS-${sample.tiles[0]}`] },
      fields: {
        include: [
          ...["id", "collection", "bbox", "geometry", "assets.TCI.href"],
          ...["datetime", "platform", "grid:code", "eo:cloud_cover", "s2:processing_baseline"].map(
            (name) => `properties.${name}`,
          ),
        ],
        exclude: ["links"],
      },
      limit: 20,
    },
    signal,
  );
  return [...answer.features];
}

/** How many items one coverage request may return. */
export const COVERAGE_PAGE = 100;

/** The newest items in a bounding box (west, south, east, north) of tiles not in `known`: outlines and dates only. */
export async function fetchCoverage(
  bbox: readonly number[],
  known: readonly string[],
  signal: AbortSignal,
): Promise<readonly Scene[]> {
  const unknownOnly = {
    "filter-lang": "cql2-json",
    filter: { op: "not", args: [{ op: "in", args: [{ property: "grid:code" }, known] }] },
  };
  const answer = await search(
    {
      collections: [INDEX_COLLECTION],
      bbox,
      ...(known.length > 0 ? unknownOnly : {}),
      sortby: [{ field: "properties.datetime", direction: "desc" }],
      fields: {
        include: ["id", "geometry", "bbox", "properties.datetime", "properties.grid:code"],
        exclude: ["links", "assets"],
      },
      limit: COVERAGE_PAGE,
    },
    signal,
  );
  return answer.features;
}

export function itemUrl(scene: Pick<Scene, "id" | "collection">): string {
  return `${root}/stac/collections/${scene.collection}/items/${encodeURIComponent(scene.id)}`;
}

const TILE = "tiles/WebMercatorQuad/{z}/{x}/{y}.png";

// TCI is made for vegetation to stay unsaturated and looks dark on a screen.
const TRUE_COLOUR = "assets=TCI&color_formula=gamma%20RGB%201.5";

/** XYZ template of an item's true colour. */
export function colourTiles(itemId: string): string {
  return `${root}/raster/collections/${SURFACE_COLLECTION}/items/${itemId}/${TILE}?${TRUE_COLOUR}`;
}

/** XYZ template of an item's index, coloured as the legend shows. */
export function indexTiles(itemId: string, index: IndexName): string {
  const { rescale, colormap } = INDEX_STYLES[index];
  const style = `assets=${index}&rescale=${rescale.join(",")}&colormap_name=${colormap}`;
  return `${root}/raster/collections/${INDEX_COLLECTION}/items/${itemId}/${TILE}?${style}`;
}

/** XYZ template of the newest images with little cloud, whatever their date. */
export function newestTiles(): string {
  const clear = encodeURIComponent("eo:cloud_cover <= 20");
  return `${root}/raster/collections/${SURFACE_COLLECTION}/${TILE}?${TRUE_COLOUR}&filter=${clear}&filter-lang=cql2-text&sortby=-datetime`;
}

export const links = { stac: `${root}/stac/`, raster: `${root}/raster/` } as const;
