import { defineConfig } from "vite";

// Relative asset addresses: the page may be served below any path.
export default defineConfig({
  base: "./",
  build: {
    outDir: "../static",
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
