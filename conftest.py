"""What every test, doctest and notebook runs under: no network, one thread, the same examples.

It lies at the root because only from there pytest reads it for `tests/`, `gannotes/` and `book/`.
"""

import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before torch is imported, here and in every kernel
for name in ("MPLBACKEND", "PYTHONWARNINGS"):
    os.environ.pop(name, None)
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # else each kernel's debugger prints a warning

import figures  # noqa: E402
import hypothesis  # noqa: E402
import likeness  # noqa: E402
import matplotlib  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

SVG = "image/svg+xml"
LOOPBACK = Path(__file__).parent / "tests" / "loopback.py"

torch.set_num_threads(1)
matplotlib.use("agg")
exec(compile(LOOPBACK.read_text(), LOOPBACK, "exec"), {})
hypothesis.settings.register_profile("gannotes", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("gannotes")


def pytest_configure(config: pytest.Config) -> None:
    """Give the notebooks' kernels a fresh IPython profile: the same guard, the book's drawings."""
    profile = Path(tempfile.mkdtemp(prefix="gannotes-ipython-"))
    config.add_cleanup(lambda: shutil.rmtree(profile, ignore_errors=True))
    startup = profile / "profile_default" / "startup"
    startup.mkdir(parents=True)
    shutil.copy(LOOPBACK, startup)
    figures.configure(profile)
    os.environ["IPYTHONDIR"] = str(profile)


def pytest_collectstart(collector: pytest.Collector) -> None:
    """A drawing is not compared letter by letter."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += (SVG,)


def pytest_itemcollected(item: pytest.Item) -> None:
    """It is compared mark by mark, after what nbval compares of a cell."""
    if hasattr(item, "compare_outputs"):
        item.compare_outputs = functools.partial(compare_cell, item, item.compare_outputs)


def compare_cell(item: Any, compare: Callable[..., bool], test: Any, ref: Any, *skip: Any) -> bool:
    """Whether a cell has said and drawn what it did when the chapter was committed."""
    if not compare(test, ref, *skip):
        return False
    kept, drawn = (
        [output["data"][SVG] for output in outputs if SVG in output.get("data", {})]
        for outputs in (ref, test)
    )
    cells = [cell.source for cell in item.parent.nb.cells if cell.cell_type == "code"]
    trained = likeness.trained_cells(cells)[item.cell_num]
    found = [f"{len(drawn)} figures instead of {len(kept)}"] if len(drawn) != len(kept) else []
    for one, other in zip(kept, drawn, strict=False):
        found += likeness.differences(one, other, trained)
    item.comparison_traceback.extend(found[:9])
    return not found
