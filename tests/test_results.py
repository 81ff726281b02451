"""Shipped tables: what is written comes back, and the papers' numbers are those of the papers."""

import math

import pytest

from gannotes import results
from gannotes.divergences import F_DIVERGENCES


def test_what_is_written_comes_back_to_six_digits(tmp_path):
    rows = [{"name": "a,b", "x": math.pi, "n": 3}, {"name": "c", "x": float("nan"), "n": -1}]
    results.write(tmp_path / "t.csv", rows)
    first, second = results.read(tmp_path / "t.csv")
    assert first == {"name": "a,b", "x": 3.14159, "n": 3.0}
    assert second["name"] == "c"
    assert math.isnan(second["x"])


def test_tables_without_rows_or_with_other_keys_are_refused_and_nothing_is_written(tmp_path):
    path = tmp_path / "t.csv"
    with pytest.raises(ValueError, match="rows: expected at least one, got none"):
        results.write(path, [])
    with pytest.raises(ValueError, match=r"rows: expected the keys \['a'\], got \['b'\]"):
        results.write(path, [{"a": 1}, {"b": 2}])
    assert not path.exists()


def test_an_unknown_table_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"name: expected one of \[.*'fgan_mnist'.*, got 'x'"):
        results.load("x")


def test_the_published_column_is_transcribed_exactly():
    """T03."""
    table = {
        row["divergence"]: (row["kde"], row["sem"]) for row in results.load("published_fgan_mnist")
    }
    assert table == {
        "kl": (416, 5.62),
        "reverse_kl": (319, 8.36),
        "pearson": (429, 5.53),
        "neyman": (300, 8.33),
        "squared_hellinger": (-708, 18.1),
        "jeffrey": (-2101, 29.9),
        "jensen_shannon": (367, 8.19),
        "gan": (305, 8.97),
        "vae": (445, 5.36),
        "training_images": (502, 5.99),
    }


def test_no_run_of_the_table_is_left_out():
    runs = {(row["divergence"], row["seed"]) for row in results.load("fgan_mnist")}
    assert runs == {(name, seed) for name in F_DIVERGENCES for seed in (0, 1, 2)}
