"""The project itself: what is installed, who imports whom, what the pages must hold."""

import ast
import functools
import json
import os
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOC = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
PAGES = [TOC["root"]] + [entry["file"] for part in TOC["parts"] for entry in part["chapters"]]


@functools.cache
def tracked() -> list[Path]:
    """The project's files: those that git tracks, or would track with the next commit."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout: nothing says which files belong to the project")
    return [ROOT / name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]


def modules() -> list[Path]:
    return sorted((ROOT / "gannotes").rglob("*.py"))


def notebooks() -> list[Path]:
    return sorted((ROOT / "book").glob("*.ipynb"))


def name_of(path: Path) -> str:
    """`gannotes/data/toys.py` -> `gannotes.data.toys`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


each_module = pytest.mark.parametrize("path", modules(), ids=name_of)
each_notebook = pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)


# What is installed: pyproject.toml, the lock, environment.yml and the workflow.

LISTS = [ROOT / "requirements" / f"{name}.txt" for name in ("readers", "lab", "contributors")]
PIN = re.compile(r"^([\w.-]+)==(\S+)(?: ; (.*?))?(?: \\)?$", flags=re.M)


@functools.cache
def pins() -> dict[str, tuple[Version, Marker | None]]:
    """Name -> its one version, and where it is needed at all."""
    text = "".join(path.read_text() for path in [*LISTS, ROOT / "requirements" / "torch.txt"])
    found = PIN.findall(text)
    assert len({name for name, *_ in found}) == len(found), "a package stands in two lists"
    return {
        canonicalize_name(name): (Version(version), Marker(marker) if marker else None)
        for name, version, marker in found
    }


def lock() -> dict[str, Version]:
    return {name: version for name, (version, _) in pins().items()}


def group(name: str) -> list[str]:
    """The requirements of a dependency group, and of those in it."""
    lines: list[str] = []
    for line in PYPROJECT["dependency-groups"][name]:
        lines += [line] if isinstance(line, str) else group(line["include-group"])
    return lines


def requirements() -> list[Requirement]:
    project = PYPROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    groups += [group("contributors"), PYPROJECT["build-system"]["requires"]]
    return [Requirement(line) for lines in groups for line in lines]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_the_lock_satisfies_pyproject(requirement: Requirement) -> None:
    assert requirement.specifier, f"{requirement.name} has no lower bound"
    pin = lock()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pin, prereleases=True), (
        f"{requirement} but locked at {pin}"
    )


def test_readers_need_no_tool_of_contributors() -> None:
    """What builds the book is the first list, and nothing that only tests or checks is in it."""
    first = {canonicalize_name(name) for name, *_ in PIN.findall(LISTS[0].read_text())}
    readers = {Requirement(line).name for line in group("readers")}
    others = {Requirement(line).name for line in group("contributors")} - readers
    assert {canonicalize_name(name) for name in readers} <= first
    # These two are what Jupyter Book itself is made of.
    assert {canonicalize_name(name) for name in others} & first == {"packaging", "pyyaml"}


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_every_package_of_the_lock_has_its_hashes(path: Path) -> None:
    entries = re.split(r"\n(?=\S)", path.read_text().strip())[1:]
    assert len(entries) > 20
    for entry in entries:
        assert re.fullmatch(
            r"[\w.-]+==\S+(?: ; .*?)?(?: \\\n +--hash=sha256:[0-9a-f]{64})+", entry
        ), entry


def test_the_lock_is_complete() -> None:
    """What a locked package requires here is locked too, at a version that it accepts."""
    pins = lock()
    installed = {canonicalize_name(found.name) for found in metadata.distributions()}
    for name in pins.keys() & installed:
        for line in metadata.requires(name) or []:
            requirement = Requirement(line)
            other = canonicalize_name(requirement.name)
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
                continue
            if name == "torch" and re.match(r"(nvidia|cuda)-|triton$", other):
                continue  # a CUDA build's own: the platform's matter
            assert other in pins, f"{name} requires {requirement}, which the lock lacks"
            assert requirement.specifier.contains(pins[other], prereleases=True), (name, line)


def test_every_pin_works_on_the_oldest_python_that_is_promised() -> None:
    oldest = PYPROJECT["project"]["requires-python"].removeprefix(">=") + ".0"
    for name, (_, marker) in pins().items():
        if marker is None or marker.evaluate():
            asked = metadata.metadata(name).get("Requires-Python") or ""
            assert SpecifierSet(asked).contains(oldest), f"{name} requires Python {asked}"


