"""The errors of the contract part: each names the thing that is wrong."""


class StacError(Exception):
    """Anything the contract part refuses."""


class NameFormatError(StacError, ValueError):
    """A product name, tile or object key that does not follow its format."""


class UnknownNameError(StacError, LookupError):
    """A band, index, mask profile or collection that no table holds; the message lists the known ones."""


class CatalogError(StacError):
    """The catalogue refused or lost a write."""


class CatalogAwayError(CatalogError):
    """The database cannot be reached just now, or gave way to another transaction: worth another try in a moment."""


class MisplacedBlockError(StacError):
    """The bytes at the place that an index gives are not those of the block."""


class DamagedImageError(StacError):
    """A file is not the image that it should be: its directory cannot be read."""


class DamagedBlockError(StacError):
    """A block of an image cannot be decoded."""


class ExistsError(CatalogError):
    """What is to be made is there already, or what is to be removed is still in use."""


class MissingError(CatalogError):
    """What is to be changed is not there."""


class InvalidDocumentError(StacError, ValueError):
    """An item or collection that cannot be taken as it is; the message says what is wrong with it."""


class SearchError(StacError, ValueError):
    """A search that cannot be answered as it was asked; the message says why."""
