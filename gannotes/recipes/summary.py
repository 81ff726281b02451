"""The comparison of the summary: each contestant trained in each arena, and what it comes to."""

from typing import cast

import torch
from torch import Tensor
from torch.distributions import Normal
from torch.nn.functional import one_hot
from torch.optim.lr_scheduler import CosineAnnealingLR

from gannotes import data, metrics
from gannotes.distributions import standard_normal
from gannotes.divergences import jensen_shannon
from gannotes.recipes import protocols
from gannotes.recipes.contest import (
    CONTESTANTS,
    DIGITS,
    REPLICAS,
    RING_SD,
    Arena,
    Contestant,
    operations,
    plane,
)
from gannotes.recipes.frame import Average, Desk, Row, Sweep

CELLS, LIMIT = 48, 3.0  # of the histogram that is compared with the truth
SAMPLES = 50_000  # points of a replica that it counts
DRAWN = 5_000  # digits of a run that the classifier judges
REBUILT = 2_000  # test data that are encoded and decoded
AVERAGE = 0.995


def enter(name: str, arena: Arena, device: str = "cpu") -> Contestant:
    """Make a contestant for an arena, with fresh weights.

    Slide: beyond the deck (all models side by side).

    Args:
        name: a key of `CONTESTANTS`.
        arena: `plane()` or `DIGITS`.
        device: where its networks lie and its noise is drawn.

    Example:
        >>> enter("vae", plane(3)).sample((3, 5)).shape
        torch.Size([3, 5, 2])
    """
    with torch.device(device):
        return CONTESTANTS[name](arena, standard_normal(arena.k))


def plane_scores(contestant: Contestant, replicas: int = REPLICAS) -> dict[str, Tensor]:
    r"""Judge models of the ring, whose density is known.

    Slide: beyond the deck (all models side by side).

    Args:
        contestant: made for `plane(replicas)`.
        replicas: the number `S`.

    Returns:
        One entry for each replica, `(S,)`: `js`, the Jensen-Shannon divergence in nats between the
        probabilities of the cells of a grid and the share of 50,000 samples in each; `captured` and
        `high_quality` by VEEGAN's counts; `distance`, the mean of :math:`\|x - x'\|` between test
        points and their reconstructions, NaN without an encoder.

    Example:
        >>> sorted(plane_scores(enter("gan", plane(2)), 2))
        ['captured', 'distance', 'high_quality', 'js']
    """
    p = data.ring(sd=RING_SD)
    torch.manual_seed(0)
    with torch.no_grad():
        made = contestant.sample((replicas, SAMPLES))
        x = p.sample(torch.Size((REBUILT,))).expand(replicas, -1, -1)
        back = torch.full_like(x, torch.nan) if contestant.back is None else contestant.back(x)
    modes = p.component_distribution.mean
    captured, high_quality = metrics.mode_coverage(made[:, :2_500], modes, RING_SD)
    return {
        "js": jensen_shannon(cell_probabilities().log().expand(replicas, -1), cells(made).log()),
        "captured": captured,
        "high_quality": high_quality,
        "distance": (back - x).norm(dim=-1).mean(-1),
    }


def cells(x: Tensor) -> Tensor:
    """The share of points in each cell of the grid, and last the share of those outside.

    Slide: beyond the deck (evaluation).

    Args:
        x: points `(S, N, 2)`.

    Returns:
        Shares `(S, CELLS ** 2 + 1)`.

    Example:
        >>> share = cells(torch.tensor([[[0.01, 0.01], [9.0, 0.0]]]))
        >>> share.shape, share.max().item(), share[0, -1].item()
        (torch.Size([1, 2305]), 0.5, 0.5)
    """
    index = ((x + LIMIT) / (2 * LIMIT) * CELLS).floor()
    inside = ((index >= 0) & (index < CELLS)).all(-1)
    flat = torch.where(inside, index[..., 0] * CELLS + index[..., 1], CELLS**2).long()
    counts = [row.bincount(minlength=CELLS**2 + 1) for row in flat]
    return torch.stack(counts) / x.shape[1]


def cell_probabilities() -> Tensor:
    """The probability of each cell under the ring, `(CELLS ** 2 + 1,)`, as `cells` orders them.

    Slide: beyond the deck (evaluation).

    Example:
        >>> round(cell_probabilities().sum().item(), 6)
        1.0
    """
    modes = data.ring(sd=RING_SD).component_distribution.mean
    edges = torch.linspace(-LIMIT, LIMIT, CELLS + 1)
    within = Normal(modes[..., None], RING_SD).cdf(edges).diff()  # (modes, axes, CELLS)
    inside = torch.einsum("mi, mj -> ij", within[:, 0], within[:, 1]).flatten() / len(modes)
    return torch.cat([inside, (1 - inside.sum()).clamp(min=0)[None]])


