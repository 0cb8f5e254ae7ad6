import { useSignal } from "@preact/signals";
import { formatDate, formatHectares, formatPlace, formatValue } from "../format";
import { t } from "../i18n";
import { hectaresOf } from "../map/area";
import type { Sample } from "../series";
import { bestFraction, clearSamples, type SeriesState, samples, series, stepped } from "../state/answers";
import { isArea, outline, place, site } from "../state/choices";
import { lines, usualBand } from "../state/curves";
import { index } from "../state/view";
import { ValidSlider } from "./area";
import { Brush } from "./brush";
import { Chips } from "./chips";
import { useCopied } from "./copy";
import { Curve } from "./curve";
import { Download } from "./download";
import { ImageCard } from "./image";
import { Coarse } from "./larger";
import { Failure, Outside } from "./notices";
import { CurveOptions, StepChoice } from "./options";
import { PeriodChoice } from "./period";
import { Missing, Reading } from "./reading";
import { Sites } from "./sites";
import { Table } from "./table";
import { Elsewhere, Formats } from "./take";

/** Everything about the chosen place. */
export function PlaceView() {
  if (!place.value) return null;
  const { lon, lat } = place.value;
  return (
    <>
      <Sites />
      <h2 class="place">{title(lon, lat)}</h2>
      <Chips />
      <div class="card series" aria-busy={series.value.kind === "loading"}>
        <SeriesBody />
      </div>
      <ImageCard />
    </>
  );
}

function title(lon: number, lat: number): string {
  const shown = outline.value;
  const size =
    shown && isArea.value ? t.area.title(formatHectares(hectaresOf(shown))) : formatPlace(lon, lat);
  return site.value ? `${site.value.name} · ${size}` : size;
}

function SeriesBody() {
  const state = series.value;
  if (state.kind === "failed") return <Failure state={state} />;
  if (state.kind === "idle" || (state.kind === "loading" && state.samples.length === 0)) return <Loading />;
  return state.samples.length === 0 ? <Outside /> : <Ready state={state} />;
}

function Loading() {
  return (
    <div class="loading" role="status">
      <div class="pulse" />
      {t.series.loading(t.indices[index.value].title)}
    </div>
  );
}

type Shown = Extract<SeriesState, { readonly samples: readonly Sample[] }>;

function Ready({ state }: { readonly state: Shown }) {
  const asTable = useSignal(false);
  return (
    <>
      <div class="series-head">
        <PeriodChoice />
        <StepChoice />
      </div>
      {asTable.value ? <Table /> : <Curve />}
      {!asTable.value && <Brush />}
      {!asTable.value && <Key />}
      {!asTable.value && <Overlaid />}
      <CurveOptions />
      {isArea.value && <ValidSlider />}
      <Coarse />
      {stepped.value.kind === "failed" && (
        <p class="problem" role="alert">
          {t.failure.http}: {stepped.value.message}
        </p>
      )}
      {state.kind === "loading" ? (
        <Reading read={state.samples.length} total={state.total} />
      ) : (
        <p class="summary" role="status">
          {summary(samples.value, clearSamples.value)}
        </p>
      )}
      {state.kind === "ready" && state.missing > 0 && <Missing state={state} />}
      <Actions
        asTable={asTable.value}
        onTable={(shown) => {
          asTable.value = shown;
        }}
      />
      {!asTable.value && (
        <p class="muted hint">
          {t.series.hint} {t.period.drag}
        </p>
      )}
    </>
  );
}

function summary(all: readonly Sample[], clear: readonly Sample[]): string {
  if (all.length === 0) return t.period.empty;
  if (clear.length === 0 && bestFraction.value > 0) return t.valid.none(all.length);
  const sorted = clear.toSorted((a, b) => (a.value ?? 0) - (b.value ?? 0));
  const [low, best] = [sorted[0], sorted.at(-1)];
  if (!low || !best) return `${t.cloudy.title}. ${t.cloudy.detail(all.length)}`;
  const text = (sample: Sample): [string, string] => [
    formatDate(sample.time),
    formatValue(sample.value ?? 0),
  ];
  return t.series.summary(...text(best), ...text(low), clear.length, all.length);
}

function Key() {
  return (
    <p class="key muted" aria-hidden="true">
      <span>
        <i class="key-dot" /> {isArea.value ? t.series.keyMean : t.series.keyClear}
      </span>
      {isArea.value && (
        <span>
          <i class="key-band" /> {t.series.keyBand}
        </span>
      )}
      <span>
        <i class="key-tick" /> {t.series.keyMasked}
      </span>
    </p>
  );
}

/** Which of the further curves is whose. */
function Overlaid() {
  if (lines.value.length === 0 && usualBand.value.length === 0) return null;
  return (
    <ul class="key overlaid">
      {usualBand.value.length > 0 && (
        <li>
          <span class="key-usual" aria-hidden="true" /> {t.also.usualKey}
        </li>
      )}
      {lines.value.map(({ name, style }) => (
        <li key={name}>
          <svg width="22" height="8" aria-hidden="true">
            <line
              x1="0"
              y1="4"
              x2="22"
              y2="4"
              stroke={`var(${style.colour})`}
              stroke-width="2"
              stroke-dasharray={style.dash.join(" ")}
            />
          </svg>{" "}
          {name}
        </li>
      ))}
    </ul>
  );
}

interface ActionsProps {
  readonly asTable: boolean;
  readonly onTable: (shown: boolean) => void;
}

function Actions({ asTable, onTable }: ActionsProps) {
  if (!place.value) return null;
  return (
    <div class="actions">
      <Download />
      <CopyLink />
      <button
        type="button"
        class="button"
        data-key="t"
        aria-keyshortcuts="t"
        aria-pressed={asTable}
        onClick={() => onTable(!asTable)}
      >
        {t.series.table}
      </button>
      {!asTable && <Formats />}
      <Elsewhere />
    </div>
  );
}

function CopyLink() {
  const [copied, tell] = useCopied();
  if (!isSecureContext) return null;
  const onClick = async (): Promise<void> => {
    await navigator.clipboard.writeText(location.href);
    tell(true);
  };
  return (
    <button type="button" class="button" onClick={onClick}>
      <span aria-live="polite">{copied.value ? t.image.copied : t.series.copyLink}</span>
    </button>
  );
}
