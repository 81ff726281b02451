"""One contract over all models: who moves, who does not, and what a step returns."""

import copy
import math
from functools import partial

import pytest
import torch
from torch import nn

from gannotes import bounds, nets
from gannotes.distributions import Gaussian, standard_normal
from gannotes.divergences import F_DIVERGENCES, alpha_family
from gannotes.models import fgan, gan, vae
from gannotes.optim import ascend, descend

BOUNDS = [bounds.bernoulli, bounds.least_squares, bounds.relativistic]
ROWS = [*F_DIVERGENCES.values(), alpha_family(0.5), alpha_family(-1), alpha_family(3)]
STEPS = {
    gan.GAN: [gan.step, partial(gan.step, K=2), partial(gan.step_regularised, gamma=0.1)],
    fgan.FGAN: [fgan.step, fgan.step_alternating, partial(fgan.step_alternating, flip=False)],
}
# Every model of two players: its critic's name, and how to make it from G, critic and p_0.
MODELS = {
    **{f"gan({b.__name__})": ("D", partial(gan.GAN, bound=b)) for b in BOUNDS},
    **{f"fgan({row.name})": ("V", partial(fgan.FGAN, f=row)) for row in ROWS},
}
models = pytest.mark.parametrize("name", MODELS)


def make(name, replicas=None):
    """The model, the optimisers of its two players, and a batch."""
    torch.manual_seed(0)
    critic, model = MODELS[name]
    nets_ = nets.mlp(2, 8, 2, replicas=replicas), nets.critic(2, 8, replicas=replicas)
    model = model(*nets_, standard_normal(2))
    theta = torch.optim.SGD(model.G.parameters(), lr=0.05)
    phi = torch.optim.SGD(getattr(model, critic).parameters(), lr=0.05)
    return model, theta, phi, torch.randn(*(() if replicas is None else (replicas,)), 16, 2)


def steps(name):
    return STEPS[MODELS[name][1].func]


