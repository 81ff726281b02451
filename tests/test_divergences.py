"""The divergences against quadrature, closed forms, brute force and 50-digit arithmetic."""

import dataclasses
import functools
import itertools
import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize

from gannotes.divergences import (
    F_DIVERGENCES,
    GAN,
    JEFFREY,
    JENSEN_SHANNON,
    KL,
    NEYMAN,
    PEARSON,
    REVERSE_KL,
    SQUARED_HELLINGER,
    TOTAL_VARIATION,
    FDivergence,
    alpha,
    alpha_family,
    information,
    jensen_shannon,
    kl,
    total_variation,
)

INF = math.inf
ALPHAS = (-2.0, -1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
ROWS = {**F_DIVERGENCES, **{f"alpha({a:g})": alpha_family(a) for a in ALPHAS}}

rows = pytest.mark.parametrize("name", ROWS)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def log(*values):
    return tensor(*values).log()


# What each row is, written once more from the literature: plain densities, plain numpy.


def log_ratio_form(a, p, q):
    if a == 0:
        return p - q + q * np.log(q / p)
    if a == 1:
        return q - p + p * np.log(p / q)
    return (a * p + (1 - a) * q - p**a * q ** (1 - a)) / (a * (1 - a))


DENSITIES = {
    "kl": lambda p, q: p * np.log(p / q),
    "reverse_kl": lambda p, q: q * np.log(q / p),
    "pearson": lambda p, q: (p - q) ** 2 / q,
    "neyman": lambda p, q: (p - q) ** 2 / p,
    "squared_hellinger": lambda p, q: (np.sqrt(p) - np.sqrt(q)) ** 2,
    "jeffrey": lambda p, q: (p - q) * np.log(p / q),
    "jensen_shannon": lambda p, q: p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q)),
    "gan": lambda p, q: p * np.log(p / (p + q)) + q * np.log(q / (p + q)),
    "total_variation": lambda p, q: abs(p - q) / 2,
    **{f"alpha({a:g})": lambda p, q, a=a: log_ratio_form(a, p, q) for a in ALPHAS},
}

NORMALS = {
    "G1": (((1.0, 0.0, 1.0),), ((1.0, 1.0, 2.0),)),
    "G1_swapped": (((1.0, 1.0, 2.0),), ((1.0, 0.0, 1.0),)),
    "G2": (((1.0, 0.0, 1.0),), ((1.0, 0.5, 0.8),)),
    "M1": (((0.3, -2.0, 0.6), (0.7, 1.5, 1.0)), ((1.0, 0.5, 1.9),)),
}
# Heavier tails decide: a moment p^a q^(1-a) is infinite iff a/sd_p^2 + (1-a)/sd_q^2 <= 0.
INFINITE = {
    "G1": {"neyman", "alpha(-2)", "alpha(-1)", "alpha(-0.5)"},
    "G1_swapped": {"pearson", "alpha(1.5)", "alpha(2)", "alpha(3)"},
    "G2": {"alpha(3)"},
    "M1": {"neyman", "alpha(-2)", "alpha(-1)", "alpha(-0.5)"},
}
FINITE = [(c, n) for c in NORMALS for n in ROWS if n not in INFINITE[c]]
DISCRETE = {
    "D1": ((0.5, 0.3, 0.2), (0.2, 0.2, 0.6)),
    "D4": ((0.1, 0.2, 0.3, 0.4), (0.25, 0.25, 0.4, 0.1)),
}


def log_mixture(parts, x):
    terms = [
        math.log(w / s) - 0.5 * ((x - m) / s) ** 2 - 0.5 * math.log(2 * math.pi)
        for w, m, s in parts
    ]
    return terms[0] if len(terms) == 1 else np.logaddexp(*terms)


@functools.cache
def on_grid(case):
    x = np.linspace(-30.0, 30.0, 120_001)
    log_p, log_q = (torch.from_numpy(log_mixture(parts, x)) for parts in NORMALS[case])
    return log_p, log_q, float(x[1] - x[0])


@functools.cache
def crossings(case):
    """Where p = q: the total variation has a kink there."""

    def gap(x):
        log_p, log_q = (log_mixture(parts, x) for parts in NORMALS[case])
        return log_p - log_q

    grid = np.linspace(-12, 12, 4001)
    signs = np.flatnonzero(np.diff(np.sign(gap(grid))))
    return [optimize.brentq(gap, grid[i], grid[i + 1]) for i in signs]


def by_quadrature(case, name):
    def integrand(x):
        return DENSITIES[name](*(np.exp(log_mixture(parts, x)) for parts in NORMALS[case]))

    edges = sorted([-16.0, -4.0, -1.0, 0.0, 1.0, 4.0, 16.0, *crossings(case)])
    return sum(
        integrate.quad(integrand, a, b, epsabs=1e-11, epsrel=1e-11, limit=200)[0]
        for a, b in itertools.pairwise(edges)
    )


# ---------------------------------------------------------------------------------------------
# Values


@pytest.mark.parametrize(("case", "name"), FINITE)
def test_value_is_the_integral(case, name):
    """E44 to E48, T01."""
    log_p, log_q, dx = on_grid(case)
    assert ROWS[name](log_p, log_q, dx).item() == pytest.approx(
        by_quadrature(case, name), abs=1e-8, rel=1e-8
    )


@pytest.mark.parametrize("case", DISCRETE)
@rows
def test_value_is_the_sum(case, name):
    """E44 to E48, T01."""
    p, q = map(np.array, DISCRETE[case])
    want = DENSITIES[name](p, q).sum()
    assert ROWS[name](log(*p), log(*q)).item() == pytest.approx(want, abs=1e-14)
    u = tensor(*(p / q))  # and the definition, through f itself
    assert (tensor(*q) * ROWS[name].f(u)).sum().item() == pytest.approx(want, abs=1e-14)


# Anchors computed elsewhere (equations.md, section 0).
ANCHORS = {
    "G1": {
        "kl": 0.443147181,
        "reverse_kl": 1.306852819,
        "jeffrey": 1.75,
        "jensen_shannon": 2 * 0.128174973,
        "total_variation": 0.390065660,
        "squared_hellinger": 0.298389076,
        "pearson": 0.744026342,
        "alpha(0.5)": 0.596778151,
        "alpha(2)": 0.372013171,
        "gan": -1.129944415,
    },
    "G2": {
        "kl": 0.253418949,
        "reverse_kl": 0.168143551,
        "jeffrey": 0.4215625,
        "jensen_shannon": 2 * 0.046742063,
        "total_variation": 0.234747911,
        "squared_hellinger": 0.098408593,
        "pearson": 1.953683035,
        "neyman": 0.288172736,
        "alpha(-1)": 0.144086368,
        "gan": -1.292810235,
    },
    "M1": {
        "kl": 0.191896600,
        "reverse_kl": 0.293416788,
        "jeffrey": 0.485313388,
        "jensen_shannon": 2 * 0.051467884,
        "total_variation": 0.255263464,
        "squared_hellinger": 0.108335880,
        "pearson": 0.358540322,
        "alpha(0.5)": 0.216671761,
        "gan": -1.283358594,
    },
}


