"""A chapter in JupyterLab and Notebook 7: widgets live, keys are theirs, text as in the book."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from slurm_cluster import wait_until
from test_browser import chromium  # noqa: F401

pytestmark = pytest.mark.slow
pytest.importorskip("jupyterlab", reason="JupyterLab is in requirements/lab.txt: `make lab`")

TEXT = """# A chapter

(here)=
Text with {math}`p_\\theta` and a formula:

$$ \\int p \\, dx = 1 $$

```{note}
An admonition.
```
"""
MAKE = """import torch
from torch.distributions import Normal
from gannotes.widgets import DivergenceExplorer
w = DivergenceExplorer(Normal(0.0, 1.0), Normal(1.0, 2.0))
w"""
SHOW = "print('p is now', w.p)"


def notebook(path: Path) -> None:
    """Text, a widget whose output was saved without a state, and a cell that asks the widget."""
    saved = {"model_id": "0" * 32, "version_major": 2, "version_minor": 1}
    data = {"application/vnd.jupyter.widget-view+json": saved, "text/plain": "DivergenceExplorer()"}
    cell = new_code_cell(MAKE, outputs=[new_output("execute_result", data, execution_count=1)])
    cells = [new_markdown_cell(TEXT), cell, new_code_cell(SHOW)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


class Jupyter:
    """A page of JupyterLab or of Notebook 7, and what a reader does there."""

    def __init__(self, driver: Chrome, path: Path) -> None:
        self.driver, self.path = driver, path

    def js(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def until(self, script: str) -> Any:
        waiting = WebDriverWait(self.driver, 180, poll_frequency=0.1)
        return waiting.until(lambda _: self.js(f"return {script}"), script)

    def wait_for(self, promise: str) -> None:
        script = (
            f"const done = arguments[0]; {promise}.then(() => done(null), (e) => done(`${{e}}`))"
        )
        assert self.driver.execute_async_script(script) is None

    def command(self, name: str) -> None:
        """Say a command of the menus, and wait until it is done."""
        self.wait_for(f"window.jupyterapp.commands.execute({json.dumps(name)})")

    def run_all(self) -> None:
        self.command("notebook:run-all-cells")
        self.until("document.querySelector('.gannotes-widget input[type=range]') !== null")

    def slider(self) -> WebElement:
        return self.driver.find_element("css selector", ".gannotes-widget input[type=range]")

    def cells(self) -> int:
        return self.js("return document.querySelectorAll('.jp-Notebook .jp-Cell').length")

    def answer(self) -> str:
        """What the last cell prints."""
        return self.js(
            "return [...document.querySelectorAll('.jp-OutputArea-output')].at(-1).textContent"
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server of both, on this machine only; its address, and the folder that it shows."""
    folder = tmp_path_factory.mktemp("lab")
    notebook(folder / "chapter.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "ServerApp": {
            "ip": "127.0.0.1",
            "port": port,
            "open_browser": False,
            "root_dir": str(folder),
            "allow_root": True,
            "jpserver_extensions": {"jupyterlab": True, "notebook": True},
        },
        "IdentityProvider": {"token": "reader"},
        "LabApp": {
            "expose_app_in_browser": True,
            "extension_manager": "readonly",
            "news_url": None,
            "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        },
        "JupyterNotebookApp": {"expose_app_in_browser": True},
    }
    (folder / "config").mkdir()
    (folder / "config" / "jupyter_server_config.json").write_text(json.dumps(options))
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    log = folder / "log"
    command = [sys.executable, "-m", "jupyter", "server"]
    with log.open("w") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out, cwd=folder)
    try:
        wait_until(
            lambda: "is running at" in log.read_text() or process.poll() is not None,
            "a server",
            120,
        )
        assert process.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}", folder
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module", params=["lab/tree", "notebooks"], ids=["lab", "notebook"])
def jupyter(
    request: pytest.FixtureRequest,
    server: tuple[str, Path],
    chromium: Chrome,  # noqa: F811
) -> Iterator[Jupyter]:
    """The chapter, opened for the first time: nobody has trusted it."""
    address, folder = server
    name = f"{request.param.split('/')[0]}.ipynb"
    notebook(folder / name)
    chromium.get(f"{address}/{request.param}/{name}?token=reader")
    page = Jupyter(chromium, folder / name)
    page.until("window.jupyterapp !== undefined")
    page.until("document.querySelectorAll('.jp-Notebook .jp-CodeCell').length === 2")
    page.until("document.querySelector('.jp-MarkdownCell h1') !== null")
    yield page
    chromium.get("about:blank")


