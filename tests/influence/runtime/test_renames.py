"""Old keywords of the public interface: they work for one version, with a warning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.runtime.execution import Execution
from tests.toy import toy


def test_old_keywords_are_fields_of_the_record(toy_file: Path) -> None:
    known: dict[str, Any] = {"mutes": ["zero"], "draws": 10}
    old: dict[str, Any] = {"workers": 1, "share": False}
    expected = measure(toy(), toy_file, execution=Execution(workers=1, share=False), **known)
    with pytest.warns(DeprecationWarning, match=r"execution=Execution\(workers=1, share=False\)"):
        found = measure(toy(), toy_file, **old, **known)
    pd.testing.assert_frame_equal(found.influence, expected.influence)


def test_a_record_and_an_old_keyword_are_refused(toy_file: Path) -> None:
    old: dict[str, Any] = {"amp": "bf16"}
    with pytest.raises(InfluenceError, match=r"expected amp in execution=\.\.\., got both"):
        measure(toy(), toy_file, execution=Execution(), **old)


def test_keywords_that_stay_take_the_place_of_the_record_s(toy_file: Path) -> None:
    run = measure(toy(), toy_file, mutes=["zero"], draws=10, batch_size=4,
                  execution=Execution(batch_size=3, share=False))  # fmt: skip
    assert run.info["execution"]["batch_size"] == 4
    assert run.info["execution"]["share"] is False
    assert run.info["measured"]["draws"] == 10
