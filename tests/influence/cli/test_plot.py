"""`influence plot`: it writes a figure, or ends clearly and leaves the earlier one."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from influence.cli import main
from influence.display.plots import PLOTS
from tests.tables_of_runs import influence_frame, performance_frame, write_run

OPTIONS = {
    "performance": ["--group", "loose=jrn-cat60,jrn-cat10", "--group", "coupled=jrn-sum60"],
    "mutes": ["--mute", "zero, mean", "--metric", "rms", "--directions", "all"],
    "matrix": ["--mute", "mean"],
    "interactions": ["--metric", "rms,mean_iou"],
    "slices": ["--level", "all"],
    "seeds": ["--directions", "all"],
}


@pytest.mark.parametrize("kind", PLOTS)
@pytest.mark.parametrize(
    ("suffix", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?")]
)
def test_every_kind_in_every_format(tmp_path: Path, kind: str, suffix: str, start: bytes) -> None:
    out = tmp_path / "new" / f"figure.{suffix}"
    options = OPTIONS[kind]
    run = write_run(tmp_path / "run")
    result = CliRunner().invoke(main, ["plot", kind, str(run), "--out", str(out), *options])
    assert result.exit_code == 0, result.output
    assert result.output == f"wrote {out}\n"
    assert out.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["performances", "run"], 2, "'performance', 'mutes', 'matrix'"),
        (["performance", "run", "--group", "loose"], 2, "expected group=network,..., got 'loose'"),
        (["mutes", "run", "--group", "g=jrn-cat60"], 2, "the plot mutes has no option --group"),
        (["mutes", "run", "--mute", "zero,men"], 1, "unknown mute 'men': did you mean 'mean'"),
        (["performance", "run", "--directions", "up"], 2, "'cross', 'all'"),
        (["performance", "run", "--mute", "men"], 1, "unknown mute 'men': did you mean 'mean'"),
        (["performance", "run", "--group", "g=jrn-cat61"], 1, "unknown network 'jrn-cat61'"),
        (["performance", "mixed"], 1, "Give tables of one and the same run"),
        (["performance", "nowhere"], 1, "expected a table that influence measure wrote"),
    ],
)
def test_bad_input_ends_with_a_clear_message(
    tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    write_run(tmp_path / "run")
    write_run(tmp_path / "mixed", influence_frame(), performance_frame(["other"]))
    paths = {name: str(tmp_path / name) for name in ("run", "mixed", "nowhere")}
    out = tmp_path / "figure.png"
    out.write_bytes(b"earlier")
    command = ["plot", *(paths.get(a, a) for a in arguments), "--out", str(out)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == code
    assert message in result.output
    assert out.read_bytes() == b"earlier"


def test_a_wrong_suffix_is_found_before_the_runs_are_read(tmp_path: Path) -> None:
    command = ["plot", "performance", str(tmp_path / "nowhere"), "--out", "figure.bmp"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    assert "ends in .png, .pdf, .svg, got 'figure.bmp'" in result.output


def test_the_help_explains_every_kind() -> None:
    text = CliRunner().invoke(main, ["plot", "--help"]).output
    assert all(f"{kind}:" in text for kind in PLOTS)
