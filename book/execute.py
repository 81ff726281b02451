"""Execute chapters in place, so that doing it twice gives the same bytes.

    python book/execute.py [NAME...]            names or paths; none: every chapter of _toc.yml
    python book/execute.py --strip [NAME...]    executes nothing: takes out what the build puts in

Each chapter runs top to bottom in a fresh kernel of this Python with one thread. What differs
between two runs is left out or renamed: no timings, widget ids counted up, printed text in one
piece. A widget's state is saved without its source and without shipped networks. A cell that fails,
or that writes a warning, ends the run with its source shown, and the file is left as it was.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import figures
import nbformat
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

BOOK = Path(__file__).resolve().parent
sys.path.insert(0, str(BOOK / "_ext"))
from shipped import strip as strip_record  # noqa: E402

SVG = "image/svg+xml"
STATE = "application/vnd.jupyter.widget-state+json"
Notebook = nbformat.NotebookNode


class ChapterError(Exception):
    """A chapter cannot be executed; the message says where and why."""


def chapters() -> list[Path]:
    """The notebooks of _toc.yml, in the order of the book."""
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text())
    files = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    paths = [BOOK / f"{file}.ipynb" for file in (toc["root"], *files)]
    return [path for path in paths if path.exists()]


def find(name: str) -> Path:
    """The notebook that `name` means: `gan`, `gan.ipynb` or a path."""
    for path in (Path(name), BOOK / name, BOOK / f"{name}.ipynb"):
        if path.suffix == ".ipynb" and path.is_file():
            return path.resolve()
    known = ", ".join(path.stem for path in chapters())
    raise ChapterError(f"no chapter is called {name!r}; there are: {known}")


def run(notebook: Notebook, folder: Path) -> None:
    """Execute every cell in a fresh kernel, and fill in outputs and widget state."""
    for key in list(notebook.metadata):
        del notebook.metadata[key]
    notebook.metadata.kernelspec = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        timeout=600,
        startup_timeout=300,
        record_timing=False,
        coalesce_streams=True,
        store_widget_state=True,
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise ChapterError(str(error)) from None
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":  # of a picture that could not be drawn
                raise ChapterError(f"{cell.source}\n\n{output.ename}: {output.evalue}")
            if output.output_type == "stream" and output.name == "stderr":
                raise ChapterError(f"{cell.source}\n\nwrote to stderr:\n{output.text}")
    notebook.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}


def name_widgets(notebook: Notebook) -> Notebook:
    """Rename the widgets' random ids to 0, 1, 2, ... in the order in which they were made."""
    widgets: dict[str, Any] = notebook.metadata.get("widgets", {}).get(STATE, {})
    text = nbformat.writes(notebook)
    for number, identity in enumerate(widgets.get("state", {})):
        text = text.replace(identity, f"{number:032x}")
    return nbformat.reads(text, as_version=4)


def strip_widgets(notebook: Notebook) -> Notebook:
    """Leave out of the saved state what the book's build puts into a page."""
    saved = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    for key, record in saved.items():
        saved[key] = nbformat.from_dict(strip_record(record))
    return notebook


def save(notebook: Notebook, path: Path) -> bool:
    """Write in one piece, through a temporary file beside it; say whether anything changed."""
    text = nbformat.writes(notebook) + "\n"
    if path.read_text(encoding="utf-8") == text:
        return False
    temporary = path.with_suffix(".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return True


def slim_figures(notebook: Notebook) -> None:
    """Leave out of every drawing what nobody sees."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if SVG in output.get("data", {}):
                try:
                    output["data"][SVG] = figures.slim(output["data"][SVG])
                except figures.FigureError as error:
                    raise ChapterError(f"{cell.source}\n\n{error}") from None


def execute(path: Path) -> bool:
    """Execute one chapter in place; say whether its file changed."""
    notebook = nbformat.read(path, as_version=4)
    run(notebook, path.parent)
    slim_figures(notebook)
    return save(strip_widgets(name_widgets(notebook)), path)


def strip(path: Path) -> bool:
    """Strip one chapter in place, without executing it; say whether its file changed."""
    return save(strip_widgets(nbformat.read(path, as_version=4)), path)


def main(names: list[str]) -> None:
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    for variable in ("MPLBACKEND", "PYTHONWARNINGS"):
        os.environ.pop(variable, None)
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    action = strip if "--strip" in names else execute
    paths = [find(name) for name in names if name != "--strip"] or chapters()
    with tempfile.TemporaryDirectory() as profile:
        os.environ["IPYTHONDIR"] = profile  # the reader's own IPython settings stay out of the book
        figures.configure(Path(profile))
        for number, path in enumerate(paths, 1):
            print(f"[{number}/{len(paths)}] {path.stem} ...", end=" ", flush=True)
            start = time.perf_counter()
            changed = action(path)
            print(
                f"{'changed' if changed else 'same'}, {time.perf_counter() - start:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ChapterError as error:
        sys.exit(f"\n{error}")