@pytest.mark.parametrize("case", ANCHORS)
def test_value_is_the_published_anchor(case):
    log_p, log_q, dx = on_grid(case)
    for name, want in ANCHORS[case].items():
        assert ROWS[name](log_p, log_q, dx).item() == pytest.approx(want, abs=5e-9), name


ALPHA_D1 = {-2: 0.753481481, -0.5: 0.438694543, 0.25: 0.380136100, 0.5: 0.369652393}
ALPHA_D1 |= {0.75: 0.363035904, 1.5: 0.364617240, 2: 0.383333333, 3: 0.470370370}


@pytest.mark.parametrize("a", ALPHA_D1)
def test_alpha_anchor(a):
    p, q = DISCRETE["D1"]
    assert alpha(log(*p), log(*q), a).item() == pytest.approx(ALPHA_D1[a], abs=1e-9)


def normal(mean, sd):
    return torch.distributions.Normal(*tensor(mean, sd))


def gaussian_log_moment(a, mean, sd_p, sd_q):
    """log of the integral of p^a q^(1-a) for p = N(0, sd_p^2), q = N(mean, sd_q^2)."""
    precision = a / sd_p**2 + (1 - a) / sd_q**2
    shift = (1 - a) * mean / sd_q**2
    log_scale = -0.5 * math.log(precision) - a * math.log(sd_p) - (1 - a) * math.log(sd_q)
    return log_scale + 0.5 * shift**2 / precision - 0.5 * (1 - a) * mean**2 / sd_q**2


@pytest.mark.parametrize(
    ("mean", "sd_p", "sd_q"), [(0.7, 1.0, 1.3), (-2.0, 0.4, 1.0), (6.0, 1.0, 1.0)]
)
@pytest.mark.parametrize("a", [0.1, 0.5, 0.9, 1.7])
def test_alpha_of_two_normals(mean, sd_p, sd_q, a):
    """E44."""
    x = torch.linspace(-40, 40, 80_001, dtype=torch.float64)
    p, q = normal(0.0, sd_p), normal(mean, sd_q)
    want = -math.expm1(gaussian_log_moment(a, mean, sd_p, sd_q)) / (a * (1 - a))
    got = alpha(p.log_prob(x), q.log_prob(x), a, 0.001).item()
    assert got == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize(
    ("mean", "sd_p", "sd_q"), [(0.7, 1.0, 1.3), (60.0, 1.0, 1.0), (0.0, 0.02, 1.0)]
)
def test_kl_of_two_normals_where_the_ratio_overflows(mean, sd_p, sd_q):
    p, q = normal(0.0, sd_p), normal(mean, sd_q)
    x = torch.linspace(-15, 75, 90_001, dtype=torch.float64)
    forward = torch.distributions.kl_divergence(p, q).item()
    backward = torch.distributions.kl_divergence(q, p).item()
    logs = p.log_prob(x), q.log_prob(x), 0.001
    assert kl(*logs).item() == pytest.approx(forward, rel=1e-9)
    assert REVERSE_KL(*logs).item() == pytest.approx(backward, rel=1e-9)
    assert JEFFREY(*logs).item() == pytest.approx(forward + backward, rel=1e-9)
    assert alpha(*logs[:2], 1.0, 0.001).item() == pytest.approx(forward, rel=1e-9)


def test_pearson_where_the_ratio_overflows():
    mean, sd = 35.0, 1.2  # p/q = e^825 where p^2/q is largest
    p, q = normal(0.0, 1.0), normal(mean, sd)
    x = torch.linspace(-40, 60, 100_001, dtype=torch.float64)
    logs = p.log_prob(x), q.log_prob(x)
    want = gaussian_log_moment(2, mean, 1.0, sd)
    assert logs[0].sub(logs[1]).exp().isinf().any()
    assert PEARSON(*logs, 0.001).log().item() == pytest.approx(want, rel=1e-10)
    assert NEYMAN(logs[1], logs[0], 0.001).log().item() == pytest.approx(want, rel=1e-10)
    assert alpha(*logs, 2.0, 0.001).mul(2).log().item() == pytest.approx(want, rel=1e-10)


def test_named_functions_are_rows():
    log_p, log_q, dx = on_grid("G2")
    assert kl(log_p, log_q, dx) == KL(log_p, log_q, dx)
    assert jensen_shannon(log_p, log_q, dx) == JENSEN_SHANNON(log_p, log_q, dx) / 2
    assert total_variation(log_p, log_q, dx) == TOTAL_VARIATION(log_p, log_q, dx)
    assert list(F_DIVERGENCES) == [row.name for row in F_DIVERGENCES.values()]
    assert len(F_DIVERGENCES) == 9
    assert repr(KL) == "FDivergence(name='kl')"


# ---------------------------------------------------------------------------------------------
# Identities


def test_alpha_is_continuous_in_a():
    """E45."""
    log_p, log_q = (log(*z) for z in DISCRETE["D1"])
    for limit in (0.0, 1.0):
        at = alpha(log_p, log_q, limit).item()
        steps = [1e-1, 1e-4, 1e-7, 1e-10, 1e-13, 1e-16, 1e-300]
        for h in [s for step in steps for s in (step, -step)]:
            assert alpha(log_p, log_q, limit + h).item() == pytest.approx(at, abs=abs(h) + 1e-14)


def test_alpha_duality_and_special_cases():
    """E44, E45."""
    log_p, log_q = (log(*z) for z in DISCRETE["D1"])
    for a in ALPHAS:
        torch.testing.assert_close(alpha(log_p, log_q, a), alpha(log_q, log_p, 1 - a))
    torch.testing.assert_close(alpha(log_p, log_q, 0.5), 2 * SQUARED_HELLINGER(log_p, log_q))
    torch.testing.assert_close(alpha(log_p, log_q, 2.0), PEARSON(log_p, log_q) / 2)
    torch.testing.assert_close(alpha(log_p, log_q, -1.0), NEYMAN(log_p, log_q) / 2)
    torch.testing.assert_close(alpha(log_p, log_q, 1.0), kl(log_p, log_q))
    torch.testing.assert_close(alpha(log_p, log_q, 0.0), kl(log_q, log_p))


def random_pair(k=7, seed=0, shape=()):
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(2, *shape, k, dtype=torch.float64, generator=rng)
    return tuple(z.mul(1.5).log_softmax(-1))


def test_inequalities_between_divergences():
    """E46, E47."""
    log_p, log_q = random_pair(shape=(200,))
    tv = total_variation(log_p, log_q)
    h2 = SQUARED_HELLINGER(log_p, log_q)
    js = jensen_shannon(log_p, log_q)
    assert (tv <= torch.sqrt(kl(log_p, log_q) / 2)).all()  # Pinsker
    assert (h2 / 2 <= tv).all()
    assert (tv <= torch.sqrt(h2 * (1 - h2 / 4))).all()
    assert (js <= math.log(2)).all()
    assert (js <= tv * math.log(2)).all()
    log_r = random_pair(seed=1, shape=(200,))[0]
    root = torch.sqrt(js)
    detour = torch.sqrt(jensen_shannon(log_p, log_r)) + torch.sqrt(jensen_shannon(log_r, log_q))
    assert (root <= detour).all()  # a metric


