"""The one call: what it matches, what it refuses, what it writes down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from influence.analysis.comparison import compare
from influence.data.dataset import Batch
from influence.data.evaluation_file import EvaluationFile
from influence.errors import InfluenceError
from influence.measurement.pipeline import Checkpointing, measure
from influence.mutes.optimal import learn_optimal, with_optimal
from influence.network.joint_network import JointNetwork, Modality, Output
from influence.results.run_directory import Run
from influence.runtime.execution import Execution
from tests.toy import CLASSES, Toy, batches, joint, toy, toy_arrays, write_toy_file

QUICK: dict[str, Any] = {"mutes": ["zero"], "draws": 20, "metrics": {"depth": ["rms"]}}


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 0), (3, 2)])
def test_tables_do_not_depend_on_batch_size_or_workers(
    toy_file: Path, batch_size: int, workers: int
) -> None:
    options: dict[str, Any] = {"mutes": ["zero", "shuffle", "noise"], "draws": 100}
    reference = measure(toy(), toy_file, **options)
    found = measure(
        toy(), toy_file, execution=Execution(batch_size=batch_size, workers=workers), **options
    )
    for name in ("influence", "performance", "samples"):
        one, other = (getattr(run, name) for run in (reference, found))
        numbers = one.select_dtypes("number")
        assert numbers.notna().to_numpy().any()
        assert (numbers - other[numbers.columns]).abs().max().max() < 1e-6
        assert one.drop(columns=numbers).equals(other.drop(columns=numbers))


def test_batches_in_memory_give_what_the_file_gives(toy_file: Path) -> None:
    from_memory, from_file = (
        measure(toy(), d, mutes=["mean"], draws=10) for d in (batches(), toy_file)
    )
    columns = ["full", "muted", "omega", "omega_low", "p_holm"]
    gap = from_memory.influence[columns] - from_file.influence[columns]
    assert gap.abs().max().max() < 1e-12


def test_run_tells_what_was_measured(toy_file: Path) -> None:
    run = measure(toy(), toy_file, seed=3, confidence=0.9, limit=6, **QUICK)
    measured = run.info["measured"]
    (network,) = measured["networks"]
    assert (network["name"], network["seed"], network["sha256"]) == ("toy", 0, "")
    assert measured["data"]["n"] == 6
    assert len(measured["data"]["sha256"]) == 64
    assert (measured["mutes"], measured["seed"], measured["draws"]) == (["zero"], 3, 20)
    assert measured["confidence"] == 0.9
    assert set(run.influence["n"]) == {6}
    assert set(run.influence["confidence"]) == {0.9}
    assert run.info["versions"]["torch"] == torch.__version__


def test_only_the_wanted_sites_and_outputs(toy_file: Path) -> None:
    frame = measure(toy(), toy_file, sites=["semantic"], **QUICK).influence
    assert list(zip(frame["source"], frame["target"], strict=True)) == [("semantic", "depth")]


def test_seed_rules_the_random_mutes(toy_file: Path) -> None:
    options = QUICK | {"mutes": ["shuffle", "noise"]}
    first, same, other = (
        measure(toy(), toy_file, seed=s, **options).influence["omega"] for s in (1, 1, 2)
    )
    assert first.equals(same)
    assert (first != other).all()


def refusal(message: str, net: Any, data: Any, **options: Any) -> None:
    with pytest.raises(InfluenceError, match=message):
        measure(net, data, **(QUICK | options))


def test_unknown_names_are_told_with_the_near_ones(toy_file: Path) -> None:
    refusal("unknown mute 'zreo': did you mean 'zero'", toy(), toy_file, mutes=["zreo"])
    refusal("unknown site 'dept': did you mean 'depth'", toy(), toy_file, sites=["dept"])
    refusal("unknown metric 'rsm': did you mean 'rms'", toy(), toy_file, metrics={"depth": ["rsm"]})
    refusal("unknown output 'dep'.*'depth'", toy(), toy_file, metrics={"dep": ["rms"]})


def test_network_and_data_must_share_names(toy_file: Path) -> None:
    thermal = JointNetwork(Toy(), ["depth", "thermal"], ["depth", "semantic"])
    refusal(r"takes the inputs \['depth', 'thermal'\], but .*toy\.h5 holds.*'thermal' is missing",
            thermal, toy_file)  # fmt: skip
    flow = JointNetwork(Toy(), ["depth", "semantic"], ["flow", "semantic"])
    refusal(r"predicts 'flow', but .* ground truth for \['depth', 'semantic'\]", flow, toy_file,
            metrics={"flow": ["mse"]})  # fmt: skip
    x = torch.ones(3, 1)
    refusal(r"ground truth for \[\]", toy(), [({"depth": x, "semantic": x}, {})])


@pytest.mark.parametrize("shape", [(2, None, None), (1, 5, 7), (1, 5)])
def test_shapes_must_fit(toy_file: Path, shape: tuple[int | None, ...]) -> None:
    net = JointNetwork(Toy(), [Modality("depth", shape=shape), "semantic"], ["depth", "semantic"])
    refusal(r"toy\.h5: inputs/depth has shape \(1, 5, 6\) a sample.* expects", net, toy_file)


def test_classes_must_be_in_the_same_order(tmp_path: Path) -> None:
    attributes = {"targets/semantic": {"ignore": 255, "classes": CLASSES[::-1]}}
    path = write_toy_file(tmp_path / "a.h5", attributes=attributes)
    refusal(r"a\.h5: targets/semantic has the classes thing, wall, floor, network 'toy' predicts "
            "floor", toy(), path, metrics=None)  # fmt: skip
    attributes["targets/semantic"]["classes"] = [c.upper() for c in CLASSES]
    assert len(
        measure(toy(), write_toy_file(tmp_path / "b.h5", attributes=attributes), **QUICK).influence
    )


def test_names_of_classes_must_be_as_many_as_predicted(toy_file: Path) -> None:
    net = JointNetwork(Toy(), ["depth", "semantic"], ["depth", Output("semantic", classes=("a",))])
    refusal("gives 3 classes, but the facts name 1", net, toy_file, metrics=None)


def test_networks_must_have_names_of_their_own(toy_file: Path) -> None:
    refusal("two networks are called 'toy-seed0'", [toy(), toy()], toy_file)
    refusal("one network or more", [], toy_file)
    run = measure([toy(), joint(Toy(1), seed=1)], toy_file, **QUICK)
    assert sorted(run.rows) == ["toy-seed0", "toy-seed1"]


class Unreadable(EvaluationFile):
    """The user stops the program while the tenth sample is read."""

    def read(self, indices: NDArray[np.int64]) -> Batch:
        if 9 in indices:
            raise KeyboardInterrupt
        return super().read(indices)


def interrupted(folder: Path, data: Path, **options: Any) -> None:
    nets = [toy(), joint(Toy(1), "second")]
    with pytest.raises(KeyboardInterrupt):
        measure(nets, Unreadable(data), **QUICK, checkpointing=Checkpointing(folder), **options)


def resumed(folder: Path, data: Path, **options: Any) -> Run:
    nets = [toy(), joint(Toy(1), "second")]
    return measure(nets, data, **QUICK, checkpointing=Checkpointing(folder, resume=True), **options)


def test_resume_uses_what_was_finished(toy_file: Path, tmp_path: Path) -> None:
    interrupted(tmp_path, toy_file, batch_size=4)
    kept = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.safetensors")}
    assert len(kept) == 2
    run = resumed(tmp_path, toy_file, batch_size=4)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    whole = measure([toy(), joint(Toy(1), "second")], toy_file, **QUICK, batch_size=4)
    assert run.influence.equals(whole.influence)
    assert run.samples.equals(whole.samples)


def test_resume_with_other_arguments_is_refused(toy_file: Path, tmp_path: Path) -> None:
    interrupted(tmp_path, toy_file, batch_size=4)
    with pytest.raises(InfluenceError, match=r"with other batch_size\. Resume"):
        resumed(tmp_path, toy_file, batch_size=3)
    with pytest.raises(InfluenceError, match="with other seed"):
        resumed(tmp_path, toy_file, batch_size=4, seed=1)


def test_start_afresh_forgets_an_earlier_run(toy_file: Path, tmp_path: Path) -> None:
    interrupted(tmp_path, toy_file, batch_size=4, seed=1)
    interrupted(tmp_path, toy_file, batch_size=4)
    assert len(resumed(tmp_path, toy_file, batch_size=4).influence) == 4


def test_name_of_a_network_is_no_path(toy_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "unfinished"
    for _ in range(2):
        measure(joint(Toy(), ".."), toy_file, **QUICK, checkpointing=Checkpointing(folder))
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["unfinished"]


def test_what_the_facts_lack_is_learned_on_training_data(toy_file: Path) -> None:
    net, train = toy(), EvaluationFile(toy_file)
    run = measure(net, toy_file, **QUICK | {"mutes": ["mean", "optimal"]}, training=train, seed=2)
    learned = run.info["learned"]["toy"]
    assert learned == {s: list(c) for s, c in learn_optimal(toy(), train, seed=2).items()}
    told = [f"optimal of {s!r} was learned on {toy_file} (13 samples)" for s in learned]
    assert set(told) <= set(run.info["notes"]["toy"])
    assert [m.optimal for m in net.inputs] == [None, None]
    known = with_optimal(net, learned)
    expected = measure(known, toy_file, **QUICK | {"mutes": ["mean", "optimal"]}, seed=2)
    assert run.influence.equals(expected.influence)
    assert "optimal of 'depth' comes from the checkpoint" in expected.info["notes"]["toy"]


def test_what_the_facts_hold_is_not_learned(toy_file: Path) -> None:
    half = with_optimal(toy(), {"depth": (2.0,)})
    run = measure([half, joint(Toy(1), "second")], toy_file, **QUICK | {"mutes": ["panel"]},
                  training=batches())  # fmt: skip
    assert list(run.info["learned"]["toy"]) == ["semantic"]
    assert list(run.info["learned"]["second"]) == ["depth", "semantic"]
    assert "optimal" in set(run.influence["mute"])
    notes = run.info["notes"]["toy"]
    assert "optimal of 'depth' comes from the checkpoint" in notes
    assert "optimal of 'semantic' was learned on the data given (13 samples)" in notes


def test_training_data_without_their_mute_are_refused(toy_file: Path) -> None:
    refusal("training data are for the mute 'optimal', expected it among the mutes", toy(),
            toy_file, training=toy_file)  # fmt: skip


def test_a_resumed_run_learns_nothing_anew(
    toy_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = QUICK | {"mutes": ["optimal"], "training": toy_file, "batch_size": 4}
    with pytest.raises(KeyboardInterrupt):
        measure(toy(), Unreadable(toy_file), **options, checkpointing=Checkpointing(tmp_path))
    whole = measure(toy(), toy_file, **options)
    again = Checkpointing(tmp_path, resume=True)
    with pytest.raises(InfluenceError, match="was started with other training"):
        measure(toy(), toy_file, **options | {"training": batches()}, checkpointing=again)
    monkeypatch.delattr("influence.mutes.optimal.learn_optimal")
    run = measure(toy(), toy_file, **options, checkpointing=again)
    assert run.influence.equals(whole.influence)
    assert run.info["learned"] == whole.info["learned"]


@pytest.mark.parametrize("found", [5, [], [{"depth": "x"}], [{"smell": [1.0]}]])
def test_constants_of_another_form_are_told(toy_file: Path, tmp_path: Path, found: Any) -> None:
    options: dict[str, Any] = QUICK | {"mutes": ["optimal"], "training": toy_file}
    with pytest.raises(KeyboardInterrupt):
        measure(toy(), Unreadable(toy_file), **options, checkpointing=Checkpointing(tmp_path))
    (tmp_path / "optimal.json").write_text(json.dumps(found))
    with pytest.raises(InfluenceError, match=r"optimal\.json.* Start afresh with resume=False"):
        measure(toy(), toy_file, **options, checkpointing=Checkpointing(tmp_path, resume=True))


WITH_OTHER = ("floor", "other", "thing")
WITHOUT_OTHER: dict[str, Any] = {
    "metrics": {"semantic": ["arora"]}, "mutes": ["zero"], "levels": "depth=3", "draws": 20,
}  # fmt: skip


def arrays_with_other() -> dict[str, Any]:
    """Return toy arrays whose fifth sample is all 'other'."""
    arrays = toy_arrays()
    arrays["targets"]["semantic"][4] = WITH_OTHER.index("other")
    return arrays


def nameless(seed: int = 0, name: str = "network") -> JointNetwork:
    """A network of whose outputs only the names are known; the data name the classes."""
    return JointNetwork(Toy(seed), ("depth", "semantic"), ("depth", "semantic"), name=name)


@pytest.fixture(scope="module")
def file_with_other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("other") / "toy.h5"
    attributes = {"targets/semantic": {"ignore": 255, "classes": WITH_OTHER}}
    return write_toy_file(path, **arrays_with_other(), attributes=attributes)


def without_other(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["metric"] == "pixel_accuracy_without_other"]


@pytest.mark.parametrize("stream", [False, True])
def test_accuracy_without_other_is_that_of_plain_counts(
    file_with_other: Path, stream: bool
) -> None:
    arrays = arrays_with_other()
    labels, depth = (arrays["targets"][name] for name in ("semantic", "depth"))
    inputs = {name: torch.from_numpy(x) for name, x in arrays["inputs"].items()}
    right = nameless()(inputs)["semantic"].argmax(1).numpy() == labels
    counted = (labels != 255) & (labels != WITH_OTHER.index("other"))
    with np.errstate(invalid="ignore"):
        places = {"all": counted, "depth:0-3": counted & (depth < 3),
                  "depth:3-inf": counted & (depth >= 3)}  # fmt: skip
    run = measure(nameless(), file_with_other, batch_size=4, stream=stream, **WITHOUT_OTHER)
    found = without_other(run.performance[run.performance["mute"] == "none"])
    assert found.set_index("level")["value"].to_dict() == pytest.approx(
        {level: right[chosen].mean() for level, chosen in places.items()}
    )
    assert (found["low"] < found["high"]).all()


def test_a_sample_that_is_all_other_is_measured_and_has_no_value(file_with_other: Path) -> None:
    run = measure(nameless(), file_with_other, **WITHOUT_OTHER)
    own = without_other(run.samples)
    assert own["full"].isna().tolist() == 2 * [i == 4 for i in range(13)]
    assert without_other(run.influence)["omega"].notna().all()


def test_accuracy_without_other_is_compared(file_with_other: Path) -> None:
    networks = [nameless(0, "a"), nameless(1, "b")]
    run = measure(networks, file_with_other, **WITHOUT_OTHER)
    found = compare(run, pairs=[("a", "b")], metrics=["pixel_accuracy_without_other"])
    found = found[(found["quantity"] == "performance") & (found["level"] == "all")]
    full = without_other(run.performance[run.performance["mute"] == "none"])
    value = full[full["level"] == "all"].set_index("network")["value"]
    assert found["difference"].tolist() == pytest.approx([value["a"] - value["b"]])


def test_accuracy_without_other_needs_names_of_classes(toy_file: Path) -> None:
    message = r"toy.h5: output 'semantic': .* needs a class 'other', got floor, wall, thing\. Name"
    with pytest.raises(InfluenceError, match=message):
        measure(toy(), toy_file, **WITHOUT_OTHER)
