/** How long ago the newest image of a tile was taken, in classes that the map colours. */
import { signal } from "@preact/signals";
import { ApiError, request, stacUrl } from "./api";
import type { CoveragePage, TileCoverage } from "./openapi/stac";

/** Days up to which a class reaches, and its colour. */
export const CLASSES = [
  { days: 10, colour: "--fresh-1" },
  { days: 31, colour: "--fresh-2" },
  { days: 366, colour: "--fresh-3" },
  { days: Number.POSITIVE_INFINITY, colour: "--fresh-4" },
] as const;
export type Freshness = (typeof CLASSES)[number];

const DAY = 86_400_000;

export function freshnessOf(newest: number, now = Date.now()): Freshness {
  const age = (now - newest) / DAY;
  return CLASSES.find(({ days }) => age <= days) ?? CLASSES[3];
}

/** What the archive holds of each tile, by the tile's name, such as 48PWU; empty until the server has told. */
export const tileStatus = signal<ReadonlyMap<string, TileCoverage>>(new Map());

/** Pages of a thousand tiles: more than all of Earth's land. */
const MOST_PAGES = 30;

/** Asks what every tile holds. Without an answer, the map says only what it sees. */
export async function loadTileStatus(): Promise<void> {
  let url: string | undefined = `${stacUrl("/status/coverage")}?limit=1000`;
  const found = new Map<string, TileCoverage>();
  try {
    for (let page = 0; url && page < MOST_PAGES; page += 1) {
      const answer: CoveragePage = await request<CoveragePage>(url, {});
      for (const one of answer.tiles) found.set(one.tile, one);
      url = answer.links.find(({ rel }) => rel === "next")?.href;
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
  tileStatus.value = found;
}
