"""The rule of the ledger, against scipy and by hand, and what its sections hold."""

import math

import pytest
from scipy import stats

from gannotes import ledger, results
from gannotes.ledger import Entry, Order

UP, DOWN = math.inf, -math.inf


@pytest.mark.parametrize(
    ("published", "error", "unit", "ours", "sem", "aim", "expected"),
    [
        (10.0, 0.0, 1.0, [10.9], 0.0, UP, "reproduced"),  # two halves of the last digit's unit
        (10.0, 0.0, 1.0, [11.1], 0.0, UP, "better"),
        (10.0, 0.0, 1.0, [11.1], 0.0, DOWN, "not reproduced"),
        (10.0, 0.3, 1.0, [9.01], 0.4, UP, "reproduced"),  # sigma is 0.5
        (10.0, 0.3, 1.0, [8.99], 0.4, UP, "not reproduced"),
        (10.0, 0.3, 1.0, [8.99], 0.4, DOWN, "better"),
        (10.0, 0.0, 0.1, [12.0, 14.0], 99.0, 13.5, "better"),  # sd of the runs, not the sem: 1.41
        (10.0, 0.0, 0.1, [12.0, 13.0], 99.0, 10.5, "not reproduced"),
        (10.0, 0.0, 0.1, [12.0, 13.0], 0.0, math.nan, "not reproduced"),
        (math.nan, 0.0, 1.0, [3.0], 0.0, math.nan, "no number published"),
        (10.0, 0.0, 1.0, [], math.nan, UP, "not attempted"),
    ],
)
def test_the_verdict_on_a_number(published, error, unit, ours, sem, aim, expected):
    assert ledger.verdict(Entry("", published, error, unit, ours, sem, aim)) == expected


@pytest.mark.parametrize(
    ("published", "ours", "expected"),
    [
        ([1, 2, 3, 4], [10.0, 20.0, 30.0, 40.0], "same ordering"),  # 1 of 24
        ([1, 2, 3], [10.0, 20.0, 30.0], "no clear ordering"),  # 1 of 6
        ([1, 2, 3, 4], [10.0, 20.0, 40.0, 30.0], "no clear ordering"),  # 4 of 24
        ([1, 2, 3, 4], [4.0, 3.0, 2.0, 1.0], "other ordering"),
        ([1, 2, 2, 3, 5], [1.0, 2.0, 4.0, 4.0, 9.0], "same ordering"),
    ],
)
def test_the_verdict_on_an_order_and_its_chance(published, ours, expected):
    order = Order("", published, [[value - 0.25 for value in ours], [v + 0.25 for v in ours]])
    assert ledger.verdict(order) == expected
    assert ledger.rho(order) == pytest.approx(stats.spearmanr(published, ours).statistic)
    exact = stats.permutation_test(
        (ours,),
        lambda x: stats.spearmanr(published, x).statistic,
        permutation_type="pairings",
        alternative="greater",
        n_resamples=math.inf,
    )
    assert ledger.chance(order) == pytest.approx(exact.pvalue)


def test_a_table_shows_numbers_errors_and_verdicts():
    entries = [
        Entry("a", 10.0, 0.0, 0.1, [9.0, 11.0], 0.0, UP),
        Entry("b", 10.0, 0.25, 0.01, [], 0.0, UP),
    ]
    order = Order("c", [1, 2, 3], [[1.0, 2.0, 3.0], [1.0, 2.9, 2.5]])
    section = ledger.Section([*entries, order], [2.0, 4.0], 4, 1, "More.\n")
    text = ledger.markdown("ring", section)
    assert "| a | 10.0 | 10.0 ± 1.4 | 2 | **reproduced** |" in text
    assert "| b | 10.00 ± 0.25 | - | 0 | **not attempted** |" in text
    assert "| c | 1.00 | 0.50 to 1.00 | 0.167 | **no clear ordering** |" in text
    assert "More." in text
    assert text.endswith(
        "12.0 minutes of one core, estimated from the 2 of 4 runs that recorded it."
    )


def test_every_section_has_a_title_and_a_source_and_the_balance_counts_it():
    sections = ledger.tables()
    assert list(sections) == list(ledger.TITLES)
    assert sections.keys() <= {row["table"] for row in results.load("published_tables")}
    body = ledger.balance(sections).splitlines()[2:]
    assert len(body) == len(sections) + 1
    rows = [row for section in sections.values() for row in section.rows]
    counted = body[-1].split(" | ")[1].split(", ")
    assert sum(int(part.split()[0]) for part in counted) == len(rows)


def test_a_vae_has_the_best_kernel_density_in_the_papers_and_in_ours():
    """T03, as the page says below its table."""
    paper = {row["divergence"]: row["kde"] for row in results.load("published_fgan_mnist")}
    fgans = [value for name, value in paper.items() if name not in ("vae", "training_images")]
    assert paper["vae"] > max(fgans)
    ours = max(row["kde"] for row in results.load("fgan_mnist"))
    assert min(row["kde"] for row in results.load("vae_kde")) > ours
