"""Exercises that check themselves in the page: `ask` (a click) and `compute` (a number).

    ```{ask} A critic that is trained for longer gives a smaller value.
    :answer: false
    The critic ascends: ...
    ```

    ```{ask} What does the best critic say where only the model has mass?
    :options: 0; 1/2; 1
    :answer: 1
    ```

    ```{compute} $D^*(x)$ where $p = 0.3$ and $p_\\theta = 0.1$
    :answer: 0.75
    :tolerance: 0.005
    $0.3 / 0.4$.
    ```

The body is the reason; it stays in a fold until the reader has answered. `quiz.js` does the rest,
and without it the fold can still be opened.
"""

from html import escape
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

TRUTH = ["true", "false"]


class Quiz(SphinxDirective):
    """What both kinds share: a question, a way to answer, and a reason in a fold."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True
    kind = ""

    def form(self) -> str:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        box = nodes.container(classes=["quiz", f"quiz-{self.kind}"])
        question = nodes.paragraph(classes=["quiz-question"])
        found, messages = self.parse_inline(self.arguments[0])
        question += found
        box += [question, *messages, nodes.raw("", self.form(), format="html")]
        box += nodes.raw("", '<details class="quiz-reason"><summary>Why</summary>', format="html")
        box += self.parse_content_to_nodes()
        box += nodes.raw("", "</details>", format="html")
        return [box]


class Ask(Quiz):
    """True or false, or one of some options, separated by semicolons; the answer counts from 1."""

    kind = "ask"
    option_spec = {"answer": directives.unchanged_required, "options": directives.unchanged}

    def form(self) -> str:
        choices = [o.strip() for o in self.options.get("options", "; ".join(TRUTH)).split(";")]
        answer = self.options.get("answer", "").strip()
        right = TRUTH.index(answer) + 1 if answer in TRUTH else int(answer or 0)
        if not 1 <= right <= len(choices):
            raise self.error(f"answer: expected one of {len(choices)} options, got {answer!r}")
        buttons = "".join(
            f'<button type="button" data-choice="{i}">{escape(choice)}</button>'
            for i, choice in enumerate(choices, 1)
        )
        return f'<form data-answer="{right}">{buttons}<output></output></form>'


class Compute(Quiz):
    """A number that is compared within a tolerance."""

    kind = "compute"
    option_spec = {"answer": float, "tolerance": float, "unit": directives.unchanged}

    def form(self) -> str:
        if not {"answer", "tolerance"} <= self.options.keys():
            raise self.error("compute: expected an answer and a tolerance")
        data = (
            f'data-answer="{self.options["answer"]}" data-tolerance="{self.options["tolerance"]}"'
        )
        field = '<input type="text" inputmode="decimal" size="8" aria-label="your number">'
        unit = escape(self.options.get("unit", ""))
        return f"<form {data}>{field} {unit} <button>Check</button><output></output></form>"


def setup(app: Any) -> dict[str, bool]:
    """Register the two directives."""
    app.add_directive("ask", Ask)
    app.add_directive("compute", Compute)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