def test_gan_row_is_jensen_shannon_less_log_4():
    """E18, E46, T01."""
    log_p, log_q = random_pair(shape=(50,))
    torch.testing.assert_close(
        GAN(log_p, log_q), 2 * jensen_shannon(log_p, log_q) - math.log(4), atol=1e-14, rtol=0
    )


@rows
def test_zero_at_equality_and_positive_elsewhere(name):
    """E07."""
    log_p, log_q = random_pair(shape=(50,))
    zero = -math.log(4) if name == "gan" else 0.0
    assert ROWS[name](log_p, log_p).sub(zero).abs().max() < 1e-14
    assert (ROWS[name](log_p, log_q) > zero + 1e-3).all()


@rows
def test_order_of_points_and_change_of_variables_do_not_matter(name):
    log_p, log_q = random_pair()
    row = ROWS[name]
    order = torch.tensor([3, 1, 6, 0, 2, 5, 4])
    torch.testing.assert_close(row(log_p[order], log_q[order]), row(log_p, log_q))
    slope = tensor(0.5, 1, 2, 3, 0.1, 7, 4)  # y = g(x): densities divide by |g'|, dx gains it
    moved = row(log_p - slope.log(), log_q - slope.log(), slope)
    torch.testing.assert_close(moved, row(log_p, log_q))


@rows
def test_merging_points_loses_information(name):
    log_p, log_q = random_pair(k=8, shape=(50,))
    merge = [z.unflatten(-1, (4, 2)).logsumexp(-1) for z in (log_p, log_q)]
    assert (ROWS[name](*merge) <= ROWS[name](log_p, log_q) + 1e-14).all()
    split = [torch.cat([z - math.log(2)] * 2, -1) for z in (log_p, log_q)]  # loses nothing
    torch.testing.assert_close(ROWS[name](*split), ROWS[name](log_p, log_q))


@rows
def test_nearby_distributions_see_only_the_curvature(name):
    p = tensor(*DISCRETE["D4"][0])
    direction = tensor(1.0, -2.0, 0.5, 0.5)
    h = 1e-4
    q = p + h * direction
    u = tensor(1.0).requires_grad_()
    if name == "total_variation":  # no curvature: a kink
        want = h * direction.abs().sum() / 2
    else:
        (slope,) = torch.autograd.grad(ROWS[name].f_prime(u), u)
        want = 0.5 * slope * h**2 * (direction**2 / p).sum()
    got = ROWS[name](p.log(), q.log()) + (math.log(4) if name == "gan" else 0.0)
    assert got.item() == pytest.approx(want.item(), rel=2e-3)


CURVATURE_AT_1 = {  # f''(1), by hand
    **{"kl": 1.0, "reverse_kl": 1.0, "pearson": 2.0, "neyman": 2.0, "squared_hellinger": 0.5},
    **{"jeffrey": 2.0, "jensen_shannon": 0.5, "gan": 0.5},
    **{f"alpha({a:g})": 1.0 for a in ALPHAS},
}


@pytest.mark.parametrize("name", CURVATURE_AT_1)
def test_curvature_where_the_densities_agree(name):
    u = tensor(1.0).requires_grad_()
    (first,) = torch.autograd.grad(ROWS[name].f(u), u, create_graph=True)
    (second,) = torch.autograd.grad(first, u)
    (slope,) = torch.autograd.grad(ROWS[name].f_prime(u), u)
    assert [second.item(), slope.item()] == pytest.approx([CURVATURE_AT_1[name]] * 2, rel=1e-12)


# ---------------------------------------------------------------------------------------------
# Supports

D2 = (log(0.5, 0.5, 0), log(0, 0.5, 0.5))
D3 = (log(1, 0), log(0, 1))
INSIDE = (log(0.5, 0.5, 0), log(0.25, 0.25, 0.5))  # p reaches less than q


def finite_alpha(a, moment):
    return (1 - moment) / (a * (1 - a))


SUPPORTS = [
    # (name, D2, D3, p inside q, q inside p)
    ("kl", INF, INF, math.log(2), INF),
    ("reverse_kl", INF, INF, INF, math.log(2)),
    ("pearson", INF, INF, 1.0, INF),
    ("neyman", INF, INF, INF, 1.0),
    ("squared_hellinger", 1.0, 2.0, 2 - math.sqrt(2), 2 - math.sqrt(2)),
    ("jeffrey", INF, INF, INF, INF),
    ("jensen_shannon", math.log(2), math.log(4), None, None),
    ("gan", -math.log(2), 0.0, None, None),
    ("total_variation", 0.5, 1.0, 0.5, 0.5),
    ("alpha(0.5)", 2.0, 4.0, 4 - 2 * math.sqrt(2), 4 - 2 * math.sqrt(2)),
    ("alpha(0.25)", 8 / 3, 16 / 3, finite_alpha(0.25, 2**-0.75), finite_alpha(0.25, 2**-0.25)),
    ("alpha(2)", INF, INF, 0.5, INF),
    ("alpha(-1)", INF, INF, INF, 0.5),
    ("alpha(0)", INF, INF, INF, math.log(2)),
    ("alpha(1)", INF, INF, math.log(2), INF),
    ("alpha(-2)", INF, INF, INF, finite_alpha(-2, 2.0**2)),
    ("alpha(3)", INF, INF, finite_alpha(3, 2.0**2), INF),
]


@pytest.mark.parametrize(("name", "d2", "d3", "inside", "outside"), SUPPORTS)
def test_supports_that_do_not_match(name, d2, d3, inside, outside):
    row = ROWS[name]
    js = math.log(4 / 3) + 0.5 * math.log(2 / 3) + 0.5 * math.log(2)  # p/(m) = 4/3, q/m = 2/3, 2
    if name == "jensen_shannon":
        inside = outside = js
    if name == "gan":
        inside = outside = js - math.log(4)
    for logs, want in (
        (D2, d2),
        (D3, d3),
        (INSIDE, inside),
        (INSIDE[::-1], outside),
    ):
        assert row(*logs).item() == pytest.approx(want, abs=1e-14)
        assert row(*(z.float() for z in logs)).item() == pytest.approx(want, abs=1e-6)


@rows
def test_points_that_neither_reaches_count_nothing(name):
    log_p, log_q = random_pair()
    nothing = log(0.0, 0.0)
    padded = [torch.cat([z, nothing]).requires_grad_() for z in (log_p, log_q)]
    value = ROWS[name](*padded)
    assert value.item() == pytest.approx(ROWS[name](log_p, log_q).item(), abs=1e-14)
    for gradient in torch.autograd.grad(value, padded):
        assert gradient.isfinite().all()
        assert (gradient[-2:] == 0).all()


