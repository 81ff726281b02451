"""Who moves: closed forms on the saddle, the refusal of non-finite values, the loop."""

import math

import pytest
import torch

from gannotes import optim
from gannotes.optim import ascend, descend, descend_ascend, fit, linear_decay, owners


def player(value: float, rate: float = 0.1) -> tuple[torch.Tensor, torch.optim.Optimizer]:
    x = torch.tensor([value], dtype=torch.float64, requires_grad=True)
    return x, torch.optim.SGD([x], lr=rate)


def test_ascend_and_descend_follow_the_gradient_by_hand():
    """E24, E25, A01."""
    x, theta = player(1.0)
    assert descend(theta, (x**2).sum()) == 1.0
    assert x.item() == pytest.approx(1 - 0.1 * 2)
    assert ascend(theta, (x**2).sum()).item() == pytest.approx(0.8**2)
    assert x.item() == pytest.approx(0.8 + 0.1 * 1.6)


def test_only_the_named_player_moves_or_receives_a_gradient():
    """E24, E25."""
    x, theta = player(1.0)
    y, phi = player(2.0)
    y.grad = torch.tensor([7.0], dtype=torch.float64)
    descend(theta, (x * y).sum())
    assert x.item() == pytest.approx(0.8)
    assert y.item() == 2.0
    assert y.grad.item() == 7.0


def test_the_objective_may_carry_replicas_and_each_gets_its_own_gradient():
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    theta = torch.optim.SGD([x], lr=0.1)
    value = descend(theta, x**2)
    assert value.tolist() == [1.0, 4.0, 9.0]
    torch.testing.assert_close(x.detach(), torch.tensor([0.8, 1.6, 2.4], dtype=torch.float64))


def saddle(update, steps: int = 100) -> tuple[float, float]:
    x, theta = player(1.0)
    y, phi = player(0.0)
    for _ in range(steps):
        update(theta, phi, x, y)
    return x.item(), y.item()


def test_simultaneous_steps_on_the_bilinear_saddle_spiral_out_by_the_known_factor():
    """E53, A05."""
    x, y = saddle(lambda theta, phi, x, y: descend_ascend(theta, phi, (x * y).sum()))
    assert math.hypot(x, y) == pytest.approx((1 + 0.1**2) ** 50, rel=1e-12)


def test_alternating_steps_stay_on_a_closed_curve():
    def alternate(theta, phi, x, y):
        descend(theta, (x * y).sum())
        ascend(phi, (x * y).sum())

    x, y = saddle(alternate)
    # the invariant of the symplectic Euler method on this saddle
    assert x * x + y * y - 0.1 * x * y == pytest.approx(1.0, rel=1e-12)


def test_simultaneous_steps_contract_where_the_game_is_strongly_convex_concave():
    """E53, I22."""
    x, y = saddle(
        lambda theta, phi, x, y: descend_ascend(theta, phi, (x**2 / 2 + x * y - y**2 / 2).sum())
    )
    step = torch.tensor([[1 - 0.1, -0.1], [0.1, 1 - 0.1]], dtype=torch.float64)
    expected = torch.linalg.matrix_power(step, 100) @ torch.tensor([1.0, 0.0], dtype=torch.float64)
    assert [x, y] == pytest.approx(expected.tolist(), rel=1e-12)
    assert math.hypot(x, y) == pytest.approx(4.905605e-05, rel=1e-6)


def test_both_gradients_are_taken_at_the_same_iterate():
    """E53, A05."""
    x, theta = player(1.0)
    y, phi = player(2.0)
    descend_ascend(theta, phi, (x * y).sum())
    assert (x.item(), y.item()) == pytest.approx((1 - 0.1 * 2, 2 + 0.1 * 1))


@pytest.mark.parametrize("move", [ascend, descend])
def test_a_non_finite_objective_is_refused_before_anything_moves(move):
    x, theta = player(1.0)
    with pytest.raises(FloatingPointError, match="objective"):
        move(theta, (x / 0).sum())
    assert x.item() == 1.0


