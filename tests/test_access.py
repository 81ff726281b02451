"""Repairs of the pages for those who hear them: `access` of the book."""

import access
from docutils import nodes
from docutils.core import publish_doctree, publish_parts
from docutils.writers.html5_polyglot import HTMLTranslator, Writer

TABLE = """
.. list-table::
   :header-rows: 1

   * -
     - mean
   * - GAN
     - 1
"""


class Translator(HTMLTranslator):
    """With the handlers in the instance, where Sphinx puts them."""

    def __init__(self, document: nodes.document) -> None:
        super().__init__(document)
        self.visit_entry = access.visit_entry.__get__(self)
        self.depart_entry = access.depart_entry.__get__(self)


def test_an_empty_header_is_a_plain_cell():
    writer = Writer()
    writer.translator_class = Translator
    head, body = publish_parts(TABLE, writer=writer)["body"].split("</thead>")
    assert [head.count(tag) for tag in ("<th ", "</th>", "<td ", "</td>")] == [1, 1, 1, 1]
    assert "mean" in head.split("<th ")[1]
    assert body.count("<td>") == 2


def test_the_ids_of_exercises_go_and_others_stay():
    document = publish_doctree("")
    sections = [nodes.section(ids=ids) for ids in (["exercise-content"], ["a", "solution-content"])]
    document += sections
    access.drop_ids(None, document, "gan")
    assert [section["ids"] for section in sections] == [[], ["a"]]
