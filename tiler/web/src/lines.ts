/** Curves laid over the one shown: told apart by colour and by dashes, so that either suffices. */
export interface LineStyle {
  readonly colour: `--${string}`;
  /** Lengths of dashes and of what is between them, in pixels. */
  readonly dash: readonly number[];
  /** Whether its points are marked, as those of the images are. */
  readonly dots?: boolean;
}

/** Colours of Okabe and Ito, which colour-blind readers tell apart, in shades for light and dark. */
const STYLES: readonly LineStyle[] = [
  { colour: "--line-1", dash: [] },
  { colour: "--line-2", dash: [8, 4] },
  { colour: "--line-3", dash: [2, 3] },
  { colour: "--line-4", dash: [8, 3, 2, 3] },
  { colour: "--line-5", dash: [14, 4] },
  { colour: "--line-6", dash: [4, 2] },
];

export function lineStyle(at: number): LineStyle {
  return STYLES[((at % STYLES.length) + STYLES.length) % STYLES.length] as LineStyle;
}

/** The curve of the year before. */
export const GHOST: LineStyle = { colour: "--muted", dash: [3, 4] };
/** The curve that sums up; the images behind it step back. */
export const STEPPED: LineStyle = { colour: "--accent", dash: [], dots: true };

/** One more curve in the chart; times in milliseconds. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [time: number, value: number | null])[];
  readonly style: LineStyle;
}
