/** The curve, drawn with uPlot: dots and a line for clear dates, ticks on the floor for the others. */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Usual } from "./climate";
import { formatNumber } from "./format";
import { FONTS, t } from "./i18n";
import type { Line } from "./lines";
import { drawMasked, drawSelected, fade, withAlpha } from "./marks";
import type { Span } from "./period";
import type { Sample } from "./series";
import { colour } from "./theme";
import { GAP } from "./trace";

export interface ChartInput {
  readonly samples: readonly Sample[];
  readonly selected: Sample | null;
  /** Whether the quartiles are drawn around the line. */
  readonly band: boolean;
  /** The least span of the value axis. */
  readonly axis: readonly [number, number];
  /** What the time axis spans, in milliseconds; null for all samples. */
  readonly span: Span | null;
  /** Further curves. */
  readonly lines: readonly Line[];
  /** What is usual; empty for no such band. */
  readonly usual: readonly Usual[];
  /** Whether the images are only the ground for another curve. */
  readonly faint: boolean;
  /** Another number once colours or fonts have changed. */
  readonly painted: number;
  readonly onSelect: (sample: Sample) => void;
  /** Told the two moments between which the reader dragged. */
  readonly onZoom: (from: number, to: number) => void;
  /** Asked for by a double click. */
  readonly onReset: () => void;
  /** The words for a sample under the pointer. */
  readonly describe: (sample: Sample) => string;
}

const HEIGHT = 230;
/** Room under the curve for the ticks of masked dates, as a share of the axis. */
const FLOOR = 0.12;
/** A drag shorter than this, in pixels, is a click. */
const DRAG = 8;
const FONT = `12px ${FONTS}`;

export interface Chart {
  /** Shows other data. The plot stays while its looks do, and with it the reader's drag and pointer. */
  readonly draw: (input: ChartInput) => void;
  readonly remove: () => void;
}

/** What is shown now: a plot outlives its data, and asks for them whenever it needs them. */
type Latest = () => ChartInput;

/** A chart in `host`. */
export function makeChart(host: HTMLElement, first: ChartInput): Chart {
  let input = first;
  const latest: Latest = () => input;
  let plot = plotOf(host, latest);
  const observer = new ResizeObserver(() => plot.setSize({ width: host.clientWidth, height: HEIGHT }));
  observer.observe(host);
  return {
    draw: (next) => {
      const same = looksOf(next) === looksOf(input);
      input = next;
      if (same) {
        plot.setData(tableOf(input));
        return;
      }
      plot.destroy();
      plot = plotOf(host, latest);
    },
    remove: () => {
      observer.disconnect();
      plot.destroy();
    },
  };
}

/** What {@link options} is made from and nobody asks for later. */
function looksOf({ band, faint, lines, usual, painted }: ChartInput): string {
  return JSON.stringify([band, faint, painted, usual.length > 0, lines.map(({ style }) => style)]);
}

function plotOf(host: HTMLElement, latest: Latest): uPlot {
  const tip = document.createElement("div");
  tip.className = "tip";
  const plot = new uPlot(options(host, latest, tip), tableOf(latest()), host);
  plot.over.append(tip);
  plot.over.addEventListener("click", () => {
    const sample = sampleAt(plot, latest().samples);
    if (sample) latest().onSelect(sample);
  });
  plot.over.addEventListener("dblclick", () => latest().onReset());
  return plot;
}

/** All curves on one time axis: the samples with their quartiles, then the other lines. */
function tableOf({ samples, lines, usual }: ChartInput): uPlot.AlignedData {
  const quartile = (at: 0 | 1): (number | null)[] =>
    samples.map(({ value, quartiles }) => (value === null ? null : (quartiles?.[at] ?? null)));
  const own: uPlot.AlignedData = [
    samples.map(({ time }) => time / 1000),
    samples.map(({ value }) => value),
    quartile(0),
    quartile(1),
  ];
  const others = lines.map(
    ({ points }): uPlot.AlignedData => [
      points.map(([time]) => time / 1000),
      points.map(([, value]) => value),
    ],
  );
  const times = usual.map(({ time }) => time / 1000);
  const band = [
    usual.map(({ low }) => low),
    usual.map(({ high }) => high),
    usual.map(({ middle }) => middle),
  ];
  if (usual.length > 0) others.push([times, ...band] as uPlot.AlignedData);
  return others.length === 0 ? own : uPlot.join([own, ...others]);
}

/** The sample nearest to the pointer. */
function sampleAt(plot: uPlot, samples: readonly Sample[]): Sample | undefined {
  const time = plot.data[0][plot.cursor.idx ?? -1];
  if (time === undefined) return undefined;
  const away = (sample: Sample): number => Math.abs(sample.time / 1000 - time);
  return samples.reduce<Sample | undefined>(
    (best, one) => (best && away(best) <= away(one) ? best : one),
    undefined,
  );
}

