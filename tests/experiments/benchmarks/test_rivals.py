"""The rivals and `influence.measure` give the same numbers; how often each reads is known."""

from __future__ import annotations

from typing import Any

import captum
import pytest

from experiments.benchmarks import rivals
from experiments.benchmarks.cases import CASES, Case
from experiments.benchmarks.rivals import (
    TOLERANCE,
    captum_differences,
    check_agreement,
    plain_pass,
    setup_loop,
    setups_of,
    values_of,
)
from experiments.benchmarks.subject import Subject, prepared
from influence.errors import InfluenceError
from influence.plan.setups import choose_setups
from tests.experiments.benchmarks.tiny import FUSION, SAMPLES, TINY


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_all_contenders_of_every_case_agree(case: Case) -> None:
    with prepared(TINY[case.network](), samples=SAMPLES) as subject:
        records = check_agreement(case, subject)
        setups = len(setups_of([m.name for m in subject.network.inputs], case.setups))
    reads = {(r["source"], r["contender"]): r["reads_per_sample"] for r in records}
    first_batch = 16 / SAMPLES  # which Captum looks at before it begins, and we do in memory
    known = {
        "influence": 1,
        "plain pass": 1,
        "setup loop": setups,
        "captum": 2 + first_batch,
    }
    contenders = ["influence", *case.limits]
    assert list(reads) == [(source, name) for source in ("memory", "file") for name in contenders]
    for (source, name), found in reads.items():
        looks = first_batch if (source, name) == ("memory", "influence") else 0
        assert found == pytest.approx(known[name] + looks)


def test_the_loop_knows_the_constant_mutes_of_ours(fusion: Subject) -> None:
    mutes = ["zero", "mean", "uniform"]
    loop = setup_loop(fusion.network, fusion.feed("memory"), setups="ends", mutes=mutes)
    ours = values_of(fusion.measure("memory", setups="ends", mutes=mutes, draws=10))
    assert loop == pytest.approx(ours, abs=1e-6)
    # For probabilities with a mean of a third, the mean is the uniform distribution.
    one, other = (
        {key[1:]: x for key, x in loop.items() if key[0] == mute} for mute in ("mean", "uniform")
    )
    assert one == pytest.approx(other, abs=1e-6)
    zero = {key[1:]: x for key, x in loop.items() if key[0] == "zero"}
    assert zero != pytest.approx(one, abs=1e-3)


@pytest.mark.parametrize("kind", ["each", "ends", "all"])
def test_setups_are_those_of_the_library(kind: str) -> None:
    names = ["x", "y", "z"]
    assert [frozenset(s) for s in setups_of(names, kind)] == choose_setups(names, names, kind)


def test_another_captum_is_refused(fusion: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captum, "__version__", "0.10.0")
    with pytest.raises(RuntimeError, match=r"expected Captum 0\.9\.0, found 0\.10\.0"):
        captum_differences(fusion.network, fusion.feed("memory"))


def test_the_judged_case_measures_what_is_judged() -> None:
    assert FUSION.setups == "ends"
    assert FUSION.mutes == ("zero",)
    assert FUSION.limits["plain pass"] == 1.35
    assert FUSION.limits["captum"] == 0.5


@pytest.mark.parametrize("error", [10 * TOLERANCE, float("nan")])
def test_a_difference_is_an_error(
    fusion: Subject, monkeypatch: pytest.MonkeyPatch, error: float
) -> None:
    def wrong(*args: Any) -> dict[tuple[str, str], float]:
        found = plain_pass(*args)
        return found | {("value", "mse"): found["value", "mse"] + error}

    monkeypatch.setattr(rivals, "plain_pass", wrong)
    with pytest.raises(InfluenceError, match=r"late fusion: plain pass gives .* 'mse'"):
        check_agreement(FUSION, fusion)


def test_a_missing_value_is_an_error(fusion: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "plain_pass", lambda *_: {})
    with pytest.raises(InfluenceError, match="plain pass gives other values than influence"):
        check_agreement(FUSION, fusion)


def test_the_setups_at_the_ends() -> None:
    assert setups_of(["x", "y"], "ends") == [(), ("x",), ("y",), ("x", "y")]
