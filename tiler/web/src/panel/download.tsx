import { useSignal } from "@preact/signals";
import { ApiError } from "../api";
import { t } from "../i18n";
import { fetchFile, type Options, seriesUrl, type Where } from "../series";
import { allOfIt } from "../state/choices";
import { summing } from "../state/curves";
import { index } from "../state/view";
import { Larger } from "./larger";
import { wordsOf } from "./problem";

/** The CSV of what is shown, or of all sites. */
export function Download() {
  const asked = allOfIt.value;
  return (
    asked && <Take asked={asked} format="csv" options={{}} text={t.series.download} kind="button primary" />
  );
}

interface TakeProps {
  readonly asked: Where;
  readonly format: string;
  readonly options: Options;
  readonly text: string;
  /** Its class in the style sheet. */
  readonly kind: string;
}

/** A file of the curve. A place's is a link; what is posted, no link can fetch. */
export function Take({ asked, format, options, text, kind }: TakeProps) {
  const all = { ...summing.value, ...options };
  if (asked.kind !== "place")
    return <Posted asked={asked} format={format} options={all} text={text} kind={kind} />;
  return (
    <a class={kind} href={seriesUrl(asked, index.value, format, all)} download={fileName(asked, format, all)}>
      {text}
    </a>
  );
}

function fileName(asked: Where, format: string, { index: every, step, profile }: Options): string {
  const named = asked.kind === "place" ? `${asked.place.lat}_${asked.place.lon}` : asked.kind;
  return `${[every?.replaceAll(",", "_") ?? index.value, named, step, profile].filter((part) => part !== undefined).join("_")}.${format}`;
}

function Posted({ asked, format, options, text, kind }: TakeProps) {
  const busy = useSignal(false);
  const problem = useSignal("");
  const jobs = useSignal<string | null>(null);
  const onClick = async (): Promise<void> => {
    busy.value = true;
    problem.value = "";
    jobs.value = null;
    try {
      save(await fetchFile(asked, index.value, format, options), fileName(asked, format, options));
    } catch (error) {
      problem.value = wordsOf(error);
      jobs.value = error instanceof ApiError ? error.wayOut.jobs : null;
    } finally {
      busy.value = false;
    }
  };
  return (
    <>
      <button type="button" class={kind} disabled={busy.value} onClick={onClick}>
        {busy.value ? t.area.downloading : text}
      </button>
      <span class="problem" role="alert">
        {problem.value}
      </span>
      {jobs.value && <Larger url={jobs.value} asked={asked} />}
    </>
  );
}

/** Has the browser keep a file. */
export function save(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // The browser has taken the blob by the next minute; until then the address must stand.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
