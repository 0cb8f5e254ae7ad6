/** Keeps the loaded data in step with what is chosen: a new choice cancels the request it replaces. */
import { effect } from "@preact/signals";
import { ApiError, COVERAGE_PAGE, fetchCoverage, fetchScenes, fetchSeries, type Scene } from "./api";
import {
  area,
  attempt,
  coverageState,
  type HeldTile,
  heldTiles,
  index,
  place,
  scenes,
  selected,
  series,
} from "./state";

function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** Starts the series and scene requests that follow the chosen place, index and date. */
export function followChoices(): void {
  effect(followSeries);
  effect(followScene);
}

function followSeries(): (() => void) | undefined {
  attempt.value;
  const [where, what] = [area.value ?? place.value, index.value];
  if (!where) {
    series.value = { kind: "idle" };
    return undefined;
  }
  const controller = new AbortController();
  series.value = { kind: "loading" };
  fetchSeries(where, what, controller.signal).then(
    (samples) => {
      series.value = { kind: "ready", samples };
    },
    (error: unknown) => {
      if (!isAbort(error)) series.value = { kind: "failed", ...describe(error) };
    },
  );
  return () => controller.abort();
}

let asked: { readonly item: string; readonly controller: AbortController } | null = null;

/** Another index of the same image, or a reload of the same series, needs no new look-up. */
function followScene(): void {
  if (series.value.kind === "loading") return;
  const sample = selected.value;
  if (sample?.itemId === asked?.item) return;
  asked?.controller.abort();
  asked = null;
  scenes.value = null;
  if (!sample) return;
  const controller = new AbortController();
  asked = { item: sample.itemId, controller };
  fetchScenes(sample, controller.signal).then(
    (found) => {
      scenes.value = found;
    },
    (error: unknown) => {
      if (isAbort(error)) return;
      if (!(error instanceof ApiError)) throw error;
      // The curve stands without the image's details; choosing the image again asks again.
      asked = null;
      scenes.value = [];
    },
  );
}

function describe(error: unknown): { status: number; message: string } {
  if (error instanceof ApiError) return { status: error.status, message: error.message };
  throw error;
}

/** A bound on the requests that one look at the map may cause; each finds at least one new tile. */
const ROUNDS = 12;

let running: AbortController | null = null;

/** Adds the tiles within a bounding box to `heldTiles`, a page of newest items at a time. */
export async function loadCoverage(bbox: readonly number[]): Promise<void> {
  running?.abort();
  const controller = new AbortController();
  running = controller;
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      const known = heldTiles.value.map((tile) => tile.code);
      const found = await fetchCoverage(bbox, known, controller.signal);
      addTiles(found);
      if (found.length < COVERAGE_PAGE) break;
    }
    coverageState.value = "ready";
  } catch (error) {
    if (isAbort(error)) return;
    if (!(error instanceof ApiError)) throw error;
    coverageState.value = "failed";
  }
}

function addTiles(found: readonly Scene[]): void {
  const tiles = new Map<string, HeldTile>(heldTiles.value.map((tile) => [tile.code, tile]));
  for (const scene of found) {
    const code = scene.properties["grid:code"];
    if (!code) continue;
    const held = tiles.get(code);
    const newest = Math.max(held?.newest ?? 0, Date.parse(scene.properties.datetime));
    // A swath's edge cuts some images of a tile: the widest one shows what can be asked.
    const widest = held && boxArea(held.scene) >= boxArea(scene) ? held.scene : scene;
    tiles.set(code, { code, scene: widest, newest });
  }
  heldTiles.value = [...tiles.values()];
}

function boxArea({ bbox }: Scene): number {
  const [west = 0, south = 0, east = 0, north = 0] = bbox;
  return (east - west) * (north - south);
}
