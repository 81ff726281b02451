"""f-GAN: value and gradients against the literature, both steps by hand, games of known truth."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, special, stats
from torch import nn

from gannotes import nets
from gannotes.bounds import variational
from gannotes.distributions import standard_normal
from gannotes.divergences import F_DIVERGENCES, JEFFREY, KL, FDivergence, alpha_family
from gannotes.models import gan as gan_
from gannotes.models.fgan import FGAN, step, step_alternating
from gannotes.optim import fit

float64 = torch.tensor(0.0, dtype=torch.float64)
ROWS = {**F_DIVERGENCES, **{f"alpha({a:g})": alpha_family(a) for a in (-1, 0.5, 2)}}
rows = pytest.mark.parametrize("name", ROWS)


class Replay(nn.Module):
    """A base distribution that returns given noise: randomness by hand."""

    def __init__(self, z: torch.Tensor) -> None:
        super().__init__()
        self.z = z
        self.calls = 0

    def sample(self, shape: torch.Size) -> torch.Tensor:
        assert shape == self.z.shape[:-1]
        self.calls += 1
        return self.z


def normal_quantiles(n: int) -> torch.Tensor:
    """A sample of the standard normal without chance, `(n, 1)`."""
    return torch.from_numpy(stats.norm.ppf((np.arange(n) + 0.5) / n))[:, None]


def small(row: FDivergence, **options) -> FGAN:
    torch.manual_seed(0)
    p_0 = standard_normal(2, float64)
    return FGAN(nets.mlp(2, 8, 2), nets.critic(2, 8, **options), p_0, row).double()


class Critic(nn.Module):
    """v(x) = omega_0 + omega_1 x + omega_2 (x^2 - 1): the log ratio of any two Gaussians."""

    def __init__(self, *omega: float) -> None:
        super().__init__()
        self.omega = nn.Parameter(torch.tensor(omega, dtype=torch.float64))

    def forward(self, x):
        x = x.squeeze(-1)
        powers = [torch.ones_like(x), x, x.square() - 1]
        return sum(w * power for w, power in zip(self.omega, powers, strict=False))


class Affine(nn.Module):
    """G(z) = mu + e^rho z, of which the named parts are learnt."""

    def __init__(self, mu: float, sigma: float, learnt: str) -> None:
        super().__init__()
        for name, value in (("mu", mu), ("rho", math.log(sigma))):
            value = torch.tensor(value, dtype=torch.float64)
            setattr(self, name, nn.Parameter(value, requires_grad=name in learnt.split()))

    def forward(self, z):
        return self.mu + self.rho.exp() * z


def players(model, rate_theta, rate_omega):
    theta = [p for p in model.G.parameters() if p.requires_grad]
    return (
        torch.optim.SGD(theta, lr=rate_theta),
        torch.optim.SGD(model.V.parameters(), lr=rate_omega),
    )


# ---------------------------------------------------------------------------------------------
# The value

# name: (activation, conjugate) as the literature prints them, in numpy, not fused
PRINTED = {
    "kl": (lambda v: v, lambda t: np.exp(t - 1)),
    "reverse_kl": (lambda v: -np.exp(-v), lambda t: -1 - np.log(-t)),
    "pearson": (lambda v: v, lambda t: t**2 / 4 + t),
    "neyman": (lambda v: 1 - np.exp(-v), lambda t: 2 - 2 * np.sqrt(1 - t)),
    "squared_hellinger": (lambda v: 1 - np.exp(-v), lambda t: t / (1 - t)),
    "jeffrey": (
        lambda v: 1 + v - np.exp(-v),
        lambda t: special.wrightomega(1 - t) + 1 / special.wrightomega(1 - t) + t - 2,
    ),
    "jensen_shannon": (
        lambda v: np.log(2) - np.log1p(np.exp(-v)),
        lambda t: -np.log(2 - np.exp(t)),
    ),
    "gan": (lambda v: -np.log1p(np.exp(-v)), lambda t: -np.log(1 - np.exp(t))),
    "total_variation": (lambda v: np.tanh(v) / 2, lambda t: t),
}


@pytest.mark.parametrize("name", PRINTED)
def test_the_value_is_the_printed_objective_and_the_flip_swaps_the_samples(name):
    """E50, E52, I05."""
    model = small(ROWS[name])
    x, z = torch.randn(2, 7, 2, dtype=torch.float64)
    model.p_0 = Replay(z)
    h, conjugate = PRINTED[name]
    v_p, v_q = model.V(x).detach().numpy(), model.V(model.G(z)).detach().numpy()
    want = h(v_p).mean() - conjugate(h(v_q)).mean()
    flipped = h(v_q).mean() - conjugate(h(v_p)).mean()
    assert model.value(x).item() == pytest.approx(want, rel=1e-12)
    assert model.value(x, flip=True).item() == pytest.approx(flipped, rel=1e-12)
    assert abs(want - flipped) > 1e-3


class Link(nn.Module):
    """The best raw output of a row with v* = log p/q, for fixed Gaussians."""

    def __init__(self, p, q) -> None:
        super().__init__()
        self.p, self.q = p, q

    def forward(self, x):
        return (self.p.log_prob(x) - self.q.log_prob(x)).squeeze(-1)


def two_normals():
    p, q = (
        torch.distributions.Normal(*torch.tensor(t, dtype=torch.float64))
        for t in ((0.0, 1.0), (0.3, 1.1))
    )
    z = normal_quantiles(20_000)
    return p, q, p.mean + p.stddev * z, z


LINKS = ["reverse_kl", "jeffrey", "jensen_shannon", "gan", "alpha(-1)", "alpha(0.5)", "alpha(2)"]


@pytest.mark.parametrize("name", LINKS)
def test_at_the_log_ratio_the_value_and_its_gradient_are_those_of_the_divergence(name):
    """E50 to E52."""
    p, q, x, z = two_normals()
    row = ROWS[name]
    model = FGAN(Affine(0.3, 1.1, "mu rho"), Link(p, q), Replay(z), row)
    value = model.value(x)
    got = torch.autograd.grad(value, (model.G.mu, model.G.rho))

    nodes = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
    theta = [torch.tensor(t, dtype=torch.float64, requires_grad=True) for t in (0.3, 1.1)]
    log_q = torch.distributions.Normal(*theta).log_prob(nodes)
    truth = row(p.log_prob(nodes), log_q, 0.001)
    d_mu, d_sigma = torch.autograd.grad(truth, theta)
    assert value.item() == pytest.approx(truth.item(), abs=1e-3)
    assert [g.item() for g in got] == pytest.approx(
        [d_mu.item(), 1.1 * d_sigma.item()], abs=4e-3, rel=1e-2
    )
    assert min(abs(g.item()) for g in got) > 0.02


@rows
def test_an_untrained_critic_never_exceeds_the_divergence(name):
    """16 critics at once, on samples so large that chance is small beside the gap."""
    torch.manual_seed(0)
    p, q, x, z = two_normals()
    model = FGAN(
        Affine(0.3, 1.1, ""),
        nets.critic(1, 16, replicas=16),
        Replay(z.expand(16, -1, -1)),
        ROWS[name],
    ).double()
    nodes = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
    truth = ROWS[name](p.log_prob(nodes), q.log_prob(nodes), 0.001)
    value = model.value(x.expand(16, -1, -1))
    assert value.shape == (16,)
    assert (value < truth).all()


def test_images_and_convolutions_have_one_value():
    G = nn.Sequential(nn.Linear(4, 49), nn.Unflatten(-1, (1, 7, 7)), nn.Upsample(scale_factor=4))
    V = nn.Sequential(nn.Conv2d(1, 2, 4, 4), nn.Flatten(), nn.Linear(98, 1), nn.Flatten(0))
    model = FGAN(G, V, standard_normal(4), KL)
    assert model.sample(3).shape == (3, 1, 28, 28)
    assert model.value(torch.rand(3, 1, 28, 28)).shape == ()
    assert model.is_data(torch.rand(3, 1, 28, 28)).shape == (3,)


# ---------------------------------------------------------------------------------------------
# The steps


def by_hand(model, x, optimisers, flip):
    """One step in plain torch: `flip` None is the synchronous one."""
    theta, omega = optimisers
    G, V, f = model.G, model.V, model.f

    def value(swap=False):
        z = torch.randn(x.shape[:-1] + (2,), dtype=torch.float64)
        p, q = (V(G(z)), V(x)) if swap else (V(x), V(G(z)))
        return f.activation(p).mean() - f.penalty(q).mean()

    def move(player, net, loss):
        gradients = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)
        return lambda: (
            [setattr(p, "grad", g) for p, g in zip(net.parameters(), gradients, strict=True)],
            player.step(),
        )

    if flip is None:
        L = value()
        moves = move(omega, V, -L), move(theta, G, L)  # both gradients before either move
        for go in moves:
            go()
        return
    move(omega, V, -value())()
    move(theta, G, -value(swap=True) if flip else value())()


@rows
@pytest.mark.parametrize("flip", [None, True, False])
def test_the_steps_are_the_algorithms_written_by_hand_in_plain_torch(name, flip):
    """E53, A01, A02, A05, I05."""
    model = small(ROWS[name])
    twin = copy.deepcopy(model)
    batches = 0.5 * torch.randn(4, 16, 2, dtype=torch.float64)

    def run(fgan, one):
        optimisers = [torch.optim.Adam(net.parameters(), lr=1e-2) for net in (fgan.G, fgan.V)]
        torch.manual_seed(1)
        for x in batches:
            one(fgan, x, optimisers)

    if flip is None:
        run(model, lambda fgan, x, both: step(fgan, x, *both))
    else:
        run(model, lambda fgan, x, both: step_alternating(fgan, x, *both, flip=flip))
    run(twin, lambda fgan, x, both: by_hand(fgan, x, both, flip))
    for mine, plain in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-10, atol=1e-12)


def trajectory(model, one, rates=(1e-2, 2e-2)):
    theta = torch.optim.Adam(model.G.parameters(), lr=rates[0])
    critic = model.D if isinstance(model, gan_.GAN) else model.V
    omega = torch.optim.Adam(critic.parameters(), lr=rates[1])
    torch.manual_seed(3)
    values = [one(model, torch.randn(32, 2).double(), theta, omega)["value"] for _ in range(20)]
    return [*model.parameters()], torch.stack(values)


def test_the_gan_row_is_the_model_gan():
    """I19."""
    model = small(ROWS["gan"])
    G, D = copy.deepcopy(model.G), copy.deepcopy(model.V)
    other = gan_.GAN(G, D, standard_normal(2, float64))
    mine, values = trajectory(model, step_alternating)
    theirs, their_values = trajectory(other, gan_.step)
    torch.testing.assert_close(values, their_values, rtol=1e-12, atol=1e-12)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_the_gan_of_its_bound(name):
    """E50, I04: another bound is another model. The class here adds the row's own threshold."""
    model = small(ROWS[name])
    parts = copy.deepcopy(model.G), copy.deepcopy(model.V), standard_normal(2, float64)
    mine, values = trajectory(model, step_alternating)
    theirs, their_values = trajectory(gan_.GAN(*parts, variational(ROWS[name])), gan_.step)
    assert torch.equal(values, their_values)
    assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


