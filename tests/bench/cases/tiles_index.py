"""Index tiles with a colormap, ours beside titiler-pgstac's; see `tiles`.

The peer stretches stored numbers, for it does not scale.
"""

from typing import Any

import series
import tiles
from cases.series_point_500 import _touch
from servers import servers

from stac.collections import INDICES


def run() -> dict[str, Any]:
    with servers() as settings:
        ids = series.fill(settings, tiles.ITEMS)
        pairs = [tuple(series.paths(settings, [item], name)[0] for name in ("NDVI", "MASK")) for item in ids]
        _touch(settings, pairs)  # type: ignore[arg-type]
        return tiles.compare(
            settings,
            ids,
            INDICES,
            ours="?assets=NDVI&rescale=-0.2,0.9&colormap_name=rdylgn",
            peer="?assets=NDVI&rescale=-2000,9000&colormap_name=rdylgn",
        )
