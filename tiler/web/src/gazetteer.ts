/** Towns by their names, from a file of our own that is fetched when the first letters are typed. */
import citiesUrl from "../node_modules/.cities/cities.json?url";
import type { Place } from "./coordinates";

export interface Town {
  readonly name: string;
  /** Two letters, ISO 3166. */
  readonly country: string;
  readonly place: Place;
}

type Row = readonly [name: string, country: string, lon: number, lat: number];

let towns: Promise<readonly (readonly [plain: string, town: Town])[]> | null = null;

/** Letters without their marks, for names as they are typed. */
const plain = (text: string): string => text.normalize("NFD").replaceAll(/\p{M}/gu, "").toLowerCase().trim();

async function read(): Promise<readonly (readonly [string, Town])[]> {
  const rows = (await (await fetch(citiesUrl)).json()) as Row[];
  return rows.map(([name, country, lon, lat]) => [plain(name), { name, country, place: { lon, lat } }]);
}

const MOST = 6;

/** Towns whose name begins with the text, the largest first; then those that contain it. Empty where the file is away. */
export async function findTowns(text: string): Promise<readonly Town[]> {
  towns ??= read();
  try {
    const [wanted, all] = [plain(text), await towns];
    const begin = all.filter(([name]) => name.startsWith(wanted));
    const within = begin.length < MOST ? all.filter(([name]) => name.includes(` ${wanted}`)) : [];
    return [...begin, ...within].slice(0, MOST).map(([, town]) => town);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // The next letter tries again.
    towns = null;
    return [];
  }
}
