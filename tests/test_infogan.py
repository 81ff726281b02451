"""InfoGAN: the law of the code, the bound and its gap, who gets which gradient, a known answer."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from gannotes import bounds, divergences, nets
from gannotes.distributions import Code, Product, codes, one_hot, standard_normal, uniform
from gannotes.models.infogan import InfoGAN, step
from gannotes.optim import ascend

DOUBLE = {"dtype": torch.float64}


def make(replicas=None, categorical=(3,), continuous=2, data=2):
    torch.manual_seed(0)
    width = sum(categorical) + 2 * continuous
    G = nets.mlp(4 + sum(categorical) + continuous, 16, data, replicas=replicas)
    trunk = nets.mlp(data, 16, 16, replicas=replicas).append(nn.Tanh())
    D = nets.critic(16, replicas=replicas)
    Q = Code(nets.mlp(16, width, replicas=replicas), categorical, continuous)
    return InfoGAN(G, trunk, D, Q, standard_normal(4), codes(categorical, continuous))


def players(model, lr=0.05):
    theta = torch.optim.SGD(model.G.parameters(), lr)
    rest = [p for net in (model.trunk, model.D, model.Q) for p in net.parameters()]
    return theta, torch.optim.SGD(rest, lr)


def gradients(model, objective):
    """By network, the gradients of the objective, absent where it does not depend on them."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(objective, parameters, allow_unused=True)
    by_network = {}
    for name, gradient in zip(names, found, strict=True):
        by_network.setdefault(name.split(".")[0], []).append(gradient)
    return by_network


# The law of the code.


def test_codes_are_independent_one_hot_and_uniform():
    """E28."""
    torch.manual_seed(0)
    c = codes(categorical=(3, 2), continuous=2).sample(torch.Size((30_000,)))
    assert c.shape == (30_000, 7)
    first, second, numbers = c.split([3, 2, 2], 1)
    for block, K in ((first, 3), (second, 2)):
        assert torch.equal(block.sum(1), torch.ones(30_000))
        assert block.mean(0).sub(1 / K).abs().max() < 5 * (0.25 / 30_000) ** 0.5
    for column in numbers.T:
        assert stats.kstest(column.numpy(), stats.uniform(-1, 2).cdf).pvalue > 1e-3
    correlation = np.corrcoef(c[:, [0, 3, 5, 6]].T.numpy())
    assert np.abs(correlation - np.eye(4)).max() < 5 / 30_000**0.5


def test_a_product_adds_log_densities_and_entropies():
    """E28."""
    laws = [one_hot(4), uniform(1), standard_normal(2)]
    law = Product(laws)
    torch.manual_seed(0)
    c = law.sample(torch.Size((5,)))
    by_hand = [math.log(1 / 4), math.log(1 / 2), stats.norm.logpdf(c[:, 5:].numpy()).sum(1)]
    parts = law.log_probs(c)
    assert parts.shape == (5, 3)
    for part, want in zip(parts.T, by_hand, strict=True):
        np.testing.assert_allclose(part, np.broadcast_to(want, 5), rtol=1e-5)
    torch.testing.assert_close(law.log_prob(c), parts.sum(-1))
    entropy = math.log(4) + math.log(2) + 2 * stats.norm.entropy()
    assert law.entropy().item() == pytest.approx(entropy, rel=1e-6)
    assert law.mean.tolist() == [0.25] * 4 + [0.0] * 3


def test_a_product_refuses_what_does_not_fit_together():
    normal = torch.distributions.Normal(0.0, 1.0)
    for parts in ([], [normal], [one_hot(2), one_hot(2).expand((3,))]):
        with pytest.raises(
            ValueError, match="parts: expected laws of vectors with one batch shape"
        ):
            Product(parts)


def test_the_code_network_is_a_softmax_and_gaussians():
    """E31."""
    raw = torch.tensor([[1.0, 0.0, -1.0, 0.3, -0.4, 0.1, -2.0]])
    law = Code(nn.Identity(), (3,), 2, floor=0.05)(raw)
    c = torch.tensor([[0.0, 1.0, 0.0, 0.5, -0.5]])
    want = [
        0.0 - math.log(math.e + 1 + 1 / math.e),
        stats.norm.logpdf(0.5, 0.3, 0.05 + math.exp(0.1)),
        stats.norm.logpdf(-0.5, -0.4, 0.05 + math.exp(-2)),
    ]
    np.testing.assert_allclose(law.log_probs(c)[0], want, rtol=1e-5)
    torch.testing.assert_close(law.mean[0, 3:], raw[0, 3:5])
    with pytest.raises(ValueError, match="net: expected 7 outputs, got 6"):
        Code(nn.Identity(), (3,), 2)(raw[:, :6])


# The information and its bound.


