"""Imports point one way: the packages below are layers, and none imports what is above it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = (
    {"errors"},
    {"runtime"},
    {"network", "data"},
    {"metrics"},
    {"mutes"},
    {"plan"},
    {"statistics"},
    {"engine", "results"},
    {"analysis", "display"},
    {"measurement", "samples"},
    {"cli"},
    {"__main__"},
)
"""The library's packages, from the lowest layer to the highest; those of one layer are apart."""

NEVER = {
    "results": {"torch"},
    "display": {"torch"},
    "engine": {"influence.results", "influence.analysis", "influence.display"},
}
"""What a package never reaches, directly or through others."""

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
    """Name the package or module right under ``influence`` that a module belongs to."""
    return module.split(".")[1]


def upward(graph: Graph) -> list[str]:
    """List the arrows that neither stay inside a package nor point to a lower layer."""
    height = {name: i for i, layer in enumerate(LAYERS) for name in layer}
    return [
        f"{name} -> {other}"
        for name, found in within(graph).items()
        for other in found
        if part(name) != part(other) and height[part(name)] <= height[part(other)]
    ]


def cycles(graph: Graph) -> list[str]:
    """List the modules that are left when those without open imports are taken away."""
    left = within(graph)
    while free := [name for name, found in left.items() if not found & left.keys()]:
        left = {name: found for name, found in left.items() if name not in free}
    return sorted(left)


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


def forbidden(graph: Graph) -> list[str]:
    """List what a package reaches and never must."""
    return [
        f"{name} reaches {other}"
        for name in graph
        for never in NEVER.get(part(name), ())
        for other in sorted(reach(graph, name))
        if other == never or other.startswith(f"{never}.")
    ]


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


def test_nothing_forbidden_is_reached(graph: Graph) -> None:
    assert forbidden(graph) == []


def test_nothing_imports_the_package_root(graph: Graph) -> None:
    # `from influence import x` and `import influence` both name the root itself.
    assert [name for name, found in graph.items() if "influence" in found] == []


def test_the_folder_list_can_be_taken_in_at_a_glance() -> None:
    shown = [path for path in (ROOT / "influence").iterdir() if path.name != "__pycache__"]
    assert len(shown) <= 18
    for folder in {path.parent for path in (ROOT / "influence").rglob("*.py")}:
        assert len([path for path in folder.glob("*.py") if path.stem != "__init__"]) <= 12, folder


def test_library_imports_neither_models_nor_experiments(graph: Graph) -> None:
    for name, found in graph.items():
        assert {m.split(".")[0] for m in found}.isdisjoint({"models", "experiments", "tests"}), name


def test_models_import_neither_the_library_nor_experiments() -> None:
    for name, found in import_graph(ROOT / "models").items():
        assert {m.split(".")[0] for m in found}.isdisjoint({"influence", "experiments"}), name


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("influence.analysis.omega", "influence.measurement.pipeline"),
        ("influence.display.table", "influence.cli.table"),
        ("influence.statistics.rows", "influence.results.run_directory"),
        ("influence.metrics.metric", "influence.engine.runner"),
        ("influence.engine.runner", "influence.results.run_directory"),  # one layer, two packages
    ],
)
def test_a_reversed_arrow_is_found(graph: Graph, name: str, other: str) -> None:
    wrong = {**graph, name: {*graph[name], other}}
    assert upward(wrong) == [f"{name} -> {other}"]


def test_a_cycle_inside_a_package_is_found(graph: Graph) -> None:
    wrong = dict(graph)
    wrong["influence.metrics.metric"] = {"influence.metrics.labels"}
    assert {"influence.metrics.metric", "influence.metrics.labels"} <= set(cycles(wrong))


@pytest.mark.parametrize(
    ("name", "other", "reached"),
    [
        ("influence.results.tables", "torch.nn", "torch.nn"),
        ("influence.display.table", "influence.engine.evaluation", "torch"),
        ("influence.engine.evaluation", "influence.analysis.omega", "influence.analysis.omega"),
    ],
)
def test_a_forbidden_reach_is_found(graph: Graph, name: str, other: str, reached: str) -> None:
    wrong = {**graph, name: {*graph[name], other}}
    assert f"{name} reaches {reached}" in forbidden(wrong)


def test_the_graph_sees_every_form_of_import(tmp_path: Path) -> None:
    package = tmp_path / "p"
    package.mkdir()
    (package / "a.py").write_text("import p.b\ndef f():\n    from p import c\n")
    (package / "b.py").write_text("from p.c import x\n")
    (package / "c.py").write_text("")
    graph = within(import_graph(package))
    assert graph == {"p.a": {"p.b", "p.c"}, "p.b": {"p.c"}, "p.c": set()}
