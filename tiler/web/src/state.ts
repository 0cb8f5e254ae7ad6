/** What the page shows, as signals; the part worth sharing is kept in the address. */
import { batch, computed, effect, signal } from "@preact/signals";
import { type Area, decodeArea, encodeArea, toPolygon } from "./area";
import type { Scene } from "./catalogue";
import { type Usual, usualCourse, yearLater } from "./climate";
import { makePlace, type Place } from "./coordinates";
import { chosenLanguage, isLanguage, t } from "./i18n";
import { type IndexName, isIndexName } from "./indices";
import { keepSites, keptSites } from "./kept";
import { GHOST, type Line, lineStyle, STEPPED } from "./lines";
import { EVERYTHING, type Period, readPeriod, type Span, spanOf, writePeriod } from "./period";
import type { Options, Sample, Where } from "./series";
import {
  hasArea,
  middleOf,
  readSites,
  type Site,
  type SiteGeometry,
  type SiteSet,
  writeSites,
} from "./sites";
import { isStep, type Step } from "./steps";

/** True colour of the surface (L2A) or as seen from above the atmosphere (L1C), the index, or nothing. */
export type Layer = "colour" | "top" | "index" | "none";

export type SeriesState =
  | { readonly kind: "idle" }
  /** `total` and `span` are those of the whole, as soon as the server has told them. */
  | {
      readonly kind: "loading";
      readonly samples: readonly Sample[];
      readonly total: number | null;
      readonly span: Span | null;
    }
  /** `missing` samples had not come when reading stopped. */
  | { readonly kind: "ready"; readonly samples: readonly Sample[]; readonly missing: number }
  | { readonly kind: "failed"; readonly status: number; readonly message: string };

export const LOADING: SeriesState = { kind: "loading", samples: [], total: null, span: null };

/** One tile of the archive: its outline and its newest image. */
export interface HeldTile {
  readonly code: string;
  readonly scene: Scene;
  readonly newest: number;
}

const LEAST_VALID = 0.5;

export const place = signal<Place | null>(null);
/** The area whose series is shown instead of that of its middle, which is then `place`. */
export const area = signal<Area | null>(null);
/** Several places of the reader's; they stay at hand while another place is looked at. */
export const sites = signal<SiteSet | null>(null);
/** The id of the site whose series is shown instead of that of its middle, which is then `place`. */
const siteId = signal<string | null>(null);
/** Ids of the sites whose curves are laid over the one shown. */
export const ticked = signal<readonly string[]>([]);
/** The series of each site, as far as it was asked for. */
export const siteSeries = signal<ReadonlyMap<string, SeriesState>>(new Map());
/** Whether the reader is drawing an area. */
export const drawing = signal(false);
/** Hectares of the outline being drawn. */
export const sketched = signal(0);
/** An area's image with a smaller share of valid pixels, 0 to 1, is left out of the curve. */
export const leastValid = signal(LEAST_VALID);
export const index = signal<IndexName>("NDVI");
/** The start of an acquisition's date-time, or null for the newest clear one. */
export const wanted = signal<string | null>(null);
export const layer = signal<Layer>("colour");
/** Whether clouds and shadows are marked on the image. */
export const clouds = signal(false);
/** The start of another acquisition's date-time, shown left of the swipe; null without comparison. */
export const against = signal<string | null>(null);
/** Where the swipe is, as a share of the map's width. */
export const swipe = signal(0.5);
/** Starts of date-times that the reader leaves out of the curve. */
export const excluded = signal<readonly string[]>([]);
/** What part of the series is shown. */
export const period = signal<Period>(EVERYTHING);
/** The calendar step that the curve is summed up by, or null for each image. */
export const stepName = signal<Step | null>(null);
/** Whether the curve of the year before is shown, and what is usual for the season. */
export const ghost = signal(false);
export const usual = signal(false);
/** The steps' values; idle where each image stands for itself. */
export const stepped = signal<SeriesState>({ kind: "idle" });
export const zoom = signal<number | null>(null);

export const series = signal<SeriesState>({ kind: "idle" });
/** Raised to ask again after a failure. */
export const attempt = signal(0);

export const heldTiles = signal<readonly HeldTile[]>([]);
export const coverageState = signal<"loading" | "ready" | "failed">("loading");
/** The items of the selected acquisition, and of the one it is compared with; null while they are looked up. */
export const scenes = signal<readonly Scene[] | null>(null);
export const otherScenes = signal<readonly Scene[] | null>(null);