def test_information_against_entropies():
    """E29, E30."""
    generator = np.random.default_rng(0)
    joint = generator.dirichlet(np.ones(12), size=4).reshape(4, 3, 4)
    for p, found in zip(joint, divergences.information(torch.tensor(joint).log()), strict=True):
        conditional = sum(p[:, x].sum() * stats.entropy(p[:, x]) for x in range(4))
        assert found.item() == pytest.approx(stats.entropy(p.sum(1)) - conditional, abs=1e-12)
    independent = torch.tensor(np.outer([0.2, 0.8], [0.5, 0.3, 0.2])).log()
    assert divergences.information(independent).item() == pytest.approx(0.0, abs=1e-12)


def test_information_of_a_gaussian_code_by_quadrature():
    """E29."""
    line = torch.linspace(-9, 9, 601, **DOUBLE)
    c, x = torch.meshgrid(line, line, indexing="ij")
    step_ = (line[1] - line[0]).item()
    normal = torch.distributions.Normal
    log_p = normal(0.0, 1.0).log_prob(c) + normal(c, 0.5).log_prob(x) + math.log(step_)
    assert divergences.information(log_p, step_).item() == pytest.approx(0.804718956, abs=1e-8)


def test_information_refuses_a_vector():
    with pytest.raises(ValueError, match=r"^log_joint: expected .*C, K.*got shape \(3,\)"):
        divergences.information(torch.zeros(3))


def channel(flip):
    """A generator that shows a fair bit and flips it in `flip` of all cases, by its noise."""

    class Channel(nn.Module):
        def forward(self, zc):
            z, bit = zc[..., 0], zc[..., 2]
            flipped = z > stats.norm.ppf(1 - flip)
            return torch.where(flipped, 1 - bit, bit)[..., None]

    return Channel()


def reader(flip):
    """Q of a channel that flips with `flip`, as logits of the two classes."""

    class Reader(nn.Module):
        def forward(self, x):
            keep, change = math.log(1 - flip), math.log(flip)
            return torch.cat([keep + (change - keep) * x, change + (keep - change) * x], -1)

    return Reader()


def test_the_model_meets_the_information_of_a_channel_and_no_more():
    """E31, E32: equality at the posterior, the gap a divergence elsewhere."""
    torch.manual_seed(0)
    x = torch.zeros(200_000, 1)
    bound = {}
    for flip in (0.1, 0.2, 0.5):
        parts = channel(0.1), nn.Identity(), nn.Flatten(-2), Code(reader(flip), (2,))
        model = InfoGAN(*parts, standard_normal(1), codes((2,)))
        bound[flip] = model.objectives(x)[1].item()
    assert bound[0.1] == pytest.approx(0.368064207, abs=0.01)
    assert bound[0.2] == pytest.approx(0.331374193, abs=0.01)
    assert bound[0.5] == pytest.approx(0.0, abs=1e-6)


def test_the_objectives_are_the_value_of_a_gan_and_one_bound_a_code():
    """E33, E34: at the same draws, by hand."""
    model, x = make(), torch.randn(7, 2, generator=torch.Generator().manual_seed(1))
    for flip in (False, True):
        torch.manual_seed(5)
        value, information = model.objectives(x, flip)
        torch.manual_seed(5)
        z, c = model.draw(7)
        made = model.generate(z, c)
        v = model.D(model.trunk(x)), model.D(model.trunk(made))
        torch.testing.assert_close(value, bounds.bernoulli(*(v[::-1] if flip else v)))
        law = model.code(made)
        want = [math.log(3), math.log(2), math.log(2)]
        want = torch.tensor(want) + law.log_probs(c).mean(0)
        torch.testing.assert_close(information, want)


# Who moves.


def test_each_head_receives_the_gradient_of_its_own_term():
    """E34, A03: eta that of the information only, D that of the value only, the trunk both."""
    model, x = make(), torch.randn(7, 2)
    torch.manual_seed(5)
    value, information = model.objectives(x)
    torch.manual_seed(5)
    by_value = gradients(model, model.objectives(x)[0])
    torch.manual_seed(5)
    by_information = gradients(model, model.objectives(x)[1].sum())
    assert all(g is None for g in by_value["Q"])
    assert all(g is None for g in by_information["D"])
    for name in ("G", "trunk"):
        assert all(g.abs().max() > 0 for g in by_value[name] + by_information[name])
    lam = 0.7
    together = gradients(model, value + lam * information.sum())
    for mine, want in zip(together["Q"], by_information["Q"], strict=True):
        torch.testing.assert_close(mine, lam * want)
    for mine, a, b in zip(
        together["trunk"], by_value["trunk"], by_information["trunk"], strict=True
    ):
        torch.testing.assert_close(mine, a + lam * b)


