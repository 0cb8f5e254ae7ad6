/** Asking the operator for an area that the archive does not hold. */
import { ask } from "./api";
import { GEOJSON } from "./series";
import type { SiteGeometry } from "./sites";

/** The relation by which a catalogue says that it takes such requests. */
export const AREA_REQUESTS = "area-requests";

/** Throws `ApiError`. */
export async function requestArea(url: string, geometry: SiteGeometry): Promise<void> {
  const body = JSON.stringify({ type: "Feature", properties: {}, geometry });
  await ask(url, { method: "POST", headers: { "content-type": GEOJSON }, body });
}
