"""Headings: what the page calls tables and columns, for readers who never saw the files."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["COLUMN_WORDS", "SHEET_WORDS"]

SHEET_WORDS: Mapping[str, tuple[str, str]] = {
    "verdicts": (
        "Verdicts",
        "Do all ways to replace an input agree that it helps, or that it hurts? One row for each "
        "network, input, output and score.",
    ),
    "influence": (
        "Influence",
        "How much each output loses when one input is replaced: one row for each network, way to "
        "replace, input, output and score.",
    ),
    "performance": (
        "Performance",
        "How good each output is with all inputs, and with some of them replaced.",
    ),
    "interactions": (
        "Interactions",
        "What inputs give alone, together, and beyond the sum of both.",
    ),
    "distance": (
        "Distance from the data",
        "How far from ordinary data the network is when an input is replaced. Beyond the "
        "threshold an influence may be an artefact of the replacement.",
    ),
}
"""Table -> its title, and what it holds."""

COLUMN_WORDS: Mapping[str, str] = {
    "source": "input",
    "target": "output",
    "metric": "score",
    "omega": "influence ω",
    "full": "with the input",
    "muted": "without it",
    "p_holm": "p (Holm)",
    "n": "samples",
    "setup": "inputs present",
    "players": "inputs",
    "smallest": "smallest ω",
    "largest": "largest ω",
    "helps": "helps under",
    "hurts": "hurts under",
    "undecided": "undecided under",
    "outside": "channels outside, %",
    "warning": "far",
}
"""Column of a file -> what readers call it, where that is another word."""
