"""Variants: the joint refinement networks by design, with the look of each in every figure."""

from __future__ import annotations

from collections.abc import Iterable

from influence.plots.style import Ink

__all__ = ["CROSS_FITTED", "GROUPS", "PAPER", "design_of", "ink_of", "label_of", "variant_inks"]

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
    """Return the network of the paper's condition that has the same design.

    >>> design_of("jrn-cat60-crossfit")
    'jrn-cat60'
    """
    return network.removesuffix(CROSS_FITTED)


def ink_of(network: str) -> Ink:
    """Return a network's look: a colour a design, a marker a group, hollow if cross-fitted.

    >>> ink_of("jrn-cat60-crossfit")
    Ink(colour='#0173b2', marker='o', filled=False)
    """
    design = design_of(network)
    if design not in COLOURS:
        return Ink(OTHER.colour, OTHER.marker, filled=design == network)
    return Ink(COLOURS[design], MARKERS[GROUPS[design]], filled=design == network)


def variant_inks(networks: Iterable[str]) -> dict[str, Ink]:
    """Return the look of each network."""
    return {network: ink_of(network) for network in networks}


def label_of(network: str) -> str:
    """Return a network's name as figures write it.

    >>> label_of("jrn-cat60-crossfit"), label_of("jrn-cat60")
    ('cat60 cross-fitted', 'cat60')
    """
    words = " cross-fitted" if network != design_of(network) else ""
    return design_of(network).removeprefix(PREFIX) + words
