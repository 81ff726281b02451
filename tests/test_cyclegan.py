"""CycleGAN: known answers of the losses, all maps of three points, the history, who moves."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from gannotes import bounds, nets
from gannotes.models.cyclegan import CycleGAN, History, step
from gannotes.optim import ascend, linear_decay


def make(bound=bounds.least_squares):
    torch.manual_seed(0)
    parts = nets.mlp(2, 8, 3), nets.mlp(3, 8, 2), nets.critic(2, 8), nets.critic(3, 8)
    return CycleGAN(*parts, bound), torch.randn(16, 2), torch.randn(16, 3)


def players(model, lr=0.02):
    theta = [*model.G.parameters(), *model.F.parameters()]
    phi = [*model.D_X.parameters(), *model.D_Y.parameters()]
    return torch.optim.SGD(theta, lr), torch.optim.SGD(phi, lr)


def moved(model, before):
    return {k.split(".")[0] for k, v in model.state_dict().items() if not torch.equal(v, before[k])}


class Fixed(nn.Module):
    """A function as a module."""

    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


# The losses.


def test_the_cycle_loss_of_affine_maps():
    """E36, E40: by hand, and zero exactly for a map and its inverse."""
    x, y = torch.tensor([[1.0, 2.0], [3.0, -1.0]]), torch.tensor([[0.0, 4.0]])
    critics = nets.critic(2, 4), nets.critic(2, 4)
    off = CycleGAN(Fixed(lambda x: 2 * x), Fixed(lambda y: y / 2 + 1), *critics)
    y_made, x_made = off.translate(x, y)
    assert y_made.tolist() == [[2.0, 4.0], [6.0, -2.0]]
    assert x_made.tolist() == [[1.0, 3.0]]
    # F(G(x)) = x + 1 and G(F(y)) = y + 2, in two dimensions each
    assert off.cycle(x, y, y_made, x_made).item() == 2 + 4
    right = CycleGAN(Fixed(lambda x: 2 * x), Fixed(lambda y: y / 2), *critics)
    assert right.cycle(x, y, *right.translate(x, y)).item() == 0


def test_the_identity_loss():
    """I08."""
    x, y = torch.ones(2, 3), torch.zeros(5, 3)
    critics = nets.critic(3, 4), nets.critic(3, 4)
    same, shift = Fixed(lambda x: x), Fixed(lambda x: x + 1)
    assert CycleGAN(same, same, *critics).identity(x, y).item() == 0
    assert CycleGAN(shift, same, *critics).identity(x, y).item() == 3


@pytest.mark.parametrize("bound", [bounds.bernoulli, bounds.least_squares])
def test_the_value_is_one_game_in_each_domain(bound):
    """E37, E38, E39."""
    model, x, y = make(bound)
    y_made, x_made = model.translate(x, y)
    raw = model.D_Y(y), model.D_Y(y_made), model.D_X(x), model.D_X(x_made)
    v_y, w_y, v_x, w_x = raw
    expected = bound(v_y, w_y) + bound(v_x, w_x)
    torch.testing.assert_close(model.value(x, y, y_made, x_made), expected)
    expected = bound(w_y, v_y) + bound(w_x, v_x)
    torch.testing.assert_close(model.value(x, y, y_made, x_made, flip=True), expected)


def test_a_critic_of_patches_plays_one_game_a_patch():
    """E37: raw outputs (P, N), the games averaged."""
    model, x, y = make()
    patches = torch.randn(4, 2, generator=torch.Generator().manual_seed(1))
    model.D_X = Fixed(lambda x: patches @ x.T)
    y_made, x_made = model.translate(x, y)
    one_by_one = [bounds.least_squares(x @ w, x_made @ w) for w in patches]
    expected = bounds.least_squares(model.D_Y(y), model.D_Y(y_made)) + sum(one_by_one) / 4
    torch.testing.assert_close(model.value(x, y, y_made, x_made), expected)


def three_points(g, f):
    """Translators that permute, or merge, the three unit vectors."""
    E = torch.eye(3)
    G, F = (Fixed(lambda a, to=to: a @ E[list(to)]) for to in (g, f))
    critics = Fixed(lambda x: x[:, 0]), Fixed(lambda x: x[:, 0])
    return CycleGAN(G, F, *critics, bound=bounds.bernoulli), E


def best_value(model, x, y):
    """max over critics of E38 + E39, from the laws of the three points."""
    total = 0.0
    for data, made in ((y, model.G(x)), (x, model.F(y))):
        p, q = data.mean(0), made.mean(0)
        present = (p + q) > 0
        log_D = torch.where(p > 0, p * (p / (p + q)).clamp_min(1e-30).log(), 0.0)
        log_not = torch.where(q > 0, q * (q / (p + q)).clamp_min(1e-30).log(), 0.0)
        total += (log_D + log_not)[present].sum().item()
    return total


def test_the_cycle_loss_leaves_the_bijections_and_not_only_the_right_one():
    """E41, E42, with X45: of 729 pairs of maps 36 fool both critics, 6 of them lead back."""
    maps = list(itertools.product(range(3), repeat=3))
    fooling, cycling = [], []
    for g, f in itertools.product(maps, maps):
        model, E = three_points(g, f)
        fools = best_value(model, E, E) == pytest.approx(-2 * math.log(4), abs=1e-6)
        leads_back = model.cycle(E, E, *model.translate(E, E)).item() == 0
        if fools:
            fooling.append((g, f))
            if leads_back:
                cycling.append((g, f))
    assert len(maps) ** 2 == 729
    assert len(fooling) == 36
    assert len(cycling) == 6
    assert all(sorted(g) == [0, 1, 2] and [g[k] for k in f] == [0, 1, 2] for g, f in cycling)


def test_x09_the_printed_least_squares_term_moves_the_generator_away():
    """E43: p_Y = N(2, 1), G(x) = x + b, b = 0, the critic at its best; slopes by quadrature."""
    p, q = stats.norm(2, 1).pdf, stats.norm(0, 1).pdf

    def D(y):
        return p(y) / (p(y) + q(y))

    def slope(term):  # d/db of E_q[term(D(x + b))] at b = 0, by parts: -q'(y) = y q(y)
        return integrate.quad(lambda y: y * q(y) * term(D(y)), -12, 14)[0]

    assert slope(lambda d: (d - 1) ** 2) == pytest.approx(-0.291321837, abs=1e-8)
    assert slope(np.square) == pytest.approx(0.158277673, abs=1e-8)

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200_000, 1, generator=generator, dtype=torch.float64)
    b = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    critic = Fixed(lambda y: torch.sigmoid(2 * y[:, 0] - 2))  # that D: its log odds are 2 y - 2
    nothing = Fixed(lambda x: x[:, 0] * 0)
    model = CycleGAN(Fixed(lambda x: x + b), Fixed(lambda y: y.detach()), nothing, critic)
    model.value(x, x + 2, *model.translate(x, x + 2), flip=True).backward()
    assert b.grad.item() == pytest.approx(0.291321837, abs=0.005)  # ascended: towards the data


# The tricks.


def test_the_history_passes_on_its_first_samples_and_never_holds_more_than_its_capacity():
    """A04, I06."""
    past = History((2,), capacity=50)
    x = torch.arange(100.0).reshape(50, 2)
    torch.testing.assert_close(past(x), x)
    assert past.count == 50
    torch.testing.assert_close(past.stored, x)
    torch.manual_seed(0)
    for _ in range(20):
        past(torch.randn(7, 2))
        assert past.count == 50
        assert past.stored.shape == (50, 2)


def test_a_full_history_swaps_every_second_sample():
    """I06: what is passed on is new or stored; what was stored and passed on is gone."""
    torch.manual_seed(0)
    past, swaps, trials = History((1,), capacity=10), 0, 4000
    past(torch.arange(10.0)[:, None])
    for i in range(trials):
        before = set(past.stored[:, 0].tolist())
        new = 100.0 + i
        (out,) = past(torch.tensor([[new]]))[:, 0].tolist()
        after = set(past.stored[:, 0].tolist())
        if out == new:
            assert after == before
        else:
            swaps += 1
            assert out in before
            assert after == before - {out} | {new}
    assert abs(swaps / trials - 0.5) < 5 * 0.5 / trials**0.5


def test_a_history_of_nothing_is_the_identity_and_no_gradient_comes_out():
    """I06."""
    x = torch.randn(5, 2, requires_grad=True)
    for capacity in (0, 3):
        out = History((2,), capacity)(x)
        assert not out.requires_grad
        assert out.data_ptr() != x.data_ptr()
        assert out.shape == (5, 2)
    torch.testing.assert_close(History((2,), 0)(x), x.detach())
    with pytest.raises(ValueError, match="capacity: expected an integer of at least 0, got -1"):
        History((2,), -1)


def test_a_history_of_replicas_keeps_them_apart_and_swaps_each_on_its_own():
    """I06: samples of replica s lie between 1000 s and 1000 s + 999."""
    torch.manual_seed(0)
    past, base = History((1,), capacity=4, replicas=3), 1000 * torch.arange(3.0)[:, None, None]
    first = base + torch.arange(6.0)[:, None]
    out = past(first)
    assert out.shape == (3, 6, 1)
    torch.testing.assert_close(out[:, :4], first[:, :4])
    swapped = []
    for i in range(200):
        new = base + 10.0 + i
        before, out, after = past.stored.clone(), past(new.expand(3, 1, 1)), past.stored
        for s in range(3):
            kept, now = set(before[:, s, 0].tolist()), set(after[:, s, 0].tolist())
            assert kept | {new[s].item()} == now | {out[s].item()}
            assert now <= set(range(1000 * s, 1000 * s + 1000))
        swapped.append((out != new).flatten())
    shares = torch.stack(swapped).double().mean(0)
    assert ((shares - 0.5).abs() < 5 * 0.5 / 200**0.5).all()
    assert len(set(map(tuple, torch.stack(swapped).T.tolist()))) == 3  # not the same coins
    for wrong in (torch.zeros(6, 1), torch.zeros(2, 6, 1), torch.zeros(3, 6, 2)):
        with pytest.raises(ValueError, match=r"^x: expected samples of shape \(3, 1\)"):
            past(wrong)


def test_a_stack_of_replicas_makes_the_steps_of_its_members():
    """E41 to E43: the parameters of every replica after three steps are those of a model alone."""
    S, data_X, data_Y = 3, torch.randn(3, 3, 16, 2), torch.randn(3, 3, 12, 3)
    torch.manual_seed(0)
    parts = [nets.mlp(2, 8, 3, replicas=S), nets.mlp(3, 8, 2, replicas=S)]
    parts += [nets.critic(2, 8, replicas=S), nets.critic(3, 8, replicas=S)]
    stack = CycleGAN(*parts)
    members = []
    for s in range(S):
        alone = nets.mlp(2, 8, 3), nets.mlp(3, 8, 2), nets.critic(2, 8), nets.critic(3, 8)
        member = CycleGAN(*alone)
        state = {k: v[s].squeeze(0) if "bias" in k else v[s] for k, v in stack.state_dict().items()}
        member.load_state_dict(state)
        members.append(member)
    movers = [players(model) for model in (stack, *members)]
    for x, y in zip(data_X, data_Y, strict=True):
        together = step(stack, x, y, *movers[0], lam=0.3)
        rows = [step(m, x[s], y[s], *movers[s + 1], lam=0.3) for s, m in enumerate(members)]
        for key in together:
            torch.testing.assert_close(together[key], torch.stack([row[key] for row in rows]))
    for s, member in enumerate(members):
        for one, mine in zip(stack.parameters(), member.parameters(), strict=True):
            torch.testing.assert_close(one[s].reshape(mine.shape), mine)


def test_patches_are_averaged_and_replicas_are_not():
    """E37 to E39: 4 patches of 3 replicas; a picture needs its number of dimensions."""
    v = torch.randn(4, 3, 5)
    critic, x = Fixed(lambda x: v if x.ndim == 5 else v[:, 0]), torch.randn(3, 5, 1, 2, 2)
    model = CycleGAN(Fixed(lambda x: x), Fixed(lambda x: x), critic, critic, data_dims=3)
    expected = 2 * bounds.least_squares(v, v)
    torch.testing.assert_close(model.value(x, x, x, x), expected.mean(0))
    one = model.value(x[0], x[0], x[0], x[0])
    torch.testing.assert_close(one, expected[:, 0].mean())
    vectors = CycleGAN(Fixed(lambda x: x), Fixed(lambda x: x), critic, critic)
    with pytest.raises(ValueError, match=r"^D_Y: expected one number per point, shape \(..., 5, 1"):
        vectors.value(x[0], x[0], x[0], x[0])
    for wrong in (0, -1, 1.0, (3, 0), "3"):
        with pytest.raises((TypeError, ValueError), match="^data_dims: expected an integer"):
            CycleGAN(critic, critic, critic, critic, data_dims=wrong)


def test_a_history_can_be_saved_and_restored():
    """A04."""
    past, other = History((2,), 4), History((2,), 4)
    past(torch.randn(3, 2))
    other.load_state_dict(past.state_dict())
    x, ends = torch.randn(6, 2), []
    for h in (past, other):
        torch.manual_seed(3)
        ends.append(h(x))
    torch.testing.assert_close(*ends)


def test_the_rate_is_constant_and_then_falls_to_zero():
    """A04, I07."""
    theta = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=2e-4)
    schedule, rates = LambdaLR(theta, linear_decay(100, 100)), []
    for _ in range(201):
        rates.append(theta.param_groups[0]["lr"])
        theta.step()
        schedule.step()
    assert rates[:101] == [2e-4] * 101
    assert rates[150] == pytest.approx(1e-4)
    assert rates[200] == 0
    assert np.ptp(np.diff(rates[100:])) < 1e-12
    with pytest.raises(ValueError, match="^decay: expected an integer of at least 1, got 0"):
        linear_decay(1, 0)


# Who moves.


@pytest.mark.parametrize("bound", [bounds.bernoulli, bounds.least_squares, bounds.relativistic])
def test_only_the_player_that_is_named_moves(bound):
    """E39, E41."""
    for who, names in ((0, {"G", "F"}), (1, {"D_X", "D_Y"})):
        model, x, y = make(bound)
        before = copy.deepcopy(model.state_dict())
        ascend(players(model)[who], model.value(x, y, *model.translate(x, y), flip=who == 0))
        assert moved(model, before) == names


def test_each_move_raises_its_objective():
    """E42."""
    for who in (0, 1):
        model, x, y = make()

        def objective(model=model, x=x, y=y, who=who):
            made = model.translate(x, y)
            cycle = model.cycle(x, y, *made)
            return model.value(x, y, *made, flip=who == 0) - (0.1 * cycle if who == 0 else 0)

        before = objective()
        ascend(players(model, 1e-3)[who], before)
        assert objective() > before


@pytest.mark.parametrize(("options", "lam"), [({}, 10.0), ({"lam": 0.3}, 0.3)])
@pytest.mark.parametrize("bound", [bounds.bernoulli, bounds.least_squares])
def test_the_step_is_the_algorithm_written_by_hand_in_plain_torch(bound, options, lam):
    """E41 to E43, A04: first both generators, then both critics, on the same translations."""
    model, x, y = make(bound)
    model = model.double()
    twin = copy.deepcopy(model)
    theta, phi = players(model)
    batches = [(x.double(), y.double()), (x.flip(0).double() + 1, y.double() - 1)]
    returned = [step(model, *batch, theta, phi, **options) for batch in batches]

    def move(modules, objective):
        parameters = [p for module in modules for p in module.parameters()]
        gradients = torch.autograd.grad(objective, parameters, retain_graph=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.data += 0.02 * gradient

    for (x, y), row in zip(batches, returned, strict=True):
        y_made, x_made = twin.G(x), twin.F(y)
        there_and_back = (twin.F(y_made) - x).abs().sum(-1).mean()
        there_and_back = there_and_back + (twin.G(x_made) - y).abs().sum(-1).mean()
        games = bound(twin.D_Y(y_made), twin.D_Y(y)) + bound(twin.D_X(x_made), twin.D_X(x))
        move((twin.G, twin.F), games - lam * there_and_back)
        y_made, x_made = y_made.detach(), x_made.detach()
        value = bound(twin.D_Y(y), twin.D_Y(y_made)) + bound(twin.D_X(x), twin.D_X(x_made))
        move((twin.D_X, twin.D_Y), value)
        torch.testing.assert_close(row["value"], value.detach())
        torch.testing.assert_close(row["cycle"], there_and_back.detach())
    for mine, plain in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-11, atol=1e-11)


def test_each_critic_is_shown_the_history_that_was_given_for_it():
    """A04, I06."""
    model, x, y = make()
    old_x, old_y = torch.full((16, 2), 3.0), torch.full((16, 3), -3.0)
    past = {"past_X": Fixed(lambda _: old_x), "past_Y": Fixed(lambda _: old_y)}
    model = CycleGAN(model.G, model.F, model.D_X, model.D_Y, **past)
    expected = model.value(x, y, old_y, old_x).detach()
    torch.testing.assert_close(step(model, x, y, *players(model))["value"], expected)
    assert history_of(History((2,)), 60) == 50  # the paper's
    assert history_of(History((2,), 1), 60) == 1


def history_of(history, n):
    history(torch.zeros(n, 2))
    return history.count


def test_the_step_moves_all_is_deterministic_and_shows_the_critics_their_history():
    """A04."""
    ends = []
    for _ in range(2):
        model, x, y = make()
        before = copy.deepcopy(model.state_dict())
        model.past_X, model.past_Y = History((2,), 20), History((3,), 20)
        for _ in range(3):
            values = step(model, x, y, *players(model), 0.1)
        networks = {k: v for k, v in model.state_dict().items() if k in before}
        assert all(not torch.equal(networks[k], before[k]) for k in before if "bias" in k)
        assert model.past_X.count == model.past_Y.count == 20
        ends.append(model.state_dict())
    assert set(values) == {"value", "cycle"}
    assert all(v.shape == () and not v.requires_grad for v in values.values())
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_the_critics_do_not_see_the_newest_translations_when_history_shows_others():
    """I06: with a history of fixed samples the critics' move does not depend on G."""
    ends, old_x, old_y = [], torch.ones(16, 2), torch.ones(16, 3)
    for shift in (0.0, 1.0):
        model, x, y = make()
        with torch.no_grad():
            model.G[-1].bias += shift
        model.past_X, model.past_Y = Fixed(lambda _: old_x), Fixed(lambda _: old_y)
        step(model, x, y, *players(model), 0.1)
        ends.append(copy.deepcopy(model.D_Y.state_dict()))
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_a_batch_that_is_not_finite_is_refused_before_anything_moves():
    model, x, y = make()
    y[3, 1] = math.nan
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(FloatingPointError, match="objective: expected finite values"):
        step(model, x, y, *players(model))
    assert moved(model, before) == set()


