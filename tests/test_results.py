"""Shipped tables: what is written comes back, and the papers' numbers are those of the papers."""

import math

import pytest
import torch

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
    with pytest.raises(ValueError, match="^rows: expected at least one with a column, got none"):
        results.write(path, [])
    with pytest.raises(ValueError, match=r"rows: expected the keys \['a'\], got \['b'\]"):
        results.write(path, [{"a": 1}, {"b": 2}])
    assert not path.exists()


TEXTS = [
    "1_0",
    "007",
    "infinity",
    "NaN",
    " 1",
    "1 ",
    "0x1",
    "+1",
    "",
    "1e",
    "a\nb",
    'q"',
    "a,b",
    "\u00e9",
]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_come_back_as_texts(tmp_path, text):
    results.write(tmp_path / "t.csv", [{"a": text, "b": 0.5}])
    assert results.read(tmp_path / "t.csv") == [{"a": text, "b": 0.5}]


@pytest.mark.parametrize("x", [0, -3, 10**20, 0.1, 1e-300, -2.5e17, math.inf, -math.inf])
def test_numbers_come_back_as_numbers(tmp_path, x):
    results.write(tmp_path / "t.csv", [{"a": x}])
    assert results.read(tmp_path / "t.csv") == [{"a": float(x)}]


@pytest.mark.parametrize("text", ["1", "-2.5", "1e3", ".5", "nan", "inf"])
def test_a_text_that_would_come_back_as_a_number_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match="^a: expected a text that is read as one"):
        results.write(tmp_path / "t.csv", [{"a": text}])
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("x", [torch.tensor(1.2), None, True, [1], 1j])
def test_what_is_neither_number_nor_text_is_refused(tmp_path, x):
    with pytest.raises(TypeError, match="^a: expected numbers and texts"):
        results.write(tmp_path / "t.csv", [{"b": 0, "a": x}])
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content", [b"", b"a,a\n1,2\n", b"a,b\n1\n", b"a,b\n1,2,3\n", b"\xff\xfe", b'a\n"1\n', b"\n1\n"]
)
def test_what_is_no_table_is_refused(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="^path: expected"):
        results.read(path)
    with pytest.raises(ValueError, match=r"^path: expected a table, got no\.csv"):
        results.read(tmp_path / "no.csv")


@pytest.mark.parametrize(
    "name", ["../results/fgan_mnist", "/etc/passwd", "fgan_mnist.csv", "", ".."]
)
def test_no_name_leads_out_of_the_folder(name):
    with pytest.raises(ValueError, match="^name: expected one of"):
        results.load(name)


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path):
    with pytest.raises(ValueError, match="^path: expected a file to write"):
        results.write(tmp_path / "no" / "t.csv", [{"a": 1}])
    results.write(tmp_path / "t.csv", [{"a": 1}])
    with pytest.raises(ValueError, match="^path: expected a file to write"):
        results.write(tmp_path / "t.csv", [{"a": "\ud800"}])
    assert results.read(tmp_path / "t.csv") == [{"a": 1.0}]
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_an_unknown_table_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"^name: expected one of .*'fgan_mnist'.*, got 'x'"):
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


def test_the_published_bounds_are_transcribed_exactly():
    """T04: bound, log p, and who reports them."""
    none, rows = "", results.load("published_avb_mnist")
    found = [[row[key] for key in ("model", "k", "bound", "log_p", "reported_by")] for row in rows]
    own, others = "mescheder2017", ("Rezende and Mohamed 2015", "Salimans et al. 2015")
    assert found == [
        ["AVB", 8, -83.6, -91.2, own],
        ["AVB + AC", 8, -96.3, -89.6, own],
        ["AVB + AC", 32, -79.5, -80.2, own],
        ["VAE", 8, -98.1, -90.9, own],
        ["VAE", 32, -87.2, -81.9, own],
        ["VAE + NF (T = 80)", none, -85.1, none, others[0]],
        ["VAE + HVI (T = 16)", none, -88.3, -85.5, others[1]],
        ["convVAE + HVI (T = 16)", none, -84.1, -81.9, others[1]],
        ["VAE + VGP (2hl)", none, -81.3, none, "Tran et al. 2015"],
        ["DRAW + VGP", none, -79.9, none, "Tran et al. 2015"],
        ["VAE + IAF", none, -80.8, -79.1, "Kingma et al. 2016"],
        ["Auxiliary VAE (L = 2)", none, -83.0, none, "Maaloe et al. 2016"],
    ]
    errors = [(row["bound_sem"], row["log_p_sem"]) for row in rows[:5]]
    assert errors == [(0.4, 0.6), (0.4, 0.6), (0.3, 0.4), (0.5, 0.6), (0.3, 0.4)]


def test_no_run_of_the_table_is_left_out():
    runs = {(row["divergence"], row["seed"]) for row in results.load("fgan_mnist")}
    assert runs == {(name, seed) for name in F_DIVERGENCES for seed in (0, 1, 2)}
