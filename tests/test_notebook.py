"""The notebook runs as it is committed, and finds what its CSV says by another way."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

REPORTS = Path(__file__).parents[1] / "reports"
NOTEBOOK = REPORTS / "from_csv_to_finding.ipynb"
MOST_LINES = 11
METRICS = {"semantic": ("mean_iou", 1), "depth": ("sqr_rel", -1)}
"""Target -> its metric, and whether more of it is better (1) or worse (-1)."""


def code(notebook: Any) -> list[str]:
    return [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]


def printed(notebook: Any) -> list[str]:
    """Return what each cell printed; it may do nothing else."""
    cells = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(output["name"] == "stdout" for outputs in cells for output in outputs)
    return ["".join(output["text"] for output in outputs) for outputs in cells]


@pytest.fixture(scope="module")
def committed() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def folder(committed: Any) -> Path:
    (name,) = re.findall(r'read_run\("(.+?)"\)', "\n".join(code(committed)))
    return REPORTS / str(name)


@pytest.fixture(scope="module")
def executed(committed: Any, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the notebook after it has run beside a copy of its folder."""
    place = tmp_path_factory.mktemp("notebook")
    (place / folder.name).symlink_to(folder)
    notebook = nbformat.from_dict(committed)  # type: ignore[no-untyped-call]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")  # without, jupyter_core warns of its old ones
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(place / name))
        client = NotebookClient(
            notebook, timeout=None, startup_timeout=600,
            resources={"metadata": {"path": str(place)}},
        )  # fmt: skip
        return client.execute()


def test_it_prints_what_is_committed(committed: Any, executed: Any) -> None:
    """If not: `cd reports && jupyter execute --inplace from_csv_to_finding.ipynb`."""
    assert printed(executed) == printed(committed)
    assert all(printed(committed))


def test_the_finding_takes_ten_lines(committed: Any) -> None:
    lines = [line for source in code(committed) for line in source.splitlines() if line.strip()]
    assert len(lines) < MOST_LINES


def ranks(values: list[float]) -> list[int]:
    assert len(set(values)) == len(values), "the formula below is for values without ties"
    return [sum(other < value for other in values) for value in values]


def test_the_finding_is_that_of_the_csv(folder: Path, executed: Any) -> None:
    with (folder / "influence.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["level"] == "all"]
    expected = []
    for source, target in (("depth", "semantic"), ("semantic", "depth")):
        metric, sign = METRICS[target]
        asked = {"mute": "shuffle", "source": source, "target": target, "metric": metric}
        own = [row for row in rows if all(row[name] == value for name, value in asked.items())]
        omega, performance = (
            ranks([by * float(row[name]) for row in own])
            for name, by in (("omega", 1), ("full", sign))
        )
        n = len(own)
        apart = sum((a - b) ** 2 for a, b in zip(omega, performance, strict=True))
        spearman = 1 - 6 * apart / (n * (n**2 - 1))
        expected.append(f"{source} → {target}, {n} networks: rank correlation {spearman:+.2f}")
    assert printed(executed)[-1].splitlines() == expected
