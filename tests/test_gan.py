"""GAN: value and gradients by hand, the step in plain torch, problems of known truth."""

import copy
import math
from functools import partial

import pytest
import torch
from scipy import integrate, stats
from torch import nn
from torch.distributions import Independent, Normal
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from gannotes import bounds, data, divergences, nets
from gannotes.distributions import standard_normal
from gannotes.metrics import mode_coverage
from gannotes.models.gan import (
    GAN,
    penalise,
    squared_gradient,
    step,
    step_regularised,
    step_shared,
)
from gannotes.optim import ascend, descend, fit

float64 = torch.tensor(0.0, dtype=torch.float64)


class Replay(nn.Module):
    """A base distribution that returns given noise: randomness by hand."""

    def __init__(self, z: torch.Tensor) -> None:
        super().__init__()
        self.z = z

    def sample(self, shape: torch.Size) -> torch.Tensor:
        assert shape == self.z.shape[:-1]
        return self.z


def small(**options) -> GAN:
    torch.manual_seed(0)
    p_0 = standard_normal(2, float64)
    return GAN(nets.mlp(2, 8, 2), nets.critic(2, 8), p_0, **options).double()


def test_the_value_is_a_classifiers_negative_cross_entropy_summed_over_the_classes():
    """E12 to E14, E16, E22, E23."""
    gan = small()
    z = torch.randn(7, 2, dtype=torch.float64)
    x = torch.randn(7, 2, dtype=torch.float64)
    gan.p_0 = Replay(z)
    real, fake = gan.D(x), gan.D(gan.G(z))
    cross_entropy = binary_cross_entropy_with_logits
    expected = -cross_entropy(real, torch.ones(7).double()) - cross_entropy(
        fake, torch.zeros(7).double()
    )
    torch.testing.assert_close(gan.value(x), expected)
    flipped = -cross_entropy(fake, torch.ones(7).double()) - cross_entropy(
        real, torch.zeros(7).double()
    )
    torch.testing.assert_close(gan.value(x, flip=True), flipped)


def test_a_critic_that_knows_nothing_has_value_minus_log_four():
    gan = small()
    for parameter in gan.D.parameters():
        nn.init.zeros_(parameter)
    assert gan.value(torch.randn(5, 2, dtype=torch.float64)).item() == pytest.approx(-math.log(4))


def affine(weight: float, bias: float) -> nn.Module:
    net = nn.Sequential(nn.Linear(1, 1), nn.Flatten(-2)).double()
    nn.init.constant_(net[0].weight, weight)
    nn.init.constant_(net[0].bias, bias)
    return net


def logistic_toy() -> tuple[GAN, torch.Tensor, torch.Tensor]:
    gan = GAN(nn.Linear(1, 1).double(), affine(0.7, -0.3), standard_normal(1, float64))
    nn.init.constant_(gan.G.weight, 0.5)
    nn.init.constant_(gan.G.bias, -1.0)
    z = torch.tensor([[-1.2], [0.3], [0.9]], dtype=torch.float64)
    gan.p_0 = Replay(z)
    return gan, torch.tensor([[0.2], [1.5], [2.0]], dtype=torch.float64), z


def test_the_critics_gradient_has_the_minus_sign_that_the_slide_lost():
    r"""E26 by hand, D = sigmoid(a x + b): the printed plus sign (X04) gives another vector."""
    gan, x, z = logistic_toy()
    gan.value(x).backward(inputs=list(gan.D.parameters()))
    a, b = 0.7, -0.3

    def terms(t):  # D, and its gradient in (a, b)
        D = torch.sigmoid(a * t + b)
        return D, D * (1 - D) * torch.cat([t, torch.ones_like(t)], 1)

    D_x, dD_x = terms(x)
    D_q, dD_q = terms(0.5 * z - 1)
    right = (dD_x / D_x - dD_q / (1 - D_q)).mean(0)
    printed = (dD_x / D_x + dD_q / (1 - D_q)).mean(0)
    gradient = torch.cat([p.grad.flatten() for p in gan.D.parameters()])
    torch.testing.assert_close(gradient, right)
    assert (gradient - printed).norm() > 0.1


