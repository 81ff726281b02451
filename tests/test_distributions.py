"""Base distributions, networks read as densities: shapes, moments, closed forms, quadrature."""

import copy
import math
from functools import partial

import pytest
import torch
from scipy import stats
from torch import nn
from torch.distributions import (
    Categorical,
    Independent,
    MixtureSameFamily,
    Normal,
    Uniform,
    kl_divergence,
)
from torch.nn.functional import binary_cross_entropy_with_logits

from gannotes.distributions import (
    Bernoulli,
    Code,
    Deterministic,
    Gaussian,
    Implicit,
    Sampler,
    codes,
    corners,
    gaussian_fit,
    latent_grid,
    one_hot,
    standard_normal,
    uniform,
)
from gannotes.divergences import jensen_shannon, kl
from gannotes.nets import Pair


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


def randn(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_a_gaussian_reads_means_and_log_standard_deviations():
    """E61, E63."""
    net = nn.Linear(4, 6).double()
    x = randn(5, 4)
    q = Gaussian(net)(x)
    mean, log_sd = net(x)[:, :3], net(x)[:, 3:]
    z = randn(2, 5, 3)
    expected = stats.norm(mean.detach(), log_sd.exp().detach()).logpdf(z).sum(-1)
    assert q.log_prob(z).detach().numpy() == pytest.approx(expected)


def test_samples_are_reparameterised():
    """E62: the gradient of the mean is 1, that of the log standard deviation is sigma epsilon."""
    parameters = torch.tensor([[0.5, -1.0, 0.2, -0.3, 0.1, -1.0]], dtype=torch.float64)
    parameters.requires_grad_()
    torch.manual_seed(0)
    z = Gaussian(nn.Identity())(parameters).rsample()
    torch.manual_seed(0)
    epsilon = torch.randn(1, 3, dtype=torch.float64)
    mean, sd = parameters.detach()[:, :3], parameters.detach()[:, 3:].exp()
    torch.testing.assert_close(z, mean + sd * epsilon)
    (gradient,) = torch.autograd.grad(z.sum(), parameters)
    torch.testing.assert_close(gradient, torch.cat([torch.ones(1, 3), sd * epsilon], -1).double())


def test_the_divergence_from_the_base_has_its_closed_form():
    """E64: half the sum of mu^2 + sigma^2 - 1 - 2 log sigma."""
    p_0 = standard_normal(3, torch.zeros(1, dtype=torch.float64))
    parameters = torch.tensor([0.5, -1.0, 0.2, -0.3, 0.1, -1.0], dtype=torch.float64)
    q = Gaussian(nn.Identity())(parameters)
    assert kl_divergence(q, p_0).item() == pytest.approx(1.297774839, abs=1e-9)
    assert kl_divergence(Gaussian(nn.Identity())(0 * parameters), p_0).item() == 0


def test_a_standard_deviation_of_its_own_is_learnt_or_fixed():
    z = randn(5, 2)
    fixed = Gaussian(nn.Linear(2, 3).double(), log_sd=torch.tensor(0.5).log())
    assert fixed(z).stddev.unique().item() == pytest.approx(0.5)
    assert len(list(fixed.parameters())) == 2
    learnt = Gaussian(nn.Linear(2, 3).double(), log_sd=nn.Parameter(torch.zeros(3).double()))
    learnt(z).log_prob(randn(5, 3)).sum().backward()
    assert learnt.log_sd.grad.shape == (3,)
    assert (
        set(fixed.state_dict()) == set(learnt.state_dict()) == {"net.weight", "net.bias", "log_sd"}
    )


def test_images_are_single_events():
    image = Gaussian(nn.Identity(), event_dims=3)(randn(4, 2, 5, 5))
    assert (image.batch_shape, image.event_shape) == ((4,), (1, 5, 5))
    torch.testing.assert_close(image.mean, randn(4, 2, 5, 5)[:, :1])
    logits = randn(4, 1, 5, 5)
    coins = Bernoulli(nn.Identity(), event_dims=3)(logits)
    x = (logits > 0).double()
    expected = -binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(-1)
    torch.testing.assert_close(coins.log_prob(x), expected)
    torch.testing.assert_close(coins.mean, logits.sigmoid())


# Laws that can be sampled and nothing else.


def implicit():
    """An affine head, so that the law is a known Gaussian: z = A epsilon + B h(x)."""
    torch.manual_seed(0)
    features = nn.Linear(4, 5)
    head = Pair(nn.Linear(5, 2), nn.Linear(3, 2, bias=False), nn.Identity())
    return Implicit(features, head, standard_normal(3, randn(1))).double()


def test_an_implicit_law_draws_a_point_and_noise_through_the_network():
    """E76: the same noise gives the same samples; the features are computed once."""
    q, x = implicit(), randn(6, 4)
    calls = []
    q.features.register_forward_hook(lambda *_: calls.append(1))
    law = q(x)
    torch.manual_seed(1)
    z = law.rsample(torch.Size([7]))
    torch.manual_seed(1)
    epsilon = torch.randn(7, 6, 3, dtype=torch.float64)
    torch.testing.assert_close(z, q.head(q.features(x), epsilon))
    assert len(calls) == 2  # one of them our own
    assert (law.batch_shape, law.event_shape) == ((6,), (2,))


def test_an_implicit_law_has_the_moments_of_what_it_pushes_forward():
    q, x = implicit(), randn(4)
    torch.manual_seed(1)
    with torch.no_grad():
        z = q(x).rsample(torch.Size([200_000]))
        mean, A = q.head.first(q.features(x)), q.head.second.weight
        torch.testing.assert_close(z.mean(0), mean, atol=0.01, rtol=0)
        torch.testing.assert_close(torch.cov(z.T), A @ A.T, atol=0.01, rtol=0)


def test_gradients_pass_through_the_samples_of_an_implicit_law_unless_they_are_not_wanted():
    q, x = implicit(), randn(6, 4)
    assert not q(x).sample(torch.Size([2])).requires_grad
    q(x).rsample(torch.Size([2])).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in q.parameters())
    assert q(x).has_rsample


