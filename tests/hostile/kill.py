"""The kill campaign: commands are killed wherever it may hurt, and nothing may be lost or mixed.

``python -m tests.hostile.kill`` (``make kill``) kills commands by SIGKILL at random instants and at
every call that changes a folder, and starts two at once with random delays. After each trial the
earlier results or the new ones have to be there, whole; the same command, with ``--resume``, has to
give the bytes of a run that nobody killed, and to leave nothing else. Each trial is a fork of one
process that has imported torch.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import click
import torch

from influence.data.evaluation_writer import write_evaluation_file
from influence.network.checkpoints import export_checkpoint
from influence.results.run_directory import read_run
from influence.runtime.directories.commits import settle
from tests.forks import command, import_all, of_a_job, start, wait
from tests.toy import Toy, toy, toy_arrays, write_toy_file

CALLS = ("mkdir", "open", "rename", "replace", "rmdir", "unlink")
"""Calls of the operating system at which a command is killed: those that change a folder."""

TIMES = ("seconds", "samples_per_second", "paths")
"""What differs in ``run.json`` from run to run; how a network is run is found out by running it."""

Content = dict[str, bytes]
Patch = Callable[[Callable[..., Any]], Callable[..., Any]]


def content(folder: Path) -> Content:
    """Read all files below a folder; those of runs without their times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder)) + "/" * path.is_dir()
        found[name] = b"" if path.is_dir() else path.read_bytes()
        if path.name == "run.json":
            info = json.loads(found[name])
            kept = {key: value for key, value in info.items() if key not in TIMES}
            kept["hardware"] = {k: v for k, v in info["hardware"].items() if k != "processes"}
            found[name] = json.dumps(kept).encode()
    return found


def patched(patch: Patch) -> None:
    for name in CALLS:
        setattr(os, name, patch(getattr(os, name)))


