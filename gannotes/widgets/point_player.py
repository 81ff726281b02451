r"""A saved training run that the reader plays, pauses and scrubs.

The frames are stored as they were computed, as half-precision numbers, and drawn by
`point_player.js`: smaller than a video, sharp at any size, and each frame has a sentence for
readers who do not see it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import torch
import traitlets
from torch import Tensor

from gannotes import checks
from gannotes.widgets import encoded
from gannotes.widgets.bundle import bundle

_HERE = Path(__file__).parent

Interval = tuple[float, float]


class PointPlayer(anywidget.AnyWidget):
    r"""Play :math:`x^{(t)}_1, \dots, x^{(t)}_N`, frame by frame: `plane` in 2-D, `line` in 1-D.

    Slide: Learn a random number generator (F01), moving over the steps of a run.

    The trait `frame` counts from 0 and follows in both directions.
    """

    _entry = "point_player.js"
    _esm = bundle(_entry)
    _css = _HERE / "widgets.css"

    view = traitlets.Dict(help="sizes, limits and names").tag(sync=True)
    points = traitlets.Bytes(help="float16 (T, N, 2) or (T, N)").tag(sync=True)
    data = traitlets.Bytes(help="float16 (M, 2) or (M,)").tag(sync=True)
    field = traitlets.Bytes(help="uint8 (T, h, w)").tag(sync=True)
    curves = traitlets.Bytes(help="float16: the grid, then each curve").tag(sync=True)
    labels = traitlets.List(traitlets.Unicode(), help="a sentence for each frame").tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    frame = traitlets.Int(0, help="the frame on show").tag(sync=True)

    @classmethod
    def plane(
        cls,
        points: Tensor,
        data: Tensor | None = None,
        field: Tensor | None = None,
        *,
        limits: tuple[Interval, Interval],
        field_limits: Interval = (0.0, 1.0),
        field_name: str = "D",
        labels: Sequence[str] | None = None,
        names: tuple[str, str] = ("data", "model"),
        axes: tuple[str, str] = ("x_1", "x_2"),
        title: str = "",
    ) -> "PointPlayer":
        r"""Samples :math:`x = G_{\theta_t}(z)` in the plane, over the data and the critic's field.

        Args:
            points: samples of the model, `(T, N, 2)`.
            data: samples of the data, the same in every frame, `(M, 2)`.
            field: values on the grid of `linspace` over `limits`, both ends included, `(T, h, w)`:
                `field[t, i, j]` belongs to the i-th second coordinate and the j-th first one.
            limits: `((low, high), (low, high))`, the box that is drawn, first coordinate first.
            field_limits: the values with the colour of the model and of the data; between them it
                fades.
            field_name: its name in the legend.
            labels: a sentence for each frame, e.g. "step 300: 5 of 8 modes"; "frame 1 of T" without
                it.
            names: what the legend calls the data and the model.
            axes: the names of the coordinates.
            title: a heading.

        Raises:
            ValueError: for a shape that does not fit, or a value that is not finite.

        Example:
            >>> PointPlayer.plane(torch.zeros(3, 5, 2), limits=((-1, 1), (-1, 1)))
            PointPlayer(3 frames, 5 points)
        """
        checks.texts(title=title, field_name=field_name)
        checks.pair_of_names("names", names)
        checks.pair_of_names("axes", axes)
        frames, count = _shape("points", points, ("T", "N", 2))[:2]
        if data is not None:
            _shape("data", data, ("M", 2))
        spec: dict[str, Any] = {"plane": True, "points": count, "axes": list(axes), "curves": []}
        if field is not None:
            size = _shape("field", field, (frames, "h", "w"))
            low, high = checks.interval("field_limits", field_limits)
            spec["field"] = {"size": list(size[1:]), "limits": [low, high], "name": field_name}
            field = ((field.detach().double() - low) / (high - low)).clamp(0, 1) * 255
        if len(checks.kind("limits", limits, tuple, list, wanted="a pair of intervals")) != 2:
            raise ValueError(f"limits: expected two intervals, got {len(limits)}")
        x, y = (checks.interval("limits", interval) for interval in limits)
        box = torch.tensor([x, y], dtype=torch.float64)
        return cls(
            view={**_view(frames, x, y, names), **spec},
            points=_half("points", points, box),
            data=_half("data", data, box),
            field=_byte(field),
            labels=encoded.sentences(labels, frames),
            title=title,
        )

    @classmethod
    def line(
        cls,
        x: Tensor,
        curves: Mapping[str, Tensor],
        samples: Tensor | None = None,
        data: Tensor | None = None,
        *,
        limits: Interval | None = None,
        right: Sequence[str] = (),
        right_limits: Interval = (0.0, 1.0),
        labels: Sequence[str] | None = None,
        names: tuple[str, str] = ("data", "model"),
        axes: tuple[str, str] = ("x", ""),
        title: str = "",
    ) -> "PointPlayer":
        r"""Curves over a line, such as :math:`p`, :math:`q_{\theta_t}` and a critic, and samples.

        Args:
            x: the common grid, increasing, `(K,)`.
            curves: name -> `(K,)`, the same in every frame, or `(T, K)`. The names "p", "q", "D"
                and "D*" have the book's colours.
            samples: samples of the model, ticks at the upper border, `(T, N)`.
            data: samples of the data, ticks at the lower border, `(M,)`.
            limits: the range of the left axis; from zero to the largest value without it.
            right: the names of the curves that belong to the right axis, e.g. `("D", "D*")`.
            right_limits: its range.
            labels: a sentence for each frame.
            names: what the legend calls the data and the model.
            axes: the names of the two axes.
            title: a heading.

        Raises:
            ValueError: for a shape that does not fit, or a value that is not finite.

        Example:
            >>> x = torch.linspace(-1, 1, 9)
            >>> PointPlayer.line(x, {"p": x**2, "q": torch.zeros(4, 9)})
            PointPlayer(4 frames, curves p, q)
        """
        checks.texts(title=title)
        checks.pair_of_names("names", names)
        checks.pair_of_names("axes", axes)
        (size,) = _shape("x", x, ("K",))
        if size < 2 or not (x.diff() > 0).all():
            raise ValueError("x: expected an increasing grid of two points or more, got another")
        for name, curve in checks.kind("curves", curves, Mapping).items():
            checks.texts(curves=name)
            checks.floating(f"curves[{name!r}]", curve, "... K", finite=True)
        if samples is not None:
            checks.floating("samples", samples, "T N", finite=True)
        moving = [v for v in (*curves.values(), samples) if v is not None and v.ndim == 2]
        frames = len(moving[0]) if moving else 1
        for name, curve in curves.items():
            _shape(f"curves[{name!r}]", curve, (frames, size) if curve.ndim == 2 else (size,))
        count = 0 if samples is None else _shape("samples", samples, (frames, "N"))[1]
        if data is not None:
            _shape("data", data, ("M",))
        checks.kind("right", right, tuple, list, wanted="a tuple of names")
        if not set(right) <= set(curves):
            raise ValueError(f"right: expected names among {list(curves)}, got {list(right)}")
        left = [v.detach().double() for name, v in curves.items() if name not in right]
        if limits is None:
            low = min([0.0, *(float(v.min()) for v in left)])
            high = max([float(v.max()) for v in left], default=1.0)
            limits = (1.05 * low, 1.05 * high if high > low else low + 1)
        across = checks.interval("x", (float(x[0]), float(x[-1])))
        spec = {
            "plane": False,
            "points": count,
            "axes": list(axes),
            "grid": size,
            "right": list(checks.interval("right_limits", right_limits)) if right else None,
            "curves": [
                {"name": name, "moving": curve.ndim == 2, "right": name in right}
                for name, curve in curves.items()
            ],
        }
        packed = [_half(f"curves[{n!r}]", v) for n, v in curves.items()]
        box = torch.tensor([across], dtype=torch.float64)
        return cls(
            view={**_view(frames, across, checks.interval("limits", limits), names), **spec},
            points=_half("samples", None if samples is None else samples[..., None], box),
            data=_half("data", None if data is None else data[..., None], box),
            curves=b"".join([_half("x", x), *packed]),
            labels=encoded.sentences(labels, frames),
            title=title,
        )

    def __repr__(self) -> str:
        """The sizes, never an address: a committed notebook compares it."""
        names = [curve["name"] for curve in self.view["curves"]]
        count = self.view["points"]
        parts = [f"{self.view['frames']} frames"]
        parts += [f"{count} points"] if count else []
        parts += [f"curves {', '.join(names)}"] if names else []
        return f"PointPlayer({', '.join(parts)})"


def _view(frames: int, x: Interval, y: Interval, names: tuple[str, str]) -> dict[str, Any]:
    shared = {"frames": frames, "x": list(x), "y": list(y), "names": list(names)}
    return {**shared, "field": None, "right": None, "grid": 0}


def _shape(name: str, x: Tensor, wanted: tuple[int | str, ...]) -> tuple[int, ...]:
    """The shape of `x`, if it fits: a letter stands for any positive size."""
    checks.floating(name, x, " ".join(str(w) for w in wanted), finite=True)
    return tuple(x.shape)


def _half(name: str, x: Tensor | None, box: Tensor | None = None) -> bytes:
    """`x` as float16 bytes; points far outside `box` (d, 2) move nearer and stay invisible."""
    if x is None:
        return b""
    values = x.detach().cpu().double()
    if box is not None:
        width = box[:, 1] - box[:, 0]
        values = values.clamp(box[:, 0] - width, box[:, 1] + width)
    half = values.half()
    if not half.isfinite().all():
        raise ValueError(f"{name}: expected numbers below 65,504 in magnitude, got larger ones")
    return half.contiguous().numpy().astype("<f2").tobytes()


def _byte(x: Tensor | None) -> bytes:
    return b"" if x is None else x.detach().cpu().round().byte().contiguous().numpy().tobytes()