@pytest.mark.parametrize("one", [step, step_alternating])
def test_the_jensen_shannon_row_plays_the_same_game_as_the_gan_row(one):
    """The published table has 367 nats for one and 305 for the other: not because of the row."""
    mine, values = trajectory(small(ROWS["jensen_shannon"]), one)
    theirs, their_values = trajectory(small(ROWS["gan"]), one)
    torch.testing.assert_close(values, their_values + math.log(4), rtol=0, atol=1e-9)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-8)


def test_the_flip_changes_nothing_for_the_total_variation_and_much_for_the_others():
    """Its activation is its own penalty."""
    for name, row in F_DIVERGENCES.items():
        flipped, plain = (
            trajectory(small(row), lambda *a, flip=flip: step_alternating(*a, flip=flip))[0]
            for flip in (True, False)
        )
        gap = max((a - b).abs().max().item() for a, b in zip(flipped, plain, strict=True))
        assert gap < 1e-9 if name == "total_variation" else gap > 1e-4, name


def test_the_synchronous_step_samples_once_and_goes_back_once(monkeypatch):
    """E53, A05."""
    model, back = small(JEFFREY), []
    model.p_0 = Replay(torch.randn(5, 2, dtype=torch.float64))
    backward = torch.Tensor.backward
    monkeypatch.setattr(
        torch.Tensor, "backward", lambda *a, **k: (back.append(1), backward(*a, **k))
    )
    step(model, torch.randn(5, 2, dtype=torch.float64), *players(model, 0.1, 0.1))
    assert (model.p_0.calls, len(back)) == (1, 1)
    step_alternating(model, torch.randn(5, 2, dtype=torch.float64), *players(model, 0.1, 0.1))
    assert (model.p_0.calls, len(back)) == (3, 3)


