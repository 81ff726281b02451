"""One contract over all models: who moves, who does not, what a step returns and refuses."""

import copy
import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from gannotes import bounds, nets
from gannotes.distributions import (
    Code,
    Deterministic,
    Gaussian,
    Implicit,
    codes,
    gaussian_fit,
    standard_normal,
)
from gannotes.divergences import F_DIVERGENCES, alpha_family
from gannotes.models import ali, avb, cyclegan, fgan, gan, infogan, vae
from gannotes.optim import ascend, descend

BOUNDS = [bounds.bernoulli, bounds.least_squares, bounds.relativistic]
ROWS = [*F_DIVERGENCES.values(), alpha_family(0.5), alpha_family(-1), alpha_family(3)]
SAMPLERS = {"encoder", "decoder"}


class Case(NamedTuple):
    model: nn.Module
    data: tuple[Tensor, ...]
    updates: list[tuple[set[str], Callable[..., Tensor]]]  # who moves, ascending what on the data
    steps: list[partial]  # of the model and the data; the optimisers by name
    critics: set[str]  # networks that give one number per point
    makers: set[str]  # networks whose samples have a shape to keep


def player(model: nn.Module, names: set[str]) -> torch.optim.Optimizer:
    parameters = [p for name in sorted(names) for p in model.get_submodule(name).parameters()]
    return torch.optim.SGD(parameters, lr=0.01)


def stack(replicas: int | None) -> tuple[int, ...]:
    return () if replicas is None else (replicas,)


def batch(replicas, n=16, d=2):
    return torch.randn(*stack(replicas), n, d)


def mlp(*widths, replicas):
    return nets.mlp(*widths, activation=nn.Tanh, replicas=replicas)


def pair(first, second, out, replicas):
    """A network of two inputs of the given dimensions."""
    affine = nn.Linear if replicas is None else partial(nets.ReplicaLinear, replicas)
    head = mlp(8, 8, out, replicas=replicas) if out else nets.critic(8, 8, replicas=replicas)
    return nets.Pair(affine(first, 8), affine(second, 8), head)


def make_gan(replicas, bound):
    networks = nets.mlp(2, 8, 2, replicas=replicas), nets.critic(2, 8, replicas=replicas)
    model = gan.GAN(*networks, standard_normal(2), bound)
    players = {"theta": player(model, {"G"}), "phi": player(model, {"D"})}
    steps = [gan.step, partial(gan.step, K=2), partial(gan.step_regularised, gamma=0.1)]
    updates = [
        ({"D"}, model.value),
        ({"G"}, lambda x: -model.value(x)),
        ({"G"}, partial(model.value, flip=True)),
    ]
    steps = [partial(step, **players) for step in steps]
    return Case(model, (batch(replicas),), updates, steps, {"D"}, {"G"})


def make_fgan(replicas, f):
    networks = nets.mlp(2, 8, 2, replicas=replicas), nets.critic(2, 8, replicas=replicas)
    model = fgan.FGAN(*networks, standard_normal(2), f)
    players = {"theta": player(model, {"G"}), "omega": player(model, {"V"})}
    steps = [fgan.step, fgan.step_alternating, partial(fgan.step_alternating, flip=False)]
    updates = [
        ({"V"}, model.value),
        ({"G"}, lambda x: -model.value(x)),
        ({"G"}, partial(model.value, flip=True)),
    ]
    steps = [partial(step, **players) for step in steps]
    return Case(model, (batch(replicas),), updates, steps, {"V"}, {"G"})


def make_infogan(replicas, bound=bounds.bernoulli):
    G, trunk = mlp(2 + 3 + 1, 8, 2, replicas=replicas), mlp(2, 8, 8, replicas=replicas)
    D, Q = nets.critic(8, 8, replicas=replicas), Code(mlp(8, 3 + 2, replicas=replicas), (3,), 1)
    model = infogan.InfoGAN(G, trunk, D, Q, standard_normal(2), codes((3,), 1), bound)
    readers = {"trunk", "D", "Q"}
    players = {"theta": player(model, {"G"}), "phi_eta": player(model, readers)}

    def joint(x, flip=False):
        value, information = model.objectives(x, flip)
        return value + information.sum(-1)

    updates = [
        ({"D"}, lambda x: model.objectives(x)[0]),
        ({"Q"}, lambda x: model.objectives(x)[1].sum(-1)),
        *((names, joint) for names in ({"trunk"}, readers)),
        ({"G"}, partial(joint, flip=True)),
    ]
    steps = [partial(infogan.step, **players), partial(infogan.step, lam=0.5, **players)]
    return Case(model, (batch(replicas),), updates, steps, {"D"}, {"G"})


