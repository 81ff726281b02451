"""The Parzen number of the shipped GAN, against kernels summed by scipy."""

import math

import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from gannotes import data, results
from gannotes.distributions import standard_normal
from gannotes.recipes import RECIPES


def test_the_parzen_number_is_the_log_mean_of_the_kernels(tmp_path):
    RECIPES["gan_parzen"](tmp_path, samples=40)
    rows = results.read(tmp_path / "gan_parzen.csv")
    assert [(row["kernels"], row["seed"]) for row in rows] == [
        (name, s) for s in (0, 1, 2) for name in ("GAN", "training images")
    ]
    row, h = rows[1], rows[1]["bandwidth"]
    torch.manual_seed(0)
    standard_normal(32).sample((40,))
    train, test = data.mnist("train")[0].flatten(1), data.mnist("test")[0].flatten(1)
    kernels = train[torch.randperm(len(train))[:40]]
    distance = cdist(test.double(), kernels.double(), "sqeuclidean")
    log_p = logsumexp(-distance / (2 * h * h), axis=1) - math.log(40)
    log_p -= 392 * math.log(2 * math.pi * h * h)
    assert row["kde"] == pytest.approx(log_p.mean(), abs=0.05)
    assert row["sem"] == pytest.approx(log_p.std() / 100, rel=1e-2)


def test_the_shipped_table_has_inner_bandwidths_and_ranks_the_data_first():
    """Samples of the GAN stay below as many training images in every draw."""
    rows = results.load("gan_parzen")
    assert all(0.1 < row["bandwidth"] < 1 for row in rows)
    kde = {(row["kernels"], row["seed"]): row["kde"] for row in rows}
    assert all(kde["GAN", s] < kde["training images", s] for s in (0, 1, 2))
