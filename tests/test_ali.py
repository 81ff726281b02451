"""ALI: the value of two joints in closed form, the optimum by enumeration, training that finds it.

Most tests use one model: z ~ N(0, 1), x | z ~ N(1.2 z, 0.49), so that the data are N(0, 1.93).
"""

import copy
import itertools
import math
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.distributions import Independent, Normal
from torch.nn.functional import logsigmoid

from gannotes import data, nets, results, weights
from gannotes.bounds import bernoulli, least_squares, relativistic
from gannotes.distributions import Bernoulli, Deterministic, Gaussian, corners, standard_normal
from gannotes.models.ali import ALI, step, step_regularised
from gannotes.optim import ascend
from gannotes.recipes import RECIPES
from gannotes.recipes.ali import (
    VARIANTS,
    Waves,
    clouds,
    grid_ali,
    grid_ali_plain,
    grid_scores,
    samplers,
)

F64 = torch.float64
float64 = torch.tensor(0.0, dtype=F64)
LOG_4 = math.log(4)

A, NOISE = 1.2, 0.7
DATA_SD = math.sqrt(A**2 + NOISE**2)
POSTERIOR = (A / DATA_SD**2, 0.0, NOISE / DATA_SD)  # slope, bias and standard deviation
MISMATCH = (0.3, 0.2, 0.6)


def affine(slope: float, bias: float = 0.0) -> nn.Linear:
    net = nn.Linear(1, 1, dtype=F64)
    nn.init.constant_(net.weight, slope)
    nn.init.constant_(net.bias, bias)
    return net


def gaussian(slope: float, bias: float, sd: float) -> Gaussian:
    return Gaussian(affine(slope, bias), log_sd=torch.tensor(math.log(sd), dtype=F64))


def log_normal(x: torch.Tensor, sd: float) -> torch.Tensor:
    return Normal(0 * float64, sd + 0 * float64).log_prob(x).squeeze(-1)