def make_cyclegan(replicas, bound=bounds.least_squares, history=False):
    """From a plane to a space, with batches of two sizes."""
    G, F = mlp(2, 8, 3, replicas=replicas), mlp(3, 8, 2, replicas=replicas)
    critics = (nets.critic(d, 8, replicas=replicas) for d in (2, 3))
    past = [cyclegan.History((d,), 5, replicas) if history else None for d in (2, 3)]
    model = cyclegan.CycleGAN(G, F, *critics, bound, *past)
    makers, judges = {"G", "F"}, {"D_X", "D_Y"}
    players = {"theta": player(model, makers), "phi": player(model, judges)}

    def value(x, y):
        return model.value(x, y, *model.translate(x, y))

    def joint(x, y):
        made = model.translate(x, y)
        return model.value(x, y, *made, flip=True) - 2 * model.cycle(x, y, *made)

    updates = [
        *((names, value) for names in ({"D_X"}, {"D_Y"}, judges)),
        *((names, joint) for names in ({"G"}, {"F"}, makers)),
    ]
    data = batch(replicas), batch(replicas, 12 if bound is not bounds.relativistic else 16, 3)
    return Case(model, data, updates, [partial(cyclegan.step, lam=2.0, **players)], judges, makers)


def make_vae(replicas, kl):
    networks = (Gaussian(mlp(2, 8, 4, replicas=replicas)) for _ in range(2))
    model = vae.VAE(*networks, standard_normal(2), kl)
    updates = [
        (names, lambda x, value=value: value(x, 2).mean(-1))
        for value in (model.elbo, model.elbo_score, model.importance_weighted)
        for names in ({"encoder"}, {"decoder"}, SAMPLERS)
    ]
    steps = [partial(vae.step, theta_phi=player(model, SAMPLERS), N_z=3)]
    return Case(model, (batch(replicas),), updates, steps, set(), SAMPLERS)


def make_ali(replicas, kind, bound, K=1):
    widths = (2, 8, 4) if kind is Gaussian else (2, 8, 2)
    networks = (kind(mlp(*widths, replicas=replicas)) for _ in range(2))
    model = ali.ALI(*networks, pair(2, 2, 0, replicas), standard_normal(2), bound)
    flipped = partial(model.value, flip=True)
    updates = [
        ({"D"}, model.value),
        *((names, flipped) for names in ({"encoder"}, {"decoder"}, SAMPLERS)),
    ]
    players = {"theta_phi": player(model, SAMPLERS), "omega": player(model, {"D"})}
    steps = [partial(ali.step, K=K, **players)]
    return Case(model, (batch(replicas),), updates, steps, {"D"}, SAMPLERS)


def make_avb(replicas, contrast=None, K=1):
    encoder = Implicit(mlp(2, 8, 5, replicas=replicas), pair(5, 3, 2, replicas), standard_normal(3))
    decoder, r = Gaussian(mlp(2, 8, 4, replicas=replicas)), pair(2, 2, 0, replicas)
    model = avb.AVB(encoder, decoder, r, standard_normal(2), contrast)
    updates = [
        *((names, lambda x: model.elbo(x, 2).mean(-1)) for names in ({"encoder"}, SAMPLERS)),
        ({"decoder"}, lambda x: model.elbo(x, 2).mean(-1)),
        ({"r"}, lambda x: model.value(x, 2)),
    ]
    players = {"theta_phi": player(model, SAMPLERS), "omega": player(model, {"r"})}
    steps = [partial(avb.step, N_z=3, K=K, **players)]
    return Case(model, (batch(replicas),), updates, steps, {"r"}, SAMPLERS)


def adaptive(q):
    return gaussian_fit(q.sample(torch.Size((16,))))


CASES = {
    **{f"gan({b.__name__})": partial(make_gan, bound=b) for b in BOUNDS},
    **{f"fgan({row.name})": partial(make_fgan, f=row) for row in ROWS},
    **{f"infogan({b.__name__})": partial(make_infogan, bound=b) for b in BOUNDS},
    **{f"cyclegan({b.__name__})": partial(make_cyclegan, bound=b) for b in BOUNDS},
    "cyclegan(history)": partial(make_cyclegan, history=True),
    "vae(analytic_kl)": partial(make_vae, kl=vae.analytic_kl),
    "vae(sampled_kl)": partial(make_vae, kl=vae.sampled_kl),
    **{f"ali({b.__name__})": partial(make_ali, kind=Gaussian, bound=b) for b in BOUNDS},
    "bigan": partial(make_ali, kind=Deterministic, bound=bounds.bernoulli, K=2),
    "avb": make_avb,
    "avb(adaptive)": partial(make_avb, contrast=adaptive, K=2),
}
RETURNS = {  # all others: the value
    "vae": {"elbo", "kl"},
    "avb": {"elbo", "kl", "value"},
    "infogan": {"value", "information"},
    "cyclegan": {"value", "cycle"},
}
cases = pytest.mark.parametrize("name", CASES)
# One variant of each: what the variants share need not be said of all of them.
EACH = ["gan(bernoulli)", "fgan(kl)", "infogan(bernoulli)", "cyclegan(history)", "vae(sampled_kl)"]
each = pytest.mark.parametrize("name", [*EACH, "ali(bernoulli)", "bigan", "avb", "avb(adaptive)"])


