"""The mutes of the registry: what each shows instead of an input, and which ones a network gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from influence.data.derangement import random_order
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.mutes.mute import SiteTensor
from influence.mutes.registry import MUTES, PANEL, choose_mutes, parse_mute, parse_mutes
from influence.network.joint_network import JointNetwork, Modality
from tests.toy import Toy, batches, toy

MEAN, STD, OPTIMAL = (1.0, 2.0, 4.0), (0.5, 1.0, 0.1), (0.5, 0.25, 0.125)


def site(kind: str = "other", count: int = 4, start: int = 0, side: int = 8) -> SiteTensor:
    """A batch whose values are all NaN: whatever a mute takes from them shows."""
    values = torch.full((count, 3, side, side), float("nan"))
    facts = Modality("x", kind, mean=MEAN, std=STD, optimal=OPTIMAL)
    indices = np.arange(start, start + count)
    return SiteTensor(values, facts, indices, partners=torch.ones_like(values), seed=3)


OTHERS = ("mask", "mode")
"""The mutes for kinds of input that hold no such numbers."""

BUILT = [
    *(name for name, mute in MUTES.items() if not mute.absent and name not in OTHERS),
    "constant:0.5",
]


@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("kind", ["depth", "probabilities", "logits", "image"])
def test_nothing_of_the_muted_input_leaks(name: str, kind: str) -> None:
    muted = parse_mute(name).replace(site(kind))
    assert muted.isfinite().all()
    assert muted.shape == (4, 3, 8, 8)


@pytest.mark.parametrize("name", BUILT)
def test_a_network_may_reshape_or_change_what_it_gets(name: str) -> None:
    parse_mute(name).replace(site()).view(4, -1).add_(1.0)


def test_values_of_the_simple_mutes() -> None:
    assert parse_mute("zero").replace(site()).eq(0.0).all()
    assert parse_mute("constant:-2.5").replace(site()).eq(-2.5).all()
    assert parse_mute("mean").replace(site())[2, :, 5, 6].tolist() == list(MEAN)
    assert parse_mute("optimal").replace(site())[1, :, 0, 7].tolist() == list(OPTIMAL)
    assert parse_mute("shuffle").replace(site()).eq(1.0).all()


def test_uniform_knows_nothing() -> None:
    uniform = MUTES["uniform"]
    np.testing.assert_allclose(uniform.replace(site("probabilities")).numpy(), 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(uniform.replace(site("logits")).softmax(1), 1 / 3, rtol=1e-6)
    assert not uniform.applies_to(Modality("x", "depth"))
    assert uniform.applies_to(Modality("x", "probabilities"))


def test_absent_is_for_inputs_and_builds_nothing() -> None:
    absent = MUTES["absent"]
    assert absent.applies_to(Modality("x", "depth"))
    assert not absent.applies_to(Modality("edge:encoder"))
    with pytest.raises(AssertionError, match="None instead of 'x'"):
        absent.replace(site())


def test_noise_has_the_moments_and_does_not_depend_on_batches() -> None:
    noise = MUTES["noise"].replace(site(count=30, side=40))
    error = np.array(STD) / np.sqrt(30 * 40 * 40)
    assert (np.abs(noise.mean((0, 2, 3)).numpy() - MEAN) < 5 * error).all()
    np.testing.assert_allclose(noise.std((0, 2, 3)).numpy(), STD, rtol=0.02)
    parts = [MUTES["noise"].replace(site(count=15, start=s, side=40)) for s in (0, 15)]
    assert torch.equal(torch.cat(parts), noise)
    assert not torch.equal(noise[0], noise[1])


def test_noise_respects_the_kind() -> None:
    facts = Modality("x", "depth", mean=(0.0,), std=(1.0,))
    depth = MUTES["noise"].replace(SiteTensor(torch.ones(2, 1, 9, 9), facts, np.arange(2)))
    assert depth.min() == 0.0
    probabilities = MUTES["noise"].replace(site("probabilities"))
    assert (probabilities > 0).all()
    np.testing.assert_allclose(probabilities.sum(1).numpy(), 1.0, rtol=1e-6)


def test_noise_differs_between_inputs_and_seeds() -> None:
    first = site()
    other_input = SiteTensor(first.values, Modality("y", mean=MEAN, std=STD), first.indices, seed=3)
    other_seed = SiteTensor(first.values, first.modality, first.indices, seed=4)
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


@given(optimal=st.lists(st.floats(-10, 10, width=32), min_size=2, max_size=5))
def test_optimal_must_fit_the_channels(optimal: list[float]) -> None:
    facts = Modality("x", optimal=tuple(optimal))
    muted = MUTES["optimal"]
    values = torch.ones(2, len(optimal), 3)
    found = muted.replace(SiteTensor(values, facts, np.arange(2)))
    np.testing.assert_allclose(found[1, :, 2], optimal, rtol=1e-6)
    with pytest.raises(InfluenceError, match=rf"{len(optimal)} numbers as 'optimal', expected 1"):
        muted.replace(SiteTensor(torch.ones(2, len(optimal) + 1), facts, np.arange(2)))


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
    assert named == ["zero", "mean", "uniform", "noise", "optimal", "empty", "mode", kind]


@pytest.mark.parametrize("text", ["constant:", "constant:x", "constant:nan", "constant"])
def test_constant_takes_a_finite_number(text: str) -> None:
    with pytest.raises(InfluenceError, match="expected constant:VALUE, such as"):
        parse_mute(text)


def test_unknown_mute_is_refused_with_the_near_one() -> None:
    with pytest.raises(InfluenceError, match="unknown mute 'shufle': did you mean 'shuffle'"):
        parse_mutes(["zero", "shufle"])


@pytest.mark.parametrize(
    "names", [[], ["zero", "zero"], ["panel", "panel"], ["constant:1", "constant:1.0"]]
)
def test_mutes_must_differ_and_be_there(names: list[str]) -> None:
    with pytest.raises(InfluenceError, match=r"expected (mutes that differ|one mute or more)"):
        parse_mutes(names)


NUMERIC = ("zero", "mean", "uniform", "shuffle", "noise", "optimal")
"""The mutes of the panel for numbers; those for other kinds are left out without a word."""


def network(*optimal: str, kind: str = "probabilities") -> JointNetwork:
    """A network of two inputs, some of which have an optimal constant."""
    return JointNetwork(
        nn.Identity(),
        [
            Modality(name, own, optimal=(0.5,) if name in optimal else None)
            for name, own in (("depth", "depth"), ("semantic", kind))
        ],
        ["z"],
    )


@pytest.mark.parametrize(
    ("known", "kind", "sites", "left_out"),
    [
        (("depth", "semantic"), "probabilities", ("depth", "semantic"), ()),
        (("depth", "semantic"), "logits", ("depth", "semantic"), ()),
        (("depth", "semantic"), "image", ("depth", "semantic"), ("uniform",)),
        (("depth",), "probabilities", ("depth", "semantic"), ("optimal",)),
        (("depth",), "probabilities", ("depth",), ("uniform",)),
        ((), "vector", ("depth", "semantic"), ("uniform", "optimal")),
    ],
)
def test_what_is_not_defined_is_left_out_with_a_note(
    known: tuple[str, ...], kind: str, sites: tuple[str, ...], left_out: tuple[str, ...]
) -> None:
    mutes, notes = choose_mutes(["panel", "constant:2"], network(*known, kind=kind), sites)
    names = [mute.name for mute in mutes]
    assert names == [*(n for n in NUMERIC if n not in left_out), "constant:2"]
    assert [note.split("'")[1] for note in notes] == list(left_out)


def test_training_data_define_optimal() -> None:
    mutes, notes = choose_mutes(["panel"], network(), ["depth", "semantic"], training=True)
    assert tuple(mute.name for mute in mutes) == NUMERIC
    assert notes == ()


def test_edges_have_no_optimal_constant() -> None:
    sites = ["depth", "edge:encoder"]
    mutes, notes = choose_mutes(["panel"], network("depth"), sites, training=True)
    assert [mute.name for mute in mutes] == ["zero", "mean", "shuffle", "noise"]
    assert notes[1].endswith("left out: it is for inputs, not for edges such as edge:encoder")
    with pytest.raises(InfluenceError, match="'optimal': it is for inputs, not for edges such"):
        choose_mutes(["optimal"], network("depth"), sites, training=True)


def test_what_is_named_is_never_left_out() -> None:
    with pytest.raises(InfluenceError, match=r"'optimal': the facts hold no .* of semantic\. Give"):
        choose_mutes(["panel", "optimal"], network("depth"), ["depth", "semantic"])
    mutes, notes = choose_mutes(["uniform"], network(kind="image"), ["depth"])
    assert [mute.name for mute in mutes] == ["uniform"]  # and the plan refuses it
    assert notes == ()


def test_panel_of_a_run(toy_file: Path) -> None:
    other = JointNetwork(Toy(), ["depth", "semantic"], ["depth", "semantic"], name="other")
    run = measure([toy(), other], toy_file, mutes=["panel"], draws=10, metrics={"depth": ["rms"]})
    found = run.influence.groupby("network")["mute"].unique().map(list).to_dict()
    assert found == {
        "toy": ["zero", "mean", "uniform", "shuffle", "noise"],
        "other": ["zero", "mean", "shuffle", "noise"],
    }
    assert run.info["measured"]["mutes"] == ["zero", "mean", "uniform", "shuffle", "noise"]
    uniform, optimal = (f"mute {n!r} of the panel was left out" for n in ("uniform", "optimal"))
    left_out = {key: [n.partition(":")[0] for n in own] for key, own in run.info["notes"].items()}
    assert left_out["toy"][0] == optimal
    assert left_out["other"][:2] == [uniform, optimal]


def test_named_mute_without_its_facts_is_refused() -> None:
    with pytest.raises(InfluenceError, match="network 'toy': mute 'optimal': the facts hold no"):
        measure(toy(), batches(), mutes=["zero", "optimal"])
