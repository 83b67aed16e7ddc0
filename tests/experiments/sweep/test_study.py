from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from experiments.sweep.study import Design, Sweep
from influence.errors import InfluenceError
from models.jrn import JRN, VARIANTS


def test_the_sweep_has_what_the_papers_question_needs() -> None:
    sweep = Sweep()
    designs = sweep.settings.designs
    assert len(designs) >= 12
    for label, config in VARIANTS.items():
        assert len(designs[label].seeds) >= 3
        member = next(member for member in sweep.members() if member.label == label)
        assert sweep.config(member, classes=5) == config
    places = [member.place for member in sweep.members()]
    assert len(places) == len(set(places))
    assert len(places) == sum(len(x.seeds) * len(x.conditions) for x in designs.values())


@pytest.mark.parametrize("label", Sweep().settings.designs)
def test_fused_channels_are_what_the_network_fuses(label: str) -> None:
    sweep = Sweep()
    member = next(member for member in sweep.members() if member.label == label)
    network = JRN(sweep.config(member, classes=5))
    convolution = network.get_submodule("scale1.fuse.0")
    assert convolution.in_channels == member.design.fused
    assert convolution.out_channels == member.design.channels


def test_c0_of_the_paper() -> None:
    assert [Design(fusion, 60).fused for fusion in ("cat", "sum")] == [40, 20]


def test_names_tell_conditions_apart_and_seeds_share_them(sweep: Sweep) -> None:
    assert [member.place for member in sweep.members()] == [
        "seed0/jrn-sum1",
        "seed1/jrn-sum1",
        "seed0/jrn-sum1-crossfit",
        "seed1/jrn-sum1-crossfit",
        "seed0/jrn-cat2",
        "seed0/jrn-cat2-crossfit",
    ]
    assert [x.place for x in sweep.choose(("seed1/jrn-sum1",))] == ["seed1/jrn-sum1"]
    with pytest.raises(InfluenceError, match="did you mean 'seed1/jrn-sum1'"):
        sweep.choose(("seed1/jrn-sum",))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("fusion = 'add'\nchannels = 1", "fusion"),
        ("fusion = 'cat'\nchannels = 0", "channels"),
        ("fusion = 'cat'\nchannels = 1\nseeds = [-1]", "seeds"),
        ("fusion = 'cat'\nchannels = 1\nC = 3", "C"),
    ],
)
def test_a_wrong_design_is_named(line: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text(f"[recipe]\n[designs.mine]\n{line}\n")
    with pytest.raises(InfluenceError, match=f"designs.mine.{told}"):
        _ = replace(Sweep(), results=tmp_path).settings


def test_cross_fitting_needs_two_parts(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text("folds = 1\n[recipe]\n[designs]\n")
    with pytest.raises(InfluenceError, match="folds"):
        _ = replace(Sweep(), results=tmp_path).settings


def test_every_part_has_a_network_a_task(sweep: Sweep) -> None:
    networks = sweep.single_task_networks()
    assert {study.folds for study, _, _ in networks} == {4}
    assert sorted((task, part) for _, task, part in networks) == [
        (task, f"fold{fold}") for task in ("depth", "segmentation") for fold in range(4)
    ]
