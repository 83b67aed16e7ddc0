"""Options that several commands share, and how the library's arguments are called as options."""

from __future__ import annotations

import ast
import os
import re
import shlex
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from influence.cli.output import echo, echo_csv, echo_error

if TYPE_CHECKING:
    import pandas as pd

    from influence.data.source import Data
    from influence.display.table import Table
    from influence.network.joint_network import JointNetwork
    from influence.runtime.interrupts import Interrupted

__all__ = ["PATH", "SHARE", "YOURS", "batch_size", "checkpoint", "computed", "data", "device",
           "format", "keep_inputs", "limit", "load_networks", "match_options", "metric", "mute",
           "names", "network", "pairs", "print_computed", "print_table", "read_data", "read_frame",
           "runs", "seed", "split", "take", "tell_interrupted", "tell_shards", "translate",
           "workers"]  # fmt: skip

C = TypeVar("C", bound=Callable[..., Any])
T = TypeVar("T")


class _Name(click.Path):
    """A path that has a name: an empty one would be the working directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value) or "\0" in str(value):
            self.fail(f"expected the name of a file or folder, got {str(value)!r}", param, ctx)
        return super().convert(value, param, ctx)


class _Share(click.FloatRange):
    """A number between 0 and 1, and no NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if found != found:
            self.fail(f"expected a number between 0 and 1, got {value}", param, ctx)
        return found


PATH = _Name(path_type=Path)
SHARE = _Share(0, 1, min_open=True, max_open=True)

runs = click.argument("runs", nargs=-1, required=True, type=PATH, metavar="RUN...")
checkpoint = click.option(
    "--ckpt", multiple=True, metavar="FILE", help="A checkpoint; may be repeated."
)
data = click.option(
    "--data", required=True, metavar="FILE", help="An evaluation file, or module:factory."
)
device = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, ..."
)
workers = click.option("--workers", default=0, show_default=True, type=click.IntRange(min=0),
                       help="Processes that read data ahead.")  # fmt: skip
seed = click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**63 - 1),
                    help="Seed of all random numbers.")  # fmt: skip
limit = click.option("--limit", type=click.IntRange(min=1), help="Use only the first samples.")


def network(command: C) -> C:
    """Declare ``--network``, ``--weights-key`` and ``--trust``: how checkpoints are read."""
    for option in (
        click.option("--trust", is_flag=True, help="Load TorchScript, which is code."),
        click.option("--weights-key", metavar="ENTRY",
                     help="The entry of a checkpoint that holds the weights, such as ema."),
        click.option("--network", metavar="MODULE:FACTORY",
                     help="Builds the network of a weights file, or one that needs no file."),
    ):  # fmt: skip
        command = option(command)
    return command


def batch_size(default: int | None, shown: str = "") -> Callable[[C], C]:
    """Declare ``--batch-size`` with a default."""
    size = click.IntRange(min=1)
    return click.option("--batch-size", default=default, show_default=shown or True, type=size,
                        help="Samples that are run together.")  # fmt: skip


def format(command: C) -> C:
    """Declare ``--format``, one of the formats of tables, and ``--guard-formulas``."""
    from influence.display.table import FORMATS  # not above: it loads pandas

    choice = click.Choice(list(FORMATS))
    for option in (
        click.option("--guard-formulas", is_flag=True,
                     help="In csv, put an apostrophe before texts that a spreadsheet would run as "
                          "formulas. Without it pandas reads names as they are."),
        click.option("--format", default="text", show_default=True, type=choice),
    ):  # fmt: skip
        command = option(command)
    return command


def names(*flags: str, help: str) -> Callable[[C], C]:
    """Declare an option that takes names joined by commas; a set of metrics stands for these."""

    def read(context: click.Context, option: click.Parameter, text: str | None) -> tuple[str, ...]:
        from influence.metrics.sets import spell_out

        found = split(text or "")
        return tuple(spell_out(found)) if "--metric" in flags else found

    return click.option(*flags, callback=read, metavar="NAME,...", help=help)


mute = names("--mute", help="Show only these mutes, joined by commas.")
metric = names("--metric", help="Only these metrics, joined by commas.")


def pairs(*flags: str, form: str, once: bool = False, **attributes: Any) -> Callable[[C], C]:
    """Declare an option that takes pairs of texts joined by ``=``, and may be repeated.

    With `once`, no two pairs have the same first text.
    """

    def read(
        context: click.Context, option: click.Parameter, texts: tuple[str, ...]
    ) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for text in texts:
            first, _, second = text.partition("=")
            if not first or not second:
                raise click.BadParameter(f"expected {form}, got {text!r}")
            if (first, second) in found or (once and first in dict(found)):
                raise click.BadParameter(f"{first if once else text!r} is given twice")
            found.append((first, second))
        return found

    return click.option(*flags, multiple=True, callback=read, **attributes)


