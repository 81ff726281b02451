"""Four points: the scores against laws whose numbers are known, a short run, the shipped table."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence

from gannotes import results, weights
from gannotes.distributions import standard_normal
from gannotes.models.avb import AVB
from gannotes.models.vae import VAE
from gannotes.recipes import RECIPES, SWEEPS, four_points


class Blind(nn.Module):
    """Fair coins whatever z is, with a parameter that says how many replicas there are."""

    def __init__(self, replicas: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(replicas, 1, 4))

    def forward(self, z: torch.Tensor) -> Independent:
        logits = self.logits.expand(*z.shape[:-1], 4)
        return Independent(torch.distributions.Bernoulli(logits=logits), 1)


class Shifted(nn.Module):
    """A Gaussian for every point, of means (x_1, x_2) and one standard deviation per replica."""

    def __init__(self, *sds: float) -> None:
        super().__init__()
        self.sd = torch.tensor(sds)

    def forward(self, x: torch.Tensor) -> Independent:
        mean = x[..., :2]
        return Independent(Normal(mean, self.sd.view(-1, 1, 1).expand_as(mean)), 1)


def test_the_scores_of_known_laws_are_their_closed_forms():
    torch.manual_seed(0)
    model = VAE(Shifted(0.5, 1.0), Blind(2), standard_normal(2))
    scores = four_points.four_points_scores(model)
    coins = torch.full((2,), -4 * math.log(2), dtype=torch.float64)
    torch.testing.assert_close(scores["log_p"], coins, atol=1e-5, rtol=0)
    torch.testing.assert_close(scores["reconstruction"], -coins, atol=1e-5, rtol=0)
    q = model.encoder(four_points.four_points_data(2))
    exact = kl_divergence(q, model.p_0).double().mean(-1)
    torch.testing.assert_close(scores["learnt_kl"], exact, atol=1e-5, rtol=0)
    torch.testing.assert_close(scores["kl"], exact, atol=0.02, rtol=0)
    torch.testing.assert_close(scores["elbo"], coins - exact, atol=0.02, rtol=0)
    # the aggregate is a mixture: by quadrature over the plane
    side = torch.linspace(-7, 7, 351)
    plane = torch.cartesian_prod(side, side)
    log_q = q.log_prob(plane[:, None, None]).logsumexp(-1) - math.log(4)
    terms = log_q.exp() * (log_q - model.p_0.log_prob(plane)[:, None])
    aggregate = terms.double().sum(0) * 0.04**2
    torch.testing.assert_close(scores["kl_aggregate"], aggregate, atol=0.02, rtol=0)


def test_the_best_model_of_the_four_points_is_recognised():
    """Quadrants: log p = log 1/4, posteriors that are cut out of the base, an aggregate of 0."""

    class Quadrant(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.distributions.Distribution:
            sign = x @ torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
            law = Independent(Normal(torch.zeros_like(sign), 1.0), 1)
            law.rsample = lambda shape: sign * torch.randn(*shape, *sign.shape).abs()
            return law

    class Sharp(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.full((1,), 40.0))

        def forward(self, z: torch.Tensor) -> Independent:
            a, b = (z > 0).float().unbind(-1)
            x = torch.stack([a * b, a * (1 - b), (1 - a) * b, (1 - a) * (1 - b)], -1)
            law = torch.distributions.Bernoulli(logits=self.scale * (x - 0.5))
            return Independent(law, 1)

    class Known(nn.Module):
        def forward(self, z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            return torch.full(z.shape[:-1], math.log(4))

    torch.manual_seed(0)
    model = AVB(Quadrant(), Sharp(), Known(), standard_normal(2))
    scores = {key: part.item() for key, part in four_points.four_points_scores(model).items()}
    assert scores == {
        "log_p": pytest.approx(-math.log(4), abs=0.02),  # the grid meets the borders
        "reconstruction": pytest.approx(0, abs=1e-4),
        "kl": pytest.approx(math.log(4), abs=0.005),
        "learnt_kl": pytest.approx(math.log(4), abs=1e-5),
        "elbo": pytest.approx(-math.log(4), abs=0.005),
        "kl_aggregate": pytest.approx(0, abs=0.005),
    }


def test_a_short_run_leaves_a_row_for_each_replica_weights_and_cards(tmp_path, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(four_points, "SAMPLES", 2_048)
    sweep = SWEEPS["four_points"]
    for name, seed in sweep.runs():
        RECIPES[name](tmp_path, seed, replicas=2, steps=2)
    sweep.gather([tmp_path] * 2, tmp_path)
    rows = results.read(tmp_path / "four_points.csv")
    assert [(row["model"], row["replica"]) for row in rows] == [
        ("vae", 0),
        ("vae", 1),
        ("avb", 0),
        ("avb", 1),
    ]
    for name, make in (("vae", four_points.four_points_vae), ("avb", four_points.four_points_avb)):
        path = tmp_path / f"four_points_{name}.safetensors"
        model = weights.fill(make(), path)
        assert model.elbo(four_points.four_points_data()).shape == (1, 4)
        assert f"recipes.four_points.four_points_{name}()" in path.with_suffix(".md").read_text()
    assert all(-4 < row["log_p"] < -2.5 for row in rows)  # four coins, about fair


def shipped(name: str) -> list[dict]:
    return [row for row in results.load("four_points") if row["model"] == name]


def test_the_shipped_table_keeps_the_bound_and_the_promise():
    best = -math.log(4)
    for name in ("vae", "avb"):
        assert len(shipped(name)) >= 8
        for row in shipped(name):
            assert row["log_p"] <= best + 1e-4
            assert row["elbo"] <= row["log_p"] + 0.02  # the histogram is a little coarse
    ours = sorted(row["log_p"] for row in shipped("avb"))
    assert ours[len(ours) // 2] > best - 0.05
    for row, other in zip(shipped("avb"), shipped("vae"), strict=True):
        assert row["log_p"] > other["log_p"]
    assert ours[0] > max(row["log_p"] for row in shipped("vae"))


@pytest.mark.parametrize("name", ["vae", "avb"])
def test_the_shipped_weights_are_those_of_the_first_row(name):
    make = {"vae": four_points.four_points_vae, "avb": four_points.four_points_avb}[name]
    model = weights.load(make(), f"four_points_{name}")
    x = four_points.four_points_data()
    torch.manual_seed(0)
    with torch.no_grad():
        log_likelihood, _ = model.terms(x.repeat(1, 5_000, 1))
    expected = shipped(name)[0]["reconstruction"]
    assert -log_likelihood.mean().item() == pytest.approx(expected, abs=0.02)