MEANS = FDivergence(  # h_f(v) = v = f*(v): the value is omega (E_p[x] - theta), the plain saddle
    "means",
    f=lambda u: torch.where(u == 1, 0.0, math.inf),
    f_prime=torch.zeros_like,
    conjugate=lambda t: t,
    activation=lambda v: v,
    penalty=lambda v: v,
)


def saddle(one):
    model = FGAN(Affine(1.0, 1.0, "mu"), Critic(0.0), Replay(float64.expand(1, 1)), MEANS)
    model.V.forward = lambda x: model.V.omega * x.squeeze(-1)
    theta, omega = players(model, 0.1, 0.1)
    for _ in range(100):
        one(model, torch.zeros(1, 1, dtype=torch.float64), theta, omega)
    return model.G.mu.item(), model.V.omega.item()


def test_synchronous_steps_on_the_bilinear_saddle_spiral_out():
    assert math.hypot(*saddle(step)) == pytest.approx((1 + 0.1**2) ** 50, rel=1e-12)  # 1.6446
    theta, omega = saddle(step)
    turned = (1 - 0.1j) ** 100  # theta + i omega turns by this every hundred steps
    assert (theta, omega) == pytest.approx((turned.real, turned.imag), rel=1e-12)


@pytest.mark.parametrize("flip", [True, False])
def test_alternating_steps_on_the_bilinear_saddle_stay_on_an_ellipse(flip):
    theta, omega = saddle(lambda *a: step_alternating(*a, flip=flip))
    # The invariant of the symplectic Euler method, the critic first.
    assert theta**2 + omega**2 - 0.1 * theta * omega == pytest.approx(1.0, rel=1e-12)
    assert math.hypot(theta, omega) < 1.06


