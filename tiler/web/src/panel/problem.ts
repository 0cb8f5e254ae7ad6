/** What is said of a request that failed. */
import { ApiError } from "../api";
import { t } from "../i18n";

/** Whether nobody answered: the gateway speaks for a service that is away with 502, 503 or 504. */
export const isAway = (status: number): boolean => status === 0 || (status >= 502 && status <= 504);

/** Words for the reader, the server's own where it has any. What is no failure of a request is thrown on. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof ApiError)) throw error;
  return isAway(error.status) ? t.failure.network : error.message;
}
