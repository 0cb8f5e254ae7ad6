"""Where a Sen2Chain archive keeps its files, and which of a product's files are used. Reads names and headers only."""

import configparser
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ingest.errors import InvalidProductError
from ingest.products.jpeg2000 import BrokenCodestreamError, check_whole
from ingest.products.sen2chain_names import Part, classify
from stac.naming import ProductName

AREAS = ("L1C", "L1C_ARCHIVE", "L2A", "L2A_ARCHIVE", "CLOUDMASKS", "INDICES")
"""Folders that hold products; others (TIME_SERIES, EXTRACTION, …) hold results and vectors."""

_MASK_ORDER = ("CM001", "CM002", "CM004", "CM003", "OCM")
"""Which masked copy stands in for a raw index that is gone: the mask that users had by default first."""

_MADE_FROM = {"cm001": "CLDPRB", "cm003": "CLDPRB", "cm004": "SCL"}
"""Mask fields that are made from a side product where it is there."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The folder of each area that exists; `root` is what the user gave."""

    root: Path
    areas: Mapping[str, Path]


@dataclass(kw_only=True)
class Selection:
    """What of a product's files is used: images by name, and why each other file is not.

    `burnt_in` names the mask of those indices of which only a masked copy is left.
    """

    indices: dict[str, Path] = field(default_factory=dict)
    burnt_in: dict[str, str] = field(default_factory=dict)
    masks: dict[str, Path] = field(default_factory=dict)
    sides: dict[str, Path] = field(default_factory=dict)
    skipped: dict[Path, str] = field(default_factory=dict)

    @property
    def files(self) -> list[Path]:
        """The files used, sorted."""
        return sorted((*self.indices.values(), *self.masks.values(), *self.sides.values()))


def find_layout(root: Path) -> Layout:
    """The areas of the archive at `root`: its home, its `data` folder, or any folder that holds areas.

    `config/config.cfg` may have moved them ([DATA PATHS], keys like `indices_path`). Raises `InvalidProductError`.
    """
    data = root / "data" if (root / "data").is_dir() else root
    moved = _moved(root)
    places = {area: moved.get(area, data / area) for area in AREAS}
    areas = {area: folder for area, folder in places.items() if folder.is_dir()}
    if lost := sorted(f"{area} ({moved[area]})" for area in moved.keys() - areas.keys()):
        raise InvalidProductError(f"{root}: config/config.cfg names folders that are not there: {', '.join(lost)}")
    if not areas:
        raise InvalidProductError(f"{root}: no Sen2Chain archive: none of {', '.join(AREAS)} is there")
    return Layout(root=root, areas=areas)


def files_of(layout: Layout, product: str) -> list[Path]:
    """The files of a product's index product, in the folders where Sen2Chain keeps them, sorted.

    A folder that may not be read counts as empty; the plan of an import reports it.
    """
    found = {path for folder in tile_folders(layout, product) for path in _within(folder, product)}
    return sorted(path for path in found if isinstance(part := classify(path), Part) and part.product == product)


def is_kept(path: Path, folders: Collection[Path], product: str) -> bool:
    """Whether a file lies in one of the `tile_folders` of its product, in the product's own folder or beside it."""
    return path.parent in folders or (path.parent.name == product and path.parent.parent in folders)


def tile_folders(layout: Layout, product: str) -> list[Path]:
    """The folders of the product's tile: one per index, that of the masks, that of the L2A scenes."""
    tile = str(ProductName.parse(product).tile)
    indices, masks, scenes = (layout.areas.get(area) for area in ("INDICES", "CLOUDMASKS", "L2A"))
    folders = [index / tile for index in sorted(indices.iterdir())] if indices else []
    return folders + [area / tile for area in (masks, scenes) if area]


def select(files: Iterable[Path]) -> Selection:
    """Which of one product's files to use. A broken file is left out, not the others with it."""
    selection = Selection()
    masked: defaultdict[str, list[tuple[str, Path]]] = defaultdict(list)
    for path in sorted(files):
        part = classify(path)
        if isinstance(part, str):
            selection.skipped[path] = part
        elif fault := file_fault(path):
            selection.skipped[path] = fault
        elif part.role == "masked index":
            masked[part.name].append((part.mask or "", path))
        else:
            _take(selection, part, path)
    for name, copies in masked.items():
        _masked_copies(selection, name, sorted(copies, key=_preference))
    _drop_derivable_masks(selection)
    return selection


def file_fault(path: Path) -> str | None:
    """What is wrong with a JPEG 2000 file, as far as its markers tell; None where nothing is."""
    try:
        size = path.stat().st_size
        if size == 0:
            return "the file is empty"
        with path.open("rb") as stream:
            check_whole(stream, size)
    except BrokenCodestreamError as error:
        return f"broken JPEG 2000 file: {error}"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None


def _take(selection: Selection, part: Part, path: Path) -> None:
    target = {"index": selection.indices, "cloud mask": selection.masks, "side product": selection.sides}[part.role]
    if part.name in target:
        selection.skipped[path] = f"{part.name} comes twice: {target[part.name]} is taken"
    else:
        target[part.name] = path


def _masked_copies(selection: Selection, name: str, copies: list[tuple[str, Path]]) -> None:
    if name not in selection.indices:
        mask, path = copies.pop(0)
        selection.indices[name] = path
        selection.burnt_in[name] = mask
    used = selection.indices[name].name
    for mask, path in copies:
        selection.skipped[path] = f"masked copy ({mask}) of {used}: masks are applied when a request is made"


def _drop_derivable_masks(selection: Selection) -> None:
    for mask, source in _MADE_FROM.items():
        if mask in selection.masks and source in selection.sides:
            path = selection.masks.pop(mask)
            selection.skipped[path] = f"made anew, bit for bit, from {selection.sides[source].name}"


def _preference(copy: tuple[str, Path]) -> tuple[int, str]:
    mask = copy[0]
    return next((i for i, start in enumerate(_MASK_ORDER) if mask.startswith(start)), len(_MASK_ORDER)), mask


def _within(folder: Path, product: str) -> Iterator[Path]:
    """Files in the product's own folder, and, as older releases had it, beside it."""
    for place, pattern in ((folder / product, "*.jp2"), (folder, f"{product}_*.jp2")):
        with suppress(PermissionError):
            yield from (path for path in place.glob(pattern) if path.is_file())


def _moved(root: Path) -> dict[str, Path]:
    """Areas that the configuration places elsewhere; relative paths start at `root`."""
    config = root / "config" / "config.cfg"
    if not config.is_file():
        return {}
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(config.read_text("utf-8"))
    except (configparser.Error, UnicodeDecodeError) as error:
        raise InvalidProductError(f"{config}: cannot be read as a configuration: {error}") from error
    if not parser.has_section("DATA PATHS"):
        return {}
    given = {key.upper().removesuffix("_PATH"): value.strip() for key, value in parser.items("DATA PATHS")}
    return {area: root / Path(given[area]).expanduser() for area in AREAS if given.get(area)}
