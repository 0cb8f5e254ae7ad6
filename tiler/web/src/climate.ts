/** What is usual for the time of year, from the series itself. Pure. */
import type { Sample } from "./series";

const DAY = 86_400_000;
/** A point of the band each so many days. */
const EVERY = 10;
/** Days before and after whose images, of all years, count. */
const AROUND = 15;
const YEAR = 365.25;
const LEAST_YEARS = 2;
const LEAST_VALUES = 3;

/** What is usual at a moment: median, 10th and 90th percentile of the same season of all years; null where too few. */
export interface Usual {
  readonly time: number;
  readonly low: number | null;
  readonly middle: number | null;
  readonly high: number | null;
}

const dayOfYear = (time: number): number => (time - Date.UTC(new Date(time).getUTCFullYear(), 0)) / DAY;
export const yearOf = (time: number): number => new Date(time).getUTCFullYear();

/** Whether there is more than one year to compare. */
export function hasYears(clear: readonly Sample[]): boolean {
  return new Set(clear.map(({ time }) => yearOf(time))).size >= LEAST_YEARS;
}

/** The usual course from one moment to another, both in milliseconds. */
export function usualCourse(clear: readonly Sample[], from: number, to: number): Usual[] {
  const seasons = new Map<number, Omit<Usual, "time">>();
  const found: Usual[] = [];
  for (let time = from; time <= to; time += EVERY * DAY) {
    const season = Math.floor(dayOfYear(time) / EVERY);
    const known = seasons.get(season) ?? usualAt(clear, (season + 0.5) * EVERY);
    seasons.set(season, known);
    found.push({ time, ...known });
  }
  return found;
}

function usualAt(clear: readonly Sample[], day: number): Omit<Usual, "time"> {
  const near = clear.filter(({ time }) => {
    const away = Math.abs(dayOfYear(time) - day);
    return Math.min(away, YEAR - away) <= AROUND;
  });
  const years = new Set(near.map(({ time }) => yearOf(time)));
  if (near.length < LEAST_VALUES || years.size < LEAST_YEARS) return { low: null, middle: null, high: null };
  const values = near.map(({ value }) => value ?? 0).sort((a, b) => a - b);
  return { low: quantile(values, 0.1), middle: quantile(values, 0.5), high: quantile(values, 0.9) };
}

/** Of sorted values, between the two nearest in proportion. */
function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const [below = 0, above = below] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return below + (above - below) * (at - Math.floor(at));
}

/** The same curve a year later. The 29th of February falls on the 1st of March. */
export function yearLater(clear: readonly Sample[]): [time: number, value: number | null][] {
  return clear.map(({ time, value }) => {
    const later = new Date(time);
    later.setUTCFullYear(later.getUTCFullYear() + 1);
    return [later.getTime(), value];
  });
}
