"""Encoded images as a page needs them: codes, classes and a few bits for each pixel."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gannotes import checks


def codes(name: str, z: Tensor, wanted: str, size: int | None = None) -> np.ndarray:
    """Codes as float64 `(N, k)`, two at least.

    Args:
        name: what an error calls them.
        z: `(N, k)`.
        wanted: their shape, in words.
        size: `k`, where it is given.

    Raises:
        TypeError: if they are no tensor.
        ValueError: for another shape, fewer than two codes, or one that is not finite.

    Example:
        >>> codes("z", torch.zeros(3, 2), "(N, 2)", 2).shape
        (3, 2)
    """
    if not isinstance(z, Tensor):
        raise TypeError(f"{name}: expected a tensor of shape {wanted}, got {type(z).__name__}")
    fits = z.ndim == 2 and len(z) > 1 and z.shape[1] == (size or z.shape[1]) and z.shape[1]
    if not fits:
        raise ValueError(f"{name}: expected shape {wanted}, N at least 2, got {tuple(z.shape)}")
    checks.floating(name, z, finite=True)
    return z.detach().double().cpu().numpy()


def classes(
    labels: Tensor, count: int, names: Sequence[str] | None, most: int
) -> tuple[list[int], list[str]]:
    """The class of each image, and the names of all classes.

    Args:
        labels: `(count,)`, whole numbers from 0.
        count: the number of images.
        names: the names of the classes; their numbers without it.
        most: the largest number of classes that can be told apart.

    Raises:
        ValueError: for another shape, a fraction, or a label without a name.

    Example:
        >>> classes(torch.tensor([0, 2]), 2, None, 10)
        ([0, 2], ['0', '1', '2'])
    """
    labels = checks.classes("labels", labels, str(count))
    if names is not None:
        checks.kind("classes", names, list, tuple, wanted="a list of names")
    found = [int(label) for label in labels]
    if names is None and max(found) >= most:
        raise ValueError(f"labels: expected numbers from 0 to {most - 1}, got {max(found)}")
    every = [str(n) for n in (range(max(found) + 1) if names is None else names)]
    if len(every) > most:
        raise ValueError(f"classes: expected at most {most}, got {len(every)}")
    if min(found) < 0 or max(found) >= len(every):
        raise ValueError(
            f"labels: expected numbers from 0 to {len(every) - 1}, got {min(found)} to {max(found)}"
        )
    return found, every


def pixels(
    images: Tensor, size: Sequence[int], limits: Sequence[float], count: int, bits: int
) -> bytes:
    """Images as whole numbers between black and white: one byte a pixel, or half a byte.

    Args:
        images: `(count, *size)`.
        size: channels, height and width of the network's images.
        limits: the values of black and white.
        count: the number of images.
        bits: 8, or 4: then the first of two pixels is the higher half of a byte.

    Raises:
        TypeError: if they are not floating.
        ValueError: for another shape, or a pixel that is not finite.

    Example:
        >>> pixels(torch.tensor([[[[0.0, 1.0], [0.2, 0.4]]]]), (1, 2, 2), (0.0, 1.0), 1, 4).hex()
        '0f36'
    """
    checks.floating("images", images, finite=True)
    if tuple(images.shape) != (count, *size):
        raise ValueError(
            f"images: expected shape {(count, *size)}, an image of the decoder's size for each "
            f"code, got {tuple(images.shape)}"
        )
    low, high = limits
    scaled = (images.detach().double().cpu() - low) / (high - low) * (2**bits - 1)
    values = scaled.round().clamp(0, 2**bits - 1).to(torch.uint8).numpy()
    if bits == 8:
        return values.tobytes()
    flat = np.append(values.ravel(), np.zeros(values.size % 2, np.uint8)).reshape(-1, 2)
    return (16 * flat[:, 0] + flat[:, 1]).astype(np.uint8).tobytes()


def sentences(labels: Sequence[str] | None, frames: int) -> list[str]:
    """A sentence for each frame of a film.

    Args:
        labels: the sentences; "frame 1 of 9" and so on without them.
        frames: their number.

    Raises:
        TypeError: if they are no list of texts.
        ValueError: for another number of them.

    Example:
        >>> sentences(None, 2)
        ['frame 1 of 2', 'frame 2 of 2']
    """
    if labels is None:
        return [f"frame {t + 1} of {frames}" for t in range(frames)]
    if len(checks.kind("labels", labels, list, tuple, wanted="a list of sentences")) != frames:
        raise ValueError(f"labels: expected {frames}, one per frame, got {len(labels)}")
    for label in labels:
        checks.texts(labels=label)
    return list(labels)