function options(host: HTMLElement, latest: Latest, tip: HTMLElement): uPlot.Options {
  const input = latest();
  const accent = colour("--accent");
  const [ink, grid] = [colour("--muted"), colour("--line")];
  const [surface, pin] = [colour("--surface"), colour("--pin")];
  const axis = { stroke: ink, font: FONT, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
  // The edges of the band are not lines of their own; of a point there is no band.
  const edge = { show: input.band, width: 0, spanGaps: false, gaps: longGaps, points: { show: false } };
  return {
    width: host.clientWidth,
    height: HEIGHT,
    padding: [12, 14, 0, 0],
    legend: { show: false },
    fmtDate: (template) => uPlot.fmtDate(template, dateNames()),
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    scales: { x: { time: true, range: timeRange(latest) }, y: { range: valueRange(latest) } },
    axes: [
      { ...axis, grid: { show: false }, values: dateLabels, space: 56, size: 44 },
      {
        ...axis,
        size: 44,
        space: 32,
        incrs: [0.05, 0.1, 0.2, 0.5, 1],
        values: (_plot, splits) => splits.map((value) => formatNumber(value, 1)),
      },
    ],
    series: [
      {},
      {
        stroke: accent,
        width: input.faint ? 0 : 2,
        spanGaps: false,
        gaps: longGaps,
        ...(input.band || input.faint ? {} : { fill: (plot: uPlot) => fade(plot, accent) }),
        points: input.faint
          ? { show: true, size: 5, width: 1, fill: surface, stroke: withAlpha(accent, 0.55) }
          : { show: true, size: 7, width: 1.5, fill: accent, stroke: surface },
      },
      edge,
      edge,
      ...input.lines.map(seriesOf),
      ...(input.usual.length > 0 ? usualSeries(ink) : []),
    ],
    bands: [
      ...(input.faint ? [] : [{ series: [3, 2] as uPlot.Band.Bounds, fill: withAlpha(accent, 0.24) }]),
      ...(input.usual.length > 0 ? [usualFill(input.lines.length, ink)] : []),
    ],
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false, dist: DRAG },
      points: { size: 11, fill: accent },
    },
    hooks: {
      drawSeries: [(plot) => drawMasked(plot, latest().samples, ink)],
      draw: [(plot) => drawSelected(plot, latest().selected, pin)],
      setSelect: [(plot) => zoomTo(plot, latest().onZoom)],
      setCursor: [(plot) => showTip(plot, latest(), tip)],
    },
  };
}

function seriesOf({ style }: Line): uPlot.Series {
  const stroke = colour(style.colour);
  const shared = { stroke, dash: [...style.dash], gaps: longGaps, spanGaps: false };
  if (!style.dots) return { ...shared, width: 1.6, points: { show: false } };
  return {
    ...shared,
    width: 2.4,
    points: { show: true, size: 8, fill: stroke, stroke: colour("--surface") },
  };
}

/** Low, high and middle of what is usual: only the middle is a line. */
function usualSeries(ink: string): uPlot.Series[] {
  const edge: uPlot.Series = { width: 0, spanGaps: false, gaps: longGaps, points: { show: false } };
  return [edge, edge, { ...edge, width: 1, stroke: withAlpha(ink, 0.7) }];
}

/** Series count from 1: the images' three, then the lines. */
function usualFill(lines: number, ink: string): uPlot.Band {
  const low = 4 + lines;
  return { series: [low + 1, low], fill: withAlpha(ink, 0.2) };
}

/** Every tick of the date axis by its grain: years, months, days. */
const dateLabels: uPlot.Axis.Values = [
  [3600 * 24 * 365, "{YYYY}", null, null, null, null, null, null, 1],
  [3600 * 24 * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [3600 * 24, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [3600, "{HH}:{mm}", "\n{D} {MMM}", null, null, null, null, null, 1],
];

/** The axis has no weekdays. */
function dateNames(): uPlot.DateNames {
  return { MMMM: t.months, MMM: t.months, WWWW: [], WWW: [] };
}

function timeRange(latest: Latest) {
  return (_plot: uPlot, min: number | null, max: number | null): [number, number] => {
    const { span } = latest();
    const [from, to] = span ? [span[0] / 1000, span[1] / 1000] : [min ?? 0, max ?? 0];
    const pad = Math.max((to - from) * 0.02, 86_400 * 3);
    return [from - pad, to + pad];
  };
}

function zoomTo(plot: uPlot, onZoom: ChartInput["onZoom"]): void {
  const { left, width } = plot.select;
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  if (width < DRAG) return;
  onZoom(plot.posToVal(left, "x") * 1000, plot.posToVal(left + width, "x") * 1000);
}

/** Where the line is interrupted, in canvas pixels: between clear images too far apart. */
function longGaps(plot: uPlot, series: number): [number, number][] {
  const [xs, ys] = [plot.data[0], plot.data[series] ?? []];
  const clear = [...xs].filter((_, at) => typeof ys[at] === "number");
  const pixel = (time: number): number => Math.round(plot.valToPos(time, "x", true));
  return clear.flatMap((time, at): [number, number][] => {
    const before = clear[at - 1];
    return before !== undefined && (time - before) * 1000 > GAP ? [[pixel(before), pixel(time)]] : [];
  });
}

function valueRange(latest: Latest) {
  return (_plot: uPlot, min: number | null, max: number | null): [number, number] => {
    const { axis } = latest();
    const low = Math.min(axis[0], min ?? axis[0]);
    const high = Math.max(axis[1], max ?? axis[1]);
    return [low - (high - low) * FLOOR, high + (high - low) * 0.03];
  };
}

function showTip(plot: uPlot, { samples, describe }: ChartInput, tip: HTMLElement): void {
  const sample = (plot.cursor.left ?? -1) < 0 ? undefined : sampleAt(plot, samples);
  tip.hidden = sample === undefined;
  if (!sample) return;
  tip.textContent = describe(sample);
  const x = plot.valToPos(sample.time / 1000, "x");
  const half = tip.offsetWidth / 2;
  tip.style.left = `${Math.min(Math.max(x, half), plot.over.clientWidth - half)}px`;
}
