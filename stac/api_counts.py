"""How many items a search matches: counted once for all its pages, as long as nobody writes."""

from asyncpg import Connection

_SECONDS = 10
_ESTIMATE = """
SELECT estimated_count FROM where_stats($1, false, '{"context": "auto", "context_estimated_count": 0,
  "context_estimated_cost": 0}')
"""
_REMEMBERED = 200


class Counts:
    """Exact counts, each with the state of the database that it holds for.

    A state is PostgreSQL's own snapshot, as text: it changes with every transaction that writes, so that no count is
    ever told of another state. Whoever pages through a million items has them counted once.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, int]] = {}

    async def ask(self, connection: Connection, where: str, state: str) -> int:
        """How many items match; `state` was read before.

        Where counting takes too long it is what the database expects.
        """
        known = self._known.get(where)
        if known is not None and known[0] == state:
            return known[1]
        try:
            counted: int = await connection.fetchval(
                f"SELECT count(*) FROM items WHERE {where}",  # noqa: S608 - of pgSTAC
                timeout=_SECONDS,
            )
        except TimeoutError:
            estimated: int = await connection.fetchval(_ESTIMATE, where)
            return estimated
        self._known.pop(where, None)
        self._known[where] = state, counted
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        return counted
