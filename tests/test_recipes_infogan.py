"""Redrawn digits and the classes that survive it; the recipe of InfoGAN, cut short; its scores."""

import math

import pytest
import torch
from torch import nn

from gannotes import data, results, weights
from gannotes.distributions import one_hot
from gannotes.recipes import RECIPES, SWEEPS, infogan, redraw


def test_a_redrawing_moves_and_keeps_ink_and_is_the_picture_itself_without_noise(monkeypatch):
    x = data.mnist("validation")[0][:50]
    again = redraw.distort(x)
    assert again.shape == x.shape
    assert again.min() > -1e-5
    assert again.max() < 1 + 1e-5
    assert ((again - x).abs().mean((1, 2, 3)) > 0.01).all()
    monkeypatch.setattr(redraw, "_noise", lambda like, *shape: torch.zeros(shape))
    assert torch.allclose(redraw.distort(x, bend=0.0), x, atol=1e-5)


def test_what_a_redrawing_keeps_is_the_information_of_the_table_of_answers():
    """Against the sum over the table, and log K and 0 in the two clear cases."""
    p, q = torch.rand(2, 3, 40, 4, dtype=torch.float64).softmax(-1)
    found = redraw.kept(p, q)
    for s in range(3):
        table = sum(torch.outer(a, b) for a, b in zip(p[s], q[s], strict=True)) / 40
        table = (table + table.T) / 2
        want = sum(
            table[i, j] * math.log(table[i, j] / (table[i].sum() * table[:, j].sum()))
            for i in range(4)
            for j in range(4)
        )
        assert found[s].item() == pytest.approx(float(want), abs=1e-9)
    sure = one_hot(8).sample((4000,)).double()
    assert redraw.kept(sure, sure).item() == pytest.approx(math.log(8), abs=0.01)
    assert redraw.kept(sure, sure[torch.randperm(4000)]).item() == pytest.approx(0, abs=0.02)
    flat = torch.full((100, 8), 0.125)
    assert redraw.kept(flat, flat).item() == pytest.approx(0, abs=1e-6)


def test_a_start_chooses_the_head_of_most_information_and_classes_emerge():
    torch.manual_seed(0)
    x, y = data.mnist("train")
    x, y = x[:20_000][y[:20_000] < 3], y[:20_000][y[:20_000] < 3]
    model, fine = infogan.digit_infogan(), nn.Linear(infogan.FEATURES, 20)
    scores = redraw.start_classes(model, fine, x, steps=(40, 30), progress=False)
    assert len(scores) == redraw.HEADS
    assert max(scores) > min(scores)
    reader = infogan.Reader(model.trunk, model.Q)
    with torch.no_grad():
        found = reader(x[:2000]).parts[0].probs.argmax(-1)
    count = torch.zeros(10, 3).index_put_((found, y[:2000]), torch.ones(2000), accumulate=True)
    chance = (y[:2000].bincount().max() / 2000).item()
    assert count.amax(1).sum().item() / 2000 > chance + 0.3


def test_slant_width_and_ink_of_bars():
    v, u = torch.meshgrid(torch.arange(28.0).flip(0), torch.arange(28.0), indexing="ij")
    upright = ((u - 13.5).abs() < 2) & ((v - 13.5).abs() < 9)
    slanted = ((u - 13.5 - 0.4 * (v - 13.5)).abs() < 2) & ((v - 13.5).abs() < 9)
    broad = ((u - 13.5).abs() < 4) & ((v - 13.5).abs() < 9)
    shape = infogan.shape_of(torch.stack([upright, slanted, broad])[:, None].float())
    assert shape.slant.tolist() == pytest.approx([0, 0.4, 0], abs=0.02)
    assert shape.width[0].item() == pytest.approx(math.sqrt((16 - 1) / 12), rel=1e-3)
    assert shape.width[2].item() == pytest.approx(math.sqrt((64 - 1) / 12), rel=1e-3)
    assert shape.width[1].item() == pytest.approx(shape.width[0].item(), rel=0.05)
    assert shape.ink.tolist() == pytest.approx([4 * 18, slanted.sum().item(), 8 * 18])


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(infogan, "DRAWN", 1_000)
    monkeypatch.setattr(redraw, "START", (2, 2))


def test_a_short_infogan_leaves_weights_cards_and_a_row(tmp_path, few_steps):
    for variant in ("redrawn", "plain"):
        name = f"infogan_mnist_{variant}"
        RECIPES[name](tmp_path, seed=3, steps=5)
        G, reader = infogan.infogan_generator(), infogan.infogan_reader()
        weights.fill(G, tmp_path / f"{name}_3.safetensors")
        read = tmp_path / f"{name}_3_reader.safetensors"
        assert read.exists() == (variant == "redrawn")
        (row,) = results.read(tmp_path / f"{name}_3.csv")
        assert row["variant"] == variant
        assert 0.3 < row["error"] < 0.9
        assert "`recipes.infogan.infogan_generator()`" in (tmp_path / f"{name}_3.md").read_text()
        if read.exists():
            weights.fill(reader, read)
            for key, value in infogan.infogan_scores(G, reader).items():
                assert row[key] == pytest.approx(value, rel=1e-4, abs=1e-5)


def test_the_shipped_infogan_scores_what_its_row_says():
    G = weights.load(infogan.infogan_generator(), "infogan_mnist_redrawn_0")
    reader = weights.load(infogan.infogan_reader(), "infogan_mnist_redrawn_0_reader")
    rows = results.load("infogan_mnist")
    row = next(r for r in rows if r["variant"] == "redrawn" and r["seed"] == 0)
    for key, value in infogan.infogan_scores(G, reader).items():
        assert row[key] == pytest.approx(value, abs=2e-3)
    assert row["error"] < 0.05
    assert row["information_1"] > 2.2
    assert row["digits"] == 10
    assert row["drawn_as_read"] > 0.9


def test_the_table_has_all_seeds_and_the_plain_gan_ignores_its_code():
    """F03: panels (a) to (d); the code of a plain GAN means nothing."""
    rows = results.load("infogan_mnist")
    found = [(f"infogan_mnist_{r['variant']}", int(r["seed"])) for r in rows]
    assert sorted(found) == sorted(SWEEPS["infogan_mnist"].runs())
    errors = {v: [r["error"] for r in rows if r["variant"] == v] for v in ("redrawn", "plain")}
    assert sum(error <= 0.05 for error in errors["redrawn"]) >= 3
    assert min(errors["plain"]) > 0.5
    for row in rows:
        if row["variant"] == "plain":
            assert row["information_1"] < 0.1
            assert row["drawn_as_read"] < 0.3