export const site = computed<Site | null>(
  () => sites.value?.sites.find(({ id }) => id === siteId.value) ?? null,
);
/** The outline shown on the map, or null for a place. */
export const outline = computed<SiteGeometry | null>(
  () => site.value?.geometry ?? (area.value && toPolygon(area.value)),
);
/** Whether a value sums up many pixels. */
export const isArea = computed(() => outline.value !== null && hasArea(outline.value));
/** What the series shown is of. */
export const where = computed<Where | null>(() => {
  if (site.value) return { kind: "sites", sites: [site.value] };
  if (area.value) return { kind: "area", area: area.value };
  return place.value && { kind: "place", place: place.value };
});
/** What a download is of: all sites, where there are several. */
export const allOfIt = computed<Where | null>(() =>
  site.value && sites.value ? { kind: "sites", sites: sites.value.sites } : where.value,
);

export const samplesOf = (state: SeriesState): readonly Sample[] => ("samples" in state ? state.samples : []);

/** Everything that the server answered so far, oldest first. */
const answered = computed(() => samplesOf(series.value));
/** Every image that would be in the curve, whatever the period shown. */
export const answeredClear = computed<readonly Sample[]>(() => answered.value.filter(isClear));
/** From the first image to the last, in milliseconds, also of those still to come. */
export const extent = computed<Span | null>(() => {
  if (series.value.kind === "loading" && series.value.span) return series.value.span;
  const [first, last] = [answered.value[0], answered.value.at(-1)];
  return first && last ? [first.time, last.time] : null;
});
/** The shown period in milliseconds, or null where it is everything. */
export const span = computed<Span | null>(() => spanOf(period.value, extent.value?.[1] ?? 0));

/** The images of the shown period, oldest first. */
const within = computed<readonly Sample[]>(() => {
  const shown = span.value;
  if (!shown) return answered.value;
  return answered.value.filter(({ time }) => time >= shown[0] && time <= shown[1]);
});

/** The images of the shown period; those with too few valid pixels are without a value. */
export const samples = computed<readonly Sample[]>(() => within.value.map(judged));

/** A sample as the curve takes it: without a value where the reader, or the slider, leaves it out. */
function judged(sample: Sample): Sample {
  if (isExcluded(sample)) return { ...sample, value: null, quartiles: null, status: "excluded" };
  if (sample.value === null || isClear(sample)) return sample;
  return { ...sample, value: null, quartiles: null, status: "few_valid" };
}

export function isExcluded({ datetime }: Sample): boolean {
  return excluded.value.some((start) => datetime.startsWith(start));
}

export function exclude(sample: Sample, out: boolean): void {
  const others = excluded.value.filter((start) => !sample.datetime.startsWith(start));
  batch(() => {
    excluded.value = out ? [...others, shortest(sample)] : others;
    // It stays in view, so that it can be taken back.
    select(sample);
  });
}
/** The largest share of valid pixels among the shown images that hold any. */
export const bestFraction = computed(() =>
  Math.max(
    0,
    ...within.value.filter(({ value }) => value !== null).map(({ validFraction }) => validFraction),
  ),
);
export const clearSamples = computed(() => samples.value.filter((sample) => sample.value !== null));

/** Whether a sample of any site would be in its curve. */
export function isClear(sample: Sample): boolean {
  if (sample.value === null || isExcluded(sample)) return false;
  return !isArea.value || sample.validFraction >= leastValid.value;
}

/** The steps of the shown period, oldest first. */
export const steps = computed<readonly Sample[]>(() => {
  const all = samplesOf(stepped.value);
  const shown = span.value;
  return shown ? all.filter(({ time, summed }) => (summed?.end ?? time) > shown[0] && time <= shown[1]) : all;
});

/** In the middle of each step. */
const stepPoints = computed(() =>
  steps.value.map(({ time, summed, value }) => [((summed?.end ?? time) + time) / 2, value] as const),
);

/** The curves besides that of the images. */
export const lines = computed<readonly Line[]>(() => {
  const shown = [...overlays.value];
  if (ghost.value)
    shown.unshift({ name: t.also.ghost, points: yearLater(answeredClear.value), style: GHOST });
  if (stepName.value)
    shown.push({ name: t.step.names[stepName.value], points: stepPoints.value, style: STEPPED });
  return shown.map(withinSpan);
});

