"""Import a Sen2Chain archive: what it holds, what of it is taken, why the rest is not. Nothing is written in it."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.products.sen2chain import index_address, scene_address
from ingest.products.sen2chain_files import AREAS, Layout, Selection, find_layout, is_kept, select, tile_folders
from ingest.products.sen2chain_names import Part, classify
from stac.errors import NameFormatError
from stac.naming import ProductName

_RESULTS = ("EXTRACTION", "TEMPORAL_SUMMARIES", "TEMP", "TIME_SERIES")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What becomes of a file or folder: `product` is the address under which it is imported, None if it is skipped."""

    path: Path
    product: str | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an import will do: addresses of the scenes, then of the index products, and a verdict on every file."""

    scenes: tuple[str, ...]
    indices: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def skipped(self) -> tuple[Verdict, ...]:
        """What is not imported."""
        return tuple(verdict for verdict in self.verdicts if verdict.product is None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "scenes": list(self.scenes),
            "indices": list(self.indices),
            "files": [{"path": str(v.path), "product": v.product, "reason": v.reason} for v in self.verdicts],
        }


def plan_import(root: Path) -> Plan:
    """Walk the whole archive at `root` and decide on every file; raises `InvalidProductError` if it is no archive.

    Scenes come first: an index product made from its scene is better than one imported, which then is not.
    """
    root = root.absolute()
    layout = find_layout(root)
    scenes: dict[str, Verdict] = {}
    parts: defaultdict[str, list[Path]] = defaultdict(list)
    verdicts = list(_results(root))
    seen: dict[Path, Path] = {}
    for path in _files(layout):
        original = path.resolve()
        if original in seen:
            verdicts.append(_skip(path, f"the same as {seen[original]}"))
            continue
        seen[original] = path
        verdict = _scene(path) or _unreadable(path)
        if verdict is not None:
            verdicts.append(verdict)
            scenes |= {verdict.product: verdict} if verdict.product else {}
        elif isinstance(found := classify(path), Part):
            parts[found.product].append(path)
        else:
            verdicts.append(_skip(path, found))
    indices: dict[str, str] = {}
    for product, files in sorted(parts.items()):
        address, decided = _index_product(layout, product, files)
        verdicts += decided
        indices |= {address: product} if address else {}
    return Plan(
        scenes=tuple(sorted(scenes)),
        indices=tuple(indices),
        verdicts=tuple(sorted(verdicts, key=lambda verdict: str(verdict.path))),
    )


def _index_product(layout: Layout, product: str, files: list[Path]) -> tuple[str | None, list[Verdict]]:
    """Address of the index product that `files` make up, if they do, and a verdict on each."""
    folders = tile_folders(layout, product)
    held = [path for path in files if is_kept(path, folders, product)]
    selection = select(held)
    address = index_address(layout.root, product) if selection.indices else None
    return address, [_part(path, selection, held, address) for path in files]


def _part(path: Path, selection: Selection, held: list[Path], address: str | None) -> Verdict:
    if path not in held:
        return _skip(path, "not in a folder where Sen2Chain keeps files of this product")
    if path in selection.skipped:
        return _skip(path, selection.skipped[path])
    if address is None:
        return _skip(path, "cloud mask of a product of which no index is left")
    burnt = {selection.indices[name]: mask for name, mask in selection.burnt_in.items()}
    reason = f"the raw index is gone; {burnt[path]} is burnt in" if path in burnt else "imported"
    return Verdict(path=path, product=address, reason=reason)


def _scene(path: Path) -> Verdict | None:
    """The verdict on a product folder or zip; None for anything else."""
    if not (path.name.upper().endswith((".SAFE", ".ZIP")) and (path.is_dir() or path.suffix.lower() == ".zip")):
        return None
    try:
        ProductName.parse(path.name)
    except NameFormatError:
        return _skip(path, "no product name; one under the long names of 2015-16: give it to `sen2extract ingest`")
    return Verdict(path=path, product=scene_address(path), reason="imported as a scene")


def _unreadable(path: Path) -> Verdict | None:
    if not path.exists():
        return _skip(path, f"a link to {path.resolve()}, which is not there")
    return _skip(path, "a folder that may not be read by this user") if path.is_dir() else None


def _results(root: Path) -> Iterator[Verdict]:
    for folder in (root / "data", root):
        yield from (
            _skip(folder / name, "results and inputs of extractions: no products")
            for name in _RESULTS
            if (folder / name).is_dir()
        )


def _files(layout: Layout) -> Iterator[Path]:
    """Every file of the areas, links followed; a product folder counts as one, and so does one that cannot be read."""
    visited = set[Path]()
    for area in sorted(layout.areas, key=AREAS.index):
        yield from _below(layout.areas[area], visited)


def _below(folder: Path, visited: set[Path]) -> Iterator[Path]:
    identity = folder.resolve()
    if identity in visited:
        return
    visited.add(identity)
    try:
        children = sorted(folder.iterdir())
    except PermissionError:
        yield folder
        return
    for child in children:
        if child.name.startswith("."):
            continue
        if child.is_dir() and not child.name.upper().endswith(".SAFE"):
            yield from _below(child, visited)
        else:
            yield child


def _skip(path: Path, reason: str) -> Verdict:
    return Verdict(path=path, product=None, reason=reason)
