/** Jobs: the offer to make one of a request that is too large, and how each is. */
import { useSignal } from "@preact/signals";
import { formatDate, formatTime } from "../format";
import { t } from "../i18n";
import { isIndexName } from "../indices";
import { endJob, jobs } from "../jobs";
import type { Job } from "../openapi/raster";
import { isStep, type Step } from "../steps";
import { wordsOf } from "./problem";

/** A button that runs a too large request as a job. */
export function JobOffer({ start }: { readonly start: () => Promise<void> }) {
  const problem = useSignal("");
  const busy = useSignal(false);
  const onClick = async (): Promise<void> => {
    busy.value = true;
    problem.value = "";
    try {
      await start();
      document.querySelector(".jobs")?.scrollIntoView({ block: "nearest" });
    } catch (error) {
      problem.value = wordsOf(error);
    } finally {
      busy.value = false;
    }
  };
  return (
    <div class="job-offer">
      <button type="button" class="button primary" disabled={busy.value} onClick={onClick}>
        {t.jobs.offer}
      </button>
      <p class="muted hint">{t.jobs.meaning}</p>
      <p class="problem" role="alert">
        {problem.value}
      </p>
    </div>
  );
}

export function Jobs() {
  if (jobs.value.length === 0) return null;
  return (
    <section class="card jobs" aria-labelledby="jobs-heading">
      <h2 id="jobs-heading">{t.jobs.heading}</h2>
      {jobs.value.map((job) => (
        <JobCard key={job.id} job={job} />
      ))}
    </section>
  );
}

function JobCard({ job }: { readonly job: Job }) {
  const { chunks, done, failed } = job.progress;
  const time = Date.parse(job.created);
  const active = job.status === "queued" || job.status === "running";
  const share = chunks > 0 ? Math.floor((100 * (done + failed)) / chunks) : 0;
  return (
    <article class="job">
      <p class="job-of">{titleOf(job)}</p>
      <p role="status">
        <strong>{t.jobs.states[job.status]}</strong> {active && chunks > 0 && `${share} %`}{" "}
        <span class="muted">
          {formatDate(time)} {formatTime(time)}
        </span>
      </p>
      {active && <progress aria-label={t.jobs.heading} max={Math.max(chunks, 1)} value={done + failed} />}
      {failed > 0 && <p class="problem">{t.jobs.failed(failed, chunks)}</p>}
      {job.message && (
        <p class="muted hint" lang="en">
          {job.message}
        </p>
      )}
      <ul>
        {job.links
          .filter(({ rel }) => rel === "enclosure")
          .map(({ href, title, "file:size": size }) => (
            <li key={href}>
              <a href={href} download={title}>
                {title}
              </a>{" "}
              {typeof size === "number" && <span class="muted">{sizeOf(size)}</span>}
            </li>
          ))}
      </ul>
      <button type="button" class="link" onClick={() => void endJob(job)}>
        {active ? t.area.cancel : t.sites.drop}
      </button>
    </article>
  );
}

/** What a job is of, as its curve would be called. */
function titleOf({ request: { index, step, features } }: Job): string {
  const names = (index ?? "").split(",").map((name) => (isIndexName(name) ? t.indices[name].title : name));
  const by = isStep(step ?? null) ? [t.step.names[step as Step]] : [];
  return [names.join(", "), t.sites.heading(features), ...by].join(" · ");
}

function sizeOf(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${Math.ceil(bytes / 1_000_000)} MB`;
}