class LogRatio(nn.Module):
    r"""The best critic of two linear-Gaussian joints, :math:`r^* = \log q_\phi - \log p_\theta`."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        log_q = self.encoder(x).log_prob(z) + log_normal(x, DATA_SD)
        return log_q - self.decoder(z).log_prob(x) - log_normal(z, 1.0)


def linear_gaussian(encoder: tuple = POSTERIOR, decoder: tuple = (A, 0.0, NOISE)) -> ALI:
    """The model with its best critic."""
    q, p = gaussian(*encoder), gaussian(*decoder)
    return ALI(q, p, LogRatio(q, p), standard_normal(1, float64))


class Says(nn.Module):
    """A critic that is a function."""

    def __init__(self, r) -> None:
        super().__init__()
        self.r = r

    def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return self.r(x, z)


class Replay(nn.Module):
    """A base distribution that returns given latent points."""

    def __init__(self, z: torch.Tensor) -> None:
        super().__init__()
        self.z = z

    def sample(self, shape: torch.Size) -> torch.Tensor:
        assert shape == self.z.shape[:-1]
        return self.z


class At(nn.Module):
    """A Gaussian conditional whose noise is given: its samples are quadrature nodes."""

    def __init__(self, law: nn.Module, noise: torch.Tensor) -> None:
        super().__init__()
        self.law, self.noise = law, noise

    def forward(self, x: torch.Tensor) -> Independent:
        p = self.law(x)
        p.rsample = lambda shape=(): p.mean + p.stddev * self.noise
        return p


def log_likelihood(weight, v_q, v_p):
    return (weight * (logsigmoid(v_q) + logsigmoid(-v_p))).sum()


def exact(ali: ALI, bound=log_likelihood) -> float:
    """`ALI.value` by Gauss-Hermite quadrature: a bound that weighs the nodes, on nodes as noise."""
    t, w = np.polynomial.hermite_e.hermegauss(120)
    keep = w > 1e-30
    t, w = torch.tensor(t[keep]), torch.tensor(w[keep] / w.sum())
    first, second = (e.reshape(-1, 1) for e in torch.meshgrid(t, t, indexing="ij"))
    weight = (w[:, None] * w).flatten()

    laws = At(ali.encoder, second), At(ali.decoder, second)
    at = ALI(*laws, ali.D, Replay(first), partial(bound, weight))
    return at.value(DATA_SD * first).item()


def test_the_value_is_minus_log_four_where_encoder_and_decoder_agree():
    """E69: the encoder is the posterior, D* is 1/2 everywhere, the two joints are one."""
    assert pytest.approx((0.621761658, 0.0, 0.503871026), abs=1e-9) == POSTERIOR
    ali = linear_gaussian()
    x, z = torch.randn(2, 50, 1, dtype=F64)
    torch.testing.assert_close(ali.D(x, z).sigmoid(), torch.full((50,), 0.5, dtype=F64))
    assert exact(ali) == pytest.approx(-1.386294361, abs=1e-9)
    assert pytest.approx(-1.386294361, abs=1e-9) == -LOG_4


def test_the_value_of_two_joints_that_differ_is_their_divergence_less_log_four():
    """E68, E69: 2 JS - log 4 with the best critic; KL(q || p) is the mean of its raw output."""
    ali = linear_gaussian(MISMATCH)
    assert exact(ali) == pytest.approx(-1.218448113, abs=1e-8)
    assert exact(ali) + LOG_4 == pytest.approx(0.167846248, abs=1e-8)
    kl = exact(ali, lambda weight, v_q, _: (weight * v_q).sum())
    assert kl == pytest.approx(0.506657005, abs=1e-9)
    # The marginals of x agree, so that the divergence is one of conditionals, averaged over x.
    (slope, bias, sd), (best, _, best_sd) = MISMATCH, POSTERIOR
    error = (slope - best) ** 2 * DATA_SD**2 + bias**2
    by_hand = math.log(best_sd / sd) + (sd**2 + error) / (2 * best_sd**2) - 0.5
    assert kl == pytest.approx(by_hand, abs=1e-12)


def test_the_value_on_samples_is_the_exact_one_within_its_error():
    torch.manual_seed(0)
    ali, n = linear_gaussian(MISMATCH), 200_000
    spread = []

    def bound(v_q, v_p):
        terms = logsigmoid(v_q), logsigmoid(-v_p)
        spread.append(math.sqrt(sum(t.var().item() for t in terms) / n))
        return bernoulli(v_q, v_p)

    ali.bound = bound
    value = ali.value(DATA_SD * torch.randn(n, 1, dtype=F64)).item()
    assert value == pytest.approx(-1.218448113, abs=4 * spread[0])
    assert spread[0] < 2e-3


@pytest.mark.parametrize("change", [(0.05, 0, 0), (-0.05, 0, 0), (0, 0.05, 0), (0, 0, 0.03)])
def test_every_other_encoder_has_a_larger_divergence(change):
    encoder = tuple(a + b for a, b in zip(POSTERIOR, change, strict=True))
    assert exact(linear_gaussian(encoder)) > -LOG_4 + 1e-4


def test_a_decoder_that_has_only_the_right_marginal_needs_the_encoder_to_be_its_posterior():
    """E69: many decoders explain N(0, 1.93); each has one encoder, and no other, at -log 4."""
    for slope in (0.3, -1.0):
        noise = math.sqrt(DATA_SD**2 - slope**2)
        decoder = (slope, 0.0, noise)
        own = (slope / DATA_SD**2, 0.0, noise / DATA_SD)
        assert exact(linear_gaussian(own, decoder)) == pytest.approx(-LOG_4, abs=1e-9)
        assert exact(linear_gaussian(POSTERIOR, decoder)) > -LOG_4 + 0.1


def test_no_other_critic_gives_a_larger_value():
    torch.manual_seed(0)
    ali = linear_gaussian(MISMATCH)
    best, r = exact(ali), ali.D
    for _ in range(20):
        a, b, c, d = (0.3 * torch.randn(4, dtype=F64)).tolist()
        ali.D = Says(
            lambda x, z, a=a, b=b, c=c, d=d: (1 + a) * r(x, z) + (b + c * x + d * x * z).squeeze(-1)
        )
        assert exact(ali) < best


# Three points: BiGAN, encoder and decoder without noise, each a permutation.

PERMUTATIONS = [torch.eye(3, dtype=F64)[list(order)] for order in itertools.permutations(range(3))]


def permutation(matrix: torch.Tensor) -> Deterministic:
    net = nn.Linear(3, 3, bias=False, dtype=F64)
    net.weight.data = matrix.mT.clone()  # the point e_i goes to row i of the matrix
    return Deterministic(net)


class Table(nn.Module):
    """A critic of pairs of one-hot points: a table of raw outputs."""

    def __init__(self, raw: torch.Tensor) -> None:
        super().__init__()
        self.raw = nn.Parameter(raw)

    def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return (x @ self.raw * z).sum(-1)


def three_points(E: torch.Tensor, G: torch.Tensor, raw: torch.Tensor | None = None) -> ALI:
    """BiGAN on three points; its best critic is sure of the pairs that only one side makes."""
    best = 60 * (E - G.mT)  # q has the pairs (i, E(i)), p has (G(j), j)
    D = Table(best if raw is None else raw)
    return ALI(permutation(E), permutation(G), D, Replay(torch.eye(3, dtype=F64)))


def test_three_points_without_noise_are_at_the_optimum_iff_the_encoder_inverts_the_decoder():
    """E69 for BiGAN: all 36 pairs of permutations, value by the number of common pairs."""
    x = torch.eye(3, dtype=F64)
    values = {3: -1.386294361, 2: -0.924196241, 1: -0.462098120, 0: 0.0}
    seen = {}
    for E, G in itertools.product(PERMUTATIONS, repeat=2):
        ali = three_points(E, G)
        value = ali.value(x).item()
        common = int((E * G.mT).sum())
        assert value == pytest.approx(values[common], abs=1e-9)
        assert (value < -LOG_4 + 1e-9) == torch.equal(E @ G, x)
        assert torch.equal(ali.reconstruct(x), x) == (common == 3)
        seen[common] = seen.get(common, 0) + 1
    assert seen == {3: 6, 1: 18, 0: 12}  # permutations of three points never agree on just two


def test_two_common_pairs_of_three_need_an_encoder_that_is_no_permutation():
    E = torch.eye(3, dtype=F64)[[0, 1, 0]]  # the third point is coded as the first
    ali = three_points(E, torch.eye(3, dtype=F64))
    assert ali.value(torch.eye(3, dtype=F64)).item() == pytest.approx(-0.924196241, abs=1e-9)


def test_ascending_the_table_reaches_the_value_from_below():
    x, raw = torch.eye(3, dtype=F64), torch.zeros(3, 3, dtype=F64)
    ali = three_points(PERMUTATIONS[0], PERMUTATIONS[1], raw)
    omega = torch.optim.SGD(ali.D.parameters(), lr=5.0)
    values = [ascend(omega, ali.value(x)).item() for _ in range(60)]
    assert values[0] == pytest.approx(-LOG_4)
    assert values == sorted(values)
    assert -0.462098120 - 0.02 < values[-1] < -0.462098120


# The code: which pairs, in which order, with which gradients.


def small(replicas: int | None = None, **options) -> ALI:
    torch.manual_seed(0)
    encoder = Gaussian(nets.mlp(3, 8, 4, replicas=replicas))
    decoder = Gaussian(nets.mlp(2, 8, 6, replicas=replicas))
    first, second = (nets.mlp(d, 8, replicas=replicas) for d in (3, 2))
    D = nets.Pair(first, second, nets.critic(8, 8, replicas=replicas))
    return ALI(encoder, decoder, D, standard_normal(2, float64), **options).double()


def players(ali: ALI, rate: float = 1e-2) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    samplers = [*ali.decoder.parameters(), *ali.encoder.parameters()]
    return torch.optim.Adam(samplers, rate), torch.optim.Adam(ali.D.parameters(), rate)


def test_the_critic_sees_data_first_and_codes_second_and_encoder_pairs_are_class_one():
    """E68 with X19 and X36: q is (data, their codes), p is (samples, the codes they came from)."""
    pairs, classes = [], []

    def probe(x, z):
        pairs.append((x, z))
        return torch.full(x.shape[:-1], float(len(pairs)), dtype=F64)

    ali = small(bound=lambda one, zero: classes.append((one[0].item(), zero[0].item())) or one)
    ali.D = Says(probe)
    ali.encoder = Deterministic(nn.Linear(3, 2, dtype=F64))
    ali.decoder = Deterministic(nn.Linear(2, 3, dtype=F64))
    x = torch.randn(7, 3, dtype=F64)
    ali.value(x)
    (x_q, z_q), (x_p, z_p) = pairs
    assert torch.equal(x_q, x)
    assert torch.equal(z_q, ali.encoder.net(x))
    assert z_p.shape == (7, 2)
    assert torch.equal(x_p, ali.decoder.net(z_p))
    ali.value(x, flip=True)
    assert classes == [(1.0, 2.0), (4.0, 3.0)]


def test_flipping_is_the_same_as_a_critic_of_the_opposite_opinion():
    ali, x = small(), torch.randn(7, 3, dtype=F64)
    torch.manual_seed(1)
    flipped = ali.value(x, flip=True)
    D = ali.D
    ali.D = Says(lambda x, z: -D(x, z))
    torch.manual_seed(1)
    torch.testing.assert_close(ali.value(x), flipped)


@pytest.mark.parametrize("bound", [bernoulli, least_squares, relativistic])
def test_the_value_is_the_bound_of_the_critic_on_both_kinds_of_pairs(bound):
    ali, x = small(bound=bound), torch.randn(7, 3, dtype=F64)
    torch.manual_seed(1)
    value = ali.value(x)
    torch.manual_seed(1)
    z_q, z = ali.encoder(x).rsample(), torch.randn(7, 2, dtype=F64)
    torch.testing.assert_close(
        value, bound(ali.D(x, z_q), ali.D(ali.decoder(z).rsample(), z)), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(("options", "K"), [({}, 1), ({"K": 1}, 1), ({"K": 2}, 2)])
def test_the_step_is_the_algorithm_written_by_hand_in_plain_torch(options, K):
    """A07: K ascents of the critic, 1 by default, then both samplers on the swapped classes."""
    ali = small()
    twin = copy.deepcopy(ali)
    theta_phi, omega = players(ali)
    theta_phi_, omega_ = players(twin)
    batches = torch.randn(4, 16, 3, dtype=F64)

    torch.manual_seed(1)
    returned = [step(ali, x, theta_phi, omega, **options)["value"] for x in batches]

    def normal(law):
        return law.mean + law.stddev * torch.randn(law.mean.shape, dtype=F64)

    torch.manual_seed(1)
    for x, value in zip(batches, returned, strict=True):
        for turn in range(K + 1):
            z_q = normal(twin.encoder(x))
            v_q = twin.D(x, z_q if turn == K else z_q.detach())
            z = torch.randn(16, 2, dtype=F64)
            x_p = normal(twin.decoder(z))
            v_p = twin.D(x_p if turn == K else x_p.detach(), z)
            player = theta_phi_ if turn == K else omega_
            player.zero_grad()
            if turn == K:  # both want the critic to take one for the other
                (-logsigmoid(-v_q).mean() - logsigmoid(v_p).mean()).backward()
            else:
                V = logsigmoid(v_q).mean() + logsigmoid(-v_p).mean()
                (-V).backward()
            player.step()
        torch.testing.assert_close(value, V.detach())
    for mine, plain in zip(ali.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-11, atol=1e-11)


def test_the_samplers_get_no_gradient_from_the_critics_move_and_the_critic_none_from_theirs():
    ali, x = small(), torch.randn(16, 3, dtype=F64)
    theta_phi, omega = players(ali)
    samplers = [*ali.encoder.parameters(), *ali.decoder.parameters()]
    ascend(omega, ali.value(x))
    assert all(p.grad is None for p in samplers)
    assert all(p.grad is not None for p in ali.D.parameters())
    ali.zero_grad()
    ascend(theta_phi, ali.value(x, flip=True))
    assert all(p.grad is None for p in ali.D.parameters())
    assert all(p.grad.abs().sum() > 0 for p in samplers)


def test_a_confident_critic_leaves_the_value_without_slope_and_the_flipped_value_with_one():
    """E27 for both samplers: the slopes in r are (1 - D, D), and a flip swaps the two."""
    ali, x = small(), torch.randn(64, 3, dtype=F64)
    D, samplers = ali.D, [*ali.encoder.parameters(), *ali.decoder.parameters()]

    def slopes(flip):
        sure = iter([20.0, -20.0])  # of the encoder's pairs, then of the decoder's
        ali.D = Says(lambda x, z: D(x, z) + next(sure))
        torch.manual_seed(1)
        gradients = torch.autograd.grad(ali.value(x, flip), samplers)
        return torch.cat([g.flatten() for g in gradients]).norm().item()

    assert slopes(flip=False) < 1e-6 * slopes(flip=True)


def test_replicas_are_independent_games():
    """Spoiling one replica's data leaves the others bit-identical."""

    def run(spoil):
        ali = small(replicas=3)
        theta_phi, omega = players(ali)
        torch.manual_seed(1)
        for _ in range(5):
            x = torch.randn(3, 16, 3, dtype=F64)
            x[1] += spoil
            value = step(ali, x, theta_phi, omega)["value"]
            assert value.shape == (3,)
        return [p.detach().clone() for p in ali.parameters()]

    for clean, spoilt in zip(run(0.0), run(1.0), strict=True):
        assert torch.equal(clean[[0, 2]], spoilt[[0, 2]])
        assert not torch.equal(clean[1], spoilt[1])


