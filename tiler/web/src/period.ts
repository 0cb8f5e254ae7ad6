/** The part of the time axis that the reader looks at. */

/** The last years of the series, a span of days chosen by dragging, or everything. Times are in milliseconds. */
export type Period =
  | { readonly kind: "all" }
  | { readonly kind: "years"; readonly years: number }
  | { readonly kind: "span"; readonly from: number; readonly to: number };

export type Span = readonly [from: number, to: number];

export const EVERYTHING: Period = { kind: "all" };
/** The choices offered under the chart. */
export const YEARS = [1, 3] as const;

const DAY = 86_400_000;
const SPAN = /^(\d{4}-\d{2}-\d{2})\/(\d{4}-\d{2}-\d{2})$/;

/** Reads what {@link writePeriod} wrote; anything else means everything. */
export function readPeriod(text: string | null): Period {
  const years = /^P(\d{1,2})Y$/.exec(text ?? "")?.[1];
  if (years && Number(years) > 0) return { kind: "years", years: Number(years) };
  const [, first = "", last = ""] = SPAN.exec(text ?? "") ?? [];
  const [from, to] = [Date.parse(first), Date.parse(last) + DAY - 1];
  return from < to ? { kind: "span", from, to } : EVERYTHING;
}

/** "P1Y" as ISO 8601 has it, "2025-03-01/2025-06-30" with both days included, or null for everything. */
export function writePeriod(period: Period): string | null {
  if (period.kind === "all") return null;
  if (period.kind === "years") return `P${period.years}Y`;
  return [period.from, period.to].map((time) => new Date(time).toISOString().slice(0, 10)).join("/");
}

/** Whole days around two moments, so that the address says exactly what is shown. */
export function spanOfDays(from: number, to: number): Period {
  const day = (time: number): number => Math.floor(time / DAY) * DAY;
  return { kind: "span", from: day(from), to: day(to) + DAY - 1 };
}

/** The period in time; the last years end at the newest image, not today. Null means everything. */
export function spanOf(period: Period, newest: number): Span | null {
  if (period.kind === "all") return null;
  if (period.kind === "span") return [period.from, period.to];
  const start = new Date(newest);
  start.setUTCFullYear(start.getUTCFullYear() - period.years);
  return [start.getTime(), newest];
}
