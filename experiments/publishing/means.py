"""Means: one row a network instead of one a training, for figures and tables of the sweep."""

from __future__ import annotations

import pandas as pd

from experiments.publishing.variants import CROSS_FITTED, PAPER, design_of

__all__ = ["by_design", "mean_influence", "mean_performance"]

NO_SEED = float("nan")
NOT_OF_MEANS = ["full", "muted", "p_value", "p_holm", "checkpoint_sha256"]


def by_design(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by design, those of the paper first, each in-sample and then cross-fitted.

    >>> frame = pd.DataFrame({"network": ["jrn-sum1", "jrn-cat1-crossfit", "jrn-cat1"]})
    >>> by_design(frame)["network"].tolist()
    ['jrn-cat1', 'jrn-cat1-crossfit', 'jrn-sum1']
    """
    designs = dict.fromkeys([*PAPER, *map(design_of, frame["network"])])
    place = {design: place for place, design in enumerate(designs)}
    key = frame["network"].map(
        lambda network: 2 * place[design_of(network)] + network.endswith(CROSS_FITTED)
    )
    return frame.iloc[key.argsort(kind="stable")].reset_index(drop=True)


def mean_influence(influence: pd.DataFrame, seeds: pd.DataFrame) -> pd.DataFrame:
    """Return the mean omega of each network, in those columns of `influence.csv` that means have.

    Parameters
    ----------
    influence : frame with the columns of `influence.csv`.
    seeds : frame from `influence.seeds.aggregate_seeds`.

    Returns
    -------
    DataFrame
        Networks with several seeds: their mean, with the interval over trainings and images. Those
        with one: what it gives, with the interval over images. `seed` is missing everywhere.
    """
    several = seeds[seeds["seeds"] > 1].rename(columns={"low": "omega_low", "high": "omega_high"})
    return _together(influence, several)


def mean_performance(performance: pd.DataFrame, seeds: pd.DataFrame) -> pd.DataFrame:
    """Return the mean performance of each network with nothing muted; see `mean_influence`.

    Parameters
    ----------
    performance : frame with the columns of `performance.csv`.
    seeds : frame with the columns of `performance_seeds.csv` (reports/sweep).
    """
    several = seeds[seeds["seeds"] > 1].assign(mute="none")
    return _together(performance[performance["setup"].isin(several["setup"])], several)


def _together(frame: pd.DataFrame, several: pd.DataFrame) -> pd.DataFrame:
    alone = frame[~frame["network"].isin(several["network"])]
    both = pd.concat([several, alone], ignore_index=True).assign(seed=NO_SEED)
    return by_design(both.drop(columns=NOT_OF_MEANS, errors="ignore"))
