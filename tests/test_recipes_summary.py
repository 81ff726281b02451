"""All models side by side: the parts, the budget, the rulers, and the shipped runs."""

import copy
import math

import pytest
import torch
from torch.distributions import Categorical

from gannotes import data, results
from gannotes.recipes import contest, summary
from gannotes.recipes.contest import RING_SD
from gannotes.recipes.summary import CELLS, LIMIT

ARENAS = {"plane": contest.plane(2), "digits": contest.DIGITS}
SHAPES = {"plane": (2, 6, 2), "digits": (6, 1, 28, 28)}
contestants = pytest.mark.parametrize("name", contest.CONTESTANTS)


@pytest.fixture(scope="module")
def batches():
    torch.manual_seed(0)
    x = data.ring(sd=RING_SD).sample((2, 6))
    return {"plane": x, "digits": data.mnist("train")[0][:6]}


@contestants
@pytest.mark.parametrize("where", ARENAS)
def test_a_step_moves_whatever_samples_and_every_player(where, name, batches):
    torch.manual_seed(0)
    contestant = summary.enter(name, ARENAS[where])
    before = copy.deepcopy(contestant.sampled.state_dict())
    owned = [p for player in contestant.players for g in player.param_groups for p in g["params"]]
    start = [p.detach().clone() for p in owned]
    values = contestant.step(batches[where])
    assert all(value.isfinite().all() for value in values.values())
    assert not any(torch.equal(now, then) for now, then in zip(owned, start, strict=True))
    moved = {id(p) for p in owned}
    assert {id(p) for p in contestant.sampled.parameters()} <= moved
    now = contestant.sampled.state_dict()
    assert sum(not torch.equal(now[key], before[key]) for key in now) > 3


@contestants
@pytest.mark.parametrize("where", ARENAS)
def test_samples_and_reconstructions_look_like_data(where, name, batches):
    contestant = summary.enter(name, ARENAS[where])
    contestant.sampled.eval()
    shape = SHAPES[where]
    with torch.no_grad():
        assert contestant.sample(shape[:2] if where == "plane" else shape[:1]).shape == shape
        if contestant.back is not None:
            assert contestant.back(batches[where]).shape == shape
    assert (contestant.back is not None) == (name in {"cyclegan", "ali", "vae", "avb"})


def test_operations_of_a_step_are_those_counted_by_hand():
    """Two floating-point operations for each weight and point, forward, and for each gradient."""
    x, H = torch.zeros(1, 128, 2), 128
    G, D = 2 * H + H * H + 2 * H, 2 * H + H * H + H  # 2-H-H-2 and 2-H-H-1
    D_later, G_later = H * H + H, H * H + 2 * H  # layers behind which a gradient must go on
    critic = (D + G + D) + 2 * (D + D_later)  # value, then its gradient in D
    sampler = (D + G + D) + D + (G + G_later)  # flipped value, through D, gradient in G
    gan = summary.enter("gan", contest.plane(1))
    assert contest.operations(gan.step, x) == 2 * 128 * (critic + sampler)


def test_the_probability_of_a_cell_is_the_integral_of_the_density():
    p = data.ring(sd=RING_SD, dtype=torch.float64)
    fine = 24  # mid-points in each direction, in each cell
    side = (torch.arange(CELLS * fine, dtype=torch.float64) + 0.5) * (2 * LIMIT / CELLS / fine)
    mid = torch.cartesian_prod(side - LIMIT, side - LIMIT)
    mass = p.log_prob(mid).exp() * (2 * LIMIT / CELLS / fine) ** 2
    expected = mass.view(CELLS, fine, CELLS, fine).sum((1, 3)).flatten()
    found = summary.cell_probabilities().double()
    torch.testing.assert_close(found[:-1], expected, atol=1e-5, rtol=0)
    assert found[-1] < 1e-5


class Sampler:
    """What `plane_scores` asks of a contestant."""

    back = None

    def __init__(self, p):
        self.p = p

    def sample(self, n):
        return self.p.sample(torch.Size(n))


def test_the_rulers_of_the_ring_know_the_truth_and_a_single_mode():
    ring = data.ring(sd=RING_SD)
    scores = summary.plane_scores(Sampler(ring), 2)
    assert (scores["js"] < 0.003).all()
    assert (scores["captured"] == 8).all()
    torch.testing.assert_close(scores["high_quality"], torch.full((2,), 0.989), atol=0.006, rtol=0)
    assert scores["distance"].isnan().all()

    one = torch.distributions.MixtureSameFamily(
        Categorical(torch.eye(8)[0]), ring.component_distribution
    )
    scores = summary.plane_scores(Sampler(one), 2)
    both = 9 / 16  # where p has 1/8 and q has 1
    js = 0.5 * (7 / 8 * math.log(2) + math.log(1 / 8 / both) / 8) + 0.5 * math.log(1 / both)
    torch.testing.assert_close(scores["js"], torch.full((2,), js), atol=0.003, rtol=0)
    assert (scores["captured"] == 1).all()


def test_the_tables_have_sixteen_replicas_of_every_model_within_the_budget():
    for table, key, arena in (
        ("summary_plane", "replica", contest.plane()),
        ("summary_digits", "seed", contest.DIGITS),
    ):
        rows = results.load(table)
        assert len(rows) == 16 * len(contest.CONTESTANTS)
        for name in contest.CONTESTANTS:
            mine = [row for row in rows if row["model"] == name]
            assert {row[key] for row in mine} == set(range(16))
            for row in mine:
                spent = row["steps"] * row["gflop"] * 1e9
                assert arena.budget - 1.001e9 * row["gflop"] <= spent <= 1.0001 * arena.budget