# There and back.


def test_a_reconstruction_is_a_draw_from_the_posterior_predictive():
    r"""I17: x' | x ~ N(a c x, a^2 s^2 + noise^2); it shrinks, and only its law over x is exact."""
    torch.manual_seed(0)
    n = 200_000
    ali = linear_gaussian()
    x = DATA_SD * torch.randn(n, 1, dtype=F64)
    back = ali.reconstruct(x)
    c, _, s = POSTERIOR
    shrink, sd = A * c, math.sqrt(A**2 * s**2 + NOISE**2)
    assert shrink == pytest.approx(0.746113990, abs=1e-9)
    rest = back - shrink * x
    assert rest.mean().item() == pytest.approx(0.0, abs=5 * sd / math.sqrt(n))
    assert rest.var().item() == pytest.approx(sd**2, abs=5 * sd**2 * math.sqrt(2 / n))
    assert (rest * x).mean().item() == pytest.approx(0.0, abs=5 * sd * DATA_SD / math.sqrt(n))
    assert back.var().item() == pytest.approx(1.93, abs=5 * 1.93 * math.sqrt(2 / n))
    # E (x' - x)^2 = 2 Var x (1 - a c): as far as two draws of one posterior predictive
    mse = 2 * DATA_SD**2 * (1 - shrink)
    assert mse == pytest.approx(0.98, abs=1e-9)  # = 2 noise^2
    assert (back - x).square().mean().item() == pytest.approx(mse, abs=5 * mse * math.sqrt(2 / n))


