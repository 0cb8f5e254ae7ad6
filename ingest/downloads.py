"""Products on their way from a provider to the inbox: what is wanted, fetched, withdrawn. The ledger's part of it.

An offer that is wanted is `seen` under its provider's address; then `downloading` under the same claim as ingestion
has, then `downloaded`, under its path. One that could not be fetched is `failed` and stays in the queue; one that was
withdrawn or is not acceptable is `invalid`.
"""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from psycopg.types.json import Jsonb

from ingest import ledger
from ingest.handover import hand_over
from ingest.ledger import Claim, Subject
from ingest.outcome import Outcome
from ingest.retry import patiently
from ingest.sources.base import Offer, Progress, Source
from ingest.sources.errors import CredentialsError, RefusedError, SourceError
from ingest.stopwatch import Stopwatch
from stac.database import transaction
from stac.settings import Settings

log = logging.getLogger(__name__)

_NOTE = """
INSERT INTO sen2extract.ledger AS l (id, state, source, offer, reason)
SELECT o->>'name', 'seen', (o->>'source') || ':' || (o->>'name'), o, 'to be fetched from ' || (o->>'source')
FROM jsonb_array_elements(%s) AS o ORDER BY 1
ON CONFLICT (id) DO UPDATE SET
  state = 'seen', source = excluded.source, offer = excluded.offer, reason = excluded.reason, updated = now(),
  removed = '{}', fetched = NULL
WHERE l.owner IS NULL
AND (l.state, l.source, l.offer) IS DISTINCT FROM (excluded.state, excluded.source, excluded.offer)
AND NOT (l.state = 'failed' AND l.source = excluded.source)
"""
# Also those whose downloader died: a claim tells whether it is alive.
_QUEUED = """
SELECT offer FROM sen2extract.ledger
WHERE offer IS NOT NULL AND source = (offer->>'source') || ':' || id AND state IN ('seen', 'failed', 'downloading')
AND (%(provider)s::text IS NULL OR offer->>'source' = %(provider)s) AND (%(ids)s::text[] IS NULL OR id = ANY(%(ids)s))
ORDER BY state = 'failed', id LIMIT %(limit)s
"""
_WAITING = """
SELECT count(*) FROM sen2extract.ledger
WHERE offer IS NOT NULL AND source = (offer->>'source') || ':' || id AND state IN ('seen', 'failed', 'downloading')
"""
_WITHDRAW = """
UPDATE sen2extract.ledger SET
  state = CASE
    WHEN state IN ('seen', 'failed') AND source = (offer->>'source') || ':' || id THEN 'invalid' ELSE state
  END,
  reason = %(reason)s, updated = now()
WHERE id = %(id)s AND owner IS NULL AND reason IS DISTINCT FROM %(reason)s
RETURNING id
"""
_DOWNLOADED = """
UPDATE sen2extract.ledger SET state = 'downloaded', source = %(path)s, fetched = %(path)s, owner = NULL,
  lease_until = NULL, reason = NULL, timings = %(timings)s, updated = now() WHERE id = %(id)s AND owner = %(owner)s
"""


def note(settings: Settings, offers: Iterable[Offer]) -> int:
    """Put offers into the queue; returns how many were not in it yet. One that failed before keeps its reason."""
    values = Jsonb([offer.as_dict() for offer in offers])
    with transaction(settings, None, "cannot note what is to be fetched") as tx:
        return tx.execute(_NOTE, (values,)).rowcount


def queued(
    settings: Settings, *, provider: str | None = None, ids: Iterable[str] | None = None, limit: int = 1000
) -> list[Offer]:
    """What is to be fetched, by name; what failed before comes last."""
    values = {"provider": provider, "ids": None if ids is None else list(ids), "limit": limit}
    with transaction(settings, None, "the queue cannot be read") as tx:
        rows = tx.execute(_QUEUED, values).fetchall()
    return [Offer.from_dict(row[0]) for row in rows]


def waiting(settings: Settings) -> int:
    """How many products are to be fetched, from all providers."""
    with transaction(settings, None, "the queue cannot be read") as tx:
        row = tx.execute(_WAITING).fetchone()
    return int(row[0]) if row else 0


def withdraw(settings: Settings, source: str, causes: Mapping[str, str]) -> list[str]:
    """Say of products that their provider has taken them back; returns those that we know and had not said it of.

    What is still to be fetched becomes `invalid`; what the catalogue holds stays, with the reason as a warning.
    """
    marked = []
    with transaction(settings, None, "cannot note what was withdrawn") as tx:
        for name, cause in sorted(causes.items()):
            reason = f"{source}: {name} was withdrawn: {cause}"
            marked += [row[0] for row in tx.execute(_WITHDRAW, {"id": name, "reason": reason}).fetchall()]
    return marked


def download(settings: Settings, source: Source, offer: Offer, inbox: Path, progress: Progress) -> Outcome:
    """Fetch a product into the inbox, or through it into the bucket's where workers share no disk; tell the ledger.

    Raises `BusyError` if somebody else is at it, and what `Source.download` raises, once the ledger knows.
    """
    watch = Stopwatch(lambda _: None)
    watch("download")
    subject = Subject(id=offer.name, source=offer.address)
    with ledger.claimed(settings, subject, "downloading") as claim:
        try:
            path = source.download(offer, inbox.absolute(), progress)
        except (SourceError, OSError) as error:
            state = _state_of(error)
            log.warning("%s: download %s: %s", offer.name, state, error)
            patiently(settings)(
                ledger.unfinished, settings, claim, state, f"not downloaded: {error}", timings=watch.seconds()
            )
            raise
        place = str(path) if settings.ingest_shares_disk else patiently(settings)(hand_over, settings, path)
        patiently(settings)(_downloaded, settings, claim, place, watch.seconds())
    return Outcome(source=offer.name, product=offer.name, state="downloaded", seconds=watch.total())


def not_downloaded(offer: Offer, error: Exception) -> Outcome:
    """What became of a product that could not be fetched."""
    return Outcome(source=offer.name, product=offer.name, state=_state_of(error), reason=str(error))


def _state_of(error: Exception) -> Literal["invalid", "failed"]:
    """Another try is in vain where the product is not there, or not acceptable; not where we are not."""
    final = isinstance(error, RefusedError) and not isinstance(error, CredentialsError)
    return "invalid" if final else "failed"


def _downloaded(settings: Settings, claim: Claim, place: str, timings: Mapping[str, float]) -> None:
    with transaction(settings, None, f"{claim.id}: the ledger cannot be told that it is downloaded") as tx:
        values = {"path": place, "timings": Jsonb(timings), "id": claim.id, "owner": claim.owner}
        tx.execute(_DOWNLOADED, values)
