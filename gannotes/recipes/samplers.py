"""Pictures from every generator that ships: a table of names, and one way to draw from all.

python -m gannotes sample mnist_gan --count 60 --out digits.npy --png digits.png
"""

import difflib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from gannotes import checks, nets, weights
from gannotes.distributions import codes, standard_normal
from gannotes.divergences import F_DIVERGENCES
from gannotes.recipes import ali_mnist, avb, contest, fgan, heads, infogan, summary, vae

BATCH = 500  # pictures in memory at a time
SHEET = 100  # pictures on a contact sheet, at most

Draw = Callable[[int], Tensor]


class Source(NamedTuple):
    """What can be drawn from: a line about it, its side in pixels, and what loads it."""

    summary: str
    side: int
    load: Callable[[], Draw]


def _bases(n: int, *bases: Distribution) -> Tensor:
    return torch.cat([p.sample(torch.Size((n,))) for p in bases], -1)


def _from(make: Callable[[], nn.Module], name: str, *bases: Distribution) -> Draw:
    """A generator: noise, and a code where there is one, side by side."""
    G = weights.load(make(), name)
    return lambda n: G(_bases(n, *bases))


def _means(make: Callable[[], nn.Module], name: str, k: int) -> Draw:
    """A model with a density of binary pixels: the means of its decoder."""
    model = weights.load(make(), name)
    return lambda n: model.decoder(_bases(n, standard_normal(k))).mean  # type: ignore[operator]


def _contestant(name: str) -> Draw:
    """A model of the comparison, which has its own way to sample."""
    contestant = summary.enter(name, contest.DIGITS)
    weights.load(contestant.sampled, f"summary_digits_{name}_0")
    return lambda n: contestant.sample((n,))


def _digit_avb(k: int, contrast: bool) -> nn.Module:
    return avb.digit_avb(vae.digit_vae(k, 512), avb.adaptive if contrast else None)


def _source(summary: str, load: Callable[..., Draw], *arguments: Any, side: int = 28) -> Source:
    return Source(summary, side, partial(load, *arguments))


def _table() -> dict[str, Source]:
    noise, sixteen = standard_normal(32), standard_normal(16)
    digit = infogan.infogan_generator, (standard_normal(62), codes((10,), 2))
    head = heads.head_generator, (standard_normal(4), codes(continuous=2))
    gan = partial(nets.image_generator, 32)
    table = {
        "mnist_gan": _source("GAN with the remedies", _from, gan, "mnist_gan", noise),
        "mnist_gan_plain": _source("GAN by the plain game", _from, gan, "mnist_gan_plain", noise),
    }
    for f in F_DIVERGENCES:
        name, words = f"fgan_mnist_{f}", f"f-GAN, {f.replace('_', ' ')}"
        table[name] = _source(words, _from, fgan.fgan_generator, f"{name}_0", noise)
    for f in fgan.FREE:
        name, words = f"fgan_mnist_calm_{f}", f"f-GAN with a free critic, {f.replace('_', ' ')}"
        table[name] = _source(words, _from, fgan.fgan_generator, f"{name}_0", noise)
    for name, words, file, (make, bases), side in (
        (
            "infogan_mnist",
            "InfoGAN, ten classes and two numbers",
            "infogan_mnist_redrawn",
            digit,
            28,
        ),
        (
            "infogan_mnist_plain",
            "GAN on the inputs of the InfoGAN",
            "infogan_mnist_plain",
            digit,
            28,
        ),
        ("infogan_heads", "InfoGAN on drawn heads", "infogan_heads_blurred", head, 32),
        ("infogan_heads_plain", "GAN on drawn heads", "infogan_heads_plain", head, 32),
    ):
        table[name] = _source(words, _from, make, f"{file}_0", *bases, side=side)
    words = "ALI, decoder of sixteen numbers"
    table["ali_mnist"] = _source(
        words, _from, ali_mnist.ali_decoder, "ali_mnist_decoder_0", sixteen
    )
    for k in vae.PANELS:
        name, words = f"vae_mnist_{k}", f"VAE with {k} latent dimensions"
        table[name] = _source(words, _means, partial(vae.digit_vae, k), f"{name}_0", k)
    for k in vae.TABLE:
        for model, words, model_of in (
            ("vae", "VAE of the AVB table", partial(vae.digit_vae, k, 512)),
            ("avb", "AVB", partial(_digit_avb, k, False)),
            ("avb_ac", "AVB and adaptive contrast", partial(_digit_avb, k, True)),
        ):
            name = f"avb_mnist_{model}_{k}"
            words = f"{words} with {k} latent dimensions"
            table[name] = _source(words, _means, model_of, f"{name}_0", k)
    for name in contest.CONTESTANTS:
        words = f"{name} of the comparison of all models"
        table[f"summary_digits_{name}"] = _source(words, _contestant, name)
    return table


