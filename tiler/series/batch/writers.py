"""The results of a job, written table by table, so that no more than one group of features is held at a time."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import shapely
from arro3.core import RecordBatch, RecordBatchReader, Schema
from arro3.io import write_parquet

from tiler.series.columnar import batch_of, schema_of
from tiler.series.delimited import csv_text
from tiler.series.formats import FORMATS
from tiler.series.geojson import features_of, site_column
from tiler.series.rows import Series
from tiler.series.summary import about
from tiler.series.tables import Table, attribute_names, to_table
from tiler.series.version import NAME, VERSION

CSV, PARQUET, GEOJSON = "result.csv", "result.parquet", "result.geojson"
MEDIA_TYPES: Mapping[str, str] = {name: FORMATS[name.rpartition(".")[2]].media_type for name in (CSV, PARQUET, GEOJSON)}
MOST_VERTICES = 20_000_000
"""As many as GeoJSON repeats, row by row, before it is given up."""
_ROW_GROUP = 50_000


@dataclass(kw_only=True)
class Written:
    """What was written: files by name, rows, and why one was left out."""

    folder: Path
    files: list[str]
    rows: int = 0
    note: str = ""


def write(parts: Iterable[Series], frame: Series, folder: Path, *, most_vertices: int = MOST_VERTICES) -> Written:
    """CSV, Parquet and GeoJSON of a series given in parts; `frame` is the whole without rows and features.

    GeoJSON is left out, with a note, where it would repeat too many vertices.
    """
    done = Written(folder=folder, files=[CSV, PARQUET, GEOJSON])
    with ExitStack() as stack:
        text = stack.enter_context((folder / CSV).open("w", encoding="utf-8", newline=""))
        features = stack.enter_context((folder / GEOJSON).open("w", encoding="utf-8"))
        target = stack.enter_context((folder / PARQUET).open("wb"))
        sheets = _Sheets(frame=frame, text=text, shapes=_Shapes(file=features, left=most_vertices), done=done)
        schema = sheets.begin()
        write_parquet(
            RecordBatchReader.from_batches(schema, sheets.batches(parts, schema)),
            target,
            compression="zstd(3)",
            created_by=f"{NAME} {VERSION}",
            key_value_metadata={"sen2extract": json.dumps(about(frame), default=str)},
            max_row_group_size=_ROW_GROUP,
        )
        sheets.shapes.close(frame)
    if sheets.shapes.left < 0:
        (folder / GEOJSON).unlink()
        done.files.remove(GEOJSON)
        done.note = (
            f"{GEOJSON} is left out: it would repeat more than {most_vertices} vertices; join {CSV} with "
            "features.geojson by feature_id instead"
        )
    return done


@dataclass(kw_only=True)
class _Shapes:
    """A FeatureCollection that grows, until it has repeated so many vertices as are `left`."""

    file: IO[str]
    left: int
    begun: bool = False

    def add(self, part: Series, table: Table) -> None:
        sizes = {feature.id: int(shapely.get_num_coordinates(feature.geometry)) for feature in part.features}
        place = site_column(table.columns)
        self.left -= sum(sizes[row[place]] for row in table.rows)
        if self.left < 0:
            return
        for feature in features_of(part, table):
            self.file.write((",\n" if self.begun else '{"type":"FeatureCollection","features":[\n') + feature)
            self.begun = True

    def close(self, frame: Series) -> None:
        head = "" if self.begun else '{"type":"FeatureCollection","features":['
        told = json.dumps(about(frame), allow_nan=False, ensure_ascii=False, default=str)
        self.file.write(f"{head}],{told[1:]}")


@dataclass(kw_only=True)
class _Sheets:
    """The files at work: what goes into the Parquet file is written to the others on the way."""

    frame: Series
    text: IO[str]
    shapes: _Shapes
    done: Written

    def begin(self) -> Schema:
        """Write the head; returns the types of the columns."""
        empty = to_table(self.frame)
        self._write(empty, head=True)
        return schema_of(empty.columns, self.frame.request, _attributes(self.frame, empty))

    def batches(self, parts: Iterable[Series], schema: Schema) -> Iterator[RecordBatch]:
        for part in parts:
            table = to_table(replace(part, attributes=self.frame.attributes))
            self.done.rows += len(table.rows)
            self._write(table, head=False)
            self.shapes.add(part, table)
            if table.rows:
                yield batch_of(table.rows, schema)

    def _write(self, table: Table, *, head: bool) -> None:
        self.text.write(csv_text(table, excel=self.frame.request.profile == "excel", head=head))


def _attributes(frame: Series, table: Table) -> dict[str, list[Any]]:
    """All values of the features' attributes, by the names of their columns."""
    names = attribute_names(frame.attributes)
    columns = table.columns[len(table.columns) - len(names) :]
    return {
        column: [own.get(name) for own in frame.attributes.values()]
        for column, name in zip(columns, names, strict=True)
    }
