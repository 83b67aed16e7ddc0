"""Evaluation: one read of each sample; batch size and workers change nothing."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from influence.cli import main
from influence.data.evaluation_file import EvaluationFile
from influence.engine.collectors import RowCollector
from influence.engine.evaluation import evaluate
from influence.errors import InfluenceError
from influence.measurement.pipeline import Checkpointing, measure
from influence.metrics.registry import find_metrics
from influence.mutes.registry import parse_mutes
from influence.network.checkpoints import export_checkpoint, load_checkpoint
from influence.network.joint_network import JointNetwork, Modality, Output
from influence.plan.plan import Plan
from influence.results.run_directory import Run, read_run
from influence.results.tables import SAMPLES_COLUMNS
from influence.runtime.execution import Execution, Session, choose_device
from influence.runtime.shards import ShardStore
from influence.statistics.rows import Rows
from tests.toy import Toy, batches, joint, toy, write_toy_file

ALL_MUTES = ("zero", "mean", "uniform", "shuffle", "noise", "constant:0.5")


def plan(*mutes: str) -> Plan:
    metrics = {
        "depth": tuple(find_metrics(["rms", "mse"])),
        "semantic": tuple(find_metrics(["mean_iou", "cross_entropy"])),
    }
    return Plan(("depth", "semantic"), tuple(parse_mutes(mutes)), metrics, seed=4)


def run(net: JointNetwork, path: Path, mutes: tuple[str, ...] = ALL_MUTES, **options: Any) -> Rows:
    data = EvaluationFile(path)
    return evaluate([net], data, [plan(*mutes)], RowCollector(), **options)[0].kept


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 0), (3, 2), (16, 0)])
def test_rows_do_not_depend_on_batch_size_or_workers(
    net: JointNetwork, toy_file: Path, batch_size: int, workers: int
) -> None:
    reference = run(net, toy_file, execution=Execution(batch_size=5))
    found = run(net, toy_file, execution=Execution(batch_size=batch_size, workers=workers))
    assert found.values.keys() == reference.values.keys()
    for key, rows in reference.values.items():
        np.testing.assert_allclose(found.values[key], rows, rtol=1e-6, err_msg=str(key))


@pytest.mark.parametrize("mutes", [("zero",), ("zero", "shuffle", "constant:0.5")])
def test_each_sample_is_read_once(
    net: JointNetwork, toy_file: Path, mutes: tuple[str, ...], reads: list[int]
) -> None:
    run(net, toy_file, mutes, execution=Execution(batch_size=4))
    assert sorted(reads) == list(range(13))


def test_conditions_are_full_and_each_site_under_each_mute(net: JointNetwork) -> None:
    named = [str(c) for c in plan("zero", "uniform").conditions(net)]
    # Nothing is uniform about a depth map.
    assert named == ["full", "zero(depth)", "zero(semantic)", "uniform(semantic)"]


def test_mute_that_is_defined_for_no_site_is_refused(net: JointNetwork) -> None:
    metrics = {"depth": tuple(find_metrics(["rms"]))}
    only_depth = Plan(("depth",), tuple(parse_mutes(["uniform"])), metrics)
    with pytest.raises(InfluenceError, match=r"'uniform' is defined for .*logits or prob"):
        only_depth.conditions(net)


def test_limit_takes_the_first_samples(net: JointNetwork, toy_file: Path) -> None:
    whole, part = run(net, toy_file, ("zero",)), run(net, toy_file, ("zero",), limit=5)
    assert part.ids == whole.ids[:5]
    for key, rows in part.values.items():
        np.testing.assert_allclose(rows, whole.values[key][:5], rtol=1e-6)


@pytest.mark.parametrize("mutes", [("zero",), ("shuffle", "noise")])
def test_resumed_evaluation_equals_an_uninterrupted_one(
    net: JointNetwork, toy_file: Path, tmp_path: Path, mutes: tuple[str, ...]
) -> None:
    execution = Execution(batch_size=4)
    whole = run(net, toy_file, mutes, execution=execution)

    def stop_after_two(samples: int) -> None:
        done.append(samples)
        if len(done) == 2:
            raise KeyboardInterrupt

    done: list[int] = []
    store = ShardStore(tmp_path / "shards", {})
    session = Session(shards=store, advance=stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        run(net, toy_file, mutes, execution=execution, session=session)
    assert store.finished() == [0, 1]
    session = Session(shards=store, advance=done.append)
    resumed = run(net, toy_file, mutes, execution=execution, session=session)
    assert sum(done[2:]) == 13
    for key, rows in whole.values.items():
        np.testing.assert_array_equal(resumed.values[key], rows)


def test_groups_come_from_the_data(net: JointNetwork, toy_file: Path) -> None:
    assert run(net, toy_file, ("zero",)).groups.tolist() == list(range(13))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "a batch size of 1 or more and 0 or more workers, got 0 and 0"),
        ({"workers": -1}, "0 or more workers"),
        ({"amp": "bf61"}, "unknown precision 'bf61': did you mean 'bf16'"),
    ],
)
def test_senseless_execution_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        Execution(**options)


def test_mixed_precision_is_near(net: JointNetwork, toy_file: Path) -> None:
    exact, mixed = (
        run(net, toy_file, ("zero",), execution=Execution(amp=amp)) for amp in ("off", "bf16")
    )
    key = next(iter(exact.values))
    gap = np.abs(exact.values[key] - mixed.values[key]).max()
    assert 0 < gap < 0.05 * np.abs(exact.values[key]).max()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_absent_device_is_told() -> None:
    with pytest.raises(InfluenceError, match="device 'cuda' cannot be used here"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"


def test_unknown_device_is_told() -> None:
    with pytest.raises(InfluenceError, match="device 'gpu' cannot be used here"):
        choose_device("gpu")


@pytest.fixture
def exported(net: JointNetwork, tmp_path: Path) -> Path:
    example = {"depth": torch.ones(2, 1, 5, 6), "semantic": torch.ones(2, 3, 5, 6)}
    export_checkpoint(net, tmp_path / "toy.pt2", example)
    return tmp_path / "toy.pt2"


@pytest.mark.parametrize(
    "options", [{"compile": True}, {"channels_last": False}, {"batch_size": 3}], ids=str
)
@pytest.mark.parametrize("share", [True, False])
def test_way_of_computing_changes_nothing(
    exported: Path,
    toy_file: Path,
    options: dict[str, Any],
    share: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What a backend makes of the graphs is not ours to test.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    reference = run(load_checkpoint(exported), toy_file, execution=Execution(share=False))
    data, plans = EvaluationFile(toy_file), [plan(*ALL_MUTES)]
    execution = Execution(share=share, **options)
    networks = [load_checkpoint(exported)]
    found = evaluate(networks, data, plans, RowCollector(), execution=execution)
    assert found[0].trial.shared == share
    assert found[0].trial.channels_last == options.get("channels_last", True)
    for key, rows in reference.values.items():
        np.testing.assert_allclose(found[0].kept.values[key], rows, rtol=1e-6, err_msg=str(key))


def test_several_networks_share_one_read(exported: Path, toy_file: Path, reads: list[int]) -> None:
    plans = [plan("zero", "shuffle"), replace(plan("zero", "shuffle"), setups="all")]
    networks = [load_checkpoint(exported), load_checkpoint(exported)]
    data, execution = EvaluationFile(toy_file), Execution(batch_size=4)
    found = evaluate(networks, data, plans, RowCollector(), execution=execution)
    assert sorted(reads) == list(range(13))
    one, other = (own.kept for own in found)
    assert len(one.conditions()) == 1 + 2 * 2
    assert len(other.conditions()) == 1 + 2 * 3
    for key, rows in one.values.items():
        np.testing.assert_array_equal(other.values[key], rows)


COUNT, GROUPS, DRAWS = 200, 50, 4000

OPTIONS: dict[str, Any] = {"mutes": ["zero", "noise", "shuffle"], "seed": 3, "draws": DRAWS}

QUICK: dict[str, Any] = {
    "mutes": ["zero"],
    "metrics": {"depth": ["mse"]},
    "draws": 20,
    "stream": True,
}


@pytest.fixture(scope="module", params=[False, True], ids=["single", "grouped"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 200 samples, each by itself or in 50 groups."""
    return write_toy_file(
        tmp_path_factory.mktemp("stream") / "toy.h5",
        COUNT,
        ids=[f"image {i}" for i in range(COUNT)],
        groups=[f"scene {i % GROUPS}" for i in range(COUNT)] if request.param else None,
    )


