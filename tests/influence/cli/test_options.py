"""Messages of the library speak of Python arguments, those of the command line of its options."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from influence.cli import main
from influence.cli.compare import compare
from influence.cli.maps import maps
from influence.cli.measure import measure
from influence.cli.options import translate


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
