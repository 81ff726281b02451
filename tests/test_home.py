"""Where the project lives: nothing while that is empty, and all of it from one line."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import downloads
import home
import links
import pytest
import yaml
from docutils.core import publish_doctree

ROOT = Path(__file__).resolve().parent.parent
LINE = '[tool.gannotes]\nrepository = "{}"\n'
HERE = home.Home("Some-One", "gan.notes")


def test_one_line_says_it() -> None:
    for address in ["https://github.com/Some-One/gan.notes" + end for end in ("", "/", ".git")]:
        assert home.read(LINE.format(address)) == HERE
    assert home.read(LINE.format("")) is None
    assert home.read("") is None
    with pytest.raises(ValueError, match="repository: expected https://github.com/OWNER/NAME"):
        home.read(LINE.format("https://github.com/Some-One"))


def test_the_project_s_own_line_can_be_read() -> None:
    assert re.findall(r"^repository = ", (ROOT / "pyproject.toml").read_text(), flags=re.M)
    where = home.home()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    # CITATION.cff is read as it is by those who cite, so it has to say the same.
    assert citation.get("repository-code") == (where.repository if where else None)
    assert citation.get("url") == (where.pages if where else None)


def test_nobody_else_says_where_the_project_lives() -> None:
    """Whoever fills the line has filled them all."""
    for name in ("_config.yml", "README.md", "CONTRIBUTING.md", "Makefile", "postBuild"):
        assert "github.com" not in (ROOT / name).read_text(), name


# The package's metadata, as hatchling makes them.


def metadata(folder: Path, repository: str) -> str:
    """The metadata of a package beside this pyproject.toml, with the line filled."""
    text = (ROOT / "pyproject.toml").read_text()
    filled, times = re.subn(r'^repository = ".*"', f'repository = "{repository}"', text, flags=re.M)
    assert times == 1
    (folder / "pyproject.toml").write_text(filled)
    for name in ("README.md", "LICENSE", "requirements/home.py", "gannotes/__init__.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text((ROOT / name).read_text())
    command = [sys.executable, "-m", "hatchling", "metadata"]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return said.stdout


@pytest.mark.parametrize("repository", ["", HERE.repository])
def test_what_a_package_index_shows(tmp_path: Path, repository: str) -> None:
    found = json.loads(metadata(tmp_path, repository))
    pictures = re.findall(r"!\[[^\]]*\]\((.*?)\)", found["readme"]["text"])
    assert len(pictures) >= 1
    if repository:
        assert found["urls"] == HERE.urls
        assert "](CONTRIBUTING.md)" not in found["readme"]["text"]
        raw = "https://raw.githubusercontent.com/Some-One/gan.notes/main/"
        assert all(address.startswith(raw) for address in pictures)
    else:
        assert found.get("urls", {}) == {}
        assert found["readme"]["text"] == (ROOT / "README.md").read_text()


def test_only_relative_links_are_completed() -> None:
    text = "![a](b/c.png) [d](e.md) [f](https://g) [h](#i) ![j](https://k)"
    raw, blob = (
        "https://raw.githubusercontent.com/Some-One/gan.notes/main",
        f"{HERE.repository}/blob/main",
    )
    assert home.readme(text, HERE) == (
        f"![a]({raw}/b/c.png) [d]({blob}/e.md) [f](https://g) [h](#i) ![j](https://k)"
    )


# The pages.


def page(monkeypatch: pytest.MonkeyPatch, where: home.Home | None) -> tuple[Any, dict[str, Any]]:
    """The configuration, and what a page is made of, after the extension has seen them."""
    monkeypatch.setattr(links, "home", lambda: where)
    config = SimpleNamespace(
        html_theme_options={}, html_baseurl="", html_title="A book", project="gannotes"
    )
    links.configure(None, config)
    button = {"text": "Colab", "url": "book/gan.ipynb"}
    context = {"title": "<em>GAN</em>", "header_buttons": [{"buttons": [button]}, {"type": "link"}]}
    doctree = publish_doctree("GAN\n===\n\nIs it <real>\nor not?")
    links.head(SimpleNamespace(config=config), "gan", "page.html", context, doctree)
    return config, {**context, "colab": button["url"]}


def test_pages_without_a_home_have_no_buttons(monkeypatch: pytest.MonkeyPatch) -> None:
    config, context = page(monkeypatch, None)
    assert config.html_theme_options == {}
    assert config.html_baseurl == ""
    assert context["colab"] == "book/gan.ipynb"
    assert '<meta name="description" content="Is it &lt;real&gt; or not?">' in context["metatags"]
    assert '<meta property="og:title" content="GAN">' in context["metatags"]
    assert "og:url" not in context["metatags"]


def test_pages_with_a_home_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    config, context = page(monkeypatch, HERE)
    assert config.html_theme_options["repository_url"] == HERE.repository
    assert config.html_theme_options["use_edit_page_button"]
    assert config.html_theme_options["launch_buttons"]["notebook_interface"] == "jupyterlab"
    assert config.html_baseurl == "https://some-one.github.io/gan.notes/"
    assert f'content="{config.html_baseurl}gan.html"' in context["metatags"]
    copy = "Some-One/gan.notes/blob/gh-pages/_sources/gan.ipynb"
    assert context["colab"] == f"https://colab.research.google.com/github/{copy}"


def test_a_description_is_short_and_ends_with_a_word() -> None:
    said = links.description(publish_doctree("word " * 100))
    assert len(said) <= 200
    assert said.endswith("word ...")


# The notebooks that pages offer.


CHAPTER = json.dumps(
    {
        "cells": [
            {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# GAN\n", "Text."]},
            {"cell_type": "code", "id": "b", "metadata": {}, "source": ["import gannotes"]},
        ]
    }
)


@pytest.mark.parametrize("where", [None, HERE])
def test_a_copy_says_how_to_get_the_package(where: home.Home | None) -> None:
    text = downloads.complete(CHAPTER, where)
    says, gets, *rest = json.loads(text)["cells"]
    assert rest == json.loads(CHAPTER)["cells"]
    assert "chapter **GAN**" in "".join(says["source"])
    assert "pip install" in "".join(says["source"])
    assert (where is not None) == ("git+https" in "".join(gets["source"]))
    assert downloads.complete(text, where) == text
    words = json.dumps({"cells": json.loads(CHAPTER)["cells"][:1]})
    assert downloads.complete(words, where) == words


def run(code: list[str], found: object) -> list[str]:
    """What the cell installs when `find_spec` finds this."""
    asked: list[str] = []
    text = re.sub(r"%pip install --quiet (.*)", r"asked.append(\1)", "".join(code))
    spec = SimpleNamespace(find_spec=lambda name: found)
    names = {"asked": asked, "__builtins__": {**vars(__import__("builtins"))}}
    names["__builtins__"]["__import__"] = lambda *_: spec
    exec(text, names)
    return asked


def test_the_cell_acts_where_the_package_is_missing() -> None:
    _, cell = downloads.first_cells("GAN", HERE)
    assert run(cell["source"], "there") == []
    version = downloads.__version__
    assert run(cell["source"], None) == [f"gannotes @ git+{HERE.repository}@v{version}"]
    _, cell = downloads.first_cells("GAN", None)
    assert run(cell["source"], "there") == []
    with pytest.raises(ModuleNotFoundError, match="pip install FOLDER"):
        run(cell["source"], None)
