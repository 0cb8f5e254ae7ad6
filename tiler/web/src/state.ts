/** What the page shows, as signals; the part worth sharing is kept in the address. */
import { batch, computed, effect, signal } from "@preact/signals";
import type { Sample, Scene } from "./api";
import { type Area, decodeArea, encodeArea } from "./area";
import { makePlace, type Place } from "./coordinates";
import { chosenLanguage, isLanguage } from "./i18n";
import { type IndexName, isIndexName } from "./indices";
import { EVERYTHING, type Period, readPeriod, type Span, spanOf, writePeriod } from "./period";

export type Layer = "colour" | "index" | "none";

export type SeriesState =
  | { readonly kind: "idle" }
  | { readonly kind: "loading" }
  | { readonly kind: "ready"; readonly samples: readonly Sample[] }
  | { readonly kind: "failed"; readonly status: number; readonly message: string };

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
/** What part of the series is shown. */
export const period = signal<Period>(EVERYTHING);
export const zoom = signal<number | null>(null);

export const series = signal<SeriesState>({ kind: "idle" });
/** Raised to ask again after a failure. */
export const attempt = signal(0);

export const heldTiles = signal<readonly HeldTile[]>([]);
export const coverageState = signal<"loading" | "ready" | "failed">("loading");
/** The items of the selected acquisition; null while they are looked up. */
export const scenes = signal<readonly Scene[] | null>(null);

/** Everything that the server answered, oldest first. */
const answered = computed<readonly Sample[]>(() =>
  series.value.kind === "ready" ? series.value.samples : [],
);
/** The shown period in milliseconds, or null where it is everything. */
export const span = computed<Span | null>(() => spanOf(period.value, answered.value.at(-1)?.time ?? 0));

/** The images of the shown period, oldest first. */
const within = computed<readonly Sample[]>(() => {
  const shown = span.value;
  if (!shown) return answered.value;
  return answered.value.filter(({ time }) => time >= shown[0] && time <= shown[1]);
});

/** The images of the shown period; those with too few valid pixels are without a value. */
export const samples = computed<readonly Sample[]>(() => {
  if (!area.value) return within.value;
  return within.value.map((sample) =>
    sample.value !== null && sample.validFraction < leastValid.value
      ? { ...sample, value: null, quartiles: null, status: "few_valid" }
      : sample,
  );
});
/** The largest share of valid pixels among the shown images that hold any. */
export const bestFraction = computed(() =>
  Math.max(
    0,
    ...within.value.filter(({ value }) => value !== null).map(({ validFraction }) => validFraction),
  ),
);
export const clearSamples = computed(() => samples.value.filter((sample) => sample.value !== null));

export const selected = computed<Sample | null>(() => {
  const start = wanted.value;
  const asked =
    start === null ? undefined : samples.value.find((sample) => sample.datetime.startsWith(start));
  return asked ?? clearSamples.value.at(-1) ?? samples.value.at(-1) ?? null;
});

/** Chooses an acquisition; its day alone stands in the address unless two share it. */
export function select(sample: Sample): void {
  const day = sample.datetime.slice(0, 10);
  const alone = samples.value.filter((other) => other.datetime.startsWith(day)).length === 1;
  wanted.value = alone ? day : sample.datetime;
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
    place.value = next;
  });
}

/** Chooses an area instead of a place. */
export function chooseArea(next: Area): void {
  batch(() => {
    area.value = next;
    place.value = middleOf(next);
  });
}

/** The middle of an area's box: where the map and messages say it is. */
function middleOf(shown: Area): Place | null {
  const corners = shown[0] ?? [];
  const middle = (axis: 0 | 1): number => {
    const values = corners.map((corner) => corner[axis] ?? 0);
    return (Math.min(...values) + Math.max(...values)) / 2;
  };
  return makePlace(middle(0), middle(1));
}

function readAddress(): void {
  const query = new URLSearchParams(location.search);
  const [lon, lat] = [query.get("lon"), query.get("lat")];
  area.value = decodeArea(query.get("area") ?? "");
  const given = lon === null || lat === null ? null : makePlace(Number(lon), Number(lat));
  place.value = area.value ? middleOf(area.value) : given;
  const share = query.get("valid");
  leastValid.value = share === null ? LEAST_VALID : Math.min(Math.max(Number(share) / 100 || 0, 0), 1);
  const name = query.get("index")?.toUpperCase() ?? null;
  index.value = isIndexName(name) ? name : "NDVI";
  wanted.value = query.get("date");
  const shown = query.get("show");
  layer.value = shown === "index" || shown === "none" ? shown : "colour";
  period.value = readPeriod(query.get("period"));
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
    const shown = writePeriod(period.value);
    if (shown) query.set("period", shown);
    if (zoom.value !== null) query.set("zoom", zoom.value.toFixed(1));
  }
  if (chosenLanguage.value) query.set("lang", chosenLanguage.value);
  // The slash of an interval may stand in a query as they are.
  const text = query.toString().replaceAll("%2F", "/");
  return text ? `?${text}` : location.pathname;
}

function whereToSay({ lon, lat }: Place): [string, string][] {
  if (!area.value)
    return [
      ["lon", `${lon}`],
      ["lat", `${lat}`],
    ];
  const said: [string, string][] = [["area", encodeArea(area.value)]];
  if (leastValid.value !== LEAST_VALID) said.push(["valid", `${Math.round(leastValid.value * 100)}`]);
  return said;
}

/** Reads the address into the signals and keeps both in step. A new place is a step that Back undoes. */
export function followAddress(): void {
  batch(readAddress);
  let last = [place.peek(), area.peek()];
  addEventListener("popstate", () => {
    batch(() => {
      readAddress();
      last = [place.peek(), area.peek()];
    });
  });
  effect(() => {
    const address = writeAddress();
    const moved = place.value !== last[0] || area.value !== last[1];
    last = [place.value, area.value];
    if (moved) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
  });
}
