"""Exercises and diagrams of the pages: `quiz` and `flow` of the book."""

import re
import shutil
import subprocess
from pathlib import Path

import flow
import pytest

SCRIPT = Path(__file__).parents[1] / "book" / "_page" / "quiz.js"


def test_a_diagram_connects_its_boxes():
    lines = ["z 0,0 noise z ~ p_0", "G 1,0 model G_θ", "z -> G  draw", "G .> z", "G => z back"]
    svg = flow.draw(lines, 'Noise & "G"')
    assert svg.count("<rect") == 2
    assert svg.count('<path class="flow-edge') == 3
    assert 'aria-label="Noise &amp; &quot;G&quot;"' in svg
    start, end = map(float, re.search(r'flow-edge" d="M ([\d.]+) [^"]* ([\d.]+) ', svg).groups())
    assert start == pytest.approx(flow.BOX_W / 2 + 2)
    assert end == pytest.approx(flow.WIDE - flow.BOX_W / 2 - 2)


@pytest.mark.parametrize(
    ("line", "message"),
    [("G 1,0 gnome G", "expected a node or an edge"), ("z -> Q", "a node called 'Q'")],
)
def test_a_diagram_with_a_slip_is_refused(line, message):
    with pytest.raises(ValueError, match=message):
        flow.draw(["z 0,0 noise z", line], "title")


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize(
    ("text", "value"),
    [("0.75", "0.75"), (" 3/4 ", "0.75"), ("−1,5", "-1.5"), ("2e-3", "0.002"), ("", "NaN")]
    + [("1/2/3", "NaN"), ("three", "NaN"), ("1/", "NaN")],
)
def test_a_number_is_read_as_people_write_it(text, value):
    start = SCRIPT.read_text(encoding="utf-8").split("function say")[0]
    script = f"{start}\nconsole.log(String(number({text!r})))"
    run = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == value