@pytest.mark.parametrize("flip", [False, True])
def test_the_generators_gradient_saturating_and_flipped(flip):
    """E27 by hand: the slide's denominator 1 - D, or D after the flip."""
    gan, x, z = logistic_toy()
    gan.value(x, flip).backward(inputs=list(gan.G.parameters()))
    x_q = 0.5 * z - 1
    D = torch.sigmoid(0.7 * x_q - 0.3)
    slope = 0.7 * D * (1 - D)  # d D / d x
    weight = slope / D if flip else -slope / (1 - D)
    expected = torch.stack([(weight * z).mean(), weight.mean()])
    gradient = torch.cat([p.grad.flatten() for p in gan.G.parameters()])
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize(("mean", "saturating"), [(1.0, 0.397972867), (5.0, 0.047379617)])
def test_gradients_at_the_optimal_critic_are_those_of_divergences(mean, saturating):
    """E27, I04: at r*, descending V follows 2 JS, ascending the flip KL(q || p) - 2 JS."""
    nodes, dx = torch.linspace(-12, 18, 60_001, dtype=torch.float64), 30 / 60_000

    def log_normal(m):
        return -((nodes - m) ** 2) / 2 - math.log(2 * math.pi) / 2

    mu = torch.tensor(mean, dtype=torch.float64, requires_grad=True)
    js = divergences.jensen_shannon(log_normal(0.0), log_normal(mu), dx)
    kl = divergences.kl(log_normal(mu), log_normal(0.0), dx)
    two_js, kl_minus = (
        torch.autograd.grad(d, mu, retain_graph=True)[0].item() for d in (2 * js, kl - 2 * js)
    )

    def slope(weight):  # E_q[d/dx of the generator's term] for x' = mu + z, r* = mean^2/2 - mean x
        value, _ = integrate.quad(lambda t: weight(t) * stats.norm.pdf(t, mean), -12, 18)
        return value

    def r(t):
        return mean**2 / 2 - mean * t

    expit = stats.logistic.cdf
    descended = slope(lambda t: -expit(r(t)) * -mean)  # d log(1 - D) = -D r'
    ascended = slope(lambda t: (1 - expit(r(t))) * -mean)  # d log D = (1 - D) r'
    assert descended == pytest.approx(two_js, rel=1e-7)
    assert -ascended == pytest.approx(kl_minus, rel=1e-7)
    assert two_js == pytest.approx(saturating, rel=1e-6)
    assert two_js + kl_minus == pytest.approx(mean, rel=1e-7)


