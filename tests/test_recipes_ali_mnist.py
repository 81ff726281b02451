"""The recipe of ALI on MNIST, cut short, and what its shipped weights score."""

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from gannotes import data, nets, results, weights
from gannotes.recipes import ali_mnist


@pytest.fixture
def few_digits(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(ali_mnist, "REFERENCES", 300)
    monkeypatch.setattr(ali_mnist, "QUERIES", 100)


def test_a_short_ali_leaves_weights_a_card_and_a_row(tmp_path, few_digits):
    ali_mnist.ali_mnist_one(tmp_path, seed=3, steps=2)
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
        assert f"`recipes.ali_{part}()`" in card


def test_neighbours_of_pixels_are_those_of_an_independent_search(few_digits):
    (x, y), (queries, labels) = data.mnist("train"), data.mnist("test")
    gaps = (queries[:100, None] - x[None, :300]).double().square().flatten(2).sum(-1)
    expected = (y[gaps.argmin(1)] == labels[:100]).double().mean().item()
    assert ali_mnist.nearest_class_accuracy(nn.Flatten()) == pytest.approx(expected)


def test_a_critic_of_blurred_pairs_sees_both_parts_blurred_and_then_neither():
    D = ali_mnist.NoisyPair(lambda x, z: torch.cat([x, z], -1), 0.5)
    v = D(torch.zeros(20_000, 2), torch.zeros(20_000, 3))
    assert v.std(0).tolist() == pytest.approx([0.5] * 5, abs=0.02)
    D.sd.fill_(0.0)
    assert (D(torch.ones(3, 2), torch.ones(3, 3)) == 1).all()


def test_the_noise_is_held_and_then_falls_in_a_straight_line():
    first, last = ali_mnist.NOISE
    held = ali_mnist.HELD
    levels = [ali_mnist.noise(t) for t in (0.0, held / 2, held, (1 + held) / 2, 1.0)]
    assert levels == pytest.approx([first, first, first, (first + last) / 2, last])


def test_a_pointing_critic_is_exactly_the_log_ratio_of_codes_near_two_centres():
    torch.manual_seed(0)
    x, z, s = torch.randn(50, 3), torch.randn(50, 2), 0.4
    m_q, m_p = nn.Linear(3, 2, bias=False), nn.Linear(3, 2, bias=False)
    direction = nn.Linear(3, 2, bias=False)
    with torch.no_grad():
        direction.weight.copy_((m_q.weight - m_p.weight) / s**2)

        def rest(h):
            return (m_p(h).square() - m_q(h).square()).sum(-1) / (2 * s**2)

        D = ali_mnist.PointingPair(nn.Identity(), lambda z: 0.0, rest, direction)
        q, p = (Independent(Normal(m(x), s), 1).log_prob(z) for m in (m_q, m_p))
        torch.testing.assert_close(D(x, z), q - p, rtol=1e-4, atol=1e-4)


def test_the_critic_of_digits_is_a_function_of_codes_that_its_direction_tilts():
    """Where all but the direction is zero, the raw output is linear in the code."""
    torch.manual_seed(0)
    D = ali_mnist.ali_critic(4)
    for p in (*D.second.parameters(), *D.head.parameters()):
        nn.init.zeros_(p)
    x, z = torch.rand(3, 1, 28, 28), torch.randn(2, 3, 4)
    with torch.no_grad():
        at = [D(x, part) for part in (*z, 2 * z[0] - 3 * z[1])]
        torch.testing.assert_close(at[2], 2 * at[0] - 3 * at[1])
    assert (at[0] != 0).all()


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
