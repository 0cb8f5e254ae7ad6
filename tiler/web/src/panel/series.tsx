import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ApiError } from "../api";
import { AREA_REQUESTS, requestArea } from "../areas";
import { formatDate, formatHectares, formatNumber, formatPlace, formatValue } from "../format";
import { t } from "../i18n";
import { startJob } from "../jobs";
import { stopReading } from "../load";
import { hectaresOf } from "../map/area";
import { nearestTile } from "../map/coverage";
import type { Sample, Where } from "../series";
import { service } from "../services";
import {
  attempt,
  bestFraction,
  clearSamples,
  type SeriesState,
  samples,
  series,
  stepped,
} from "../state/answers";
import { allOfIt, isArea, outline, pick, place, site } from "../state/choices";
import { lines, summing, usualBand } from "../state/curves";
import { index } from "../state/view";
import { ValidSlider } from "./area";
import { Brush } from "./brush";
import { Chips } from "./chips";
import { Curve } from "./curve";
import { Download } from "./download";
import { ImageCard } from "./image";
import { JobOffer } from "./jobs";
import { CurveOptions, StepChoice } from "./options";
import { PeriodChoice } from "./period";
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
  if (state.kind === "failed") return <Failure status={state.status} message={state.message} />;
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

/** How far reading is; said aloud at each quarter only. */
function Reading({ read, total }: { readonly read: number; readonly total: number | null }) {
  const quarters = total ? Math.floor((4 * read) / total) : 0;
  const words = total === null ? t.series.read(read) : t.series.progress(read, total);
  const aloud = useSignal("");
  useEffect(() => {
    aloud.value = words;
  }, [quarters]);
  return (
    <div class="reading-on">
      <progress aria-label={t.series.reading} {...(total === null ? {} : { value: read, max: total })} />
      <span aria-hidden="true">{words}</span>
      <span class="visually-hidden" role="status">
        {aloud}
      </span>
      {!site.value && (
        <button type="button" class="link" onClick={stopReading}>
          {t.series.stop}
        </button>
      )}
    </div>
  );
}

/** What is not in the curve, since the answer broke off or the reader had enough of it. */
function Missing({ state }: { readonly state: Extract<Shown, { readonly missing: number }> }) {
  const { length } = state.samples;
  return (
    <p class="missing" role="status">
      {t.series.cut(length, length + state.missing)}{" "}
      <button type="button" class="link" onClick={again}>
        {t.failure.retry}
      </button>
    </p>
  );
}

function again(): void {
  attempt.value += 1;
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
  const copied = useSignal(false);
  if (!isSecureContext) return null;
  const onClick = async (): Promise<void> => {
    await navigator.clipboard.writeText(location.href);
    copied.value = true;
    setTimeout(() => {
      copied.value = false;
    }, 2000);
  };
  return (
    <button type="button" class="button" onClick={onClick}>
      <span aria-live="polite">{copied.value ? t.image.copied : t.series.copyLink}</span>
    </button>
  );
}

function Outside() {
  const near = place.value ? nearestTile(place.value) : null;
  return (
    <div class="notice" role="status">
      <h3>{t.outside.title}</h3>
      <p>{near ? t.outside.nearest(near.code, formatNumber(near.km, 0)) : t.outside.hint}</p>
      {near && (
        <button type="button" class="button" onClick={() => pick(near.place.lon, near.place.lat)}>
          {t.outside.go}
        </button>
      )}
      <RequestArea />
    </div>
  );
}

/** Offered only where the catalogue says that it takes requests. */
function RequestArea() {
  const said = useSignal("");
  const [url, at] = [service(AREA_REQUESTS), place.value];
  if (!url || !at) return null;
  const onClick = async (): Promise<void> => {
    try {
      await requestArea(url, outline.value ?? { type: "Point", coordinates: [at.lon, at.lat] });
      said.value = t.outside.requested;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      said.value = error.status === 0 ? t.failure.network : error.message;
    }
  };
  return (
    <>
      {said.value !== t.outside.requested && (
        <button type="button" class="button primary" onClick={onClick}>
          {t.outside.request}
        </button>
      )}
      <p role="status">{said.value}</p>
    </>
  );
}

function Larger({ asked }: { readonly asked: Where }) {
  return <JobOffer start={() => startJob(asked, index.value, summing.value)} />;
}

function Failure({ status, message }: { readonly status: number; readonly message: string }) {
  // The gateway speaks for a service that is away with 502, 503 or 504.
  const away = status === 0 || (status >= 502 && status <= 504);
  return (
    <div class="notice" role="alert">
      <h3>{away ? t.failure.network : status === 413 ? t.failure.large : t.failure.http}</h3>
      {status === 413 && <p>{t.failure.largeHint}</p>}
      {away ? (
        <p>{t.failure.networkHint}</p>
      ) : (
        <p class="muted hint" lang="en">
          {message}
        </p>
      )}
      {status === 413 ? (
        allOfIt.value && <Larger asked={allOfIt.value} />
      ) : (
        <button type="button" class="button primary" onClick={again}>
          {t.failure.retry}
        </button>
      )}
    </div>
  );
}
