/** Keeps the loaded data in step with what is chosen: a new choice cancels the request it replaces. */
import { effect, type ReadonlySignal, type Signal, untracked } from "@preact/signals";
import { ApiError } from "./api";
import { COVERAGE_PAGE, fetchCoverage, fetchScenes, type Scene } from "./catalogue";
import { fetchSeries, type Sample } from "./series";
import type { Site } from "./sites";
import {
  area,
  attempt,
  coverageState,
  type HeldTile,
  heldTiles,
  index,
  isArea,
  leastValid,
  other,
  otherScenes,
  place,
  type SeriesState,
  scenes,
  selected,
  series,
  site,
  siteSeries,
  sites,
  stepName,
  stepped,
  summing,
  where,
} from "./state";

function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** Starts the series and scene requests that follow the chosen place, index and date. */
export function followChoices(): void {
  effect(followSites);
  effect(followSeries);
  effect(followSteps);
  effect(followItems(selected, scenes));
  effect(followItems(other, otherScenes));
}

function followSeries(): (() => void) | undefined {
  if (site.value) {
    series.value = siteSeries.value.get(site.value.id) ?? { kind: "loading" };
    return undefined;
  }
  attempt.value;
  const [outline, middle, what] = [area.value, place.value, index.value];
  if (!middle) {
    series.value = { kind: "idle" };
    return undefined;
  }
  const controller = new AbortController();
  series.value = { kind: "loading" };
  const asked = outline
    ? { kind: "area" as const, area: outline }
    : { kind: "place" as const, place: middle };
  fetchSeries(asked, what, controller.signal).then(
    (found) => {
      series.value = readyWith([...found.values()][0]);
    },
    (error: unknown) => {
      if (!isAbort(error)) series.value = failed(error);
    },
  );
  return () => controller.abort();
}

/** Moving the slider asks once it rests. */
const REST = 300;

/** Asks the server to sum up by the chosen step; too cloudy images are left out of the sums, too. */
function followSteps(): (() => void) | undefined {
  attempt.value;
  const [step, asked, what] = [stepName.value, where.value, index.value];
  const least = isArea.value ? leastValid.value : 0;
  if (!step || !asked) {
    stepped.value = { kind: "idle" };
    return undefined;
  }
  const controller = new AbortController();
  const options = { ...summing.value, min_valid: `${least}`, order: "oldest" };
  const wait = stepped.peek().kind === "ready" ? REST : 0;
  const timer = setTimeout(() => {
    fetchSeries(asked, what, controller.signal, options).then(
      (found) => {
        stepped.value = readyWith([...found.values()][0]);
      },
      (error: unknown) => {
        if (!isAbort(error)) stepped.value = failed(error);
      },
    );
  }, wait);
  return () => {
    clearTimeout(timer);
    controller.abort();
  };
}

const readyWith = (samples: readonly Sample[] = []): SeriesState => ({ kind: "ready", samples });

/** Sites asked for in one request: few enough for their curves to come one after the other. */
const AT_ONCE = 8;

/** Reads every site's series, that of the chosen one first. */
function followSites(): (() => void) | undefined {
  attempt.value;
  const [set, what] = [sites.value, index.value];
  siteSeries.value = new Map();
  if (!set) return undefined;
  const controller = new AbortController();
  const first = untracked(() => site.value) ?? set.sites[0];
  const others = set.sites.filter((one) => one !== first);
  const groups = first ? [[first]] : [];
  for (let at = 0; at < others.length; at += AT_ONCE) groups.push(others.slice(at, at + AT_ONCE));
  void readGroups(groups, what, controller.signal);
  return () => controller.abort();
}

async function readGroups(
  groups: readonly (readonly Site[])[],
  what: typeof index.value,
  signal: AbortSignal,
): Promise<void> {
  for (const group of groups) {
    const states = await readGroup(group, what, signal);
    if (signal.aborted) return;
    siteSeries.value = new Map([...siteSeries.value, ...states]);
  }
}

async function readGroup(
  group: readonly Site[],
  what: typeof index.value,
  signal: AbortSignal,
): Promise<[string, SeriesState][]> {
  try {
    const found = await fetchSeries({ kind: "sites", sites: group }, what, signal);
    return group.map(({ id }) => [id, readyWith(found.get(id))]);
  } catch (error) {
    if (isAbort(error)) return [];
    return group.map(({ id }) => [id, failed(error)]);
  }
}

function failed(error: unknown): SeriesState {
  if (error instanceof ApiError) return { kind: "failed", status: error.status, message: error.message };
  throw error;
}

/** Keeps the items of an acquisition at hand. Another index of the same image, or a reload, needs no new look-up. */
function followItems(of: ReadonlySignal<Sample | null>, into: Signal<readonly Scene[] | null>): () => void {
  let asked: { readonly item: string; readonly controller: AbortController } | null = null;
  return () => {
    if (series.value.kind === "loading") return;
    const sample = of.value;
    if (sample?.itemId === asked?.item) return;
    asked?.controller.abort();
    asked = null;
    into.value = null;
    if (!sample) return;
    const controller = new AbortController();
    asked = { item: sample.itemId, controller };
    fetchScenes(sample, controller.signal).then(
      (found) => {
        into.value = found;
      },
      (error: unknown) => {
        if (isAbort(error)) return;
        if (!(error instanceof ApiError)) throw error;
        // The curve stands without the image's details; choosing the image again asks again.
        asked = null;
        into.value = [];
      },
    );
  };
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