CURVATURE = {  # f''(1), by hand; infinite at the kink of the total variation
    **{"kl": 1.0, "reverse_kl": 1.0, "pearson": 2.0, "neyman": 2.0, "squared_hellinger": 0.5},
    **{"jeffrey": 2.0, "jensen_shannon": 0.5, "gan": 0.5, "total_variation": math.inf},
    **{"alpha(-1)": 1.0, "alpha(0.5)": 1.0, "alpha(2)": 1.0},
}


@rows
def test_the_game_near_the_truth_has_the_known_damping(name):
    r"""I22: at q = p, c = h'(v*): d2L/domega2 = -c^2/f''(1) E[x^2], d2L/domega dtheta = -c."""
    z = normal_quantiles(4001)
    v_star = 1.0 if name == "kl" else 0.0
    model = FGAN(Affine(0.0, 1.0, "mu"), Critic(v_star, 0.0), Replay(z), ROWS[name])
    L = model.value(z)
    at_rest = torch.autograd.grad(L, (model.G.mu, model.V.omega), create_graph=True)
    assert torch.cat([g.flatten() for g in at_rest]).abs().max() < 1e-12
    _, slope = at_rest
    (hessian,) = torch.autograd.grad(slope[1], model.V.omega, retain_graph=True)
    (coupling,) = torch.autograd.grad(slope[1], model.G.mu)
    v = torch.tensor(v_star, dtype=torch.float64, requires_grad=True)
    (c,) = torch.autograd.grad(ROWS[name].activation(v), v)
    variance = z.square().mean().item()
    assert hessian[1].item() == pytest.approx(-(c.item() ** 2) / CURVATURE[name] * variance)
    assert coupling.item() == pytest.approx(-c.item())


