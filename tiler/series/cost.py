"""What reading units would cost, known before anything is read."""

from collections.abc import Iterable
from dataclasses import dataclass

from tiler.series.units import Unit


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a request comes to: dates of features, objects, blocks and bytes to read, objects without block index.

    `packed` are the images that packs answer for: their objects are those of the packs. `overviews` are images read
    from an overview, of whose blocks and bytes nothing is known beforehand.
    """

    acquisitions: int = 0
    packed: int = 0
    objects: int = 0
    blocks: int = 0
    bytes: int = 0
    unindexed: int = 0
    overviews: int = 0

    @property
    def seconds(self) -> float:
        """A rough estimate for a store nearby: a millisecond per object and block, thirty where GDAL reads."""
        by_gdal = self.unindexed + self.overviews
        return 0.05 + 0.001 * (self.objects + self.blocks) + 0.03 * by_gdal + self.bytes / 100e6


def total(found: Iterable[Unit], before: Cost | None = None) -> Cost:
    """The cost of all units, added to that of others; an object that several read counts for each.

    Of unindexed ones no bytes are known.
    """
    cost = before or Cost()
    for unit in found:
        known = unit.located.values()
        left = [key for key, want in unit.wants.items() if want.is_left]
        cost = Cost(
            acquisitions=cost.acquisitions + len(unit.acquisitions),
            packed=cost.packed + len(unit.wants) - len(left),
            objects=cost.objects + len(left),
            blocks=cost.blocks + sum(len(located.spans) for located in known),
            bytes=cost.bytes + sum(located.size for located in known),
            unindexed=cost.unindexed + sum(unit.wants[key].is_indexed and key not in unit.located for key in left),
            overviews=cost.overviews + sum(not unit.wants[key].is_indexed for key in left),
        )
    return cost
