/** Small curves without axes: the whole series in the brush, each site's in the list. */
import { INDEX_STYLES, type IndexName } from "./indices";
import type { Span } from "./period";
import type { Sample } from "./series";

/** Longer than this without a clear image, in milliseconds, nobody knows what happened: no line is drawn. */
export const GAP = 90 * 86_400_000;

export interface Box {
  readonly wide: number;
  readonly high: number;
}

/** The points of each unbroken line, for `polyline`; on the scale of the index, so that curves compare. */
export function traces(
  clear: readonly Sample[],
  index: IndexName,
  [first, last]: Span,
  { wide, high }: Box,
): string[] {
  const [low, top] = INDEX_STYLES[index].axis;
  const found: string[][] = [];
  for (const [at, { time, value }] of clear.entries()) {
    const up = Math.min(Math.max(((value ?? low) - low) / (top - low), 0), 1);
    const x = ((time - first) / Math.max(last - first, 1)) * wide;
    const point = `${x.toFixed(1)},${(high - 2 - up * (high - 4)).toFixed(1)}`;
    const line = found.at(-1);
    if (line && time - (clear[at - 1]?.time ?? time) <= GAP) line.push(point);
    else found.push([point]);
  }
  // A line needs two ends.
  return found.map((line) => (line.length > 1 ? line : [...line, ...line]).join(" "));
}
