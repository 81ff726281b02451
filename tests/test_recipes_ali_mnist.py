"""The recipe of ALI on MNIST, cut short, and what its shipped weights score."""

import pytest
import torch
from torch import nn

from gannotes import data, nets, results, weights
from gannotes.recipes import RECIPES, ali_mnist, protocols


@pytest.fixture
def few_digits(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(protocols, "REFERENCES", 300)
    monkeypatch.setattr(protocols, "QUERIES", 100)
    monkeypatch.setattr(protocols, "JUDGED", 100)


def test_a_short_ali_leaves_weights_a_card_and_a_row(tmp_path, few_digits):
    RECIPES["ali_mnist"](tmp_path, seed=3, steps=2)
    E, G = ali_mnist.ali_encoder(), ali_mnist.ali_decoder()
    for part, net in (("encoder", E), ("decoder", G)):
        weights.fill(net, tmp_path / f"ali_mnist_{part}_3.safetensors")
    (row,) = results.read(tmp_path / "ali_mnist_3.csv")
    assert row["seed"] == 3
    for key, value in ali_mnist.ali_scores(E, G).items():
        assert row[key] == pytest.approx(value, rel=1e-4)
    assert sum(row[f"share_{digit}"] for digit in range(10)) == pytest.approx(1, abs=1e-4)
    for part in ("encoder", "decoder"):
        card = (tmp_path / f"ali_mnist_{part}_3.md").read_text()
        assert f"`recipes.ali_mnist.ali_{part}()`" in card


def test_neighbours_of_pixels_are_those_of_an_independent_search(few_digits):
    (x, y), (queries, labels) = data.mnist("train"), data.mnist("test")
    gaps = (queries[:100, None] - x[None, :300]).double().square().flatten(2).sum(-1)
    expected = (y[gaps.argmin(1)] == labels[:100]).double().mean().item()
    assert protocols.nearest_class_accuracy(nn.Flatten()) == pytest.approx(expected)


def test_a_critic_of_blurred_pairs_sees_both_parts_blurred_and_then_neither():
    D = ali_mnist.NoisyPair(lambda x, z: torch.cat([x, z], -1), 0.5)
    v = D(torch.zeros(20_000, 2), torch.zeros(20_000, 3))
    assert v.std(0).tolist() == pytest.approx([0.5] * 5, abs=0.02)
    D.sd.fill_(0.0)
    assert (D(torch.ones(3, 2), torch.ones(3, 3)) == 1).all()


def test_the_shipped_encoder_and_decoder_score_what_their_row_says():
    E, G = ali_mnist.ali_encoder(), ali_mnist.ali_decoder()
    for part, net in (("encoder", E), ("decoder", G)):
        weights.load(net, f"ali_mnist_{part}_0")
    judge = weights.load(nets.image_classifier(), "mnist_classifier")
    x, y = data.mnist("test")
    with torch.no_grad():
        back = torch.cat([G(E(part)) for part in x.split(500)])
        kept = (judge(back).argmax(1) == y).double()
        error = (back - x).square().flatten(1).sum(1).mean().item()
    row = next(row for row in results.load("ali_mnist") if row["seed"] == 0)
    assert kept.mean().item() == pytest.approx(row["class_kept"], abs=2e-3)
    assert error == pytest.approx(row["pixel_error"], abs=0.05)
    assert row["class_kept"] > 0.8
    assert row["confidence"] > 0.8
    assert min(row[f"share_{digit}"] for digit in range(10)) > 0.02
    untrained = [
        r for r in results.load("ali_mnist_baselines") if "untrained" in r["representation"]
    ]
    codes = [r["nn"] for r in untrained if r["representation"] == "untrained code"]
    features = [r["nn"] for r in untrained if r["representation"] == "untrained features"]
    assert row["nn_code"] > max(codes) + 0.2
    assert row["nn_features"] > max(features)
