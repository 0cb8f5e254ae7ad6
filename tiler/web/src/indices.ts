/** What the page knows about each index: its order, how it is coloured, and the range its curve usually spans. */
export const INDEX_NAMES = ["NDVI", "NDWIGAO", "NDWIMCF", "MNDWI"] as const;

export type IndexName = (typeof INDEX_NAMES)[number];

export interface IndexStyle {
  /** Values at the two ends of the colour ramp. */
  readonly rescale: readonly [number, number];
  /** A colormap name that TiTiler knows. */
  readonly colormap: string;
  /** The same ramp for the legend. */
  readonly ramp: string;
  /** The curve's axis spans at least this. */
  readonly axis: readonly [number, number];
}

// Colormaps and ranges are those of the server's index table; the ramps are ColorBrewer's, thinned to seven.
const RED_YELLOW_GREEN = "linear-gradient(90deg,#a50026,#f46d43,#fee08b,#ffffbf,#a6d96a,#1a9850,#006837)";
const RED_YELLOW_BLUE = "linear-gradient(90deg,#a50026,#f46d43,#fee090,#ffffbf,#abd9e9,#4575b4,#313695)";
const GREEN_BLUE = "linear-gradient(90deg,#f7fcf0,#ccebc5,#a8ddb5,#7bccc4,#4eb3d3,#2b8cbe,#084081)";
const BROWN_TEAL = "linear-gradient(90deg,#543005,#bf812d,#f6e8c3,#f5f5f5,#c7eae5,#35978f,#003c30)";

export const INDEX_STYLES: Readonly<Record<IndexName, IndexStyle>> = {
  NDVI: { rescale: [-0.2, 0.9], colormap: "rdylgn", ramp: RED_YELLOW_GREEN, axis: [0, 0.9] },
  NDWIGAO: { rescale: [-0.4, 0.6], colormap: "rdylbu", ramp: RED_YELLOW_BLUE, axis: [-0.2, 0.5] },
  NDWIMCF: { rescale: [-0.8, 0.6], colormap: "gnbu", ramp: GREEN_BLUE, axis: [-0.8, 0.2] },
  MNDWI: { rescale: [-0.8, 0.8], colormap: "brbg", ramp: BROWN_TEAL, axis: [-0.8, 0.2] },
};

export function isIndexName(text: string | null): text is IndexName {
  return INDEX_NAMES.some((name) => name === text);
}
