"""The games of the pages end as they should: what works works in three of three seeds."""

import os
import runpy
import shutil
from pathlib import Path

import pytest

PRESETS = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "presets.py"))
CASES = PRESETS["CASES"]
NAMES = [f"{case.figure}, {case.preset}" for case in CASES]

needs_node = pytest.mark.skipif(
    not (shutil.which("node") or os.environ.get("CI")), reason="node is not on the PATH"
)


@pytest.fixture(scope="module")
def play():
    with PRESETS["player"]() as play:
        yield play


@needs_node
@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_preset_ends_as_it_should(play, case, seed):
    *_, last = play(case, seed, looks=1)
    assert case.holds(last["numbers"]), PRESETS["told"](last["numbers"])


@needs_node
def test_the_table_names_the_step_from_which_on_an_outcome_holds(play, capsys, monkeypatch):
    short = CASES[0]._replace(steps=6, holds=lambda numbers: True)
    rows = play(short, 1, looks=3)
    assert [row["step"] for row in rows] == [2, 4, 6]
    assert PRESETS["since"](rows, short.holds) == rows[0]
    assert PRESETS["since"](rows, lambda numbers: False) is None
    monkeypatch.setitem(PRESETS["main"].__globals__, "CASES", (short,))
    PRESETS["main"]([short.preset])
    assert "seed +2: from 1 on" in capsys.readouterr().out


def test_a_figure_that_no_chapter_has_saved_is_named():
    with pytest.raises(LookupError, match=r"figure: expected .* got 'gan/missing'"):
        PRESETS["saved"]("gan/missing")
