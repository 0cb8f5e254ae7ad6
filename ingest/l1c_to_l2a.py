"""L1C products that have no L2A: which there are, and one of them through Sen2Cor into the inbox."""

import logging
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ingest import ledger, sen2cor
from ingest.discover import find_products
from ingest.errors import IngestError, InvalidProductError
from ingest.ledger import Subject
from ingest.outcome import Outcome
from ingest.products import open_product
from ingest.sen2cor import Sen2Cor
from ingest.stopwatch import Stopwatch
from stac.collections import L1C, L2A
from stac.database import transaction
from stac.errors import NameFormatError
from stac.naming import ProductName
from stac.settings import Settings
from stac.supersede import acquisition_of

log = logging.getLogger(__name__)

WORKROOM = ".sen2cor"
"""Hidden folder of the inbox: products on their way, and the logs."""
PREFIX = "sen2cor:"
"""What the ledger calls a product that Sen2Cor failed at, before its name."""
TRIES = 3
"""After so many failures a product is left alone, until it is asked for by name."""

# L2A products that are held, removed, on their way, or refused; superseded ones too.
_L2A_KNOWN = """
SELECT id, coalesce(content->'properties'->>'s2:datastrip_id', '') FROM pgstac.items WHERE collection = %(l2a)s
UNION ALL
SELECT id, coalesce('_S' || (offer->>'datastrip_start') || '_N', '') FROM sen2extract.ledger
WHERE id LIKE '____MSIL2A_%%' AND (state IN ('seen', 'downloading', 'downloaded', 'converting') OR removed <> '{}')
"""
_L1C_HELD = """
SELECT l.id, l.source FROM sen2extract.ledger AS l
JOIN pgstac.items AS i ON i.collection = %s AND i.id = l.id
WHERE (i.content->'properties'->'deprecated') IS DISTINCT FROM 'true'::jsonb
"""
_FAILED = "SELECT id FROM sen2extract.ledger WHERE starts_with(id, %s) AND attempts >= %s"


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """An L1C product on our disk whose L2A there is not."""

    name: str
    source: str

    @property
    def entry(self) -> str:
        """What the ledger calls it when Sen2Cor fails at it."""
        return f"{PREFIX}{self.name}"


def waiting(settings: Settings, *, again: bool = False) -> list[Waiting]:
    """The L1C products, in the inbox or held and still on the disk, that have no L2A, by name.

    Those at which Sen2Cor failed three times are left out, unless `again`.
    """
    given_up = set() if again else _given_up(settings)
    made: defaultdict[_Place, set[str]] = defaultdict(set)
    for place, start in _made(settings):
        made[place].add(start)
    return [
        Waiting(name=name, source=source)
        for name, source in sorted(_sources(settings).items())
        if name not in given_up and not _has_l2a(name, source, made)
    ]


def find(settings: Settings, name: str) -> Waiting:
    """An L1C product on our disk, by its name; raises `IngestError` if there is none."""
    source = _sources(settings).get(name)
    if source is None:
        raise IngestError(f"{name}: no such L1C product lies in the inbox, or where a held one came from")
    return Waiting(name=name, source=source)


def correct(settings: Settings, one: Waiting, tools: list[Sen2Cor]) -> Outcome:
    """Make the L2A product of one L1C product and put it into the inbox; never raises for a bad one.

    What went wrong is in the ledger, under `sen2cor:` and the product's name. One that another worker is at is
    `unchanged`.
    """
    watch = Stopwatch(lambda _: None)
    watch("sen2cor")
    with ledger.product_lock(settings, one.entry) as free:
        if free:
            return _corrected(settings, one, tools, watch)
    return Outcome(source=one.entry, product=one.name, state="unchanged", reason="another worker has Sen2Cor at it")


