"""Metrics that keep their own state, from end to end: values as known, and nothing made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torchmetrics import MeanSquaredError
from torchmetrics.classification import MulticlassJaccardIndex

from influence.data.dataset import Sample
from influence.data.evaluation_file import EvaluationFile
from influence.errors import InfluenceError
from influence.measurement.pipeline import Checkpointing, measure
from influence.results.run import Run, read_run
from influence.runtime.processes import Processes
from tests.toy import batches, toy

UNKNOWN = ["omega_low", "omega_high", "p_value", "p_holm"]


def run(data: Any, **options: Any) -> Run:
    metrics = {
        "depth": ["mse", MeanSquaredError()],
        "semantic": [MulticlassJaccardIndex(3), "mean_iou"],
    }
    known: dict[str, Any] = {"metrics": metrics, "mutes": ["zero", "constant:0.5"], "draws": 20}
    return measure(toy(), data, **(known | options))


@pytest.mark.parametrize("options", [{"batch_size": 4}, {"batch_size": 1}, {"stream": True}])
def test_values_are_those_of_the_same_metric_of_the_library(
    toy_file: Path, options: dict[str, Any]
) -> None:
    found = run(batches() if "stream" in options else toy_file, **options)
    frame = found.influence[found.influence["level"] == "all"]
    index = ["mute", "source", "target"]
    for own, name in (("mse", "MeanSquaredError"), ("mean_iou", "MulticlassJaccardIndex")):
        one, other = (frame[frame["metric"] == n].set_index(index) for n in (own, name))
        assert len(one) == 4
        gap = one[["full", "muted", "omega"]] - other[["full", "muted", "omega"]]
        assert gap.abs().max().max() < 1e-5
        assert one[["higher_is_better", "n"]].equals(other[["higher_is_better", "n"]])
        assert other[UNKNOWN].isna().all(axis=None)
        assert one["omega_low"].notna().all()
        values = found.performance[found.performance["level"] == "all"]
        one, other = (values[values["metric"] == n].set_index(["mute", "setup"])
                      for n in (own, name))  # fmt: skip
        assert len(one) == 5
        assert (one["value"] - other["value"]).abs().max() < 1e-5
        assert other[["low", "high"]].isna().all(axis=None)


def test_said_in_the_notes_and_in_the_arguments(toy_file: Path) -> None:
    info = run(toy_file).info
    told = "MeanSquaredError, MulticlassJaccardIndex: value only, no interval and no p-value"
    assert [note for note in info["notes"]["toy"] if note.startswith(told)]
    (network,) = info["measured"]["networks"]
    assert network["metrics"] == {"depth": ["mse"], "semantic": ["mean_iou"]}
    assert network["stateful"]["semantic"] == ["MulticlassJaccardIndex"]


def test_alone(toy_file: Path, tmp_path: Path) -> None:
    whole = run(toy_file).influence
    found = run(toy_file, metrics={"depth": [MeanSquaredError()]})
    assert found.samples.empty
    assert found.influence["omega"].tolist() == (
        whole[whole["metric"] == "MeanSquaredError"]["omega"].tolist()
    )
    found.write(tmp_path)
    again = read_run(tmp_path)
    assert again.samples.empty
    assert again.influence["omega"].tolist() == pytest.approx(found.influence["omega"].tolist())


def test_interactions_are_those_of_the_same_metric_of_the_library(toy_file: Path) -> None:
    frame = run(toy_file, interactions=True).interactions
    frame = frame[frame["level"] == "all"]
    index = ["mute", "target", "kind", "players"]
    for own, name in (("mse", "MeanSquaredError"), ("mean_iou", "MulticlassJaccardIndex")):
        one, other = (frame[frame["metric"] == n].set_index(index) for n in (own, name))
        assert len(one) == len(other) == 2 * (3 * 2 + 1)
        assert (one["value"] - other["value"]).abs().max() < 1e-5
        assert other[["low", "high"]].isna().all(axis=None)
        assert one[["low", "high"]].notna().all(axis=None)


class Unreadable(EvaluationFile):
    """The user stops the program while the tenth sample is read."""

    def __getitem__(self, index: int) -> Sample:
        if index == 9:
            raise KeyboardInterrupt
        return super().__getitem__(index)


def test_interrupted_run_is_not_gone_on_from(toy_file: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"mutes": ["zero"], "batch_size": 4}
    with pytest.raises(KeyboardInterrupt):
        run(Unreadable(toy_file), checkpointing=Checkpointing(tmp_path), **options)
    resumed = Checkpointing(tmp_path, resume=True)
    message = r"'MeanSquaredError' keeps its own state .* without --resume"
    with pytest.raises(InfluenceError, match=message):
        run(toy_file, checkpointing=resumed, **options)
    afresh = run(toy_file, checkpointing=Checkpointing(tmp_path), **options)
    assert afresh.influence.equals(run(toy_file, **options).influence)


@pytest.mark.parametrize("stream", [False, True])
def test_several_processes_cannot_share_a_state(
    toy_file: Path, tmp_path: Path, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Processes, "broadcast", lambda self, value: value)
    monkeypatch.setattr(Processes, "barrier", lambda self: None)
    with pytest.raises(InfluenceError, match=r"'MeanSquaredError' .* by several processes"):
        run(toy_file, stream=stream, checkpointing=Checkpointing(tmp_path),
            processes=Processes(0, 2))  # fmt: skip
