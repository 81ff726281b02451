"""A density on the line as the page needs it: weights, means and deviations of its Gaussians."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, MixtureSameFamily, Normal

from gannotes import checks

Density = dict[str, list[float]]


def describe(name: str, p: Distribution) -> Density:
    """The numbers of a Gaussian, or of a mixture of two, on the line.

    Args:
        name: what an error calls the density.
        p: a `Normal`, or a `MixtureSameFamily` of two, with one coordinate (event shape `()` or
            `(1,)`, no batch).

    Returns:
        "weights", "means" and "sds", one number each per component, to six significant digits.

    Raises:
        TypeError: for any other distribution.
        ValueError: for more than one coordinate, a batch, or more than two components.

    Example:
        >>> describe("p", Normal(0.0, 2.0))
        {'weights': [1.0], 'means': [0.0], 'sds': [2.0]}
    """
    wanted = "a Normal or a mixture of two of them on the line"
    part, weights = p, torch.ones(1)
    if isinstance(p, MixtureSameFamily):
        part, weights = p.component_distribution, p.mixture_distribution.probs
    base = part.base_dist if isinstance(part, Independent) else part
    if not isinstance(base, Normal):
        raise TypeError(f"{name}: expected {wanted}, got {type(p).__name__}")
    size = len(weights) if weights.ndim == 1 else 0
    if size not in (1, 2) or not base.loc.numel() == base.scale.numel() == size:
        raise ValueError(f"{name}: expected {wanted}, got means of shape {tuple(base.loc.shape)}")
    for numbers in (weights, base.loc, base.scale):
        if not numbers.isfinite().all():
            raise ValueError(f"{name}: expected finite numbers, got {numbers.tolist()}")
    return {"weights": _list(weights), "means": _list(base.loc), "sds": _list(base.scale)}


def inside(name: str, density: Density, **ranges: tuple[float, float]) -> Density:
    """The density itself, if its numbers lie within the ranges of the sliders that move them."""
    for key, (low, high) in ranges.items():
        if len(density["weights"]) > 1 or key != "weights":
            for v in density[key]:
                if not low <= v <= high:
                    raise ValueError(f"{name}: expected {key} from {low} to {high}, got {v}")
    return density


def interval(name: str, limits: tuple[float, float]) -> list[float]:
    """Two numbers in order."""
    return list(checks.interval(name, limits))


def formula(density: Density) -> str:
    """The density in a line of text: "0.3 N(-2, 0.6^2) + 0.7 N(1.5, 1^2)"."""
    terms: list[Any] = [
        f"N({m:g}, {s:g}^2)" for m, s in zip(density["means"], density["sds"], strict=True)
    ]
    if len(terms) > 1:
        terms = [f"{w:g} {term}" for w, term in zip(density["weights"], terms, strict=True)]
    return " + ".join(terms)


def _list(x: Tensor) -> list[float]:
    return [float(f"{v:.6g}") for v in x.detach().double().flatten().tolist()]