def test_the_step_is_the_algorithm_written_by_hand_in_plain_torch():
    """A02, E24, E25, E27."""
    gan = small()
    G, D = copy.deepcopy(gan.G), copy.deepcopy(gan.D)
    theta, phi = (torch.optim.Adam(net.parameters(), lr=1e-2) for net in (gan.G, gan.D))
    theta_, phi_ = (torch.optim.Adam(net.parameters(), lr=1e-2) for net in (G, D))
    batches = torch.randn(5, 16, 2, dtype=torch.float64)

    torch.manual_seed(1)
    for x in batches:
        step(gan, x, theta, phi, K=2)

    torch.manual_seed(1)
    for x in batches:
        for _ in range(2):
            z = torch.randn(16, 2, dtype=torch.float64)
            V = logsigmoid(D(x)).mean() + logsigmoid(-D(G(z).detach())).mean()
            phi_.zero_grad()
            (-V).backward()
            phi_.step()
        z = torch.randn(16, 2, dtype=torch.float64)
        theta_.zero_grad()
        (-logsigmoid(D(G(z))).mean()).backward()
        theta_.step()
    for mine, plain in zip(gan.parameters(), [*G.parameters(), *D.parameters()], strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("K", [1, 3])
def test_the_critic_moves_K_times_and_the_generator_rests_meanwhile(K):
    """A02, I03."""
    gan, moves = small(), []
    theta, phi = (torch.optim.SGD(net.parameters(), lr=0.1) for net in (gan.G, gan.D))
    for name, player in (("theta", theta), ("phi", phi)):
        player.register_step_post_hook(lambda *_, name=name: moves.append(name))
    step(gan, torch.randn(4, 2, dtype=torch.float64), theta, phi, K=K)
    assert moves == ["phi"] * K + ["theta"]
    moves.clear()
    step(gan, torch.randn(4, 2, dtype=torch.float64), theta, phi)
    assert moves == ["phi", "theta"]


def test_replicas_are_independent_games():
    """Spoiling one replica's data and noise leaves the others bit-identical."""

    def run(spoil):
        torch.manual_seed(0)
        G, D = nets.mlp(2, 8, 2, replicas=3), nets.critic(2, 8, replicas=3)
        gan = GAN(G, D, standard_normal(2))
        theta, phi = (torch.optim.Adam(net.parameters(), lr=1e-2) for net in (G, D))
        for _ in range(5):
            x, z = torch.randn(3, 16, 2), torch.randn(3, 16, 2)
            x[1], z[1] = x[1] + spoil, z[1] - spoil
            gan.p_0 = Replay(z)
            step(gan, x, theta, phi)
        return [p.detach().clone() for p in gan.parameters()]

    for clean, spoilt in zip(run(0.0), run(1.0), strict=True):
        assert torch.equal(clean[0], spoilt[0])
        assert torch.equal(clean[2], spoilt[2])
    assert not torch.equal(clean[1], spoilt[1])


def test_least_squares_moves_the_generator_towards_the_data():
    """X09: descending the critic's own loss would move it away (signs of E43)."""
    b = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    p = stats.norm(2.0, 1.0)
    z = torch.tensor(stats.norm.ppf((torch.arange(4000) + 0.5) / 4000))[:, None]
    x = torch.tensor(p.ppf((torch.arange(4000) + 0.5) / 4000))[:, None]

    def D_star(t):  # p / (p + q) at b = 0
        u = (2 - 2 * t).exp()  # q / p
        return (1 / (1 + u)).squeeze(-1)

    v_p, v_q = D_star(x), D_star(z + b)
    (right,) = torch.autograd.grad(bounds.least_squares(v_q, v_p), b, retain_graph=True)
    (printed,) = torch.autograd.grad((v_q**2).mean(), b)
    assert right.item() == pytest.approx(0.291321837, abs=2e-4)  # ascended: towards 2
    assert printed.item() == pytest.approx(0.158277673, abs=2e-4)  # descended: away from 2


@pytest.mark.parametrize("bound", [bounds.bernoulli, bounds.least_squares])
def test_a_location_model_finds_the_mean_of_the_data(bound):
    """E15, A02."""
    torch.manual_seed(0)
    G = nets.ReplicaLinear(4, 1, 1)
    G.weight.data.fill_(1.0)
    G.weight.requires_grad_(False)
    G.bias.data.fill_(-1.0)
    gan = GAN(G, nets.critic(1, 16, replicas=4), standard_normal(1), bound)
    theta = torch.optim.Adam([G.bias], lr=2e-2, betas=(0.5, 0.99))
    phi = torch.optim.Adam(gan.D.parameters(), lr=1e-2, betas=(0.5, 0.99))
    decay = [torch.optim.lr_scheduler.ExponentialLR(player, 0.996) for player in (theta, phi)]

    def one(x):
        values = step_regularised(gan, x, theta, phi, gamma=0.1)
        for schedule in decay:
            schedule.step()
        return values

    fit(one, (2 + torch.randn(4, 256, 1) for _ in range(700)), progress=False)
    assert (G.bias.flatten() - 2).abs().max() < 0.15


def test_the_critic_learns_the_log_ratio():
    """E17 to E19: the critic of two fixed Gaussians approaches r*, its value the divergence."""
    torch.manual_seed(0)
    p, q = data.mixture_1d([1.0], [0.0], [1.0]), data.mixture_1d([1.0], [1.0], [1.0])
    D = nets.critic(1, 32)
    phi = torch.optim.Adam(D.parameters(), lr=5e-3)
    for _ in range(600):
        ascend(phi, bounds.bernoulli(D(p.sample((512,))), D(q.sample((512,)))))
    x = torch.linspace(-1.5, 2.5, 41)[:, None]
    error = (D(x) - (0.5 - x.squeeze(-1))).abs()
    assert error.mean() < 0.15
    grid = torch.linspace(-8, 9, 4001)
    truth = 2 * divergences.jensen_shannon(
        p.log_prob(grid[:, None]), q.log_prob(grid[:, None]), 17 / 4000
    ) - math.log(4)
    reached = bounds.bernoulli(D(p.sample((100_000,))), D(q.sample((100_000,))))
    assert abs(reached - truth) < 0.01


def test_a_conditional_model_learns_the_conditional_law():
    """I01: x | u = N(3 u, 0.5^2): the samples of each u have its mean."""

    class Joined(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x, u):
            return self.net(torch.cat([x, u], -1))

    torch.manual_seed(0)
    G, D = Joined(nets.mlp(2, 32, 1)), Joined(nets.critic(2, 32))
    gan = GAN(G, D, standard_normal(1))
    theta, phi = (torch.optim.Adam(net.parameters(), 3e-3, (0.5, 0.99)) for net in (G, D))
    decay = [torch.optim.lr_scheduler.ExponentialLR(player, 0.998) for player in (theta, phi)]
    for _ in range(1500):
        u = torch.randint(-1, 2, (256, 1)).float()
        x = 3 * u + 0.5 * torch.randn(256, 1)
        ascend(phi, gan.value(x, u=u))
        ascend(theta, gan.value(x, flip=True, u=u))
        for schedule in decay:
            schedule.step()
    for label in (-1.0, 0.0, 1.0):
        x = gan.sample(4000, u=torch.full((4000, 1), label))
        assert x.mean().item() == pytest.approx(3 * label, abs=0.35)
        assert 0.25 < x.std() < 0.9


def test_the_squared_gradient_of_a_quadratic_critic():
    r"""r(x) = |x|^2 has E |grad r|^2 = 4 E |x|^2, replica by replica."""
    x = torch.randn(3, 10, 2, dtype=torch.float64)
    v, penalty = squared_gradient(lambda t: t.square().sum(-1), x)
    torch.testing.assert_close(v, x.square().sum(-1))
    torch.testing.assert_close(penalty, 4 * x.square().sum(-1).mean(-1))
    image = torch.randn(4, 1, 5, 5, dtype=torch.float64)
    _, penalty = squared_gradient(lambda t: t.square().flatten(1).sum(1), image)
    torch.testing.assert_close(penalty, 4 * image.square().flatten(1).sum(1).mean())


@pytest.mark.parametrize("bound", [bounds.bernoulli, bounds.relativistic])
def test_the_regularised_step_is_written_out_for_a_linear_critic(bound):
    """With r(x) = w x + b both penalties are w^2, so that the critic ascends V - gamma w^2."""
    gan, x, z = logistic_toy()
    gan.bound, gamma, lr = bound, 3.0, 0.25
    w, b, shift = (
        torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.7, -0.3, -1.0)
    )
    theta, phi = (torch.optim.SGD(net.parameters(), lr) for net in (gan.G, gan.D))
    value = step_regularised(gan, x, theta, phi, gamma)["value"]

    x, x_q = x[:, 0], 0.5 * z[:, 0] + shift
    penalised = bound(w * x + b, w * x_q + b) - gamma * w**2
    dw, db = torch.autograd.grad(penalised, (w, b), retain_graph=True)
    w_, b_ = (w + lr * dw).detach(), (b + lr * db).detach()
    (dshift,) = torch.autograd.grad(bound(w_ * x_q + b_, w_ * x + b_), shift)
    torch.testing.assert_close(value, penalised.detach())
    torch.testing.assert_close(gan.D[0].weight.squeeze().detach(), w_)
    torch.testing.assert_close(gan.D[0].bias.squeeze().detach(), b_)
    torch.testing.assert_close(gan.G.bias.squeeze().detach(), (shift + lr * dshift).detach())
    assert dshift.abs() > 0.01