@pytest.fixture(scope="module")
def exact(path: Path) -> Run:
    return measure(toy(), path, **OPTIONS)


@pytest.fixture(scope="module")
def streamed(path: Path) -> Run:
    return measure(toy(), path, stream=True, **OPTIONS)


def assert_near(found: Run, expected: Run, tolerance: float, *, without: str = " ") -> None:
    """Compare both tables, except columns that begin like `without`."""
    for name in ("influence", "performance"):
        one, other = (getattr(run, name) for run in (found, expected))
        left_out = ("seed", *without.split(","))  # a seed may be missing: it is not compared
        numbers = [c for c in one.select_dtypes("number") if not c.startswith(left_out)]
        assert len(one) > 1
        np.testing.assert_allclose(one[numbers], other[numbers], rtol=tolerance, atol=tolerance)
        # A stream of tensors has neither a name nor units.
        words = one.select_dtypes(exclude="number").columns.drop(["dataset", "unit"])
        pd.testing.assert_frame_equal(one[words], other[words])


def test_values_are_those_of_the_exact_run(exact: Run, streamed: Run) -> None:
    assert_near(streamed, exact, 1e-9, without="omega_,p_,low,high")
    assert (streamed.influence["omega"].abs() > 1e-3).sum() > 20
    assert set(streamed.influence["n"]) == {COUNT}


