"""influence/plan/conditions.py."""

from __future__ import annotations

from typing import NamedTuple

from influence.plan.setups import Setup

__all__ = [
    "NO_MUTE",
    "Condition",
]


NO_MUTE = "none"
"""The name of the mute in a condition that mutes nothing."""


class Condition(NamedTuple):
    """One inference run: a setup, and the mute that replaces what the setup mutes."""

    mute: str
    setup: Setup

    def __str__(self) -> str:
        return f"{self.mute}({'+'.join(sorted(self.setup))})" if self.setup else "full"
