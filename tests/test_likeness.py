"""A figure is known again, and one with another curve, word or panel is not."""

import io

import likeness
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure


def drawn(height=1.0, title="a title", curves=1, value=0.25):
    mpl.rcParams["svg.fonttype"] = "none"
    figure = Figure(figsize=(5, 3))
    axes = figure.subplots()
    x = np.linspace(0, 1, 200)
    for k in range(curves):
        axes.plot(x, height * x**2 + k)
    axes.set(ylim=(0, 4), title=title, xlabel=f"gap {value}")
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


@pytest.fixture(autouse=True)
def as_in_a_kernel():
    with mpl.rc_context({"svg.fonttype": "none"}):
        yield


def test_the_same_figure_is_the_same_and_slim_changes_nothing_of_that():
    assert likeness.differences(likeness.slim(drawn()), drawn()) == []
    assert len(likeness.marks(likeness.slim(drawn()))) > 20


def test_rounding_is_no_difference_and_another_curve_is_one():
    assert not likeness.differences(drawn(), drawn(height=1.001))
    assert likeness.differences(drawn(), drawn(height=1.5))
    assert likeness.differences(drawn(), drawn(curves=2))


def test_another_word_or_number_is_a_difference():
    assert likeness.differences(drawn(), drawn(title="another title"))
    assert likeness.differences(drawn(), drawn(value=0.35))


def test_after_training_words_and_marks_are_left_to_compare():
    assert not likeness.differences(drawn(), drawn(height=1.5, value=0.35), trained=True)
    assert likeness.differences(drawn(), drawn(title="another title"), trained=True)
    assert likeness.differences(drawn(), drawn(curves=300), trained=True)


def test_what_training_has_named_is_tainted_until_it_is_named_anew():
    cells = [
        "from gannotes.optim import fit",
        "gan = GAN(G, D, p_0)",
        "fit(one, batches)\nsteps = 3",
        "ax.plot(known)",
        "ax.plot(steps)\ny = 1",
        "steps = y = 4",
        "draw(steps, y)",
        "for x in range(3):\n    x.backward()",
    ]
    assert likeness.trained_cells(cells) == [False, False, True, False, True, False, False, True]