def computed(command: C) -> C:
    """Declare which metrics are computed, which results are shown and how, and a file for all."""
    for option in (
        click.option("--out", type=PATH, help="Also write all results to this .csv file."),
        format,
        click.option("--level", default="all", show_default=True,
                     help="A slice or a pattern to show."),
        mute,
        names("--metric", "metrics",
              help="Compute only these metrics; module:name for your own."),
    ):  # fmt: skip
        command = option(command)
    return command


def split(text: str) -> tuple[str, ...]:
    """Split names that are joined by commas; an empty text has none.

    Raises
    ------
    click.BadParameter
        If one of several names is empty.

    Examples
    --------
    >>> split("zero, mean")
    ('zero', 'mean')
    """
    found = tuple(name.strip() for name in text.split(",")) if text.strip() else ()
    if "" in found:
        raise click.BadParameter(f"expected names joined by commas, got {text!r} with an empty one")
    return found


def keep_inputs(out: Path | None, inputs: Iterable[str | Path | None]) -> None:
    """Refuse an output that would replace what a command reads.

    Parameters
    ----------
    out
        The file that will be written.
    inputs
        Files, of which any may be missing; or directories of runs, whose own files are meant.

    Raises
    ------
    click.UsageError
        If the output is one of these.
    """
    from influence.results.run_directory import OWN_FILES

    for given in inputs if out else ():
        read = Path(given or "")
        files = [read / name for name in OWN_FILES] if read.is_dir() else [read]
        in_gallery = read.is_dir() and _same(Path(out or "").parent, read / "gallery")
        if given and (in_gallery or any(_same(Path(out or ""), file) for file in files)):
            raise click.UsageError(
                f"{out} would replace what is read from {read}. Choose another name."
            )


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # one of them does not exist
        return os.path.realpath(one) == os.path.realpath(other)


def take(record: Callable[..., T], options: dict[str, Any]) -> T:
    """Make a dataclass of the options that are its fields, which are taken out of `options`."""
    fields = [name for name in signature(record).parameters if name in options]
    return record(**{name: options.pop(name) for name in fields})


