"""Pictures as clients see them."""

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp


def colours(content: bytes) -> NDArray[np.uint8]:
    """Red, green, blue and opacity, (4, rows, columns), of a PNG with or without a palette, a JPEG or a WebP."""
    with rasterio.MemoryFile(content) as memory, memory.open() as image:
        pixels = image.read()
        if image.colorinterp[0] != ColorInterp.palette:
            return pixels if len(pixels) == 4 else np.concatenate([pixels, image.dataset_mask()[np.newaxis]])
        table = np.zeros((256, 4), dtype=np.uint8)
        for number, colour in image.colormap(1).items():
            table[number] = colour
    return np.moveaxis(table[pixels[0]], -1, 0)


def has_palette(content: bytes) -> bool:
    with rasterio.MemoryFile(content) as memory, memory.open() as image:
        return image.colorinterp[0] == ColorInterp.palette