SOURCES = _table()


def draw(name: str, count: int, seed: int = 0) -> Iterator[Tensor]:
    """Draw pictures from a shipped generator, batch by batch.

    The first pictures of a seed are the same for every count, and the random numbers of the caller
    are left alone.

    Slide: Learn a random number generator (E05).

    Args:
        name: a key of `SOURCES`.
        count: how many.
        seed: of the noise.

    Returns:
        An iterator over batches `(n, h, w)`, float32, values in [0, 1].

    Raises:
        TypeError: if a number is no integer.
        ValueError: if there is no such source, or if a number is out of range.

    Example:
        >>> [part.shape for part in draw("fgan_mnist_kl", 3)]
        [torch.Size([3, 28, 28])]
    """
    source = find(name)
    checks.count("count", count)
    checks.count("seed", seed, 0, 2**63 - 1)
    with torch.random.fork_rng(devices=()):
        one = source.load()
    return _batches(one, count, torch.Generator().manual_seed(seed).get_state())


def _batches(one: Draw, count: int, state: Tensor) -> Iterator[Tensor]:
    for done in range(0, count, BATCH):
        with torch.no_grad(), torch.random.fork_rng(devices=()):
            torch.set_rng_state(state)
            images = one(BATCH)  # always a whole batch, so that no count changes what comes before
            state = torch.get_rng_state()
        yield images[: count - done, 0].float().clamp(0, 1)


def sample(name: str, count: int, seed: int = 0) -> Tensor:
    """Draw pictures from a shipped generator, all at once.

    Slide: Learn a random number generator (E05). Arguments and errors are those of `draw`.

    Returns:
        Pictures `(count, h, w)`, float32, values in [0, 1].

    Example:
        >>> sample("mnist_gan", 2).shape
        torch.Size([2, 28, 28])
    """
    return torch.cat(list(draw(name, count, seed)))


def find(name: str) -> Source:
    """The source of a name.

    Args:
        name: a key of `SOURCES`.

    Raises:
        ValueError: if there is none, with the closest names.

    Example:
        >>> find("mnist_gan").summary
        'GAN with the remedies'
    """
    if name in SOURCES:
        return SOURCES[name]
    close = difflib.get_close_matches(name, SOURCES, n=2)
    hint = f"did you mean {' or '.join(close)}?" if close else "sample --list says which"
    raise ValueError(f"name: expected a shipped generator, got {name!r}; {hint}")


def save(name: str, count: int, seed: int, out: Path | None, png: Path | None) -> None:
    """Draw pictures into a file of numbers, a contact sheet, or both.

    Args:
        name: a key of `SOURCES`.
        count: how many.
        seed: of the noise.
        out: the `.npy` file, an array `(count, h, w)`, float32 in [0, 1].
        png: the sheet of the first hundred.

    Raises:
        ValueError: if an argument is not in order; no file was touched.
    """
    if out is None and png is None:
        raise ValueError("out, png: expected a file for the pictures, got neither")
    for what, path, ending in (("out", out, ".npy"), ("png", png, ".png")):
        if path is not None and (path.suffix != ending or not path.parent.is_dir()):
            raise ValueError(f"{what}: expected a {ending} file in an existing folder, got {path}")
    side, batches = find(name).side, draw(name, count, seed)
    if out is not None:
        batches = _written(batches, out, (count, side, side))
    first = next(batches)[:SHEET]
    if png is not None:
        from gannotes import plots  # matplotlib is slow to import

        plots.contact_sheet(first, png)
    if out is not None:
        for _ in batches:
            pass


def _written(batches: Iterator[Tensor], out: Path, shape: tuple[int, ...]) -> Iterator[Tensor]:
    """The same batches, each written to the file that has its name when all are there."""
    part = out.with_name(f"{out.name}.part")
    array = np.lib.format.open_memmap(part, "w+", np.float32, shape)
    done = 0
    for images in batches:
        array[done : done + len(images)] = images.numpy()
        done += len(images)
        yield images
    array.flush()
    part.replace(out)


def table() -> str:
    """All sources, a line each.

    Example:
        >>> print(table().splitlines()[0])
        mnist_gan               28 x 28  GAN with the remedies
    """
    width = max(map(len, SOURCES))
    return "\n".join(
        f"{name:{width}}  {source.side} x {source.side}  {source.summary}"
        for name, source in SOURCES.items()
    )