function withinSpan(line: Line): Line {
  // Without a period, the curve's own extent: a year later than the last image there is nothing to compare.
  const shown = span.value ?? extent.value;
  return shown
    ? { ...line, points: line.points.filter(([time]) => time >= shown[0] && time <= shown[1]) }
    : line;
}

/** In CQL2, all images but those left out; empty for none. */
const kept = computed(() =>
  answered.value
    .filter(isExcluded)
    .map(({ datetime }) => `datetime <> TIMESTAMP('${datetime}')`)
    .join(" AND "),
);

/** Parameters by which a request asks for the very curve shown. */
export const summing = computed<Options>(() => ({
  ...(stepName.value ? { step: stepName.value } : {}),
  ...(kept.value ? { filter: kept.value } : {}),
}));

/** What is usual for the season, over the shown period; empty unless asked for. */
export const usualBand = computed<readonly Usual[]>(() => {
  const shown = span.value ?? extent.value;
  return usual.value && shown ? usualCourse(answeredClear.value, shown[0], shown[1]) : [];
});

/** The curves of the ticked sites, but for the one shown. */
export const overlays = computed<readonly Line[]>(() =>
  ticked.value.flatMap((id, at): Line[] => {
    const one = sites.value?.sites.find((other) => other.id === id);
    const state = siteSeries.value.get(id);
    if (!one || one === site.value || !state) return [];
    const points = samplesOf(state)
      .filter(isClear)
      .map(({ time, value }) => [time, value] as const);
    return [{ name: one.name, points, style: lineStyle(at) }];
  }),
);

export const selected = computed<Sample | null>(() => {
  const start = wanted.value;
  const asked =
    start === null ? undefined : samples.value.find((sample) => sample.datetime.startsWith(start));
  // The newest come first: of those to come only the one that is asked for, or a clear one, is worth waiting for.
  if (series.value.kind === "loading")
    return start === null ? (clearSamples.value.at(-1) ?? null) : (asked ?? null);
  return asked ?? clearSamples.value.at(-1) ?? samples.value.at(-1) ?? null;
});

/** The acquisition left of the swipe. */
export const other = computed<Sample | null>(() => {
  const start = against.value;
  return (start && answered.value.find(({ datetime }) => datetime.startsWith(start))) || null;
});

/** Chooses an acquisition. */
export function select(sample: Sample): void {
  wanted.value = shortest(sample);
}

export function compareWith(sample: Sample | null): void {
  against.value = sample && shortest(sample);
}

/** Its day alone stands for an acquisition, unless two share it. */
export function shortest({ datetime }: Sample): string {
  const day = datetime.slice(0, 10);
  const alone = answered.value.filter((one) => one.datetime.startsWith(day)).length === 1;
  return alone ? day : datetime;
}

/** Moves the choice by some images, stopping at the ends. */
export function step(by: number): void {
  const all = samples.value;
  const at = selected.value ? all.indexOf(selected.value) : all.length - 1;
  const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
  if (next) select(next);
}

/** Chooses a place. The date is kept: a neighbour is compared on the same day. */
export function pick(lon: number, lat: number): void {
  choosePlace(makePlace(lon, lat));
}

export function choosePlace(next: Place | null): void {
  if (!next) return;
  batch(() => {
    area.value = null;
    siteId.value = null;
    place.value = next;
  });
}

/** Takes a file's places and shows the first. */
export function chooseSites(next: SiteSet): void {
  batch(() => {
    sites.value = next;
    ticked.value = [];
    if (next.sites[0]) chooseSite(next.sites[0]);
  });
}

export function chooseSite(next: Site): void {
  batch(() => {
    area.value = null;
    siteId.value = next.id;
    place.value = makePlace(...middleOf(next.geometry));
  });
}

/** Gives up the list of sites; the place looked at stays. */
export function dropSites(): void {
  batch(() => {
    sites.value = null;
    siteId.value = null;
    ticked.value = [];
  });
}

/** More curves than this cannot be told apart. */
export const MOST_TICKED = 6;

export function tick(id: string, on: boolean): void {
  const others = ticked.value.filter((other) => other !== id);
  ticked.value = on ? [...others, id].slice(-MOST_TICKED) : others;
}

/** Chooses an area instead of a place. */
export function chooseArea(next: Area): void {
  batch(() => {
    area.value = next;
    siteId.value = null;
    place.value = makePlace(...middleOf(toPolygon(next)));
  });
}