def test_the_lock_holds_for_every_machine() -> None:
    for path in LISTS:
        assert not re.search(r"[+@]|nvidia|://|^torch\b|^--", path.read_text(), flags=re.M)
    assert lock()["torch"] == Version("2.13.0")


def test_conda_and_binder_install_as_make_does() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip = environment["dependencies"]
    assert (environment["name"], pip) == (PYPROJECT["project"]["name"], "pip")
    version = python.removeprefix("python=")
    assert Requirement(f"python{PYPROJECT['project']['requires-python']}").specifier.contains(
        version
    )
    assert PYPROJECT["tool"]["mypy"]["python_version"] == version
    assert PYPROJECT["tool"]["ruff"]["target-version"] == f"py{version.replace('.', '')}"
    assert "3, 11" in (ROOT / "Makefile").read_text()
    script = "python requirements/install.py"
    assert script in (ROOT / "environment.yml").read_text()
    assert f"TORCH=cpu {script} lab" in (ROOT / "postBuild").read_text()
    assert os.access(ROOT / "postBuild", os.X_OK)
    assert script in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("name", ["ci", "pages", "release"])
def test_a_workflow_only_calls_the_project_s_scripts(name: str) -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert {step["uses"].partition("@")[0] for step in steps if "uses" in step} <= {
        "actions/checkout",
        "actions/upload-artifact",
    }
    commands = [step["run"] for step in steps if "run" in step]
    scripts = [
        command.split()[0]
        for command in commands
        if not command.startswith(("git config", "apt-get"))
    ]
    assert scripts
    for script in scripts:
        assert script.startswith(".ci/")
        assert os.access(ROOT / script, os.X_OK)
    assert workflow["permissions"]["contents"] == ("write" if name == "release" else "read")


def test_continuous_integration_tries_both_ends_of_python_and_of_the_dependencies() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    oldest, newest = jobs["run"]["strategy"]["matrix"]["image"]
    assert oldest.startswith("debian:")
    assert newest.startswith("python:3.")
    assert jobs["edges"]["strategy"]["matrix"]["edge"] == ["lowest", "newest"]


def test_one_version() -> None:
    version = metadata.version("gannotes")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert f'__version__ = "{version}"' in (ROOT / "gannotes" / "__init__.py").read_text()
    assert citation["version"] == version
    heading = f"## [{version}] - {citation['date-released']}\n"
    assert heading in (ROOT / "CHANGELOG.md").read_text()


# The tree and the text.


def test_nothing_unexpected_at_the_top() -> None:
    expected = """README.md LICENSE CITATION.cff CONTRIBUTING.md CHANGELOG.md Makefile
        pyproject.toml environment.yml postBuild _config.yml conftest.py requirements gannotes tests
        benchmarks book .ci .github .gitattributes .gitignore"""
    found = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert found <= set(expected.split()), found - set(expected.split())


BYTES = {".xz", ".woff", ".woff2", ".png", ".webp", ".safetensors", ".wasm", ".npz"}


def test_no_path_of_a_machine_and_no_registry() -> None:
    """Neither folders of somebody's machine nor a package registry's host stand in the project.

    The index of torch's CPU builds does, once: where the set-up chooses it.
    """
    folders = r"(?<![\w.~)}])/(?:work|root|farm|tmp|home/[a-z]+|Users/[A-Za-z]+)/|[.]{2}/shared"
    hosts = r"\b(?:pypi|pythonhosted|npmjs|deb[.]debian|download[.]pytorch|conda[.]anaconda)[.]\w"
    pattern = re.compile(f"{folders}|{hosts}")
    for path in tracked():
        if (
            path.suffix
            in {".xz", ".woff", ".woff2", ".png", ".webp", ".safetensors", ".wasm", ".npz"}
            or "mathjax" in path.parts
        ):
            continue
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":  # pictures are base64, in which anything may stand
            text = "\n".join(
                "".join(cell["source"]) + _printed(cell) for cell in json.loads(text)["cells"]
            )
        if path == ROOT / "requirements" / "install.py":
            text = re.sub(r"^CPU_INDEX = .*", "", text, count=1, flags=re.M)
        found = pattern.search(text)
        assert not found, f"{path.relative_to(ROOT)}: {found.group()!r}" if found else ""


def _printed(cell: dict) -> str:
    outputs = cell.get("outputs", [])
    return "".join(
        "".join(out.get("text", out.get("data", {}).get("text/plain", ""))) for out in outputs
    )


