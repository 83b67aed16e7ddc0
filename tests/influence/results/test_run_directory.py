"""The run directory: whole or not at all, never over another run; and the file of the rows."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.plan.setups import FULL, NO_MUTE, Condition
from influence.results.run_directory import (
    Run,
    check_free,
    read_rows,
    read_run,
    write_rows,
)
from influence.results.tables import (
    INFLUENCE_COLUMNS,
    INTERACTIONS_COLUMNS,
    PERFORMANCE_COLUMNS,
    SAMPLES_COLUMNS,
    read_tables,
)
from influence.runtime.directories.locks import hold
from influence.statistics.rows import RowKey, Rows
from tests.toy import Toy, joint, toy


@pytest.fixture(scope="module")
def run(toy_file: Path) -> Run:
    """Two networks; one has no seed, and its name looks like a missing value."""
    nets = [toy(), joint(Toy(seed=1), name="NA", seed=None)]
    return measure(nets, toy_file, mutes=["zero"], draws=20)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_columns_are_those_of_the_design() -> None:
    design = (
        "network, seed, dataset, mute, site, source, target, metric, level, higher_is_better, "
        "unit, full, muted, omega, omega_low, omega_high, confidence, p_value, p_holm, n, "
        "checkpoint_sha256"
    )
    assert ", ".join(INFLUENCE_COLUMNS) == design
    assert ", ".join(PERFORMANCE_COLUMNS) == (
        "network, seed, dataset, mute, setup, target, metric, level, higher_is_better, unit, "
        "value, low, high, confidence, n"
    )
    assert ", ".join(INTERACTIONS_COLUMNS) == (
        "network, seed, dataset, mute, target, metric, level, kind, players, value, low, high, "
        "confidence, n"
    )


def test_what_is_written_is_read(run: Run, tmp_path: Path) -> None:
    run.write(tmp_path / "out")
    assert sorted(contents(tmp_path / "out")) == [
        "influence.csv", "performance.csv", "rows.h5", "run.json", "samples.csv.gz",
    ]  # fmt: skip
    found = read_run(tmp_path / "out")
    assert found.info == run.info
    for name, columns in (
        ("influence", INFLUENCE_COLUMNS),
        ("performance", PERFORMANCE_COLUMNS),
        ("samples", SAMPLES_COLUMNS),
    ):
        frame, written = getattr(found, name), getattr(run, name)
        assert tuple(frame.columns) == columns
        assert set(frame["network"]) == {"toy", "NA"}
        assert frame.loc[frame["network"] == "NA", "seed"].isna().all()
        exact = name != "samples"  # written with nine digits
        pd.testing.assert_frame_equal(frame, written, check_exact=exact, rtol=1e-8)


TYPES = {
    "network": "str", "seed": "Int64", "dataset": "str", "mute": "str", "site": "str",
    "source": "str", "target": "str", "metric": "str", "level": "str", "higher_is_better": "bool",
    "unit": "str", "full": "float64", "muted": "float64", "omega": "float64",
    "omega_low": "float64", "omega_high": "float64", "confidence": "float64",
    "p_value": "float64", "p_holm": "float64", "n": "int64", "checkpoint_sha256": "str",
    "setup": "str", "value": "float64", "low": "float64", "high": "float64", "id": "str",
    "group": "int64", "kind": "str", "players": "str", "place": "str", "distance": "float64",
    "outside": "float64", "threshold": "float64", "warning": "bool", "samples": "int64",
}  # fmt: skip
FRAMES = ("influence", "performance", "samples", "interactions", "distance")


def types(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}


def test_a_column_has_one_type_fresh_or_read_and_in_every_table(run: Run, tmp_path: Path) -> None:
    run.write(tmp_path)
    for one in (run, read_run(tmp_path)):
        frames = {name: getattr(one, name) for name in FRAMES}
        for frame in frames.values():
            assert types(frame) == {name: TYPES[name] for name in frame.columns}
        assert {name for frame in frames.values() for name in frame.columns} == set(TYPES)
        assert frames["influence"].loc[lambda f: f["network"] == "toy", "seed"].eq(0).all()


@pytest.mark.parametrize("study", ["networks", "published"])
def test_a_folder_of_tables_alone_is_read_with_the_same_types(study: str) -> None:
    folder = Path(__file__).parents[3] / "reports" / study
    found = read_run(folder)
    for name in FRAMES:
        frame = getattr(found, name)
        assert types(frame) == {name: TYPES[name] for name in frame.columns}
        assert len(frame) == count_rows(folder / f"{name}.csv")
    assert found.info == {}
    assert not found.rows
    with pytest.raises(InfluenceError, match=r"expected a run directory with a readable run\.json"):
        read_run(folder, rows=True)


def count_rows(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open(newline="", encoding="utf-8") as file:
        return len(list(csv.reader(file))) - 1


def test_tables_alone_are_read_as_far_as_they_are_there(run: Run, tmp_path: Path) -> None:
    run.write(tmp_path)
    (tmp_path / "run.json").unlink()
    found = read_run(tmp_path)
    pd.testing.assert_frame_equal(found.influence, run.influence, check_exact=True)
    assert len(found.samples) == len(run.samples)
    (tmp_path / "samples.csv.gz").unlink()
    assert tuple(read_run(tmp_path).samples.columns) == SAMPLES_COLUMNS
    (tmp_path / "performance.csv").unlink()
    with pytest.raises(InfluenceError, match=r"performance\.csv: expected a table"):
        read_run(tmp_path)
    (tmp_path / "influence.csv").unlink()
    with pytest.raises(InfluenceError, match=r"expected a run directory with a readable run\.json"):
        read_run(tmp_path)


@pytest.mark.parametrize(("column", "value"), [("seed", "0.5"), ("n", ""), ("n", "6.5")])
def test_a_number_that_is_not_whole_is_refused(
    run: Run, tmp_path: Path, column: str, value: str
) -> None:
    run.write(tmp_path)
    path = tmp_path / "influence.csv"
    frame = pd.read_csv(path, dtype="str", keep_default_na=False)
    frame.loc[0, column] = value
    frame.to_csv(path, index=False)
    with pytest.raises(
        InfluenceError, match=rf"influence\.csv: expected .nt64 in column '{column}'"
    ):
        read_run(tmp_path)


def test_influence_is_read_by_plain_pandas(run: Run, tmp_path: Path) -> None:
    run.write(tmp_path)
    frame = pd.read_csv(tmp_path / "influence.csv")
    assert tuple(frame.columns) == INFLUENCE_COLUMNS
    assert frame["omega"].tolist() == run.influence["omega"].tolist()


def test_same_run_may_be_written_again_to_the_byte(run: Run, tmp_path: Path) -> None:
    run.write(tmp_path)
    first = contents(tmp_path)
    run.write(tmp_path)
    assert contents(tmp_path) == first


def test_another_process_writes_the_same_bytes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.write(tmp_path / "one")
    monkeypatch.setattr(os, "getpid", lambda: 1234567890)
    run.write(tmp_path / "other")
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_samples_are_written_as_pandas_writes_them(run: Run, tmp_path: Path) -> None:
    odd = [np.nan, np.inf, -np.inf, -0.0, 1 / 3, 1e-300, 123456789012.5, 5e-324]
    samples = pd.concat([run.samples] * 2, ignore_index=True).head(len(odd))
    samples = samples.assign(
        full=odd, muted=odd[::-1], network='a, "b"\nc', id=["NA", "", *"é;',\r", "0"]
    )
    replace(run, samples=samples).write(tmp_path / "run")
    expected = samples.to_csv(index=False, lineterminator="\n", float_format="%.9g").encode()
    assert gzip.decompress((tmp_path / "run" / "samples.csv.gz").read_bytes()) == expected


def test_another_run_is_refused_and_stays(run: Run, toy_file: Path, tmp_path: Path) -> None:
    run.write(tmp_path)
    first = contents(tmp_path)
    other = measure(toy(), toy_file, mutes=["mean"], draws=20)
    with pytest.raises(InfluenceError, match="holds another run, with other mutes, networks"):
        other.write(tmp_path)
    assert contents(tmp_path) == first


def test_output_that_is_a_file_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InfluenceError, match="out is a file, expected a directory"):
        run.write(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_directory_without_a_run_is_free(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    check_free(tmp_path, run.info)
    check_free(tmp_path / "new", run.info)


@pytest.mark.parametrize("name", ["influence.csv", "rows.h5", "samples.csv.gz"])
def test_results_without_their_run_are_not_overwritten(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("somebody's\n")
    with pytest.raises(InfluenceError, match=rf"holds {name} and no run\.json"):
        run.write(tmp_path)
    assert (tmp_path / name).read_text() == "somebody's\n"


@pytest.fixture
def another(run: Run) -> Run:
    """The same run with other numbers and without samples."""
    influence = run.influence.assign(omega=run.influence["omega"] + 1)
    info = {**run.info, "samples": False}
    return replace(run, influence=influence, samples=run.samples.head(0), info=info)


OPERATIONS = ("open", "write", "fsync", "mkdir", "rename", "replace", "unlink", "rmdir")


@pytest.mark.parametrize("stop", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_failure_at_any_call_leaves_one_run_whole(
    run: Run, another: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException
) -> None:
    """The earlier results stay until one instant; from then on the new ones are read."""
    expected = []
    for name, one in (("one", run), ("two", another)):
        one.write(tmp_path / name)
        expected.append(contents(tmp_path / name))
    seen = set()
    for count in range(200):
        out = tmp_path / f"out{count}"
        run.write(out)
        calls = iter(range(1000))

        def failing(
            plain: Any, *args: Any, calls: Any = calls, at: int = count, **named: Any
        ) -> Any:
            if next(calls) == at:
                raise stop
            return plain(*args, **named)

        with monkeypatch.context() as patch:
            for name in OPERATIONS:
                patch.setattr(os, name, partial(failing, getattr(os, name)))
            told = ""
            try:
                another.write(out)
            except (InfluenceError, KeyboardInterrupt) as error:
                told = str(error)
            finished = next(calls) <= count
        read = read_run(out)
        which = int(len(read.samples) == 0)
        assert not (which and "unchanged" in told)
        (another if which else run).write(out)
        assert contents(out) == expected[which]
        seen.add(which)
        if finished:
            break
    assert seen == {0, 1}
    assert count > 20


def test_a_directory_of_an_interrupted_commit_is_read_where_it_cannot_be_written(
    run: Run, another: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.write(tmp_path)

    plain = os.replace

    def killed(source: Path, place: Path) -> None:
        if Path(source).parent.name == ".committed":
            raise KeyboardInterrupt
        plain(source, place)

    def refused(*names: object, **more: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            another.write(tmp_path)
    with monkeypatch.context() as patch:
        for name in ("open", "replace", "unlink", "mkdir", "rmdir"):
            patch.setattr(os, name, refused)
        found = read_run(tmp_path, rows=True)
        table = read_tables([tmp_path], "influence")
        assert read_tables([tmp_path], "samples", optional=True).empty
    pd.testing.assert_frame_equal(found.influence, another.influence, check_exact=True)
    pd.testing.assert_frame_equal(table, another.influence, check_exact=True)
    assert found.samples.empty
    assert found.rows.keys() == run.rows.keys()
    assert (tmp_path / ".committed").is_dir()
    read_run(tmp_path)
    assert sorted(contents(tmp_path)) == ["influence.csv", "performance.csv", "rows.h5", "run.json"]


def test_files_of_others_stay(run: Run, another: Run, tmp_path: Path) -> None:
    run.write(tmp_path)
    (tmp_path / "notes.csv").write_text("mine")
    (tmp_path / "gallery").mkdir()
    another.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "gallery", "influence.csv", "notes.csv", "performance.csv", "rows.h5", "run.json",
    ]  # fmt: skip


def test_a_folder_called_as_a_table_stops_the_run_before_it_is_written(
    run: Run, another: Run, tmp_path: Path
) -> None:
    run.write(tmp_path)
    first = contents(tmp_path)
    (tmp_path / "interactions.csv").mkdir()
    more = replace(another, interactions=run.performance)
    with pytest.raises(InfluenceError, match=r"Is a directory.*interactions\.csv"):
        more.write(tmp_path)
    (tmp_path / "interactions.csv").rmdir()
    assert contents(tmp_path) == first


def test_a_directory_that_another_process_writes_is_left_alone(run: Run, tmp_path: Path) -> None:
    run.write(tmp_path)
    first = contents(tmp_path)
    ready, stop = os.pipe(), os.pipe()
    process = os.fork()
    if not process:
        with hold(tmp_path):
            os.write(ready[1], b".")
            os.read(stop[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    with pytest.raises(InfluenceError, match=f"is being written by process {process} on "):
        run.write(tmp_path)
    assert read_run(tmp_path).info == run.info
    os.write(stop[1], b".")
    os.waitpid(process, 0)
    assert contents(tmp_path) == first


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_disk_is_reported(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = pd.DataFrame.to_csv
    monkeypatch.setattr(
        pd.DataFrame, "to_csv", lambda self, _path, **options: plain(self, "/dev/full", **options)
    )
    with pytest.raises(InfluenceError, match=r"out: .*No space left.* unchanged"):
        run.write(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _no_json(folder: Path) -> None:
    (folder / "run.json").write_text("{")


def _list(folder: Path) -> None:
    (folder / "run.json").write_text("[]")


def _deep(folder: Path) -> None:
    (folder / "run.json").write_text("[" * 100_000)


def _measured_list(folder: Path) -> None:
    (folder / "run.json").write_text('{"measured": []}')


def _empty_table(folder: Path) -> None:
    (folder / "influence.csv").write_text("")


def _other_columns(folder: Path) -> None:
    (folder / "performance.csv").write_text("network,value\na,1\n")


def _cut_archive(folder: Path) -> None:
    path = folder / "samples.csv.gz"
    path.write_bytes(path.read_bytes()[:-20])


def _broken_archive(folder: Path) -> None:
    path = folder / "samples.csv.gz"
    content = bytearray(path.read_bytes())
    content[40:80] = b"\xff" * 40
    path.write_bytes(content)


def _no_text(folder: Path) -> None:
    (folder / "samples.csv.gz").write_bytes(gzip.compress(b"\xff\xfe\x00"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_no_json, "expected a run directory with a readable run.json"),
        (_list, "run.json: input should be a valid dictionary"),
        (_deep, "expected a run directory with a readable run.json"),
        (_measured_list, "run.json: measured: input should be a valid dictionary"),
        (_empty_table, "influence.csv: expected a table that influence measure wrote"),
        (_other_columns, "performance.csv: expected the columns .* missing: .*'seed'"),
        (_cut_archive, "samples.csv.gz: expected a table"),
        (_broken_archive, "samples.csv.gz: expected a table"),
        (_no_text, "samples.csv.gz: expected a table"),
    ],
)
def test_damaged_run_is_refused(
    run: Run, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    run.write(tmp_path)
    damage(tmp_path)
    with pytest.raises(InfluenceError, match=message):
        read_run(tmp_path)


def test_streamed_run_is_read_without_samples(toy_file: Path, tmp_path: Path) -> None:
    streamed = measure(toy(), toy_file, mutes=["zero"], draws=20, stream=True)
    streamed.write(tmp_path)
    assert sorted(contents(tmp_path)) == ["influence.csv", "performance.csv", "run.json"]
    found = read_run(tmp_path)
    assert found.info == streamed.info
    assert found.influence["omega"].tolist() == streamed.influence["omega"].tolist()
    assert tuple(found.samples.columns) == SAMPLES_COLUMNS
    assert found.samples.empty


def test_interactions_are_written_and_read_where_they_were_asked_for(
    run: Run, toy_file: Path, tmp_path: Path
) -> None:
    asked = measure(
        [toy(), joint(Toy(seed=1), name="NA", seed=None)], toy_file, mutes=["zero"], draws=20,
        interactions=True,
    )  # fmt: skip
    asked.write(tmp_path)
    found = read_run(tmp_path).interactions
    assert tuple(found.columns) == INTERACTIONS_COLUMNS
    assert set(found["network"]) == {"toy", "NA"}
    pd.testing.assert_frame_equal(found, asked.interactions, check_exact=True)
    with pytest.raises(InfluenceError, match="holds another run, with other interactions, setups"):
        run.write(tmp_path)
    (tmp_path / "interactions.csv").unlink()
    with pytest.raises(InfluenceError, match=r"no interactions\.csv, .* with interactions=True"):
        read_run(tmp_path)


def test_lost_samples_of_an_exact_run_are_refused(run: Run, tmp_path: Path) -> None:
    run.write(tmp_path)
    (tmp_path / "samples.csv.gz").unlink()
    with pytest.raises(InfluenceError, match=r"samples\.csv\.gz: expected a table"):
        read_run(tmp_path)


def test_a_report_keeps_neither_samples_nor_rows(run: Run, tmp_path: Path) -> None:
    run.write(tmp_path)
    (tmp_path / "samples.csv.gz").unlink()
    (tmp_path / "rows.h5").unlink()
    found = read_run(tmp_path)
    assert found.info == run.info
    assert found.samples.empty
    pd.testing.assert_frame_equal(found.influence, run.influence, check_exact=True)


def test_file_holds_every_array_under_its_names(tmp_path: Path) -> None:
    full, muted = Condition(NO_MUTE, FULL), Condition("zero", frozenset({"x"}))
    values = {RowKey(c, "y", "errors"): np.full((2, 3), i) for i, c in enumerate((muted, full))}
    rows = Rows(["a", "b"], np.arange(2), values)
    assert rows.conditions() == [full, muted]
    assert rows.values[RowKey(muted, "y", "errors")][0, 0] == 0
    write_rows(tmp_path / "rows.h5", {"net/1": rows, "ids": rows})
    with h5py.File(tmp_path / "rows.h5") as file:
        assert [file[f"rows/{i}"].attrs["network"] for i in (0, 1)] == ["net/1", "ids"]
        assert file["rows/0/full/y/errors"][0, 0] == 1
        assert file["rows/1/zero(x)/y/errors"].shape == (2, 3)
        assert file["ids"].asstr()[...].tolist() == ["a", "b"]
        assert file["groups"][...].tolist() == [0, 1]


CONDITIONS = (
    Condition(NO_MUTE, FULL),
    Condition("constant:1e+05", frozenset({"x"})),
    Condition("shuffle:groups", frozenset({"x", "edge:scale1.depth"})),
    Condition("zero", frozenset({"a (raw)"})),
)
LEVELS = ("all", "depth:0.5-2", "group:kitchen/2", "class:wall@left")


def some_rows(seed: int = 0) -> Rows:
    numbers = np.random.default_rng(seed)
    keys = [RowKey(c, "y", "errors", level) for c in CONDITIONS for level in LEVELS]
    return Rows(
        ["b", "a", "ü"], np.array([0, 1, 0]), {key: numbers.normal(size=(3, 2)) for key in keys}
    )


def test_what_was_written_is_read_to_the_bit(tmp_path: Path) -> None:
    written = {f"net/{i}": some_rows(i) for i in range(11)}  # as text, 10 comes before 2
    write_rows(tmp_path / "rows.h5", written)
    found = read_rows(tmp_path / "rows.h5")
    assert list(found) == list(written)
    for name, rows in written.items():
        assert list(found[name].ids) == rows.ids
        assert np.array_equal(found[name].groups, rows.groups)
        assert found[name].values.keys() == rows.values.keys()
        assert all(np.array_equal(found[name].values[k], v) for k, v in rows.values.items())


def test_units_are_written_where_there_are_any(tmp_path: Path) -> None:
    for units in (None, np.array([0, 1, 1])):
        rows = replace(some_rows(), units=units)
        write_rows(tmp_path / "rows.h5", {"net": rows})
        found = read_rows(tmp_path / "rows.h5")["net"]
        assert np.array_equal(found.drawn_together, rows.groups if units is None else units)
        assert np.array_equal(found.groups, rows.groups)


def replaced(name: str, data: Any) -> Callable[[h5py.File], None]:
    """Return what replaces a dataset of a file."""

    def spoil(file: h5py.File) -> None:
        del file[name]
        file[name] = data

    return spoil


def added(name: str, data: Any) -> Callable[[h5py.File], None]:
    """Return what adds a dataset to a file."""
    return lambda file: file.create_dataset(name, data=data)


def removed(name: str) -> Callable[[h5py.File], None]:
    """Return what removes something from a file."""
    return lambda file: file.__delitem__(name)


def bomb(file: h5py.File) -> None:
    """Declare terabytes of rows that take no space."""
    del file["rows/0/full/y/errors"]
    file.create_dataset("rows/0/full/y/errors", (3, 2**38), np.float64, chunks=(1, 2**16))


FULL_ROWS = "rows/0/full/y/errors"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (removed("ids"), "ids"),
        (removed("groups"), "groups"),
        (removed("rows"), "rows"),
        (removed(FULL_ROWS), "without rows of the same shape with nothing muted"),
        (added("rows/0/full/y/more", np.ones((3, 2))), "no rows of more of y, all, under"),
        (replaced("ids", [1, 2, 3]), "expected the rows"),
        (replaced("groups", [0, 0]), r"groups of shape \(2,\)"),
        (replaced("groups", [0, 2, 0]), "groups that are not numbered"),
        (lambda file: file.create_dataset("units", data=[0, 2, 2]), "units that are not numbered"),
        (lambda file: file.create_dataset("units", data=[0, 1, 2**45]), "units that are not"),
        (replaced("groups", [0, -1, 0]), "groups that are not numbered"),
        (replaced(FULL_ROWS, np.ones((3, 5))), "without rows of the same shape"),
        (replaced(FULL_ROWS, np.ones((2, 2))), r"shape \(2, 2\)"),
        (replaced(FULL_ROWS, np.ones(3)), r"shape \(3,\)"),
        (replaced(FULL_ROWS, np.ones((3, 2), dtype=np.float32)), "type float32"),
        (replaced(FULL_ROWS, np.array([["a", "b"]] * 3, dtype="S1")), "type "),
        (replaced(FULL_ROWS, np.full((3, 2), np.nan)), "not finite numbers"),
        (lambda file: file["rows/0"].move("full", "empty"), "rows under the name 'empty/y/errors"),
        (lambda file: file["rows/0"].attrs.clear(), "network"),
        (lambda file: file["rows"].move("0", "first"), "expected the rows"),
        (lambda file: file.copy("rows/0", "rows/1"), "two networks of one name"),
        (bomb, "of its 12582912 chunks were never written"),
    ],
)
def test_a_foreign_file_is_refused(
    tmp_path: Path, spoil: Callable[[h5py.File], None], message: str
) -> None:
    path = tmp_path / "rows.h5"
    write_rows(path, {"net": some_rows()})
    with h5py.File(path, "a") as file:
        spoil(file)
    with pytest.raises(InfluenceError, match=message) as error:
        read_rows(path)
    assert str(path) in str(error.value)


def test_a_link_out_of_the_file_is_not_followed(tmp_path: Path) -> None:
    write_rows(tmp_path / "other.h5", {"net": some_rows()})
    write_rows(tmp_path / "rows.h5", {"net": some_rows()})
    with h5py.File(tmp_path / "rows.h5", "a") as file:
        del file[FULL_ROWS]
        file[FULL_ROWS] = h5py.ExternalLink("other.h5", FULL_ROWS)
    with pytest.raises(InfluenceError, match=r"y/errors with values in another file, .*other\.h5"):
        read_rows(tmp_path / "rows.h5")


@pytest.mark.parametrize("length", [0, 100, 3000])
def test_a_truncated_file_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "rows.h5"
    write_rows(path, {"net": some_rows()})
    assert path.stat().st_size > 3000
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InfluenceError, match="expected the rows that influence measure writes"):
        read_rows(path)


def test_a_missing_file_says_that_streams_keep_none(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match="a streamed run keeps none"):
        read_rows(tmp_path / "rows.h5")
