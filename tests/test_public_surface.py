"""What others may rely on; a change here is a change for them."""

from __future__ import annotations

import inspect
import subprocess
import sys
import time

import pytest

import influence

SIGNATURES = {
    "measure": "networks, data, *, metrics, levels, mutes, sites, setups, meeting, interactions, "
    "device, batch_size, draws, confidence, seed, execution, resampling, fields, collate, stream, limit, "
    "expect, training, progress, checkpointing, processes",
    "metric": "*, higher_is_better, unit, name",
    "write_evaluation_file": "path, inputs, targets, *, ids, groups, images, name, attributes",
    "read_run": "directory, *, rows",
    "export_checkpoint": "net, path, example_inputs",
    "load_checkpoint": "path, network, *, weights_key, trust",
    "learn_optimal": "network, data, *, sites, steps, seed, limit, execution, progress",
    "with_optimal": "network, constants",
    "JointNetwork": "module, inputs, outputs, *, name, seed, trained_on, notes, call, arrays",
    "mute": "function, *, name, kinds, needs, constant",
    "Modality": "name, kind, shape, unit, mean, std, optimal, mode, missing, role, tensors, path, "
    "slice, moves_with, pad, keep, mask",
    "Output": "name, kind, classes, pick, resize, ignore, range",
    "Run": "influence, performance, samples, info, interactions, distance, rows",
    "Checkpointing": "folder, resume, target",
    "Execution": "device, batch_size, workers, amp, share, compile, channels_last",
    "Resampling": "draws, confidence, seed",
}


def test_exported_names() -> None:
    assert sorted(influence.__all__) == sorted([*SIGNATURES, "InfluenceError"])
    assert dir(influence) == sorted(influence.__all__)


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name: str) -> None:
    shown, keyword_only = [], False
    for parameter in inspect.signature(getattr(influence, name)).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            shown.append("*")
        shown.append(parameter.name)
    assert ", ".join(shown) == SIGNATURES[name]


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'meausre'"):
        influence.meausre  # noqa: B018


def test_a_renamed_name_works_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(influence._RENAMED, "run_measurement", "measure")
    with pytest.warns(DeprecationWarning, match=r"influence\.run_measurement is now .*\.measure;"):
        assert influence.run_measurement is influence.measure
    assert "run_measurement" not in dir(influence)


def loaded_by(code: str) -> set[str]:
    """Return the heavy packages that are loaded after the code has run in a fresh process."""
    heavy = ("torch", "matplotlib", "pandas", "numpy", "h5py", "scipy")
    script = f"import sys\n{code}\nprint(*[m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_import_is_light() -> None:
    assert loaded_by("import influence") == set()


def test_help_is_light_and_quick() -> None:
    help_text = "from influence.cli import main; main(['--help'], standalone_mode=False)"
    start = time.monotonic()
    assert loaded_by(help_text) == set()
    # Benchmarks hold it to 0.3 s; machines that run tests are busy.
    assert time.monotonic() - start < 3


def test_tables_need_no_engine() -> None:
    assert "torch" not in loaded_by("import influence.results.tables, influence.display.tables")
    assert "torch" not in loaded_by("import influence.display.plots.performance")
