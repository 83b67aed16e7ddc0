"""``python -m tests.hostile``: a campaign, or one input again."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import click

from tests.hostile.attacks import KINDS
from tests.hostile.campaign import format_causes, format_results, run, run_one, shares
from tests.hostile.client import LIMITS, Server


@click.command()
@click.option("--count", default=5000, show_default=True, help="Inputs of all kinds together.")
@click.option("--seed", default=0, show_default=True, help="The first seed of each kind.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(KINDS)),
              help="Only these; alone, without --count: the one input of --seed.")  # fmt: skip
@click.option("--seconds", default=LIMITS.seconds, show_default=True, help="Most for one input.")
@click.pass_context
def main(
    context: click.Context, count: int, seed: int, kinds: tuple[str, ...], seconds: float
) -> None:
    """Run the command line on hostile inputs, and end with 1 if any had a fault."""
    given = context.get_parameter_source("count") != click.core.ParameterSource.DEFAULT
    if len(kinds) == 1 and not given:
        _again(kinds[0], seed)
        return
    start, results, limits = time.monotonic(), [], replace(LIMITS, seconds=seconds)
    for result in run(shares(count, kinds or tuple(KINDS)), seed=seed, limits=limits):
        results.append(result)
        if result.faults:
            click.echo(str(result) + "\n")
    click.echo(format_causes(results) + "\n")
    click.echo(format_results(results))
    taken = time.monotonic() - start
    click.echo(f"seed {seed}, {taken:.0f} s, {len(results) / taken:.1f} inputs a second")
    sys.exit(any(result.faults for result in results))


def _again(kind: str, seed: int) -> None:
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        folder = Path(name)
        with Server(folder / "seeds") as server:
            result = run_one(server, kind, seed, folder / "seeds", folder)
    for stream in (result.outcome.stdout, result.outcome.stderr):
        sys.stdout.write(stream.decode(result.attack.encoding, errors="backslashreplace"))
    click.echo(f"\nexit code {result.outcome.code}, {result.outcome.seconds:.2f} s\n{result}")
    sys.exit(bool(result.faults))


if __name__ == "__main__":
    main()