def test_an_implicit_law_has_no_density():
    law = implicit()(randn(6, 4))
    with pytest.raises(NotImplementedError, match="log_prob: expected a law with a density, got"):
        law.log_prob(randn(6, 2))


def test_a_sampler_passes_the_shape_on():
    shapes = []

    def draw(shape):
        shapes.append(shape)
        return torch.zeros(*shape, 5, 2)

    law = Sampler(draw, torch.Size([5]))
    assert law.rsample().shape == (5, 2)
    assert law.sample((4, 3)).shape == (4, 3, 5, 2)
    assert shapes == [(), (4, 3)]


def test_a_deterministic_law_has_one_value_whatever_is_drawn():
    """E67, BiGAN: the samples are the network's output, through which gradients pass."""
    net = nn.Linear(4, 2).double()
    x = randn(6, 4)
    law = Deterministic(net)(x)
    assert isinstance(law, Sampler)
    assert (law.batch_shape, law.event_shape) == ((6,), (2,))
    torch.testing.assert_close(law.mean, net(x))
    z = law.rsample(torch.Size([3]))
    torch.testing.assert_close(z, net(x).expand(3, 6, 2))
    z.sum().backward()
    torch.testing.assert_close(net.bias.grad, torch.full((2,), 18.0, dtype=torch.float64))
    with pytest.raises(NotImplementedError, match="log_prob"):
        law.log_prob(z)


def test_a_point_may_be_an_image():
    law = Deterministic(nn.Identity(), event_dims=3)(randn(4, 1, 5, 5))
    assert (law.batch_shape, law.event_shape) == ((4,), (1, 5, 5))
    assert law.sample(torch.Size([2])).shape == (2, 4, 1, 5, 5)
    assert law.mean.shape == (4, 1, 5, 5)


def test_the_mean_of_an_implicit_law_is_not_known():
    with pytest.raises(NotImplementedError, match="mean: not known of an implicit law"):
        _ = implicit()(randn(6, 4)).mean


# A density that is far from Gaussian, on a grid: half N(-1.2, 0.4^2), half N(1.2, 0.4^2).
X = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
Q = MixtureSameFamily(
    Categorical(torch.ones(2, dtype=torch.float64)),
    Normal(torch.tensor([-1.2, 1.2], dtype=torch.float64), 0.4),
)
DX = (X[1] - X[0]).item()


def quantiles() -> torch.Tensor:
    """Samples of Q without noise: one in the middle of each of 20,000 equal masses."""
    mass = torch.cumsum(Q.log_prob(X).exp() * DX, 0)
    middles = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    return X[torch.searchsorted(mass, middles).clamp(max=len(X) - 1)].unsqueeze(-1)