def end_error(frame: pd.DataFrame, independent: int) -> NDArray[np.float64]:
    """Derive the Monte-Carlo error of the ends of intervals, for draws that are normal.

    A quantile q of D draws has the variance q (1 - q) / (D f²), with the density f there. The ends
    lie `reach` standard deviations from the middle, which tells the standard deviation too.
    """
    reach = stats.t.ppf(0.975, independent - 1) * np.sqrt(independent / (independent - 1))
    tail = stats.norm.sf(reach)
    deviation = (frame["omega_high"] - frame["omega_low"]).to_numpy() / (2 * reach)
    return np.asarray(np.sqrt(tail * (1 - tail) / DRAWS) / stats.norm.pdf(reach) * deviation)


def test_intervals_differ_by_the_error_of_the_draws(exact: Run, streamed: Run, path: Path) -> None:
    one, other = exact.influence, streamed.influence
    # Samples, or groups, exchange their inputs in pairs, and are drawn so.
    independent = (COUNT if EvaluationFile(path).groups is None else GROUPS) // 2
    error = np.sqrt(2) * end_error(one, independent)
    assert (error < 0.03 * (one["omega_high"] - one["omega_low"])).all()  # so that it says much
    for end in ("omega_low", "omega_high"):
        off = (other[end] - one[end]) / error
        assert off.abs().max() < 5
        assert 0.5 < off.std() < 2  # other draws, of the same kind


def test_p_values_differ_by_the_error_of_the_flips(exact: Run, streamed: Run) -> None:
    one, other = (run.influence["p_value"].to_numpy() for run in (exact, streamed))
    between = (one + other) / 2
    assert ((between > 0.05) & (between < 0.95)).sum() > 5
    assert (np.abs(one - other) <= 5 * np.sqrt(2 * between * (1 - between) / DRAWS) + 1e-12).all()
    assert (one != other).any()


