"""The page's plain functions, tested by node where it is installed; under CI=true it must be."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).parent / "widgets"


@pytest.mark.parametrize("path", sorted(TESTS.glob("*.test.mjs")), ids=lambda path: path.stem)
def test_in_node(path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        assert not os.environ.get("CI"), "node is not on the PATH"
        pytest.skip("node is not on the PATH")
    done = subprocess.run([node, "--test", path], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