def test_without_noise_the_optimum_reconstructs_exactly():
    torch.manual_seed(0)
    net = nn.Linear(3, 3, dtype=F64)
    back = nn.Linear(3, 3, dtype=F64)
    back.weight.data = torch.linalg.inv(net.weight.data)
    back.bias.data = -back.weight.data @ net.bias.data
    ali = ALI(Deterministic(net), Deterministic(back), small().D, standard_normal(3, float64))
    x = torch.randn(10, 3, dtype=F64)
    torch.testing.assert_close(ali.reconstruct(x), x, rtol=1e-9, atol=1e-9)


def test_samples_have_the_law_of_the_data():
    """E05: x' ~ p(x | z), z ~ p_0, has mean 0 and variance a^2 + noise^2."""
    torch.manual_seed(0)
    x = linear_gaussian().sample(200_000)
    assert x.shape == (200_000, 1)
    assert x.mean().item() == pytest.approx(0.0, abs=5 * DATA_SD / math.sqrt(2e5))
    assert x.var().item() == pytest.approx(1.93, abs=5 * 1.93 * math.sqrt(2 / 2e5))


# Training.


class Quadratic(nn.Module):
    """A stack of critics that are quadratic in (x, z), which the best one is."""

    def __init__(self, replicas: int) -> None:
        super().__init__()
        self.net = nets.ReplicaLinear(replicas, 5, 1)
        nn.init.zeros_(self.net.weight)
        nn.init.zeros_(self.net.bias)

    def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return self.net(torch.cat([x, z, x * x, x * z, z * z], -1)).squeeze(-1)


