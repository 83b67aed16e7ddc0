"""Expectations: which texts are read, and which are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from influence.cli import main
from influence.errors import InfluenceError
from influence.measurement.expectations import Expectation, parse_expectation, read_expectations
from influence.measurement.pipeline import Checkpointing, measure
from influence.metrics.metric import Metric
from influence.metrics.registry import METRICS
from influence.network.joint_network import JointNetwork
from tests.toy import Toy, batches, joint, toy, toy_arrays


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("d:rms=0.5+-0.1", Expectation("d", "rms", 0.5, 0.1)),
        ("d:rms=0.5±0.1", Expectation("d", "rms", 0.5, 0.1)),
        ("d:rms=-5e-1 +- 1e-1", Expectation("d", "rms", -0.5, 0.1)),
        ("d:rms=1e+2+-0", Expectation("d", "rms", 100.0, 0.0)),
        ("net/d:rms=1+-2", Expectation("d", "rms", 1.0, 2.0, "net")),
        ("a/b:c/d:rms=1+-2", Expectation("d", "rms", 1.0, 2.0, "a/b:c")),
        ("d:mine:loudness=1+-2", Expectation("d", "mine:loudness", 1.0, 2.0)),
    ],
)
def test_the_form_of_an_expectation(text: str, expected: Expectation) -> None:
    assert parse_expectation(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "d", "d:rms", "d:rms=1", "d:rms=1+-", "d:rms=+-1", "d=1+-2", ":rms=1+-2", "d:=1+-2",
     "d:rms=one+-2", "d:rms=1+-two", "d:rms=1-+2", "/d:rms=1+-2", "d:rms=1+-2+-3"],
)  # fmt: skip
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(InfluenceError, match=r"expected output:metric=value\+-tolerance, such as"):
        parse_expectation(text)


@pytest.mark.parametrize("text", ["nan+-1", "inf+-1", "1+-nan", "1+-inf", "1+--1"])
def test_numbers_must_make_sense(text: str) -> None:
    with pytest.raises(InfluenceError, match="finite score of 'd' and a tolerance of 0 or more"):
        parse_expectation(f"d:rms={text}")


def test_one_text_or_several_texts_and_records() -> None:
    known = Expectation("d", "rms", 0.5, 0.1)
    assert read_expectations("d:rms=0.5+-0.1") == [known]
    assert read_expectations(["d:rms=0.5+-0.1", known]) == [known, known]
    assert read_expectations([]) == []


QUICK: dict[str, Any] = {"mutes": ["zero"], "draws": 20, "device": "cpu"}


def clean_rms(count: int = 13, seed: int = 0) -> float:
    """Compute the network's rms by hand."""
    arrays = toy_arrays()
    inputs = {name: torch.from_numpy(x[:count]) for name, x in arrays["inputs"].items()}
    guess = Toy(seed)(**inputs)[0].detach().double().numpy()[:, 0]
    return float(np.sqrt(np.nanmean((guess - arrays["targets"]["depth"][:count]) ** 2)))


@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("stream", [False, True])
def test_a_score_computed_by_hand_passes(
    toy_file: Path, reads: list[int], limit: int | None, stream: bool
) -> None:
    score = clean_rms(limit or 13)
    options = QUICK | {"limit": limit, "stream": stream, "batch_size": 4}
    run = measure(toy(), toy_file, expect=[f"depth:rms={score}+-1e-6"], **options)
    assert run.info["expected"] == [
        {"output": "depth", "metric": "rms", "value": score, "tolerance": 1e-6, "network": "toy",
         "found": pytest.approx(score, abs=1e-6)}
    ]  # fmt: skip
    assert len(reads) == 2 * (limit or 13)  # one pass of its own, then the measurement's
    plain = measure(toy(), toy_file, **options)
    assert plain.influence.equals(run.influence)
    assert plain.info["measured"] == run.info["measured"]
    assert plain.info["expected"] == []


