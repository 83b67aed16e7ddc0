"""Imports point one way: the order of the layers below, and no module imports what is above it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = (
    {"errors", "progress", "circles", "metric_sets"},
    {"files", "factories", "network", "processes", "layout", "places", "edges", "divisions"},
    {"columns", "setups", "coalitions", "hooks", "facts", "weights", "programs", "expectations"},
    {"checkpoints", "evaluation_set", "muting"},
    {
        "evaluation_file",
        "refilling",
        "batch_stream",
        "metrics",
        "slices",
        "shards",
        "loading",
        "neighbours",
        "derangement",
        "moments",
        "panel",
        "constants",
        "signals",
    },
    {"rows", "matching", "data_sources"},
    {"losses", "sums", "sharing", "plan", "features"},
    {"descent", "bootstrap", "tapping", "provenance", "scoring"},
    {"forward", "faults"},
    {"trial"},
    {"running_sums", "runner"},
    {"edge_moments"},
    {"loop"},  # the only one that runs networks
    {"evaluation"},
    {"streaming", "results", "optimal"},
    {"training", "omega", "gate"},
    {"interactions", "scores", "distance", "grouping", "subjects", "pairing"},
    {"tasks", "tabulation"},
    {"measurement", "comparison"},
    {"run_tables", "display", "selection", "verdict", "table_formats"},
    {"estimates"},
    {"seeds", "power"},
    {"extremes", "sample_maps", "map_colours"},
    {"maps", "map_images"},
    {"reruns", "gallery"},
    {"exhibits"},
    {"tables", "plots", "extreme_maps", "extreme_gallery"},
    {"report"},
    {"cli"},
    {"__main__"},
)
"""The library's modules and folders, from the lowest layer to the highest."""

READERS = (
    "tables", "table_formats", "selection", "verdict", "display", "run_tables", "plots",
    "extremes", "sample_maps", "map_colours", "map_images", "gallery",
    "exhibits",
)  # fmt: skip
"""What stands right of the second cut: it reads CSV, and neither torch nor the engine."""

Graph = Mapping[str, set[str]]


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def import_graph(package: Path) -> dict[str, set[str]]:
    """Map each module of a package, by its dotted name, to the modules that it imports."""
    sources = {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in package.rglob("*.py")
    }
    return {
        name: set(_imported(ast.parse(path.read_text(encoding="utf-8"))))
        for name, path in sources.items()
    }


def within(graph: Graph) -> dict[str, set[str]]:
    """Keep the arrows between modules of the graph."""
    return {name: (found & graph.keys()) - {name} for name, found in graph.items()}


def part(module: str) -> str:
    """Name the module or folder right under ``influence`` that a module belongs to."""
    return module.split(".")[1]


def upward(graph: Graph) -> list[str]:
    """List the arrows that do not point to a lower layer, nor stay inside a folder or a layer."""
    height = {name: i for i, layer in enumerate(LAYERS) for name in layer}
    return [
        f"{name} -> {other}"
        for name, found in within(graph).items()
        for other in found
        if "." in name and "." in other and part(name) != part(other)
        and height[part(name)] < height[part(other)]
    ]  # fmt: skip


def cycles(graph: Graph) -> list[str]:
    """List the modules that are left when those without open imports are taken away."""
    left = within(graph)
    while free := [name for name, found in left.items() if not found & left.keys()]:
        left = {name: found for name, found in left.items() if name not in free}
    return sorted(left)


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    # The root package only names the homes of the public names, for type checkers.
    found = import_graph(ROOT / "influence")
    del found["influence"]
    return found


def test_every_module_has_a_layer(graph: Graph) -> None:
    assert {part(name) for name in graph} == set.union(*LAYERS)
    assert sum(len(layer) for layer in LAYERS) == len(set.union(*LAYERS))


def test_imports_point_down(graph: Graph) -> None:
    assert upward(graph) == []


def test_there_is_no_cycle(graph: Graph) -> None:
    assert cycles(graph) == []


def test_nothing_imports_the_package_root(graph: Graph) -> None:
    # `from influence import x` and `import influence` both name the root itself.
    assert [name for name, found in graph.items() if "influence" in found] == []


def test_library_imports_neither_models_nor_experiments(graph: Graph) -> None:
    for name, found in graph.items():
        assert {m.split(".")[0] for m in found}.isdisjoint({"models", "experiments", "tests"}), name


def test_models_import_neither_the_library_nor_experiments() -> None:
    for name, found in import_graph(ROOT / "models").items():
        assert {m.split(".")[0] for m in found}.isdisjoint({"influence", "experiments"}), name


def reach(graph: Graph, start: str) -> set[str]:
    """Return everything that a module imports, directly or through others."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += graph.get(name, ())
    return seen


def test_tables_and_plots_reach_neither_torch_nor_the_engine(graph: Graph) -> None:
    readers = [name for name in graph if part(name) in READERS]
    assert len(readers) >= len(READERS)
    for name in readers:
        reached = reach(graph, name)
        assert "torch" not in {m.split(".")[0] for m in reached}, name
        assert reached.isdisjoint({"influence.loop", "influence.runner"}), name


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("influence.omega", "influence.measurement"),
        ("influence.tables", "influence.cli.table"),
        ("influence.rows", "influence.results"),
        ("influence.metrics.metric", "influence.runner"),
    ],
)
def test_a_reversed_arrow_is_found(graph: Graph, name: str, other: str) -> None:
    wrong = {**graph, name: {*graph[name], other}}
    assert upward(wrong) == [f"{name} -> {other}"]


def test_a_cycle_inside_a_layer_is_found(graph: Graph) -> None:
    wrong = dict(graph)
    wrong["influence.metrics.metric"] = {"influence.metrics.labels"}
    assert {"influence.metrics.metric", "influence.metrics.labels"} <= set(cycles(wrong))


def test_the_graph_sees_every_form_of_import(tmp_path: Path) -> None:
    package = tmp_path / "p"
    package.mkdir()
    (package / "a.py").write_text("import p.b\ndef f():\n    from p import c\n")
    (package / "b.py").write_text("from p.c import x\n")
    (package / "c.py").write_text("")
    graph = within(import_graph(package))
    assert graph == {"p.a": {"p.b", "p.c"}, "p.b": {"p.c"}, "p.c": set()}
