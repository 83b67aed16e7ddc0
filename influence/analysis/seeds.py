"""Seeds: what several trainings of one network say together.

Two things make an omega uncertain: another training would give another network, and other samples
another measurement. With seeds k = 1..K measured on the same samples, the model is

    omega_k = mu + t_k + s + e_k

with a part t_k of the training, a part s of the samples that all seeds share, and a part e_k of
the samples that seed k has alone. The bootstrap gives the covariance C of s + e_k between seeds;
the variance between the omegas estimates Var(t) + Var(e) (Searle, Casella and McCulloch, Variance
Components, 1992, ch. 3: the one-way random model).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from influence.analysis.estimates import CELL, Estimates
from influence.errors import InfluenceError

__all__ = ["SEEDS_COLUMNS", "aggregate_seeds"]

SEEDS_COLUMNS = (
    "network", "dataset", "mute", "source", "target", "metric", "level", "higher_is_better", "unit",
    "seeds", "omega", "seed_sd", "training_variance", "test_variance", "standard_error", "low",
    "high", "confidence", "basis", "n",
)  # fmt: skip
"""`omega` is the mean over the seeds and `seed_sd` the sample standard deviation between them.
`training_variance` is the variance of one training, freed of what the samples add to it, and may
come out below zero; `test_variance` is that of the mean, over sets of samples. `standard_error`,
`low` and `high` are for the mean of all possible trainings on all possible samples."""

Array = NDArray[np.float64]
KEYS = [name for name in CELL if name != "seed"]


def aggregate_seeds(estimates: Estimates) -> pd.DataFrame:
    """Aggregate the seeds of each network, for every mute, source, target, metric and level.

    The total variance of the mean is training_variance / K + test_variance, a negative first part
    taken as zero; the interval is that of Student's t, degrees of freedom after Satterthwaite
    (Biometrics Bulletin 1946). One seed alone says nothing of training: what needs two is missing.
    Where only intervals are known (`basis`), the test-set parts of all seeds are taken to be
    shared, so that all that differs between seeds is put down to training.

    Parameters
    ----------
    estimates
        From `influence.analysis.estimates`.

    Returns
    -------
    DataFrame
        With the columns `SEEDS_COLUMNS`.

    Raises
    ------
    InfluenceError
        If two estimates are of one seed.

    Examples
    --------
    >>> cells = pd.DataFrame({
    ...     "network": "a", "seed": [0, 1, 2], "dataset": "d", "mute": "zero", "source": "depth",
    ...     "target": "semantic", "metric": "mean_iou", "level": "all", "higher_is_better": True,
    ...     "unit": "", "omega": [1.0, 2.0, 3.0], "standard_error": 0.5, "confidence": 0.95,
    ...     "n": 100, "units": 100, "basis": "intervals"})
    >>> row = aggregate_seeds(Estimates(cells)).iloc[0]
    >>> float(row.omega), float(row.seed_sd), float(row.test_variance)
    (2.0, 1.0, 0.25)
    """
    cells = estimates.cells.reset_index(drop=True)
    if (twice := cells.duplicated([*KEYS, "seed"])).any():
        first = cells[twice].iloc[0]
        raise InfluenceError(
            f"two results for network {first['network']!r} with seed {first['seed']}. Give each "
            "run once, and each training a seed of its own (influence.json)"
        )
    group = cells.groupby(KEYS, sort=False, dropna=False).ngroup().to_numpy()
    return pd.DataFrame(
        [_aggregate(estimates, np.flatnonzero(group == i)) for i in range(group.max() + 1)],
        columns=list(SEEDS_COLUMNS),
    )


def _aggregate(estimates: Estimates, places: NDArray[np.intp]) -> dict[str, Any]:
    defined = places[np.isfinite(estimates.cells["omega"].to_numpy(np.float64)[places])]
    places = defined if len(defined) else places
    own = estimates.cells.iloc[places]
    first = own.iloc[0]
    omegas = own["omega"].to_numpy(np.float64)
    parts = _split(omegas, estimates.covariance(list(places)), int(first["units"]))
    mean, error = omegas.mean(), np.sqrt(parts.total)
    reach = stats.t.ppf((1 + first["confidence"]) / 2, parts.freedom) * error
    return {
        **{name: first[name] for name in KEYS},
        "seeds": len(places),
        "omega": mean,
        "seed_sd": np.sqrt(parts.between),
        "training_variance": parts.training,
        "test_variance": parts.test,
        "standard_error": error,
        "low": mean - reach,
        "high": mean + reach,
        **{name: first[name] for name in ("confidence", "basis", "n")},
    }


@dataclass(frozen=True)
class _Parts:
    """Variances: between the omegas, of one training, of the mean by samples and in total."""

    between: float
    training: float
    test: float
    total: float
    freedom: float


def _split(omegas: Array, covariance: Array, units: int) -> _Parts:
    """Split the variance of the mean of K omegas, whose test-set covariance is (K, K)."""
    count, nan = len(omegas), float("nan")
    test = float(covariance.mean())
    if count < 2:
        return _Parts(nan, nan, test, nan, nan)
    diagonal = float(np.trace(covariance))
    shared = (float(covariance.sum()) - diagonal) / (count * (count - 1))
    between = float(omegas.var(ddof=1))
    training = between - (diagonal / count - shared)
    if not training > 0:
        return _Parts(between, training, test, test, units - 1)
    total = between / count + shared  # the same as training / count + test
    freedom = total**2 / ((between / count) ** 2 / (count - 1) + shared**2 / max(units - 1, 1))
    return _Parts(between, training, test, total, freedom)
