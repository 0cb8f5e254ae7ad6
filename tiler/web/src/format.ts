import { t } from "./i18n";

const dateFormat = new Intl.DateTimeFormat(t.locale, {
  day: "numeric",
  month: "short",
  year: "numeric",
  timeZone: "UTC",
});

/** "12 Oct 2025", in UTC as the products count their days. */
export function formatDate(time: number): string {
  return dateFormat.format(time);
}

/** "03:11 UTC". */
export function formatTime(time: number): string {
  return `${new Date(time).toISOString().slice(11, 16)} UTC`;
}

/** An index value with two decimals and a true minus sign. */
export function formatValue(value: number): string {
  return value.toFixed(2).replace("-", "−");
}

/** "83 %": a share of 0 to 1, never rounded up to all of it. */
export function formatShare(share: number): string {
  return `${Math.floor(share * 100)} %`;
}

/** "4.2", "1,830": an area in hectares, three digits or whole. */
export function formatHectares(hectares: number): string {
  const digits = hectares < 100 ? 1 : 0;
  return new Intl.NumberFormat(t.locale, { maximumFractionDigits: digits }).format(hectares);
}

/** "12.4500° N, 107.1900° E". */
export function formatPlace(lon: number, lat: number): string {
  return `${formatAngle(lat, "N", "S")}, ${formatAngle(lon, "E", "W")}`;
}

function formatAngle(degrees: number, positive: string, negative: string): string {
  return `${Math.abs(degrees).toFixed(4)}° ${degrees < 0 ? negative : positive}`;
}

/** "2024", or "2024–2026" for the years that the times span; empty without times. */
export function formatYears(times: readonly number[]): string {
  if (times.length === 0) return "";
  const years = times.map((time) => new Date(time).getUTCFullYear());
  const [first, last] = [Math.min(...years), Math.max(...years)];
  return first === last ? `${first}` : `${first}–${last}`;
}