# A known answer.


def test_with_the_cycle_loss_two_separated_clouds_are_translated_there_and_back():
    """E42: untrained, the cycle error is that of unrelated points."""
    torch.manual_seed(0)
    G, F = (nets.mlp(1, 32, 1) for _ in range(2))
    model = CycleGAN(G, F, nets.critic(1, 32), nets.critic(1, 32))
    theta = torch.optim.Adam([*G.parameters(), *F.parameters()], 2e-3, (0.5, 0.99))
    phi = torch.optim.Adam([*model.D_X.parameters(), *model.D_Y.parameters()], 2e-3, (0.5, 0.99))

    def batch(n, scale):
        return scale * (2.0 * torch.randint(2, (n, 1)) - 1) + 0.1 * torch.randn(n, 1)

    errors = []
    for i in range(801):
        x, y = batch(64, 1.0), batch(64, 2.0)
        if i in (0, 800):
            made = model.translate(x, y)
            errors.append(model.cycle(x, y, *made).item())
        step(model, x, y, theta, phi, lam=1.0)
    assert errors[0] > 1.5
    assert errors[1] < 0.3
    assert (made[0].abs() - 2).abs().mean() < 0.3
    assert (made[0] > 0).double().mean().item() == pytest.approx(0.5, abs=0.2)