def test_a_non_finite_gradient_of_a_finite_objective_is_refused_before_anything_moves():
    x, theta = player(0.0)
    with pytest.raises(FloatingPointError, match=r"gradient: .*of shape \[\(1,\)\]"):
        descend(theta, x.sqrt().sum())  # sqrt(0) = 0 with an infinite slope
    assert x.item() == 0.0


def test_a_huge_but_finite_gradient_is_no_error():
    x = torch.zeros(2, requires_grad=True)
    descend(torch.optim.SGD([x], lr=1.0), (1e30 * x).sum())  # the squares are beyond float32
    assert x.tolist() == pytest.approx([-1e30, -1e30])


def test_an_objective_without_the_player_is_refused():
    x, _ = player(1.0)
    y, phi = player(2.0)
    with pytest.raises(ValueError, match="function of the player"):
        ascend(phi, (x**2).sum())
    with pytest.raises(ValueError, match="function of the player"):
        ascend(phi, torch.tensor(1.0))


@pytest.mark.parametrize("move", [ascend, descend])
def test_what_is_no_optimiser_or_turns_the_move_round_is_refused(move):
    x, theta = player(1.0)
    letter = "phi" if move is ascend else "theta"
    for wrong in (None, torch.optim.SGD, "sgd", [x]):
        with pytest.raises(TypeError, match=f"^{letter}: expected an Optimizer, got "):
            move(wrong, (x**2).sum())
    backwards = torch.optim.SGD([x], lr=0.1, maximize=True)
    with pytest.raises(ValueError, match=f"^{letter}: expected .* without maximize"):
        move(backwards, (x**2).sum())
    with pytest.raises(TypeError, match="^objective: expected a Tensor, got float"):
        move(theta, 1.0)
    assert x.item() == 1.0


def test_both_players_of_a_simultaneous_step_must_be_two_and_matter():
    """E53: with one optimiser for both, or a player that the objective ignores, nobody plays."""
    x, theta = player(1.0)
    y, phi = player(2.0)
    _, idle = player(3.0)
    both = torch.optim.SGD([x, y], lr=0.1)
    for first, second in ((theta, theta), (both, phi), (theta, both)):
        with pytest.raises(ValueError, match="^theta, phi: expected two players"):
            descend_ascend(first, second, (x * y).sum())
    for first, second in ((theta, idle), (idle, phi)):
        with pytest.raises(ValueError, match="function of the player's parameters"):
            descend_ascend(first, second, (x * y).sum())
    assert (x.item(), y.item()) == (1.0, 2.0)


def test_owners_let_a_player_own_a_part_a_shared_network_and_what_nobody_claims():
    shared, G, D = (torch.nn.Linear(1, 1) for _ in range(3))
    rest = torch.nn.Parameter(torch.zeros(1))
    theta = torch.optim.SGD([G.weight, *shared.parameters(), rest], lr=0.1)
    phi = torch.optim.SGD(D.parameters(), lr=0.1)
    owners(3, theta=(theta, G, shared), phi=(phi, D, shared))
    with pytest.raises(ValueError, match="^theta: expected .*, got one of phi's parameters"):
        owners(theta=(theta, G), phi=(phi, D, shared))
    with pytest.raises(ValueError, match="^phi: expected an optimiser of its player, got one of"):
        owners(theta=(theta, G, shared), phi=(torch.optim.SGD([rest], lr=0.1), D))
    for K in (0, -1, 1.5, True):
        with pytest.raises((TypeError, ValueError), match="^K: expected an integer of at least 1"):
            owners(K, theta=(theta, G, shared))


