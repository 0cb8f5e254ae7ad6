"""What can go wrong at a provider, told apart by what to do next."""

from ingest.errors import IngestError


class SourceError(IngestError):
    """Anything a source refuses or fails at."""


class PassingError(SourceError):
    """Worth another try: the provider is away, busy, or cut a download short.

    `retry_after` is how many seconds the provider asks to wait; `progressed` tells whether something was gained.
    """

    def __init__(self, message: str, *, retry_after: float = 0.0, progressed: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.progressed = progressed


class CorruptError(PassingError):
    """What arrived is not what the provider says it has; it was thrown away."""


class RefusedError(SourceError):
    """The provider's answer is not acceptable, or our request is not to it: another try would end the same."""


class CredentialsError(RefusedError):
    """The provider does not accept the credentials, or there are none; the message says which settings to look at."""


class WithdrawnError(RefusedError):
    """The provider has taken the product back, or never had it."""


class NoSpaceError(SourceError):
    """The disk has no room for the product."""
