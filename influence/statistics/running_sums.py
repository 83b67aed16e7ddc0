"""Running sums: the bootstrap of a stream in one pass, without keeping rows.

Each sample is put into one of `influence.statistics.bootstrap.BLOCKS` blocks by a hash of its id,
and only the sums of blocks are kept. Blocks are then drawn and flipped in place of samples, as in
`Resampling.sums` of many samples. Samples of one group, and samples that exchange their inputs, are
put into one block, so that blocks are independent. A stream of few samples has about as many blocks
as samples, and its intervals are those of the samples themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas.util import hash_array
from scipy import sparse

from influence.statistics.bootstrap import BLOCKS, Resampling
from influence.statistics.rows import RowKey, Sums

__all__ = ["RunningSums"]

Array = NDArray[np.float64]


class RunningSums:
    """Sums of rows over blocks of samples, updated batch by batch.

    The block of a sample depends only on the seed and the sample's id, so the sums are the same for
    any batch size, order and number of processes: counts exactly, other sums up to rounding.

    Memory does not grow with the number of samples. Ids are not kept: a repeated sample is not
    noticed and is counted twice.

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
        self._samples = np.zeros(BLOCKS, dtype=np.int64)
        self._sums: dict[RowKey, Array] = {}

    @property
    def n(self) -> int:
        """The number of samples added."""
        return int(self._samples.sum())

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
            are in one block, even if they come in different batches.
        tied
            For each sample the id of the first sample of its unit, if units are not the groups; all
            samples of a unit are in this batch.
        """
        assert not self._sums or self._sums.keys() == rows.keys()
        names = ids if tied is None else tied
        labels = names if groups is None else groups
        assert {len(labels), *map(len, rows.values())} == {len(ids)}
        found = _hash(self.resampling.seed, labels) % BLOCKS
        blocks, members, samples = np.unique(found, return_inverse=True, return_counts=True)
        self._samples[blocks] += samples
        # (blocks, samples): one where a sample is in a block.
        within = sparse.csr_array((np.ones(len(ids)), (members, np.arange(len(ids)))))
        for key, values in rows.items():
            if key not in self._sums:
                self._sums[key] = np.zeros((BLOCKS, values.shape[1]))
            self._sums[key][blocks] += np.asarray(within @ values)

    def merge(self, other: RunningSums) -> None:
        """Add the sums of other samples, such as those computed by another process."""
        assert self.resampling == other.resampling
        self._samples += other._samples
        for key, values in other._sums.items():
            self._sums[key] = self._sums[key] + values if key in self._sums else values.copy()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all sums as plain arrays, to be sent or stored; see `from_arrays`."""
        return {"samples": self._samples} | {str(key): sums for key, sums in self._sums.items()}

    @classmethod
    def from_arrays(
        cls, resampling: Resampling, keys: Iterable[RowKey], arrays: Mapping[str, NDArray[Any]]
    ) -> RunningSums:
        """Rebuild running sums from the result of `arrays` and the keys of its rows."""
        found = cls(resampling)
        found._samples = np.array(arrays["samples"])
        found._sums = {key: np.array(arrays[str(key)]) for key in keys if str(key) in arrays}
        return found

    def sums(self) -> Sums:
        """Draw and flip the blocks that hold samples; return the sums of what was added so far."""
        filled = np.flatnonzero(self._samples)
        chosen = slice(None) if len(filled) == BLOCKS else filled  # all of them without a copy
        by_block = {key: values[chosen] for key, values in self._sums.items()}
        drawn, exchanged = self.resampling.resample(by_block, blocks=True)
        totals = {key: values.sum(0) for key, values in by_block.items()}
        return Sums(totals, drawn, exchanged, n=self.n, groups=len(filled))


def _hash(seed: int, labels: Sequence[Any] | NDArray[Any]) -> NDArray[np.uint64]:
    """Hash the text of each label; equal texts have equal numbers in every process.

    Python's built-in hash of a string differs between processes.
    """
    texts = list(map(str, labels))
    try:
        return _hash_objects(seed, texts)
    except UnicodeEncodeError:  # half of a surrogate pair, as in a name of a file that is not UTF-8
        return _hash_objects(seed, [text.encode(errors="surrogatepass") for text in texts])


def _hash_objects(seed: int, texts: Sequence[str | bytes]) -> NDArray[np.uint64]:
    """Hash texts, or the bytes of texts in UTF-8, which have the same numbers."""
    key = f"{seed:016d}"[-16:]
    return hash_array(np.array(texts, dtype=object), hash_key=key, categorize=False)