def dirac(gamma: float, steps: int) -> float:
    """The distance from the equilibrium of the Dirac-GAN after alternating steps from (1, 0)."""
    G = nets.ReplicaLinear(1, 1, 1)
    D = nn.Sequential(nets.ReplicaLinear(1, 1, 1), nn.Flatten(-2))
    gan = GAN(G, D, standard_normal(1))
    G.weight.data.zero_(), G.bias.data.fill_(1.0), D[0].bias.data.zero_(), D[0].weight.data.zero_()
    theta, phi = torch.optim.SGD([G.bias], lr=0.1), torch.optim.SGD([D[0].weight], lr=0.1)
    for _ in range(steps):
        step_regularised(gan, torch.zeros(1, 1, 1), theta, phi, gamma)
    return math.hypot(G.bias.item(), D[0].weight.item())


def test_the_penalty_makes_the_dirac_gan_converge():
    assert dirac(gamma=0.0, steps=500) > 0.3
    assert dirac(gamma=1.0, steps=500) < 5e-3


def test_the_remedy_covers_a_small_ring_in_every_replica():
    """Four Gaussians, 500 steps, 3 replicas: pairing with penalties covers all of them."""
    p = data.ring(modes=4, radius=2.0, sd=0.2)
    torch.manual_seed(0)
    gan = GAN(
        nets.mlp(4, 48, 48, 2, replicas=3),
        nets.critic(2, 48, 48, replicas=3),
        standard_normal(4),
        bounds.relativistic,
    )
    modes = p.component_distribution.mean
    untrained = mode_coverage(gan.sample((3, 1000)), modes, 0.2)
    theta, phi = (torch.optim.Adam(net.parameters(), 2e-3, (0.5, 0.99)) for net in (gan.G, gan.D))
    batches = (p.sample((3, 256)) for _ in range(500))
    fit(lambda x: step_regularised(gan, x, theta, phi, 0.1), batches, progress=False)
    trained = mode_coverage(gan.sample((3, 1000)), modes, 0.2)
    assert trained.captured.min() == 4
    assert trained.high_quality.min() > 0.6
    assert untrained.high_quality.max() < 0.2


