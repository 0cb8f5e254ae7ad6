export interface Place {
  /** Degrees east, WGS84. */
  readonly lon: number;
  /** Degrees north, WGS84. */
  readonly lat: number;
}

/** About one metre: finer than a pixel, short enough for an address. */
const DECIMALS = 5;

/** A place on Earth rounded to about a metre, longitudes wrapped to ±180, or null when the numbers are no place. */
export function makePlace(lon: number, lat: number): Place | null {
  if (!Number.isFinite(lon) || !Number.isFinite(lat) || Math.abs(lat) > 90) return null;
  const wrapped = ((((lon + 180) % 360) + 360) % 360) - 180;
  return { lon: Number(wrapped.toFixed(DECIMALS)), lat: Number(lat.toFixed(DECIMALS)) };
}

const NUMBER = String.raw`(-?\d+(?:[.,]\d+)?)\s*°?\s*([NSEWO]?)`;
const PAIR = new RegExp(String.raw`^\s*${NUMBER}\s*(?:[,;]\s*|\s+)${NUMBER}\s*$`, "i");

/**
 * Reads "12.45, 107.19" as latitude, longitude; "107.19 E 12.45 N" by its letters. A first number that can only be
 * a longitude is taken as one; west may be written O, as in French. Null when the text is neither.
 */
export function parsePlace(text: string): Place | null {
  const match = PAIR.exec(text);
  if (!match) return null;
  const first = readAngle(match[1], match[2]);
  const second = readAngle(match[3], match[4]);
  const swapped = /[EWO]/i.test(match[2] ?? "") || Math.abs(first) > 90;
  const [lat, lon] = swapped ? [second, first] : [first, second];
  return Math.abs(lon) > 180 ? null : makePlace(lon, lat);
}

function readAngle(digits = "", letter = ""): number {
  const value = Number(digits.replace(",", "."));
  return /[SWO]/i.test(letter) ? -value : value;
}
