"""Sharing: what several inference runs have in common is computed once.

A graph is walked from its inputs; every node is evaluated once for each distinct way in which the
inputs that it depends on are muted.
"""

from __future__ import annotations

from influence.engine.sharing.shared_forward import SharedForward, share

__all__ = ["SharedForward", "share"]
