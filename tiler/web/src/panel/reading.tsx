/** A series that is being read, and one that was not read to its end. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { t } from "../i18n";
import { stopReading } from "../load";
import { attempt, type SeriesState } from "../state/answers";
import { site } from "../state/choices";

type Cut = Extract<SeriesState, { readonly missing: number }>;

/** How far reading is; said aloud at each quarter only. */
export function Reading({ read, total }: { readonly read: number; readonly total: number | null }) {
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
export function Missing({ state }: { readonly state: Cut }) {
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

/** Asks for the series once more. */
export function again(): void {
  attempt.value += 1;
}
