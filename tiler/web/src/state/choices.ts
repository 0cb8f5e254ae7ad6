/** What the reader looks at: a place, an area, or one of several sites. */
import { batch, computed, signal } from "@preact/signals";
import { type Area, toPolygon } from "../area";
import { makePlace, type Place } from "../coordinates";
import type { Where } from "../series";
import { hasArea, middleOf, type Site, type SiteGeometry, type SiteSet } from "../sites";
import { resolution } from "./view";

export const place = signal<Place | null>(null);

/** The area whose series is shown instead of that of its middle, which is then `place`. */
export const area = signal<Area | null>(null);

/** Several places of the reader's; they stay at hand while another place is looked at. */
export const sites = signal<SiteSet | null>(null);

/** The id of the site whose series is shown instead of that of its middle, which is then `place`. */
export const siteId = signal<string | null>(null);

/** Ids of the sites whose curves are laid over the one shown. */
export const ticked = signal<readonly string[]>([]);

/** Whether the reader is drawing an area. */
export const drawing = signal(false);

/** Hectares of the outline being drawn. */
export const sketched = signal(0);

export const site = computed<Site | null>(
  () => sites.value?.sites.find(({ id }) => id === siteId.value) ?? null,
);

/** The outline shown on the map, or null for a place. */
export const outline = computed<SiteGeometry | null>(
  () => site.value?.geometry ?? (area.value && toPolygon(area.value)),
);

/** Whether a value sums up many pixels. */
export const isArea = computed(() => outline.value !== null && hasArea(outline.value));

/** What the series shown is of. */
export const where = computed<Where | null>(() => {
  if (site.value) return { kind: "sites", sites: [site.value] };
  if (area.value) return { kind: "area", area: area.value };
  return place.value && { kind: "place", place: place.value };
});

/** What a download is of: all sites, where there are several. */
export const allOfIt = computed<Where | null>(() =>
  site.value && sites.value ? { kind: "sites", sites: sites.value.sites } : where.value,
);

/** Chooses a place. The date is kept: a neighbour is compared on the same day. */
export function pick(lon: number, lat: number): void {
  choosePlace(makePlace(lon, lat));
}

export function choosePlace(next: Place | null): void {
  if (!next) return;
  batch(() => {
    area.value = null;
    siteId.value = null;
    place.value = next;
    resolution.value = null;
  });
}

/** Takes a file's places and shows the first. */
export function chooseSites(next: SiteSet): void {
  batch(() => {
    sites.value = next;
    ticked.value = [];
    resolution.value = null;
    if (next.sites[0]) chooseSite(next.sites[0]);
  });
}

export function chooseSite(next: Site): void {
  batch(() => {
    area.value = null;
    siteId.value = next.id;
    place.value = makePlace(...middleOf(next.geometry));
  });
}

/** Gives up the list of sites; the place looked at stays. */
export function dropSites(): void {
  batch(() => {
    sites.value = null;
    siteId.value = null;
    ticked.value = [];
  });
}

/** More curves than this cannot be told apart. */
export const MOST_TICKED = 6;

export function tick(id: string, on: boolean): void {
  const others = ticked.value.filter((other) => other !== id);
  ticked.value = on ? [...others, id].slice(-MOST_TICKED) : others;
}

/** Chooses an area instead of a place. */
export function chooseArea(next: Area): void {
  batch(() => {
    area.value = next;
    siteId.value = null;
    // What was too large was another area.
    resolution.value = null;
    place.value = makePlace(...middleOf(toPolygon(next)));
  });
}
