"""Classes that survive a redrawing: how the code of an InfoGAN on digits gets its meaning."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, interpolate, max_pool2d
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR

from gannotes import data
from gannotes.divergences import information
from gannotes.models.infogan import InfoGAN
from gannotes.optim import ascend, fit

HEADS, FINE = 24, 50  # heads that start side by side, and the classes of one more
START = (500, 900)  # steps with many heads, and with the best


def distort(x: Tensor, a: float = 0.25, s: float = 0.15, bend: float = 0.06) -> Tensor:
    r"""Redraw every image a little otherwise: turned, slanted, bent, with a thicker or thinner pen.

    .. math:: x'(u) = \mathrm{pen}\Big(x\big((1 + A)\, u + b + f(u)\big)\Big), \qquad
              A_{ij} \sim U(-a, a), \quad b_i \sim U(-s, s)

    The field `f` is smooth, bicubic between 5 x 5 normal numbers of standard deviation `bend`; the
    pen moves every picture towards the largest or the smallest value around each pixel.

    Slide: beyond the deck (codes that are classes).

    References:
        Simard, Steinkraus and Platt, Best practices for convolutional neural networks applied to
        visual document analysis, 2003.

    Args:
        x: images `(N, C, H, W)`.
        a: the largest entry of the matrix.
        s: the largest shift, in units of half a picture.
        bend: the standard deviation of the field, in the same unit.

    Example:
        >>> x = torch.rand(2, 1, 28, 28)
        >>> distort(x).shape
        torch.Size([2, 1, 28, 28])
    """
    n, size = len(x), list(x.shape)
    matrix = torch.eye(2, 3, device=x.device) + x.new_tensor([a, a, s]) * _noise(x, n, 2, 3)
    field = bend * torch.randn(n, 2, 5, 5, device=x.device)
    field = interpolate(field, size=size[2:], mode="bicubic", align_corners=True)
    places = affine_grid(matrix, size, align_corners=False) + field.permute(0, 2, 3, 1)
    x = grid_sample(x, places, align_corners=False)
    thick, thin = max_pool2d(x, 3, 1, 1), -max_pool2d(-x, 3, 1, 1)
    pen = _noise(x, n, 1, 1, 1)
    return x + 0.5 * pen.clamp_min(0) * (thick - x) + 0.5 * (-pen).clamp_min(0) * (thin - x)


def _noise(like: Tensor, *shape: int) -> Tensor:
    return 2 * torch.rand(shape, device=like.device) - 1


def kept(p: Tensor, p_again: Tensor) -> Tensor:
    r"""The information that two looks at the same images give about each other's class.

    .. math:: I(c; c'), \qquad P(c, c') = \frac1N \sum_i Q(c \mid T x_i)\, Q(c' \mid T' x_i)

    It is at most :math:`\log K`, and reaches it where every look names one class with certainty,
    the same for both, and all classes equally often.

    Slide: beyond the deck (codes that are classes).

    References:
        Ji, Henriques and Vedaldi, Invariant information clustering for unsupervised image
        classification and segmentation, 2019.

    Args:
        p: probabilities of the classes at a first look `(..., N, K)`.
        p_again: at a second look.

    Example:
        >>> print(f"{kept(torch.eye(10), torch.eye(10)):.3f}")
        2.303
    """
    joint = p.mT @ p_again / p.shape[-2]
    return information(((joint + joint.mT) / 2).clamp_min(1e-8).log())


def looks(trunk: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """The features of two redrawings of the same images, from one pass.

    Slide: beyond the deck (codes that are classes).

    Args:
        trunk: maps images to features.
        x: images `(N, 1, 28, 28)`.

    Returns:
        Features `(N, h)` of the first redrawing and of the second.
    """
    first, second = trunk(distort(x.repeat(2, 1, 1, 1))).chunk(2)
    return first, second


def keep(infogan: InfoGAN, fine: nn.Module, x: Tensor) -> Tensor:
    r"""How much of the class of a digit survives a redrawing, :math:`I(c; c')`, for two heads.

    Slide: beyond the deck (codes that are classes).

    Args:
        infogan: the model; its head :math:`Q` is the first.
        fine: a head with more classes `(N, h)` to `(N, K)`, which keeps the features rich.
        x: a batch of data `(N, 1, 28, 28)`.

    Returns:
        Nats `(2,)`.
    """
    both = looks(infogan.trunk, x)
    return torch.stack(
        [
            kept(*(infogan.Q(h).parts[0].probs for h in both)),
            kept(*(fine(h).softmax(-1) for h in both)),
        ]
    )


def start_classes(
    infogan: InfoGAN,
    fine: nn.Module,
    x: Tensor,
    seed: int = 0,
    steps: tuple[int, int] | None = None,
    checkpoint: Path | None = None,
    progress: bool = True,
) -> list[float]:
    r"""Give the code its meaning before the game: the classes that survive a redrawing best.

    First many affine heads on one trunk each ascend :math:`I(c; c')`. They get stuck at different
    places, and the information says which is best, without a label. It becomes the head of
    :math:`c_1`, which goes on alone.

    Slide: beyond the deck (codes that are classes).

    Args:
        infogan: the model; its trunk and the first rows of its head are trained.
        fine: the second head, as for `keep`.
        x: the data `(L, 1, 28, 28)`.
        seed: of the batches.
        steps: the numbers of steps with many heads and with one, of 128 images each; `START` if
            None.
        checkpoint: the stem of the files for `fit`.
        progress: as for `fit`.

    Returns:
        The information of each head when one is chosen, averaged over a hundred steps.
    """
    Q: Any = infogan.Q
    affine, classes = Q.net, Q.categorical[0]
    many, one = START if steps is None else steps
    heads = nn.Linear(affine.in_features, HEADS * classes).to(x.device)

    def search(batch: Tensor) -> dict[str, Tensor]:
        both = looks(infogan.trunk, batch)
        parts = (heads(h).unflatten(-1, (HEADS, -1)).softmax(-1).movedim(-2, 0) for h in both)
        found = kept(*parts)
        ascend(eta, found.mean() + kept(*(fine(h).softmax(-1) for h in both)))
        return {"kept": found}

    def settle(batch: Tensor) -> dict[str, Tensor]:
        found = keep(infogan, fine, batch)
        ascend(eta, found.sum())
        decay.step()
        return {"kept": found}

    eta = Adam(nn.ModuleList([infogan.trunk, heads, fine]).parameters(), 2e-3, fused=True)
    batches = data.Batches(x, 128, many, seed)
    path = None if checkpoint is None else checkpoint.with_suffix(".search")
    score = fit(search, batches, progress=progress, checkpoint=path)["kept"][-100:].mean(0)
    best = int(score.argmax())
    with torch.no_grad():
        affine.weight[:classes] = heads.weight.view(HEADS, classes, -1)[best]
        affine.bias[:classes] = heads.bias.view(HEADS, classes)[best]
    eta = Adam(nn.ModuleList([infogan.trunk, infogan.Q, fine]).parameters(), 1e-3, fused=True)
    decay = CosineAnnealingLR(eta, one)
    batches = data.Batches(x, 128, one, seed + 1)
    path = None if checkpoint is None else checkpoint.with_suffix(".settle")
    fit(settle, batches, progress=progress, checkpoint=path)
    return score.tolist()