def _corrected(settings: Settings, one: Waiting, tools: list[Sen2Cor], watch: Stopwatch) -> Outcome:
    subject = Subject(id=one.entry, source=one.entry)
    try:
        made = _make(settings, one, tools)
    except (IngestError, OSError, zipfile.BadZipFile) as error:
        log.warning("%s: %s", one.name, error)
        ledger.refused(settings, subject, "failed", str(error))
        return Outcome(source=one.entry, product=one.name, state="failed", reason=str(error), seconds=watch.total())
    with transaction(settings, None, f"{one.name}: the ledger cannot be told of its L2A") as tx:
        tx.execute("DELETE FROM sen2extract.ledger WHERE id = %s", (subject.id,))
    ledger.see(settings, [str(made)])
    log.info("%s: %s", one.name, made)
    return Outcome(source=one.entry, product=made.stem, state="downloaded", seconds=watch.total())


def _make(settings: Settings, one: Waiting, tools: list[Sen2Cor]) -> Path:
    baseline = ProductName.parse(one.name).baseline
    tool = sen2cor.choose(tools, baseline)
    room = settings.ingest_inbox.absolute() / WORKROOM
    with _folder(room / one.name) as folder:
        product = _unpacked(Path(one.source).absolute(), folder / "l1c")
        out = folder / "l2a"
        out.mkdir()
        minutes = settings.ingest_sen2cor_minutes
        made = sen2cor.run(tool, product, baseline, out, room / "logs" / f"{one.name}.log", minutes=minutes)
        open_product(str(made))
        final = settings.ingest_inbox.absolute() / made.name
        if final.exists():
            raise InvalidProductError(f"{final} is there already: it was not made by this run, and was left as it is")
        return made.rename(final)


@contextmanager
def _folder(place: Path) -> Iterator[Path]:
    """An empty folder, gone at the end; what a killed run left of it goes first."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _unpacked(source: Path, folder: Path) -> Path:
    """The product as a folder, which is what Sen2Cor reads."""
    if source.is_dir():
        return source
    folder.mkdir()
    with zipfile.ZipFile(source) as archive:
        archive.extractall(folder)
    found = [path for path in folder.rglob("*.SAFE") if path.is_dir()]
    if len(found) != 1:
        raise InvalidProductError(f"{source}: holds {len(found)} products, not one")
    return found[0]


def _sources(settings: Settings) -> dict[str, str]:
    """Where L1C products lie, by name."""
    sources = {name: source for name, source in _held(settings).items() if Path(source).exists()}
    if settings.ingest_inbox.is_dir():
        found = find_products([str(settings.ingest_inbox)])
        sources |= {name: source for source in found if (name := _name(source, "L1C"))}
    return sources


def _held(settings: Settings) -> dict[str, str]:
    with transaction(settings, None, "which L1C products are held") as tx:
        return {row[0]: row[1] for row in tx.execute(_L1C_HELD, (L1C,)).fetchall()}


def _given_up(settings: Settings) -> set[str]:
    with transaction(settings, None, "the ledger cannot be read") as tx:
        rows = tx.execute(_FAILED, (PREFIX, TRIES)).fetchall()
    return {row[0].removeprefix(PREFIX) for row in rows}


type _Place = tuple[str, ...]
"""An acquisition without its datastrip."""


def _made(settings: Settings) -> Iterator[tuple[_Place, str]]:
    """The acquisitions of which there is an L2A product, or is one to come, with the start of the datastrip, or ""."""
    with transaction(settings, None, "which L2A products there are") as tx:
        rows = tx.execute(_L2A_KNOWN, {"l2a": L2A}).fetchall()
    for name, datastrip in rows:
        with suppress(NameFormatError):
            yield acquisition_of(name, datastrip)
    if settings.ingest_inbox.is_dir():
        for source in find_products([str(settings.ingest_inbox)]):
            if name := _name(source, "L2A"):
                yield acquisition_of(name, _datastrip(source))


def _has_l2a(name: str, source: str, made: Mapping[_Place, Collection[str]]) -> bool:
    place, _ = acquisition_of(name, "")
    if place not in made:
        return False
    _, start = acquisition_of(name, _datastrip(source))
    return not start or start in made[place] or "" in made[place]


def _datastrip(source: str) -> str:
    """Its id as the metadata have it; of a broken product there is none."""
    with suppress(IngestError, OSError):
        return open_product(source).scene.datastrip_id or ""
    return ""


def _name(source: str, level: str) -> str | None:
    with suppress(NameFormatError):
        name = ProductName.parse(Path(source).name)
        return str(name) if name.level == level else None
    return None