def case(name, replicas=None) -> Case:
    torch.manual_seed(0)
    return CASES[name](replicas)


def networks(model: nn.Module) -> set[str]:
    return {name for name, child in model.named_children() if list(child.parameters())}


def moved(model: nn.Module, before: dict[str, Tensor]) -> set[str]:
    """The networks of which at least one parameter has changed."""
    now = model.state_dict()
    parameters = {name for name, _ in model.named_parameters()}
    return {name.split(".")[0] for name in parameters if not torch.equal(now[name], before[name])}


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy(model.state_dict())


@cases
def test_only_the_networks_that_are_named_move_and_receive_gradients(name):
    for up in (True, False):
        model, data, updates, *_ = case(name)
        for names, objective in updates:
            before = snapshot(model)
            model.zero_grad()
            value = objective(*data)
            one = player(model, names)
            ascend(one, value) if up else descend(one, -value)
            received = {
                key.split(".")[0] for key, p in model.named_parameters() if p.grad is not None
            }
            assert moved(model, before) == received == names


@cases
def test_a_step_moves_every_network_and_returns_detached_named_values(name):
    for i in range(len(case(name).steps)):
        model, data, _, steps, *_ = case(name)
        before = snapshot(model)
        values = steps[i](model, *data)
        assert moved(model, before) == networks(model)
        assert set(values) == RETURNS.get(name.split("(")[0], {"value"})
        for key, value in values.items():
            assert value.shape == ((2,) if key == "information" else ())
            assert not value.requires_grad


@cases
def test_ascending_raises_and_descending_lowers_the_objective_on_the_same_samples(name):
    for i in range(len(case(name).updates)):
        for up in (True, False):
            model, data, updates, *_ = case(name)
            names, objective = updates[i]

            def value(objective=objective, data=data):
                torch.manual_seed(7)
                return objective(*data)

            before = value()
            (ascend if up else descend)(player(model, names), before)
            assert (value() > before) == up


@cases
def test_a_step_is_deterministic_under_a_seed(name):
    for i in range(len(case(name).steps)):
        ends = []
        for _ in range(2):
            model, data, _, steps, *_ = case(name)
            for _ in range(3):
                steps[i](model, *data)
            ends.append(model.state_dict())
        assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


@cases
def test_a_leading_dimension_is_a_stack_of_independent_models(name):
    for i in range(len(case(name).steps)):
        model, data, _, steps, *_ = case(name, replicas=3)
        for key, value in steps[i](model, *data).items():
            assert value.shape == ((3, 2) if key == "information" else (3,))
            assert len(set(value.reshape(3, -1)[:, 0].tolist())) == 3
    if hasattr(model, "sample"):
        assert model.sample((3, 5)).shape == (3, 5, 2)
    x = data[0]
    first = x[0].clone()
    for names, objective in case(name, replicas=3).updates:
        results = []
        for shift in (0.0, 1.0):  # the first replica's data change, nobody else's numbers
            x[0] = first + shift
            torch.manual_seed(5)
            results.append(objective(*data))
        torch.testing.assert_close(results[0][1:], results[1][1:])
        assert (results[0][0] != results[1][0]) == (names != {"Q"})  # which reads samples alone


@cases
def test_a_batch_that_is_not_finite_stops_the_step_before_anything_moves(name):
    for i in range(len(case(name).steps)):
        model, data, _, steps, *_ = case(name)
        data[0][3, 1] = math.nan
        before = snapshot(model)
        # torch looks at the moments of adaptive contrast before anybody else does
        error = ValueError if name == "avb(adaptive)" else FloatingPointError
        with pytest.raises(error, match="expected finite values|Expected parameter loc"):
            steps[i](model, *data)
        assert moved(model, before) == set()


# Base laws follow their model, and no file holds them.


@cases
def test_a_model_brings_its_base_laws_along_in_type_and_device(name):
    model, data, updates, *_ = case(name)
    held = {key.split(".")[0] for key in model.state_dict()} - {"past_X", "past_Y"}
    assert held == networks(model)
    assert not any("noise" in key for key in model.state_dict())
    for dtype in (torch.float64, torch.float32):
        model.to(dtype)
        if hasattr(model, "sample"):
            assert model.sample(5).dtype == dtype
        for _, objective in updates:
            assert objective(*(x.to(dtype) for x in data)).dtype == dtype
    if name != "avb(adaptive)":  # torch looks at the numbers of its moments
        model.to("meta")
        for _, objective in updates:
            assert objective(*(x.to("meta") for x in data)).is_meta