def killing(at: int) -> Patch:
    """Kill this process before the call of that number, of all calls."""
    calls = iter(range(sys.maxsize))

    def patch(plain: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            if next(calls) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return plain(*args, **named)

        return call

    return patch


def counting(counter: Path) -> Patch:
    def patch(plain: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            with counter.open("ab") as file:
                file.write(b".")
            return plain(*args, **named)

        return call

    return patch


def delaying(seed: int) -> Patch:
    """Wait before every call for up to 20 ms."""
    random = Random(seed)

    def patch(plain: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            time.sleep(random.random() ** 3 * 0.02)
            return plain(*args, **named)

        return call

    return patch


def start_patched(
    act: Callable[[], object],
    log: Path,
    patch: Patch | None = None,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run a function in a fork whose calls of the operating system are patched."""

    def patched_act() -> None:
        if patch:
            patched(patch)
        act()

    return start(patched_act, log, environment=environment)


@dataclass(frozen=True)
class Case:
    """A command that is killed.

    Parameters
    ----------
    name
        What is killed.
    act
        Runs the command in the folder that is given.
    again
        Runs it once more, to go on.
    before
        Prepares the folder, with earlier results.
    processes
        How many share the work, as if torchrun had started them.
    """

    name: str
    act: Callable[[Path], object]
    again: Callable[[Path], object]
    before: Callable[[Path], object]
    processes: int = 1


@dataclass
class Campaign:
    """Trials in a temporary folder, and what was found.

    Parameters
    ----------
    root
        The folder.
    random
        The stream of all choices.
    """

    root: Path
    random: Random
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def run(self, case: Case, instants: int, calls: int | None) -> None:
        """Kill a case at random instants, and at the given number of calls, or at all of them."""
        old, new, seconds, count = self.undisturbed(case)
        numbers = list(range(count))
        if calls is not None and calls < count:
            numbers = sorted(self.random.sample(numbers, calls))
        for at in numbers:
            self.trial(case, old, new, f"call {at}", partial(self.kill_at, at=at))
        for _ in range(instants):
            delay = self.random.uniform(0, seconds)
            self.trial(case, old, new, f"{delay:.3f} s", partial(self.kill_after, delay=delay))

    def undisturbed(self, case: Case) -> tuple[Content, Content, float, int]:
        folder = self.folder(case)
        old = content(folder)
        counter = self.root / "calls"
        counter.write_bytes(b"")
        began = time.monotonic()
        codes = wait(self.start(case, case.act, folder, {0: counting(counter)}))
        seconds = time.monotonic() - began
        assert codes == [0] * case.processes, self.log.read_text()
        new = content(folder)
        assert old != new, case.name
        return old, new, seconds, len(counter.read_bytes())

    @property
    def log(self) -> Path:
        return self.root / "log-0"

    def folder(self, case: Case) -> Path:
        """Make the folder of a trial, with earlier results."""
        prepared, folder = self.root / "prepared" / case.name, self.root / "place"
        if not prepared.exists():
            prepared.mkdir(parents=True)
            assert wait([start(partial(case.before, prepared), self.log)]) == [0]
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(prepared, folder)
        return folder

    def start(self, case: Case, act: Callable[[Path], object], folder: Path,
              patches: Mapping[int, Patch] | None = None) -> list[int]:  # fmt: skip
        return [
            start_patched(partial(act, folder), self.root / f"log-{rank}",
                          (patches or {}).get(rank), place)
            for rank, place in enumerate(of_a_job(case.processes))
        ]  # fmt: skip

    def kill_at(self, case: Case, folder: Path, *, at: int) -> list[int]:
        # The first of several processes, the one that writes results.
        return wait(self.start(case, case.act, folder, {0: killing(at)}))

    def kill_after(self, case: Case, folder: Path, *, delay: float) -> list[int]:
        processes = self.start(case, case.act, folder)
        time.sleep(delay)
        os.kill(self.random.choice(processes), signal.SIGKILL)
        return wait(processes)

    def trial(self, case: Case, old: Content, new: Content, where: str,
              kill: Callable[[Case, Path], list[int]]) -> None:  # fmt: skip
        folder = self.folder(case)
        counts = self.counts.setdefault(case.name, Counter())
        counts["trials"] += 1
        killed = -signal.SIGKILL in kill(case, folder)
        counts["killed"] += killed
        for path in [folder / "run", folder / "run" / "gallery"]:
            settle(path, lambda name: True)
        found = content(folder)
        whole = {}
        for one, expected in (("old", old), ("new", new)):
            names = {name for name in {*old, *new} if not name.endswith("/")}
            whole[one] = all(found.get(name) == expected.get(name) for name in names)
        state = next((one for one in ("new", "old") if whole[one]), "mixed")
        counts[f"{state} results"] += 1
        if state == "mixed":
            self.fault(case, where, f"a mixture: {differing(found, old)}; {differing(found, new)}")
        codes = wait(self.start(case, case.again, folder))
        if codes != [0] * case.processes:
            self.fault(case, where, f"exit codes {codes} when it goes on: {self.log.read_text()}")
            return
        after = content(folder)
        strays = sorted(after.keys() - new.keys())
        counts["went on to the same bytes"] += after == new
        counts["strays"] += len(strays)
        if after != new:
            self.fault(case, where, f"other bytes when it went on: {differing(after, new)}")

    def tell(self, name: str) -> None:
        counts = ", ".join(f"{count} {what}" for what, count in self.counts[name].items())
        print(f"{name}: {counts}", flush=True)

    def fault(self, case: Case, where: str, what: str) -> None:
        self.faults.append(f"{case.name}, killed at {where}: {what}")
        print(self.faults[-1], flush=True)

    def two_at_once(self, case: Case, other: Case, trials: int, name: str) -> None:
        """Start two commands at once into one directory, with delays at every call."""
        results = [self.undisturbed(one)[1] for one in (case, other)]
        counts = self.counts.setdefault(name, Counter())
        for number in range(trials):
            folder = self.folder(case)
            old = content(folder)
            processes = [
                start_patched(partial(one.act, folder), self.root / f"log-{rank}",
                              delaying(self.random.randrange(1 << 30)))
                for rank, one in enumerate((case, other))
            ]  # fmt: skip
            codes = [wait([process])[0] for process in processes]
            told = [(self.root / f"log-{rank}").read_text() for rank in range(2)]
            refused = [rank for rank, text in enumerate(told) if "is being written by" in text]
            later = [rank for rank, text in enumerate(told) if "holds another run" in text]
            found = content(folder)
            counts["trials"] += 1
            counts["one was told"] += len(refused) == 1
            counts["one after the other"] += not refused
            fits = [found == results[rank] for rank, code in enumerate(codes) if code == 0]
            right = sorted(codes) in ([0, 1], [0, 0]) and all(fits)
            right = right and all(codes[rank] == 1 for rank in refused + later)
            counts["whole results"] += right
            if not right or old == found:
                self.fault(case, f"trial {number} of {name}", f"exit codes {codes}: {told}")


def differing(found: Content, expected: Content) -> list[str]:
    return sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))


def make_cases(given: Path) -> dict[str, Case]:
    """Make all cases, from a checkpoint, data and earlier results in a folder."""
    torch.save(Toy().state_dict(), given / "toy.pt")
    write_toy_file(given / "toy.h5")
    network = ["--ckpt", given / "toy.pt", "--network", "tests.toy:toy", "--data", given / "toy.h5",
               "--device", "cpu"]  # fmt: skip

    def measure(folder: Path, *more: object) -> None:
        command("measure", *network, "--out", folder / "run", "--draws", "20", "--batch-size", "3",
                "--mute", "zero,shuffle", *more)  # fmt: skip

    assert wait([start(partial(measure, given), given / "log")]) == [0], (given / "log").read_text()
    run = read_run(given / "run", rows=True)
    changed = run.influence.assign(omega=run.influence["omega"] + 1)
    earlier = replace(run, influence=changed, interactions=run.performance, rows={})

    def with_earlier(folder: Path) -> None:
        earlier.write(folder / "run")

    def gallery(folder: Path, top: int = 2) -> None:
        command("gallery", folder / "run", *network, "--top", top)

    def with_gallery(folder: Path) -> None:
        shutil.copytree(given / "run", folder / "run")
        gallery(folder, 3)

    def report(folder: Path, title: str = "new") -> None:
        command("report", given / "run", "--out", folder / "page.html", "--title", title)

    def export(folder: Path, seed: int = 0) -> None:
        net = toy()
        net.seed = seed
        examples = {k: torch.from_numpy(x[:2]) for k, x in toy_arrays()["inputs"].items()}
        export_checkpoint(net, folder / "net.pt2", examples)

    def data_file(folder: Path, count: int = 13) -> None:
        write_evaluation_file(folder / "data.h5", **toy_arrays(count))

    export(given)  # here, so that not every fork imports what that takes

    def both(name: str, act: Callable[..., object], **earlier: Any) -> Case:
        return Case(name, act, act, partial(act, **earlier))

    def resume(folder: Path) -> None:
        measure(folder, "--resume")

    cases = [
        Case("measure", measure, resume, with_earlier),
        Case("measure, first results", measure, resume, lambda folder: (folder / "x").touch()),
        Case("measure, two processes", measure, resume, with_earlier, processes=2),
        Case("measure, another seed", lambda folder: measure(folder, "--seed", "1"),
             lambda folder: measure(folder, "--seed", "1", "--resume"),
             lambda folder: (folder / "x").touch()),
        Case("gallery", gallery, gallery, with_gallery),
        Case("gallery, the first", gallery, gallery,
             lambda folder: shutil.copytree(given / "run", folder / "run")),
        both("report", report, title="old"),
        both("export_checkpoint", export, seed=1),
        both("write_evaluation_file", data_file, count=12),
    ]  # fmt: skip
    return {case.name: case for case in cases}


KILLED = {
    "measure": 30, "measure, first results": 10, "measure, two processes": 10, "gallery": 15,
    "gallery, the first": 5, "report": 10, "export_checkpoint": 10, "write_evaluation_file": 10,
}  # fmt: skip
"""Case -> its part of 100 random instants."""


@click.command()
@click.option("--instants", default=100, show_default=True, help="Random instants, of all cases.")
@click.option("--calls", type=int, help="Calls of each case; by default all.")
@click.option("--pairs", default=20, show_default=True, help="Trials of two commands at once.")
@click.option("--seed", default=0, show_default=True)
@click.option("--case", "chosen", multiple=True, help="Only these cases.")
def main(instants: int, calls: int | None, pairs: int, seed: int, chosen: tuple[str, ...]) -> None:
    """Kill commands; exit with 1 if anything was lost, mixed or left."""
    began = time.monotonic()
    import_all()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "given").mkdir()
        cases = make_cases(root / "given")
        campaign = Campaign(root, Random(seed))
        for name, share in KILLED.items():
            if name in (chosen or KILLED):
                campaign.run(cases[name], round(share * instants / 100), calls)
                campaign.tell(name)
        if not chosen:
            first, other = cases["measure, first results"], cases["measure, another seed"]
            campaign.two_at_once(first, first, pairs - pairs // 2, "two at once, same arguments")
            campaign.two_at_once(first, other, pairs // 2, "two at once, other arguments")
            for name in campaign.counts.keys() - cases.keys():
                campaign.tell(name)
    trials = sum(counts["trials"] for counts in campaign.counts.values())
    click.echo(f"{trials} trials, {len(campaign.faults)} faults, seed {seed}, "
               f"{time.monotonic() - began:.0f} s")  # fmt: skip
    sys.exit(bool(campaign.faults))


if __name__ == "__main__":
    main()