def test_text_names_commands_that_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.M))
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text()
        assert set(re.findall(r"(?:`|^    )make (\w+)", text, flags=re.M)) <= targets
        for link in re.findall(r"\]\(([\w./]+)\)", text):
            assert (ROOT / link).exists(), f"{name} links to {link}"


def test_the_code_of_the_readme_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    assert "steps=2_000" in code
    names: dict = {}
    exec(code.replace("steps=2_000", "steps=3"), names)
    assert names["x"].shape == (1_000, 1)
    assert len(names["history"]["value"]) == 3


# The package: who imports whom.


def allowed() -> dict[str, set[str]]:
    """CONTRIBUTING's table: what each module may import from the package."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| (`.*) \| (nothing|`.*`) \|$", text, flags=re.M)
    words = [
        (re.findall(r"`(\w+)`", left), set(re.findall(r"`(\w+)`", right))) for left, right in rows
    ]
    return {name: right | {"checks"} for left, right in words for name in left}


ONLY_IN = {
    "matplotlib": "plots",
    "anywidget": "widgets",
    "ipywidgets": "widgets",
    "traitlets": "widgets",
    "joblib": "runs",
    "submitit": "runs",
}
NOWHERE = {
    "IPython",
    "pickle",
    "cPickle",
    "cloudpickle",
    "dill",
    "shelve",
    "marshal",
    "requests",
    "urllib",
}
OPTIM = {"torch", "tqdm", "safetensors"}


def imports(path: Path) -> set[str]:
    """Dotted names of all that a module imports, anywhere in it; relative ones made absolute."""
    found = set()
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parent = (
                package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            )
            base = ".".join([*parent, *([node.module] if node.module else [])])
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


@each_module
def test_import_rules(path: Path) -> None:
    part = (name_of(path) + ".").split(".")[1]
    names = imports(path)
    own = {name.split(".")[1] for name in names if name.startswith("gannotes.")} - {part}
    if part == "":
        assert not names, "gannotes/__init__.py holds the version and nothing else"
    if part == "models":
        siblings = {name for name in names if name.startswith("gannotes.models.")}
        assert not siblings, f"a model imports another: {siblings}"
    if part not in {"", "recipes", "__main__"}:
        assert own <= allowed()[part], f"{name_of(path)} imports {own - allowed()[part]}"
    others = {name.split(".")[0] for name in names}
    assert not others & NOWHERE
    assert {ONLY_IN[name] for name in others & set(ONLY_IN)} <= {part}
    if part == "optim":
        import sys

        assert others <= OPTIM | set(sys.stdlib_module_names) | {"gannotes"}


def test_the_table_of_imports_has_no_circle() -> None:
    """From the floors below up: a module stands when all that it may import stand already."""
    waiting, standing = {name: needs - {name} for name, needs in allowed().items()}, set()
    assert waiting["checks"] == set()
    assert len(waiting) > 10
    while waiting:
        ready = {name for name, needs in waiting.items() if needs <= standing}
        assert ready, f"a circle, or a name without a row: {waiting}"
        standing |= ready
        waiting = {name: needs for name, needs in waiting.items() if name not in ready}


def test_import_rules_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules see every way of importing."""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / "gannotes" / "models" / "x.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "from . import gan\nfrom .. import nets\nfrom ..data import mnist\nimport gannotes.plots"
    )
    found = {"gannotes.models.gan", "gannotes.nets", "gannotes.data.mnist", "gannotes.plots"}
    assert imports(path) == found


@each_module
def test_nothing_is_unpickled(path: Path) -> None:
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Attribute) and node.attr in {"load", "save"}:
            assert ast.unparse(node.value) != "torch", (
                f"{path.name}:{node.lineno}: torch.{node.attr}"
            )


def test_no_class_of_ours_is_a_base_class() -> None:
    classes = [
        node
        for path in modules()
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ClassDef)
    ]
    ours = {node.name for node in classes}
    for node in classes:
        bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
        assert not bases & ours, f"{node.name} inherits from {bases & ours}"


def public(tree: ast.Module) -> list[ast.FunctionDef | ast.ClassDef]:
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return [node for node in found if not node.name.startswith("_")]


@each_module
def test_everything_public_is_documented(path: Path) -> None:
    tree = parse(path)
    assert ast.get_docstring(tree) or path.stat().st_size == 0, f"{name_of(path)} says nothing"
    mathematics = (name_of(path) + ".").split(".")[1] in {
        "divergences",
        "bounds",
        "samples",
        "models",
    }
    for node in public(tree):
        doc = ast.get_docstring(node)
        assert doc, f"{name_of(path)}.{node.name} has no docstring"
        is_record = isinstance(node, ast.ClassDef) and "NamedTuple" in map(ast.unparse, node.bases)
        if mathematics and not is_record:
            assert "Slide:" in doc or "beyond the deck" in doc, (
                f"{name_of(path)}.{node.name}: no source"
            )


