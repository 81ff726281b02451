r"""A saved training run in pictures: what a generator drew of the same codes, moment by moment.

The pictures have sixteen greys and travel deflated, so that a film of a thousand small digits is as
light as a photograph. `film_player.js` unpacks and draws them.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path

import anywidget
import torch  # noqa: F401, for the examples below
import traitlets
from torch import Tensor

from gannotes import checks
from gannotes.widgets import encoded
from gannotes.widgets.bundle import bundle

_HERE = Path(__file__).parent


class FilmPlayer(anywidget.AnyWidget):
    r"""Play :math:`x^{(t)}_n = G_{\theta_t}(z_n)`, all n side by side, one t at a time.

    It starts at the last frame. The trait `frame` counts from 0 and follows in both directions.

    Slide: Learn a random number generator (F01), moving over the steps of a run; GAN / Training
    Algorithm (F02).

    Args:
        images: the pictures, `(T, N, h, w)`, black 0 and white 1; sixteen greys of them are kept.
        labels: a sentence for each frame, e.g. "step 300"; "frame 1 of T" without it.
        columns: how many pictures stand beside each other.
        title: a heading.

    Raises:
        TypeError: if the images are no floating tensor.
        ValueError: for another shape, a value that is not finite, or a number of labels that is not
            T.

    Example:
        >>> FilmPlayer(torch.rand(5, 6, 28, 28), columns=3)
        FilmPlayer(5 frames, 6 images of 28 x 28)
    """

    _entry = "film_player.js"
    _esm = bundle(_entry)
    _css = _HERE / "widgets.css"

    view = traitlets.Dict(help="sizes: frames, count, size, columns").tag(sync=True)
    film = traitlets.Bytes(help="deflated, half a byte a pixel, (T, N, h, w)").tag(sync=True)
    labels = traitlets.List(traitlets.Unicode(), help="a sentence for each frame").tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    frame = traitlets.Int(0, help="the frame on show").tag(sync=True)

    def __init__(
        self,
        images: Tensor,
        *,
        labels: Sequence[str] | None = None,
        columns: int = 8,
        title: str = "",
    ) -> None:
        checks.floating("images", images, "T N h w", finite=True)
        checks.texts(title=title)
        frames, count, h, w = images.shape
        checks.count("columns", columns, 1, 64)
        packed = encoded.pixels(
            images.reshape(-1, 1, h, w), (1, h, w), (0.0, 1.0), frames * count, 4
        )
        super().__init__(
            view={"frames": frames, "count": count, "size": [h, w], "columns": columns},
            film=zlib.compress(packed, 9),
            labels=encoded.sentences(labels, frames),
            title=title,
            frame=frames - 1,
        )

    def __repr__(self) -> str:
        """The sizes, never an address: a committed notebook compares it."""
        size = " x ".join(str(n) for n in self.view["size"])
        return f"FilmPlayer({self.view['frames']} frames, {self.view['count']} images of {size})"