def match_options(function: Callable[..., object], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given, as keyword arguments of a function.

    One that is `None` or empty was not given; one that the function does not take is an error.
    """
    given = {name: value for name, value in options.items() if value not in (None, (), {})}
    foreign = given.keys() - signature(function).parameters.keys()
    context = click.get_current_context()
    for option in context.command.params:
        if option.name in foreign:
            kind = f"{context.info_name} {context.params['kind']}"
            raise click.UsageError(f"the {kind} has no option {option.opts[0]}")
    return given


def read_frame(runs: Sequence[Path], name: str, *, optional: bool = False) -> pd.DataFrame:
    """Read a table of several runs; that of `seeds` is computed from their omegas."""
    if name != "seeds":
        from influence.results.tables import read_tables

        return read_tables(runs, name, optional=optional)
    from influence.analysis.estimates import read_estimates
    from influence.analysis.seeds import aggregate_seeds

    return aggregate_seeds(read_estimates(runs))


YOURS = "a network, data, a mute or a metric of yours"
"""Code that is not the library's and runs in a measurement, as messages call it."""


def tell_shards(folder: Path) -> None:
    """Name the folder of finished batches, for what is said if the command is interrupted."""
    click.get_current_context().meta["influence.shards"] = folder


def tell_interrupted(stop: Interrupted, context: click.Context) -> None:
    """Say that a signal has ended the command, and how to go on; once for all of torchrun."""
    if os.environ.get("RANK", "0") != "0":
        return
    folder = context.meta.get("influence.shards")
    count = len(list(folder.glob("[0-9]*.safetensors"))) if folder else 0
    if count:
        remedy = (
            f"{count} finished batch{'es' * (count > 1)} are kept in {folder}. To go on, start the "
            "same command with --resume"
        )
    else:
        remedy = "No file is incomplete. Start the same command again"
    echo_error(f"{stop.name} has ended the command. {remedy}")


def read_data(text: str) -> Data:
    """Return the data of ``--data``: the path of a file, or what a factory makes."""
    from influence.runtime.factories import is_factory, make

    return make(text) if is_factory(text) else text


def load_networks(paths: Sequence[str], asked: dict[str, Any]) -> list[JointNetwork]:
    """Load the checkpoints that were named with or without ``--ckpt``, or the network itself.

    Parameters
    ----------
    paths
        The checkpoints; without any, `network` has to be a trained network.
    asked
        The command's options; those that `network` declares are taken out.
    """
    from influence.network.checkpoints import load_checkpoint
    from influence.network.weights import find_network

    network, reading = asked.pop("network"), {k: asked.pop(k) for k in ("weights_key", "trust")}
    if not paths and not network:
        raise click.UsageError("Missing option '--ckpt', or '--network' with a trained network.")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = [load_checkpoint(path, network, **reading) for path in paths]
    for warning in caught:
        command = click.get_current_context().command
        echo_error(translate(str(warning.message), command))
    return found or [find_network(network)]


def print_computed(
    frame: pd.DataFrame,
    make: Callable[..., Table],
    metrics: Sequence[str],
    *,
    format: str,
    guard_formulas: bool,
    out: Path | None,
    **shown: Any,
) -> None:
    """Print a table of results, and write them all to a CSV file if `out` is given.

    Parameters
    ----------
    frame
        The results.
    make
        Makes a table of the frame and of the options `shown`.
    metrics
        The metrics that were computed; without any the table chooses.
    format, guard_formulas, out
        The format of the table, whether formulas are guarded in it and in the file, and the file,
        which appears whole or not at all.
    """
    from influence.display.table import without_formulas
    from influence.runtime.files import replace_on_success

    table = make(frame, metric=list(frame["metric"].unique()) if metrics else (), **shown)
    print_table(table, format, guard_formulas=guard_formulas)
    if out:
        written = without_formulas(frame) if guard_formulas else frame
        with replace_on_success(out) as aside:
            written.to_csv(aside, index=False, lineterminator="\n")
        echo(f"wrote {out}", err=True)


def print_table(table: Table, format: str, *, guard_formulas: bool) -> None:
    """Print a table in a format; of `csv` the cells, unless it goes to a terminal, as they are."""
    from influence.display.table import format_table

    text = format_table(table, format, guard_formulas=guard_formulas)
    if format == "csv":
        echo_csv(text)
    else:
        click.echo(text, nl=False)


RECORD = re.compile(r"\b(?:checkpointing|execution|resampling)=\w+\((?:\w+, )*([^()]*=[^()]*)\)")
"""Arguments that the library takes together, such as ``execution=Execution(share=False)``."""

ARGUMENT = re.compile(
    r"""(?<!\w)(?:'[^']*'|"[^"]*")"""  # quoted: names and values of the user
    r"""|\b\w+\([^()]*\)"""  # a call: its arguments are not those of a command
    r"""|(?P<with>\b[Ww]ith\ )?"""
    r"""(?<![\w./:=-])(?P<name>[a-z_]+)="""
    r"""(?P<value>'[^']*'|"[^"]*"|\[[^]]*]|\([^)]*\)|{[^}]*}|\.\.\.|[\w.:+-]*\w(?![\w/:=]))"""
    r"""|(?<![\w./:=-])(?P<word>[a-z]+_[a-z_]+)(?![\w/:=-]|\.\w)"""
)


def translate(text: str, *commands: click.Command) -> str:
    """Rewrite the Python arguments that a message names as options of commands.

    Messages of the library name arguments as ``name=value``, as ``name=...``, or by the name alone
    if it has an underscore, such as ``batch_size``. What is quoted, and arguments for which no
    command has an option, stay as they are.

    Parameters
    ----------
    text
        The message.
    commands
        The commands whose options may be named; the first that has an option for an argument
        decides how it is called.

    Examples
    --------
    >>> resume = click.Option(["--resume"], is_flag=True)
    >>> command = click.Command("measure", params=[resume, click.Option(["--batch-size"])])
    >>> translate("start afresh with resume=False, or take a smaller batch_size", command)
    'start afresh without --resume, or take a smaller --batch-size'
    """

    def rewrite(match: re.Match[str]) -> str:
        name, value, start = match["name"] or match["word"], match["value"], match["with"] or ""
        option = _find_option(name, commands) if name else None
        if option is None:
            return match[0]
        if value == "None" or (value == "False" and not option.secondary_opts):
            return f"{start.replace(' ', 'out') or 'no'} {option.opts[0]}"
        return start + _spell(option, value)

    return ARGUMENT.sub(rewrite, RECORD.sub(r"\1", text))


def _find_option(name: str, commands: Sequence[click.Command]) -> click.Option | None:
    """Return the first option that is named like an argument of the library, or its singular."""
    for option in (option for command in commands for option in command.params):
        if isinstance(option, click.Option) and option.name in (name, name.removesuffix("s")):
            return option
    return None


def _spell(option: click.Option, value: str | None) -> str:
    """Write an option with its value, which is given as Python code."""
    flag = option.opts[0]
    if value is None or option.is_flag:
        return option.secondary_opts[0] if value == "False" else flag
    if "..." in value:
        return f"{flag} {option.metavar}" if option.metavar else flag
    try:
        found = ast.literal_eval(value)
    except (SyntaxError, ValueError):  # no literal, but a name
        found = value
    texts = _texts(found) if option.multiple else [",".join(_texts(found))]
    return " ".join(f"{flag} {shlex.quote(text)}" for text in texts)


def _texts(value: object) -> list[str]:
    """List the parts of a value; those of a dictionary and tuples are joined as pairs, A=B."""
    if isinstance(value, dict):
        return [f"{key}={','.join(_texts(names))}" for key, names in value.items()]
    parts = value if isinstance(value, (list, tuple)) else [value]
    return ["=".join(map(str, p)) if isinstance(p, tuple) else str(p) for p in parts]