@pytest.mark.parametrize("lam", [None, 0.3, [2.0, 0.0, 0.1]])
@pytest.mark.parametrize("replicas", [None, 2])
def test_the_step_is_the_algorithm_written_by_hand_in_plain_torch(replicas, lam):
    """E35, A03: critic and code network, then the generator; both want to read the code."""
    model = make(replicas)
    lead = [] if replicas is None else [replicas]
    twin, x = copy.deepcopy(model), torch.randn(*lead, 16, 2)
    theta, phi_eta = players(model)
    weight = 1.0 if lam is None else torch.tensor(lam)
    options = {} if lam is None else {"lam": weight}
    torch.manual_seed(7)
    returned = [step(model, x, theta, phi_eta, **options) for _ in range(3)]
    torch.manual_seed(7)

    def terms():
        z, c = twin.p_0.sample((*lead, 16)), twin.p_c.sample((*lead, 16))
        h_p, h_q = twin.trunk(x), twin.trunk(twin.G(torch.cat([z, c], -1)))
        readable = twin.Q(h_q).log_probs(c).mean(-2) + twin.p_c.entropies()
        return twin.D(h_p), twin.D(h_q), readable

    def move(modules, objective):
        parameters = [p for module in modules for p in module.parameters()]
        found = torch.autograd.grad(objective.sum(), parameters)
        for parameter, gradient in zip(parameters, found, strict=True):
            parameter.data += 0.05 * gradient

    for row in returned:
        v_p, v_q, readable = terms()
        value = bounds.bernoulli(v_p, v_q)
        move((twin.trunk, twin.D, twin.Q), value + (weight * readable).sum(-1))
        torch.testing.assert_close(row["value"], value)
        torch.testing.assert_close(row["information"], readable)
        v_p, v_q, readable = terms()
        move((twin.G,), bounds.bernoulli(v_q, v_p) + (weight * readable).sum(-1))
    for mine, plain in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, plain)


def test_unless_it_is_flipped_the_value_is_that_of_the_critic():
    model, x = make(), torch.randn(16, 2)
    values = []
    for options in ({}, {"flip": False}, {"flip": True}):
        torch.manual_seed(7)
        values.append(model.objectives(x, **options)[0].item())
    assert values[0] == values[1] != values[2]


def test_without_weight_the_step_is_that_of_a_gan_and_the_code_network_rests():
    """E35."""
    model, x = make(), torch.randn(16, 2)
    before = copy.deepcopy(model.state_dict())
    values = step(model, x, *players(model), lam=0.0)
    moved = {k.split(".")[0] for k, v in model.state_dict().items() if not v.equal(before[k])}
    assert moved == {"G", "trunk", "D"}
    assert set(values) == {"value", "information"}
    step(model, x, *players(model), lam=torch.tensor([1.0, 0.0, 0.1]))
    assert not model.Q.net[-1].bias.equal(before["Q.net.0.bias"])


def test_each_player_ascends():
    """E35: on the same draws."""
    for flip, mover in ((False, 1), (True, 0)):
        model, x = make(), torch.randn(64, 2)

        def objective(model=model, x=x, flip=flip):
            torch.manual_seed(3)
            value, information = model.objectives(x, flip)
            return value + information.sum()

        before = objective()
        ascend(players(model, 0.01)[mover], before)
        assert objective() > before


def test_the_step_is_deterministic_and_serves_replicas():
    """A03."""
    ends = []
    for _ in range(2):
        model = make(replicas=3)
        x = torch.randn(3, 16, 2)
        theta, phi_eta = players(model)
        for _ in range(3):
            values = step(model, x, theta, phi_eta)
        ends.append(model.state_dict())
    assert values["value"].shape == (3,)
    assert values["information"].shape == (3, 3)
    assert len(set(values["value"].tolist())) == 3
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_a_batch_that_is_not_finite_is_refused_before_anything_moves():
    model, x = make(), torch.randn(16, 2)
    x[3, 1] = math.nan
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(FloatingPointError, match="objective: expected finite values"):
        step(model, x, *players(model))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


# A known answer.


def test_the_code_finds_the_modes_and_that_of_a_plain_gan_does_not():
    """A03: two well separated points; with lambda = 0 a code network learns from G as it is."""
    found = {}
    for lam in (1.0, 0.0):
        torch.manual_seed(1)
        S = 4
        G = nets.mlp(4, 32, 1, replicas=S)
        trunk = nets.mlp(1, 32, 32, replicas=S).append(nn.LeakyReLU(0.2))
        D, Q = nets.critic(32, replicas=S), Code(nets.mlp(32, 2, replicas=S), (2,))
        model = InfoGAN(G, trunk, D, Q, standard_normal(2), codes((2,)))
        theta = torch.optim.Adam(G.parameters(), 2e-3, (0.5, 0.99))
        rest = [p for net in (trunk, D, Q) for p in net.parameters()]
        phi_eta = torch.optim.Adam(rest, 2e-3, (0.5, 0.99))
        for _ in range(600):
            x = 2.0 * torch.randint(2, (S, 64, 1)) - 1 + 0.1 * torch.randn(S, 64, 1)
            step(model, x, theta, phi_eta, lam)
        with torch.no_grad():
            z, c = model.draw((S, 2000))
            right = model.generate(z, c)[..., 0] > 0
        found[lam] = ((right == (c[..., 0] > 0.5)).double().mean(-1) - 0.5).abs() * 2
    assert found[1.0].min() > 0.9
    assert found[0.0].median() < 0.8
