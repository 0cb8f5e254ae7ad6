"""Files of places, as users have them: told apart by content, read in memory, never written, never handed to GDAL.

GDAL tries every driver it has on what it opens, several of which follow references to other files and addresses; and it
comes with 100 MB. The four formats need pyshp, sqlite3 and defusedxml.
"""

from tiler.series.uploads.layers import UploadLimits
from tiler.series.uploads.reading import read_upload

__all__ = ["UploadLimits", "read_upload"]