# ---------------------------------------------------------------------------------------------
# Games of known truth


@pytest.mark.parametrize("name", [n for n in F_DIVERGENCES if n != "total_variation"])
@pytest.mark.parametrize("one", [step, step_alternating])
def test_a_location_model_finds_the_mean_of_the_data(name, one):
    """The total variation is left out: undamped, as the test above shows, its game goes round."""
    z = normal_quantiles(256)
    model = FGAN(Affine(0.0, 1.0, "mu"), Critic(0.0, 0.0), Replay(z), ROWS[name])
    theta, omega = players(model, 0.1, 0.1)
    history = fit(lambda x: one(model, x, theta, omega), [z + 1] * 300, progress=False)
    assert model.G.mu.item() == pytest.approx(1.0, abs=0.01)
    assert history["value"].max() > history["value"][-1] + 0.05  # the critic saw the gap


# q = N(0, sigma^2) cannot be p = N(m, 1): which sigma is best depends on the divergence.
M, START = 0.8, 1.05


def divergence_of_scale(a, sigma):
    """D_a of p and q in closed form."""
    if a == 0:
        return (sigma**2 + M**2 - 1) / 2 - math.log(sigma)
    if a == 1:
        return math.log(sigma) + ((1 + M**2) / sigma**2 - 1) / 2
    c = a + (1 - a) / sigma**2
    if c <= 0:
        return math.inf
    log_moment = a**2 * M**2 / (2 * c) - a * M**2 / 2 - math.log(c) / 2 - (1 - a) * math.log(sigma)
    return -math.expm1(log_moment) / (a * (1 - a))


def twice_jensen_shannon(sigma):
    p, q = stats.norm(M, 1), stats.norm(0, sigma)

    def integrand(x):
        m = (p.pdf(x) + q.pdf(x)) / 2
        return p.pdf(x) * (p.logpdf(x) - np.log(m)) + q.pdf(x) * (q.logpdf(x) - np.log(m))

    return integrate.quad(integrand, -9, 9, epsabs=1e-10)[0]


def minimum(divergence):
    best = optimize.minimize_scalar(
        divergence, bounds=(0.6, 1.8), method="bounded", options={"xatol": 1e-7}
    )
    return best.x, best.fun


def test_the_closed_forms_of_the_scale_model():
    assert minimum(lambda s: divergence_of_scale(1, s))[0] == pytest.approx((1 + M**2) ** 0.5)
    assert minimum(lambda s: divergence_of_scale(0, s))[0] == pytest.approx(1.0)
    for a in (-1, 0.5, 2):

        def moment(x, a=a):
            return np.exp(a * stats.norm.logpdf(x, M) + (1 - a) * stats.norm.logpdf(x, 0, 1.1))

        value = (1 - integrate.quad(moment, -30, 30, points=(0, M))[0]) / (a * (1 - a))
        assert divergence_of_scale(a, 1.1) == pytest.approx(value, rel=1e-8)