def test_the_text_reads_as_in_the_book(jupyter: Jupyter) -> None:
    jupyter.until("document.querySelector('.jp-MarkdownCell :is(.katex, mjx-container)') !== null")
    text = jupyter.js("return document.querySelector('.jp-MarkdownCell').innerText")
    assert "An admonition." in text
    assert "{math}" not in text
    assert "{note}" not in text
    assert "(here)=" not in text


def test_an_untrusted_chapter_says_what_is_there(jupyter: Jupyter) -> None:
    """Nothing of a stranger's notebook runs before its reader says so."""
    assert not jupyter.js("return document.querySelector('.gannotes-widget')")


def test_a_cell_that_is_run_is_live(jupyter: Jupyter) -> None:
    jupyter.run_all()
    jupyter.until(
        "[...document.querySelectorAll('.jp-OutputArea-output')]"
        ".at(-1).textContent.includes('p is now')"
    )
    assert "1.0" in jupyter.answer()


def test_arrow_keys_and_letters_belong_to_the_slider(jupyter: Jupyter) -> None:
    slider, cells = jupyter.slider(), jupyter.cells()
    before = slider.get_attribute("value")
    jupyter.js("arguments[0].focus()", slider)
    slider.send_keys(Keys.ARROW_RIGHT)
    after = slider.get_attribute("value")
    assert float(after or 0) > float(before or 0)
    slider.send_keys(Keys.ARROW_LEFT)
    assert slider.get_attribute("value") == before
    slider.send_keys(Keys.ARROW_DOWN, "x", "d", "d")  # in JupyterLab's own hands, these cut cells
    assert jupyter.js("return document.activeElement === arguments[0]", slider)
    assert jupyter.cells() == cells


def test_python_sees_what_a_reader_has_moved(jupyter: Jupyter) -> None:
    before = jupyter.answer()
    slider = jupyter.driver.find_elements("css selector", ".gannotes-widget input[type=range]")[0]
    jupyter.js("arguments[0].focus()", slider)
    slider.send_keys(Keys.END)
    jupyter.js(
        "const [cell] = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell')].slice(-1);"
        "cell.querySelector('.cm-content').focus()"
    )
    jupyter.command("notebook:run-cell")
    last = "[...document.querySelectorAll('.jp-OutputArea-output')].at(-1).textContent"
    jupyter.until(f"{last}.includes('p is now') && {last} !== {json.dumps(before)}")


def test_a_cell_that_is_run_again_has_one_widget(jupyter: Jupyter) -> None:
    jupyter.js("document.querySelector('.gannotes-widget').dataset.old = 'yes'")
    jupyter.command("notebook:run-all-cells")
    jupyter.until(
        "document.querySelector('.gannotes-widget input') !== null"
        " && document.querySelector('.gannotes-widget[data-old]') === null"
    )
    assert jupyter.js("return document.querySelectorAll('.gannotes-widget').length") == 1


def test_a_chapter_that_is_saved_starts_again_with_a_new_kernel(jupyter: Jupyter) -> None:
    jupyter.command("docmanager:save")
    saved = nbformat.read(jupyter.path, 4)
    assert "application/vnd.jupyter.widget-view+json" in saved.cells[1].outputs[0].data
    jupyter.wait_for("window.jupyterapp.serviceManager.sessions.shutdownAll()")
    jupyter.driver.refresh()
    jupyter.until("window.jupyterapp !== undefined")
    jupyter.until("document.querySelectorAll('.jp-Notebook .jp-CodeCell').length === 2")
    jupyter.run_all()
    assert jupyter.slider().is_displayed()