def stack(slope: float, log_sd: float, replicas: int) -> Gaussian:
    net = nets.ReplicaLinear(replicas, 1, 1)
    nn.init.constant_(net.weight, slope)
    nn.init.zeros_(net.bias)
    return Gaussian(net, nn.Parameter(torch.full((replicas, 1, 1), log_sd)))


def numbers(law: Gaussian) -> list[tuple[float, float, float]]:
    """Slope, bias and standard deviation of each replica."""
    parts = law.net.weight, law.net.bias, law.log_sd.exp()
    return list(zip(*(part.flatten().tolist() for part in parts), strict=True))


def divergences(ali: ALI) -> list[float]:
    """2 JS of the two joints, replica by replica, with the best critic and by quadrature."""
    pairs = zip(numbers(ali.encoder), numbers(ali.decoder), strict=True)
    return [exact(linear_gaussian(q, p)) + LOG_4 for q, p in pairs]


def test_training_makes_the_joints_agree_and_the_encoder_the_posterior():
    S, steps = 3, 600
    torch.manual_seed(0)
    encoder, decoder = stack(0.2, 0.0, S), stack(0.7, 0.0, S)
    ali = ALI(encoder, decoder, Quadratic(S), standard_normal(1))
    assert min(divergences(ali)) > 0.05
    theta_phi = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 1e-2, (0.5, 0.99))
    omega = torch.optim.Adam(ali.D.parameters(), 3e-2, (0.5, 0.99))
    decay = [torch.optim.lr_scheduler.CosineAnnealingLR(o, steps) for o in (theta_phi, omega)]
    for _ in range(steps):
        value = step(ali, DATA_SD * torch.randn(S, 256, 1), theta_phi, omega)["value"]
        for schedule in decay:
            schedule.step()
    assert max(divergences(ali)) < 3e-3
    for (c, m, s), (a, b, noise) in zip(numbers(encoder), numbers(decoder), strict=True):
        assert a**2 + noise**2 == pytest.approx(DATA_SD**2, abs=0.15)
        assert (b, m) == pytest.approx((0, 0), abs=0.1)
        assert c == pytest.approx(a / (a**2 + noise**2), abs=0.04)
        assert s == pytest.approx(noise / math.hypot(a, noise), abs=0.04)
    assert value.mean().item() == pytest.approx(-LOG_4, abs=0.02)


