"""book/execute.py: twice gives the same bytes, and what went wrong is not kept. And no network."""

import importlib.util
import json
import socket
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

BOOK = Path(__file__).resolve().parent.parent / "book"
spec = importlib.util.spec_from_file_location("execute", BOOK / "execute.py")
assert spec is not None
assert spec.loader is not None
execute = importlib.util.module_from_spec(spec)
spec.loader.exec_module(execute)

NETWORK = """\
import socket
try:
    socket.create_connection(("198.51.100.1", 80), timeout=5)
except ConnectionRefusedError as error:
    print(error)
"""
WIDGETS = """\
import ipywidgets
first, second = ipywidgets.IntSlider(3), ipywidgets.Text("x")
ipywidgets.VBox([second, first])
"""


def write(path: Path, *sources: str) -> Path:
    nbformat.write(new_notebook(cells=[new_code_cell(text) for text in sources]), path)
    return path


def test_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.ipynb", WIDGETS, "for i in range(3):\n    print(i, flush=True)", NETWORK
    )
    assert execute.execute(path)
    first = path.read_bytes()
    assert not execute.execute(path)
    assert path.read_bytes() == first

    notebook = json.loads(first)
    states = notebook["metadata"]["widgets"][execute.STATE]["state"]
    assert list(states) == [f"{n:032x}" for n in range(len(states))]
    (view,) = notebook["cells"][0]["outputs"]
    box = states[view["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]]["state"]
    children = [states[child.removeprefix("IPY_MODEL_")]["state"] for child in box["children"]]
    assert [child["value"] for child in children] == ["x", 3]
    (printed,) = notebook["cells"][1]["outputs"]
    assert printed["text"] == ["0\n", "1\n", "2\n"]
    assert "the tests use no network" in notebook["cells"][2]["outputs"][0]["text"][0]
    assert [cell["execution_count"] for cell in notebook["cells"]] == [1, 2, 3]


@pytest.mark.parametrize(
    ("source", "message"),
    [("1 / 0", "ZeroDivisionError"), ("import warnings\nwarnings.warn('odd')", "wrote to stderr")],
)
def test_what_went_wrong_is_shown_and_not_kept(tmp_path: Path, source: str, message: str) -> None:
    path = write(tmp_path / "x.ipynb", source)
    before = path.read_bytes()
    with pytest.raises(execute.ChapterError, match=message) as caught:
        execute.execute(path)
    assert source.splitlines()[-1] in str(caught.value)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.ipynb"]


def test_chapters_by_name() -> None:
    assert execute.find("gan") == execute.find("gan.ipynb") == BOOK / "gan.ipynb"
    assert execute.find("gan") in execute.chapters()
    with pytest.raises(
        execute.ChapterError, match="no chapter is called 'gna'; there are: index, samples, gan"
    ):
        execute.find("gna")


def test_only_this_machine_can_be_reached() -> None:
    with pytest.raises(ConnectionRefusedError, match="no network"):
        socket.getaddrinfo("example.org", 80)
    with socket.socket() as connection, pytest.raises(ConnectionRefusedError, match="no network"):
        connection.connect(("198.51.100.1", 80))
    with (
        socket.socket(type=socket.SOCK_DGRAM) as datagram,
        pytest.raises(ConnectionRefusedError, match="no network"),
    ):
        datagram.sendto(b"", ("198.51.100.1", 53))
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()),
    ):
        pass