def test_a_gaussian_fit_splits_the_divergence_from_the_base():
    """I09: KL(q, p_0) = KL(q, r) + E_q[log r - log p_0], so that a critic learns less."""
    r = gaussian_fit(quantiles())
    assert r.mean.item() == pytest.approx(0, abs=1e-3)
    assert r.variance.item() == pytest.approx(1.2**2 + 0.4**2, rel=1e-3)
    p_0 = standard_normal(1, X)
    log_q, log_r, log_p_0 = Q.log_prob(X), r.log_prob(X[:, None]), p_0.log_prob(X[:, None])
    whole, contrast = kl(log_q, log_p_0, DX), kl(log_q, log_r, DX)
    rest = (log_q.exp() * (log_r - log_p_0)).sum() * DX
    assert whole.item() == pytest.approx((contrast + rest).item(), abs=1e-9)
    # the second term needs moments only: KL of the fitted Gaussian from the base
    assert rest.item() == pytest.approx(kl_divergence(r, p_0).item(), abs=1e-3)
    assert jensen_shannon(log_q, log_r, DX) < jensen_shannon(log_q, log_p_0, DX)


def test_what_the_critic_learns_is_the_divergence_of_the_whitened_samples():
    """I09: KL(q, r) = KL of (z - mu) / sigma from N(0, 1); and it is 0 for a Gaussian."""
    r = gaussian_fit(quantiles())
    whitened_log_q = Q.log_prob(r.mean + r.stddev * X) + r.stddev.log()
    base = standard_normal(1, X).log_prob(X[:, None])
    contrast = kl(Q.log_prob(X), r.log_prob(X[:, None]), DX)
    assert kl(whitened_log_q, base, DX).item() == pytest.approx(contrast.item(), abs=1e-9)
    q = Normal(torch.tensor(0.7, dtype=torch.float64), 0.3)
    z = q.icdf((torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000).unsqueeze(-1)
    fit = gaussian_fit(z)
    assert kl(q.log_prob(X), fit.log_prob(X[:, None]), DX).item() == pytest.approx(0, abs=1e-5)


def test_no_other_gaussian_is_nearer_than_the_fit():
    r, log_q = gaussian_fit(quantiles()), Q.log_prob(X)
    best = kl(log_q, r.log_prob(X[:, None]), DX)
    for shift, scale in [(0.1, 1.0), (-0.1, 1.0), (0.0, 0.9), (0.0, 1.1)]:
        other = Independent(Normal(r.mean + shift, r.stddev * scale), 1)
        assert kl(log_q, other.log_prob(X[:, None]), DX) > best + 1e-3


def test_a_fit_has_one_gaussian_per_point():
    fit = gaussian_fit(randn(100, 4, 3))
    assert (fit.batch_shape, fit.event_shape) == ((4,), (3,))
    torch.testing.assert_close(fit.stddev, randn(100, 4, 3).std(0, correction=0))


def test_the_latent_grid_shares_the_mass_equally():
    """I15, E66, X18: cell mid-points; all finite, symmetric, the first coordinate down the rows."""
    z = latent_grid(4, torch.zeros(1, dtype=torch.float64))
    side = [-1.150349380, -0.318639364, 0.318639364, 1.150349380]
    assert z.shape == (4, 4, 2)
    assert z[:, 0, 0].tolist() == pytest.approx(side, abs=1e-9)
    assert z[0, :, 1].tolist() == pytest.approx(side, abs=1e-9)
    assert stats.norm.cdf(latent_grid(20)[:, 3, 0]) == pytest.approx((torch.arange(20) + 0.5) / 20)
    assert latent_grid(50).isfinite().all()
    torch.testing.assert_close(z.flip(0, 1), -z)


def test_wrong_input_to_a_density_is_named():
    with pytest.raises(
        ValueError, match="net: expected means and log standard deviations, an even"
    ):
        Gaussian(nn.Identity())(torch.zeros(2, 3))
    for network in (Gaussian, Bernoulli, Deterministic):
        with pytest.raises(
            ValueError, match="event_dims: expected an integer of at least 1, got 0"
        ):
            network(nn.Identity(), event_dims=0)
    with pytest.raises(ValueError, match=r"z: expected at least two samples .* got \(1, 3\)"):
        gaussian_fit(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="n: expected an integer of at least 1, got 0"):
        latent_grid(0)


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="d: expected an integer of at least 1, got 0"):
        standard_normal(0)
    with pytest.raises(ValueError, match="high: expected a number above low = 1"):
        uniform(2, 1.0, 1.0)


