"""ES modules joined to one text, as anywidget, a page and a worker want it; no build step, no npm.

`import { a, b as c } from "./x.js";` is followed, each file comes once and in a scope of its own,
and `new URL("./file", import.meta.url)` becomes the file in base64: of a module (for a worker) its
own bundle, deflated. `embed.js` reads both, in a bundle and, for the tests, out of one. Comments
and indentation stay behind, a quarter of the text: they are for those who read the file.
"""

import base64
import json
import re
import zlib
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"]+)";\n', re.M)
EXPORT = re.compile(r"^export ((?:async )?function\*?|class|const) (\w+)", re.M)
DEFAULT = re.compile(r"^export default ", re.M)
COMMENT = re.compile(r"(?:^|\s)//(?= |$)")
FILE = re.compile(r'new URL\("(\.[^"]+)", import\.meta\.url\)')


def bundle(entry: str | Path) -> str:
    """The module `entry` and all that it imports, as one text with the same default export.

    Args:
        entry: a path, a relative one from this folder.

    Raises:
        ValueError: for imports in a circle, or an import or export in another form.

    Example:
        >>> print(bundle("paths.js").splitlines()[0])
        const $0_numbers = (() => {
    """
    path = (HERE / entry).resolve()
    names, text = _join([path])
    if DEFAULT.search(_source(path)):
        return f"{text}export default {names[path]}.default;\n"
    return text


def library(entries: Iterable[str]) -> str:
    """Several modules as one, whose default export is `{entry: default export}`.

    Args:
        entries: their paths from this folder.

    Example:
        >>> print(library(["latent_map.js"]).splitlines()[-1])
        export default { "latent_map.js": $..._latent_map.default };
    """
    paths = {entry: (HERE / entry).resolve() for entry in entries}
    names, text = _join(paths.values())
    pairs = ", ".join(f'"{entry}": {names[path]}.default' for entry, path in paths.items())
    return f"{text}export default {{ {pairs} }};\n"


def _join(paths: Iterable[Path]) -> tuple[dict[Path, str], str]:
    """The modules' names, in their order, and their text."""
    names: dict[Path, str] = {}
    for path in paths:
        _number(path, names, ())
    return names, "".join(_module(path, names) for path in names)


def _source(path: Path) -> str:
    """The text of a module without comments and indentation; a template of several lines stays."""
    lines: list[str] = []
    template = False
    for line in path.read_text(encoding="utf-8").splitlines():
        kept = line if template else _code(line).strip()
        if kept or template:
            lines.append(kept)
        template ^= kept.replace(r"\`", "").count("`") % 2 == 1
    return "".join(f"{line}\n" for line in lines)


def _code(line: str) -> str:
    """A line without its comment, which is no part of a string that is still open."""
    for found in COMMENT.finditer(line):
        before = line[: found.start()]
        if not any(before.count(quote) % 2 for quote in "\"'`"):
            return before
    return line


def _number(path: Path, names: dict[Path, str], above: tuple[Path, ...]) -> None:
    """Name the module at `path`, after what it imports."""
    if path in above:
        raise ValueError(f"{path.name}: expected no circle of imports, got one")
    if path in names:
        return
    for _, other in IMPORT.findall(_source(path)):
        _number((path.parent / other).resolve(), names, (*above, path))
    names[path] = f"${len(names)}_{path.stem}"


def _module(path: Path, names: dict[Path, str]) -> str:
    """The module as a function that is called once and returns what it exports."""

    def imported(match: re.Match[str]) -> str:
        other = (path.parent / match[2]).resolve()
        known = {name for _, name in EXPORT.findall(_source(other))}
        wanted = {pair.split(" as ")[0].strip() for pair in match[1].split(",")} - {""}
        if not wanted <= known:
            raise ValueError(f"{path.name}: expected exports of {other.name}, got {wanted - known}")
        return f"const {{{match[1].replace(' as ', ': ')}}} = {names[other]};\n"

    source = _source(path)
    exported = [name for _, name in EXPORT.findall(source)]
    exported += ["default: $default"] if DEFAULT.search(source) else []
    body = DEFAULT.sub("const $default = ", EXPORT.sub(r"\1 \2", IMPORT.sub(imported, source)))
    body = FILE.sub(lambda match: _content((path.parent / match[1]).resolve()), body)
    if odd := re.search(r"^(import|export)\b.*", body, re.M):
        raise ValueError(f"{path.name}: expected a form that bundle.py knows, got {odd[0]}")
    returned = f"return {{ {', '.join(exported)} }};"
    return f"const {names[path]} = (() => {{\n{body}{returned}\n}})();\n"


def _content(path: Path) -> str:
    """A file as a string literal that may stand in any script: base64, of a module deflated."""
    module = path.suffix == ".js"
    data = zlib.compress(bundle(path).encode(), 9) if module else path.read_bytes()
    return json.dumps(base64.b64encode(data).decode())
