"""What each mute puts in the place of an input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from influence.data.derangement import random_order
from influence.errors import InfluenceError
from influence.mutes.mute import Signal
from influence.mutes.registry import MUTES, PANEL, parse_mute, parse_mutes
from influence.network.joint_network import Modality

MEAN, STD, OPTIMAL = (1.0, 2.0, 4.0), (0.5, 1.0, 0.1), (0.5, 0.25, 0.125)


def signal(kind: str = "other", count: int = 4, start: int = 0, side: int = 8) -> Signal:
    """A batch whose values are all NaN: whatever a mute takes from them shows."""
    values = torch.full((count, 3, side, side), float("nan"))
    facts = Modality("x", kind, mean=MEAN, std=STD, optimal=OPTIMAL)
    indices = np.arange(start, start + count)
    return Signal(values, facts, indices, partners=torch.ones_like(values), seed=3)


BUILT = [*(name for name, mute in MUTES.items() if not mute.absent), "constant:0.5"]


@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("kind", ["depth", "probabilities", "logits", "image"])
def test_nothing_of_the_muted_input_leaks(name: str, kind: str) -> None:
    muted = parse_mute(name).replace(signal(kind))
    assert muted.isfinite().all()
    assert muted.shape == (4, 3, 8, 8)


@pytest.mark.parametrize("name", BUILT)
def test_a_network_may_reshape_or_change_what_it_gets(name: str) -> None:
    parse_mute(name).replace(signal()).view(4, -1).add_(1.0)


def test_values_of_the_simple_mutes() -> None:
    assert parse_mute("zero").replace(signal()).eq(0.0).all()
    assert parse_mute("constant:-2.5").replace(signal()).eq(-2.5).all()
    assert parse_mute("mean").replace(signal())[2, :, 5, 6].tolist() == list(MEAN)
    assert parse_mute("optimal").replace(signal())[1, :, 0, 7].tolist() == list(OPTIMAL)
    assert parse_mute("shuffle").replace(signal()).eq(1.0).all()


def test_uniform_knows_nothing() -> None:
    uniform = MUTES["uniform"]
    np.testing.assert_allclose(uniform.replace(signal("probabilities")).numpy(), 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(uniform.replace(signal("logits")).softmax(1), 1 / 3, rtol=1e-6)
    assert not uniform.applies_to(Modality("x", "depth"))
    assert uniform.applies_to(Modality("x", "probabilities"))


def test_absent_is_for_inputs_and_builds_nothing() -> None:
    absent = MUTES["absent"]
    assert absent.applies_to(Modality("x", "depth"))
    assert not absent.applies_to(Modality("edge:encoder"))
    with pytest.raises(AssertionError, match="None in the place of 'x'"):
        absent.replace(signal())


def test_noise_has_the_moments_and_does_not_depend_on_batches() -> None:
    noise = MUTES["noise"].replace(signal(count=30, side=40))
    error = np.array(STD) / np.sqrt(30 * 40 * 40)
    assert (np.abs(noise.mean((0, 2, 3)).numpy() - MEAN) < 5 * error).all()
    np.testing.assert_allclose(noise.std((0, 2, 3)).numpy(), STD, rtol=0.02)
    parts = [MUTES["noise"].replace(signal(count=15, start=s, side=40)) for s in (0, 15)]
    assert torch.equal(torch.cat(parts), noise)
    assert not torch.equal(noise[0], noise[1])


def test_noise_respects_the_kind() -> None:
    facts = Modality("x", "depth", mean=(0.0,), std=(1.0,))
    depth = MUTES["noise"].replace(Signal(torch.ones(2, 1, 9, 9), facts, np.arange(2)))
    assert depth.min() == 0.0
    probabilities = MUTES["noise"].replace(signal("probabilities"))
    assert (probabilities > 0).all()
    np.testing.assert_allclose(probabilities.sum(1).numpy(), 1.0, rtol=1e-6)


def test_noise_differs_between_inputs_and_seeds() -> None:
    first = signal()
    other_input = Signal(first.values, Modality("y", mean=MEAN, std=STD), first.indices, seed=3)
    other_seed = Signal(first.values, first.modality, first.indices, seed=4)
    noise = [MUTES["noise"].replace(s) for s in (first, other_input, other_seed)]
    assert not torch.equal(noise[0], noise[1])
    assert not torch.equal(noise[0], noise[2])


@given(count=st.integers(2, 60), seed=st.integers(0, 10**6))
def test_shuffle_is_a_derangement_of_the_whole_set(count: int, seed: int) -> None:
    order = random_order(count, seed)
    partner = dict(zip(order.tolist(), np.roll(order, -1).tolist(), strict=True))
    assert sorted(partner) == sorted(partner.values()) == list(range(count))
    assert all(sample != other for sample, other in partner.items())


def test_shuffle_needs_two_samples() -> None:
    with pytest.raises(InfluenceError, match="'shuffle' needs two samples or more, got 1"):
        random_order(1, 0)


def test_moments_must_fit_the_channels() -> None:
    bad = Signal(torch.ones(2, 3), Modality("x", mean=(1.0, 2.0)), np.arange(2))
    with pytest.raises(
        InfluenceError, match="'x': its facts hold 2 numbers as 'mean', expected 1 or 3"
    ):
        MUTES["mean"].replace(bad)


@given(optimal=st.lists(st.floats(-10, 10, width=32), min_size=2, max_size=5))
def test_optimal_must_fit_the_channels(optimal: list[float]) -> None:
    facts = Modality("x", optimal=tuple(optimal))
    muted = MUTES["optimal"]
    values = torch.ones(2, len(optimal), 3)
    found = muted.replace(Signal(values, facts, np.arange(2)))
    np.testing.assert_allclose(found[1, :, 2], optimal, rtol=1e-6)
    with pytest.raises(InfluenceError, match=rf"{len(optimal)} numbers as 'optimal', expected 1"):
        muted.replace(Signal(torch.ones(2, len(optimal) + 1), facts, np.arange(2)))


def test_panel_stands_for_its_mutes() -> None:
    assert tuple(m.name for m in parse_mutes(["panel"])) == PANEL
    named = [m.name for m in parse_mutes(["panel", "constant:0.5", "zero"])]
    assert named == [*PANEL[1:], "constant:0.5", "zero"]
    assert set(PANEL) <= MUTES.keys()


@pytest.mark.parametrize("kind", ["shuffle:groups", "shuffle:neighbours"])
def test_one_kind_of_shuffle_a_run(kind: str) -> None:
    with pytest.raises(
        InfluenceError, match=f"one kind of shuffle in a run, got shuffle and {kind}"
    ):
        parse_mutes(["zero", "shuffle", kind])
    named = [m.name for m in parse_mutes(["panel", kind])]
    assert named == ["zero", "mean", "uniform", "noise", "optimal", kind]


@pytest.mark.parametrize("text", ["constant:", "constant:x", "constant:nan", "constant"])
def test_constant_takes_a_finite_number(text: str) -> None:
    with pytest.raises(InfluenceError, match="expected constant:VALUE, such as"):
        parse_mute(text)


def test_unknown_mute_is_told_with_the_near_one() -> None:
    with pytest.raises(InfluenceError, match="unknown mute 'shufle': did you mean 'shuffle'"):
        parse_mutes(["zero", "shufle"])


@pytest.mark.parametrize(
    "names", [[], ["zero", "zero"], ["panel", "panel"], ["constant:1", "constant:1.0"]]
)
def test_mutes_must_differ_and_be_there(names: list[str]) -> None:
    with pytest.raises(InfluenceError, match=r"expected (mutes that differ|one mute or more)"):
        parse_mutes(names)
