/** The sites of a file: their curves in small, to choose, to sort, and to lay over one another. */
import { computed, signal } from "@preact/signals";
import { formatDate, formatValue } from "../format";
import { t } from "../i18n";
import { lineStyle } from "../lines";
import type { UploadReport } from "../openapi/raster";
import type { Sample } from "../series";
import type { Site } from "../sites";
import { isClear, LOADING, type SeriesState, samplesOf, siteSeries } from "../state/answers";
import { chooseSite, dropSites, MOST_TICKED, site, sites, tick, ticked } from "../state/choices";
import { index } from "../state/view";
import { traces } from "../trace";

type Order = "file" | "name" | "last";
const order = signal<Order>("file");

interface Line {
  readonly site: Site;
  readonly state: SeriesState;
  readonly clear: readonly Sample[];
}

const lines = computed<readonly Line[]>(() => {
  const all = (sites.value?.sites ?? []).map((one): Line => {
    const state = siteSeries.value.get(one.id) ?? LOADING;
    const clear = samplesOf(state).filter(isClear);
    return { site: one, state, clear };
  });
  if (order.value === "name") {
    return all.toSorted((a, b) => a.site.name.localeCompare(b.site.name, t.numbers, { numeric: true }));
  }
  const last = ({ clear }: Line): number => clear.at(-1)?.value ?? Number.NEGATIVE_INFINITY;
  return order.value === "last" ? all.toSorted((a, b) => last(b) - last(a)) : all;
});

export function Sites() {
  const set = sites.value;
  if (!set) return null;
  const done = set.sites.filter(({ id }) => (siteSeries.value.get(id) ?? LOADING).kind !== "loading").length;
  return (
    <section class="card sites" aria-labelledby="sites-heading">
      <div class="image-head">
        <h2 id="sites-heading">{t.sites.heading(set.sites.length)}</h2>
        <button type="button" class="link" onClick={dropSites}>
          {t.sites.drop}
        </button>
      </div>
      {done < set.sites.length && <Progress done={done} all={set.sites.length} />}
      {set.report && <Told report={set.report} />}
      <List />
      <p class="muted hint">{t.sites.hint(MOST_TICKED)}</p>
    </section>
  );
}

function Progress({ done, all }: { readonly done: number; readonly all: number }) {
  return (
    <label class="progress muted">
      {t.sites.progress(done, all)} <progress value={done} max={all} />
    </label>
  );
}

/** What the server did to the file. Its own words are English. */
function Told({ report }: { readonly report: UploadReport }) {
  const mended = report.features.filter(({ done }) => done.some((step) => step.includes("repaired")));
  const said = [t.sites.read(report.format, report.layer, report.crs)];
  if (mended.length > 0) said.push(t.sites.repaired(mended.length));
  if (report.left_out.length > 0) said.push(t.sites.leftOut(report.left_out.length));
  const details = [
    ...(report.note ? [report.note] : []),
    ...report.left_out.map(({ reason }) => reason),
    ...mended.map(({ feature_id, done }) => `${feature_id}: ${done.join("; ")}`),
  ];
  if (details.length === 0) return <p class="muted hint">{said.join(" ")}</p>;
  return (
    <details open={report.left_out.length > 0}>
      <summary>{said.join(" ")}</summary>
      <ul class="told" lang="en">
        {details.slice(0, 50).map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ul>
    </details>
  );
}

function List() {
  return (
    <div class="table-box">
      <table>
        <thead>
          <tr>
            <th scope="col">
              <span class="visually-hidden">{t.sites.overlay}</span>
            </th>
            <Sortable by="name" text={t.sites.name} />
            <th scope="col">{t.indices[index.value].title}</th>
            <Sortable by="last" text={t.sites.last} />
          </tr>
        </thead>
        <tbody>
          {lines.value.map((line) => (
            <Row key={line.site.id} {...line} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Sortable({ by, text }: { readonly by: Order; readonly text: string }) {
  const sorted = order.value === by;
  const direction = by === "name" ? "ascending" : "descending";
  return (
    <th scope="col" aria-sort={sorted ? direction : "none"}>
      <button
        type="button"
        class="link"
        onClick={() => {
          order.value = sorted ? "file" : by;
        }}
      >
        {text}
      </button>
      {sorted && <span aria-hidden="true">{by === "name" ? " ↑" : " ↓"}</span>}
    </th>
  );
}

function Row({ site: one, state, clear }: Line) {
  const shown = one === site.value;
  const last = clear.at(-1);
  return (
    <tr class={shown ? "chosen" : ""}>
      <td>
        <Tick site={one} shown={shown} />
      </td>
      <td>
        <button type="button" class="link" aria-pressed={shown} onClick={() => chooseSite(one)}>
          {one.name}
        </button>
      </td>
      <td>
        <Sparkline samples={clear} />
        {state.kind === "failed" && <span class="problem">{t.failure.http}</span>}
        {state.kind === "ready" && state.samples.length === 0 && <span class="muted">{t.sites.outside}</span>}
      </td>
      <td class="number" title={last ? formatDate(last.time) : ""}>
        {last ? formatValue(last.value ?? 0) : state.kind === "loading" ? "…" : "–"}
      </td>
    </tr>
  );
}

function Tick({ site: one, shown }: { readonly site: Site; readonly shown: boolean }) {
  const at = ticked.value.indexOf(one.id);
  const style = lineStyle(at);
  return (
    <label class="tick" style={at >= 0 && !shown ? { accentColor: `var(${style.colour})` } : {}}>
      <input
        type="checkbox"
        aria-label={t.sites.lay(one.name)}
        checked={at >= 0}
        disabled={at < 0 && ticked.value.length >= MOST_TICKED}
        onChange={(event) => tick(one.id, event.currentTarget.checked)}
      />
    </label>
  );
}

const BOX = { wide: 120, high: 26 };

/** A curve without axes. */
function Sparkline({ samples }: { readonly samples: readonly Sample[] }) {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last) return null;
  const lines = traces(samples, index.value, [first.time, last.time], BOX);
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${BOX.wide} ${BOX.high}`}
      width={BOX.wide}
      height={BOX.high}
      aria-hidden="true"
    >
      {lines.map((points) => (
        <polyline key={points} points={points} />
      ))}
    </svg>
  );
}
