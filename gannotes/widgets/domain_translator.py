r"""A drawing pad between two domains: what the reader draws is translated and comes back.

Two translators, :math:`G: X \to Y` and :math:`F: Y \to X`, run in the page. Whether a translation
keeps what
it was made from shows when it is translated back.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import torch
import traitlets
from torch import Tensor, nn

from gannotes import checks
from gannotes.widgets import encoded
from gannotes.widgets.bundle import bundle
from gannotes.widgets.network import image_network

_HERE = Path(__file__).parent


class DomainTranslator(anywidget.AnyWidget):
    r"""Pick or draw a picture, and see it translated and cycled back.

    .. math:: x \mapsto G(x) \mapsto F(G(x)) \qquad\text{or}\qquad y \mapsto F(y) \mapsto G(F(y))

    A pen of soft disks draws on the pad. With the distance `d` of a pixel's centre from the pen's
    path, in pixels, and the pen's radius `r`, the pixel becomes at least

    .. math:: \min\big(1, \max(0, r + \tfrac12 - d)\big),

    the share of it that a straight edge would cover. The drawing is taken as it is: it is neither
    centred nor scaled. Beside the pictures stands the mean absolute error per pixel: of the way
    there and back, and, for an example as it came, of the translation against its true one.

    The pad is drawn on with a pointer, or with the keyboard: arrow keys move the pen (with Shift
    by four pixels), Space puts it down and lifts it, Backspace clears. Nothing needs a kernel; with
    one, the traits `ink`, `example` and `backwards` follow in both directions.

    Slide: CycleGAN / Problem statement, loss functions II (E36, E40).

    Args:
        G: the chain of layers from images of the first domain to images of the second; layers as
            in `LatentExplorer`, `Conv2d` among them.
        F: the chain that leads back.
        examples: pictures of the first domain `(N, 1, h, w)` and their true translations, the same
            shape; at least one pair and at most 24.
        labels: the classes of the pairs, `(N,)`, whole numbers from 0; without it they have none.
        names: what a sentence calls a picture of the first and of the second domain.
        pens: the pen's radius in each domain, in pixels.
        margin: how many pixels along the border the examples leave empty; a dashed frame shows it.
        example: the pair to begin with.
        backwards: whether to begin with the second domain.
        title: a heading.
        dtype: `torch.float16` or `torch.float32`, the precision of the weights in the page.

    Raises:
        TypeError: for a layer that the browser does not know, or examples that are no tensors.
        ValueError: if the networks and the examples do not belong together, or a number is out of
            range.

    Example:
        >>> G = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Sigmoid())
        >>> DomainTranslator(G, G, (torch.rand(6, 1, 8, 8), torch.rand(6, 1, 8, 8)))
        DomainTranslator(digit -> outline -> digit, 8 x 8, 20 parameters, float16, 6 examples)
    """

    _entry = "domain_translator.js"
    _esm = bundle(_entry)
    _css = _HERE / "widgets.css"

    layers: traitlets.List[Any] = traitlets.List(help="the layers, without numbers").tag(sync=True)
    weights = traitlets.Bytes(help="each layer's weight and bias in torch's order").tag(sync=True)
    dtype = traitlets.Unicode(help="the type of `weights`").tag(sync=True)
    generators: traitlets.List[Any] = traitlets.List(help="each one's name and depth").tag(
        sync=True
    )
    shape: traitlets.List[int] = traitlets.List(help="channels, height, width").tag(sync=True)
    limits: traitlets.List[float] = traitlets.List(help="ground and ink").tag(sync=True)
    examples = traitlets.Bytes(help="uint8 (2, N, h, w)").tag(sync=True)
    view = traitlets.Dict(help="names, classes, pens and margin").tag(sync=True)
    ink = traitlets.Bytes(help="what is on the pad, uint8 (h, w)").tag(sync=True)
    example = traitlets.Int(help="the pair that the pad shows, or -1 once it is drawn on").tag(
        sync=True
    )
    backwards = traitlets.Bool(help="whether the pad is of the second domain").tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        G: nn.Sequential,
        F: nn.Sequential,
        examples: tuple[Tensor, Tensor],
        labels: Tensor | None = None,
        *,
        names: tuple[str, str] = ("digit", "outline"),
        pens: tuple[float, float] = (1.1, 0.5),
        margin: int = 0,
        example: int = 0,
        backwards: bool = False,
        title: str = "",
        dtype: torch.dtype = torch.float16,
    ) -> None:
        size = _size(examples)
        count = len(examples[0])
        there, back = (
            image_network(argument, net, size, None, dtype)
            for argument, net in (("G", G), ("F", F))
        )
        for argument, net in (("G", there), ("F", back)):
            if tuple(net["size"]) != size:
                raise ValueError(
                    f"{argument}: expected images of the examples' shape {size}, got {net['size']}"
                )
        if there["limits"] != back["limits"]:
            raise ValueError("G, F: expected the same range, both or neither with a final Tanh")
        checks.texts(title=title)
        checks.pair_of_names("names", names)
        if len(set(names)) != 2:
            raise ValueError(f"names: expected two different ones, got {names}")
        if len(checks.kind("pens", pens, tuple, list, wanted="a pair of radii")) != 2:
            raise ValueError(f"pens: expected two radii, got {len(pens)}")
        for radius in pens:
            checks.positive("pens", radius, size[1] / 4)
        checks.count("margin", margin, 0, (min(size[1:]) - 1) // 2)
        checks.count("example", example, 0, count - 1)
        checks.flags(backwards=backwards)
        classes = [""] * count
        if labels is not None:
            found, every = encoded.classes(labels, count, None, 1000)
            classes = [every[n] for n in found]
        packed = [encoded.pixels(part, size, there["limits"], count, 8) for part in examples]
        area = size[1] * size[2]
        super().__init__(
            layers=[*there["layers"], *back["layers"]],
            weights=there["weights"] + back["weights"],
            dtype=str(dtype).removeprefix("torch."),
            generators=[["G", len(there["layers"])], ["F", len(back["layers"])]],
            shape=list(size),
            limits=[float(v) for v in there["limits"]],
            examples=b"".join(packed),
            view={
                "names": list(names),
                "classes": classes,
                "pens": [float(r) for r in pens],
                "margin": margin,
            },
            ink=packed[backwards][example * area : (example + 1) * area],
            example=example,
            backwards=backwards,
            title=title,
        )

    def __repr__(self) -> str:
        """The sizes, never an address: a committed notebook compares it."""
        count = len(self.weights) // np.dtype(self.dtype).itemsize
        x, y = self.view["names"]
        return (
            f"DomainTranslator({x} -> {y} -> {x}, {self.shape[1]} x {self.shape[2]}, {count:,} "
            f"parameters, {self.dtype}, {len(self.view['classes'])} examples)"
        )


def _size(examples: Sequence[Tensor]) -> tuple[int, int, int]:
    """The shape of a picture, the same in both domains."""
    checks.kind("examples", examples, tuple, list, wanted="two tensors of shape (N, 1, h, w)")
    if len(examples) != 2 or not all(isinstance(part, Tensor) for part in examples):
        kinds = ", ".join(type(part).__name__ for part in examples)
        raise TypeError(f"examples: expected two tensors of shape (N, 1, h, w), got {kinds}")
    x, y = examples
    if x.shape != y.shape or x.ndim != 4 or x.shape[1] != 1 or not 1 <= len(x) <= 24:
        raise ValueError(
            f"examples: expected two tensors of one shape (N, 1, h, w), N from 1 to 24, got "
            f"{tuple(x.shape)} and {tuple(y.shape)}"
        )
    return 1, int(x.shape[2]), int(x.shape[3])