def test_fit_returns_named_series_and_passes_every_batch():
    """A01."""
    x, theta = player(1.0)
    seen = []

    def step(batch):
        seen.append(batch)
        return {"value": descend(theta, (x**2).sum()), "pair": torch.tensor([1.0, 2.0])}

    history = fit(step, [3, 1, 2], progress=False)
    assert seen == [3, 1, 2]
    expected = torch.tensor([0.8 ** (2 * k) for k in range(3)], dtype=torch.float64)
    torch.testing.assert_close(history["value"], expected)
    assert history["pair"].shape == (3, 2)


def test_fit_names_the_step_that_failed():
    x, theta = player(1.0)
    objectives = [(x**2), x / 0, (x**2)]
    with pytest.raises(FloatingPointError, match="step 1: objective"):
        fit(lambda k: {"value": descend(theta, objectives[k].sum())}, range(3), progress=False)
    assert x.item() == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("steps", "options", "saved"),
    [(7, {"every": 3}, [3, 6, 7]), (1, {"every": 1}, [1, 1]), (1_001, {}, [500, 1_000, 1_001])],
)
def test_fit_saves_every_so_many_steps_and_at_the_end(tmp_path, monkeypatch, steps, options, saved):
    x, theta = player(1.0)
    written = []
    monkeypatch.setattr(
        optim.Checkpoint, "write", lambda self, rows, total: written.append((len(rows), total))
    )

    def step(_):
        return {"rate": x.new_tensor(theta.param_groups[0]["lr"])}

    history = fit(step, range(steps), checkpoint=tmp_path / "run.safetensors", **options)
    assert written == [(number, steps) for number in saved]
    assert history["rate"].tolist() == [0.1] * steps


@pytest.mark.parametrize("every", [0, -3, True, 2.5, None, "2"])
def test_an_interval_that_is_no_number_of_steps_is_refused_before_the_first(every, tmp_path):
    for options in ({}, {"checkpoint": tmp_path / "run"}):
        with pytest.raises((TypeError, ValueError), match="^every: expected an integer .*, got"):
            fit(lambda _: pytest.fail("a step"), range(3), progress=False, every=every, **options)


@pytest.mark.parametrize("row", [None, 0.5, torch.ones(()), {"value": 0.5}, [torch.ones(())]])
def test_what_is_no_row_is_refused_at_the_first_step(row):
    with pytest.raises(ValueError, match="^step: expected a dictionary of tensors to be returned"):
        fit(lambda _: row, range(3), progress=False)


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"b": torch.ones(())},
        {"a": torch.ones(()), "b": torch.ones(())},
        {"a": torch.ones(2)},
        {"a": torch.ones((), dtype=torch.float64)},
    ],
)
def test_rows_that_change_are_refused_where_they_do_and_the_history_is_kept(other, tmp_path):
    """An error of any kind carries the series so far."""
    x, theta = player(1.0)

    def step(k):
        descend(theta, (x**2).sum())
        return other if k == 3 else {"a": torch.tensor(float(k))}

    with pytest.raises(ValueError, match="^step: expected series like .* at step 3") as caught:
        fit(step, range(9), progress=False, checkpoint=tmp_path / "run", every=2)
    assert caught.value.history["a"].tolist() == [0.0, 1.0, 2.0]


def test_fit_of_no_batches_is_an_empty_history():
    assert fit(lambda batch: {}, [], progress=False) == {}


def test_the_bar_is_shown_only_on_request(capsys, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    fit(lambda batch: {}, range(3), progress=False)
    assert capsys.readouterr().err == ""
    fit(lambda batch: {}, range(3))
    assert "3" in capsys.readouterr().err


def test_the_decay_is_refused_where_it_has_no_meaning():
    nan = math.nan
    for constant, decay in ((-1, 5), (-2, 5), (nan, 5), (5, 0), (5, -1), (5, nan), (5, math.inf)):
        wrong = "constant" if not constant >= 0 else "decay"
        with pytest.raises((TypeError, ValueError), match=f"^{wrong}: expected an integer .* got "):
            linear_decay(constant, decay)
    at_once = linear_decay(0, 1)
    assert [at_once(t) for t in (0, 1, 2)] == [1.0, 0.0, 0.0]