@rows
def test_never_nan_in_far_tails(name):
    tails = log(0.0).item(), -1e300, -2000.0, -800.0, -700.0, -1.0, 0.0
    log_p, log_q = torch.meshgrid(tensor(*tails), tensor(*tails), indexing="ij")
    values = ROWS[name](log_p[..., None], log_q[..., None])
    assert not values.isnan().any()
    assert not ROWS[name](log_p[..., None].float(), log_q[..., None].float()).isnan().any()


def test_a_positive_density_that_underflows_is_still_infinitely_far():
    assert kl(tensor(0.0, -800.0), tensor(0.0, -INF)) == INF
    assert kl(tensor(0.0, -800.0), tensor(0.0, -1e6)).item() == pytest.approx(0.0, abs=1e-300)
    assert JEFFREY(tensor(0.0, -800.0), tensor(0.0, -INF)) == INF


@pytest.mark.parametrize(
    "name",
    ["kl", "pearson", "squared_hellinger", "jensen_shannon", "gan", "alpha(0.5)", "alpha(2)"],
)
def test_gradients_stay_finite_where_p_vanishes(name):
    log_p, log_q = (z.clone().requires_grad_() for z in INSIDE)
    ROWS[name](log_p, log_q).backward()
    q = log_q.exp()
    u = torch.tensor([2.0, 2.0, 0.0], dtype=torch.float64)
    row = ROWS[name]
    # d/dlog q of q g(p/q) is q g(u) - p g'(u); the second term is 0 where p = 0.
    tangent = 0.0 if name == "gan" else row.f_prime(tensor(1.0))  # g(u) = f(u) - f'(1) (u - 1)
    slope = torch.where(u > 0, u * (row.f_prime(u) - tangent), 0.0)
    torch.testing.assert_close(log_q.grad, (q * (row.f(u) - tangent * (u - 1) - slope)).detach())
    assert log_p.grad.isfinite().all()


def test_gradients_stay_finite_where_only_the_ratio_overflows():
    log_p, log_q = tensor(0.0, -1500.0).requires_grad_(), tensor(0.0, -700.0).requires_grad_()
    for value in (alpha(log_p, log_q, -1.0), NEYMAN(log_p, log_q) / 2):  # q^2/p = e^100
        slopes = torch.autograd.grad(value, (log_p, log_q))
        assert [z[1].item() for z in slopes] == pytest.approx(
            [-math.exp(100) / 2, math.exp(100)], rel=1e-12
        )


@rows
def test_gradient_with_respect_to_the_logits_of_the_model(name):
    log_p, _ = random_pair()
    theta = random_pair(seed=3)[0].requires_grad_()
    assert torch.autograd.gradcheck(lambda z: ROWS[name](log_p, z.log_softmax(-1)), (theta,))


# ---------------------------------------------------------------------------------------------
# The columns of the table

mp = mpmath.mpf


def mp_alpha_conjugate(a):
    def conjugate(t):
        if a == 0:
            return -mpmath.log(1 - t)
        if a == 1:
            return mpmath.exp(t) - 1
        base = 1 - (1 - mp(a)) * t
        return ((max(base, mp(0)) if a > 1 else base) ** (mp(a) / (mp(a) - 1)) - 1) / mp(a)

    return conjugate


def mp_alpha_link(a):
    return lambda v: v if a == 1 else (1 - mpmath.exp((mp(a) - 1) * v)) / (1 - mp(a))


def mp_lambert(t):
    w = mpmath.lambertw(mpmath.exp(1 - t)).real
    return w + 1 / w + t - 2


# name: (activation, conjugate, end of the domain), as printed in the literature
MP = {
    "kl": (lambda v: v, lambda t: mpmath.exp(t - 1), INF),
    "reverse_kl": (lambda v: -mpmath.exp(-v), lambda t: -1 - mpmath.log(-t), 0.0),
    "pearson": (lambda v: v, lambda t: t * t / 4 + t, INF),
    "neyman": (lambda v: 1 - mpmath.exp(-v), lambda t: 2 - 2 * mpmath.sqrt(1 - t), 1.0),
    "squared_hellinger": (lambda v: 1 - mpmath.exp(-v), lambda t: t / (1 - t), 1.0),
    "jeffrey": (lambda v: 1 + v - mpmath.exp(-v), mp_lambert, INF),
    "jensen_shannon": (
        lambda v: mpmath.log(2) - mpmath.log(1 + mpmath.exp(-v)),
        lambda t: -mpmath.log(2 - mpmath.exp(t)),
        math.log(2),
    ),
    "gan": (
        lambda v: -mpmath.log(1 + mpmath.exp(-v)),
        lambda t: -mpmath.log(1 - mpmath.exp(t)),
        0.0,
    ),
    "total_variation": (lambda v: mpmath.tanh(v) / 2, lambda t: t, 0.5),
    **{
        f"alpha({a:g})": (
            mp_alpha_link(a),
            mp_alpha_conjugate(a),
            1 / (1 - a) if a < 1 else INF,
        )
        for a in ALPHAS
    },
}
RAW = [-80.0, -30.0, -21.0, -8.0, -2.5, -0.3, -1e-6, 0.0, 1e-9, 0.2, 1.0, 6.0, 21.0, 30.0, 80.0]


@rows
def test_activation_and_penalty_to_50_digits(name):
    """T02."""
    activation, conjugate, _ = MP[name]
    v = tensor(*RAW)
    got_t, got_penalty = ROWS[name].activation(v), ROWS[name].penalty(v)
    with mpmath.workdps(120):
        for i, raw in enumerate(RAW):
            t = activation(mp(raw))
            assert got_t[i].item() == pytest.approx(float(t), rel=1e-13, abs=1e-16)
            assert got_penalty[i].item() == pytest.approx(float(conjugate(t)), rel=1e-13, abs=1e-15)


@rows
def test_penalty_is_the_conjugate_of_the_activation(name):
    """E52, T02."""
    v = tensor(*np.linspace(-8, 8, 81))
    row = ROWS[name]
    t = row.activation(v)
    torch.testing.assert_close(row.conjugate(t), row.penalty(v), rtol=2e-9, atol=1e-9)
    assert (t.diff() > 0).all(), "the activation must increase"


@rows
def test_activation_stays_in_the_domain(name):
    """T02."""
    v = tensor(*np.linspace(-30, 30, 241))
    row = ROWS[name]
    assert row.conjugate(row.activation(v)).isfinite().all()


@rows
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outputs_of_80_stay_finite(name, dtype):
    overflow = {"alpha(2)", "alpha(3)", "alpha(-2)", "alpha(-1)", "alpha(-0.5)", "alpha(1.5)"}
    v = torch.tensor([-80.0, 80.0], dtype=dtype, requires_grad=True)
    beyond_dtype = dtype == torch.float32 and name in overflow  # e^(a v) itself is
    for h in (ROWS[name].activation, ROWS[name].penalty):
        y = h(v)
        (slope,) = torch.autograd.grad(y.sum(), v)
        assert y.dtype == dtype
        assert not y.isnan().any()
        assert beyond_dtype or (y.isfinite().all() and slope.isfinite().all())


