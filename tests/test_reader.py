"""What the page leaves out for a reader: `reader`, `drawings` and `figures` of the book."""

import json
from pathlib import Path

import drawings
import figures
import pytest
import reader
from docutils import nodes

ERRATA = Path(__file__).parents[1] / "book"


def cell(kind, source, outputs=(), tags=()):
    made = {"cell_type": kind, "source": source, "metadata": {"tags": list(tags)}}
    return made | ({"outputs": list(outputs)} if kind == "code" else {})


TEXT = {"output_type": "stream", "text": "1"}
FIGURE = {"output_type": "display_data", "data": {"image/svg+xml": "<svg/>"}}


@pytest.mark.parametrize(
    ("outputs", "tags", "expected"),
    [
        ([TEXT], [], ["hide-cell"]),
        ([TEXT], ["printed"], ["printed", "hide-input"]),
        ([TEXT], ["essential"], ["essential"]),
        ([FIGURE], [], ["hide-input"]),
        ([FIGURE, TEXT], [], ["hide-input"]),
        ([], [], ["hide-input"]),
        ([FIGURE], ["remove-input"], ["remove-input"]),
        ([TEXT], ["hide-input"], ["hide-cell"]),
    ],
)
def test_a_cell_is_folded_by_what_it_shows(outputs, tags, expected):
    notebook = {"cells": [cell("code", "x", outputs, tags)]}
    reader.fold(notebook)
    assert notebook["cells"][0]["metadata"]["tags"] == expected


def test_a_solution_is_one_fold():
    start, end = "```{solution-start} a\n```", "```{solution-end}\n```"
    cells = [cell("markdown", start), cell("code", "x"), cell("markdown", end), cell("code", "y")]
    reader.fold({"cells": cells})
    assert [c["metadata"]["tags"] for c in cells if c["cell_type"] == "code"] == [
        [],
        ["hide-input"],
    ]


def test_a_misprint_becomes_a_mark_with_links():
    html = reader.mark("Errata X03 and X11: sign, factor <and> constant").astext()
    assert '<a href="errata.html#x03">X03</a>, <a href="errata.html#x11">X11</a>' in html
    assert "sign, factor &lt;and&gt; constant" in html
    assert html.startswith('<details class="misprint"><summary>X03, X11</summary>')


def test_every_misprint_of_a_chapter_is_on_the_page_of_errata():
    known = json.loads((ERRATA / "errata.ipynb").read_text(encoding="utf-8"))
    page = "".join("".join(c["source"]) for c in known["cells"])
    for path in ERRATA.glob("*.ipynb"):
        for c in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for number in reader.NUMBER.findall("".join(c["source"])):
                anchors = f"({number.lower()})=", f"{{#{number.lower()}}}"
                assert any(anchor in page for anchor in anchors), (path.name, number)


def test_a_full_stop_stays_with_its_formula():
    (a, b, c) = (nodes.math("", letter) for letter in "abc")
    words = [nodes.Text(text) for text in ("Let ", ". Then ", " and ", ").")]
    paragraph = nodes.paragraph("", "", words[0], a, words[1], b, words[2], c, words[3])
    for formula in (a, b, c):
        reader.tie(formula)
    assert paragraph.astext() == "Let a. Then b and c)."
    tied = [part.astext() for part in paragraph if isinstance(part, nodes.inline)]
    assert tied == ["a.", "c)."]


def test_roles_become_variables_and_other_colours_stay():
    themed = drawings.themed('<path style="stroke: #D55E00; fill: #123456"/><text>#d55e00</text>')
    assert themed == (
        '<path style="stroke: var(--figure-model, #D55E00); fill: #123456"/><text>#d55e00</text>'
    )


def test_two_drawings_share_no_id():
    one, two = ('<svg a="" width="9pt" height="9pt"><g id="x"/><use href="#x"/></svg>', "<svg/>")
    first, second = drawings.inline(one + "1", "a"), drawings.inline(one + "2", 'b "quoted"')
    assert first.split('id="')[1][:9] != second.split('id="')[1][:9]
    assert first.count(first.split('id="')[1].split('"')[0]) == 2
    assert 'width="9pt"' not in first
    assert 'aria-label="b &quot;quoted&quot;"' in second
    assert drawings.inline(two, "") == '<div class="vector" role="img" aria-label=""><svg/></div>'


def test_a_slim_path_stays_where_it_was():
    points = [(i * 0.01, (i * 0.01) ** 2 / 40) for i in range(5000)]
    data = " ".join(f"{'L' if i else 'M'} {x:.6f} {y:.6f}" for i, (x, y) in enumerate(points))
    slim = figures.slim(f'<?xml?>\n<svg ><path d="{data}"/></svg>')
    kept = [tuple(map(float, piece.split())) for piece in slim.split('"')[1][2:].split(" L ")]
    assert len(slim) < len(f"{data}") / 10
    assert kept[0] == (0.0, 0.0)
    assert kept[-1] == pytest.approx(points[-1], abs=0.006)
    for x, y in kept:
        assert y == pytest.approx(x**2 / 40, abs=0.02)


def test_a_closed_path_and_curves_survive():
    ring = (
        '<svg ><path d="M 0 0 L 5 0 L 5 5 z M 9 9 L 9 8 z"/><path d="M 1 1 C 1 2 3 4 5 6"/></svg>'
    )
    slim = figures.slim(ring)
    assert slim.count("z") == 2
    assert "M 1 1 C 1 2 3 4 5 6" in slim


def test_the_words_of_a_figure_keep_their_digits():
    slim = figures.slim('<svg ><text x="1.23456">0.2831</text></svg>')
    assert slim == '<svg ><text x="1.23">0.2831</text></svg>'


def test_a_figure_that_is_too_large_is_refused():
    many = "".join(f'<use x="{i}.11"/>' for i in range(60_000))
    with pytest.raises(figures.FigureError, match="rasterized"):
        figures.slim(f"<svg >{many}</svg>")
