"""What every test, doctest and notebook runs under: no network, one thread, the same examples.

It lies at the root because only from there pytest reads it for `tests/`, `gannotes/` and `book/`.
"""

import os
import shutil
import tempfile
from pathlib import Path

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before torch is imported, here and in every kernel
for name in ("MPLBACKEND", "PYTHONWARNINGS"):
    os.environ.pop(name, None)
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # else each kernel's debugger prints a warning

import hypothesis  # noqa: E402
import matplotlib  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

LOOPBACK = Path(__file__).parent / "tests" / "loopback.py"

torch.set_num_threads(1)
matplotlib.use("agg")
exec(compile(LOOPBACK.read_text(), LOOPBACK, "exec"), {})
hypothesis.settings.register_profile("gannotes", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("gannotes")


def pytest_configure(config: pytest.Config) -> None:
    """Give the notebooks' kernels a fresh IPython profile whose start-up file is the same guard."""
    profile = Path(tempfile.mkdtemp(prefix="gannotes-ipython-"))
    config.add_cleanup(lambda: shutil.rmtree(profile, ignore_errors=True))
    startup = profile / "profile_default" / "startup"
    startup.mkdir(parents=True)
    shutil.copy(LOOPBACK, startup)
    os.environ["IPYTHONDIR"] = str(profile)


def pytest_collectstart(collector: pytest.Collector) -> None:
    """A picture is not compared letter by letter; the numbers behind it are."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("image/svg+xml",)
