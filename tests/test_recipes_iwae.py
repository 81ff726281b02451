"""IWAE on MNIST: a short run scores as an independent sum says; the shipped table is in order."""

import math

import pytest
import torch
from scipy.special import logsumexp

from gannotes import results
from gannotes.recipes import RECIPES, iwae
from gannotes.recipes.protocols import binary_digits


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(iwae, "IMAGES", 6)
    monkeypatch.setattr(iwae, "JUDGES", 300)


def test_a_short_run_scores_by_the_sum_that_the_paper_prints(few, tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(iwae, "_scores", lambda vae, s=iwae._scores: kept.append(vae) or s(vae))
    RECIPES["iwae_mnist_5"](tmp_path, steps=30)
    (row,) = results.read(tmp_path / "iwae_mnist_5_0.csv")
    vae, x = kept[0].double(), binary_digits()[:6].double()
    torch.manual_seed(1)  # other draws than those of the run
    with torch.no_grad():
        z = torch.randn(3_000, 6, 50, dtype=torch.float64)
        mean, log_sd = vae.encoder.net(x).chunk(2, -1)
        points = mean + log_sd.exp() * z
        raw = vae.decoder.net(points)
        bits = -torch.nn.functional.softplus(torch.where(x > 0.5, -raw, raw)).flatten(2).sum(-1)
        log_w = bits - points.square().sum(-1) / 2 + (z.square() / 2 + log_sd).sum(-1)
    log_p = logsumexp(log_w, axis=0) - math.log(3_000)
    assert row["nll"] == pytest.approx(-log_p.mean(), abs=1.5)
    assert (row["k"], row["steps"], row["images"]) == (5, 30, 6)
    assert -row["elbo"] > row["nll"]


def test_a_run_learns(few, tmp_path):
    RECIPES["iwae_mnist_1"](tmp_path, steps=60)
    one = results.read(tmp_path / "iwae_mnist_1_0.csv")[0]
    RECIPES["iwae_mnist_1"](tmp_path / "fresh", steps=1)
    fresh = results.read(tmp_path / "fresh" / "iwae_mnist_1_0.csv")[0]
    assert one["nll"] < fresh["nll"] - 100


def test_the_shipped_table_is_ordered_as_in_the_paper():
    """The more samples in training, the better the likelihood, and never worse than the ELBO."""
    rows = results.load("iwae_mnist")
    assert [row["k"] for row in rows] == [1, 5, 50]
    nll = [row["nll"] for row in rows]
    assert nll[0] > nll[1] > nll[2]
    assert all(row["nll"] < -row["elbo"] for row in rows)
    assert nll[0] - nll[1] > nll[1] - nll[2]
    assert nll[0] < 105
