"""Modules joined to one text, and what a saved widget leaves out: `bundle`, `shipped`."""

import copy
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import shipped
import torch
import widgets as pages
from ipywidgets.embed import dependency_state
from safetensors.torch import save_file
from torch import nn

from gannotes.distributions import standard_normal
from gannotes.widgets import LatentExplorer, PointPlayer
from gannotes.widgets.bundle import bundle

TRICKY = r"""
// A comment, with an odd ` and "quote.
import { add } from "./sum.js";
const SUM = 1; // it's one
const url = "http://a//b // c", path = 'd // e'; // f
  const text = `g // h
  // i
    j`;
const slash = "a/b".replace(/\//g, "//");
export default [add(SUM, 1), url, path, text, slash];
"""


def write(folder: Path, **modules: str) -> Path:
    """Modules by their names; the path of the last."""
    for name, text in modules.items():
        path = folder / f"{name}.js"
        path.write_text(text, encoding="utf-8")
    return path


def test_a_bundle_has_no_comment_and_every_string(tmp_path: Path) -> None:
    sums = "// Adds.\nexport function add(a, b) {\n    return a + b;\n}\n"
    text = bundle(write(tmp_path, sum=sums, tricky=TRICKY.lstrip()))
    assert not [
        word for word in ("A comment", "it's one", "// f", "Adds", "    return") if word in text
    ]
    assert len(text) < len(sums + TRICKY) + 150
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not on the PATH")
    (tmp_path / "run.mjs").write_text(text + "console.log(JSON.stringify($1_tricky.default));")
    done = subprocess.run([node, tmp_path / "run.mjs"], capture_output=True, text=True, check=True)
    expected = '[2,"http://a//b // c","d // e","g // h\\n  // i\\n    j","a//b"]'
    assert done.stdout.strip() == expected


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        (
            {"a": 'import { b } from "./b.js";\n', "b": 'import { a } from "./a.js";\n'},
            r"b\.js: expected no circle of imports, got one",
        ),
        (
            {"a": "export const one = 1;\n", "b": 'import { one, two } from "./a.js";\n'},
            r"b\.js: expected exports of a\.js, got {'two'}",
        ),
        ({"a": 'import * as b from "./b.js";\n'}, r"a\.js: expected a form that .*, got import \*"),
        ({"a": "export let one = 1;\n"}, r"a\.js: expected a form that .*, got export let"),
    ],
)
def test_a_slip_in_a_module_is_named(tmp_path: Path, modules: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bundle(write(tmp_path, **modules))


def test_an_engine_is_a_string_in_its_widget_s_bundle(tmp_path: Path) -> None:
    """It must not end the script that it stands in."""
    worker = 'postMessage("</script>");\n'
    main = 'const source = new URL("./worker.js", import.meta.url);\nexport default source;\n'
    text = bundle(write(tmp_path, worker=worker, main=main))
    assert "</script" not in text


# What a notebook saves, and what a page is given back.


def network(seed: int) -> nn.Sequential:
    """A network with a normalisation, whose folded numbers are none of its file's."""
    torch.manual_seed(seed)
    G = nn.Sequential(
        nn.Linear(2, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4), nn.Sigmoid()
    )
    nn.init.uniform_(G[1].running_mean, -1, 1)
    nn.init.uniform_(G[1].running_var, 0.5, 2)
    return G


def ship(folder: Path, name: str, **modules: nn.Module) -> None:
    tensors = {
        f"{owner}.{key}": value.clone()
        for owner, module in modules.items()
        for key, value in module.state_dict().items()
    }
    save_file(tensors, folder / f"{name}.safetensors")


def record(widget: Any) -> dict[str, Any]:
    """The saved state of a widget."""
    return dependency_state([widget], drop_defaults=False)[widget.model_id]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped networks of its own: two in one file."""
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    shipped._modules.cache_clear()
    ship(tmp_path, "pair", G=network(0), F=network(1))
    return tmp_path


def test_a_shipped_network_comes_back_from_its_file(folder: Path) -> None:
    nets = {"first": network(1), "stranger": network(2), "second": network(0)}
    widget = LatentExplorer(nets, standard_normal(2), shape=(2, 2))
    saved = shipped.strip(record(widget))
    weights = saved["state"]["weights"]
    assert [part.get("prefix") for part in weights] == ["F", None, "G"]
    assert "_css" not in saved["state"]
    assert saved["state"]["_esm"] == shipped.ASLEEP
    assert shipped.strip(copy.deepcopy(saved)) == saved
    assert b"".join(shipped.networks(saved)) == widget.weights


def test_a_file_that_has_changed_is_an_error(folder: Path) -> None:
    saved = shipped.strip(record(LatentExplorer(network(0), standard_normal(2), shape=(2, 2))))
    ship(folder, "pair", G=network(3), F=network(1))
    shipped._modules.cache_clear()
    with pytest.raises(ValueError, match="weights: expected pair to hold the network"):
        shipped.networks(saved)


def test_what_is_not_shipped_stays_as_it_is(folder: Path) -> None:
    stranger = record(LatentExplorer(network(2), standard_normal(2), shape=(2, 2)))
    assert shipped.strip(stranger)["buffers"] == stranger["buffers"]
    points = torch.rand(3, 5, 2)
    player = record(PointPlayer.plane(points, points[0], limits=((0, 1), (0, 1))))
    assert shipped.strip(player)["buffers"] == player["buffers"]
    foreign = {"state": {"_model_name": "IntSliderModel"}}
    assert shipped.strip(foreign) is foreign


@pytest.mark.parametrize(
    "title", ["</script ><img src=x onerror=f()>", "</SCRIPT>", "<!--<script>"]
)
def test_no_title_ends_the_script_that_holds_it(title: str) -> None:
    """HTML ends a script at any spelling of its tag; JSON gives the same title back."""
    body = pages._script("application/x", {"state": {"title": title}}).attributes["body"]
    assert "<" not in body
    assert json.loads(body)["state"]["title"] == title
