"""A job's results as one file that explains itself: what was asked, of which images, by what, and how to cite it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from tiler.series.batch.combine import Combined
from tiler.series.batch.documents import FEATURES, REQUEST
from tiler.series.batch.writers import PARQUET
from tiler.series.delimited import csv_text
from tiler.series.interval import format_instant
from tiler.series.resolution import FINEST
from tiler.series.rows import STATUSES
from tiler.series.tables import Table
from tiler.series.version import NAME, VERSION

BUNDLE = "bundle.zip"
_ITEMS = "items.csv"

_README = """\
Sentinel-2 time series
======================

{attribution}
Made by {name} {version}.

{collection}: {rows} rows of {features} features, from {items} items.
{missing}
request.json      what was asked, with the software's version: post `features.geojson` with these parameters to get it
                  again
features.geojson  the places
items.csv         the catalogue's items that the rows are made of, with their processing baselines
result.*          the series, a row for each feature, acquisition and index (or as `profile` and `step` ask)
failures.csv      what could not be read and why; only where something could not

Columns. `mean`, `min`, `max`, `std`, `median` and percentiles are those of the valid pixels, weighted by the share of
each that lies in the feature. `count` = `valid` + `masked` + `nodata`, in pixels of the
grid read: {resolution} m, or as large as the finest image stored of what was asked. `status`:
{statuses}
Times are UTC, the start of the datatake. CITATION.txt says how to cite.
"""
_CITATION = """\
{attribution}

Copernicus Sentinel-2 {level} data, processing baselines {baselines}, processed by ESA; time series of {indices} \
(cloud mask: {mask}) extracted with {name} {version}.
"""


def bundle(folder: Path, done: Combined, request: Mapping[str, Any], features: bytes) -> Path:
    """Zip the files of `done` with what explains them; `request` is the job's `request.json`."""
    target = folder / BUNDLE
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", _readme(done, request))
        archive.writestr("CITATION.txt", _citation(done, request))
        archive.writestr(REQUEST, json.dumps(request, indent=2, ensure_ascii=False))
        archive.writestr(FEATURES, features)
        archive.writestr(_ITEMS, _items(done))
        for name in done.written.files:
            archive.write(folder / name, name, ZIP_STORED if name == PARQUET else ZIP_DEFLATED)
    return target


def attribution(done: Combined) -> str:
    """The sentence that Copernicus' licence asks for, with the years of the images."""
    years = sorted({item.acquired.year for item in done.items.values()})
    return f"Contains modified Copernicus Sentinel data {', '.join(map(str, years))}".rstrip() + "."


def _items(done: Combined) -> str:
    found = sorted(done.items.items(), key=lambda pair: (pair[1].acquired, pair[0]))
    rows = [(name, item.baseline, format_instant(item.acquired)) for name, item in found]
    return csv_text(Table(columns=("item_id", "baseline", "datetime"), rows=rows))


def _readme(done: Combined, request: Mapping[str, Any]) -> str:
    return _README.format(
        attribution=attribution(done),
        name=NAME,
        version=VERSION,
        collection=request["collection"],
        rows=done.written.rows,
        features=request["features"],
        items=len(done.items),
        resolution=request["parameters"].get("resolution", FINEST),
        missing=f"\nNot complete: {done.message}.\n" if done.message else "",
        statuses="\n".join(f"  {status:14}{meaning}" for status, meaning in STATUSES.items()),
    )


def _citation(done: Combined, request: Mapping[str, Any]) -> str:
    asked = request["parameters"]
    return _CITATION.format(
        attribution=attribution(done),
        level="Level-1C" if request["collection"].endswith("l1c") else "Level-2A",
        baselines=", ".join(sorted({item.baseline for item in done.items.values()})) or "none",
        indices=asked.get("index") or asked.get("assets"),
        mask=asked["mask"],
        name=NAME,
        version=VERSION,
    )
