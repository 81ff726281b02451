"""The benchmark runs and prints its tables; how fast anything is, no test asserts."""

import os
import re
import runpy
import shutil
from pathlib import Path

import torch

BENCHMARK = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "step.py"))


def test_both_tables_are_printed(capsys):
    images = torch.randint(256, (70, 28, 28), dtype=torch.uint8)
    BENCHMARK["main"](images, torch.zeros(70, dtype=torch.int64), turns=1, steps=1)
    rows = re.findall(r"^(\w.*?)  +([\d.]+) ", capsys.readouterr().out, flags=re.M)
    names = {name for name, milliseconds in rows if float(milliseconds) > 0}
    assert {"plain loop", "gan.step", "gan.step, bf16 autocast"} <= names
    assert {"one run, default Adam", "16 seeds in one stack, fused Adam"} <= names


def test_the_engine_of_the_page_is_measured_beside_the_package(capsys):
    runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "live.py"))["main"](1, 1)
    rows = re.findall(r"^(the .*?)  +([\d.]+) ", capsys.readouterr().out, flags=re.M)
    if shutil.which("node") or os.environ.get("CI"):
        assert len([name for name, milliseconds in rows if float(milliseconds) > 0]) == 6


def test_the_plain_loop_serves_the_images_that_the_package_trains_on():
    images = torch.randint(256, (5, 28, 28), dtype=torch.uint8)
    served = torch.stack([BENCHMARK["Images"](images, torch.zeros(5))[i][0] for i in range(5)])
    torch.testing.assert_close(served[:, 0], images / 127.5 - 1)


def test_the_networks_are_the_published_ones():
    widths = [layer.in_features for layer in BENCHMARK["affine"]()]
    assert widths == [100, 128, 256, 512, 1024, *2 * [784, 512, 256]]