# Errors.


def test_a_batch_that_is_not_finite_is_refused_before_anything_moves():
    ali, x = small(), torch.randn(16, 3, dtype=F64)
    x[3, 1] = math.nan
    before = copy.deepcopy(ali.state_dict())
    with pytest.raises(FloatingPointError, match="objective: expected finite values"):
        step(ali, x, *players(ali))
    assert all(torch.equal(value, before[key]) for key, value in ali.state_dict().items())


def test_a_law_through_which_no_gradient_passes_is_refused():
    ali = small()
    ali.decoder = Bernoulli(nn.Linear(2, 3, dtype=F64))
    with pytest.raises(NotImplementedError):
        ali.value(torch.randn(4, 3, dtype=F64))


def test_a_player_that_the_value_does_not_depend_on_is_refused():
    ali = small()
    stranger = torch.optim.SGD(nn.Linear(1, 1, dtype=F64).parameters(), 0.1)
    with pytest.raises(ValueError, match="objective: expected a function of the player's"):
        ascend(stranger, ali.value(torch.randn(4, 3, dtype=F64)))


# The grid of 25 Gaussians.


def test_waves_are_the_point_and_three_octaves_of_sines_and_cosines():
    x = torch.tensor([[0.5, -1.25]], dtype=F64)
    angles = [scale * t for scale in (0.5, 1, 2, 4) for t in (0.5, -1.25)]
    waves = [f(angle) for f in (math.sin, math.cos) for angle in angles]
    torch.testing.assert_close(Waves()(x)[0], torch.tensor([0.125, -0.3125, *waves], dtype=F64))