def moved(model: nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    """The networks of which at least one parameter has changed."""
    now = model.state_dict()
    return {name.split(".")[0] for name in now if not torch.equal(now[name], before[name])}


@models
def test_only_the_player_that_is_named_moves(name):
    critic = MODELS[name][0]
    model, theta, phi, x = make(name)
    for move, player, flip, expected in [
        (ascend, phi, False, critic),
        (descend, theta, False, "G"),
        (ascend, theta, True, "G"),
    ]:
        before = copy.deepcopy(model.state_dict())
        model.zero_grad()
        move(player, model.value(x, flip))
        assert moved(model, before) == {expected}
        other = model.G if expected == critic else getattr(model, critic)
        assert all(p.grad is None for p in other.parameters())


@models
def test_a_step_moves_every_player_and_returns_detached_named_values(name):
    for step in steps(name):
        model, theta, phi, x = make(name)
        before = copy.deepcopy(model.state_dict())
        values = step(model, x, theta, phi)
        assert moved(model, before) == {"G", MODELS[name][0]}
        assert values["value"].shape == ()
        assert not any(value.requires_grad for value in values.values())


@models
def test_ascending_raises_and_descending_lowers_the_objective_on_the_same_samples(name):
    for move, owner, flip, sign in [
        (ascend, "critic", False, 1),
        (descend, "G", False, -1),
        (ascend, "G", True, 1),
    ]:
        model, theta, phi, x = make(name)

        def value(model=model, x=x, flip=flip):
            torch.manual_seed(7)
            return model.value(x, flip)

        before = value()
        move(phi if owner == "critic" else theta, before)
        assert sign * (value() - before) > 0


@models
def test_the_step_is_deterministic_under_a_seed(name):
    for step in steps(name):
        ends = []
        for _ in range(2):
            model, theta, phi, x = make(name)
            for _ in range(3):
                step(model, x, theta, phi)
            ends.append(model.state_dict())
        assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


@models
def test_a_leading_dimension_gives_one_sample_and_one_value_per_replica(name):
    model, theta, phi, x = make(name, replicas=3)
    assert model.sample((3, 5)).shape == (3, 5, 2)
    for step in steps(name):
        values = step(model, x, theta, phi)
        assert values["value"].shape == (3,)
        assert len(set(values["value"].tolist())) == 3


@models
def test_a_batch_that_is_not_finite_is_refused_before_anything_moves(name):
    for step in steps(name):
        model, theta, phi, x = make(name)
        x[3, 1] = math.nan
        before = copy.deepcopy(model.state_dict())
        with pytest.raises(FloatingPointError, match="objective: expected finite values"):
            step(model, x, theta, phi)
        assert moved(model, before) == set()


# The models whose players ascend one bound together.

TERMS = pytest.mark.parametrize("kl", [vae.analytic_kl, vae.sampled_kl])


def make_vae(kl, replicas=None):
    """The model, the optimisers of its decoder, of its encoder and of both, and a batch."""
    torch.manual_seed(0)
    encoder, decoder = (Gaussian(nets.mlp(2, 8, 4, replicas=replicas)) for _ in range(2))
    model = vae.VAE(encoder, decoder, standard_normal(2), kl)
    owned = (decoder.parameters(), encoder.parameters(), model.parameters())
    players = [torch.optim.SGD(parameters, lr=0.01) for parameters in owned]
    return model, *players, torch.randn(*(() if replicas is None else (replicas,)), 16, 2)


@TERMS
@pytest.mark.parametrize("objective", ["elbo", "elbo_score", "importance_weighted"])
def test_only_the_network_that_is_named_ascends_a_bound(kl, objective):
    model, theta, phi, theta_phi, x = make_vae(kl)
    players = [(theta, {"decoder"}), (phi, {"encoder"}), (theta_phi, {"encoder", "decoder"})]
    for player, expected in players:
        before = copy.deepcopy(model.state_dict())
        model.zero_grad()
        ascend(player, getattr(model, objective)(x, 2).mean(-1))
        assert moved(model, before) == expected
        received = {
            name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None
        }
        assert received == expected


@TERMS
def test_a_vae_step_moves_both_networks_and_returns_detached_named_values(kl):
    model, _, _, theta_phi, x = make_vae(kl)
    before = copy.deepcopy(model.state_dict())
    values = vae.step(model, x, theta_phi, N_z=3)
    assert moved(model, before) == {"encoder", "decoder"}
    assert set(values) == {"elbo", "kl"}
    assert all(value.shape == () and not value.requires_grad for value in values.values())


@TERMS
def test_a_vae_step_raises_the_bound_on_the_same_samples(kl):
    model, _, _, theta_phi, x = make_vae(kl)

    def value():
        torch.manual_seed(7)
        return model.elbo(x).mean(-1)

    before = value()
    ascend(theta_phi, before)
    assert value() > before


@TERMS
def test_a_vae_step_is_deterministic_under_a_seed(kl):
    ends = []
    for _ in range(2):
        model, _, _, theta_phi, x = make_vae(kl)
        for _ in range(3):
            vae.step(model, x, theta_phi)
        ends.append(model.state_dict())
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


@TERMS
def test_a_leading_dimension_gives_a_vae_one_value_per_replica(kl):
    model, _, _, theta_phi, x = make_vae(kl, replicas=3)
    assert model.sample((3, 5)).shape == (3, 5, 2)
    values = vae.step(model, x, theta_phi, N_z=2)
    assert values["elbo"].shape == (3,)
    assert len(set(values["elbo"].tolist())) == 3


@TERMS
def test_a_vae_refuses_a_batch_that_is_not_finite_before_anything_moves(kl):
    model, _, _, theta_phi, x = make_vae(kl)
    x[3, 1] = math.nan
    before = copy.deepcopy(model.state_dict())
    with pytest.raises((FloatingPointError, ValueError)):  # torch's base checks its own
        vae.step(model, x, theta_phi)
    assert moved(model, before) == set()
