"""Variants: the joint refinement networks by design, with the look of each in every figure.

Figures and tables of the sweep have one row a network, the mean over its trainings.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from influence.display.plots.style import Ink

__all__ = [
    "CROSS_FITTED",
    "GROUPS",
    "PAPER",
    "by_design",
    "design_of",
    "ink_of",
    "label_of",
    "mean_influence",
    "mean_performance",
    "variant_inks",
]

PREFIX, CROSS_FITTED = "jrn-", "-crossfit"

GROUPS = {
    "jrn-cat60": "loose",
    "jrn-sum60": "coupled",
    "jrn-cat10": "loose",
    "jrn-cat5": "coupled",
    "jrn-cat1": "coupled",
}
"""Network -> its computation (Sec. III-B of arXiv 1702.08009), in the order of Table I."""

PAPER = tuple(GROUPS)
MARKERS = {"loose": "o", "coupled": "s"}
COLOURS = dict(zip(PAPER, ("#0173b2", "#d55e00", "#029e73", "#de8f05", "#cc78bc"), strict=True))
OTHER = Ink("0.55", "D")
"""Of designs that the paper does not have: their names stand beside them."""


def design_of(network: str) -> str:
    """Return the network of the paper's condition that has the same design."""
    return network.removesuffix(CROSS_FITTED)


def ink_of(network: str) -> Ink:
    """Return a network's look: a colour a design, a marker a group, hollow if cross-fitted."""
    design = design_of(network)
    if design not in COLOURS:
        return Ink(OTHER.colour, OTHER.marker, filled=design == network)
    return Ink(COLOURS[design], MARKERS[GROUPS[design]], filled=design == network)


def variant_inks(networks: Iterable[str]) -> dict[str, Ink]:
    """Return the look of each network."""
    return {network: ink_of(network) for network in networks}


def label_of(network: str) -> str:
    """Return a network's name as figures write it."""
    words = " cross-fitted" if network != design_of(network) else ""
    return design_of(network).removeprefix(PREFIX) + words


NO_SEED = float("nan")
NOT_OF_MEANS = ["full", "muted", "p_value", "p_holm", "checkpoint_sha256"]


def by_design(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by design, those of the paper first, each in-sample and then cross-fitted."""
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
    seeds : frame from `influence.analysis.seeds.aggregate_seeds`.

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
