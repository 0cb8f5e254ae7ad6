/** What the operator offers besides, by the links of the two landing pages. */
import { signal } from "@preact/signals";
import { ApiError, links, request } from "./api";

interface Landing {
  readonly links?: readonly { readonly rel?: string; readonly href?: string }[];
}

const found = signal<ReadonlyMap<string, string>>(new Map());
let asked = false;

/** The address behind a relation, once the landing pages have told it; undefined where there is none. */
export function service(rel: string): string | undefined {
  if (!asked) {
    asked = true;
    void ask(links.stac);
    void ask(links.raster);
  }
  return found.value.get(rel);
}

async function ask(url: string): Promise<void> {
  try {
    const landing = await request<Landing>(url, { headers: { accept: "application/json" } });
    const known = (landing.links ?? []).flatMap(({ rel, href }): [string, string][] =>
      rel && href ? [[rel, href]] : [],
    );
    found.value = new Map([...found.value, ...known]);
  } catch (error) {
    // Without them the page does what it can by itself.
    if (!(error instanceof ApiError)) throw error;
  }
}
