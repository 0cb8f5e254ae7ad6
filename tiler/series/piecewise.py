"""Rows of an area that is read in pieces: those that `Sampler.rows` would make of it, if it were held at once.

All indices of a request go through the pieces together, so that each image is read once. An observation of which
anything cannot be read contributes nothing, as in `sampling`: what was summed up with it is thrown away, and the index
in question begun anew without it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tiler.series.acquisitions import Observation
from tiler.series.overpasses import Acquisition, TileScene
from tiler.series.reading import SceneReader, Source
from tiler.series.rows import Row
from tiler.series.sampling import Failure, Sampler, attempted, filled
from tiler.series.statistics import Pixels
from tiler.series.tallies import Gathered, Tally, merged

type _Shares = Sequence[tuple[TileScene, Tally]]


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """Indices that share their fate: the tiles with the observations of them that are read, and what failed before."""

    names: tuple[str, ...]
    scenes: tuple[tuple[TileScene, tuple[Observation, ...]], ...]
    failures: tuple[Failure, ...] = ()

    def without(self, name: str, failure: Failure) -> "_Attempt":
        """The next one of `name`; a tile of which nothing is left leaves its ground to the others."""
        kept = (
            (scene, tuple(found for found in observations if found is not failure.observation))
            for scene, observations in self.scenes
        )
        return replace(
            self,
            names=(name,),
            scenes=tuple((scene, observations) for scene, observations in kept if observations),
            failures=(*self.failures, failure),
        )


def rows(sampler: Sampler, acquisition: Acquisition, source: Source) -> list[Row]:
    """One row per index or asset of the request."""
    scenes = tuple((scene, tuple(scene.observations)) for scene in acquisition.scenes)
    attempts = [_Attempt(names=sampler.request.names, scenes=scenes)]
    found: dict[str, Row] = {}
    while attempts:
        attempt = attempts.pop()
        if not attempt.scenes:
            first = attempt.failures[0]
            found |= {
                name: sampler.failed(acquisition, first.observation, name, first.status, first.reason)
                for name in attempt.names
            }
            continue
        shares, failed = _tried(sampler, acquisition, attempt, source)
        found |= {name: _row(sampler, acquisition, name, own, attempt.failures) for name, own in shares.items()}
        attempts += [attempt.without(name, failure) for name, failure in failed.items()]
    return [found[name] for name in sampler.request.names]


def _tried(
    sampler: Sampler, acquisition: Acquisition, attempt: _Attempt, source: Source
) -> tuple[Mapping[str, _Shares], Mapping[str, Failure]]:
    """What each tile contributes to each index of which everything could be read; what failed of the others."""
    shares: dict[str, list[tuple[TileScene, Tally]]] = {name: [] for name in attempt.names}
    failed: dict[str, Failure] = {}
    for position in range(len(attempt.scenes)):
        gathered = {name: Gathered() for name in shares}
        for readers in _readers(sampler, acquisition, attempt, position, source):
            for name in tuple(shares):
                part = _pixels(readers, name)
                if isinstance(part, Failure):
                    failed[name] = part
                    del shares[name]
                else:
                    gathered[name].add(Tally.of(part))
            if not shares:
                return {}, failed
        for name, own in shares.items():
            own.append((attempt.scenes[position][0], gathered[name].whole()))
    return shares, failed


def _readers(
    sampler: Sampler, acquisition: Acquisition, attempt: _Attempt, position: int, source: Source
) -> Iterator[list[SceneReader]]:
    """Those of a tile's datastrips, piece by piece."""
    scenes = [scene for scene, _ in attempt.scenes]
    scene, observations = attempt.scenes[position]
    for window in sampler.ground(acquisition.feature, scenes, position).pieces:
        coverage = sampler.piece(acquisition.feature, scenes, position, window)
        yield [
            SceneReader(
                observation=observation,
                grid=scene.grid,
                coverage=coverage,
                profile=sampler.request.mask,
                source=source,
            )
            for observation in observations
        ]


def _pixels(readers: Sequence[SceneReader], name: str) -> Pixels | Failure:
    """Those of a tile's datastrips together, or the first that fails."""
    together: Pixels | None = None
    for reader in readers:
        found = attempted(reader, name)
        if isinstance(found, Failure):
            return found
        together = found if together is None else filled(together, found)
    if together is None:
        raise ValueError("a tile without observations")
    return together


def _row(sampler: Sampler, acquisition: Acquisition, name: str, shares: _Shares, failures: Sequence[Failure]) -> Row:
    used = sorted(shares, key=lambda share: -share[1].inside)
    used = [share for share in used if share[1].inside] or used[:1]
    statistics = merged([tally for _, tally in shares]).statistics(sampler.request.percentiles)
    observations = [observation for scene, _ in used for observation in scene.observations]
    return sampler.row(acquisition, observations, name, statistics, failures)
