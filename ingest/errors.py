"""The errors of ingestion. `InvalidProductError` is final for a product; `StoreError` is worth another try."""


class IngestError(Exception):
    """Anything ingestion refuses or fails at."""


class InvalidProductError(IngestError):
    """The product cannot be ingested as it is: broken, incomplete or not a Sentinel-2 product."""


class MissingImageError(InvalidProductError):
    """Images that the product should hold are missing; the message names them."""


class StoreError(IngestError):
    """The object store, or a remote source, refused, lost or changed an object: worth another try."""


class StoreAwayError(StoreError):
    """The object store cannot be reached just now, or has too much to do: worth another try in a moment."""


class BusyError(IngestError):
    """Another worker is at this product; the message names it."""