# Tests mirror the package: module `a/b` has `test_b` or `test_a_b`; here are those that have not.
TESTED_IN = {
    "data/batches": "data",
    "data/digits": "data",
    "data/toys": "data",
    "recipes/avb": "recipes_bayes",
    "recipes/contest": "recipes_summary",
    "recipes/mixture": "recipes",
    "recipes/protocols": "recipes_bayes",
    "recipes/redraw": "recipes_infogan",
    "recipes/ship": "frame",
    "recipes/vae": "recipes_bayes",
    "results/table": "results",
    "runs/files": "runs_damage",
    "runs/folder": "runs",
    "runs/report": "runs",
    "runs/status": "runs",
    "runs/workers": "runs",
    "widgets/ahead": "live_training",
    "widgets/alpha_dial": "playgrounds",
    "widgets/critic_explorer": "divergence_widgets",
    "widgets/densities": "divergence_widgets",
    "widgets/describe": "widgets",
    "widgets/dirac_explorer": "playgrounds",
    "widgets/divergence_explorer": "divergence_widgets",
    "widgets/encoded": "widgets",
    "widgets/generator_bender": "playgrounds",
    "widgets/latent_explorer": "widgets",
    "widgets/network": "widgets",
    "widgets/point_player": "widgets",
}


@each_module
def test_every_module_has_a_test(path: Path) -> None:
    """Named after it or in the list above, and using it."""
    module = path.relative_to(ROOT / "gannotes").with_suffix("").as_posix()
    parent, _, name = module.rpartition("/")
    if name == "__init__":
        module, name, parent = parent or "gannotes", parent or "project", ""
    own = [f"{parent}_{name}" if parent else name, name.strip("_")]
    files = [ROOT / "tests" / f"test_{one}.py" for one in own]
    mirrored = any(file.exists() for file in files)
    elsewhere = TESTED_IN.get(module)
    if module in ("recipes/avb", "recipes/vae"):  # `test_avb` and `test_vae` are of the models
        mirrored = False
    assert mirrored != (elsewhere is not None), f"{module}: no test, or one too many in the list"
    if elsewhere is not None:
        text = (ROOT / "tests" / f"test_{elsewhere}.py").read_text()
        assert re.search(rf"\b{parent}\b", text), f"test_{elsewhere} does not use {module}"


# The book.


def code_cells(path: Path) -> list[dict]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def test_every_page_is_in_the_table_of_contents() -> None:
    files = {path.stem for path in (ROOT / "book").iterdir() if path.suffix in {".md", ".ipynb"}}
    assert files - {"LICENSE"} == set(PAGES)


def test_every_public_module_is_in_the_reference() -> None:
    """A page for each, which is in the index and in the table of contents."""
    index = re.findall(r"\{package-index\} (.*)", (ROOT / "book" / "api.md").read_text())
    listed = " ".join(index).split()
    toc = (ROOT / "book" / "_toc.yml").read_text()
    assert re.findall(r"- file: api/(\S+)", toc) == listed
    assert sorted(path.stem for path in (ROOT / "book" / "api").glob("*.md")) == sorted(listed)
    for name in listed:
        page = (ROOT / "book" / "api" / f"{name}.md").read_text()
        assert f".. automodule:: gannotes.{name}\n" in page
    for path in modules():
        name = name_of(path).partition(".")[2]
        if name and "." not in name and not name.startswith("_"):
            found = any(page == name or page.startswith(f"{name}.") for page in listed)
            assert found, f"{name} has no page in book/api"


@each_notebook
def test_every_cell_was_executed_in_order(path: Path) -> None:
    cells = code_cells(path)
    assert cells
    assert all(source(cell).strip() for cell in cells), "an empty cell"
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))


@each_notebook
def test_no_output_shows_an_address(path: Path) -> None:
    """The value of a cell such as `torch.manual_seed(0)` differs from run to run."""
    for cell in code_cells(path):
        for output in cell["outputs"]:
            shown = "".join(output.get("data", {}).get("text/plain", output.get("text", "")))
            assert " at 0x" not in shown, source(cell)


