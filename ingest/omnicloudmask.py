"""OmniCloudMask, a deep model for clouds and their shadows, as one more bit of `MASK`; an optional extra.

`pip install 'sen2extract[omnicloudmask]'` brings the library, and PyTorch with it; it fetches its weights when it is
first used. It is asked for by `INGEST_OMNICLOUDMASK`. N. Wright et al., Remote Sensing of Environment 322 (2025).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.errors import IngestError, InvalidProductError
from ingest.products.base import Raster
from stac.masks import FIELDS
from stac.settings import Settings

LIBRARY = "omnicloudmask"
BANDS = FIELDS["ocm"].sources
"""Red, green and near infrared, as the library's own loader of Sentinel-2 takes them."""


@dataclass(frozen=True, kw_only=True)
class CloudModel:
    """The library, ready to use."""

    library: Any

    @property
    def software(self) -> dict[str, str]:
        """For `processing:software`: the predecessor had the version in the name of its masks."""
        return {LIBRARY: str(self.library.__version__)}

    def masked(self, rasters: Mapping[str, Raster]) -> NDArray[np.bool_]:
        """Where there is thick or thin cloud or a shadow (any class but clear), on the 20 m grid.

        10 m bands are averaged, so that the model sees one resolution of the 10 to 50 m it was made for.
        """
        shape = rasters[BANDS[2]].grid.shape
        bands = np.stack([_at(shape, rasters[name], name) for name in BANDS])
        classes = self.library.predict_from_array(bands, no_data_value=0)
        return np.asarray(classes[0] > 0)


def cloud_model(settings: Settings, *, asked: bool = False) -> CloudModel | None:
    """The model where the settings, or a watched area (`asked`), want it.

    Raises `IngestError` where they do and the library is not installed.
    """
    if not (settings.ingest_omnicloudmask or asked):
        return None
    if find_spec(LIBRARY) is None:
        who = "INGEST_OMNICLOUDMASK" if settings.ingest_omnicloudmask else "a watched area (mask ocm)"
        raise IngestError(
            f"{who} asks for OmniCloudMask, which is not installed: "
            "pip install 'sen2extract[omnicloudmask]', or unset it"
        )
    return CloudModel(library=import_module(LIBRARY))


def _at(shape: tuple[int, int], raster: Raster, name: str) -> NDArray[np.float32]:
    """Digital numbers on the 20 m grid; where one of four is nodata the mean is, too."""
    if raster.grid.shape == shape:
        return raster.pixels.astype(np.float32)
    rows, columns = shape
    if raster.grid.shape != (2 * rows, 2 * columns):
        raise InvalidProductError(f"{name} has {raster.grid.shape} pixels, which do not halve to {shape}")
    fours = raster.pixels.reshape(rows, 2, columns, 2)
    mean = fours.mean(axis=(1, 3), dtype=np.float32)
    return np.where((fours == 0).any(axis=(1, 3)), np.float32(0), mean)
