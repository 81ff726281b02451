"""A notebook as text, for `git diff` and `git log -p`: its sources, and what its cells printed.

    git config diff.ipynb.textconv "python3 book/sources.py"

Said once in a clone, it makes every comparison of notebooks one of these lines; `.gitattributes`
names the files. Pictures, widgets and counters are left out.
"""

import json
import sys
from pathlib import Path


def text(path: Path) -> str:
    """The cells of a notebook, each below its kind and its tags."""
    lines = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        tags = " ".join(cell["metadata"].get("tags", []))
        lines += [f"%% {cell['cell_type']} {tags}".rstrip(), *"".join(cell["source"]).split("\n")]
        for output in cell.get("outputs", []):
            shown = output.get("text", output.get("data", {}).get("text/markdown", ""))
            lines += [f"> {line}" for line in "".join(shown).rstrip("\n").split("\n") if shown]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    print(text(Path(sys.argv[1])))