def test_descending_the_saturating_value_is_the_minimax_game():
    """E15, E22, E25."""
    gan = small()
    theta = torch.optim.SGD(gan.G.parameters(), lr=1e-3)
    x, z = torch.randn(2, 64, 2, dtype=torch.float64)
    gan.p_0 = Replay(z)
    before = gan.value(x)
    descend(theta, before)
    assert gan.value(x) < before


@pytest.mark.parametrize("one", [step, partial(step_regularised, gamma=0.1)])
def test_a_critic_with_a_column_is_refused_for_points_and_for_pictures(one):
    """The pictures' generator folds its batch, so that nothing but the critic's shape tells."""
    flat = nets.mlp(4, 8, 36)

    def folded(z):
        return flat(z.reshape(-1, 4)).reshape(-1, 1, 6, 6)

    G, D = Function(flat, folded), nn.Sequential(nn.Flatten(), nn.Linear(36, 1))
    pictures = GAN(G, D, standard_normal(4)), torch.randn(12, 1, 6, 6)
    points = GAN(nets.mlp(2, 8, 2), nets.mlp(2, 8, 1), standard_normal(2)), torch.randn(12, 2)
    for gan, x in (pictures, points):
        theta, phi = (torch.optim.SGD(net.parameters(), lr=0.1) for net in (gan.G, gan.D))
        before = copy.deepcopy(gan.state_dict())
        with pytest.raises(ValueError, match=r"^D: .* shape \(12,\) for data .*, got .*\(12, 1\)$"):
            one(gan, x, theta, phi)
        assert all(torch.equal(value, before[key]) for key, value in gan.state_dict().items())
        gan.D.append(nn.Flatten(-2))
        one(gan, x, theta, phi)


