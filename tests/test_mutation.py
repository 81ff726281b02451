"""The report of the mutation testing: its numbers add up, and every survivor has its reason."""

import re
from pathlib import Path

from mutants import MODULES

REPORT = (Path(__file__).parent / "mutation.md").read_text()
COLUMNS = ["mutants", "annotation", "invalid", "untested", "tested", "killed", "survived"]


def rows() -> dict[str, dict[str, int]]:
    found = re.findall(r"^\| ([a-z/]+) \| ([\d |]+) \| [\d.]+ % \|$", REPORT, flags=re.M)
    return {
        name: dict(zip(COLUMNS, map(int, numbers.split(" | ")), strict=True))
        for name, numbers in found
    }


def test_the_numbers_add_up() -> None:
    *modules, total = rows().values()
    assert list(rows())[-1] == "all"
    assert {*rows()} - {"all"} <= MODULES.keys()
    assert len(modules) >= 11  # the modules split off since then are in the next report
    for row in rows().values():
        kinds = ("annotation", "invalid", "untested", "tested")
        assert row["mutants"] == sum(row[kind] for kind in kinds)
        assert row["tested"] == row["killed"] + row["survived"]
    for column in COLUMNS:
        assert sum(row[column] for row in modules) == total[column]
    assert f"**{total['killed']} of {total['tested']} killed:" in REPORT


def test_every_survivor_is_listed_under_a_reason() -> None:
    listed = {}
    for section in REPORT.split("\n## ")[1:]:
        name, _, text = section.partition("\n")
        blocks = text.strip().split("\n\n")
        assert all(len(reason) > 20 for reason in blocks[::2]), f"{name}: no reason"
        assert all(line.startswith("- `") for block in blocks[1::2] for line in block.split("\n"))
        listed[name] = sum(len(block.split("\n")) for block in blocks[1::2])
    survived = {name: row["survived"] for name, row in rows().items() if name != "all"}
    assert listed == {name: number for name, number in survived.items() if number}
    assert "no reason yet" not in REPORT


def test_the_score_is_at_least_92_per_cent() -> None:
    total = rows()["all"]
    assert total["killed"] >= 0.92 * total["tested"]
