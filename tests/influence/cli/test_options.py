"""Messages of the library speak of Python arguments, those of the command line of its options."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from influence.cli import main, options
from influence.cli.compare import compare
from influence.cli.maps import maps
from influence.cli.measure import measure
from influence.cli.options import translate
from tests.tables_of_runs import write_run


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Switches.
        ("Start afresh with resume=False", "Start afresh without --resume"),
        ("Give resume=False, or move it", "Give no --resume, or move it"),
        ("With resume=False it starts", "Without --resume it starts"),
        ("go on with resume=True.", "go on with --resume."),
        ("share=False takes less", "--no-share takes less"),
        ("give execution=Execution(share=False)", "give --no-share"),
        ("with checkpointing=Checkpointing(folder, resume=False)", "without --resume"),
        # Values.
        ("give device='cpu'", "give --device cpu"),
        ('give device="cuda:1" (or more)', "give --device cuda:1 (or more)"),
        ("give batch_size=8, or less", "give --batch-size 8, or less"),
        ("give network=...", "give --network MODULE:FACTORY"),
        ("give network='mine:Net'.", "give --network mine:Net."),
        ("learn it with training=...", "learn it with --train FILE"),
        ("Give seed=...: it differs", "Give --seed: it differs"),
        ("give limit=None", "give no --limit"),
        # Several values.
        ("mutes=['zero', 'mean']", "--mute zero,mean"),
        ("levels=['depth=1,2']", "--by depth=1,2"),
        ("sites=['edge:a.b', 'x']: x", "--site edge:a.b --site x: x"),
        ("metrics={'depth': ['rms', 'mae']}", "--metric depth=rms,mae"),
        ("metrics={'depth': 'rms', 'x': 1}", "--metric depth=rms --metric x=1"),
        ("metrics={output: [name, ...]}. More", "--metric OUTPUT=NAME,.... More"),
        ("from, training=..., or write it", "from, --train FILE, or write it"),
        ("metrics={...}", "--metric OUTPUT=NAME,..."),
        # A name alone.
        ("Take a smaller batch_size.", "Take a smaller --batch-size."),
    ],
)
def test_arguments_become_options(text: str, expected: str) -> None:
    assert translate(text, measure) == expected


@pytest.mark.parametrize(
    "text",
    [
        "runs/seed=3/rows.h5: no such file",
        "seed=3: expected a run directory",
        "'seed=3 batch_size' is no network",
        "unknown metric 'rms', did you mean mean_iou",
        "write Modality('depth', optimal=...) into it",
        "give JointNetwork(module, seed=3)",
        "its batch_size.h5 and my/batch_size are files",
        "the file's seed isn't whole",
        "draw colour=red",
    ],
)
def test_what_is_no_argument_stays(text: str) -> None:
    assert translate(text, measure) == text


def test_the_first_command_that_has_an_option_names_it() -> None:
    assert translate("give ids=[...] or stream=True", maps, measure) == "give --id ID or --stream"
    assert translate("give mute='zero'") == "give mute='zero'"
    text = "such as pairs=[('A', 'B')], or metrics=['module:rms']"
    assert translate(text, compare, measure) == "such as --pair A=B, or --metric module:rms"


def test_every_command_explains_its_options() -> None:
    for name in main.list_commands(None):  # type: ignore[arg-type]
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize("text", ["zero,,mean", ",", "zero,", " , zero"])
def test_an_empty_name_in_a_list_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="with an empty one"):
        options.split(text)
    assert options.split(" ") == ()


@pytest.mark.parametrize(
    "arguments",
    [
        ["power", "RUN", "--out", "RUN/influence.csv"],
        ["power", "RUN", "--out", "RUN/distance.csv"],
        ["power", "RUN", "--out", "RUN/../RUN/run.json"],
        ["power", "RUN", "--out", "link.csv"],
        ["compare", "RUN", "RUN", "--out", "RUN/samples.csv.gz"],
        ["plot", "mutes", "RUN", "--out", "RUN/gallery/0001.png"],
        ["measure", "--data", "RUN/rows.h5", "--network", "a:b", "--out", "RUN"],
        ["maps", "--data", "a.h5", "--out", "a.h5", "--id", "0", "--source", "x", "--target", "y",
         "--mute", "zero"],
    ],
)  # fmt: skip
def test_an_output_that_would_replace_an_input_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "RUN")
    (tmp_path / "a.h5").touch()
    (tmp_path / "RUN" / "rows.h5").touch()
    (tmp_path / "link.csv").symlink_to(tmp_path / "RUN" / "influence.csv")
    before = (tmp_path / "RUN" / "influence.csv").read_bytes()
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.output
    assert "would replace what is read" in result.output
    assert (tmp_path / "RUN" / "influence.csv").read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["table", "omega", ""],
        ["power", "RUN", "--out", ""],
        ["report", "RUN", "--out", "a\0.html"],
        ["measure", "--data", "a.h5", "--out", ""],
        ["compare", "", "RUN"],
    ],
)
def test_a_path_without_a_name_is_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "expected the name of a file or folder" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", "RUN", "--pair", "a=b", "--pair", "a=b"],
        ["measure", "--data", "a", "--out", "o", "--field", "ids=0", "--field", "ids=1"],
        ["plot", "performance", "RUN", "--out", "f.png", "--group", "g=a,b", "--group", "h=a"],
    ],
)
def test_what_is_given_twice_is_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "twice" in result.output or "once" in result.output
