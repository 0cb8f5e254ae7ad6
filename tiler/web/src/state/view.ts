/** How it is looked at: which index, which image, what part of the time, what beside it. */
import { signal } from "@preact/signals";
import type { IndexName } from "../indices";
import { EVERYTHING, type Period } from "../period";
import type { Step } from "../steps";

/** True colour of the surface (L2A) or as seen from above the atmosphere (L1C), the index, or nothing. */
export type Layer = "colour" | "top" | "index" | "none";

export const LEAST_VALID = 0.5;

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

/** Pixels larger than those stored, in metres, that the server can read. */
export const RESOLUTIONS = [20, 40] as const;

/** Metres of the pixels that an area is read in where the reader chose larger ones than are stored; else null. */
export const resolution = signal<number | null>(null);

/** Whether the curve of the year before is shown, and what is usual for the season. */
export const ghost = signal(false);

export const usual = signal(false);

export const zoom = signal<number | null>(null);