def digit_scores(contestant: Contestant) -> dict[str, float]:
    r"""Judge a model of digits by the shipped classifier.

    Slide: beyond the deck (all models side by side).

    Args:
        contestant: made for `DIGITS`, its networks in evaluation mode.

    Returns:
        Of 5,000 samples `confidence`, `inception` and `uneven`, half the sum of the differences
        between the shares of the classes and those of the test digits; of test digits
        `class_kept`, the share whose reconstruction keeps its label, and `pixel_error`, the mean of
        :math:`\|x - x'\|^2`, both NaN without an encoder.
    """
    judge = protocols.classifier()
    x, y = data.mnist("test")
    truth = metrics.class_shares(one_hot(y, 10) * 100.0).share
    torch.manual_seed(0)
    with torch.no_grad():
        parts = [judge(contestant.sample((500,))) for _ in range(DRAWN // 500)]
        logits = torch.cat(parts)
        share, confidence = metrics.class_shares(logits)
        scores = {
            "confidence": float(confidence),
            "inception": float(metrics.inception_score(logits)),
            "uneven": float((share - truth).abs().sum() / 2),
            "class_kept": torch.nan,
            "pixel_error": torch.nan,
        }
        if contestant.back is not None:
            x, y = x[:REBUILT], y[:REBUILT]
            back = torch.cat([contestant.back(part) for part in x.split(500)])
            kept = judge(back).argmax(1) == y
            scores["class_kept"] = float(kept.double().mean())
            scores["pixel_error"] = float((back - x).square().flatten(1).sum(1).mean())
    return scores


def summary_plane(desk: Desk, model: str, steps: int | None = None) -> list[Row]:
    """Train 16 replicas of a contestant on the ring until the budget is spent.

    The weights left are those of the first replica.

    Slide: beyond the deck (all models side by side).

    Args:
        desk: where to train.
        model: a key of `CONTESTANTS`.
        steps: their number, if not what the budget pays for.
    """
    trained, gflop = _train(desk, model, plane(), steps)
    scores = plane_scores(trained)
    first, fresh = (enter(model, plane(1)).sampled for _ in range(2))
    first.load_state_dict({key: part[:1] for key, part in trained.sampled.state_dict().items()})
    desk.ship(first, fresh, f'recipes.summary.enter("{model}", recipes.contest.plane(1)).sampled')
    return [
        {"replica": i, "gflop": gflop} | {key: float(v[i]) for key, v in scores.items()}
        for i in range(REPLICAS)
    ]


def summary_digits(desk: Desk, model: str, steps: int | None = None) -> Row:
    """Train a contestant on MNIST until the budget is spent.

    Slide: beyond the deck (all models side by side).

    Args:
        desk: where to train.
        model: a key of `CONTESTANTS`.
        steps: their number, if not what the budget pays for.
    """
    trained, gflop = _train(desk, model, DIGITS, steps)
    trained.sampled.eval()
    fresh = enter(model, DIGITS).sampled
    desk.ship(
        trained.sampled, fresh, f'recipes.summary.enter("{model}", recipes.contest.DIGITS).sampled'
    )
    return {"gflop": gflop, **digit_scores(trained)}


def _train(desk: Desk, name: str, arena: Arena, steps: int | None) -> tuple[Contestant, float]:
    """A contestant with averaged weights, in the precision that is shipped, and the cost of a step.

    It is on the CPU; the cost is in billions of floating-point operations.
    """
    x = arena.x().to(desk.device)
    (first,) = data.Batches(x, arena.batch, 1, desk.seed)
    cost = operations(enter(name, arena, desk.device).step, cast(Tensor, first))
    steps = steps or int(arena.budget // cost)
    torch.manual_seed(desk.seed)
    step, players, sampled, *_ = enter(name, arena, desk.device)
    average, decays = Average(sampled, AVERAGE), [CosineAnnealingLR(p, steps) for p in players]
    desk.fit(step, data.Batches(x, arena.batch, steps, desk.seed), average, *decays)
    trained = enter(name, arena)
    state = average.module.cpu().state_dict()
    trained.sampled.load_state_dict({key: part.half().float() for key, part in state.items()})
    return trained, cost / 1e9


SUMMARY_PLANE = Sweep(summary_plane, {"model": list(CONTESTANTS)})
SUMMARY_DIGITS = Sweep(summary_digits, {"model": list(CONTESTANTS)}, seeds=REPLICAS)
