/** What the catalogue holds: the items behind an image, and the tiles in view. */
import type { MultiPolygon, Polygon } from "geojson";
import { INDEX_COLLECTION, request, SURFACE_COLLECTION, stacUrl, TOP_COLLECTION } from "./api";
import type { Sample } from "./series";

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

function search(body: object, signal: AbortSignal): Promise<SearchAnswer> {
  return request<SearchAnswer>(stacUrl("/search"), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal,
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
          ...["id", "collection", "bbox", "geometry", "assets.TCI.href", "assets.SCL.href"],
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
  return stacUrl("/collections/{collection_id}/items/{item_id}", {
    collection_id: scene.collection,
    item_id: encodeURIComponent(scene.id),
  });
}
