"""Base distributions: shapes, moments and densities against closed forms."""

import math

import pytest
import torch
from scipy import stats

from gannotes.distributions import standard_normal, uniform


@pytest.mark.parametrize("p", [standard_normal(3), uniform(3, -1.0, 2.0)])
def test_samples_are_vectors_with_any_leading_dimensions(p):
    assert p.event_shape == (3,)
    assert p.sample((5,)).shape == (5, 3)
    assert p.sample((4, 5)).shape == (4, 5, 3)


def test_densities_are_those_of_scipy():
    z = torch.randn(10, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    like = torch.zeros((), dtype=torch.float64)
    expected = stats.multivariate_normal(mean=[0, 0, 0]).logpdf(z.numpy())
    assert standard_normal(3, like).log_prob(z).tolist() == pytest.approx(expected.tolist())
    inside = z.clamp(-0.9, 1.9)
    assert uniform(3, -1, 2, like).log_prob(inside).tolist() == pytest.approx(
        [-3 * math.log(3)] * 10
    )


def test_the_type_follows_the_example():
    assert standard_normal(2).sample().dtype == torch.float32
    assert standard_normal(2, torch.zeros(1, dtype=torch.float64)).sample().dtype == torch.float64


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="d: expected a positive dimension, got 0"):
        standard_normal(0)
    with pytest.raises(ValueError, match="high: expected a number above low = 1"):
        uniform(2, 1.0, 1.0)
