/** The whole series in small, with a window on the part that is shown. */
import { useRef } from "preact/hooks";
import { formatDate } from "../format";
import { t } from "../i18n";
import { EVERYTHING, spanOfDays } from "../period";
import { answeredClear, extent, span } from "../state/answers";
import { index, period } from "../state/view";
import { traces } from "../trace";

const DAY = 86_400_000;
const BOX = { wide: 400, high: 30 };

export function Brush() {
  const whole = extent.value;
  const box = useRef<HTMLDivElement>(null);
  if (!whole || whole[1] - whole[0] < 60 * DAY) return null;
  const [first, last] = whole.map((time) => Math.floor(time / DAY)) as [number, number];
  const [from, to] = (span.value ?? whole).map((time) =>
    Math.min(Math.max(Math.floor(time / DAY), first), last),
  ) as [number, number];
  const share = (day: number): number => ((day - first) / (last - first)) * 100;
  const show = (start: number, end: number): void => {
    const all = start <= first && end >= last;
    period.value = all ? EVERYTHING : spanOfDays(start * DAY, Math.max(end, start + 1) * DAY);
  };
  return (
    <div class="brush" ref={box} onPointerDown={(event) => drag(event, [first, last], [from, to], show)}>
      <Silhouette first={first * DAY} last={last * DAY} />
      <div class="brush-window" style={{ left: `${share(from)}%`, right: `${100 - share(to)}%` }} />
      <Edge
        label={t.period.from}
        value={from}
        range={[first, last]}
        onChange={(day) => show(Math.min(day, to - 1), to)}
      />
      <Edge
        label={t.period.to}
        value={to}
        range={[first, last]}
        onChange={(day) => show(from, Math.max(day, from + 1))}
      />
    </div>
  );
}

interface EdgeProps {
  readonly label: string;
  readonly value: number;
  readonly range: readonly [number, number];
  readonly onChange: (day: number) => void;
}

function Edge({ label, value, range, onChange }: EdgeProps) {
  return (
    <input
      type="range"
      min={range[0]}
      max={range[1]}
      value={value}
      aria-label={label}
      aria-valuetext={formatDate(value * DAY)}
      onInput={(event) => onChange(event.currentTarget.valueAsNumber)}
    />
  );
}

/** Moves the window as a whole, by the middle. */
function drag(
  event: PointerEvent,
  [first, last]: readonly [number, number],
  [from, to]: readonly [number, number],
  show: (start: number, end: number) => void,
): void {
  const box = event.currentTarget as HTMLElement;
  if (!(event.target as HTMLElement).classList.contains("brush-window")) return;
  box.setPointerCapture(event.pointerId);
  const days = (last - first) / box.clientWidth;
  const move = ({ clientX }: PointerEvent): void => {
    const by = Math.round((clientX - event.clientX) * days);
    const start = Math.min(Math.max(from + by, first), last - (to - from));
    show(start, start + (to - from));
  };
  box.addEventListener("pointermove", move);
  box.addEventListener("pointerup", () => box.removeEventListener("pointermove", move), { once: true });
}

function Silhouette({ first, last }: { readonly first: number; readonly last: number }) {
  return (
    <svg viewBox={`0 0 ${BOX.wide} ${BOX.high}`} preserveAspectRatio="none" aria-hidden="true">
      {traces(answeredClear.value, index.value, [first, last], BOX).map((points) => (
        <polyline key={points} points={points} />
      ))}
    </svg>
  );
}
