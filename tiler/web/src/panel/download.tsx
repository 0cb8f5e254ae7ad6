import { useSignal } from "@preact/signals";
import { ApiError } from "../api";
import { t } from "../i18n";
import { fetchFile, seriesUrl, type Where } from "../series";
import { allOfIt, index, summing } from "../state";

/** The CSV of what is shown, or of all sites. A place's is a link; what is posted, no link can fetch. */
export function Download() {
  const asked = allOfIt.value;
  if (!asked) return null;
  if (asked.kind !== "place") return <Posted asked={asked} />;
  return (
    <a
      class="button primary"
      href={seriesUrl(asked, index.value, "csv", summing.value)}
      download={fileName(asked)}
    >
      {t.series.download}
    </a>
  );
}

function fileName(asked: Where): string {
  const named = asked.kind === "place" ? `${asked.place.lat}_${asked.place.lon}` : asked.kind;
  return `${index.value}_${named}.csv`;
}

function Posted({ asked }: { readonly asked: Where }) {
  const busy = useSignal(false);
  const problem = useSignal("");
  const onClick = async (): Promise<void> => {
    busy.value = true;
    problem.value = "";
    try {
      save(await fetchFile(asked, index.value, "csv", summing.value), fileName(asked));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      problem.value = error.status === 0 ? t.failure.network : error.message;
    } finally {
      busy.value = false;
    }
  };
  return (
    <>
      <button type="button" class="button primary" disabled={busy.value} onClick={onClick}>
        {busy.value ? t.area.downloading : t.series.download}
      </button>
      <p class="problem" role="alert">
        {problem.value}
      </p>
    </>
  );
}

function save(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // The browser has taken the blob by the next minute; until then the address must stand.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
