"""One dialect over the whole package, read from its source: errors, sections, quotes, imports."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "gannotes").rglob("*.py"))
NOTHING = r"^\s*Slide: beyond the deck( \((speed|long runs|stability)\))?\.?$"
MATHEMATICS = {"divergences", "bounds", "samples"}  # they say where they leave the deck


def name_of(path: Path) -> str:
    return path.relative_to(ROOT / "gannotes").as_posix()


def strings(tree: ast.Module) -> list[str]:
    """The docstrings of a module, its classes and its functions."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef
    found = [ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds)]
    return [text for text in found if text]


def text_of(node: ast.expr) -> str:
    """The words of a string, with `{}` for each value in it."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) for part in node.values)
    return "{}"


def errors(tree: ast.Module) -> list[str]:
    """What every `raise TypeError(...)` and `raise ValueError(...)` says."""
    return [
        f"{node.lineno}: {text_of(call.args[0])}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
        and isinstance(call := node.exc, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in {"TypeError", "ValueError"}
        and call.args
        and isinstance(call.args[0], ast.Constant | ast.JoinedStr)
    ]


def entries(doc: str, section: str) -> list[str]:
    """The entries of a section: what is indented by four, with what follows the colon."""
    match = re.search(rf"^{section}:\n((?: {{4}}.*\n?|\n)*)", doc, flags=re.M)
    return re.findall(r"^ {4}(\S[^\n]*)", match.group(1), flags=re.M) if match else []


def faults(path: Path) -> list[str]:
    """What a file does otherwise than the rest of the package."""
    source = path.read_text(encoding="utf-8")
    tree, found = ast.parse(source), []
    for said in errors(tree):
        if not re.match(r"\d+: [^:]+: expected .*\bgot\b", said, flags=re.S) and not re.match(
            r"\d+: [^:]+: expected", said
        ):
            found.append(f"an error that is not `name: expected ..., got ...`: {said}")
    for doc in strings(tree):
        for section in ("Args", "Raises"):
            for entry in entries(doc, section):
                if re.match(r"[\w*, ]+: [A-Z][a-z]+ (?!and )", entry) and not re.match(
                    r"[\w*, ]+: (FDivergence|Gaussian|Minka|Slurm|Python|JSON)\b", entry
                ):
                    found.append(f"a capital letter in a section: {entry}")
        if re.search(r"``|:func:|:class:", doc):
            found.append(f"quotes other than single backquotes: {doc.splitlines()[0]}")
        if re.search(r"(?<![`\\\w])\$[^$\n`]+\$", doc):
            found.append(f"dollars where :math: belongs: {doc.splitlines()[0]}")
        says_nothing = re.search(NOTHING, doc, flags=re.M)
        if says_nothing and path.parent.name != "models" and path.stem not in MATHEMATICS:
            found.append(f"a slide that says nothing: {doc.splitlines()[0]}")
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom() if node.level:
                found.append(f"a relative import, line {node.lineno}")
            case ast.Call(func=ast.Attribute(attr="dim"), args=[]):
                found.append(f".dim() where .ndim belongs, line {node.lineno}")
            case ast.Assign(targets=[ast.Name(id="__all__")]) if path.name != "__init__.py":
                found.append("__all__ outside of a package's face")
    if re.search(r"isinstance\(\w+, bool\) or not isinstance", source) and path.name != "checks.py":
        found.append("a check of its own that checks.count makes")
    return found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_speaks_the_dialect(path: Path) -> None:
    found = faults(path)
    assert not found, "\n".join(found)


def test_the_dialect_is_read(tmp_path: Path) -> None:
    """Each rule sees its fault."""
    path = tmp_path / "x.py"
    path.write_text(
        '"""One ``two`` $x$.\n\nSlide: beyond the deck.\n"""\n'
        "from . import y\n__all__ = []\n"
        'def f(x):\n    """Do.\n\n    Args:\n        x: The thing.\n    """\n'
        "    if x.dim() or isinstance(x, bool) or not isinstance(x, int):\n"
        '        raise ValueError(f"x must be {x}")\n'
    )
    assert len(faults(path)) == 9, faults(path)
