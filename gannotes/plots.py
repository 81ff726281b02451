r"""The figures of the book: one style, one meaning for each colour, one function for each kind.

Data and its density :math:`p` are blue and solid, the model and its density :math:`p_\theta` (or
:math:`q`) vermillion and dashed, a critic :math:`D` green, an optimum or any other truth dark grey
and dotted.
The colours are those of Okabe and Ito, which stay apart for every common form of colour blindness;
line styles and markers differ as well, so that no figure depends on colour alone.

Every function draws on an `Axes` that it is given, and returns nothing. Tensors come in from any
device, with or without a gradient; a number that is not finite leaves a gap in a line. What has
another shape is refused before anything is drawn. This is the only file that imports matplotlib.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, is_color_like
from matplotlib.figure import Figure  # noqa: F401, for the examples below
from torch import Tensor

from gannotes import checks

P_COLOUR = "#0072B2"  # data, p
Q_COLOUR = "#D55E00"  # model, q, p_theta
CRITIC_COLOUR = "#009E73"  # critic, D
OPTIMUM_COLOUR = "#444444"  # optimum or truth, D*
PALETTE = (P_COLOUR, Q_COLOUR, CRITIC_COLOUR, "#CC79A7", "#E69F00", "#56B4E9", OPTIMUM_COLOUR)
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (6, 1.5, 1, 1.5)), (0, (1, 1)), (0, (9, 3)))

WIDTH = 7.0  # inches; at 144 dots an inch twice as fine as the book's column on a plain screen

# Vermillion where the critic says "model", white where it cannot tell, blue where it says "data".
CRITIC_MAP = LinearSegmentedColormap.from_list("critic", ["#E8955C", "#FFFFFF", "#5BA3D0"])


def _array(name: str, x: Any, shape: str = "...") -> np.ndarray:
    """A float64 numpy copy of a tensor, an array or a list; what is not finite leaves a gap."""
    checks.kind(name, x, Tensor, np.ndarray, list, tuple, range, wanted="a tensor of numbers")
    try:
        found = torch.as_tensor(x).detach().cpu()
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name}: expected a tensor of numbers, got an error: {error}") from error
    if found.is_complex() or found.is_meta:
        raise TypeError(f"{name}: expected a tensor of real numbers, got {found.dtype}")
    return checks.floating(name, found.double(), shape).numpy()


def _panel(ax: Any, name: str = "ax") -> None:
    checks.kind(name, ax, Axes, wanted="an Axes, a panel of a figure")


def _colour(name: str, colour: Any) -> None:
    if not is_color_like(colour):
        raise ValueError(f"{name}: expected a colour of matplotlib, got {colour!r}")


def _line(label: str | None, colour: str, dash: int) -> None:
    checks.kind("label", label, str, type(None), wanted="a text")
    _colour("colour", colour)
    checks.count("dash", dash, 0, len(DASHES) - 1)


def use_style() -> None:
    """Set the book's matplotlib style for everything drawn afterwards.

    In the book a figure is an SVG whose greys and role colours the page replaces by its theme's.

    Example:
        >>> use_style()
        >>> plt.rcParams["figure.dpi"]
        144.0
    """
    plt.rcdefaults()
    plt.rcParams.update(
        {
            "figure.figsize": (WIDTH, 2.8),
            "figure.dpi": 144.0,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "figure.max_open_warning": 0,
            "savefig.dpi": 144.0,
            "svg.fonttype": "none",  # text stays text: it can be read aloud, found and enlarged
            "svg.hashsalt": "gannotes",  # the same figure twice has the same ids
            "font.size": 10.0,
            "axes.titlesize": 10.0,
            "axes.labelsize": 10.0,
            "xtick.labelsize": 9.0,
            "ytick.labelsize": 9.0,
            "legend.fontsize": 9.0,
            "legend.framealpha": 0.85,
            "legend.edgecolor": "none",
            "legend.fancybox": False,
            "legend.handlelength": 2.6,
            "mathtext.fontset": "dejavuserif",
            "text.color": "#222222",
            "axes.labelcolor": "#222222",
            "axes.edgecolor": "#888888",
            "xtick.color": "#555555",
            "ytick.color": "#555555",
            "axes.linewidth": 0.8,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#E6E6E6",
            "grid.linewidth": 0.7,
            "lines.linewidth": 1.8,
            "lines.markersize": 5.0,
            "axes.prop_cycle": cycler(color=PALETTE),
        }
    )


def panels(rows: int = 1, columns: int = 1, height: float = 2.6, **kwargs: Any) -> Any:
    """A figure of the book's width with `rows` x `columns` panels, as `plt.subplots` returns it.

    Args:
        rows: number of rows.
        columns: number of columns.
        height: height of one row, in inches.
        **kwargs: passed to `plt.subplots` (`sharex=True`, `width_ratios=[2, 1]`, ...).

    Returns:
        The figure and its axes: one `Axes`, or an array of them.

    Example:
        >>> figure, (left, right) = panels(1, 2, sharey=True)
        >>> plt.close(figure)
    """
    checks.count("rows", rows, 1, 100)
    checks.count("columns", columns, 1, 100)
    checks.positive("height", height, 100)
    kwargs.setdefault("layout", "constrained")
    return plt.subplots(rows, columns, figsize=(WIDTH, height * rows), **kwargs)


def density_1d(
    ax: Axes,
    x: Tensor,
    p: Tensor | None = None,
    q: Tensor | None = None,
    p_label: str = r"data $p$",
    q_label: str = r"model $p_\theta$",
) -> None:
    r"""Draw the data density (solid, filled) and the model density (dashed) on one axis.

    Args:
        ax: the panel.
        x: points of the axis, `(K,)`.
        p: data density at these points, `(K,)`; a density, not its logarithm.
        q: model density at these points, `(K,)`.
        p_label: name of the data density in the legend.
        q_label: name of the model density in the legend.

    Example:
        >>> x = torch.linspace(-3, 3, 50)
        >>> density_1d(Figure().subplots(), x, p=torch.exp(-(x**2)), q=torch.exp(-2 * x**2))
    """
    _panel(ax)
    checks.texts(p_label=p_label, q_label=q_label)
    points = _array("x", x, "K")
    curves = {"p": p, "q": q}
    heights = {n: _array(n, y, str(len(points))) for n, y in curves.items() if y is not None}
    if "p" in heights:
        ax.fill_between(points, heights["p"], color=P_COLOUR, alpha=0.15, linewidth=0)
        ax.plot(points, heights["p"], color=P_COLOUR, label=p_label)
    if "q" in heights:
        ax.plot(points, heights["q"], color=Q_COLOUR, linestyle=DASHES[1], label=q_label)
    ax.set_ylim(bottom=0)
    ax.legend(loc="best")


def samples_1d(
    ax: Axes,
    samples: Tensor,
    bins: int = 60,
    colour: str = Q_COLOUR,
    label: str = r"samples of $p_\theta$",
    span: tuple[float, float] | None = None,
) -> None:
    r"""Draw 1-D samples as a normalised histogram.

    Args:
        ax: the panel.
        samples: any shape; every element is one sample.
        bins: number of bins.
        colour: `Q_COLOUR` for the model, `P_COLOUR` for data.
        label: name in the legend.
        span: lower and upper end of the bins; the samples' own range by default.

    Example:
        >>> samples_1d(Figure().subplots(), torch.randn(500, 1), bins=20)
    """
    _panel(ax)
    values = _array("samples", samples).ravel()
    values = values[np.isfinite(values)]
    if not values.size:
        raise ValueError("samples: expected finite numbers, got none")
    checks.count("bins", bins, 1, 100_000)
    checks.texts(label=label)
    _colour("colour", colour)
    span = None if span is None else checks.interval("span", span)
    ax.hist(values, bins, range=span, density=True, color=colour, alpha=0.3, label=label)
    ax.hist(values, bins, range=span, density=True, color=colour, histtype="step", linewidth=0.9)
    ax.legend(loc="best")


def critic_1d(
    ax: Axes,
    x: Tensor,
    D: Tensor | None = None,
    D_star: Tensor | None = None,
    D_label: str = r"critic $D_\phi$",
    D_star_label: str = r"optimum $D^*$",
) -> None:
    r"""Draw a critic's probability of "data" (green) and the optimal one (dotted, on top).

    Args:
        ax: the panel; the axis is fixed to [0, 1] with a line at one half.
        x: points of the axis, `(K,)`.
        D: the critic's probability (not its raw output) at these points, `(K,)`.
        D_star: the optimal critic `p / (p + q)`, `(K,)`.
        D_label: name of the critic in the legend.
        D_star_label: name of the optimum in the legend.

    Example:
        >>> x = torch.linspace(-3, 3, 50)
        >>> critic_1d(Figure().subplots(), x, torch.sigmoid(x), torch.sigmoid(2 * x))
    """
    _panel(ax)
    checks.texts(D_label=D_label, D_star_label=D_star_label)
    points = _array("x", x, "K")
    curves = {"D": D, "D_star": D_star}
    heights = {n: _array(n, y, str(len(points))) for n, y in curves.items() if y is not None}
    ax.axhline(0.5, color="#BBBBBB", linewidth=0.9, zorder=1)
    if "D" in heights:
        style: dict[str, Any] = {"color": CRITIC_COLOUR, "alpha": 0.8}
        ax.plot(points, heights["D"], linewidth=2.6, label=D_label, **style)
    if "D_star" in heights:
        style = {"color": OPTIMUM_COLOUR, "linestyle": (0, (2, 1.5))}
        ax.plot(points, heights["D_star"], linewidth=1.4, label=D_star_label, **style)
    ax.set_ylim(-0.03, 1.03)
    ax.legend(loc="best")


def scatter_2d(
    ax: Axes,
    data: Tensor | None = None,
    samples: Tensor | None = None,
    limit: float | None = None,
    size: float = 4.0,
    legend: bool = True,
) -> None:
    r"""Draw points of the plane: data as blue dots, samples of the model as vermillion crosses.

    Args:
        ax: the panel; both axes get the same scale.
        data: `(N, 2)`.
        samples: `(M, 2)`.
        limit: both axes run from `-limit` to `limit`; whatever fits by default.
        size: marker area in square points.
        legend: whether to name the two sets.

    Example:
        >>> scatter_2d(Figure().subplots(), torch.randn(9, 2), torch.randn(9, 2), limit=4.0)
    """
    _panel(ax)
    checks.positive("size", size)
    checks.flags(legend=legend)
    given = {"data": data, "samples": samples}
    clouds = {name: _array(name, x, "N 2").T for name, x in given.items() if x is not None}
    if limit is not None:
        checks.positive("limit", limit)
    for key, marker, colour, name in (
        ("data", "o", P_COLOUR, r"data $p$"),
        ("samples", "x", Q_COLOUR, r"model $p_\theta$"),
    ):
        if key in clouds:
            style: dict[str, Any] = {"marker": marker, "color": colour, "label": name}
            line = 0.0 if marker == "o" else 0.6
            horizontal, vertical = clouds[key]
            ax.scatter(horizontal, vertical, s=size, alpha=0.5, linewidths=line, **style)
    ax.set_aspect("equal")
    if limit is not None:
        ax.set(xlim=(-limit, limit), ylim=(-limit, limit))
    if legend:
        shown = ax.legend(loc="upper right", markerscale=2.5, handletextpad=0.1, borderpad=0.2)
        plt.setp(shown.legend_handles, alpha=1.0)


def critic_2d(ax: Axes, D: Tensor, limit: float, bar: bool = False) -> None:
    r"""Draw a critic of the plane as a heat map: blue where it says "data", vermillion "model".

    Args:
        ax: the panel. Call this before `scatter_2d`.
        D: the critic's probability on a square grid, `(h, w)`; row 0 is the lowest y.
        limit: the grid runs from `-limit` to `limit` in both directions.
        bar: whether to add a colour bar.

    Example:
        >>> critic_2d(Figure().subplots(), torch.rand(8, 8), limit=3.0)
    """
    _panel(ax)
    checks.positive("limit", limit)
    checks.flags(bar=bar)
    image = ax.imshow(
        _array("D", D, "h w"),
        extent=(-limit, limit, -limit, limit),
        origin="lower",
        cmap=CRITIC_MAP,
        vmin=0.0,
        vmax=1.0,
        interpolation="bilinear",
        zorder=0,
    )
    ax.grid(False)
    if bar:
        ax.figure.colorbar(image, ax=ax, shrink=0.85, label=r"$D_\phi(x)$")


def replicas(
    axes: Any,
    samples: Tensor,
    data: Tensor | None = None,
    titles: Sequence[str] | None = None,
    limit: float | None = None,
) -> None:
    """Draw small multiples: one panel of the plane for each replica, its score as the title.

    Args:
        axes: the array of `Axes` that `panels(rows, columns)` returns; panels left over stay empty.
        samples: `(S, N, 2)`, one set of points for each replica.
        data: `(M, 2)`, the same in every panel.
        titles: one for each replica, e.g. `"8 of 8, 94 %"`; `"seed 0"` and so on by default.
        limit: both axes run from `-limit` to `limit`.

    Raises:
        ValueError: there are fewer panels than replicas.

    Example:
        >>> axes = Figure().subplots(2, 2)
        >>> replicas(axes, torch.randn(3, 10, 2), titles=["a", "b", "c"], limit=3.0)
    """
    flat = np.ravel(axes)
    for ax in flat:
        _panel(ax, "axes")
    clouds = _array("samples", samples, "S N 2")
    if len(flat) < len(clouds):
        raise ValueError(f"axes: expected a panel for each of {len(clouds)}, got {len(flat)}")
    names = titles if titles is not None else [f"seed {s}" for s in range(len(clouds))]
    if len(checks.kind("titles", names, list, tuple)) != len(clouds):
        raise ValueError(f"titles: expected {len(clouds)}, one per replica, got {len(names)}")
    for name in names:
        checks.texts(titles=name)
    for ax in flat:
        ax.set_axis_off()
    for ax, x, name in zip(flat, torch.from_numpy(clouds), names, strict=False):
        scatter_2d(ax, data, x, limit, size=2.0, legend=False)
        ax.set_title(name, fontsize=9, pad=3)


def image_grid(
    ax: Axes, images: Tensor, rows: int | None = None, columns: int | None = None, gap: int = 1
) -> None:
    """Draw images side by side in one panel, row by row.

    Args:
        ax: the panel; its axis is switched off.
        images: `(N, 1, h, w)` or `(N, h, w)` in grey, `(N, 3, h, w)` in colour, values in [0, 1].
        rows: number of rows; as many as `columns` needs by default.
        columns: number of columns; ten, or `N` if that is less, by default.
        gap: white pixels between two images.

    Raises:
        ValueError: the grid has fewer places than there are images, or the shape is no image's.

    Example:
        >>> image_grid(Figure().subplots(), torch.rand(6, 1, 28, 28), rows=2, columns=3)
    """
    _panel(ax)
    sheet = _sheet(images, rows, columns, gap)
    shown = sheet[..., 0] if sheet.shape[-1] == 1 else sheet
    ax.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="none")
    ax.set_axis_off()


def contact_sheet(images: Tensor, path: Path, columns: int = 10, scale: int = 3) -> None:
    """Write images side by side to a PNG file, row by row, each pixel a square.

    Args:
        images: as for `image_grid`.
        path: the file.
        columns: number of columns, if there are as many images.
        scale: side of a square.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if the shape is no image's, or a number is not positive.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     contact_sheet(torch.rand(12, 28, 28), Path(folder) / "sheet.png")
        ...     plt.imread(Path(folder) / "sheet.png").shape[:2]
        (171, 867)
    """
    checks.kind("path", path, str, Path, wanted="a path")
    checks.count("scale", scale, most=100)
    columns = min(checks.count("columns", columns), len(checks.kind("images", images, Tensor)))
    sheet = _sheet(images, None, columns, 1)
    sheet = sheet.repeat(scale, 0).repeat(scale, 1)
    plt.imsave(path, sheet.repeat(4 - sheet.shape[-1], -1)[..., :3])


def _sheet(images: Tensor, rows: int | None, columns: int | None, gap: int) -> np.ndarray:
    """Images side by side, `(H, W, 1 or 3)`, white between them."""
    x = _array("images", images, "... N h w").clip(0, 1)
    x = x[:, None] if x.ndim == 3 else x
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise ValueError(f"images: expected shape (N, 1 or 3, h, w), got {tuple(x.shape)}")
    if np.isnan(x).any():
        raise ValueError("images: expected numbers, got NaN among them")
    for name, count in (("rows", rows), ("columns", columns)):
        if count is not None:
            checks.count(name, count, 1, 1000)
    checks.count("gap", gap, 0, 100)
    n, channels, h, w = x.shape
    columns = columns or (-(-n // rows) if rows else min(n, 10))
    rows = rows or -(-n // columns)
    if n > rows * columns:
        raise ValueError(f"rows, columns: expected {n} places or more, got {rows} x {columns}")
    sheet = np.ones((rows * (h + gap) - gap, columns * (w + gap) - gap, channels))
    for i, image in enumerate(x):
        top, left = (i // columns) * (h + gap), (i % columns) * (w + gap)
        sheet[top : top + h, left : left + w] = image.transpose(1, 2, 0)
    return sheet


def history(
    ax: Axes,
    series: Tensor,
    steps: Tensor | Sequence[float] | None = None,
    label: str | None = None,
    colour: str = CRITIC_COLOUR,
    dash: int = 0,
) -> None:
    """Draw one series against the step; of several replicas, the median in a band from 10 to 90 %.

    Args:
        ax: the panel.
        series: `(T,)`, or `(T, S)` for S replicas.
        steps: the `T` places on the horizontal axis; 0, 1, 2, ... by default.
        label: name in the legend.
        colour: colour of the line and its band.
        dash: index into `DASHES`, so that two series differ by more than colour.

    Raises:
        ValueError: the shape is not `(T,)` or `(T, S)`.

    Example:
        >>> history(Figure().subplots(), torch.rand(100, 16), label="value")
    """
    _panel(ax)
    y = _array("series", series)
    if y.ndim not in (1, 2) or not y.size:
        raise ValueError(f"series: expected shape (T,) or (T, S), got {y.shape}")
    t = np.arange(len(y)) if steps is None else _array("steps", steps, str(len(y)))
    _line(label, colour, dash)
    if y.ndim == 2:
        low, y, high = np.quantile(y, [0.1, 0.5, 0.9], axis=1)
        ax.fill_between(t, low, high, color=colour, alpha=0.2, linewidth=0)
    ax.plot(t, y, color=colour, linestyle=DASHES[dash], label=label)
    if label is not None:
        ax.legend(loc="best")


def vector_field(
    ax: Axes, field: Callable[[Tensor], Tensor], limit: float = 2.0, n: int = 15
) -> None:
    """Draw the directions of a vector field of the plane as grey arrows of equal length.

    Args:
        ax: the panel; both axes run from `-limit` to `limit` with the same scale.
        field: takes points `(n * n, 2)`, returns their velocities `(n * n, 2)`.
        limit: half the side of the square.
        n: arrows along each side.

    Example:
        >>> rotation = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        >>> vector_field(Figure().subplots(), lambda x: x @ rotation.T)
    """
    _panel(ax)
    checks.kind("field", field, Callable)
    checks.positive("limit", limit)
    checks.count("n", n, 1, 1000)
    side = torch.linspace(-limit, limit, n)
    x = torch.cartesian_prod(side, side)
    v = _array("field", field(x), f"{n * n} 2")
    v = v / np.linalg.norm(v, axis=1, keepdims=True).clip(1e-12)
    style: dict[str, Any] = {"color": "#BBBBBB", "width": 0.0035, "headwidth": 4.5}
    ax.quiver(*x.double().numpy().T, *v.T, pivot="mid", scale=1.4 * n, **style)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    ax.grid(False)


def trajectory(
    ax: Axes,
    path: Tensor,
    label: str | None = None,
    colour: str = P_COLOUR,
    dash: int = 0,
) -> None:
    """Draw one path through the plane: a ring where it starts, a filled dot where it ends.

    Args:
        ax: the panel; often after `vector_field`.
        path: points in order, `(T, 2)`.
        label: name in the legend.
        colour: colour of the line and of both markers.
        dash: index into `DASHES`, so that two paths differ by more than colour.

    Example:
        >>> trajectory(Figure().subplots(), torch.rand(20, 2).cumsum(0), label="simultaneous")
    """
    _panel(ax)
    x = _array("path", path, "T 2")
    _line(label, colour, dash)
    ax.plot(*x.T, color=colour, linestyle=DASHES[dash], linewidth=1.4, label=label)
    ax.plot(*x[0], "o", color=colour, markerfacecolor="white", markersize=7, zorder=4)
    ax.plot(*x[-1], "o", color=colour, markersize=6, zorder=4)
    if label is not None:
        ax.legend(loc="best")
