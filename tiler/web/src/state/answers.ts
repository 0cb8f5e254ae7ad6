/** The series as the server told it, as far as it has come, and what of it the reader lets stand. */
import { batch, computed, signal } from "@preact/signals";
import type { WayOut } from "../api";
import { type Span, spanOf } from "../period";
import type { Sample } from "../series";
import { isArea } from "./choices";
import { against, excluded, leastValid, period, wanted } from "./view";

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
  | {
      readonly kind: "failed";
      readonly status: number;
      readonly message: string;
      readonly wayOut: WayOut;
    };

export const LOADING: SeriesState = { kind: "loading", samples: [], total: null, span: null };

/** The series of each site, as far as it was asked for. */
export const siteSeries = signal<ReadonlyMap<string, SeriesState>>(new Map());

/** The steps' values; idle where each image stands for itself. */
export const stepped = signal<SeriesState>({ kind: "idle" });

export const series = signal<SeriesState>({ kind: "idle" });

/** Raised to ask again after a failure. */
export const attempt = signal(0);

export const samplesOf = (state: SeriesState): readonly Sample[] => ("samples" in state ? state.samples : []);

/** Everything that the server answered so far, oldest first. */
export const answered = computed(() => samplesOf(series.value));

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
