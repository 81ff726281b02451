"""One contract over all models: who moves, who does not, and what a step returns."""

import copy
import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest
import torch
from torch import nn

from gannotes import bounds, nets
from gannotes.distributions import (
    Deterministic,
    Gaussian,
    Implicit,
    gaussian_fit,
    standard_normal,
)
from gannotes.divergences import F_DIVERGENCES, alpha_family
from gannotes.models import ali, avb, fgan, gan, vae
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


# The models with an encoder, whose encoder and decoder move together.


class Case(NamedTuple):
    model: nn.Module
    x: torch.Tensor
    updates: list[tuple[set[str], Callable[[], torch.Tensor]]]  # who moves, ascending what
    step: Callable[[], dict[str, torch.Tensor]]


SAMPLERS = {"encoder", "decoder"}


def mlp(*widths, replicas):
    return nets.mlp(*widths, activation=nn.Tanh, replicas=replicas)


def pair(first, second, out, replicas):
    """A network of two inputs of the given dimensions."""
    affine = nn.Linear if replicas is None else partial(nets.ReplicaLinear, replicas)
    head = mlp(8, 8, out, replicas=replicas) if out else nets.critic(8, 8, replicas=replicas)
    return nets.Pair(affine(first, 8), affine(second, 8), head)


def batch(replicas):
    return torch.randn(*(() if replicas is None else (replicas,)), 16, 2)


def player(model, names):
    parameters = [p for name in sorted(names) for p in model.get_submodule(name).parameters()]
    return torch.optim.SGD(parameters, lr=0.01)


def make_vae(replicas, kl):
    networks = (Gaussian(mlp(2, 8, 4, replicas=replicas)) for _ in range(2))
    model, x = vae.VAE(*networks, standard_normal(2), kl), batch(replicas)
    updates = [
        (names, lambda value=value: value(x, 2).mean(-1))
        for value in (model.elbo, model.elbo_score, model.importance_weighted)
        for names in ({"encoder"}, {"decoder"}, SAMPLERS)
    ]
    one = partial(vae.step, model, x, player(model, SAMPLERS), N_z=3)
    return Case(model, x, updates, one)


def make_ali(replicas, kind, bound, K=1):
    widths = (2, 8, 4) if kind is Gaussian else (2, 8, 2)
    networks = (kind(mlp(*widths, replicas=replicas)) for _ in range(2))
    model = ali.ALI(*networks, pair(2, 2, 0, replicas), standard_normal(2), bound)
    x = batch(replicas)
    updates = [
        ({"D"}, lambda: model.value(x)),
        *((n, lambda: model.value(x, flip=True)) for n in ({"encoder"}, {"decoder"}, SAMPLERS)),
    ]
    one = partial(ali.step, model, x, player(model, SAMPLERS), player(model, {"D"}), K=K)
    return Case(model, x, updates, one)


def make_avb(replicas, contrast=None, K=1):
    encoder = Implicit(mlp(2, 8, 5, replicas=replicas), pair(5, 3, 2, replicas), standard_normal(3))
    decoder, r = Gaussian(mlp(2, 8, 4, replicas=replicas)), pair(2, 2, 0, replicas)
    model, x = avb.AVB(encoder, decoder, r, standard_normal(2), contrast), batch(replicas)
    updates = [
        *((n, lambda: model.elbo(x, 2).mean(-1)) for n in ({"encoder"}, {"decoder"}, SAMPLERS)),
        ({"r"}, lambda: model.value(x, 2)),
    ]
    one = partial(avb.step, model, x, player(model, SAMPLERS), player(model, {"r"}), N_z=3, K=K)
    return Case(model, x, updates, one)


def adaptive(q):
    return gaussian_fit(q.sample(torch.Size((16,))))


CASES = {
    "vae(analytic_kl)": partial(make_vae, kl=vae.analytic_kl),
    "vae(sampled_kl)": partial(make_vae, kl=vae.sampled_kl),
    **{f"ali({b.__name__})": partial(make_ali, kind=Gaussian, bound=b) for b in BOUNDS},
    "bigan": partial(make_ali, kind=Deterministic, bound=bounds.bernoulli, K=2),
    "avb": make_avb,
    "avb(adaptive)": partial(make_avb, contrast=adaptive, K=2),
}
RETURNS = {"vae": {"elbo", "kl"}, "avb": {"elbo", "kl", "value"}}  # all others: the value
cases = pytest.mark.parametrize("name", CASES)


def case(name, replicas=None):
    torch.manual_seed(0)
    return CASES[name](replicas)


def networks(model):
    return {name for name, _ in model.named_children()}


@cases
def test_only_the_networks_that_are_named_ascend_and_receive_gradients(name):
    model, _, updates, _ = case(name)
    for names, objective in updates:
        before = copy.deepcopy(model.state_dict())
        model.zero_grad()
        ascend(player(model, names), objective())
        received = {key.split(".")[0] for key, p in model.named_parameters() if p.grad is not None}
        assert moved(model, before) == received == names


@cases
def test_a_step_moves_every_network_and_returns_detached_named_values(name):
    model, _, _, one = case(name)
    before = copy.deepcopy(model.state_dict())
    values = one()
    assert moved(model, before) == networks(model)
    assert networks(model) >= SAMPLERS
    assert set(values) == RETURNS.get(name.split("(")[0], {"value"})
    assert all(value.shape == () and not value.requires_grad for value in values.values())


@cases
def test_ascending_raises_the_objective_on_the_same_samples(name):
    count = len(case(name).updates)
    for i in range(count):
        model, _, updates, _ = case(name)
        names, objective = updates[i]

        def value(objective=objective):
            torch.manual_seed(7)
            return objective()

        before = value()
        ascend(player(model, names), before)
        assert value() > before


@cases
def test_a_step_is_deterministic_under_a_seed(name):
    ends = []
    for _ in range(2):
        model, _, _, one = case(name)
        for _ in range(3):
            one()
        ends.append(model.state_dict())
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


@cases
def test_a_leading_dimension_is_a_stack_of_independent_models(name):
    model, x, updates, one = case(name, replicas=3)
    assert model.sample((3, 5)).shape == (3, 5, 2)
    for value in one().values():
        assert value.shape == (3,)
        assert len(set(value.tolist())) == 3
    first = copy.deepcopy(x)
    for _, objective in updates:
        results = []
        for shift in (0.0, 1.0):  # the first replica's data change, nobody else's numbers
            x[0] = first[0] + shift
            torch.manual_seed(5)
            results.append(objective())
        torch.testing.assert_close(results[0][1:], results[1][1:])
        assert results[0][0] != results[1][0]


@cases
def test_a_batch_that_is_not_finite_stops_the_step_before_anything_moves(name):
    model, x, _, one = case(name)
    x[3, 1] = math.nan
    before = copy.deepcopy(model.state_dict())
    with pytest.raises((FloatingPointError, ValueError)):  # torch's base checks its own
        one()
    assert moved(model, before) == set()


@cases
def test_an_objective_has_the_type_of_the_data(name):
    model, x, _, _ = case(name)
    double = torch.tensor(0.0, dtype=torch.float64)
    model.double().p_0 = standard_normal(2, double)
    if isinstance(model.encoder, Implicit):
        model.encoder.noise = standard_normal(3, double)
    value = model.value(x.double()) if hasattr(model, "value") else model.elbo(x.double())
    assert value.dtype == torch.float64
