"""Whether the bucket holds what the catalogue says, and the catalogue what the bucket holds."""

from dataclasses import asdict, dataclass
from typing import Any

from ingest.store import Store
from stac.catalog import underived
from stac.inventory import object_keys
from stac.settings import Settings

_MANY = 20


@dataclass(frozen=True, kw_only=True)
class Report:
    """Differences between catalogue and bucket.

    `missing`: objects that items name and the bucket lacks. `unknown`: objects that no item names, left by an
    interrupted ingestion or a replaced version. `underived`: L2A scenes without an index product.
    """

    items: int
    objects: int
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    underived: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every asset of every item can be read."""
        return not self.missing

    def as_dict(self) -> dict[str, Any]:
        """For JSON: counts, and up to twenty examples of each kind."""
        found = asdict(self)
        for kind in ("missing", "unknown", "underived"):
            found[f"{kind}_count"] = len(found[kind])
            found[kind] = list(found[kind][:_MANY])
        return {**found, "ok": self.ok}


def report(settings: Settings) -> Report:
    """Compare the keys of the bucket with the assets of the catalogue; changes nothing."""
    named = object_keys(settings)
    held = set(Store.connect(settings).keys())
    wanted = {key for keys in named.values() for key in keys}
    return Report(
        items=len(named),
        objects=len(held),
        missing=tuple(sorted(wanted - held)),
        unknown=tuple(sorted(held - wanted)),
        underived=tuple(underived(settings)),
    )
