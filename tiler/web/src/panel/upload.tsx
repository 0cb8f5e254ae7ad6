/** The door for files: a button, or a file dropped anywhere on the page. */
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ApiError } from "../api";
import { t } from "../i18n";
import { startFileJob } from "../jobs";
import { chooseSites } from "../state/choices";
import { index } from "../state/view";
import { KINDS, readPlaces } from "../uploads";
import { CoordinateSystem, saying } from "./crs";
import { JobOffer } from "./jobs";
import { wordsOf } from "./problem";

const busy = signal(false);
const problem = signal("");
const over = signal(false);
interface TooLarge {
  readonly files: readonly File[];
  /** Where a job would be made of them. */
  readonly jobs: string | null;
}

/** Files of which the server said that they are too large for one request. */
const tooLarge = signal<TooLarge | null>(null);

/** Files that do not say in which coordinate system they are. */
const unplaced = signal<readonly File[] | null>(null);

async function read(files: readonly File[], crs: string | null = null): Promise<void> {
  if (files.length === 0 || busy.value) return;
  busy.value = true;
  problem.value = "";
  tooLarge.value = null;
  unplaced.value = null;
  try {
    chooseSites(await readPlaces(crs === null ? files : [...files, saying(crs)]));
  } catch (error) {
    const isAsked = error instanceof ApiError && error.code === "UnknownCoordinateSystem";
    problem.value = isAsked ? "" : wordsOf(error);
    if (error instanceof ApiError && error.status === 413)
      tooLarge.value = { files, jobs: error.wayOut.jobs };
    // Whoever named a wrong one may name another.
    if (isAsked || crs !== null) unplaced.value = files;
  } finally {
    busy.value = false;
  }
}

/** Once it is a job, nothing is wrong with the file any more. */
async function startLarge(url: string, files: readonly File[]): Promise<void> {
  await startFileJob(url, files, index.value);
  problem.value = "";
  tooLarge.value = null;
}

export function UploadButton() {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button
        type="button"
        class="button"
        data-key="u"
        aria-keyshortcuts="u"
        disabled={busy.value}
        onClick={() => input.current?.click()}
      >
        {busy.value ? t.upload.reading : t.upload.button}
      </button>
      <input
        ref={input}
        type="file"
        class="visually-hidden"
        tabIndex={-1}
        aria-label={t.upload.button}
        multiple
        accept={KINDS}
        onChange={(event) => {
          const field = event.currentTarget;
          void read([...(field.files ?? [])]).then(() => {
            // The same file again, once it is mended, is a change too.
            field.value = "";
          });
        }}
      />
    </>
  );
}

/** What was wrong with the file; words after the colon are the server's. */
export function UploadProblem() {
  const { files = [], jobs: url = null } = tooLarge.value ?? {};
  const asking = unplaced.value;
  return (
    <>
      <p class="problem" role="alert">
        {problem.value && `${tooLarge.value ? t.upload.large : t.upload.problem}: ${problem.value}`}
      </p>
      {asking && <CoordinateSystem read={(crs) => void read(asking, crs)} />}
      {url !== null && <JobOffer start={() => startLarge(url, files)} />}
    </>
  );
}

/** Shows where to drop while a file is dragged over the page. */
export function DropZone() {
  useEffect(() => {
    const holdsFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
    const onDrag = (event: DragEvent): void => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      over.value = true;
    };
    const onLeave = (event: DragEvent): void => {
      // Leaving an element for another inside the page has that other as its target.
      if (event.relatedTarget === null) over.value = false;
    };
    const onDrop = (event: DragEvent): void => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      over.value = false;
      void read([...(event.dataTransfer?.files ?? [])]);
    };
    addEventListener("dragover", onDrag);
    addEventListener("dragleave", onLeave);
    addEventListener("drop", onDrop);
    return () => {
      removeEventListener("dragover", onDrag);
      removeEventListener("dragleave", onLeave);
      removeEventListener("drop", onDrop);
    };
  }, []);
  if (!over.value) return null;
  return (
    <div class="drop-zone">
      <p>{t.upload.drop}</p>
      <p class="muted">{t.upload.kinds}</p>
    </div>
  );
}