def test_clouds_have_the_density_of_the_corners():
    z = torch.randn(50, 4, dtype=F64)
    clouds_, corners_ = clouds(4, 0.3).double(), corners(4, 0.3, float64)
    torch.testing.assert_close(clouds_.log_prob(z), corners_.log_prob(z))
    z = clouds_.sample((20_000,))
    assert z.dtype == F64
    assert (z.abs() - 1).std().item() == pytest.approx(0.3, rel=0.02)
    shares = ((z > 0).long() * torch.tensor([1, 2, 4, 8])).sum(-1).bincount() / 20_000
    assert (shares - 1 / 16).abs().max() < 5 * math.sqrt(1 / 16 / 20_000)


def test_the_penalties_of_a_linear_critic_are_the_squares_of_its_slopes():
    """And the samplers then ascend the flipped value: in the direction in which r says 'p'."""
    a, b = torch.tensor([1.0, -2.0], dtype=F64), torch.tensor([0.5], dtype=F64)
    D = Says(lambda x, z: x @ D.a + z @ D.b)
    D.a, D.b = nn.Parameter(a.clone()), nn.Parameter(b.clone())
    laws = Deterministic(nn.Linear(2, 1, dtype=F64)), Deterministic(nn.Linear(1, 2, dtype=F64))
    z, x = torch.randn(6, 1, dtype=F64), torch.randn(6, 2, dtype=F64)
    ali = ALI(*laws, D, Replay(z), relativistic)
    samplers_ = [*laws[0].parameters(), *laws[1].parameters()]
    theta_phi, omega = torch.optim.SGD(samplers_, 0.01), torch.optim.SGD(D.parameters(), 0.1)
    expected = (ali.value(x) - 0.3 * (1 + 4 + 0.25)).detach()
    torch.testing.assert_close(step_regularised(ali, x, theta_phi, omega, 0.3)["value"], expected)
    assert not torch.equal(D.a, a)
    flipped = ali.value(x, flip=True)
    for _ in range(5):
        step_regularised(ali, x, theta_phi, torch.optim.SGD(D.parameters(), 0.0), 0.3)
    assert ali.value(x, flip=True) > flipped