def test_another_score_stops_before_measuring(
    toy_file: Path, tmp_path: Path, reads: list[int]
) -> None:
    out = tmp_path / "out"
    score = clean_rms()
    with pytest.raises(InfluenceError) as told:
        measure(
            toy(),
            toy_file,
            expect=[f"depth:rms={score + 0.1}+-0.09", f"depth:rms={score}+-0.01"],
            checkpointing=Checkpointing(out / "unfinished", target=out),
            **QUICK,
        )
    message = str(told.value)
    assert f"network 'toy': expected depth rms = {score + 0.1:g} ± 0.09, got {score:.6g}" in message
    assert message.count("got") == 1  # the one that is right is not complained of
    assert "on 13 samples" in message
    for what in ("checkpoint", "preprocessing", "labels", "ignore"):
        assert what in message
    assert not out.exists()
    assert len(reads) == 13


def test_the_tolerance_is_inclusive_and_a_single_text_will_do() -> None:
    x = torch.full((4, 1), 2.0)
    net = JointNetwork(torch.nn.Bilinear(1, 1, 1, bias=False), ["x", "y"], ["z"])
    torch.nn.init.ones_(net.module.weight)  # type: ignore[arg-type]
    data = [({"x": x, "y": x}, {"z": torch.ones(4, 1)})]
    # mse = (2 * 2 - 1)^2 = 9
    found = measure(net, data, expect="z:mse=9.5+-0.5", **QUICK).info["expected"]
    assert [score["found"] for score in found] == [9.0]
    with pytest.raises(InfluenceError, match=r"expected z mse = 9.5 ± 0.25, got 9\."):
        measure(net, data, expect="z:mse=9.5+-0.25", **QUICK)


def test_a_score_that_is_not_defined_is_wrong(toy_file: Path) -> None:
    void = METRICS["rms"]
    nothing = Metric("void", void.statistic, lambda sums: np.full(sums.shape[:-1], np.nan), True)
    with pytest.raises(InfluenceError, match=r"void = 0 ± 1e\+09, got nan"):
        measure(
            toy(), toy_file, metrics={"depth": [nothing]}, expect=["depth:void=0+-1e9"], **QUICK
        )


def test_a_metric_that_is_not_measured_can_be_expected(toy_file: Path) -> None:
    run = measure(toy(), toy_file, metrics={"semantic": ["mean_iou"]}, draws=10, mutes=["zero"],
                  expect=[f"depth:rms={clean_rms()}+-1e-6"])  # fmt: skip
    assert set(run.influence["metric"]) == {"mean_iou"}


@pytest.mark.parametrize("planned", [True, False])
@pytest.mark.parametrize("stream", [True, False])
def test_a_metric_that_keeps_its_own_state_can_be_expected(
    toy_file: Path, planned: bool, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(toy_file.parent)
    (toy_file.parent / "own_rms.py").write_text(
        "import torchmetrics\n\n"
        "def rms():\n    return torchmetrics.MeanSquaredError(squared=False)\n"
    )
    metrics: Any = {"depth": ["own_rms:rms" if planned else "rms"]}
    name = "MeanSquaredError" if planned else "own_rms:rms"
    arrays = toy_arrays()
    guess = Toy()(**{n: torch.from_numpy(x) for n, x in arrays["inputs"].items()})[0]
    truth = torch.from_numpy(arrays["targets"]["depth"])
    known = truth.isfinite()
    score = (guess[:, 0][known] - truth[known]).square().mean().sqrt().item()
    options = QUICK | {"metrics": metrics, "stream": stream}
    run = measure(toy(), toy_file, expect=[f"depth:{name}={score}+-1e-5"], **options)
    assert run.info["expected"][0]["found"] == pytest.approx(score, abs=1e-5)
    with pytest.raises(InfluenceError, match=f"expected depth {name} = 0 "):
        measure(toy(), toy_file, expect=[f"depth:{name}=0+-1e-5"], **options)


def test_of_several_networks_one_or_all_can_be_meant(toy_file: Path) -> None:
    nets = [toy(), joint(Toy(1), "other", 1), joint(Toy(2), "other", 2)]
    own = {"toy": clean_rms(), "other-seed2": clean_rms(seed=2)}
    expect = [f"{name}/depth:rms={score}+-1e-6" for name, score in own.items()]
    found = measure(nets, toy_file, expect=expect, **QUICK).info["expected"]
    assert [(score["network"], score["found"]) for score in found] == [
        (name, pytest.approx(score)) for name, score in own.items()
    ]
    assert clean_rms(seed=1) != pytest.approx(own["toy"], abs=1e-3)
    with pytest.raises(InfluenceError, match=r"'other-seed1': expected .*'other-seed2': expected"):
        measure(nets, toy_file, expect=[f"depth:rms={own['toy']}+-1e-6"], **QUICK)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("toyy/depth:rms=1+-1", "unknown network 'toyy': did you mean 'toy'"),
        ("dept:rms=1+-1", "unknown output 'dept': did you mean 'depth'"),
        ("depth:rsm=1+-1", "unknown metric 'rsm': did you mean 'rms'"),
    ],
)
def test_unknown_names_are_told_before_anything_is_read(
    toy_file: Path, reads: list[int], text: str, message: str
) -> None:
    with pytest.raises(InfluenceError, match=message):
        measure(toy(), toy_file, expect=[text], **QUICK)
    assert reads == []