@rows
@pytest.mark.parametrize("field", ["activation", "penalty"])
def test_float32_up_to_80_is_right_wherever_float32_reaches(name, field):
    """Values and slopes against 50 digits; only what lies beyond 3e38 may be infinite."""
    activation, conjugate, _ = MP[name]
    exact = activation if field == "activation" else lambda v: conjugate(activation(v))
    v = torch.tensor([*RAW, -60.0, -17.0, 17.0, 60.0], requires_grad=True)
    # Sums with a constant, and torch's slopes of expm1 and tanh, keep absolute digits only.
    rounding = 1e-37 if name in ("kl", "gan") else 2e-7
    y = getattr(ROWS[name], field)(v)
    (slope,) = torch.autograd.grad(y.sum(), v)
    with mpmath.workdps(120):
        for i, raw in enumerate(v.tolist()):
            for got, want in ((y[i], exact(mp(raw))), (slope[i], mpmath.diff(exact, mp(raw)))):
                if abs(want) < torch.finfo(torch.float32).max:
                    assert got.item() == pytest.approx(float(want), rel=2e-5, abs=rounding)
                assert not got.isnan()


NAIVE = {  # f* as printed, of the activation: float32 has no number between 1 and 1 - 6e-8
    "squared_hellinger": lambda t: t / (1 - t),
    "jensen_shannon": lambda t: -torch.log(2 - torch.exp(t)),
    "gan": lambda t: -torch.log(1 - torch.exp(t)),
}


@pytest.mark.parametrize("name", NAIVE)
def test_the_naive_composition_is_lost_where_the_fused_one_is_not(name):
    row, (activation, conjugate, _) = ROWS[name], MP[name]
    v = torch.tensor(30.0)
    with mpmath.workdps(60):
        want = float(conjugate(activation(mp(30))))
    assert not NAIVE[name](row.activation(v)).isfinite()
    assert row.penalty(v).item() == pytest.approx(want, rel=1e-6)
    assert NAIVE[name](row.activation(v / 30)).item() == pytest.approx(
        row.penalty(v / 30).item(), rel=1e-5
    )


@pytest.mark.parametrize("field", ["f", "f_prime", "conjugate", "activation", "penalty"])
def test_alpha_columns_are_continuous_in_a(field):
    z = tensor(0.05, 0.5, 0.9) if field != "penalty" else tensor(-3.0, 0.2, 3.0)
    for limit in (0.0, 1.0):
        at = getattr(alpha_family(limit), field)(z)
        for h in (1e-5, -1e-5, 1e-9, -1e-9, 1e-13, -1e-13):
            near = getattr(alpha_family(limit + h), field)(z)
            torch.testing.assert_close(near, at, rtol=0, atol=50 * abs(h) + 1e-13)


@rows
def test_conjugate_by_brute_force(name):
    """E49, T02."""
    row, end = ROWS[name], MP[name][2]
    points = [t for t in (-1.9, -0.9, -0.45, -0.2, 0.0, 0.1, 0.4, 0.6, 0.9, 1.5) if t < end]
    if name == "total_variation":
        points = [t for t in points if t >= -0.5]
    log_u = torch.linspace(-40, 12, 1041, dtype=torch.float64)
    for t in points:

        def loss(z, t=t):
            return row.f(z.exp()) - z.exp() * t

        start = log_u[loss(log_u).argmin()].item()
        near = torch.linspace(start - 0.06, start + 0.06, 120_001, dtype=torch.float64)
        assert row.conjugate(tensor(t)).item() == pytest.approx(-loss(near).min().item(), abs=1e-9)


@pytest.mark.parametrize("name", [n for n in ROWS if n != "total_variation"])
def test_conjugate_by_brute_force_near_the_ends_of_its_domain(name):
    """The supremum over u of ut - f(u), with f from the literature and an optimiser of scipy."""
    for log_u in (-9.0, -5.0, 5.0, 9.0):
        t = ROWS[name].f_prime(tensor(math.exp(log_u))).item()

        def loss(z, t=t):
            return DENSITIES[name](math.exp(z), 1.0) - math.exp(z) * t

        best = optimize.minimize_scalar(
            loss, bounds=(log_u - 2, log_u + 2), method="bounded", options={"xatol": 1e-10}
        )
        assert best.x == pytest.approx(log_u, abs=0.05)
        assert ROWS[name].conjugate(tensor(t)).item() == pytest.approx(
            -best.fun, rel=1e-9, abs=1e-9
        )


def test_published_pearson_conjugate_is_the_looser_one_below_minus_two():
    assert PEARSON.conjugate(tensor(-4.0)).item() == 0.0  # over u >= 0 the supremum is -1


@rows
def test_conjugate_is_infinite_outside_its_domain(name):
    end = MP[name][2]
    if end == INF:
        assert ROWS[name].conjugate(tensor(1.0, 3.0)).isfinite().all()
        return
    outside = tensor(end + 1e-6, end + 1.0, end + 50.0).requires_grad_()
    value = ROWS[name].conjugate(outside)
    assert (value == INF).all()
    inside = ROWS[name].conjugate(tensor(end - 1e-3))
    assert inside.isfinite().all()
    (slope,) = torch.autograd.grad(value.sum(), outside)
    assert not slope.isnan().any()


def test_conjugate_at_the_end_of_its_domain():
    assert NEYMAN.conjugate(tensor(1.0)).item() == 2.0
    assert alpha_family(-1).conjugate(tensor(0.5)).item() == 1.0
    assert alpha_family(2).conjugate(tensor(-1.0, -9.0)).tolist() == [-0.5, -0.5]
    assert TOTAL_VARIATION.conjugate(tensor(-0.5, 0.5)).tolist() == [-0.5, 0.5]
    assert TOTAL_VARIATION.conjugate(tensor(-0.6, 0.6)).tolist() == [INF, INF]
    for row, end in ((REVERSE_KL, 0.0), (GAN, 0.0), (SQUARED_HELLINGER, 1.0)):
        assert row.conjugate(tensor(end)).item() == INF


def test_clipped_conjugate_has_a_gradient():
    t = tensor(-5.0, -1.0, 1.0).requires_grad_()
    (slope,) = torch.autograd.grad(alpha_family(2).conjugate(t).sum(), t)
    torch.testing.assert_close(slope, tensor(0.0, 0.0, 2.0))  # the maximising u, 1 + t or 0


@rows
def test_fenchel_young_is_tight_at_the_derivative(name):
    """E49, E51."""
    row = ROWS[name]
    u = torch.logspace(-3, 3, 60, dtype=torch.float64)
    t = row.f_prime(u)
    torch.testing.assert_close(row.f(u) + row.conjugate(t), u * t, rtol=1e-8, atol=1e-8)
    other = t.roll(7)  # any other t in the domain: Young's inequality
    slack = row.f(u) + row.conjugate(other) - u * other
    assert (slack >= -1e-8 * (1 + (u * other).abs())).all()