class Constant(nn.Module):
    """A decoder that has collapsed."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.full_like(z, self.value)


def test_the_scores_of_a_perfect_model_and_of_one_that_knows_one_mode():
    torch.manual_seed(0)
    same = Deterministic(nn.Identity())
    perfect = grid_scores(ALI(same, same, nn.Identity(), data.grid()), 3)
    assert perfect.captured.tolist() == [25] * 3
    share = 1 - math.exp(-4.5)  # within three standard deviations, in the plane
    assert perfect.high_quality.mean().item() == pytest.approx(share, abs=0.005)
    assert perfect.distance.tolist() == [0] * 3
    assert perfect.same_mode.tolist() == [1] * 3
    collapsed = grid_scores(ALI(same, Deterministic(Constant(0.0)), nn.Identity(), data.grid()), 3)
    assert collapsed.captured.tolist() == [1] * 3
    assert collapsed.same_mode.mean().item() == pytest.approx(1 / 25, abs=0.01)
    far = sum(math.hypot(2 * i, 2 * j) for i in range(-2, 3) for j in range(-2, 3)) / 25
    assert collapsed.distance.mean().item() == pytest.approx(far, abs=0.05)


@pytest.mark.parametrize("name", ["ali_grid_plain", "ali_grid_remedied"])
def test_a_stack_of_the_grid_is_deterministic_and_differs_between_seeds(name, tmp_path):
    ends = []
    for run, seed in enumerate([0, 0, 1]):
        out = tmp_path / str(run)
        RECIPES[name](out, seed, steps=2)
        state = load_file(out / f"{name}_{seed}.safetensors")
        ends.append(torch.cat([state[key].flatten() for key in sorted(state)]))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_the_remedied_stack_starts_with_the_spread_of_the_data():
    torch.manual_seed(0)
    ali, *_ = VARIANTS["remedied"]("cpu")
    spread = ali.sample((4, 2000)).std((-2, -1))
    assert spread.tolist() == pytest.approx([2.83] * 4, rel=0.08)


def shipped(variant):
    return [row for row in results.load("ali_grid") if row["variant"] == variant]


@pytest.mark.parametrize("variant", ["ali_grid", "ali_grid_plain"])
def test_the_shipped_table_has_16_replicas_with_numbers_in_their_ranges(variant):
    rows = shipped(variant)
    assert [row["replica"] for row in rows] == list(range(16))
    assert len({row["seed"] for row in rows}) == 4
    for row in rows:
        assert 0 <= row["captured"] <= 25
        assert 0 <= row["high_quality"] <= 1
        assert 0 <= row["same_mode"] <= 1
        assert 0 < row["distance"] < 12


def test_the_remedies_keep_the_modes_that_plain_ali_loses():
    remedied, plain = shipped("ali_grid"), shipped("ali_grid_plain")
    assert sum(row["captured"] == 25 for row in remedied) == 14  # twelve were aimed at
    assert min(row["captured"] for row in remedied) >= 24
    assert sum(row["high_quality"] > 0.8 for row in remedied) == 15
    assert min(row["high_quality"] for row in remedied) > 0.79
    assert max(row["high_quality"] for row in plain) < min(r["high_quality"] for r in remedied)


@pytest.mark.parametrize(
    ("variant", "make"), [("ali_grid", grid_ali), ("ali_grid_plain", grid_ali_plain)]
)
def test_the_shipped_weights_score_what_the_first_row_says(variant, make):
    torch.manual_seed(0)
    ali, row = make(1), shipped(variant)[0]
    weights.load(samplers(ali), variant)
    scores = grid_scores(ali, 1)
    assert scores.captured.item() == pytest.approx(row["captured"], abs=4)  # stray hits count
    assert scores.high_quality.item() == pytest.approx(row["high_quality"], abs=0.04)
    assert scores.same_mode.item() == pytest.approx(row["same_mode"], abs=0.05)