TRUTH = {
    "kl": lambda s: divergence_of_scale(1, s),
    "reverse_kl": lambda s: divergence_of_scale(0, s),
    "neyman": lambda s: 2 * divergence_of_scale(-1, s),
    "squared_hellinger": lambda s: divergence_of_scale(0.5, s) / 2,
    "jeffrey": lambda s: divergence_of_scale(0, s) + divergence_of_scale(1, s),
    "jensen_shannon": twice_jensen_shannon,
    "alpha(2)": lambda s: divergence_of_scale(2, s),
}


def train_scale(name, one):
    z = normal_quantiles(1000)
    model = FGAN(Affine(0.0, START, "rho"), Critic(0.0, 0.0, 0.0), Replay(z), ROWS[name])
    theta, omega = players(model, 0.05, 0.1)
    for _ in range(300):
        value = one(model, z + M, theta, omega)["value"].item()
    return model.G.rho.exp().item(), value


@pytest.mark.parametrize("name", TRUTH)
def test_each_row_finds_its_own_best_scale_and_its_own_divergence(name):
    """E50: mode-seeking to mode-covering: sigma from 0.82 (Neyman) to 1.37 (alpha = 2)."""
    sigma, value = train_scale(name, step)
    best, truth = minimum(TRUTH[name])
    assert sigma == pytest.approx(best, abs=0.015)
    assert value == pytest.approx(truth, rel=0.01)
    assert abs(best - START) > 0.04


@pytest.mark.parametrize(
    ("name", "a"), [("kl", 0), ("reverse_kl", -1), ("squared_hellinger", -0.5), ("alpha(2)", 1)]
)
def test_the_flipped_step_finds_the_best_scale_of_another_divergence(name, a):
    """I05: row a, flipped, ends at the optimum of D_(a-1): the trick changes what is minimised."""
    sigma, _ = train_scale(name, step_alternating)
    assert sigma == pytest.approx(minimum(lambda s: divergence_of_scale(a, s))[0], abs=0.02)
    assert abs(sigma - minimum(TRUTH[name])[0]) > 0.08


@pytest.mark.parametrize("name", ["kl", "jeffrey", "pearson"])
def test_networks_recover_a_gaussian_in_every_replica(name):
    """G(z) = mu + sigma z and a network as critic, four seeds at once, fresh samples."""
    torch.manual_seed(0)
    G = nets.ReplicaLinear(4, 1, 1)
    nn.init.constant_(G.weight, 1.0)
    nn.init.constant_(G.bias, 0.0)
    V = nets.critic(1, 16, replicas=4, activation=nn.Tanh)
    model = FGAN(G, V, standard_normal(1), ROWS[name])
    theta = torch.optim.Adam(G.parameters(), 1e-2, (0.0, 0.99))
    omega = torch.optim.Adam(V.parameters(), 6e-2, (0.0, 0.99))
    decay = [torch.optim.lr_scheduler.ExponentialLR(player, 0.994) for player in (theta, omega)]

    def one(x):
        values = step(model, x, theta, omega)
        for schedule in decay:
            schedule.step()
        return values

    fit(one, (1 + 0.5 * torch.randn(4, 256, 1) for _ in range(500)), progress=False)
    assert (G.bias.flatten() - 1).abs().max() < 0.1  # from 0
    assert (G.weight.flatten() - 0.5).abs().max() < 0.12  # from 1


