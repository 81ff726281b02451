"""Every weight and every table that ships, by its SHA-256: what is loaded is what was tested.

The list is `MANIFEST`, in the form that `sha256sum --check` reads. A file that was exchanged for
its sibling, or lost a byte on the way, is refused when it is loaded. `python -m gannotes ship`
writes the list anew, and so does `python -m gannotes.manifest`.
"""

import functools
import hashlib
from pathlib import Path

PACKAGE = Path(__file__).parent
LIST = PACKAGE / "MANIFEST"
KINDS = ("weights/*.safetensors", "weights/*.npz", "results/*.csv")


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal.

    Args:
        path: the file.

    Example:
        >>> digest(PACKAGE / "py.typed")[:8]
        'e3b0c442'
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()


def shipped() -> list[Path]:
    """All files that the list must name, in its order."""
    return sorted(path for kind in KINDS for path in PACKAGE.glob(kind))


@functools.cache
def listed() -> dict[str, str]:
    """The list: name within the package -> SHA-256."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return {name: code for code, name in (line.split("  ", 1) for line in lines)}


def verify(path: Path) -> Path:
    """Refuse a file of the package that is not the one that was shipped.

    Args:
        path: a file of weights or a table; one outside the package is not looked at.

    Returns:
        The path.

    Raises:
        ValueError: if the list does not name the file, or names another content.

    Example:
        >>> verify(PACKAGE / "results" / "scapes.csv").name
        'scapes.csv'
    """
    if not path.is_relative_to(PACKAGE):
        return path
    name = path.relative_to(PACKAGE).as_posix()
    wanted, came = listed().get(name), digest(path)
    if wanted != came:
        raise ValueError(f"{name}: expected the SHA-256 {wanted}, got {came}: not what was shipped")
    return path


def write() -> None:
    """Write the list for the files as they are now."""
    lines = [f"{digest(path)}  {path.relative_to(PACKAGE).as_posix()}\n" for path in shipped()]
    LIST.write_text("".join(lines), encoding="utf-8")
    listed.cache_clear()


if __name__ == "__main__":
    write()
