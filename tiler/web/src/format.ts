import { t } from "./i18n";

/** "12 Oct 2025", in UTC as the products count their days. Browsers know no Khmer months, hence our own. */
export function formatDate(time: number): string {
  const date = new Date(time);
  return t.date(date.getUTCDate(), t.months[date.getUTCMonth()] ?? "", date.getUTCFullYear());
}

/** "03:11 UTC". */
export function formatTime(time: number): string {
  return `${new Date(time).toISOString().slice(11, 16)} UTC`;
}

/** A number with so many decimals, in the marks of the language, with a true minus sign. */
export function formatNumber(value: number, decimals: number, least = decimals): string {
  const digits = { minimumFractionDigits: least, maximumFractionDigits: decimals };
  return new Intl.NumberFormat(t.numbers, digits).format(value).replace("-", "−");
}

/** An index value with two decimals. */
export function formatValue(value: number): string {
  return formatNumber(value, 2);
}

/** "83 %": a share of 0 to 1, never rounded up to all of it. */
export function formatShare(share: number): string {
  return `${Math.floor(share * 100)} %`;
}

/** "4.2", "1,830": an area in hectares, three digits or whole. */
export function formatHectares(hectares: number): string {
  return formatNumber(hectares, hectares < 100 ? 1 : 0, 0);
}

/** "12.4500° N, 107.1900° E". */
export function formatPlace(lon: number, lat: number): string {
  const { north, south, east, west } = t.compass;
  return `${formatAngle(lat, north, south)}, ${formatAngle(lon, east, west)}`;
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
