"""The best Gaussian against anchors, the published table, scipy's simplex and hand-made Newton."""

import functools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, optimize
from test_divergences import ALPHAS, DENSITIES, ROWS, log_mixture, normal, tensor

from gannotes import fits
from gannotes.divergences import F_DIVERGENCES, KL, PEARSON, REVERSE_KL
from gannotes.fits import best_gaussian

MIXTURES = {
    "M1": ((0.3, -2.0, 0.6), (0.7, 1.5, 1.0)),
    "M2": ((0.3, -3.0, 0.5), (0.7, 3.0, 1.0)),
    "f-GAN": ((0.33, -1.0, 0.255), (0.67, 2.0, 1.415)),  # gannotes.data.univariate_mixture
}


@functools.cache
def mixture_on_grid(case):
    x = np.linspace(-30.0, 30.0, 6001)
    return torch.from_numpy(log_mixture(MIXTURES[case], x)), torch.from_numpy(x), 0.01


BEST = [  # equations.md, F07; Jensen-Shannon there is halved
    ("M1", "kl", (1.0, 1.0), (0.45, 1.838614, 0.190494970)),
    ("M1", "reverse_kl", (1.0, 1.0), (0.711385, 1.610825, 0.236230269)),
    ("M1", "jeffrey", (1.0, 1.0), (0.553454, 1.705686, 0.441372234)),
    ("M1", "jensen_shannon", (1.0, 1.0), (0.534253, 1.780231, 2 * 0.050378702)),
    ("M1", "squared_hellinger", (1.0, 1.0), (0.535868, 1.756054, 0.104544839)),
    ("M1", "pearson", (0.0, 2.0), (0.358314, 1.922243, 0.350151026)),
    ("M2", "kl", (1.0, 1.0), (1.2, 2.887040, 0.657415655)),
    ("M2", "reverse_kl", (2.0, 1.0), (2.999579, 1.000870, 0.356578478)),
    ("M2", "reverse_kl", (-2.0, 1.0), (-2.999755, 0.500459, 1.203848184)),
    ("M2", "jeffrey", (1.0, 1.0), (2.176256, 2.105422, 1.981549649)),
    ("M2", "jensen_shannon", (2.0, 1.0), (2.999253, 1.001566, 2 * 0.117236780)),
    ("M2", "squared_hellinger", (2.0, 1.0), (2.995830, 1.009998, 0.326015116)),
]


@pytest.mark.parametrize(("case", "name", "start", "want"), BEST)
def test_best_gaussian_anchor(case, name, start, want):
    """F07."""
    mu, sigma, value = best_gaussian(ROWS[name], *mixture_on_grid(case), start)
    assert [mu.item(), sigma.item()] == pytest.approx(want[:2], abs=2e-6)
    assert value.item() == pytest.approx(want[2], abs=2e-9)


