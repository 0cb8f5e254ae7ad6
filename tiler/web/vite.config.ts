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

// Relative asset addresses: the page may be served below any path.
export default defineConfig({
  base: "./",
  plugins: [documentation()],
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
