"""Writing a whole product: folder or zip, complete or not there at all."""

import shutil
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from ingest.sample import layout, papers
from ingest.sample.content import content_of
from ingest.sample.datastrip_xml import datastrip_metadata
from ingest.sample.grid import corner_transform
from ingest.sample.images import write_jp2
from ingest.sample.manifest import data_objects, digest_of, manifest
from ingest.sample.masks import write_mask
from ingest.sample.pixels import PREVIEW_PIXEL, images, preview
from ingest.sample.product_xml import product_metadata
from ingest.sample.spec import ProductSpec
from ingest.sample.tile_xml import tile_metadata


def product_path(spec: ProductSpec, folder: Path, *, zipped: bool = False) -> Path:
    """Where `write_product` puts the product."""
    return folder / f"{spec.name}{'.zip' if zipped else '.SAFE'}"


def write_product(spec: ProductSpec, folder: Path, *, zipped: bool = False) -> Path:
    """Write a SAFE product into `folder` and return its path, `….SAFE` or `….zip`.

    It is written under a hidden name and renamed when complete; one that is there already is left alone.
    """
    final = product_path(spec, folder, zipped=zipped)
    if final.exists():
        return final
    draft = folder / f".{final.name}.part"
    shutil.rmtree(draft, ignore_errors=True)
    tree = draft / f"{spec.name}.SAFE"
    tree.mkdir(parents=True)
    _write_images(spec, tree)
    _write_texts(spec, tree)
    (tree / "manifest.safe").write_bytes(manifest(spec, data_objects(tree, digest_of(spec))))
    (zip_tree(tree, draft / final.name) if zipped else tree).rename(final)
    shutil.rmtree(draft)
    return final


def _write_images(spec: ProductSpec, tree: Path) -> None:
    grid = spec.grid
    files = [(file.layer, file.gsd, file.path) for file in layout.images(spec)]
    files += [(mask.kind.removeprefix("MSK_"), mask.gsd, mask.path) for mask in layout.probabilities(spec)]
    for gsd in layout.GSDS:
        paths = {layer: path for layer, resolution, path in files if resolution == gsd}
        for layer, pixels in images(spec, tuple(paths), gsd).items():
            write_jp2(tree / paths[layer], pixels, epsg=grid.epsg, transform=grid.transform(gsd))
    for mask in layout.band_masks(spec):
        write_mask(spec, mask, tree / mask.path)
    shown = corner_transform(grid.origin, PREVIEW_PIXEL)
    write_jp2(tree / layout.preview_path(spec), preview(spec), epsg=grid.epsg, transform=shown)


def _write_texts(spec: ProductSpec, tree: Path) -> None:
    content = content_of(spec)
    texts = {
        layout.product_metadata_path(spec): product_metadata(spec, content),
        layout.tile_metadata_path(spec): tile_metadata(spec, content),
        layout.datastrip_metadata_path(spec): datastrip_metadata(spec),
        "INSPIRE.xml": papers.inspire(spec),
        **{path: papers.report(spec, path) for path in layout.report_paths(spec)},
        **dict((papers.schema(spec), papers.page(spec))),
    }
    for path, text in texts.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(text)


def zip_tree(tree: Path, path: Path) -> Path:
    """Pack the product's folder `tree` as `path`."""
    with ZipFile(path, "w") as archive:
        for file in sorted(entry for entry in tree.rglob("*") if entry.is_file()):
            # JPEG 2000 does not get smaller.
            method = ZIP_STORED if file.suffix == ".jp2" else ZIP_DEFLATED
            archive.write(file, file.relative_to(tree.parent), compress_type=method)
    return path
