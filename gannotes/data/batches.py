r"""Mini-batches by index from memory: :math:`x_i \sim \hat p(x)`, drawn without replacement.

The data lie in memory as tensors and a batch is one gather, 0.1 ms for 64 images, which a worker
process could not beat.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from gannotes import checks

REPLICAS = 100_000  # each has a generator of its own


class Batches:
    r"""A fixed number of mini-batches, the same ones at every pass.

    .. math:: x_{i} \sim \hat p(x) = \frac1L \sum_{l=1}^L \delta(x - x_l), \qquad i = 1, \dots, N

    Indices run through one random permutation of the data after another (an epoch each); a batch
    that begins in one permutation ends in the next, so nothing is dropped and every epoch uses
    each row once. Replica s of `Batches(x, (S, N), steps, seed)` gets the batches of
    `Batches(x, N, steps, seed + s)`: a stack of runs equals the runs one by one. The global
    random state is neither read nor changed.

    Slide: Constraint on training (E06); Optimisation (A01, step 1).

    Args:
        x: data, shape (L, ...), or a tuple of tensors with the same L (images and labels).
        size: batch size N, or (S, N) for S replicas.
        steps: number of batches, which is also `len`.
        seed: seed of the permutations.

    Returns:
        An iterable over batches shaped (N, ...) or (S, N, ...); tuples of them if `x` is one.

    Raises:
        TypeError: if `x` is not a tensor or a tuple of tensors, or a size is no integer.
        ValueError: if the tensors differ in length, or if a size or `steps` is out of range.

    Example:
        >>> batches = Batches(torch.arange(6), size=3, steps=2)
        >>> sorted(torch.cat(list(batches)).tolist())
        [0, 1, 2, 3, 4, 5]
        >>> [batch.shape for batch in Batches(torch.zeros(6, 2), size=(4, 3), steps=1)]
        [torch.Size([4, 3, 2])]
    """

    def __init__(
        self,
        x: Tensor | tuple[Tensor, ...],
        size: int | tuple[int, int],
        steps: int,
        seed: int = 0,
    ) -> None:
        tensors = x if isinstance(x, tuple) else (x,)
        shape = size if isinstance(size, tuple) else (size,)
        _check(tensors, shape, steps, seed)
        self.x, self.size, self.steps, self.seed = x, size, steps, seed
        self._tensors, self._shape = tensors, shape

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Tensor | tuple[Tensor, ...]]:
        first, count = self._tensors[0], self._shape[-1]
        replicas = self._shape[0] if len(self._shape) == 2 else 1
        streams = [_indices(len(first), count, self.seed + s) for s in range(replicas)]
        for _ in range(self.steps):
            index = torch.cat([next(stream) for stream in streams]).to(first.device)
            batch = tuple(
                t.index_select(0, index).reshape(*self._shape, *t.shape[1:]) for t in self._tensors
            )
            yield batch if isinstance(self.x, tuple) else batch[0]


def _indices(length: int, count: int, seed: int) -> Iterator[Tensor]:
    """Consecutive runs of `count` indices from an endless chain of permutations."""
    generator = torch.Generator().manual_seed(seed)
    queue = torch.randperm(length, generator=generator, device="cpu")
    while True:
        if len(queue) < count:
            epoch = torch.randperm(length, generator=generator, device="cpu")
            queue = torch.cat([queue, epoch])
        yield queue[:count]
        queue = queue[count:]


def _check(tensors: tuple[Tensor, ...], shape: tuple[int, ...], steps: int, seed: int) -> None:
    if not tensors or not all(isinstance(t, Tensor) for t in tensors):
        kinds = ", ".join(type(t).__name__ for t in tensors)
        raise TypeError(f"x: expected a tensor or a tuple of tensors, got ({kinds})")
    if any(t.ndim == 0 for t in tensors) or len({len(t) for t in tensors}) != 1:
        shapes = ", ".join(str(tuple(t.shape)) for t in tensors)
        raise ValueError(f"x: expected tensors of the same first dimension, got shapes {shapes}")
    length = len(tensors[0])
    if len(shape) not in (1, 2):
        raise ValueError(f"size: expected a number N or a pair (S, N), got {shape}")
    for n in shape[:-1]:
        checks.count("size", n, 1, REPLICAS)
    checks.count("size", shape[-1])
    if shape[-1] > length:
        raise ValueError(f"size: expected at most the {length} rows of the data, got {shape[-1]}")
    checks.count("steps", steps, 0)
    checks.count("seed", seed, 0, 2**62)
