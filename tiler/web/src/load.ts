/** Keeps the loaded data in step with what is chosen: a new choice cancels the request it replaces. */
import { effect, type ReadonlySignal, type Signal, untracked } from "@preact/signals";
import { ApiError, isAbort } from "./api";
import { COVERAGE_PAGE, fetchCoverage, fetchScenes, type Scene } from "./catalogue";
import type { IndexName } from "./indices";
import { type Arrival, CutError, type Options, readSeries, type Sample, type Where } from "./series";
import type { Site } from "./sites";
import {
  attempt,
  LOADING,
  other,
  type SeriesState,
  samplesOf,
  selected,
  series,
  siteSeries,
  stepped,
} from "./state/answers";
import { coverageState, type HeldTile, heldTiles, otherScenes, scenes } from "./state/archive";
import { area, isArea, place, site, sites, where } from "./state/choices";
import { reading, summing } from "./state/curves";
import { index, leastValid, stepName } from "./state/view";

/** Starts the series and scene requests that follow the chosen place, index and date. */
export function followChoices(): void {
  effect(followSites);
  effect(followSeries);
  effect(followSteps);
  effect(followItems(selected, scenes));
  effect(followItems(other, otherScenes));
}

let stop: (() => void) | null = null;

/** Stops reading the series on show; what has come stays. */
export function stopReading(): void {
  stop?.();
}

function followSeries(): (() => void) | undefined {
  if (site.value) {
    series.value = siteSeries.value.get(site.value.id) ?? LOADING;
    return undefined;
  }
  attempt.value;
  const [outline, middle, what] = [area.value, place.value, index.value];
  if (!middle) {
    series.value = { kind: "idle" };
    return undefined;
  }
  const asked = outline
    ? { kind: "area" as const, area: outline }
    : { kind: "place" as const, place: middle };
  const controller = new AbortController();
  series.value = LOADING;
  stop = () => {
    series.value = cut(series.peek());
    controller.abort();
  };
  void follow(asked, what, controller.signal, reading.value, (states) => {
    series.value = only(states);
  });
  return () => controller.abort();
}

type States = (id: string) => SeriesState;

/** The state of the single feature of a place or an area, whatever the server calls it. */
const ONE = "";
const only = (states: States): SeriesState => states(ONE);

/** Reads series; `show` is handed what became of each feature, by id, whenever there is news worth drawing. */
async function follow(
  asked: Where,
  what: IndexName,
  signal: AbortSignal,
  options: Options,
  show: (states: States) => void,
): Promise<void> {
  let latest: Arrival = { found: new Map(), total: null, span: null };
  const samples = (id: string): readonly Sample[] =>
    (id === ONE ? [...latest.found.values()][0] : latest.found.get(id)) ?? [];
  // Of several features nobody knows how many of the samples are whose.
  const total = (): number | null => (asked.kind === "sites" && asked.sites.length > 1 ? null : latest.total);
  const loading: States = (id) => ({
    kind: "loading",
    samples: samples(id),
    total: total(),
    span: latest.span,
  });
  const draw = paced(() => {
    if (!signal.aborted) show(loading);
  });
  try {
    latest = await readSeries(asked, what, signal, options, (arrival) => {
      latest = arrival;
      draw.soon();
    });
    show((id) => ({ kind: "ready", samples: samples(id), missing: 0 }));
  } catch (error) {
    if (isAbort(error)) return;
    if (!(error instanceof ApiError)) throw error;
    const lost = failed(error);
    show((id) => (error instanceof CutError && samples(id).length > 0 ? cut(loading(id)) : lost));
  } finally {
    draw.stop();
  }
}

/** What had come of a series when reading stopped. */
function cut(state: SeriesState): SeriesState {
  const samples = samplesOf(state);
  const total = state.kind === "loading" ? state.total : null;
  return { kind: "ready", samples, missing: Math.max((total ?? 0) - samples.length, 1) };
}

/** More often than this, in milliseconds, a growing curve is not drawn. */
const PACE = 100;

/** Does something at once, then at most so often however often it is asked for. */
function paced(work: () => void): { readonly soon: () => void; readonly stop: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let last = Number.NEGATIVE_INFINITY;
  const run = (): void => {
    timer = undefined;
    last = performance.now();
    work();
  };
  return {
    soon: () => {
      const wait = last + PACE - performance.now();
      if (wait <= 0 && timer === undefined) run();
      else timer ??= setTimeout(run, wait);
    },
    stop: () => clearTimeout(timer),
  };
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
    void follow(asked, what, controller.signal, options, (states) => {
      // A sum replaces another at once; half of it would say something else.
      const state = only(states);
      if (state.kind !== "loading") stepped.value = state;
    });
  }, wait);
  return () => {
    clearTimeout(timer);
    controller.abort();
  };
}

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
  void readGroups(groups, what, controller.signal, reading.value);
  return () => controller.abort();
}

async function readGroups(
  groups: readonly (readonly Site[])[],
  what: IndexName,
  signal: AbortSignal,
  options: Options,
): Promise<void> {
  for (const group of groups) {
    await follow({ kind: "sites", sites: group }, what, signal, options, (states) => {
      const told = group.map(({ id }) => [id, states(id)] as const);
      siteSeries.value = new Map([...siteSeries.value, ...told]);
    });
    if (signal.aborted) return;
  }
}

function failed(error: unknown): SeriesState {
  if (!(error instanceof ApiError)) throw error;
  return { kind: "failed", status: error.status, message: error.message, wayOut: error.wayOut };
}

/** Keeps the items of an acquisition at hand. Another index of the same image, or a reload, needs no new look-up. */
function followItems(of: ReadonlySignal<Sample | null>, into: Signal<readonly Scene[] | null>): () => void {
  let asked: { readonly item: string; readonly controller: AbortController } | null = null;
  return () => {
    // While nothing is there to look at, what is on the map stays.
    if (series.value.kind === "loading" && of.value === null) return;
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