@rows
def test_derivatives(name):
    """E51, T01."""
    row = ROWS[name]
    u = torch.logspace(-2, 2, 40, dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(row.f(u).sum(), u)
    torch.testing.assert_close(slope, row.f_prime(u), rtol=1e-9, atol=1e-9)
    t = row.f_prime(u.detach()).requires_grad_()
    if name == "total_variation":
        return
    (back,) = torch.autograd.grad(row.conjugate(t).sum(), t)  # (f*)' inverts f'
    torch.testing.assert_close(back, u.detach(), rtol=1e-8, atol=1e-10)


F_PRIME_AT_1 = {"kl": 1.0, "reverse_kl": -1.0, "gan": -math.log(2)}


@rows
def test_threshold(name):
    """T02."""
    at_1 = ROWS[name].f_prime(tensor(1.0)).item()
    assert at_1 == pytest.approx(F_PRIME_AT_1.get(name, 0.0), abs=1e-15)
    f_at_1 = ROWS[name].f(tensor(1.0)).item()
    assert f_at_1 == pytest.approx(-math.log(4) if name == "gan" else 0.0, abs=1e-15)


@rows
def test_the_best_t_exceeds_the_threshold_exactly_where_p_exceeds_q(name):
    """E51, T02, I18."""
    log_p, log_q = random_pair(k=500)
    t = ROWS[name].f_prime(torch.exp(log_p - log_q))
    threshold = ROWS[name].f_prime(tensor(1.0))
    assert torch.equal(t > threshold, log_p > log_q)


LINKS = ["reverse_kl", "jeffrey", "jensen_shannon", "gan", *(f"alpha({a:g})" for a in ALPHAS)]


@pytest.mark.parametrize("name", LINKS)
def test_link_activations_have_the_log_ratio_as_optimum(name):
    v = tensor(*np.linspace(-6, 6, 49))
    row = ROWS[name]
    torch.testing.assert_close(row.activation(v), row.f_prime(v.exp()))


@rows
def test_at_its_best_output_the_activation_is_f_prime(name):
    """E51, T02: h_f(v*) = f'(p/q), and v* rises with p/q."""
    log_u = tensor(*np.linspace(-6, 6, 49))
    row = ROWS[name]
    v = row.best(log_u)
    torch.testing.assert_close(row.activation(v), row.f_prime(log_u.exp()), rtol=1e-12, atol=1e-12)
    assert (v.diff()[v.isfinite()[1:] & v.isfinite()[:-1]] > 0).all()
    assert v.isfinite().all() or name == "total_variation"
    assert row.best(log_u.float()).dtype == torch.float32


def test_jeffrey_conjugate_keeps_the_tails_that_lambert_loses():
    u = 1e-18
    t = JEFFREY.f_prime(tensor(u))
    want = u + math.log(u) - 1  # f*(f'(u)) = u f'(u) - f(u)
    assert JEFFREY.conjugate(t).item() == pytest.approx(want, rel=1e-12)
    t = tensor(-1e30, -50.0, 0.0, 50.0, 700.0)
    with mpmath.workdps(60):
        want = []
        for value in t[1:].tolist():
            want.append(float(mp_lambert(mp(value))))
    torch.testing.assert_close(JEFFREY.conjugate(t)[1:], tensor(*want), rtol=1e-12, atol=1e-14)
    assert JEFFREY.conjugate(t)[0].item() == pytest.approx(-math.log(1e30) - 1, rel=1e-12)


# ---------------------------------------------------------------------------------------------
# Shapes and errors


@rows
def test_leading_dimensions_broadcast(name):
    log_p, _ = random_pair(shape=(4, 1))
    _, log_q = random_pair(shape=(3,))
    dx = torch.linspace(0.5, 1.5, 7, dtype=torch.float64)
    together = ROWS[name](log_p, log_q, dx)
    assert together.shape == (4, 3)
    for i in range(4):
        for j in range(3):
            one = ROWS[name](log_p[i, 0], log_q[j], dx)
            torch.testing.assert_close(together[i, j], one, rtol=1e-12, atol=1e-14)


def test_dx_as_number_as_scalar_tensor_and_as_weights():
    log_p, log_q = random_pair()
    want = kl(log_p, log_q) * 0.25
    for dx in (0.25, tensor(0.25)[0], torch.full((7,), 0.25)):
        torch.testing.assert_close(kl(log_p, log_q, dx), want)


def test_dtypes():
    log_p, log_q = random_pair()
    assert (
        kl(log_p.float(), log_q.float(), torch.ones(7, dtype=torch.float64)).dtype == torch.float32
    )
    assert jensen_shannon(log_p.float(), log_q).dtype == torch.float64


class TestErrors:
    good = torch.zeros(3, dtype=torch.float64)

    @pytest.mark.parametrize("function", [kl, jensen_shannon, total_variation, PEARSON])
    def test_arguments_are_named(self, function):
        with pytest.raises(ValueError, match=r"last dimension, got \(3,\) and \(4,\)"):
            function(self.good, torch.zeros(4))
        with pytest.raises(ValueError, match=r"last dimension"):
            function(self.good, torch.zeros(1))  # no silent broadcasting of the points
        with pytest.raises(ValueError, match=r"last dimension"):
            function(torch.zeros(1), self.good)
        with pytest.raises(ValueError, match=r"broadcast, got \(2, 3\) and \(5, 3\)"):
            function(torch.zeros(2, 3), torch.zeros(5, 3))
        with pytest.raises(TypeError, match=r"^log_p: expected a floating-point tensor.*int64"):
            function(torch.zeros(3, dtype=torch.int64), self.good)
        with pytest.raises(TypeError, match=r"^log_q: expected a floating-point tensor.*list"):
            function(self.good, [0.0, 0.0, 0.0])
        with pytest.raises(ValueError, match=r"^log_p: expected .*\(\.\.\., K\)"):
            function(torch.zeros(0), torch.zeros(0))
        with pytest.raises(ValueError, match=r"^log_p: expected .*got shape \(2, 0\)"):
            function(torch.zeros(2, 0), torch.zeros(2, 0))
        assert function(torch.zeros(0, 3), torch.zeros(0, 3)).shape == (0,)  # no replica at all
        with pytest.raises(ValueError, match=r"^log_q: expected .*\(\)"):
            function(self.good, torch.tensor(0.0))

    @pytest.mark.parametrize("dx", [0.0, -1.0, INF, math.nan, torch.tensor([1.0, 0.0, 1.0])])
    def test_dx_must_be_positive(self, dx):
        with pytest.raises(ValueError, match="^dx: expected positive and finite weights"):
            kl(self.good, self.good, dx)

    def test_dx_must_have_the_length_of_the_points(self):
        for n in (1, 2, 4):
            with pytest.raises(
                ValueError, match=rf"^dx: expected a number or a tensor of shape \(3,\).*\({n},\)"
            ):
                kl(self.good, self.good, torch.ones(n))
        stack = torch.zeros(5, 4, 3)
        with pytest.raises(
            ValueError,
            match=r"^dx: expected a number or a tensor of shape \(3,\), got shape \(4,\)",
        ):
            kl(stack, stack, torch.ones(4))

    @pytest.mark.parametrize("a", [INF, -INF, math.nan, 1e300, -1001, 10**400])
    def test_a_must_be_a_number_of_reasonable_size(self, a):
        with pytest.raises(ValueError, match="^a: expected a"):
            alpha(self.good, self.good, a)

    @pytest.mark.parametrize("a", ["0.5", None, True, 1j, torch.tensor(0.5)])
    def test_a_must_be_a_number(self, a):
        with pytest.raises(TypeError, match="^a: expected a number"):
            alpha(self.good, self.good, a)

    @pytest.mark.parametrize("dx", ["1", None, True, [1.0, 1.0, 1.0], np.ones(3)])
    def test_dx_must_be_a_number_or_a_tensor(self, dx):
        with pytest.raises(TypeError, match="^dx: expected a number or a tensor"):
            kl(self.good, self.good, dx)

    @rows
    @pytest.mark.parametrize("bad", [math.nan, INF])
    def test_nan_is_never_a_probability(self, name, bad):
        z = log(0.2, 0.3, 0.5)
        odd = torch.cat([tensor(bad), z[1:]])
        for argument, pair in (("log_p", (odd, z)), ("log_q", (z, odd)), ("log_p", (odd, odd))):
            with pytest.raises(ValueError, match=f"^{argument}: expected log densities below inf"):
                ROWS[name](*pair)

    @pytest.mark.parametrize("bad", [torch.full((2, 2), math.nan), torch.full((2, 2), INF)])
    def test_information_names_its_own_argument(self, bad):
        for joint, error in ((bad, ValueError), (self.good, ValueError), (bad.long(), TypeError)):
            with pytest.raises(error, match="^log_joint: expected"):
                information(joint)
        with pytest.raises(TypeError, match="^log_joint: expected"):
            information([[0.0]])
        with pytest.raises(ValueError, match="^dx: expected"):
            information(torch.zeros(2, 2), torch.ones(3))

    def test_a_row_cannot_be_changed(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            KL.f = torch.exp

    @pytest.mark.parametrize("name", ["reverse_kl", "neyman", "jensen_shannon", "gan"])
    def test_beyond_its_domain_the_conjugate_has_no_slope_and_no_nan(self, name):
        end = {"reverse_kl": 0.0, "neyman": 1.0, "jensen_shannon": math.log(2), "gan": 0.0}[name]
        t = torch.tensor([end - 0.5, end + 0.5], dtype=torch.float64, requires_grad=True)
        value = ROWS[name].conjugate(t)
        (slope,) = torch.autograd.grad(value[0] + value[1], t)
        assert value[1] == INF
        assert slope[0] > 0
        assert slope[1] == 0


# ---------------------------------------------------------------------------------------------
# A row of one's own: the triangular discrimination, f(u) = (u - 1)^2 / (u + 1)

TRIANGULAR = FDivergence(
    "triangular",
    f=lambda u: (u - 1) ** 2 / (u + 1),
    f_prime=lambda u: 1 - 4 / (u + 1) ** 2,
    conjugate=lambda t: 4 - t - 4 * torch.sqrt(1 - t),
    activation=lambda v: -torch.expm1(-v),
    penalty=lambda v: 3 + torch.exp(-v) - 4 * torch.exp(-v / 2),
)


def test_a_row_without_an_integrand():
    log_p, log_q = (log(*z) for z in DISCRETE["D1"])
    assert TRIANGULAR(log_p, log_q).item() == pytest.approx(0.348571429, abs=1e-9)
    assert TRIANGULAR(*D2).item() == pytest.approx(1.0)
    assert TRIANGULAR(*D3).item() == pytest.approx(2.0)
    for case, want in (("G1", 0.434965108), ("G2", 0.173225176), ("M1", 0.192593205)):
        assert TRIANGULAR(*on_grid(case)).item() == pytest.approx(want, abs=1e-9)


def test_gradients_of_a_row_without_an_integrand():
    log_p, log_q = (z.clone().requires_grad_() for z in INSIDE[::-1])  # q = 0 < p at one point
    slopes = torch.autograd.grad(TRIANGULAR(log_p, log_q), (log_p, log_q))
    torch.testing.assert_close(slopes[0], tensor(-7 / 36, -7 / 36, 0.5))  # p f'(p/q), f'(inf) = 1
    assert slopes[1].isfinite().all()


@pytest.mark.parametrize("name", F_DIVERGENCES)
def test_integrand_made_of_f_agrees_with_the_one_in_the_table(name):
    row = ROWS[name]
    plain = FDivergence(name, row.f, row.f_prime, row.conjugate, row.activation, row.penalty)
    for logs in (random_pair(shape=(20,)), D2, D3, INSIDE, INSIDE[::-1]):
        torch.testing.assert_close(plain(*logs), row(*logs), rtol=1e-11, atol=1e-13)


# ---------------------------------------------------------------------------------------------
# Errata of the deck: the printed form fails where the corrected one holds


def test_x10_the_printed_jensen_shannon_is_another_divergence():
    """E46."""
    for case, printed, right in (("G1", 0.618650, 0.256350), ("D1", 0.196308, 0.181132)):
        if case == "G1":
            log_p, log_q, dx = on_grid(case)
        else:
            (log_p, log_q), dx = (log(*z) for z in DISCRETE[case]), 1.0
        log_m = torch.logaddexp(log_p, log_q) - math.log(2)
        d_0 = alpha(log_p, log_m, 0.0, dx) + alpha(log_q, log_m, 0.0, dx)
        d_1 = alpha(log_p, log_m, 1.0, dx) + alpha(log_q, log_m, 1.0, dx)
        assert d_0.item() == pytest.approx(printed, abs=1e-6)
        assert d_1.item() == pytest.approx(right, abs=1e-6)
        assert d_1.item() == pytest.approx(2 * jensen_shannon(log_p, log_q, dx).item(), abs=1e-12)
        half_jeffrey = JEFFREY(log_p, log_q, dx) / 2
        assert d_0.item() == pytest.approx((half_jeffrey - d_1).item(), abs=1e-12)
    log_m = torch.logaddexp(*D3) - math.log(2)
    assert alpha(D3[0], log_m, 0.0) == INF  # the printed form on disjoint supports
    assert alpha(D3[0], log_m, 1.0).item() == pytest.approx(math.log(2))


def test_x11_three_normalisations_of_jensen_shannon():
    """E18, E46."""
    log_p, log_q, dx = on_grid("G1")
    js = jensen_shannon(log_p, log_q, dx).item()
    log_d = torch.nn.functional.logsigmoid(log_p - log_q)
    log_not_d = torch.nn.functional.logsigmoid(log_q - log_p)
    value = ((log_p.exp() * log_d + log_q.exp() * log_not_d) * dx).sum().item()  # max V, at D*
    assert js == pytest.approx(0.128174973, abs=1e-9)
    assert JENSEN_SHANNON(log_p, log_q, dx).item() == pytest.approx(2 * js)
    assert value == pytest.approx(2 * js - math.log(4), abs=1e-9)
    assert GAN(log_p, log_q, dx).item() == pytest.approx(value, abs=1e-9)


def test_x12_the_order_of_the_arguments():
    """E48."""
    p, q = (np.array(z) for z in DISCRETE["D1"])
    sum_q_f = (q * (p / q) * np.log(p / q)).sum()  # the deck's integral, f = r log r
    assert sum_q_f == pytest.approx((p * np.log(p / q)).sum())
    assert sum_q_f != pytest.approx((q * np.log(q / p)).sum(), abs=0.03)  # what its left side names
    assert KL(log(*p), log(*q)).item() == pytest.approx(sum_q_f)


def test_x13_the_printed_half_does_not_belong_to_the_printed_generator():
    """E46, T01."""
    log_p, log_q, dx = on_grid("G1")
    p, q = log_p.exp(), log_q.exp()
    tabulated = 0.5 * by_quadrature("G1", "jensen_shannon")
    through_f = (q * JENSEN_SHANNON.f(p / q) * dx)[q > 1e-300].sum().item()
    assert tabulated == pytest.approx(0.128174973, abs=1e-9)
    assert through_f == pytest.approx(2 * tabulated, abs=1e-9)
    assert JENSEN_SHANNON(log_p, log_q, dx).item() == pytest.approx(through_f, abs=1e-9)


# ---------------------------------------------------------------------------------------------
# Properties over random distributions, zeros included

weights = st.lists(st.integers(0, 20), min_size=5, max_size=5).filter(any)


@settings(deadline=None, derandomize=True)
@given(weights, weights)
def test_no_pair_of_distributions_gives_nan_or_less_than_the_minimum(p, q):
    log_p, log_q = (tensor(*z).div(sum(z)).log() for z in (p, q))
    for name, row in ROWS.items():
        value = row(log_p, log_q).item()
        assert not math.isnan(value)
        assert value >= (-math.log(4) if name == "gan" else 0.0) - 1e-12
        must_be_finite = {"squared_hellinger", "jensen_shannon", "gan", "total_variation"}
        if name in must_be_finite | {"alpha(0.25)", "alpha(0.5)", "alpha(0.75)"}:
            assert math.isfinite(value)


# ---------------------------------------------------------------------------------------------
# Never below zero, and right, where the two densities are nearly equal

SIGNED = [name for name in ROWS if name != "gan"]  # whose least value is -log 4


def nearly_equal(size, points, distance, seed, dtype=torch.float32):
    """Pairs of normalised distributions whose logs differ by about `distance`."""
    rng = torch.Generator().manual_seed(seed)
    z, change = torch.randn(2, size, points, dtype=dtype, generator=rng)
    return (2 * z).log_softmax(-1), (2 * z + distance * change).log_softmax(-1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("distance", [0.0, 1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0])
def test_no_divergence_of_nearly_equal_distributions_is_negative(distance, dtype):
    """2,000 pairs for each distance, of 2 to 60 points: exactly zero or more, no tolerance."""
    for points in (2, 3, 10, 60):
        pair = nearly_equal(500, points, distance, seed=points, dtype=dtype)
        for name in SIGNED:
            assert (ROWS[name](*pair) >= 0).all(), name
        assert (jensen_shannon(*pair) >= 0).all()
        joint = torch.stack([z + math.log(0.5) for z in pair], -2)
        assert (information(joint) >= 0).all()


@pytest.mark.parametrize("shift", [0.0, 1e-6, 1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("reach", [2.0, 5.0])
def test_no_divergence_of_nearly_equal_densities_on_a_grid_is_negative(shift, reach):
    """Tails that the grid cuts off cannot make it negative either."""
    x = torch.linspace(-reach, reach, 501)
    p, q = (torch.distributions.Normal(m, s) for m, s in ((0.0, 1.0), (shift, 1 + shift)))
    for log_p, log_q in itertools.permutations([p.log_prob(x), q.log_prob(x)]):
        for name in SIGNED:
            assert ROWS[name](log_p, log_q, 2 * reach / 500) >= 0, name
            assert ROWS[name](log_p, log_p, 2 * reach / 500) < 1e-12, name


@settings(deadline=None, derandomize=True, max_examples=100)
@given(
    st.lists(st.floats(-40, 0, width=32), min_size=1, max_size=8),
    st.lists(st.floats(-1, 1, width=32), min_size=8, max_size=8),
    st.sampled_from([1e-7, 1e-5, 1e-3, 0.1, 0.299, 0.301, 1.0, 30.0]),
    st.floats(-1000, 1000) | st.sampled_from(ALPHAS),
)
def test_no_term_is_negative(log_p, change, distance, a):
    """Point by point, so that no other point makes up for it; far from normalised, too."""
    p = torch.tensor(log_p)[:, None]
    q = p + distance * torch.tensor(change)[: len(p), None]
    for row in [*(ROWS[name] for name in SIGNED), alpha_family(a)]:
        assert (row(p, q) >= 0).all(), row.name
        assert (row(p, p) <= 1e-12).all(), row.name


@pytest.mark.parametrize("distance", [1e-6, 1e-4, 1e-2, 0.2])
def test_nearly_equal_distributions_keep_their_digits(distance):
    """Against 50 digits: a difference that float64 cancels is still right to 1e-7 of itself."""
    log_p, log_q = (z[0] for z in nearly_equal(1, 5, distance, seed=1, dtype=torch.float64))
    with mpmath.workdps(50):
        u = [mpmath.exp(mp(b) - mp(a)) for a, b in zip(log_p.tolist(), log_q.tolist(), strict=True)]
        p = [mpmath.exp(mp(a)) for a in log_p.tolist()]
        want = {  # with q = p u, and the tangent: the logs are normalised to 16 digits only
            "kl": sum(a * (-mpmath.log(b) - 1 + b) for a, b in zip(p, u, strict=True)),
            "reverse_kl": sum(a * (b * mpmath.log(b) + 1 - b) for a, b in zip(p, u, strict=True)),
            "alpha(0.5)": sum(2 * a * (1 - mpmath.sqrt(b)) ** 2 for a, b in zip(p, u, strict=True)),
        }
    for name, value in want.items():
        assert ROWS[name](log_p, log_q).item() == pytest.approx(float(value), rel=1e-7), name


@pytest.mark.parametrize("name", [name for name in SIGNED if name != "total_variation"])
@pytest.mark.parametrize("distance", [1e-5, 1e-3])
def test_gradients_of_nearly_equal_distributions_are_those_of_float64(name, distance):
    """A clamp at zero would kill them; float32 keeps a few digits of what is almost nothing."""
    log_p, log_q = (z[0] for z in nearly_equal(1, 6, distance, seed=4, dtype=torch.float64))
    slopes = []
    for dtype in (torch.float32, torch.float64):
        theta = log_q.to(dtype).requires_grad_()
        value = ROWS[name](log_p.to(dtype), theta.log_softmax(-1))
        slopes.append(torch.autograd.grad(value, theta)[0].double())
    size = slopes[1].abs().max()
    assert (slopes[0] - slopes[1]).abs().max() < 0.05 * size + 1e-6
    assert size > 0.05 * distance * log_p.exp().min()
