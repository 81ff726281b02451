"""The comparison of the summary: each contestant trained in each arena, and what it comes to."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gannotes import data, metrics, nets, results, weights
from gannotes.distributions import standard_normal
from gannotes.divergences import jensen_shannon
from gannotes.optim import fit
from gannotes.recipes.card import start, write_card
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
        return CONTESTANTS[name](arena, standard_normal(arena.k, torch.zeros(1)))


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
    judge = weights.load(nets.image_classifier(), "mnist_classifier")
    x, y = data.mnist("test")
    truth = metrics.class_shares(nn.functional.one_hot(y, 10) * 100.0).share
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


def summary_plane_one(
    name: str, out: Path, seed: int = 0, device: str = "cpu", steps: int | None = None
) -> None:
    """Train 16 replicas of a contestant on the ring until the budget is spent.

    Slide: beyond the deck (all models side by side).

    Args:
        name: a key of `CONTESTANTS`.
        out: the folder for the checkpoint, the weights of the first replica, its card and the rows
            of the table.
        seed: of the initial weights, the batches and the noise.
        device: where to train.
        steps: their number, if not what the budget pays for.
    """
    began = start(out, seed)
    path = out / f"summary_plane_{name}_{seed}"
    trained, spent = _train(name, plane(), path, seed, device, steps)
    scores = plane_scores(trained)
    first = enter(name, plane(1)).sampled
    first.load_state_dict({key: part[:1] for key, part in trained.sampled.state_dict().items()})
    weights.save(first, path.with_suffix(".safetensors"))
    rows = [
        {"model": name, "replica": i, **spent} | {key: float(v[i]) for key, v in scores.items()}
        for i in range(REPLICAS)
    ]
    results.write(path.with_suffix(".csv"), rows)
    architecture = f'recipes.enter("{name}", recipes.plane(1)).sampled'
    card = path.with_suffix(".md")
    del rows[0]["minutes"]  # a line of every card
    write_card(card, summary_plane_one, architecture, seed, began, rows[0])


def summary_digits_one(
    name: str, out: Path, seed: int = 0, device: str = "cpu", steps: int | None = None
) -> None:
    """Train a contestant on MNIST until the budget is spent.

    Slide: beyond the deck (all models side by side).

    Args:
        name: a key of `CONTESTANTS`.
        out: the folder for the checkpoint, the weights, the card and the row of the table.
        seed: of the initial weights, the batches and the noise.
        device: where to train.
        steps: their number, if not what the budget pays for.
    """
    began = start(out, seed)
    path = out / f"summary_digits_{name}_{seed}"
    trained, spent = _train(name, DIGITS, path, seed, device, steps)
    trained.sampled.eval()
    weights.save(trained.sampled, path.with_suffix(".safetensors"))
    row = {"model": name, "seed": seed, **spent, **digit_scores(trained)}
    results.write(path.with_suffix(".csv"), [row])
    architecture = f'recipes.enter("{name}", recipes.DIGITS).sampled'
    del row["minutes"]  # a line of every card
    write_card(path.with_suffix(".md"), summary_digits_one, architecture, seed, began, row)


def _train(
    name: str, arena: Arena, path: Path, seed: int, device: str, steps: int | None
) -> tuple[Contestant, dict[str, float]]:
    """What comes back is on the CPU and has averaged weights, in the precision that is shipped."""
    torch.set_num_threads(1)
    began = process_time()
    x = arena.x().to(device)
    (first,) = data.Batches(x, arena.batch, 1, seed)
    cost = operations(enter(name, arena, device).step, cast(Tensor, first))
    steps = steps or int(arena.budget // cost)
    torch.manual_seed(seed)
    one, players, sampled, *_ = enter(name, arena, device)
    average = AveragedModel(sampled, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE), use_buffers=True)
    decays = [CosineAnnealingLR(player, steps) for player in players]

    def step(batch: Tensor) -> dict[str, Tensor]:
        values = one(batch)
        average.update_parameters(sampled)
        for decay in decays:
            decay.step()
        return values

    batches = data.Batches(x, arena.batch, steps, seed)
    fit(step, batches, checkpoint=path.with_suffix(".checkpoint"))
    trained = enter(name, arena)
    state = average.module.cpu().state_dict()
    trained.sampled.load_state_dict({key: part.half().float() for key, part in state.items()})
    minutes = (process_time() - began) / 60
    return trained, {"steps": steps, "gflop": cost / 1e9, "minutes": minutes}


def summary_single(where: str, name: str) -> Callable[..., None]:
    """The recipe of one contestant in one arena, for the command line.

    Slide: beyond the deck (all models side by side).

    Args:
        where: "plane" or "digits".
        name: a key of `CONTESTANTS`.

    Example:
        >>> summary_single("plane", "vae").__name__
        'summary_plane_vae'
    """
    one = {"plane": summary_plane_one, "digits": summary_digits_one}[where]
    what = {"plane": "16 replicas of a model on the ring", "digits": "a model on MNIST"}[where]

    def recipe(out: Path, seed: int = 0, device: str = "cpu", steps: int | None = None) -> None:
        one(name, out, seed, device, steps)

    recipe.__name__ = f"summary_{where}_{name}"
    recipe.__doc__ = f"Train {what} within the budget of the summary: {name}."
    return recipe


def summary_plane_runs(seed: int = 0) -> list[tuple[str, int]]:
    """The runs behind the table of the ring: a stack of 16 replicas for each model.

    Slide: beyond the deck (all models side by side).

    Args:
        seed: of all stacks.

    Example:
        >>> summary_plane_runs()[:2]
        [('summary_plane_gan', 0), ('summary_plane_ls_gan', 0)]
    """
    return [(f"summary_plane_{name}", seed) for name in CONTESTANTS]


def summary_digits_runs(seed: int = 0) -> list[tuple[str, int]]:
    """The runs behind the table of MNIST: 16 of each model, seed by seed.

    Slide: beyond the deck (all models side by side).

    Args:
        seed: the first of the 16 is `16 seed`.

    Example:
        >>> summary_digits_runs()[8], len(summary_digits_runs())
        (('summary_digits_gan', 1), 128)
    """
    seeds = range(REPLICAS * seed, REPLICAS * (seed + 1))
    return [(f"summary_digits_{name}", s) for s in seeds for name in CONTESTANTS]


def summary_plane(parts: Sequence[Path], out: Path, seed: int = 0) -> None:
    """Gather the table of all models on the ring, a row for each replica.

    Slide: beyond the deck (all models side by side).

    Args:
        parts: the folders of `summary_plane_runs(seed)`.
        out: the folder for the table.
        seed: of all stacks.
    """
    _gather(out / "summary_plane.csv", parts, summary_plane_runs(seed))


def summary_digits(parts: Sequence[Path], out: Path, seed: int = 0) -> None:
    """Gather the table of all models on MNIST, a row for each run.

    Slide: beyond the deck (all models side by side).

    Args:
        parts: the folders of `summary_digits_runs(seed)`.
        out: the folder for the table.
        seed: of the runs.
    """
    _gather(out / "summary_digits.csv", parts, summary_digits_runs(seed))


def _gather(path: Path, parts: Sequence[Path], members: list[tuple[str, int]]) -> None:
    files = [part / f"{name}_{s}.csv" for part, (name, s) in zip(parts, members, strict=True)]
    results.write(path, [row for file in files for row in results.read(file)])