# What is refused, by name, before anything has moved.


def refused(
    name: str, match: str, prepare: Callable[[Case], Any] = lambda c: None, **wrong
) -> None:
    """Every step raises an error that names the argument, and no parameter moves."""
    for i in range(len(case(name).steps)):
        c = case(name)
        prepare(c)
        step = c.steps[i]
        if not set(wrong) <= set(inspect.signature(step).parameters):
            continue  # not every step has K
        before = snapshot(c.model)
        with pytest.raises((TypeError, ValueError), match=f"^{match}: expected "):
            step(c.model, *c.data, **wrong)
        assert moved(c.model, before) == set()


def letters(name: str) -> list[str]:
    keywords = case(name).steps[0].keywords
    return [key for key, value in keywords.items() if isinstance(value, torch.optim.Optimizer)]


@each
def test_an_optimiser_that_does_not_own_its_player_is_refused(name):
    foreign = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    for letter in letters(name):
        for wrong in (None, torch.optim.SGD, "adam", foreign):
            refused(name, letter, **{letter: wrong})
        c = case(name)
        own = c.steps[0].keywords[letter]

        def turn(c, letter=letter):
            c.steps[0].keywords[letter].param_groups[0]["maximize"] = True

        refused(name, letter, turn)
        assert not own.param_groups[0]["maximize"]


@each
def test_exchanged_and_shared_optimisers_are_refused(name):
    if len(letters(name)) < 2:
        return
    first, second = letters(name)

    def rearrange(new):
        def prepare(c):
            for step in c.steps:
                step.keywords.update(new(step.keywords[first], step.keywords[second], c.model))

        return prepare

    def whole(model):
        return torch.optim.SGD(model.parameters(), lr=0.1)

    refused(name, first, rearrange(lambda a, b, model: {first: b, second: a}))
    refused(name, second, rearrange(lambda a, b, model: {first: a, second: a}))
    refused(name, first, rearrange(lambda a, b, model: {first: b, second: b}))
    refused(name, first, rearrange(lambda a, b, model: {first: whole(model)}))
    refused(name, second, rearrange(lambda a, b, model: {second: whole(model)}))


@each
@pytest.mark.parametrize("wrong", [0, -3, 2.5, True, None])
def test_a_number_of_moves_or_of_samples_that_is_none_is_refused(name, wrong):
    refused(name, "K", K=wrong)
    refused(name, "N_z", N_z=wrong)


class Column(nn.Module):
    """A critic whose author forgot the last dimension."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.net(*inputs)[..., None]


class Resized(nn.Module):
    """A network whose output has other columns."""

    def __init__(self, net: nn.Module, columns: list[int]) -> None:
        super().__init__()
        self.net = net
        self.columns = columns

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.net(*inputs)[..., self.columns]


@each
def test_a_critic_that_does_not_give_one_number_per_point_is_refused(name):
    for critic in case(name).critics:

        def forget(c, critic=critic):
            setattr(c.model, critic, Column(c.model.get_submodule(critic)))

        refused(name, critic, forget)


@each
@pytest.mark.parametrize("size", ["larger", "smaller"])
def test_a_network_that_makes_samples_of_another_size_is_refused(name, size):
    one, two = ([0, 1, 0], [0, 1, 0, 1, 0, 1]) if size == "larger" else ([0], [0, 1])
    for maker in case(name).makers:

        def resize(c, maker=maker):
            network = c.model.get_submodule(maker)
            if isinstance(network, Implicit):
                network.head = Resized(network.head, one)
            elif hasattr(network, "net"):
                network.net = Resized(network.net, two if isinstance(network, Gaussian) else one)
            else:
                setattr(c.model, maker, Resized(network, one if maker != "G" else one[:1] * 4))

        refused(name, maker, resize)


@each
def test_a_batch_that_is_no_tensor_of_floating_point_numbers_is_refused(name):
    for i in range(len(case(name).steps)):
        for wrong in ("x", None, [[0.0, 1.0]], torch.zeros(16, 2, dtype=torch.long)):
            model, (_, *others), _, steps, *_ = case(name)
            before = snapshot(model)
            with pytest.raises(TypeError, match="^x: expected a floating-point tensor"):
                steps[i](model, wrong, *others)
            assert moved(model, before) == set()


def test_a_network_of_other_codes_is_refused():
    def joined(c):  # five classes for a code of three and a number: the width is the same
        c.model.Q = Code(mlp(8, 4, replicas=None), (4,))

    def other(c):
        c.model.Q = Code(mlp(8, 7, replicas=None), (5,), 1)

    for prepare in (joined, other):
        refused("infogan(bernoulli)", "Q", prepare)
