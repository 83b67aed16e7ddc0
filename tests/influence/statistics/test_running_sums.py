"""Running sums against dense weights, the exact bootstrap, and themselves in other batches."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Mapping, Sequence
from copy import deepcopy
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pandas.util import hash_array
from scipy import stats

from influence.analysis.omega import Subject, influence_frame, performance_frame
from influence.data.dataset import group_numbers
from influence.metrics.registry import METRICS
from influence.plan.setups import Condition
from influence.statistics.bootstrap import BLOCKS, Resampling
from influence.statistics.rows import RowKey, Rows, Sums
from influence.statistics.running_sums import RunningSums

Array = NDArray[np.float64]
Values = Mapping[RowKey, Array]

CONDITIONS = [
    Condition("none", frozenset()),
    Condition("zero", frozenset({"depth"})),
    Condition("zero", frozenset({"semantic"})),
    Condition("zero", frozenset({"depth", "semantic"})),
]
SUBJECT = Subject(
    network="net",
    seed=None,
    dataset="made up",
    modalities=("depth", "semantic"),
    metrics={
        "depth": [METRICS["depth_rms"], METRICS["abs_rel"]],
        "semantic": [METRICS["mean_iou"]],
    },
    classes={"semantic": ("floor", "wall", "thing")},
    units={"depth": "m"},
)
KEYS = [
    RowKey(condition, output, statistic)
    for condition in CONDITIONS
    for output, statistic in (("depth", "depth_errors"), ("semantic", "class_counts"))
]


def values_of(count: int, seed: int = 0) -> Values:
    """Draw rows of samples of differing difficulty, a little worse with every condition."""
    stream = np.random.default_rng(seed)
    difficulty = stream.gamma(2.0, 1.0, (count, 1))
    truth = stream.multinomial(50, stream.dirichlet(np.ones(3), count))
    values = {}
    for key in KEYS:
        worse = 1 + 0.02 * CONDITIONS.index(key.condition)
        if key.output == "depth":
            values[key] = difficulty * worse * stream.gamma(5.0, 1.0, (count, 11))
            values[key][:, 0] = 50
        else:
            correct = stream.binomial(truth, np.clip(0.9 - 0.1 * difficulty * worse, 0.05, 1))
            guess = correct + np.roll(truth - correct, 1, axis=1)
            values[key] = np.concatenate([correct, truth, guess], axis=1).astype(np.float64)
    return values


def test_what_is_tied_is_drawn_together_and_counted_once() -> None:
    values = values_of(9)
    ids = [f"{i}" for i in range(9)]
    tied = ["0", "0", "2", "2", "4", "4", "6", "6", "6"]
    found, expected = RunningSums(Resampling(30)), RunningSums(Resampling(30))
    for some in (slice(0, 4), slice(4, 9)):
        part = {key: rows[some] for key, rows in values.items()}
        found.add(part, ids[some], tied=tied[some])
        expected.add(part, ids[some], groups=tied[some])
    again = RunningSums.from_arrays(Resampling(30), KEYS, found.arrays())
    for sums in (found.sums(), again.sums()):
        assert (sums.n, sums.groups) == (9, 4)
        for key in KEYS:
            assert np.array_equal(sums.drawn[key], expected.sums().drawn[key])
    found.merge(again)
    assert (found.sums().n, found.sums().groups) == (18, 4)  # the same four units once more


def run(
    values: Values,
    resampling: Resampling,
    *,
    batch: int = 7,
    order: NDArray[np.int64] | None = None,
    groups: Sequence[object] | None = None,
) -> RunningSums:
    """Add rows in batches, in some order of some of the samples, named by their position."""
    order = np.arange(len(values[KEYS[0]])) if order is None else order
    running = RunningSums(resampling)
    for start in range(0, len(order), batch):
        some = order[start : start + batch]
        running.add(
            {key: v[some] for key, v in values.items()},
            [str(i) for i in some],
            None if groups is None else [groups[i] for i in some],
        )
    return running


def assert_same(found: Sums, expected: Sums) -> None:
    """Counts must agree to the last bit, real numbers to 1e-12."""
    assert (found.n, found.groups) == (expected.n, expected.groups)
    for name in ("totals", "drawn", "exchanged"):
        a, b = getattr(found, name), getattr(expected, name)
        assert a.keys() == b.keys()
        assert len(a) > 0
        for key in a:
            if key.statistic == "class_counts":
                np.testing.assert_array_equal(a[key], b[key])
            else:
                np.testing.assert_allclose(a[key], b[key], rtol=1e-12, atol=1e-12)


def block_of(seed: int, label: object) -> int:
    """Return the block of one sample or group, by itself."""
    key = f"{seed:016d}"
    return int(hash_array(np.array([str(label)], dtype=object), hash_key=key)[0]) % BLOCKS


def dense(blocks: NDArray[np.int64], draws: int, seed: int) -> tuple[Array, Array]:
    """Return how often each sample is in each draw, and whether it is flipped: (draws, samples)."""
    filled, owner = np.unique(blocks, return_inverse=True)
    count = len(filled)
    draw, flip = (
        np.random.Generator(np.random.Philox([seed, crc32(purpose)]))
        for purpose in (b"bootstrap", b"flips")
    )
    chosen = draw.integers(0, count, size=(draws, count))
    weights = (chosen[:, :, None] == np.arange(count)).sum(1)
    flips = flip.integers(0, 2, size=(draws, count), dtype=np.bool_)
    return weights[:, owner].astype(np.float64), flips[:, owner].astype(np.float64)


def test_sums_are_those_of_dense_weights() -> None:
    values = values_of(20)
    blocks = np.array([block_of(5, i) for i in range(20)])
    weights, flips = dense(blocks, 30, seed=5)
    full = {key: KEYS[i % 2] for i, key in enumerate(KEYS)}
    expected = Sums(
        {key: v.sum(0) for key, v in values.items()},
        {key: weights @ v for key, v in values.items()},
        {
            key: flips @ (v - values[full[key]])
            for key, v in values.items()
            if len(key.condition.setup) == 1
        },
        n=20,
        groups=len(set(blocks.tolist())),
    )
    assert_same(run(values, Resampling(30, seed=5)).sums(), expected)


def test_samples_are_spread_evenly_over_the_blocks() -> None:
    key = KEYS[0]
    running = RunningSums(Resampling(10))
    running.add({key: np.ones((40_000, 1))}, [f"sample {i}" for i in range(40_000)])
    found = running.arrays()["samples"]
    assert found.sum() == 40_000
    assert stats.chisquare(found).pvalue > 0.001


@pytest.mark.parametrize("groups", [None, [f"scene {i % 9}" for i in range(60)]])
@pytest.mark.parametrize("batch", [1, 13, 60])
def test_batches_and_order_change_nothing(batch: int, groups: Sequence[str] | None) -> None:
    values, resampling = values_of(60), Resampling(40, seed=1)
    whole = run(values, resampling, groups=groups).sums()
    order = np.random.default_rng(2).permutation(60)
    assert_same(run(values, resampling, batch=batch, order=order, groups=groups).sums(), whole)


@given(owners=st.lists(st.integers(0, 2), min_size=30, max_size=30), grouped=st.booleans())
@settings(max_examples=20, deadline=None)
def test_processes_together_have_the_sums_of_one(owners: list[int], grouped: bool) -> None:
    values, resampling = values_of(30), Resampling(20)
    groups = [i // 4 for i in range(30)] if grouped else None
    parts = [
        run(values, resampling, order=np.flatnonzero(np.equal(owners, i)), groups=groups)
        for i in range(3)  # some may have had no sample
    ]
    merged = RunningSums(resampling)
    for part in parts:
        merged.merge(RunningSums.from_arrays(resampling, KEYS, part.arrays()))
    whole = run(values, resampling, groups=groups).sums()
    assert_same(merged.sums(), whole)
    assert whole.groups == (8 if grouped else 30)


def test_arrays_are_numbers_and_hold_everything() -> None:
    running = run(values_of(12), Resampling(10), groups=list("aabbccddeeff"))
    arrays = running.arrays()
    assert {a.dtype.str[1:] for a in arrays.values()} == {"f8", "i8"}
    again = RunningSums.from_arrays(running.resampling, KEYS, arrays)
    assert_same(again.sums(), running.sums())
    assert_same(pickle.loads(pickle.dumps(running)).sums(), running.sums())


def test_sums_and_merged_parts_stay_as_they_are_when_more_is_added() -> None:
    values, resampling = values_of(10), Resampling(10)
    running, empty = run(values, resampling), RunningSums(resampling)
    before, taken = deepcopy(running.sums()), running.sums()
    empty.merge(running)
    again = RunningSums.from_arrays(resampling, KEYS, running.arrays())
    for other in (empty, again):
        other.add(values, [f"more {i}" for i in range(10)])
        assert other.sums().n == 20
    assert_same(running.sums(), before)
    running.add(values, [f"more {i}" for i in range(10)])
    assert_same(taken, before)
    assert_same(running.sums(), empty.sums())


def test_samples_of_a_group_share_their_draws_in_whichever_batch_they_come() -> None:
    rows = {KEYS[0]: np.zeros((4, 4)), KEYS[2]: np.eye(4)}
    running = RunningSums(Resampling(100))
    for i in range(4):
        part = {key: v[i : i + 1] for key, v in rows.items()}
        running.add(part, [str(i)], [("left", "right")[i % 2]])
    sums = running.sums()
    for drawn in (sums.drawn[KEYS[2]], sums.exchanged[KEYS[2]]):
        np.testing.assert_array_equal(drawn[:, :2], drawn[:, 2:])
        assert (drawn[:, 0] != drawn[:, 1]).any()
    assert (sums.n, sums.groups) == (4, 2)


def test_groups_of_one_sample_each_are_no_groups() -> None:
    values, resampling = values_of(15), Resampling(10)
    ids = [str(i) for i in range(15)]
    assert_same(run(values, resampling, groups=ids).sums(), run(values, resampling).sums())


def test_seed_and_id_decide_the_block() -> None:
    def block(seed: int, name: str) -> int:
        running = RunningSums(Resampling(50, seed=seed))
        running.add({KEYS[0]: np.ones((1, 1))}, [name])
        return int(np.flatnonzero(running.arrays()["samples"])[0])

    assert block(0, "a") == block(0, "a") == block_of(0, "a")
    assert len({block(s, i) for s in (0, 1) for i in ("a", "b", "1/a", "\udcff")}) == 8


def test_half_of_a_surrogate_pair_changes_no_other_block() -> None:
    ids = ["a", "\u00e9", "\udcff"]
    running = RunningSums(Resampling(10))
    running.add({KEYS[0]: np.ones((3, 1))}, ids)
    filled = set(np.flatnonzero(running.arrays()["samples"]).tolist())
    assert filled > {block_of(0, "a"), block_of(0, "\u00e9")}


@pytest.mark.parametrize("grouped", [False, True])
def test_tables_agree_with_the_exact_bootstrap(grouped: bool) -> None:
    """Ends of intervals differ by Monte-Carlo error, which is measured over seeds."""
    values = values_of(300)
    labels = np.arange(300) // 3 if grouped else None
    rows = Rows([str(i) for i in range(300)], group_numbers(labels, 300), values)
    groups = None if labels is None else labels.tolist()
    ends: dict[str, list[Array]] = {"exact": [], "stream": []}
    p_values: dict[str, list[Array]] = {"exact": [], "stream": []}
    for seed in range(12):
        resampling = Resampling(400, seed=seed)
        for name, sums in (
            ("exact", resampling.sums(rows)),
            ("stream", run(values, resampling, batch=50, groups=groups).sums()),
        ):
            omega = influence_frame(sums, SUBJECT, resampling)
            performance = performance_frame(sums, SUBJECT, resampling)
            ends[name].append(
                np.concatenate([omega[["omega_low", "omega_high"]], performance[["low", "high"]]])
            )
            p_values[name].append(omega["p_value"].to_numpy())
    exact, stream = np.array(ends["exact"]), np.array(ends["stream"])
    error = np.sqrt((exact.var(0, ddof=1) + stream.var(0, ddof=1)) / 12)
    off = (stream.mean(0) - exact.mean(0)) / error
    assert off.size == (2 * 6 + 4 * 6) * 2
    assert np.abs(off).max() < 5  # t with 22 degrees of freedom, 72 of them
    width = (exact[..., 1] - exact[..., 0]).mean(0)
    assert (error < 0.05 * width[:, None]).all()  # so that the comparison says something
    p = np.array(p_values["exact"]).mean(0), np.array(p_values["stream"]).mean(0)
    between = (p[0] + p[1]) / 2
    assert ((between > 0.02) & (between < 0.98)).any()
    slack = 5 * np.sqrt(2 * between * (1 - between) / (12 * 400))
    assert (np.abs(p[0] - p[1]) <= slack).all()


def peak_of(samples: int, *, grouped: bool = False) -> int:
    """Return the peak of memory while a stream of wide rows goes by, in bytes."""
    stream = np.random.default_rng(0)
    tracemalloc.start()
    running = RunningSums(Resampling(20))
    for start in range(0, samples, 200):
        values = stream.normal(size=(200, 50))
        ids = [str(start + i) for i in range(200)]
        running.add({KEYS[0]: values, KEYS[2]: values}, ids, ids if grouped else None)
    running.sums()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("grouped", [False, True])
def test_memory_does_not_grow_with_the_samples(grouped: bool) -> None:
    peak_of(200)  # what is imported or cached on first use
    few, many = (peak_of(count, grouped=grouped) for count in (20_000, 60_000))  # all blocks filled
    assert many < 1.1 * few
    assert many < 60_000 * 50 * 8 / 2  # half of one key's rows
