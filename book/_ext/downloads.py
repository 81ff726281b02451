"""Completes the notebook that a page offers for download: how to get the package, and getting it.

The chapters of the repository lie beside the package and need nothing of the kind; a downloaded
one, or one on Colab, has no package. So the copy gets two cells more, at build time.
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2] / "requirements"))
from home import Home, home

from gannotes import __version__

SAYS = """*This is a copy of the chapter **{title}**.* It needs the package `gannotes` {version}{how}.
The next cell looks after it. In JupyterLab, the text reads as in the book with
`pip install jupyterlab-myst`; a widget starts when its cell is run."""  # noqa: E501
GET = """# The package of the book, where it is missing.
from importlib.util import find_spec

if find_spec("gannotes") is None:
    %pip install --quiet "{requirement}"
"""
ASK = """# The package of the book, where it is missing.
from importlib.util import find_spec

if find_spec("gannotes") is None:
    raise ModuleNotFoundError(
        "gannotes: install it from the folder that has its pyproject.toml, with %pip install FOLDER"
    )
"""


def first_cells(title: str, where: Home | None) -> list[dict[str, Any]]:
    """What a reader is told, and the cell that does it."""
    if where is None:
        how, code = ": `pip install FOLDER`, the folder of its `pyproject.toml`", ASK
    else:
        requirement = where.requirement(__version__)
        how, code = f': `pip install "{requirement}"`', GET.format(requirement=requirement)
    text = SAYS.format(title=title, version=__version__, how=how)
    cell: dict[str, Any] = {"id": "the-package", "cell_type": "markdown", "metadata": {}}
    return [
        {**cell, "source": text.splitlines(keepends=True)},
        {
            **cell,
            "id": "get-the-package",
            "cell_type": "code",
            "execution_count": None,
            "outputs": [],
            "source": code.rstrip().splitlines(keepends=True),
        },
    ]


def complete(text: str, where: Home | None) -> str:
    """A notebook with the two cells in front; twice is once, one without code stays."""
    notebook = json.loads(text)
    cells = notebook["cells"]
    if cells[0].get("id") == "the-package" or all(c["cell_type"] != "code" for c in cells):
        return text
    title = "".join(cells[0]["source"]).splitlines()[0].lstrip("# ")
    notebook["cells"] = first_cells(title, where) + cells
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def finish(app: Any, exception: Exception | None) -> None:
    """Complete every copy."""
    if exception is None and app.builder.name == "html":
        for path in Path(app.outdir, "_sources").glob("*.ipynb"):
            path.write_text(complete(path.read_text(encoding="utf-8"), home()), encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