function readAddress(): void {
  const query = new URLSearchParams(location.search);
  const [lon, lat] = [query.get("lon"), query.get("lat")];
  area.value = decodeArea(query.get("area") ?? "");
  const given = lon === null || lat === null ? null : makePlace(Number(lon), Number(lat));
  const several = query.get("sites");
  // An address without sites is a step back from them, not a wish to drop them; with the same, they keep all they had.
  const known = sites.peek();
  if (several && (!known || writeSites(known)?.sites !== several)) {
    sites.value = readSites(several, query.get("names")) ?? known;
  }
  if (!several && query.has("site")) sites.value ??= keptSites();
  const at = several || query.has("site") ? Number(query.get("site") ?? 1) : 0;
  siteId.value = sites.value?.sites[at - 1]?.id ?? null;
  place.value = outline.value ? makePlace(...middleOf(outline.value)) : given;
  const share = query.get("valid");
  leastValid.value = share === null ? LEAST_VALID : Math.min(Math.max(Number(share) / 100 || 0, 0), 1);
  const name = query.get("index")?.toUpperCase() ?? null;
  index.value = isIndexName(name) ? name : "NDVI";
  wanted.value = query.get("date");
  const shown = query.get("show");
  layer.value = shown === "index" || shown === "none" || shown === "top" ? shown : "colour";
  clouds.value = query.get("clouds") === "marked";
  against.value = query.get("with");
  excluded.value = (query.get("without") ?? "").split(",").filter((start) => start !== "");
  period.value = readPeriod(query.get("period"));
  const summed = query.get("step");
  stepName.value = isStep(summed) ? summed : null;
  const also = (query.get("also") ?? "").split(",");
  ghost.value = also.includes("before");
  usual.value = also.includes("usual");
  const spoken = query.get("lang");
  if (isLanguage(spoken)) chosenLanguage.value = spoken;
  const level = Number(query.get("zoom"));
  zoom.value = level > 0 ? level : null;
}

function writeAddress(): string {
  const query = new URLSearchParams();
  if (place.value) {
    for (const [name, value] of whereToSay(place.value)) query.set(name, value);
    query.set("index", index.value);
    if (wanted.value) query.set("date", wanted.value);
    if (layer.value !== "colour") query.set("show", layer.value);
    if (clouds.value) query.set("clouds", "marked");
    if (against.value) query.set("with", against.value);
    if (excluded.value.length > 0) query.set("without", excluded.value.join(","));
    const shown = writePeriod(period.value);
    if (shown) query.set("period", shown);
    if (stepName.value) query.set("step", stepName.value);
    const also = [...(ghost.value ? ["before"] : []), ...(usual.value ? ["usual"] : [])].join(",");
    if (also) query.set("also", also);
    if (zoom.value !== null) query.set("zoom", zoom.value.toFixed(1));
  }
  if (chosenLanguage.value) query.set("lang", chosenLanguage.value);
  // The slash of an interval and the comma of a list may stand in a query as they are.
  const text = query.toString().replaceAll("%2F", "/").replaceAll("%2C", ",");
  return text ? `?${text}` : location.pathname;
}

function whereToSay({ lon, lat }: Place): [string, string][] {
  const said: [string, string][] = [];
  if (sites.value && site.value) {
    const written = writeSites(sites.value);
    said.push(["site", `${sites.value.sites.indexOf(site.value) + 1}`]);
    if (written) said.push(["sites", written.sites], ["names", written.names]);
  } else if (area.value) said.push(["area", encodeArea(area.value)]);
  // Sites too many for the address are at least found on the map.
  if (said.length === 0 || (site.value && said.length === 1)) said.push(["lon", `${lon}`], ["lat", `${lat}`]);
  if (isArea.value && leastValid.value !== LEAST_VALID) {
    said.push(["valid", `${Math.round(leastValid.value * 100)}`]);
  }
  return said;
}

/** Reads the address into the signals and keeps both in step. A new place is a step that Back undoes. */
export function followAddress(): void {
  batch(readAddress);
  effect(() => keepSites(sites.value));
  let last = [place.peek(), outline.peek()];
  addEventListener("popstate", () => {
    batch(() => {
      readAddress();
      last = [place.peek(), outline.peek()];
    });
  });
  effect(() => {
    const address = writeAddress();
    const moved = place.value !== last[0] || outline.value !== last[1];
    last = [place.value, outline.value];
    if (moved) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
  });
}
