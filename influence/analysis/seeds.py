"""Seeds: the mean omega over several trainings of one network, and its variance.

An omega is uncertain for two reasons: another training gives another network, and other samples
give another measurement. For seeds k = 1..K measured on the same samples, the model is

    omega_k = mu + t_k + s + e_k

with an effect t_k of the training, an effect s of the samples that all seeds share, and an
effect e_k of the samples on seed k alone. The bootstrap gives the covariance C of s + e_k between
seeds; the variance between the omegas estimates Var(t) + Var(e) (Searle, Casella and McCulloch,
Variance Components, 1992, ch. 3: the one-way random model).
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
`training_variance` estimates the variance Var(t) between trainings, and may be negative;
`test_variance` is the variance of the mean over sets of samples. `standard_error`, `low` and `high`
describe the mean over all trainings and all samples."""

Array = NDArray[np.float64]
KEYS = [name for name in CELL if name != "seed"]


def aggregate_seeds(estimates: Estimates) -> pd.DataFrame:
    """Compute the mean omega over seeds, for each network, mute, source, target, metric and level.

    The variance of the mean is training_variance / K + test_variance, with a negative first
    part replaced by zero. The interval is that of Student's t with Satterthwaite's degrees of
    freedom (Biometrics Bulletin 1946). With one seed all columns that need two are NaN. If only
    intervals are known (`basis`), the effects of the samples are assumed to be the same for all
    seeds, so that all variance between seeds is attributed to training.

    Parameters
    ----------
    estimates
        The omegas of all seeds; see `influence.analysis.estimates`.

    Returns
    -------
    DataFrame
        With the columns `SEEDS_COLUMNS`.

    Raises
    ------
    InfluenceError
        If two estimates have the same seed.

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
            f"expected each seed once, got two results for network {first['network']!r} with seed "
            f"{first['seed']}. Name each run once, and give each training another seed in "
            "influence.json"
        )
    group = cells.groupby(KEYS, sort=False, dropna=False).ngroup().to_numpy()
    return pd.DataFrame(
        [_aggregate(estimates, np.flatnonzero(group == i)) for i in range(group.max() + 1)],
        columns=list(SEEDS_COLUMNS),
    )


def _aggregate(estimates: Estimates, indices: NDArray[np.intp]) -> dict[str, Any]:
    defined = indices[np.isfinite(estimates.cells["omega"].to_numpy(np.float64)[indices])]
    indices = defined if len(defined) else indices
    cells = estimates.cells.iloc[indices]
    first = cells.iloc[0]
    omegas = cells["omega"].to_numpy(np.float64)
    parts = _split(omegas, estimates.covariance(list(indices)), int(first["units"]))
    mean, error = omegas.mean(), np.sqrt(parts.total)
    reach = stats.t.ppf((1 + first["confidence"]) / 2, parts.freedom) * error
    return {
        **{name: first[name] for name in KEYS},
        "seeds": len(indices),
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
    """Variances: between omegas, of one training, and of the mean over samples and in total."""

    between: float
    training: float
    test: float
    total: float
    freedom: float


def _split(omegas: Array, covariance: Array, units: int) -> _Parts:
    """Split the variance of the mean of K omegas, with covariance (K, K) over sets of samples."""
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
