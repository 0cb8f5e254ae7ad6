/** What can be done with a request that is too large, as the server says: a job, or larger pixels. */
import type { WayOut } from "../api";
import { t } from "../i18n";
import { startJob } from "../jobs";
import type { Where } from "../series";
import { allOfIt, isArea } from "../state/choices";
import { summing } from "../state/curves";
import { index, resolution } from "../state/view";
import { JobOffer } from "./jobs";

export function Larger({ url, asked }: { readonly url: string; readonly asked: Where }) {
  return <JobOffer start={() => startJob(url, asked, index.value, summing.value)} />;
}

export function WaysOut({ wayOut: { jobs, resolution: metres } }: { readonly wayOut: WayOut }) {
  return (
    <>
      {metres !== null && isArea.value && (
        <button
          type="button"
          class="button primary"
          onClick={() => {
            resolution.value = metres;
          }}
        >
          {t.coarse.offer(metres)}
        </button>
      )}
      {jobs && allOfIt.value && <Larger url={jobs} asked={allOfIt.value} />}
    </>
  );
}

/** That the curve is of larger pixels than are stored, and the way back. */
export function Coarse() {
  if (resolution.value === null) return null;
  return (
    <p class="muted hint coarse">
      {t.coarse.done(resolution.value)}{" "}
      <button
        type="button"
        class="link"
        onClick={() => {
          resolution.value = null;
        }}
      >
        {t.coarse.offer(10)}
      </button>
    </p>
  );
}