def batches_of(path: Path, size: int) -> Iterator[Any]:
    """Yield a file's samples as a user's generator would, with their ids and groups."""
    data = EvaluationFile(path)
    for start in range(0, len(data), size):
        some = np.arange(start, min(start + size, len(data)))
        batch = data.read(some)
        groups = {} if data.groups is None else {"groups": data.groups[some].tolist()}
        yield batch.inputs, batch.targets, {"ids": [data.ids[i] for i in some.tolist()]} | groups


def test_a_generator_gives_what_the_file_gives(path: Path) -> None:
    # Not for `shuffle`: in a stream the partner is another.
    options = OPTIONS | {"mutes": ["zero", "constant:0.5"], "stream": True}
    from_file, found = (measure(toy(), data, **options) for data in (path, batches_of(path, 16)))
    assert_near(found, from_file, 1e-9)


@pytest.mark.parametrize(("batch_size", "workers"), [(3, 2), (500, 0)])
def test_batch_size_and_workers_change_nothing(
    path: Path, streamed: Run, batch_size: int, workers: int
) -> None:
    execution = Execution(batch_size=batch_size, workers=workers)
    options = OPTIONS | {"execution": execution, "stream": True}
    assert_near(measure(toy(), path, **options), streamed, 1e-6)


def squared_error(depth: Tensor, semantic: Tensor, truth: Tensor) -> float:
    """Compute the mean squared error of the toy network's depth by hand."""
    with torch.inference_mode():
        guess = Toy()(depth, semantic)[0][:, 0]
    return float((guess - truth)[~truth.isnan()].double().square().mean())


def partners_by_hand(count: int) -> list[int]:
    """The first exchanges with the second, and so on; the last three in a ring if they are odd."""
    partner = [i + 1 - 2 * (i % 2) for i in range(count)]
    if count % 2:
        partner[-3:] = count - 2, count - 1, count - 3
    return partner


@pytest.mark.parametrize("limit", [None, 5, 8])
@pytest.mark.parametrize("size", [1, 3, 4, 13])
def test_shuffle_exchanges_inputs_in_pairs_of_any_batches(size: int, limit: int | None) -> None:
    (depth, semantic), (truth, _) = (
        tuple(torch.cat([b[part][n] for b in batches()]) for n in ("depth", "semantic"))
        for part in (0, 1)
    )
    parts = [slice(i, i + size) for i in range(0, 13, size)]
    chunks = [({"depth": depth[p], "semantic": semantic[p]}, {"depth": truth[p]}) for p in parts]
    run = measure(toy(), iter(chunks), **QUICK | {"mutes": ["shuffle"], "limit": limit})
    some, partner = slice(limit), partners_by_hand(limit or 13)
    following = {n: x[partner] for n, x in (("depth", depth), ("semantic", semantic))}
    clean = {"depth": depth[some], "semantic": semantic[some]}
    found = run.influence.set_index("source")
    for site in clean:
        shown = clean | {site: following[site]}
        expected = squared_error(shown["depth"], shown["semantic"], truth[some])
        assert found.loc[site, "muted"] == pytest.approx(expected, rel=1e-6)
        full = squared_error(depth[some], semantic[some], truth[some])
        assert found.loc[site, "full"] == pytest.approx(full, rel=1e-6)
    assert set(found["n"]) == {limit or 13}


@pytest.mark.parametrize("mute", ["zero", "shuffle"])
def test_limit_reads_no_further_than_it_has_to(mute: str) -> None:
    read: list[int] = []

    def endless() -> Iterator[Any]:
        while True:
            read.append(len(read))
            yield batches()[0]

    run = measure(toy(), endless(), **QUICK | {"mutes": [mute], "limit": 6})
    assert set(run.influence["n"]) == {6}
    assert len(read) == 2  # of four samples each
    with pytest.raises(InfluenceError, match="a limit of one sample or more, got 0"):
        measure(toy(), endless(), **QUICK | {"limit": 0})


