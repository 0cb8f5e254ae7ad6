/** Addresses of map tiles. */
import { INDEX_COLLECTION, rasterUrl, SURFACE_COLLECTION } from "./api";
import { INDEX_STYLES, type IndexName } from "./indices";
import { MASKED } from "./masks";

const PNG = { tileMatrixSetId: "WebMercatorQuad", format: "png" };

/** {z}, {x} and {y} stay for the map to fill in. */
const itemTiles = (collection: string, itemId: string): string =>
  rasterUrl("/collections/{collection_id}/items/{item_id}/tiles/{tileMatrixSetId}/{z}/{x}/{y}.{format}", {
    ...PNG,
    collection_id: collection,
    item_id: itemId,
  });

// TCI is made for vegetation to stay unsaturated and looks dark on a screen.
const TRUE_COLOUR = "assets=TCI&color_formula=gamma%20RGB%201.5";

/** XYZ template of an item's true colour. */
export function colourTiles(itemId: string, collection = SURFACE_COLLECTION): string {
  return `${itemTiles(collection, itemId)}?${TRUE_COLOUR}`;
}

/** XYZ template of what the default mask leaves out of an item; the rest is transparent. */
export function cloudTiles(itemId: string): string {
  const colours = Object.values(MASKED).flatMap(([colour, classes]) => classes.map((one) => [one, colour]));
  const colormap = encodeURIComponent(JSON.stringify(Object.fromEntries(colours)));
  return `${itemTiles(SURFACE_COLLECTION, itemId)}?assets=SCL&colormap=${colormap}`;
}

/** XYZ template of an item's index, coloured as the legend shows. */
export function indexTiles(itemId: string, index: IndexName): string {
  const { rescale, colormap } = INDEX_STYLES[index];
  const style = `assets=${index}&rescale=${rescale.join(",")}&colormap_name=${colormap}`;
  return `${itemTiles(INDEX_COLLECTION, itemId)}?${style}`;
}

/** XYZ template of the newest images with little cloud, whatever their date. */
export function newestTiles(): string {
  const clear = encodeURIComponent("eo:cloud_cover <= 20");
  const tiles = rasterUrl("/collections/{collection_id}/tiles/{tileMatrixSetId}/{z}/{x}/{y}.{format}", {
    ...PNG,
    collection_id: SURFACE_COLLECTION,
  });
  return `${tiles}?${TRUE_COLOUR}&filter=${clear}&filter-lang=cql2-text&sortby=-datetime`;
}
