/** What the chart draws on its canvas beside lines and dots. */
import type uPlot from "uplot";
import type { Sample } from "./series";

/** A fill under a line, from its colour to nothing. */
export function fade(plot: uPlot, accent: string): CanvasGradient {
  const { top, height } = plot.bbox;
  const gradient = plot.ctx.createLinearGradient(0, top, 0, top + height);
  gradient.addColorStop(0, withAlpha(accent, 0.28));
  gradient.addColorStop(1, withAlpha(accent, 0));
  return gradient;
}

/** A resolved colour, "rgb(20, 102, 63)", made transparent. */
export function withAlpha(solid: string, alpha: number): string {
  return solid.replace(/^rgb\((.*)\)$/, `rgb($1 / ${alpha})`).replaceAll(",", " ");
}

/** Ticks on the floor for the dates without a value. */
export function drawMasked(plot: uPlot, samples: readonly Sample[], ink: string): void {
  const { ctx, bbox } = plot;
  const floor = bbox.top + bbox.height;
  const tall = 9 * devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = ink;
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.beginPath();
  for (const sample of samples) {
    if (sample.value !== null) continue;
    const x = plot.valToPos(sample.time / 1000, "x", true);
    ctx.moveTo(x, floor);
    ctx.lineTo(x, floor - tall);
  }
  ctx.stroke();
  ctx.restore();
}

/** A line through the chosen date, and its dot. */
export function drawSelected(plot: uPlot, sample: Sample | null, ink: string): void {
  if (!sample) return;
  const { ctx, bbox } = plot;
  const x = plot.valToPos(sample.time / 1000, "x", true);
  ctx.save();
  ctx.strokeStyle = ink;
  ctx.fillStyle = ink;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.beginPath();
  const y = sample.value === null ? bbox.top + bbox.height - 4 : plot.valToPos(sample.value, "y", true);
  ctx.arc(x, y, 5.5 * devicePixelRatio, 0, 2 * Math.PI);
  ctx.fill();
  ctx.restore();
}
