"""The command line lets waiting threads sleep, before torch is imported, unless told otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from influence.cli import WAIT_POLICIES, main


@pytest.mark.parametrize("own", [None, "ACTIVE"])
def test_threads_sleep_while_they_wait_unless_the_user_says_how(
    own: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in WAIT_POLICIES:
        monkeypatch.setenv(name, own or "")
        if own is None:
            monkeypatch.delenv(name)
    assert CliRunner().invoke(main, ["show", "mutes"]).exit_code == 0
    assert {name: os.environ[name] for name in WAIT_POLICIES} == {
        name: own or value for name, value in WAIT_POLICIES.items()
    }


def test_torch_is_imported_later() -> None:
    code = "import sys, influence.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