@each_notebook
def test_outputs_hold_no_error_and_no_warning(path: Path) -> None:
    for cell in code_cells(path):
        for output in cell["outputs"]:
            assert output["output_type"] != "error", source(cell)
            assert output.get("name") != "stderr", source(cell)
        assert not {"skip-execution", "raises-exception"} & set(cell["metadata"].get("tags", []))


@each_notebook
def test_every_figure_has_an_alternative_text(path: Path) -> None:
    for cell in code_cells(path):
        images = [
            output
            for output in cell["outputs"]
            if any(kind.startswith("image/") for kind in output.get("data", {}))
        ]
        if images:
            assert len(images) == 1, f"one cell, one figure:\n{source(cell)}"
            alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) >= 20, f"no alternative text:\n{source(cell)}"
            assert not re.search(r"\.(png|jpe?g|svg|webp)$", alt)


@pytest.mark.parametrize(
    "page", [name for name in PAGES if (ROOT / "book" / f"{name}.md").exists()]
)
def test_every_picture_of_a_page_has_an_alternative_text(page: str) -> None:
    text = (ROOT / "book" / f"{page}.md").read_text()
    assert not re.search(r"!\[\s*\]\(", text)
    for directive in re.findall(r"^```\{(?:figure|image)\}.*?^```", text, flags=re.S | re.M):
        assert re.search(r"^:alt: \S", directive, flags=re.M), directive


@each_notebook
def test_a_notebook_holds_nothing_random(path: Path) -> None:
    """What `make notebooks` leaves behind: no timings, and widget ids that count up from 0."""
    notebook = json.loads(path.read_text())
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info", "widgets"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert not any("execution" in cell["metadata"] for cell in notebook["cells"])
    for states in notebook["metadata"].get("widgets", {}).values():
        assert list(states["state"]) == [f"{n:032x}" for n in range(len(states["state"]))]


# Cells that quote the package.

QUOTE = re.compile(r"# (gannotes(?:\.\w+)+)\n")


def quotes(path: Path) -> list[tuple[str, str]]:
    found = [(QUOTE.match(source(cell)), source(cell)) for cell in code_cells(path)]
    return [(match.group(1), text) for match, text in found if match]


def original(name: str) -> ast.stmt:
    """The statement that defines `gannotes.models.gan.step`, or a class, a method, a constant."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        base = ROOT.joinpath(*parts[:length])
        path = next(
            (p for p in (base.with_suffix(".py"), base / "__init__.py") if p.exists()), None
        )
        if path:
            node: ast.Module | ast.stmt = parse(path)
            for part in parts[length:]:
                node = next(child for child in node.body if part in _defines(child))  # type: ignore
            return node  # type: ignore
    raise LookupError(name)


def _defines(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def meaning(node: ast.AST) -> str:
    """The syntax tree without docstrings."""
    for child in ast.walk(node):
        if (
            isinstance(child, ast.FunctionDef | ast.ClassDef)
            and ast.get_docstring(child) is not None
        ):
            child.body = child.body[1:] or [ast.Pass()]
    return ast.dump(node)


@each_notebook
def test_quoted_cells_are_the_package(path: Path) -> None:
    for name, text in quotes(path):
        statements = ast.parse(text).body
        assert len(statements) == 1, f"the cell that quotes {name} holds something else too"
        assert meaning(statements[0]) == meaning(original(name)), (
            f"{name} is not what the page prints"
        )
        if name.endswith(".step"):
            lines = [line for line in text.splitlines()[1:] if line.strip()]
            assert len(lines) <= 15, f"{name}: a step on a page has at most 15 lines"


def test_every_step_is_quoted_in_its_chapter() -> None:
    for path in (ROOT / "gannotes" / "models").glob("[!_]*.py"):
        if any("step" in _defines(node) for node in parse(path).body):
            name = f"{name_of(path)}.step"
            assert name in dict(quotes(ROOT / "book" / f"{path.stem}.ipynb")), (
                f"{name} is quoted nowhere"
            )


def test_a_changed_quote_is_noticed() -> None:
    printed = "def step(x):\n    '''Other words.'''\n    return f(x, 1)"
    assert meaning(ast.parse(printed)) == meaning(ast.parse("def step(x): return f(x, 1)"))
    assert meaning(ast.parse(printed)) != meaning(ast.parse("def step(x): return f(x, -1)"))
    assert meaning(original("gannotes.bounds.bernoulli")).startswith("FunctionDef(name='bernoulli'")
    assert meaning(original("gannotes.models.gan.GAN.value")).startswith("FunctionDef(name='value'")
