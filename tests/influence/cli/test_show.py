"""``influence show``: what is available, what a file holds."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest
import torch
from click.testing import CliRunner

from influence.cli import main
from influence.metrics.registry import METRICS
from influence.metrics.sets import SETS
from influence.mutes.registry import MUTES
from influence.network.checkpoints import export_checkpoint
from influence.runtime.files import sha256_of
from tests.toy import CLASSES, toy, toy_arrays, write_toy_file


def shown(what: str) -> str:
    result = CliRunner().invoke(main, ["show", what])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize(("what", "names"), [("metrics", METRICS), ("mutes", MUTES)])
def test_registries_are_listed_one_a_line(what: str, names: dict[str, object]) -> None:
    lines = shown(what).splitlines()
    assert [line.split()[0] for line in lines][: len(names)] == list(names)


def test_metrics_that_need_no_truth_say_so() -> None:
    facts = {line.split()[0] for line in shown("metrics").splitlines() if "no ground truth" in line}
    assert facts == {
        "kl_divergence", "changed_labels", "changed_foreground", "relative_change",
        "absolute_change",
    }  # fmt: skip


def test_sets_are_listed_after_the_metrics_with_the_printed_names() -> None:
    lines = shown("metrics").splitlines()[len(METRICS) :]
    assert [line.split()[0] for line in lines if "a set" in line] == list(SETS)
    assert "  of labels: pixel_accuracy (G), class_accuracy (C), mean_iou (IoUclass)" in lines
    assert any(line.endswith("rms_log (RMSE-log), si_log (SIE)") for line in lines)


def test_evaluation_file(tmp_path: Path) -> None:
    attributes = {"targets/semantic": {"ignore": 255, "classes": CLASSES}}
    path = write_toy_file(tmp_path / "a.h5", groups=[0, 1] * 6 + [2], attributes=attributes)
    text = shown(str(path))
    for fact in (
        "a: evaluation file, 13 samples, groups: 3",
        "inputs/semantic: values, 3 x 5 x 6",
        "targets/semantic: labels, 5 x 6; ignore 255.0; classes floor, wall, thing",
        "targets/depth: values, 5 x 6; unit m",
        f"sha256 {sha256_of(path)}",
    ):
        assert fact in text


def test_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "toy.pt2"
    example = {"depth": torch.ones(2, 1, 5, 6), "semantic": torch.ones(2, 3, 5, 6)}
    export_checkpoint(toy(), path, example)
    text = shown(str(path))
    assert "toy: network, 148 weights, seed 0" in text  # 4 x 4 x 3 x 3 + 4
    assert 'outputs/semantic: {"kind": "probabilities", "classes": ["floor", "wall"' in text
    assert f"sha256 {sha256_of(path)}" in text


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "toy.pt2"
    example = {"depth": torch.ones(2, 1, 5, 6), "semantic": torch.ones(2, 3, 5, 6)}
    export_checkpoint(toy(), path, example)
    return path


def test_computation_of_a_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    text = shown(str(checkpoint))
    assert "one sample of depth 1 x 128 x 128, semantic 3 x 128 x 128" in text  # free axes
    result = CliRunner().invoke(
        main, ["show", str(checkpoint), "--data", str(write_toy_file(tmp_path / "a.h5"))]
    )
    assert "one sample of depth 1 x 5 x 6, semantic 3 x 5 x 6" in result.stdout
    flops = 2 * 4 * 4 * 3 * 3 * 5 * 6  # one convolution of 4 channels, which all setups need
    numbers = [float(line.split("GFLOPs")[0].split()[-1]) for line in result.stdout.splitlines()
               if "GFLOPs" in line]  # fmt: skip
    assert numbers == pytest.approx([flops / 1e9, 3 * flops / 1e9, 3 * flops / 1e9], rel=1e-3)
    assert "depth and semantic meet in network.cat" in text


def test_computation_on_data_that_do_not_fit(checkpoint: Path, tmp_path: Path) -> None:
    arrays = toy_arrays()
    arrays["inputs"]["semantic"] = arrays["inputs"]["semantic"][:, :2]
    data = write_toy_file(tmp_path / "a.h5", **arrays)
    result = CliRunner().invoke(main, ["show", str(checkpoint), "--data", str(data)])
    assert result.exit_code == 0
    assert "computation: unknown for depth 1 x 5 x 6, semantic 2 x 5 x 6" in result.stdout
    del arrays["inputs"]["semantic"]
    data = write_toy_file(tmp_path / "b.h5", **arrays)
    result = CliRunner().invoke(main, ["show", str(checkpoint), "--data", str(data)])
    assert result.exit_code == 1
    assert "b.h5: expected the input 'semantic', the data hold ['depth']" in result.stderr


@pytest.mark.parametrize("name", ["gone.h5", "gone.pt2"])
def test_missing_file(name: str) -> None:
    result = CliRunner().invoke(main, ["show", name])
    assert result.exit_code == 1
    assert name in result.stderr


def test_what_a_metric_needs_and_means_is_said() -> None:
    lines = shown("metrics").splitlines()
    assert [x.split()[0] for x in lines if x.endswith("needs a range")] == ["psnr", "psnr_mean"]
    assert [x.split()[0] for x in lines if x.endswith("of kind depth: depth_rms")] == ["rms"]


def checked(path: Path) -> str:
    result = CliRunner().invoke(main, ["show", str(path), "--check"])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_check_says_what_was_compared(tmp_path: Path, checkpoint: Path) -> None:
    data = write_toy_file(tmp_path / "a.h5", ids=[f"i{i}" for i in range(13)])
    assert "as their checksums say: ids, inputs/depth, inputs/semantic, targets/" in checked(data)
    assert "as the checksums of its members say" in checked(checkpoint)
    (tmp_path / "run").mkdir()
    data.rename(tmp_path / "run" / "rows.h5")
    assert checked(tmp_path / "run").startswith("rows.h5: every byte of 5 datasets was read")


def test_check_of_a_damaged_file_ends_with_its_reason(tmp_path: Path) -> None:
    path = write_toy_file(tmp_path / "a.h5")
    content = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        chunk = file["inputs/depth"].id.get_chunk_info(0)
    content[chunk.byte_offset + chunk.size // 2] ^= 1
    path.write_bytes(content)
    result = CliRunner().invoke(main, ["show", str(path), "--check"])
    assert result.exit_code == 1
    assert "inputs/depth: samples 0 to 12 do not match their checksums" in str(result.output)


def test_inputs_of_a_huge_shape_are_not_made_up(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("influence.cli.show.MOST", 20)
    assert "computation: name an evaluation file with --data" in shown(str(checkpoint))


@pytest.mark.parametrize("what", ["/dev/zero", "d" * 5000])
def test_what_is_no_file_ends_with_a_sentence(what: str) -> None:
    for options in ([], ["--check"]):
        result = CliRunner().invoke(main, ["show", what, *options])
        assert (result.exit_code, type(result.exception)) == (1, SystemExit)
