/** Sites too many for the address are kept in the tab, so that a reload finds them again. */
import type { SiteSet } from "./sites";

const KEY = "sen2extract.sites";

export function keepSites(set: SiteSet | null): void {
  try {
    if (set) sessionStorage.setItem(KEY, JSON.stringify(set));
    else sessionStorage.removeItem(KEY);
  } catch (error) {
    // Too much for the browser: the file is still there to be read again.
    if (!(error instanceof DOMException)) throw error;
    sessionStorage.removeItem(KEY);
  }
}

export function keptSites(): SiteSet | null {
  const kept = sessionStorage.getItem(KEY);
  return kept ? (JSON.parse(kept) as SiteSet) : null;
}
