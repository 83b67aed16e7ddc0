from __future__ import annotations

import pytest

from models.trunks import TRUNKS
from tests.models.small_trunk import SmallTrunk


@pytest.fixture(autouse=True)
def small_trunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the trunk "small" known by its name, as anyone could."""
    monkeypatch.setitem(TRUNKS, "small", SmallTrunk)
