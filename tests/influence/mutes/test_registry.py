"""Which mutes of the panel a network gets, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.mutes.registry import PANEL, choose_mutes
from influence.network.joint_network import JointNetwork, Modality
from tests.toy import Toy, batches, toy


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
def test_what_is_not_defined_is_left_out_and_told(
    known: tuple[str, ...], kind: str, sites: tuple[str, ...], left_out: tuple[str, ...]
) -> None:
    mutes, notes = choose_mutes(["panel", "constant:2"], network(*known, kind=kind), sites)
    names = [mute.name for mute in mutes]
    assert names == [*(n for n in PANEL if n not in left_out), "constant:2"]
    assert [note.split("'")[1] for note in notes] == list(left_out)


def test_training_data_define_optimal() -> None:
    mutes, notes = choose_mutes(["panel"], network(), ["depth", "semantic"], training=True)
    assert tuple(mute.name for mute in mutes) == PANEL
    assert notes == ()


def test_edges_have_no_optimal_constant() -> None:
    sites = ["depth", "edge:encoder"]
    mutes, notes = choose_mutes(["panel"], network("depth"), sites, training=True)
    assert [mute.name for mute in mutes] == ["zero", "mean", "shuffle", "noise"]
    assert notes[1].endswith("left out: it is for inputs, and edge:encoder is none")
    with pytest.raises(InfluenceError, match="'optimal': it is for inputs, and edge:encoder is"):
        choose_mutes(["optimal"], network("depth"), sites, training=True)


def test_what_is_named_is_never_left_out() -> None:
    with pytest.raises(InfluenceError, match=r"'optimal': the facts hold no .* of semantic\. Give"):
        choose_mutes(["panel", "optimal"], network("depth"), ["depth", "semantic"])
    mutes, notes = choose_mutes(["uniform"], network(kind="image"), ["depth"])
    assert [mute.name for mute in mutes] == ["uniform"]  # and the plan refuses it
    assert notes == ()


def test_panel_of_a_run(toy_file: Path) -> None:
    other = JointNetwork(Toy(), ["depth", "semantic"], ["depth", "semantic"], name="other")
    run = measure([toy(), other], toy_file, mutes=["panel"], draws=9, metrics={"depth": ["rms"]})
    found = run.influence.groupby("network")["mute"].unique().map(list).to_dict()
    assert found == {
        "toy": ["zero", "mean", "uniform", "shuffle", "noise"],
        "other": ["zero", "mean", "shuffle", "noise"],
    }
    assert run.info["measured"]["mutes"] == ["zero", "mean", "uniform", "shuffle", "noise"]
    uniform, optimal = (f"mute {n!r} of the panel was left out" for n in ("uniform", "optimal"))
    told = {key: [n.partition(":")[0] for n in own] for key, own in run.info["notes"].items()}
    assert told["toy"][0] == optimal
    assert told["other"][:2] == [uniform, optimal]


def test_named_mute_without_its_facts_is_refused() -> None:
    with pytest.raises(InfluenceError, match="network 'toy': mute 'optimal': the facts hold no"):
        measure(toy(), batches(), mutes=["zero", "optimal"])
