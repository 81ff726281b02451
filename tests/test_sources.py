"""`git diff` of a notebook shows what a reviewer reads."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import sources

ROOT = Path(__file__).resolve().parents[1]


def notebook(path, source, printed):
    output = {"output_type": "stream", "name": "stdout", "text": [printed]}
    picture = {"output_type": "display_data", "data": {"image/svg+xml": [f"<svg {source}"]}}
    code = {"cell_type": "code", "metadata": {"tags": ["essential"]}, "source": [source]}
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# A title\n", "and a line"]},
        code | {"outputs": [output, picture], "execution_count": 7},
    ]
    path.write_text(json.dumps({"cells": cells}))


def test_sources_and_printed_text_are_shown_and_no_picture(tmp_path):
    notebook(tmp_path / "x.ipynb", "x = 1\nprint(x)", "1\n")
    assert sources.text(tmp_path / "x.ipynb").splitlines() == [
        *("%% markdown", "# A title", "and a line", ""),
        *("%% code essential", "x = 1", "print(x)", "> 1"),
    ]


def test_git_compares_the_text(tmp_path):
    """With the line of CONTRIBUTING, in a repository with this one's attributes."""
    (command,) = (
        line.strip()
        for line in (ROOT / "CONTRIBUTING.md").read_text().splitlines()
        if "textconv" in line
    )
    shutil.copy(ROOT / ".gitattributes", tmp_path)
    (tmp_path / "book").mkdir()
    shutil.copy(ROOT / "book" / "sources.py", tmp_path / "book")
    path = [str(Path(sys.executable).parent), os.environ["PATH"]]
    own = {"PATH": os.pathsep.join(path), "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*words):
        command = ["git", *words]
        return subprocess.run(
            command, cwd=tmp_path, env=own, check=True, capture_output=True, text=True
        ).stdout

    git("init", "-q")
    subprocess.run(command, shell=True, cwd=tmp_path, env=own, check=True)
    notebook(tmp_path / "x.ipynb", "x = 1", "1\n")
    git("add", ".")
    notebook(tmp_path / "x.ipynb", "x = 2", "2\n")
    changed = [line for line in git("diff", "x.ipynb").splitlines() if line[0] in "+-"]
    assert changed[2:] == ["-x = 1", "-> 1", "+x = 2", "+> 2"]
