r"""A pad to draw a digit on: a classifier reads it, an autoencoder makes it again from two numbers.

The encoder says :math:`q_\phi(z \mid x) = N(\mu, \sigma^2)`, the decoder draws what belongs to
:math:`\mu`. A drawing is a point that was not in the data: whether the two numbers still hold what
a reader sees in it shows at once.
"""

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
from gannotes.widgets.network import called, image_network, number_network

_HERE = Path(__file__).parent


class DigitPad(anywidget.AnyWidget):
    r"""Draw a digit; see what it is read as, its code, and what is made again of the code.

    .. math:: x \;\mapsto\; q_\phi(z \mid x) = N(\mu, \sigma^2), \qquad x' = G_\theta(\mu)

    The classifier sees the drawing as it is, and the rebuilt picture. The encoder sees pixels that
    are black or white, like its training data: more than half covered counts as white. The map
    shows the codes of test images by class, the mean of :math:`q_\phi`, and its ellipse of two
    standard deviations, in the coordinates :math:`\Phi(z)`: equal areas hold as much of the prior.

    The pad is drawn on with a pointer, or with the keyboard: arrow keys move the pen (with Shift
    by four pixels), Space puts it down and lifts it, E changes to the eraser, Backspace clears.
    Nothing needs a kernel; with one, the traits `ink` and `example` follow in both directions.

    Slide: VAE / Experiments (E63, F08).

    Args:
        encoder: the chain of layers from an image to two means and two log standard deviations.
        decoder: the chain from two numbers to an image between 0 and 1.
        classifier: the chain from an image to one logit a class, ten at most.
        z: codes of test images, `(N, 2)`.
        labels: their classes, `(N,)`.
        examples: images to begin with, `(M, 1, h, w)` between 0 and 1, at most 24.
        kinds: the classes of the examples, `(M,)`.
        example: the one that the pad shows first.
        pen: the pen's radius in pixels.
        margin: how many pixels along the border the examples leave empty; a dashed frame shows it.
        title: a heading.
        dtype: `torch.float16` or `torch.float32`, the precision of the weights in the page.

    Raises:
        TypeError: for a layer that the browser does not know, or codes that are no tensor.
        ValueError: if networks, codes and examples do not belong together.

    Example:
        >>> encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 4))
        >>> decoder = nn.Sequential(nn.Linear(2, 16), nn.Sigmoid(), nn.Unflatten(-1, (1, 4, 4)))
        >>> classifier = nn.Sequential(nn.Flatten(), nn.Linear(16, 10))
        >>> images, kinds = torch.rand(3, 1, 4, 4), torch.tensor([1, 2, 3])
        >>> DigitPad(encoder, decoder, classifier, torch.randn(10, 2), torch.arange(10), images,
        ...          kinds)
        DigitPad(4 x 4, 10 classes, 286 parameters, float16, 3 examples)
    """

    _entry = "digit_pad.js"
    _esm = bundle(_entry)
    _css = _HERE / "widgets.css"

    layers: traitlets.List[Any] = traitlets.List(help="the layers, without numbers").tag(sync=True)
    weights = traitlets.Bytes(help="each layer's weight and bias in torch's order").tag(sync=True)
    dtype = traitlets.Unicode(help="the type of `weights`").tag(sync=True)
    generators: traitlets.List[Any] = traitlets.List(help="each network's name and depth").tag(
        sync=True
    )
    shape: traitlets.List[int] = traitlets.List(help="channels, height, width").tag(sync=True)
    points = traitlets.Bytes(help="float16 (N, 2)").tag(sync=True)
    labels = traitlets.Bytes(help="uint8 (N,)").tag(sync=True)
    examples = traitlets.Bytes(help="uint8 (M, h, w)").tag(sync=True)
    view = traitlets.Dict(help="classes, those of the examples, pen, margin").tag(sync=True)
    ink = traitlets.Bytes(help="what is on the pad, uint8 (h, w)").tag(sync=True)
    example = traitlets.Int(help="the one on the pad, or -1 once it is drawn on").tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        encoder: nn.Sequential,
        decoder: nn.Sequential,
        classifier: nn.Sequential,
        z: Tensor,
        labels: Tensor,
        examples: Tensor,
        kinds: Tensor,
        *,
        example: int = 0,
        pen: float = 1.1,
        margin: int = 0,
        title: str = "",
        dtype: torch.dtype = torch.float16,
    ) -> None:
        codes = encoded.codes("z", z, "(N, 2)", 2)
        found, classes = encoded.classes(labels, len(codes), None, 10)
        made = image_network("decoder", decoder, 2, None, dtype)
        size = made["size"]
        if size[0] != 1 or tuple(made["limits"]) != (0.0, 1.0):
            raise ValueError("decoder: expected one channel between 0 and 1, got others")
        read = number_network("encoder", encoder, size, 4, dtype)
        judge = number_network("classifier", classifier, size, len(classes), dtype)
        count = len(examples) if isinstance(examples, Tensor) and examples.ndim == 4 else 0
        if not 1 <= count <= 24:
            raise ValueError(f"examples: expected 1 to 24 images (M, 1, h, w), got {count}")
        with called("kinds", "labels"):
            own, _ = encoded.classes(kinds, count, classes, 10)
        with called("examples", "images"):
            packed = encoded.pixels(examples, size, (0.0, 1.0), count, 8)
        checks.count("example", example, 0, count - 1)
        checks.positive("pen", pen, size[2] / 2)
        checks.count("margin", margin, 0, (min(size[1:]) - 1) // 2)
        checks.texts(title=title)
        area = size[1] * size[2]
        parts = {"classifier": judge, "decoder": made, "encoder": read}
        super().__init__(
            layers=[layer for part in parts.values() for layer in part["layers"]],
            weights=b"".join(part["weights"] for part in parts.values()),
            dtype=str(dtype).removeprefix("torch."),
            generators=[[name, len(part["layers"])] for name, part in parts.items()],
            shape=list(size),
            points=codes.clip(-60, 60).astype("<f2").tobytes(),
            labels=bytes(found),
            examples=packed,
            view={
                "classes": classes,
                "examples": own,
                "pen": float(pen),
                "margin": margin,
            },
            ink=packed[example * area : (example + 1) * area],
            example=example,
            title=title,
        )

    def __repr__(self) -> str:
        """The sizes, never an address: a committed notebook compares it."""
        count = len(self.weights) // np.dtype(self.dtype).itemsize
        return (
            f"DigitPad({self.shape[1]} x {self.shape[2]}, {len(self.view['classes'])} classes, "
            f"{count:,} parameters, {self.dtype}, {len(self.view['examples'])} examples)"
        )