def test_the_mode_in_which_a_network_came_is_still_told(toy_file: Path) -> None:
    net = toy()
    net.module.train()
    run = measure(net, toy_file, expect=[f"depth:rms={clean_rms()}+-1e-6"], **QUICK)
    assert any("training mode" in note for note in run.info["notes"]["toy"])


def stream() -> Iterator[Any]:
    yield from batches()


def test_a_stream_that_starts_again_is_read_twice() -> None:
    expect = [f"depth:rms={clean_rms()}+-1e-6"]
    run = measure(toy(), batches(), stream=True, expect=expect, **QUICK)
    plain = measure(toy(), batches(), stream=True, **QUICK)
    assert run.influence.equals(plain.influence)
    # Collected in memory, an iterator will do.
    assert measure(toy(), stream(), expect=expect, **QUICK).info["expected"]


def test_a_stream_that_is_read_once_is_refused() -> None:
    with pytest.raises(InfluenceError, match=r"is a generator, which can be read only once"):
        measure(toy(), stream(), stream=True, expect=["depth:rms=1+-1"], **QUICK)


class Worn:
    """Looks as if it could be read again, and goes on where it was."""

    def __init__(self) -> None:
        self.rest = stream()

    def __iter__(self) -> Iterator[Any]:
        yield from self.rest


def test_a_stream_that_does_not_start_again_is_found_out() -> None:
    with pytest.raises(InfluenceError, match=r"yielded 9 samples when .* checked and 4 when"):
        measure(toy(), Worn(), stream=True, expect=["depth:rms=1+-100"], **QUICK)


def shell(toy_file: Path, tmp_path: Path, *expect: str) -> Any:
    weights = tmp_path / "net.pt"
    torch.save(Toy().state_dict(), weights)
    return CliRunner().invoke(
        main,
        ["measure", str(weights), "--network", "tests.toy:toy", "--data", str(toy_file), "--out",
         str(tmp_path / "out"), "--draws", "20", "--device", "cpu",
         *(word for text in expect for word in ("--expect", text))],
    )  # fmt: skip


def test_from_the_shell(toy_file: Path, tmp_path: Path) -> None:
    score = clean_rms()
    wrong = shell(toy_file, tmp_path, f"depth:rms={score}+-0.01", "semantic:mean_iou=54±1")
    assert wrong.exit_code == 1
    assert "expected semantic mean_iou = 54 ± 1, got 0." in wrong.stderr
    assert not (tmp_path / "out").exists()
    right = shell(toy_file, tmp_path, f"net/depth:rms={score}+-0.01")
    assert right.exit_code == 0, right.output
    info = json.loads((tmp_path / "out" / "run.json").read_text())
    assert info["expected"][0]["found"] == pytest.approx(score, abs=1e-6)
