/** What the page shows, as signals; the part worth sharing is kept in the address. */
import { computed, effect, signal } from "@preact/signals";
import type { Sample, Scene } from "./api";
import { makePlace, type Place } from "./coordinates";
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

export const place = signal<Place | null>(null);
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
export const samples = computed<readonly Sample[]>(() => {
  const shown = span.value;
  if (!shown) return answered.value;
  return answered.value.filter(({ time }) => time >= shown[0] && time <= shown[1]);
});
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
  const next = makePlace(lon, lat);
  if (next) place.value = next;
}

function readAddress(): void {
  const query = new URLSearchParams(location.search);
  const [lon, lat] = [query.get("lon"), query.get("lat")];
  place.value = lon === null || lat === null ? null : makePlace(Number(lon), Number(lat));
  const name = query.get("index")?.toUpperCase() ?? null;
  index.value = isIndexName(name) ? name : "NDVI";
  wanted.value = query.get("date");
  const shown = query.get("show");
  layer.value = shown === "index" || shown === "none" ? shown : "colour";
  period.value = readPeriod(query.get("period"));
  const level = Number(query.get("zoom"));
  zoom.value = level > 0 ? level : null;
}

function writeAddress(): string {
  const query = new URLSearchParams();
  if (place.value) {
    query.set("lon", `${place.value.lon}`);
    query.set("lat", `${place.value.lat}`);
    query.set("index", index.value);
    if (wanted.value) query.set("date", wanted.value);
    if (layer.value !== "colour") query.set("show", layer.value);
    const shown = writePeriod(period.value);
    if (shown) query.set("period", shown);
    if (zoom.value !== null) query.set("zoom", zoom.value.toFixed(1));
  }
  // The slash of an interval may stand in a query as they are.
  const text = query.toString().replaceAll("%2F", "/");
  return text ? `?${text}` : location.pathname;
}

/** Reads the address into the signals and keeps both in step. A new place is a step that Back undoes. */
export function followAddress(): void {
  readAddress();
  let last = place.peek();
  addEventListener("popstate", () => {
    readAddress();
    last = place.peek();
  });
  effect(() => {
    const address = writeAddress();
    const moved = place.value !== last;
    last = place.value;
    if (moved) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
  });
}
