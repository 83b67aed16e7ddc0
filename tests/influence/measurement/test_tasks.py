"""Tasks: what is measured of each network, from the arguments of a measurement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from influence.data.evaluation_file import EvaluationFile
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.measurement.tasks import Request, Task, make_tasks
from influence.network.joint_network import JointNetwork
from tests.toy import Toy, joint, toy


def tasks_of(
    path: Path, *networks: JointNetwork, training: bool = False, **asked: Any
) -> list[Task]:
    request = Request(**({"mutes": ["zero"], "meeting": "off"} | asked))
    return make_tasks(networks, EvaluationFile(path), request, count=13, training=training)


def test_a_key_has_the_seed_only_where_names_are_shared(toy_file: Path) -> None:
    (alone,) = tasks_of(toy_file, toy())
    shared = tasks_of(toy_file, toy(), joint(Toy(1), seed=1), joint(Toy(2), "other"))
    assert alone.key == "toy"
    assert [task.key for task in shared] == ["toy-seed0", "toy-seed1", "other"]
    with pytest.raises(InfluenceError, match="two networks are called 'toy-seed0'"):
        tasks_of(toy_file, toy(), toy())
    with pytest.raises(InfluenceError, match="one network or more to measure, got none"):
        tasks_of(toy_file)


def test_interactions_run_the_setups_that_they_need(toy_file: Path) -> None:
    plain, together = (
        task.plan.conditions(task.network)
        for of_all in (False, True)
        for task in tasks_of(toy_file, toy(), interactions=of_all)
    )
    assert [len(c.setup) for c in plain] == [0, 1, 1]
    assert sorted(len(c.setup) for c in together) == [0, 1, 1, 2]


def test_what_is_left_out_is_noted_once(toy_file: Path) -> None:
    (task,) = tasks_of(toy_file, toy(), mutes=["panel"])
    names = {mute.name for mute in task.plan.mutes}
    assert "optimal" not in names
    assert any("'optimal' of the panel was left out" in note for note in task.notes)
    assert task.with_notes(task.notes).notes == task.notes


def test_constants_that_were_learned_stay_with_the_task(toy_file: Path) -> None:
    data = EvaluationFile(toy_file)
    (task,) = tasks_of(toy_file, toy(), mutes=["optimal"], training=True)
    found = task.with_constants({"depth": [2.0], "semantic": [1.0, 0.0, 0.0]}, data)
    assert found.network.inputs[0].optimal == (2.0,)
    assert task.network.inputs[0].optimal is None
    assert f"optimal of 'depth' was learned on {toy_file} (13 samples)" in found.notes


def test_a_subject_bears_the_names_of_network_and_data(toy_file: Path) -> None:
    data = EvaluationFile(toy_file)
    (task,) = tasks_of(toy_file, toy(), sites=["depth"])
    subject = task.subject(data)
    assert (subject.network, subject.seed, subject.dataset) == ("toy", 0, data.name)
    assert subject.modalities == ("depth", "semantic")
    assert subject.classes["semantic"] == ("floor", "wall", "thing")
    assert subject.units["depth"] == data.targets["depth"].unit


def test_a_stream_leaves_out_by_default_what_it_cannot_serve() -> None:
    inputs = [{"x": torch.ones(4, 2), "y": torch.ones(4, 2)} for _ in range(2)]
    batches = [(own, {"z": own["x"]}) for own in inputs]
    network = JointNetwork(torch.nn.Bilinear(2, 2, 2), ["x", "y"], ["z"])
    found = measure(network, iter(batches), stream=True)
    assert set(found.influence["mute"]) == {"zero"}
    (note,) = [n for n in found.info["notes"]["network"] if "was left out" in n]
    assert note.startswith("mute 'mean' was left out: a stream cannot be read twice to find the")
    with pytest.raises(InfluenceError, match="a stream cannot be read twice"):
        measure(network, iter(batches), stream=True, mutes=["zero", "mean"])
