/** The part of the state worth sharing is kept in the address. */
import { batch, effect } from "@preact/signals";
import { decodeArea, encodeArea } from "../area";
import { makePlace, type Place } from "../coordinates";
import { chosenLanguage, isLanguage } from "../i18n";
import { isIndexName } from "../indices";
import { keepSites, keptSites } from "../kept";
import { readPeriod, writePeriod } from "../period";
import { middleOf, readSites, writeSites } from "../sites";
import { isStep } from "../steps";
import { area, isArea, outline, place, site, siteId, sites } from "./choices";
import {
  against,
  clouds,
  excluded,
  ghost,
  index,
  LEAST_VALID,
  layer,
  leastValid,
  period,
  RESOLUTIONS,
  resolution,
  stepName,
  usual,
  wanted,
  zoom,
} from "./view";

function readAddress(): void {
  const query = new URLSearchParams(location.search);
  const [lon, lat] = [query.get("lon"), query.get("lat")];
  area.value = decodeArea(query.get("area") ?? "");
  const given = lon === null || lat === null ? null : makePlace(Number(lon), Number(lat));
  const several = query.get("sites");
  // An address without sites is a step back from them, not a wish to drop them; with the same, they keep all they had.
  const known = sites.peek();
  if (several && (!known || writeSites(known)?.sites !== several)) {
    sites.value = readSites(several, query.get("names")) ?? known;
  }
  if (!several && query.has("site")) sites.value ??= keptSites();
  const at = several || query.has("site") ? Number(query.get("site") ?? 1) : 0;
  siteId.value = sites.value?.sites[at - 1]?.id ?? null;
  place.value = outline.value ? makePlace(...middleOf(outline.value)) : given;
  const share = query.get("valid");
  leastValid.value = share === null ? LEAST_VALID : Math.min(Math.max(Number(share) / 100 || 0, 0), 1);
  const name = query.get("index")?.toUpperCase() ?? null;
  index.value = isIndexName(name) ? name : "NDVI";
  wanted.value = query.get("date");
  const shown = query.get("show");
  layer.value = shown === "index" || shown === "none" || shown === "top" ? shown : "colour";
  clouds.value = query.get("clouds") === "marked";
  against.value = query.get("with");
  excluded.value = (query.get("without") ?? "").split(",").filter((start) => start !== "");
  period.value = readPeriod(query.get("period"));
  const summed = query.get("step");
  stepName.value = isStep(summed) ? summed : null;
  resolution.value = RESOLUTIONS.find((one) => `${one}` === query.get("resolution")) ?? null;
  const also = (query.get("also") ?? "").split(",");
  ghost.value = also.includes("before");
  usual.value = also.includes("usual");
  const spoken = query.get("lang");
  if (isLanguage(spoken)) chosenLanguage.value = spoken;
  const level = Number(query.get("zoom"));
  zoom.value = level > 0 ? level : null;
}

function writeAddress(): string {
  const query = new URLSearchParams();
  if (place.value) {
    for (const [name, value] of whereToSay(place.value)) query.set(name, value);
    query.set("index", index.value);
    if (wanted.value) query.set("date", wanted.value);
    if (layer.value !== "colour") query.set("show", layer.value);
    if (clouds.value) query.set("clouds", "marked");
    if (against.value) query.set("with", against.value);
    if (excluded.value.length > 0) query.set("without", excluded.value.join(","));
    const shown = writePeriod(period.value);
    if (shown) query.set("period", shown);
    if (stepName.value) query.set("step", stepName.value);
    if (resolution.value !== null) query.set("resolution", `${resolution.value}`);
    const also = [...(ghost.value ? ["before"] : []), ...(usual.value ? ["usual"] : [])].join(",");
    if (also) query.set("also", also);
    if (zoom.value !== null) query.set("zoom", zoom.value.toFixed(1));
  }
  if (chosenLanguage.value) query.set("lang", chosenLanguage.value);
  // The slash of an interval and the comma of a list may stand in a query as they are.
  const text = query.toString().replaceAll("%2F", "/").replaceAll("%2C", ",");
  return text ? `?${text}` : location.pathname;
}

function whereToSay({ lon, lat }: Place): [string, string][] {
  const said: [string, string][] = [];
  if (sites.value && site.value) {
    const written = writeSites(sites.value);
    said.push(["site", `${sites.value.sites.indexOf(site.value) + 1}`]);
    if (written) said.push(["sites", written.sites], ["names", written.names]);
  } else if (area.value) said.push(["area", encodeArea(area.value)]);
  // Sites too many for the address are at least found on the map.
  if (said.length === 0 || (site.value && said.length === 1)) said.push(["lon", `${lon}`], ["lat", `${lat}`]);
  if (isArea.value && leastValid.value !== LEAST_VALID) {
    said.push(["valid", `${Math.round(leastValid.value * 100)}`]);
  }
  return said;
}

/** Reads the address into the signals and keeps both in step. A new place is a step that Back undoes. */
export function followAddress(): void {
  batch(readAddress);
  effect(() => keepSites(sites.value));
  let last = [place.peek(), outline.peek()];
  addEventListener("popstate", () => {
    batch(() => {
      readAddress();
      last = [place.peek(), outline.peek()];
    });
  });
  effect(() => {
    const address = writeAddress();
    const moved = place.value !== last[0] || outline.value !== last[1];
    last = [place.value, outline.value];
    if (moved) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
  });
}