@pytest.mark.parametrize(
    ("make", "draws"),
    [
        (lambda: standard_normal(3), lambda one: Independent(Normal(0 * one, one), 1)),
        (lambda: uniform(3, 0.1, 0.7), lambda one: Independent(Uniform(0.1 * one, 0.7 * one), 1)),
        (lambda: one_hot(3), torch.distributions.OneHotCategorical),
    ],
)
def test_a_base_is_torchs_law_in_every_type(make, draws):
    """The same bits as torch's own law, made in that type from the start."""
    base = make()
    for dtype in (torch.float64, torch.float32, torch.float64):
        torchs = draws(torch.ones(3, dtype=dtype))
        base.to(dtype)
        samples = []
        for law in (base, torchs):
            torch.manual_seed(0)
            samples.append(law.sample((4, 5)))
        assert torch.equal(*samples)
        assert torch.equal(base.log_prob(samples[0]), torchs.log_prob(samples[0]))
        assert torch.equal(base.entropy(), torchs.entropy())
        assert torch.equal(base.mean, torchs.mean)
        assert torch.equal(
            base.expand((2,)).log_prob(samples[0][:, :2]), torchs.log_prob(samples[0][:, :2])
        )
    assert (base.event_shape, base.batch_shape) == (torchs.event_shape, torchs.batch_shape)
    assert base.has_rsample == torchs.has_rsample


@pytest.mark.parametrize(
    "make",
    [lambda: standard_normal(3), lambda: uniform(3), lambda: corners(3), lambda: codes((3,), 2)],
)
def test_a_base_survives_copies_and_the_device_without_numbers(make):
    base = make()
    assert not base.state_dict()
    assert not list(base.parameters())

    def draw(law):
        torch.manual_seed(0)
        return law.sample((7,))

    first = draw(base)
    other = copy.deepcopy(base).double()
    assert draw(other).dtype == torch.float64
    assert torch.equal(draw(base), first)
    base.to("meta")
    assert base.sample((7,)).is_meta
    assert torch.equal(draw(base.to_empty(device="cpu")), first)


def test_the_divergence_between_bases_is_torchs():
    p, q = standard_normal(2).double(), Independent(Normal(torch.ones(2).double(), 2.0), 1)
    expected = 2 * (math.log(2) + (1 + 1) / 8 - 0.5)
    assert kl_divergence(p, q).item() == pytest.approx(expected, rel=1e-12)
    assert kl_divergence(p, standard_normal(2)).item() == 0


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        *(
            (partial(law, n), name)
            for law, name in (
                (standard_normal, "d"),
                (uniform, "d"),
                (corners, "d"),
                (one_hot, "K"),
            )
            for n in (0, -1, 1.5, True, "2", None)
        ),
        *((partial(uniform, 1, low), "low") for low in (-math.inf, math.nan, "0")),
        *((partial(uniform, 1, 0.0, high), "high") for high in (0.0, -1.0, math.inf, None)),
        *((partial(corners, 2, sd), "sd") for sd in (0.0, -1.0, math.nan, "1")),
        (partial(corners, 40), "d"),
        *((partial(codes, (3,), n), "continuous") for n in (-1, 1.5, None)),
        (partial(codes, (0,)), "categorical"),
        *((partial(Code, nn.Identity(), (3,), n), "continuous") for n in (-1, 1.5)),
        *((partial(Code, nn.Identity(), (n,)), "categorical") for n in (0, 2.5)),
        *((partial(Code, nn.Identity(), (3,), 1, f), "floor") for f in (-1, math.nan, "0")),
        *((partial(latent_grid, n), "n") for n in (0, 1.5, None)),
        (partial(latent_grid, 2, torch.zeros(1, dtype=torch.long)), "like"),
        (partial(standard_normal, 2, "cuda"), "like"),
    ],
)
def test_a_number_without_a_meaning_is_refused_by_its_name(wrong, name):
    with pytest.raises((TypeError, ValueError), match=f"^{name}: expected "):
        wrong()