def test_torchs_own_law_and_any_sampler_may_be_the_base():
    """What is no module stays where it is; what is one follows the model."""
    law = Independent(Normal(torch.zeros(2), 1.0), 1)
    ours = GAN(nets.mlp(2, 8, 2), nets.critic(2, 8), standard_normal(2))
    torchs = GAN(ours.G, ours.D, law)
    values = []
    for gan in (ours, torchs):
        torch.manual_seed(0)
        values.append(gan.value(torch.ones(5, 2)))
    assert torch.equal(*values)
    assert ours.double().sample(3).dtype == torch.float64
    assert law.sample().dtype == torch.float32


class Function(nn.Module):
    """A function as a network, with the parameters of another."""

    def __init__(self, net: nn.Module, f) -> None:
        super().__init__()
        self.net = net
        self.f = f

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.f(x)


def test_a_penalty_alone_is_the_slope_of_a_linear_critic_descended():
    """With r(x) = w x the penalty is gamma / 2 w^2, whatever x is."""
    D = affine(3.0, 1.0)
    phi = torch.optim.SGD(D.parameters(), lr=0.1)
    found = penalise(D, torch.randn(7, 1, dtype=torch.float64), phi, gamma=0.5)
    assert found.item() == pytest.approx(0.25 * 9)
    assert D[0].weight.item() == pytest.approx(3.0 - 0.1 * 0.5 * 3.0)
    assert D[0].bias.item() == 1.0


@pytest.mark.parametrize("bound", [bounds.bernoulli, bounds.least_squares, bounds.relativistic])
def test_the_shared_step_is_the_algorithm_written_by_hand_with_one_draw(bound):
    gan = small(bound=bound)
    other = copy.deepcopy(gan)
    torch.manual_seed(1)
    z, x = torch.randn(2, 9, 2, dtype=torch.float64)
    gan.p_0 = Replay(z)
    theta, phi = (torch.optim.SGD(net.parameters(), lr=0.1) for net in (gan.G, gan.D))
    value = step_shared(gan, x, theta, phi)["value"]
    before = other.D(x).detach()
    expected = bound(other.D(x), other.D(other.G(z).detach()))
    torch.testing.assert_close(value, expected.detach())
    gradients = torch.autograd.grad(expected, list(other.D.parameters()))
    with torch.no_grad():
        for p, g in zip(other.D.parameters(), gradients, strict=True):
            p += 0.1 * g
    flipped = bound(other.D(other.G(z)), before)
    gradients = torch.autograd.grad(flipped, list(other.G.parameters()))
    with torch.no_grad():
        for p, g in zip(other.G.parameters(), gradients, strict=True):
            p += 0.1 * g
    for p, q in zip(gan.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p, q)


def test_a_shared_step_draws_noise_once_and_the_step_of_the_slides_twice():
    gan = small()
    x = torch.randn(5, 2, dtype=torch.float64)
    theta, phi = (torch.optim.SGD(net.parameters(), lr=0.1) for net in (gan.G, gan.D))
    counts, sample = [], gan.sample
    gan.sample = lambda *a: counts.append(1) or sample(*a)
    step_shared(gan, x, theta, phi)
    assert len(counts) == 1
    step(gan, x, theta, phi)
    assert len(counts) == 3
