/** How the page speaks to the two APIs. */
import type { paths as Raster } from "./openapi/raster";
import type { paths as Stac } from "./openapi/stac";

const metaRoot = document.querySelector<HTMLMetaElement>('meta[name="api-root"]')?.content ?? "/";
export const root = new URL(metaRoot, document.baseURI).href.replace(/\/$/, "");

type Values = Readonly<Record<string, string>>;

/** The address of an operation of the catalogue, under the name that its OpenAPI document has. */
export const stacUrl = (path: keyof Stac, values: Values = {}): string =>
  `${root}/stac${filled(path, values)}`;
/** The address of an operation of the tiler. */
export const rasterUrl = (path: keyof Raster, values: Values = {}): string =>
  `${root}/raster${filled(path, values)}`;

/** The names in braces replaced by their values; those without one stay. */
function filled(path: string, values: Values): string {
  return path.replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}

export const INDEX_COLLECTION = "sentinel-2-indices";
export const SURFACE_COLLECTION = "sentinel-2-l2a";
export const TOP_COLLECTION = "sentinel-2-l1c";

/** What else the server says can be done with a request that it refused. */
export interface WayOut {
  /** Where a job can be made of it. */
  readonly jobs: string | null;
  /** Metres of the pixels in which it can be read. */
  readonly resolution: number | null;
}

const NO_WAY_OUT: WayOut = { jobs: null, resolution: null };

/** The server could not be reached (`status` 0) or refused (`status` and its own words in `message`). */
export class ApiError extends Error {
  override readonly name = "ApiError";
  constructor(
    readonly status: number,
    message: string,
    readonly wayOut: WayOut = NO_WAY_OUT,
    /** The kind of trouble, in the API's words. */
    readonly code: string | null = null,
  ) {
    super(message);
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

export async function request<T>(url: string, init: RequestInit): Promise<T> {
  return (await (await ask(url, init)).json()) as T;
}

export async function ask(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(0, error instanceof Error ? error.message : String(error));
  }
  // A gateway answers for a service that is away; its page is no message for the reader.
  if (!response.ok) throw await problemOf(response);
  return response;
}

interface Problem {
  readonly detail?: unknown;
  readonly description?: unknown;
  readonly code?: string;
  readonly resolution?: number;
  readonly links?: readonly { readonly rel: string; readonly href: string }[];
}

async function problemOf(response: Response): Promise<ApiError> {
  const { status, statusText, headers } = response;
  const isJson = (headers.get("content-type") ?? "").includes("json");
  const problem: Problem = isJson ? ((await response.json()) as Problem) : {};
  const { detail, description, resolution, links: ways } = problem;
  const words = [detail, description].find((text) => typeof text === "string") ?? `${status} ${statusText}`;
  const wayOut = {
    jobs: ways?.find(({ rel }) => rel === "jobs")?.href ?? null,
    resolution: resolution ?? null,
  };
  return new ApiError(status, words, wayOut, problem.code ?? null);
}

export const links = { stac: `${root}/stac/`, raster: `${root}/raster/` } as const;
