"""How often the 95% interval of omega holds the true omega, on simulated data sets.

Samples differ in difficulty, the same under both setups, and samples of one group share most of it:
what makes rows of real images skewed and dependent. The true omega is known in closed form, as each
metric is a formula on sums and the expected sums are known.

    python -m experiments.coverage        # minutes on one core; writes reports/coverage/
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence.bootstrap import Resampling
from influence.metrics import METRICS
from influence.rows import Condition, RowKey, Rows

__all__ = ["CASES", "SIZES", "Case", "coverage", "simulate"]

Array = NDArray[np.float64]
Pair = tuple[Array, Array]
PIXELS = 50
SHARES = np.array([0.5, 0.3, 0.2])
RECALLS = np.array([0.9, 0.7, 0.5]), np.array([0.85, 0.6, 0.45])
ACCURACIES = 0.8, 0.72
SQUARES = 0.30, 0.39


@dataclass(frozen=True)
class Case:
    """A metric, a simulator of its rows under two setups, and the expected rows.

    `draw` takes a stream and the difficulty (simulations, samples) and returns the rows
    (simulations, samples, k) of the full and of the muted setup.
    """

    metric: str
    draw: Callable[[np.random.Generator, Array], Pair]
    expected: Pair

    def omega(self, full: Array, muted: Array) -> Array:
        """Return omega from sums of rows (..., k)."""
        metric = METRICS[self.metric]
        return metric.oriented(metric.formula(full) - metric.formula(muted))


def _counts(correct: Array, truth: Array, guess: Array) -> Array:
    return np.concatenate([correct, truth, guess], axis=-1)


def _accuracy(stream: np.random.Generator, difficulty: Array) -> Pair:
    """One label a sample; a hard sample is wrong under both setups, an easy one right."""
    right = [(difficulty < p).astype(np.float64)[..., None] for p in ACCURACIES]
    # A tenth of the muted answers are a coin of their own, with the same expectation.
    own = (stream.random(difficulty.shape) < ACCURACIES[1]).astype(np.float64)[..., None]
    right[1] = np.where(stream.random(own.shape) < 0.1, own, right[1])
    full, muted = (_counts(r, np.ones_like(r), np.ones_like(r)) for r in right)
    return full, muted


def _rms(stream: np.random.Generator, difficulty: Array) -> Pair:
    """Squared errors summed over pixels, skewed between samples."""
    scale = -np.log1p(-difficulty)  # exponential with mean one
    rows = []
    for square in SQUARES:
        sums = np.zeros((*difficulty.shape, 11))
        sums[..., 0] = PIXELS
        sums[..., 5] = scale * square * stream.chisquare(PIXELS, difficulty.shape)
        rows.append(sums)
    return rows[0], rows[1]


def _mean_iou(stream: np.random.Generator, difficulty: Array) -> Pair:
    """Counts of three classes; each sample shows them in other shares; errors are uniform."""
    shares = stream.dirichlet(5 * SHARES, difficulty.shape)
    truth = stream.multinomial(PIXELS, shares)
    rows = []
    for recall in RECALLS:
        # Recalls fall with difficulty, by half of what is missing to one, and not on average.
        chance = recall + (1 - recall) * (1 - 2 * difficulty[..., None]) / 2
        correct = stream.binomial(truth, chance)
        wrong = truth - correct
        up = stream.binomial(wrong, 0.5)
        guess = correct + np.roll(up, 1, axis=-1) + np.roll(wrong - up, -1, axis=-1)
        counts: Array = np.concatenate([correct, truth, guess], axis=-1).astype(np.float64)
        rows.append(counts)
    return rows[0], rows[1]


def _expected_counts(recall: Array) -> Array:
    correct, wrong = SHARES * recall, SHARES * (1 - recall)
    return _counts(correct, SHARES, correct + (np.roll(wrong, 1) + np.roll(wrong, -1)) / 2)


def _expected_errors(square: float) -> Array:
    sums = np.zeros(11)
    sums[0], sums[5] = 1.0, square
    return sums


CASES = (
    Case("accuracy", _accuracy, tuple(np.array([p, 1.0, 1.0]) for p in ACCURACIES)),  # type: ignore[arg-type]
    Case("rms", _rms, tuple(_expected_errors(s) for s in SQUARES)),  # type: ignore[arg-type]
    Case("mean_iou", _mean_iou, tuple(_expected_counts(r) for r in RECALLS)),  # type: ignore[arg-type]
)
SIZES: dict[str, tuple[int, ...]] = {
    "100 samples": (1,) * 100,
    "654 samples": (1,) * 654,
    "100 groups of 1 to 6": (1, 2, 3, 4, 6) * 20,
}
"""The sizes of the groups of a data set, by its name."""
SIDES = tuple(
    RowKey(Condition(mute, frozenset(sites)), "output", "statistic")
    for mute, sites in (("none", ()), ("zero", ("source",)))
)


def simulate(case: Case, sizes: tuple[int, ...], sims: int, stream: np.random.Generator) -> Pair:
    """Draw the rows of `sims` data sets, (sims, samples, k) for each of the two setups."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    shared = stream.random((sims, len(sizes)))[:, groups]
    own = stream.random(shared.shape)
    # Uniform, and the same for four fifths of a group.
    difficulty = np.where(stream.random(shared.shape) < 0.8, shared, own)
    return case.draw(stream, difficulty)


def coverage(
    case: Case, sizes: tuple[int, ...], sims: int, *, draws: int = 1000, chunk: int = 25
) -> float:
    """Return the share of simulated data sets whose interval holds the true omega."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    true = float(case.omega(*case.expected))
    hits = 0
    for number in range(sims // chunk):  # the draws of a Resampling serve several data sets
        full, muted = simulate(case, sizes, chunk, np.random.default_rng(number))
        resampling = Resampling(draws, seed=number)
        values = {
            key: np.concatenate(list(rows), axis=1)
            for key, rows in zip(SIDES, (full, muted), strict=True)
        }
        sums = resampling.sums(Rows([str(i) for i in range(len(groups))], groups, values))
        sides = (sums.drawn[key].reshape(draws, chunk, -1) for key in SIDES)
        low, high = resampling.interval(case.omega(*sides), sums.groups)
        hits += int(((low <= true) & (true <= high)).sum())
    return hits / (sims // chunk * chunk)


def main(sims: int = 2000, out: Path = Path("reports/coverage/coverage.csv")) -> None:
    """Write one row a metric and a kind of data set."""
    records = []
    for case in CASES:
        for name, sizes in SIZES.items():
            share = coverage(case, sizes, sims)
            records.append(
                {
                    "metric": case.metric,
                    "data": name,
                    "n": sum(sizes),
                    "groups": len(sizes),
                    "sims": sims,
                    "coverage": share,
                    "standard_error": round(float(np.sqrt(share * (1 - share) / sims)), 5),
                }
            )
            print(records[-1])
    out.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(records).to_csv(out, index=False)


if __name__ == "__main__":
    main()