PUBLISHED = {  # mu*, sigma* and the divergence there: Nowozin et al. 2016, table 2
    "kl": (1.0100, 1.8308, 0.2831),
    "reverse_kl": (1.5782, 1.6319, 0.2480),
    "jensen_shannon": (1.3070, 1.7542, 0.1280),
    "jeffrey": (1.3218, 1.7034, 0.5705),
    "pearson": (0.5737, 1.9274, 0.6457),
    "neyman": (1.8248, 1.5186, 0.4052),  # the last two are not in the paper
    "squared_hellinger": (1.3129, 1.7326, 0.1347),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_best_gaussian_is_the_published_one_on_the_recovered_mixture(name):
    """F07."""
    found = best_gaussian(ROWS[name], *mixture_on_grid("f-GAN"), (1.0, 1.5))
    assert [z.item() for z in found] == pytest.approx(PUBLISHED[name], abs=1e-3)


@pytest.mark.parametrize("name", [*F_DIVERGENCES, *(f"alpha({a:g})" for a in ALPHAS)])
def test_best_gaussian_against_scipy(name):
    """F07: Nelder and Mead, who need no slope, on plain densities and scipy's Simpson rule."""
    x = np.linspace(-14.0, 14.0, 2801)
    p = np.exp(log_mixture(MIXTURES["f-GAN"], x))

    def value(w):
        q = np.exp(log_mixture(((1.0, w[0], math.exp(w[1])),), x))
        return integrate.simpson(DENSITIES[name](p, q), x=x)

    start = (1.3, 1.7) if name != "alpha(-2)" else (1.9, 1.5)
    options = {"xatol": 1e-7, "fatol": 1e-13, "maxiter": 2000}
    want = optimize.minimize(
        value, (start[0], math.log(start[1])), method="Nelder-Mead", options=options
    )
    log_p, points = torch.from_numpy(np.log(p)), torch.from_numpy(x)
    mu, sigma, least = best_gaussian(ROWS[name], log_p, points, 0.01, start)
    kinks = name == "total_variation"
    assert least.item() == pytest.approx(want.fun, abs=2e-6 if kinks else 1e-8)
    assert [mu.item(), sigma.log().item()] == pytest.approx(want.x, abs=5e-3 if kinks else 1e-5)


def test_a_damped_step_is_newtons_with_the_moduli_of_the_curvatures():
    """Quadratics of two variables, with numpy: definite, indefinite, and one that is cut short."""
    A = np.array([[[2.0, 0.5], [0.5, 1.0]], [[1.0, 2.0], [2.0, -1.0]], [[0.1, 0.0], [0.0, 0.2]]])
    b, damping = np.array([[0.3, -0.4], [0.2, 0.5], [4.0, -3.0]]), np.array([0.5, 1e-6, 0.1])
    H, g = torch.from_numpy(A), torch.from_numpy(b)

    def value(w):
        return torch.einsum("si,sij,sj->s", w, H, w) / 2 + (g * w).sum(-1)

    w = torch.zeros(3, 2, dtype=torch.float64)
    found = fits._damped_newton(value, w, torch.from_numpy(damping))
    for i in range(3):
        curvature, axes = np.linalg.eigh(A[i])
        want = -axes @ ((axes.T @ b[i]) / (np.abs(curvature) + damping[i]))
        want /= max(1.0, np.linalg.norm(want))
        assert found[i].tolist() == pytest.approx(want, abs=1e-9)
    assert found[2].norm().item() == pytest.approx(1)
    assert 0.1 < found[:2].norm(dim=-1).min() < found[:2].norm(dim=-1).max() < 0.9


@pytest.mark.parametrize("name", ["kl", "reverse_kl", "jensen_shannon", "pearson"])
def test_best_gaussian_converges_as_newtons_method_does(name):
    """A few dozen evaluations where a slope alone would need hundreds."""
    calls = 0

    def counted(log_p, log_q, dx):
        nonlocal calls
        calls += 1
        return ROWS[name](log_p, log_q, dx)

    best_gaussian(counted, *mixture_on_grid("M1"), (0.5, 1.9))
    assert calls < 80


def test_best_gaussian_of_a_gaussian_is_itself():
    x = torch.linspace(-12, 14, 2601, dtype=torch.float64)
    log_p = normal(0.7, 1.3).log_prob(x)
    for name in ("kl", "reverse_kl", "gan", "alpha(0.5)"):
        mu, sigma, value = best_gaussian(ROWS[name], log_p, x, 0.01, (-1.0, 2.5))
        assert [mu.item(), sigma.item()] == pytest.approx([0.7, 1.3], abs=1e-6)
        assert value.item() == pytest.approx(-math.log(4) if name == "gan" else 0.0, abs=1e-12)


def test_best_gaussian_searches_from_several_starts_side_by_side():
    starts = tensor(-2.0, 2.0), tensor(1.0, 1.0)
    together = best_gaussian(REVERSE_KL, *mixture_on_grid("M2"), starts)
    for i in range(2):
        alone = best_gaussian(REVERSE_KL, *mixture_on_grid("M2"), (starts[0][i], 1.0))
        torch.testing.assert_close([z[i] for z in together], [*alone], rtol=0, atol=1e-9)
    assert starts[0].tolist() == [-2.0, 2.0]  # the caller's tensors are left alone


def test_best_gaussian_refuses():
    log_p, x, dx = mixture_on_grid("M1")
    for sigma in (0.0, -1.0):
        with pytest.raises(ValueError, match="^start: expected a positive sigma"):
            best_gaussian(KL, log_p, x, dx, (0.0, sigma))
    with pytest.raises(ValueError, match="^start: expected a finite divergence"):
        best_gaussian(PEARSON, log_p, x, dx, (-3.0, 0.2))
    for other, points in ((log_p, x[1:]), (log_p[1:], x), (log_p.reshape(1, -1), x.reshape(1, -1))):
        with pytest.raises(
            ValueError, match=r"^(x|log_p): expected a floating-point tensor of shape"
        ):
            best_gaussian(KL, other, points, dx, (0.0, 1.0))
    with pytest.raises(ValueError, match="^dx: expected positive"):
        best_gaussian(KL, log_p, x, 0.0, (0.0, 1.0))
    with pytest.raises(TypeError, match="^log_p: expected a floating-point tensor"):
        best_gaussian(KL, log_p.long(), x, dx, (0.0, 1.0))
