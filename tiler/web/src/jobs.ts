/** Extractions too large to wait for: started here, done by the server, found again after a reload. */
import { computed, signal } from "@preact/signals";
import { ApiError, ask, INDEX_COLLECTION, rasterUrl, request } from "./api";
import type { IndexName } from "./indices";
import type { Job, Jobs } from "./openapi/raster";
import { bodyOf, GEOJSON, type Options, type Where } from "./series";

const KEY = "sen2extract.jobs";
const URL_OF_JOBS = rasterUrl("/collections/{collection_id}/timeseries/jobs", {
  collection_id: INDEX_COLLECTION,
});

export const jobs = signal<readonly Job[]>([]);
const isActive = ({ status }: Job): boolean => status === "queued" || status === "running";
const anyActive = computed(() => jobs.value.some(isActive));

function kept(): readonly string[] {
  const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
  return Array.isArray(found) ? found.filter((id) => typeof id === "string") : [];
}

function keep(): void {
  localStorage.setItem(KEY, JSON.stringify(jobs.value.map(({ id }) => id)));
}

/** Starts a job for what was asked, where the server said that it would. Throws {@link ApiError}. */
export function startJob(url: string, where: Where, index: IndexName, options: Options): Promise<void> {
  return post(url, bodyOf(where) ?? pointOf(where), { "content-type": GEOJSON }, index, options);
}

/** Starts a job for files as they are, where the server said that it would. Throws {@link ApiError}. */
export function startFileJob(url: string, files: readonly File[], index: IndexName): Promise<void> {
  const form = new FormData();
  for (const file of files) form.append(file.name, file, file.name);
  return post(url, form, {}, index, {});
}

function pointOf(where: Where): string {
  if (where.kind !== "place") throw new Error("only a place has no body");
  const { lon, lat } = where.place;
  return JSON.stringify({
    type: "Feature",
    properties: {},
    geometry: { type: "Point", coordinates: [lon, lat] },
  });
}

async function post(
  url: string,
  body: string | FormData,
  headers: Record<string, string>,
  index: IndexName,
  options: Options,
): Promise<void> {
  const query = new URLSearchParams({ index, ...options });
  const made = await request<Job>(`${url}?${query}`, { method: "POST", headers, body });
  // The same request again is the same job.
  jobs.value = [made, ...jobs.value.filter(({ id }) => id !== made.id)];
  keep();
  watch();
}

/** Cancels a job that runs; forgets one that has ended, with its files. */
export async function endJob(job: Job): Promise<void> {
  const link = job.links.find(({ rel }) => rel === "cancel" || rel === "delete");
  try {
    if (link) await ask(link.href, { method: "DELETE" });
  } catch (error) {
    // Gone already is what was wanted.
    if (!(error instanceof ApiError)) throw error;
  }
  if (isActive(job)) await refresh();
  else jobs.value = jobs.value.filter(({ id }) => id !== job.id);
  keep();
}

const OFTEN = 2_000;
const SELDOM = 10_000;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Finds the jobs of earlier visits again, and follows those that are not done. */
export async function followJobs(): Promise<void> {
  if (kept().length === 0) return;
  const reached = await refresh();
  if (!reached || anyActive.value) watch(reached ? OFTEN : SELDOM);
}

function watch(wait = OFTEN): void {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    const reached = await refresh();
    // Slower while the server is away, and for jobs that take long.
    if (!reached || anyActive.value) watch(reached ? Math.min(wait * 1.2, SELDOM) : SELDOM);
  }, wait);
}

/** Asks how the jobs are; false where the server does not answer. */
async function refresh(): Promise<boolean> {
  const ids = jobs.value.length > 0 ? jobs.value.map(({ id }) => id) : kept();
  try {
    const answer = await request<Jobs>(`${URL_OF_JOBS}?ids=${ids.join(",")}`, {});
    jobs.value = ids.flatMap((id) => answer.jobs.find((job) => job.id === id) ?? []);
    keep();
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.status >= 400 && error.status < 500;
  }
}
