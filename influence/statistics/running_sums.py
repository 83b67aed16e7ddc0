"""Running sums: the bootstrap of a stream in one pass, without keeping rows.

Each sample enters a draw Poisson(1) times, independently of all others (Chamandy, Muralidharan,
Najmi and Naidu, Estimating Uncertainty for Massive Data Streams, 2012). The draws are those of
`Resampling.sums`, except that the number of samples in a draw is random. This number cancels in
metrics that are ratios of sums, as all in `influence.metrics.registry` are; for a metric that grows
with the number of samples the interval is too wide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import RowKey, Sums, full_key

__all__ = ["RunningSums"]

Array = NDArray[np.float64]
ByKey = dict[RowKey, Array]

CHUNK = 64
"""The number of samples that are weighted at a time."""


class RunningSums:
    """Sums of rows over all samples, every draw and every sign flip, updated batch by batch.

    The draws of a sample depend only on the seed and the sample's id, so the sums are the same for
    any batch size, order and number of processes: counts exactly, other sums up to rounding.

    Memory does not grow with the number of samples, except for one number for each distinct group,
    which is kept to count the groups. Ids are not kept: a repeated sample is not noticed and is
    counted twice.

    Parameters
    ----------
    resampling
        The number of draws, and their seed.

    Attributes
    ----------
    n
        The number of samples added.

    Examples
    --------
    >>> from influence.plan.setups import Condition
    >>> key = RowKey(Condition("none", frozenset()), "total", "errors")
    >>> running = RunningSums(Resampling(draws=200))
    >>> for i in range(10):
    ...     running.add({key: np.ones((5, 1))}, ids=[f"{i}-{j}" for j in range(5)])
    >>> sums = running.sums()
    >>> sums.n, sums.totals[key].tolist(), sums.drawn[key].shape
    (50, [50.0], (200, 1))
    """

    def __init__(self, resampling: Resampling) -> None:
        self.resampling = resampling
        self.n = 0
        self._tied = 0
        self._groups: set[int] = set()
        self._sums: dict[str, ByKey] = {"totals": {}, "drawn": {}, "exchanged": {}}

    def add(
        self,
        rows: Mapping[RowKey, Array],
        ids: Sequence[str],
        groups: Sequence[Any] | NDArray[Any] | None = None,
        tied: Sequence[str] | None = None,
    ) -> None:
        """Add the rows (samples, k) of a batch.

        Parameters
        ----------
        rows
            Rows for every condition, output and statistic; the same keys in every batch.
        ids
            The names of the samples.
        groups
            The group label of each sample, if samples are not independent: samples of one group
            have the same draws, even in different batches. Given for all batches or for none.
        tied
            For each sample the id of the first sample of its unit, if units are not the groups; all
            samples of a unit are in this batch.
        """
        assert self.n == 0 or bool(self._groups) == (groups is not None)
        assert self.n == 0 or self._sums["totals"].keys() == rows.keys()
        names = ids if tied is None else tied
        labels = names if groups is None else groups
        assert {len(labels), *map(len, rows.values())} == {len(ids)}
        keys = [_hash(self.resampling.seed, label) for label in labels]
        for start in range(0, len(keys), CHUNK):
            chunk = slice(start, start + CHUNK)
            weights, flips = self._draw(keys[chunk])
            part = {key: values[chunk] for key, values in rows.items()}
            for key, values in part.items():
                self._accumulate("totals", key, values.sum(0))
                self._accumulate("drawn", key, weights.T @ values)
                if len(key.condition.setup) == 1:  # only omegas are tested
                    change = values - part[full_key(key)]
                    self._accumulate("exchanged", key, flips.T @ change)
        self.n += len(keys)
        self._tied += len(names) - len(set(names))
        if groups is not None:
            # One int64 each: among a million groups two collide with a probability of about 1e-7.
            self._groups.update(key % 2**63 for key in keys)

    def _draw(self, keys: Sequence[int]) -> tuple[Array, Array]:
        """Return how often each sample is in each draw, and its sign flips (0 or 1)."""
        weights = np.empty((len(keys), self.resampling.draws))
        flips = np.empty_like(weights)
        for i, key in enumerate(keys):
            stream = np.random.Generator(np.random.Philox(key=key))
            weights[i] = stream.poisson(1.0, self.resampling.draws)
            flips[i] = stream.integers(0, 2, self.resampling.draws, dtype=np.bool_)
        return weights, flips

    def merge(self, other: RunningSums) -> None:
        """Add the sums of other samples, such as those computed by another process."""
        assert self.resampling == other.resampling
        for part, sums in other._sums.items():
            for key, values in sums.items():
                self._accumulate(part, key, values.copy())
        self.n += other.n
        self._tied += other._tied
        self._groups |= other._groups

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all sums as plain arrays, to be sent or stored; see `from_arrays`."""
        sums = {
            f"{part}/{key}": values
            for part, found in self._sums.items()
            for key, values in found.items()
        }
        return {
            "n": np.array(self.n),
            "tied": np.array(self._tied),
            "groups": np.array(sorted(self._groups), dtype=np.int64),
            **sums,
        }

    @classmethod
    def from_arrays(
        cls, resampling: Resampling, keys: Iterable[RowKey], arrays: Mapping[str, NDArray[Any]]
    ) -> RunningSums:
        """Rebuild running sums from the result of `arrays` and the keys of its rows."""
        found = cls(resampling)
        found.n, found._tied = int(arrays["n"]), int(arrays["tied"])
        found._groups = set(arrays["groups"].tolist())
        for key in keys:
            for part, sums in found._sums.items():
                if (name := f"{part}/{key}") in arrays:  # not all are exchanged
                    sums[key] = np.array(arrays[name])
        return found

    def sums(self) -> Sums:
        """Return the current sums, which do not change when more rows are added."""
        return Sums(
            **{
                part: {key: values.copy() for key, values in found.items()}
                for part, found in self._sums.items()
            },
            n=self.n,
            groups=len(self._groups) or self.n - self._tied,
        )

    def _accumulate(self, part: str, key: RowKey, values: Array) -> None:
        """Add values to a sum; the first array is kept without a copy and becomes the sum."""
        if key in self._sums[part]:
            self._sums[part][key] += values
        else:
            self._sums[part][key] = values


def _hash(seed: int, label: Any) -> int:
    """Return the 128-bit key of the random stream of a sample or a group.

    Python's built-in hash of a string differs between processes.
    """
    text = f"{seed}/{label}".encode(errors="surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=16).digest(), "little")
