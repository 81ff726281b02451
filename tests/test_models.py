"""One contract over all models: who moves, who does not, and what a step returns."""

import copy

import pytest
import torch

from gannotes import bounds, nets
from gannotes.distributions import standard_normal
from gannotes.models import gan
from gannotes.optim import ascend, descend

BOUNDS = [bounds.bernoulli, bounds.least_squares, bounds.relativistic]


def make(bound):
    torch.manual_seed(0)
    model = gan.GAN(nets.mlp(2, 8, 2), nets.critic(2, 8), standard_normal(2), bound)
    theta = torch.optim.SGD(model.G.parameters(), lr=0.1)
    phi = torch.optim.SGD(model.D.parameters(), lr=0.1)
    return model, theta, phi, torch.randn(16, 2)


def moved(model: torch.nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    """The networks of which at least one parameter has changed."""
    now = model.state_dict()
    return {name.split(".")[0] for name in now if not torch.equal(now[name], before[name])}


@pytest.mark.parametrize("bound", BOUNDS)
def test_only_the_player_that_is_named_moves(bound):
    model, theta, phi, x = make(bound)
    for move, player, flip, expected in [
        (ascend, phi, False, "D"),
        (descend, theta, False, "G"),
        (ascend, theta, True, "G"),
    ]:
        before = copy.deepcopy(model.state_dict())
        model.zero_grad()
        move(player, model.value(x, flip))
        assert moved(model, before) == {expected}
        other = model.G if expected == "D" else model.D
        assert all(p.grad is None for p in other.parameters())


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("step", [gan.step, lambda *a: gan.step_regularised(*a, gamma=0.1)])
def test_a_step_moves_every_player_and_returns_detached_named_values(bound, step):
    model, theta, phi, x = make(bound)
    before = copy.deepcopy(model.state_dict())
    values = step(model, x, theta, phi)
    assert moved(model, before) == {"G", "D"}
    assert values["value"].shape == ()
    assert not any(value.requires_grad for value in values.values())


@pytest.mark.parametrize("bound", BOUNDS)
def test_ascending_raises_and_descending_lowers_the_objective_on_the_same_samples(bound):
    for move, owner, sign in [(ascend, "D", 1), (descend, "G", -1)]:
        model, theta, phi, x = make(bound)

        def value(model=model, x=x):
            torch.manual_seed(7)
            return model.value(x)

        before = value()
        move(phi if owner == "D" else theta, before)
        assert sign * (value() - before) > 0


@pytest.mark.parametrize("bound", BOUNDS)
def test_the_step_is_deterministic_under_a_seed(bound):
    ends = []
    for _ in range(2):
        model, theta, phi, x = make(bound)
        for _ in range(3):
            gan.step(model, x, theta, phi, K=2)
        ends.append(model.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
