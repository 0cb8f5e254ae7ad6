/** A user's file to places: the server reads it, the page asks. */
import { rasterUrl, request } from "./api";
import type { Places } from "./openapi/raster";
import { makeSites, type SiteSet } from "./sites";

/** What the page takes: a hint for the file dialogue, the server decides by content. */
export const KINDS = ".zip,.shp,.dbf,.prj,.cpg,.gpkg,.kml,.kmz,.gpx,.geojson,.json,.csv,.tsv,.txt";

/** Reads a file, or the parts of a shapefile. Throws `ApiError` with what is wrong with it. */
export async function readPlaces(files: readonly File[], signal?: AbortSignal): Promise<SiteSet> {
  const form = new FormData();
  for (const file of files) form.append(file.name, file, file.name);
  const answer = await request<Places>(rasterUrl("/places"), {
    method: "POST",
    body: form,
    ...(signal ? { signal } : {}),
  });
  return makeSites(answer.features, answer.report);
}
