r"""MNIST, which ships with the package: 70,000 handwritten digits, 28 x 28, 8 bit.

The four IDX files of LeCun, Cortes and Burges lie in `mnist/`, compressed with xz; their licence
is CC BY-SA 3.0. A file is inflated only after its SHA-256 has been checked, and never to more than
the size that it must have.
"""

import hashlib
import lzma
import math
import struct
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from gannotes import checks

FOLDER = Path(__file__).parent / "mnist"
# name: SHA-256 of the compressed file, shape of the array in it
FILES = {
    "train-images-idx3-ubyte.xz": (
        "8f41e9b4abc124dc3d209e86f7ea714a81f80edea40b565a4781dec7bd67c6e2",
        (60_000, 28, 28),
    ),
    "train-labels-idx1-ubyte.xz": (
        "dcd3d8184fe1a8be6231f172fb3390116f91c127282fd736ab55752c179963d8",
        (60_000,),
    ),
    "t10k-images-idx3-ubyte.xz": (
        "d815adbb3188b5bafed15d649960a5dbcb0f9138b9a4205b88b175001cb394c9",
        (10_000, 28, 28),
    ),
    "t10k-labels-idx1-ubyte.xz": (
        "f2edae9ce0307abae4671a37b70e6e3858696b48b16c3cfdfef97388dc9925d5",
        (10_000,),
    ),
}
# split: first word of the file names, first row, last row + 1
SPLITS = {
    "train": ("train", 0, 55_000),
    "validation": ("train", 55_000, 60_000),
    "test": ("t10k", 0, 10_000),
}
MEMORY_LIMIT = 128 << 20  # bytes that the decompressor may use; the files need 65 MiB (xz -9)


def mnist(split: str) -> tuple[Tensor, Tensor]:
    r"""Images and labels of a split of MNIST: samples :math:`(x_s, u_s) \sim \hat p(x, u)`.

    .. math:: \hat p(x, u) = \frac1S \sum_s \delta(x - x_s)\, 1[u = u_s]

    Choose every hyper-parameter on "validation"; "test" is for the number that is reported.
    Slide: Supervised and unsupervised learning (E02, E04); the data set of the deck's experiments.

    Args:
        split: "train" (the first 55,000 images of the training file), "validation" (its last
            5,000) or "test" (10,000).

    Returns:
        images, float32 in [0, 1], shape (S, 1, 28, 28), ink is 1; labels, int64, shape (S,).
        Both are fresh tensors.

    Raises:
        TypeError: if `split` is no word.
        ValueError: if it is another one, or if a file is not what it must be.

    Example:
        >>> images, labels = mnist("test")
        >>> images.shape, labels[:5].tolist()
        (torch.Size([10000, 1, 28, 28]), [7, 2, 1, 0, 4])
    """
    checks.one_of("split", split, SPLITS)
    stem, start, stop = SPLITS[split]
    images = _load(f"{stem}-images-idx3-ubyte.xz")[start:stop]
    labels = _load(f"{stem}-labels-idx1-ubyte.xz")[start:stop]
    return images.unsqueeze(1).to(torch.float32).div_(255), labels.to(torch.int64)


def binarise(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    r"""Dynamic binarisation: a pixel is 1 with probability equal to its intensity.

    .. math:: b_j \sim \mathrm{Bernoulli}(x_j), \qquad E[b \mid x] = x

    Drawn anew at every call, as in the training of Bernoulli decoders. Slide: VAE / Experiments
    (the binary digits behind T04).

    Args:
        x: intensities in [0, 1], any shape.
        generator: source of randomness; torch's global one if None.

    Returns:
        Zeros and ones, shape and dtype of `x`.

    Raises:
        TypeError: if `x` is not floating.
        ValueError: if it leaves [0, 1].

    Example:
        >>> binarise(torch.tensor([0.0, 1.0, 1.0])).tolist()
        [0.0, 1.0, 1.0]
    """
    checks.unit("x", x)
    checks.kind("generator", generator, torch.Generator, type(None), wanted="a Generator")
    return torch.bernoulli(x, generator=generator)


@cache
def _load(name: str) -> Tensor:
    """The uint8 array of one shipped file; shared, so it must not be written to."""
    sha256, shape = FILES[name]
    array = read_idx(FOLDER / name, sha256, shape)
    if len(shape) == 1 and array.max() > 9:
        raise ValueError(f"{name}: expected labels from 0 to 9, got {array.max()}")
    return array


def read_idx(path: Path, sha256: str, shape: tuple[int, ...]) -> Tensor:
    r"""Read an xz-compressed IDX file of unsigned bytes: checksum, then size, then header.

    .. math:: \text{IDX} = (0, 0, 8, D),\; n_1, \dots, n_D \;(\text{big-endian, 4 bytes each}),\;
              n_1 \cdots n_D \text{ bytes}

    Args:
        path: the file.
        sha256: SHA-256 of the compressed file, hexadecimal.
        shape: shape that the array must have.

    Returns:
        The array, uint8, of that shape.

    Raises:
        ValueError: naming the file, if the checksum, the inflated size or the header is wrong.

    Example:
        >>> read_idx(FOLDER / "t10k-labels-idx1-ubyte.xz", *FILES["t10k-labels-idx1-ubyte.xz"])[:3]
        tensor([7, 2, 1], dtype=torch.uint8)
    """
    checks.kind("path", path, Path)
    for n in checks.kind("shape", shape, tuple, wanted="a tuple of sizes"):
        checks.count("shape", n)
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path.name}: expected a file, got an error: {error.strerror}") from error
    found = hashlib.sha256(packed).hexdigest()
    if found != sha256:
        raise ValueError(f"{path.name}: expected the SHA-256 {sha256}, got {found}")
    header = struct.pack(f">{1 + len(shape)}I", 0x800 + len(shape), *shape)
    size = len(header) + math.prod(shape)
    data = _inflate(path.name, packed, size)
    if data[: len(header)] != header:
        raise ValueError(
            f"{path.name}: expected the header {header.hex()}, got {data[: len(header)].hex()}"
        )
    return torch.frombuffer(data, dtype=torch.uint8, offset=len(header)).reshape(shape)


def _inflate(name: str, packed: bytes, size: int) -> bytearray:
    """Decompress to exactly `size` bytes; one more is asked for and refused."""
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY_LIMIT)
    try:
        data = bytearray(decompressor.decompress(packed, max_length=size + 1))
    except lzma.LZMAError as error:
        raise ValueError(f"{name}: expected an xz file, got an error: {error}") from error
    if len(data) > size:
        raise ValueError(f"{name}: expected {size:,} bytes, got more")
    if len(data) < size or not decompressor.eof or decompressor.unused_data:
        raise ValueError(f"{name}: expected {size:,} bytes, got {len(data):,}")
    return data
