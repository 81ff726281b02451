"""Where the project lives: one line of pyproject.toml, and all that follows from it.

`[tool.gannotes] repository` is empty until somebody fills it. Everything here then says nothing:
the package has no links, the pages have no buttons. hatchling reads this file for the package's
metadata, the book's extensions and the tests read it too.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

ROOT = Path(__file__).resolve().parent.parent
BRANCH = "main"
PAGES = "gh-pages"  # the branch that the deployed book lies on, its downloadable chapters included


@dataclass(frozen=True)
class Home:
    """A repository on GitHub."""

    owner: str
    name: str

    @property
    def repository(self) -> str:
        return f"https://github.com/{self.owner}/{self.name}"

    @property
    def pages(self) -> str:
        """Where GitHub serves the branch of the book."""
        return f"https://{self.owner.lower()}.github.io/{self.name}/"

    @property
    def urls(self) -> dict[str, str]:
        """What a package index shows beside the package."""
        return {
            "Book": self.pages,
            "Source": self.repository,
            "Changelog": f"{self.repository}/blob/{BRANCH}/CHANGELOG.md",
            "Issues": f"{self.repository}/issues",
        }

    def requirement(self, version: str) -> str:
        """What `pip install` takes for the released package."""
        return f"gannotes @ git+{self.repository}@v{version}"

    def colab(self, page: str) -> str:
        """A chapter's downloadable copy, which installs the package, opened on Colab."""
        host = "https://colab.research.google.com/github"
        return f"{host}/{self.owner}/{self.name}/blob/{PAGES}/_sources/{page}.ipynb"


def read(text: str) -> Home | None:
    """The home that a pyproject.toml names, or None.

    Raises:
        ValueError: if it names something else than a repository on GitHub.
    """
    repository = tomllib.loads(text).get("tool", {}).get("gannotes", {}).get("repository", "")
    if not repository:
        return None
    match = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git|/)?", repository)
    if match is None:
        raise ValueError(
            f"repository: expected https://github.com/OWNER/NAME or nothing, got {repository}"
        )
    return Home(*match.groups())


def home() -> Home | None:
    """The project's own."""
    return read((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def readme(text: str, where: Home | None) -> str:
    """README for readers elsewhere: its picture and its links, which are relative, from home."""
    if where is None:
        return text
    raw = f"https://raw.githubusercontent.com/{where.owner}/{where.name}/{BRANCH}/"
    text = re.sub(r"(!\[[^\]]*\]\()(?![a-z]+:|#)", rf"\g<1>{raw}", text)
    return re.sub(
        r"((?<!!)\[[^\]]*\]\()(?![a-z]+:|#)", rf"\g<1>{where.repository}/blob/{BRANCH}/", text
    )


class Hook(MetadataHookInterface):
    """hatchling's way to ask."""

    def update(self, metadata: dict[str, Any]) -> None:
        where = home()
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": readme(text, where)}
        metadata["urls"] = where.urls if where else {}