def test_replicas_are_independent_games():
    """Spoiling one replica's data and noise leaves the others bit-identical."""

    def run(spoil):
        torch.manual_seed(0)
        G, V = nets.mlp(2, 8, 2, replicas=3), nets.critic(2, 8, replicas=3)
        model = FGAN(G, V, standard_normal(2), JEFFREY)
        theta, omega = (torch.optim.Adam(net.parameters(), lr=1e-2) for net in (G, V))
        for one in (step, step_alternating, step):
            x, z = torch.randn(3, 16, 2), torch.randn(3, 16, 2)
            x[1], z[1] = x[1] + spoil, z[1] - spoil
            model.p_0 = Replay(z)
            one(model, x, theta, omega)
        return [p.detach().clone() for p in model.parameters()]

    for clean, spoilt in zip(run(0.0), run(1.0), strict=True):
        assert torch.equal(clean[0], spoilt[0])
        assert torch.equal(clean[2], spoilt[2])
        assert not torch.equal(clean[1], spoilt[1])


# ---------------------------------------------------------------------------------------------
# The threshold


class Best(nn.Module):
    """The best raw output of each row: h_f(v*) = f'(p/q), the activations inverted by hand."""

    def __init__(self, name: str, link: nn.Module) -> None:
        super().__init__()
        self.name, self.link = name, link

    def forward(self, x):
        return ROWS[self.name].best(self.link(x))


@rows
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_best_critic_takes_for_data_exactly_what_is_denser_under_the_data(name, dtype):
    """E51, I18."""
    p, q = torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(0.5, 2.0)
    link = Link(p, q)
    model = FGAN(nn.Identity(), Best(name, link), standard_normal(1), ROWS[name])
    x = torch.linspace(-6, 6, 2 * 3 * 97, dtype=dtype).reshape(2, -1, 1)
    got = model.is_data(x)
    assert got.dtype == torch.bool
    assert torch.equal(got, link(x) > 0)
    assert 0.2 < got.float().mean() < 0.8


def test_where_both_densities_are_equal_nothing_is_taken_for_data():
    """E51: the inequality is strict; for KL, whose t is the raw output, f'(1) = 1."""
    model = FGAN(nn.Identity(), nn.Flatten(-2), standard_normal(1), KL)
    assert model.is_data(torch.tensor([[0.999], [1.0], [1.001]])).tolist() == [False, False, True]


# ---------------------------------------------------------------------------------------------
# What is refused, and a row of one's own


def test_a_divergence_that_is_no_row_is_refused():
    with pytest.raises(TypeError, match="^f: expected an FDivergence, got str"):
        FGAN(nets.mlp(2, 1), nets.critic(1), standard_normal(2), "kl")


def test_a_critic_surer_than_float32_stops_the_run_before_anything_moves():
    model = FGAN(Affine(0.0, 1.0, "mu"), Critic(100.0), standard_normal(1), KL)
    theta, omega = players(model, 0.1, 0.1)
    model.float()
    with pytest.raises(FloatingPointError, match="objective: expected finite values, got -inf"):
        step(model, torch.zeros(3, 1), theta, omega)
    assert (model.G.mu.item(), model.V.omega.item()) == (0.0, 100.0)


def test_a_row_of_ones_own_can_be_trained():
    """The triangular discrimination, f(u) = (u - 1)^2 / (u + 1), is in no table of the book."""
    triangular = FDivergence(
        "triangular",
        f=lambda u: (u - 1) ** 2 / (u + 1),
        f_prime=lambda u: 1 - 4 / (u + 1) ** 2,
        conjugate=lambda t: 4 - t - 4 * torch.sqrt(1 - t),
        activation=lambda v: -torch.expm1(-v),
        penalty=lambda v: 3 + torch.exp(-v) - 4 * torch.exp(-v / 2),
    )
    z = normal_quantiles(256)
    model = FGAN(Affine(0.0, 1.0, "mu"), Critic(0.0, 0.0), Replay(z), triangular)
    theta, omega = players(model, 0.1, 0.1)
    for _ in range(300):
        step(model, z + 1, theta, omega)
    assert model.G.mu.item() == pytest.approx(1.0, abs=0.01)