@pytest.mark.parametrize("mute", ["zero", "shuffle"])
def test_few_batches_are_held(mute: str) -> None:
    alive: list[weakref.ref[Tensor]] = []

    def made() -> Iterator[Any]:
        for _ in range(20):
            inputs, targets = batches()[0]
            alive.append(weakref.ref(inputs["depth"]))
            yield inputs, targets
            assert sum(x() is not None for x in alive) <= 4

    measure(toy(), made(), **QUICK | {"mutes": [mute]})
    assert len(alive) == 20


class Counted(Toy):
    """Counts its passes."""

    passes = 0

    def forward(self, depth: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        self.passes += 1
        return super().forward(depth, semantic)


def test_mean_that_nobody_knows_is_refused_before_anything_is_run() -> None:
    module = Counted()
    message = r"needs the mean of the inputs depth, semantic, and a stream cannot be read twice"
    with pytest.raises(InfluenceError, match=message):
        measure(joint(module), iter(batches()), **QUICK | {"mutes": ["mean"]})
    assert module.passes == 0


def test_mean_that_the_facts_hold_is_taken() -> None:
    net = JointNetwork(
        Toy(),
        inputs=[
            Modality("depth", "depth", mean=(2.5,)),
            Modality("semantic", "probabilities", mean=(0.2, 0.3, 0.5)),
        ],
        outputs=["depth", "semantic"],
    )
    streamed, collected = (
        measure(net, iter(batches()), **QUICK | {"mutes": ["mean"], "stream": stream}, batch_size=4)
        for stream in (True, False)
    )
    assert_near(streamed, collected, 1e-9, without="omega_,p_,low,high")


def test_a_file_is_read_for_the_means_that_nobody_knows(toy_file: Path) -> None:
    streamed, exact = (
        measure(toy(), toy_file, **QUICK | {"mutes": ["mean"], "stream": stream})
        for stream in (True, False)
    )
    assert_near(streamed, exact, 1e-9, without="omega_,p_,low,high")


def test_maps_may_change_their_size() -> None:
    stream = np.random.default_rng(0)
    made, squares = [], []
    for height, width in ((5, 6), (7, 4), (3, 9)):
        depth, truth = (
            torch.from_numpy(stream.uniform(1, 5, (4, 1, height, width))).float() for _ in range(2)
        )
        semantic = torch.from_numpy(stream.dirichlet(np.ones(3), (4, height, width)))
        semantic = semantic.permute(0, 3, 1, 2).float()
        made.append(({"depth": depth, "semantic": semantic}, {"depth": truth[:, 0]}))
        zero = torch.zeros_like(depth)
        squares.append((truth.numel(), squared_error(zero, semantic, truth[:, 0])))
    found = measure(toy(), iter(made), **QUICK).influence.set_index("source")
    expected = sum(n * mean for n, mean in squares) / sum(n for n, _ in squares)
    assert found.loc["depth", "muted"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("data", "mutes", "message"),
    [
        ([], ["zero"], "the stream yielded no batch"),
        ([batches()[0], 5], ["zero"], "batch 1: expected a pair"),
        ([tuple({n: x[:1] for n, x in part.items()} for part in batches()[0])], ["shuffle"],
         "mute 'shuffle' needs two samples or more, got 1"),
        ([batches()[0], ({"depth": torch.ones(1, 2, 5, 6), "semantic": torch.ones(1, 3, 5, 6)},
                         batches()[3][1])], ["zero"],
         r"network 'toy' failed on inputs .*\(1, 2, 5, 6\).* from the stream of batches"),
        (5, ["zero"], "expected the path of an evaluation file or an iterable of batches"),
        ([(*batches()[0], {"ids": list("abcd"), "groups": list("aabb")})], ["shuffle"],
         "the groups of samples that exchange their inputs are drawn together, and a stream"),
    ],
)  # fmt: skip
def test_bad_streams_end_with_one_clear_error(data: Any, mutes: list[str], message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        measure(toy(), data, **QUICK | {"mutes": mutes})


def test_several_networks_share_the_stream() -> None:
    nets = [toy(), joint(Toy(1), "second")]
    together = measure(nets, iter(batches()), **QUICK)
    alone = measure(joint(Toy(1), "second"), iter(batches()), **QUICK)
    second = together.influence[together.influence["network"] == "second"]
    pd.testing.assert_frame_equal(second.reset_index(drop=True), alone.influence)


def test_notes_and_facts_of_a_streamed_run() -> None:
    net = JointNetwork(Toy(), ["depth", "semantic"], ["depth", Output("semantic")])
    run = measure(net, iter(batches()), **QUICK)
    assert run.samples.empty
    assert run.rows == {}
    measured = run.info["measured"]
    assert (measured["stream"], measured["data"]["n"]) == (True, None)
    assert "in at most 4096 random blocks" in run.info["definitions"]["interval"]


def test_place_for_the_results_is_tried_before_anything_is_run(tmp_path: Path) -> None:
    module = Counted()
    (tmp_path / "mine").write_text("mine")
    place = Checkpointing(tmp_path, target=tmp_path / "mine" / "out")
    with pytest.raises(InfluenceError, match="mine/out: expected a directory to write"):
        measure(joint(module), iter(batches()), checkpointing=place, **QUICK)
    assert module.passes == 0


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "net.pt"
    torch.save(Toy().state_dict(), path)
    return path


def call(weights: Path, out: Path, data: object, *more: str) -> Result:
    return CliRunner().invoke(
        main,
        ["measure", "--stream", "--ckpt", str(weights), "--network", "tests.toy:toy", "--data",
         str(data), "--out", str(out), "--draws", "20", "--device", "cpu", *more],
    )  # fmt: skip


@pytest.mark.parametrize("source", ["file", "factory"])
def test_a_streamed_run_from_the_shell_is_read_and_drawn(
    weights: Path, toy_file: Path, tmp_path: Path, source: str
) -> None:
    out = tmp_path / "out"
    data = toy_file if source == "file" else "tests.toy:batches"
    done = call(weights, out, data, "--mute", "zero,shuffle")
    assert done.exit_code == 0, done.output
    # A stream of unknown length is worth a trace, in which the place where inputs meet is found.
    found = [] if source == "file" else ["distance.csv"]
    assert sorted(p.name for p in out.iterdir()) == [
        *found, "influence.csv", "performance.csv", "run.json",
    ]  # fmt: skip
    run = read_run(out)
    assert run.samples.empty
    assert tuple(run.samples.columns) == SAMPLES_COLUMNS
    assert json.loads((out / "run.json").read_text())["measured"]["stream"] is True
    for arguments in (
        ["table", "omega"], ["table", "performance"], ["table", "classes"],
        ["plot", "performance", "--mute", "zero", "--out", str(tmp_path / "figure.svg")],
    ):  # fmt: skip
        shown = CliRunner().invoke(main, [*arguments[:2], str(out), *arguments[2:]])
        assert shown.exit_code == 0, shown.output
    again = call(weights, out, data, "--mute", "zero,shuffle")
    assert again.exit_code == 0, again.output


def test_a_streamed_run_is_not_written_over_an_exact_one(
    weights: Path, toy_file: Path, tmp_path: Path
) -> None:
    measure(toy(), toy_file, draws=20).write(tmp_path)
    done = call(weights, tmp_path, toy_file)
    assert done.exit_code == 1
    assert "holds another run" in done.stderr
    assert "stream" in done.stderr
    assert len(read_run(tmp_path).samples) > 0


def test_resume_and_stream_are_wrong_usage(weights: Path, toy_file: Path, tmp_path: Path) -> None:
    done = call(weights, tmp_path / "out", toy_file, "--resume")
    assert done.exit_code == 2
    assert "--stream keeps nothing that --resume could go on from" in done.stderr
    assert not (tmp_path / "out").exists()
