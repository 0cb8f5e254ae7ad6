import { useLayoutEffect, useRef } from "preact/hooks";
import { type Chart, makeChart } from "../chart";
import { formatDate, formatShare, formatValue } from "../format";
import { t } from "../i18n";
import { INDEX_STYLES } from "../indices";
import { EVERYTHING, spanOfDays } from "../period";
import type { Sample } from "../series";
import { extent, samples, select, selected, series, span, step } from "../state/answers";
import { isArea } from "../state/choices";
import { lines, usualBand } from "../state/curves";
import { index, period, stepName } from "../state/view";
import { repaint } from "../theme";

/** What one sample says: its value, or why it has none. */
export function reading(sample: Sample): string {
  if (sample.value === null) return t.status[sample.status];
  const value = `${t.indices[index.value].title} ${formatValue(sample.value)}`;
  return isArea.value && sample.validFraction < 1
    ? t.valid.reading(value, formatShare(sample.validFraction))
    : value;
}

function describe(sample: Sample): string {
  return `${formatDate(sample.time)}: ${reading(sample)}`;
}

const STEPS: Readonly<Record<string, number>> = {
  ArrowLeft: -1,
  ArrowRight: 1,
  PageUp: 10,
  PageDown: -10,
  Home: Number.NEGATIVE_INFINITY,
  End: Number.POSITIVE_INFINITY,
};

function stepByKey(event: KeyboardEvent): void {
  const by = STEPS[event.key];
  if (by === undefined) return;
  event.preventDefault();
  step(by);
}

/** The curve as a slider over its images, which is what it is to a keyboard and to a screen reader. */
export function Curve() {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<Chart | null>(null);
  const [all, chosen, name, painted] = [samples.value, selected.value, index.value, repaint.value];
  // A curve that still grows has the axis of the whole from the start.
  const shown = span.value ?? (series.value.kind === "loading" ? extent.value : null);
  const [others, season] = [lines.value, usualBand.value];
  const faint = stepName.value !== null;
  useLayoutEffect(() => () => chart.current?.remove(), []);
  useLayoutEffect(() => {
    if (!host.current) return;
    const input = {
      samples: all,
      selected: chosen,
      axis: INDEX_STYLES[name].axis,
      band: isArea.peek(),
      span: shown,
      lines: others,
      usual: season,
      faint,
      painted,
      onSelect: select,
      onZoom: (from: number, to: number) => {
        period.value = spanOfDays(from, to);
      },
      onReset: () => {
        period.value = EVERYTHING;
      },
      describe,
    };
    if (chart.current) chart.current.draw(input);
    else chart.current = makeChart(host.current, input);
  }, [all, chosen, name, shown, others, season, faint, painted]);
  return (
    <div
      ref={host}
      class="curve"
      role="slider"
      tabIndex={0}
      aria-label={t.series.chart(t.indices[name].title)}
      aria-valuemin={1}
      aria-valuemax={all.length}
      aria-valuenow={chosen ? all.indexOf(chosen) + 1 : 1}
      aria-valuetext={chosen ? describe(chosen) : ""}
      onKeyDown={stepByKey}
    />
  );
}
