/** What is drawn besides the images: steps, the year before, what is usual, other sites. */
import { computed } from "@preact/signals";
import { type Usual, usualCourse, yearLater } from "../climate";
import { t } from "../i18n";
import { GHOST, type Line, lineStyle, STEPPED } from "../lines";
import type { Options, Sample } from "../series";
import {
  answered,
  answeredClear,
  extent,
  isClear,
  isExcluded,
  samplesOf,
  siteSeries,
  span,
  stepped,
} from "./answers";
import { site, sites, ticked } from "./choices";
import { ghost, resolution, stepName, usual } from "./view";

/** The steps of the shown period, oldest first. */
export const steps = computed<readonly Sample[]>(() => {
  const all = samplesOf(stepped.value);
  const shown = span.value;
  return shown ? all.filter(({ time, summed }) => (summed?.end ?? time) > shown[0] && time <= shown[1]) : all;
});

/** In the middle of each step. */
const stepPoints = computed(() =>
  steps.value.map(({ time, summed, value }) => [((summed?.end ?? time) + time) / 2, value] as const),
);

/** The curves besides that of the images. */
export const lines = computed<readonly Line[]>(() => {
  const shown = [...overlays.value];
  if (ghost.value)
    shown.unshift({ name: t.also.ghost, points: yearLater(answeredClear.value), style: GHOST });
  if (stepName.value)
    shown.push({ name: t.step.names[stepName.value], points: stepPoints.value, style: STEPPED });
  return shown.map(withinSpan);
});

function withinSpan(line: Line): Line {
  // Without a period, the curve's own extent: a year later than the last image there is nothing to compare.
  const shown = span.value ?? extent.value;
  return shown
    ? { ...line, points: line.points.filter(([time]) => time >= shown[0] && time <= shown[1]) }
    : line;
}

/** In CQL2, all images but those left out; empty for none. */
const kept = computed(() =>
  answered.value
    .filter(isExcluded)
    .map(({ datetime }) => `datetime <> TIMESTAMP('${datetime}')`)
    .join(" AND "),
);

/** Parameters by which a request asks for the images of the curve shown. */
export const reading = computed<Options>(() =>
  resolution.value === null ? {} : { resolution: `${resolution.value}` },
);

/** Parameters by which a request asks for the very curve shown. */
export const summing = computed<Options>(() => ({
  ...reading.value,
  ...(stepName.value ? { step: stepName.value } : {}),
  ...(kept.value ? { filter: kept.value } : {}),
}));

/** What is usual for the season, over the shown period; empty unless asked for. */
export const usualBand = computed<readonly Usual[]>(() => {
  const shown = span.value ?? extent.value;
  return usual.value && shown ? usualCourse(answeredClear.value, shown[0], shown[1]) : [];
});

/** The curves of the ticked sites, but for the one shown. */
export const overlays = computed<readonly Line[]>(() =>
  ticked.value.flatMap((id, at): Line[] => {
    const one = sites.value?.sites.find((other) => other.id === id);
    const state = siteSeries.value.get(id);
    if (!one || one === site.value || !state) return [];
    const points = samplesOf(state)
      .filter(isClear)
      .map(({ time, value }) => [time, value] as const);
    return [{ name: one.name, points, style: lineStyle(at) }];
  }),
);
