r"""The figures of the book: one style, one meaning for each colour, one function for each kind.

Data and its density $p$ are blue and solid, the model and its density $p_\theta$ (or $q$)
vermillion and dashed, a critic $D$ green, an optimum or any other truth dark grey and dotted.
The colours are those of Okabe and Ito, which stay apart for every common form of colour blindness;
line styles and markers differ as well, so that no figure depends on colour alone.

Every function draws on an `Axes` that it is given, and returns nothing. Tensors come in from any
device, with or without a gradient. This is the only file that imports matplotlib.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor

P_COLOUR = "#0072B2"  # data, p
Q_COLOUR = "#D55E00"  # model, q, p_theta
CRITIC_COLOUR = "#009E73"  # critic, D
OPTIMUM_COLOUR = "#444444"  # optimum or truth, D*
PALETTE = (P_COLOUR, Q_COLOUR, CRITIC_COLOUR, "#CC79A7", "#E69F00", "#56B4E9", OPTIMUM_COLOUR)
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (6, 1.5, 1, 1.5)), (0, (1, 1)), (0, (9, 3)))

WIDTH = 7.0  # inches; at 144 dots an inch twice as fine as the book's column on a plain screen

# Vermillion where the critic says "model", white where it cannot tell, blue where it says "data".
CRITIC_MAP = LinearSegmentedColormap.from_list("critic", ["#E8955C", "#FFFFFF", "#5BA3D0"])


def _array(x: Any) -> np.ndarray:
    """A detached float64 numpy copy of a tensor, an array or a list."""
    return torch.as_tensor(x).detach().cpu().double().numpy()


def use_style() -> None:
    """Set the book's matplotlib style for everything drawn afterwards.

    Figures keep a white ground in dark mode, where the page puts them on a card.

    Slide: beyond the deck.

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

    Slide: beyond the deck.

    Args:
        rows: Number of rows.
        columns: Number of columns.
        height: Height of one row, in inches.
        **kwargs: Passed to `plt.subplots` (`sharex=True`, `width_ratios=[2, 1]`, ...).

    Returns:
        The figure and its axes: one `Axes`, or an array of them.

    Example:
        >>> figure, (left, right) = panels(1, 2, sharey=True)
        >>> plt.close(figure)
    """
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

    Slide: beyond the deck.

    Args:
        ax: The panel.
        x: Points of the axis, `(K,)`.
        p: Data density at these points, `(K,)`; a density, not its logarithm.
        q: Model density at these points, `(K,)`.
        p_label: Name of the data density in the legend.
        q_label: Name of the model density in the legend.

    Example:
        >>> x = torch.linspace(-3, 3, 50)
        >>> density_1d(Figure().subplots(), x, p=torch.exp(-(x**2)), q=torch.exp(-2 * x**2))
    """
    if p is not None:
        ax.fill_between(_array(x), _array(p), color=P_COLOUR, alpha=0.15, linewidth=0)
        ax.plot(_array(x), _array(p), color=P_COLOUR, label=p_label)
    if q is not None:
        ax.plot(_array(x), _array(q), color=Q_COLOUR, linestyle=DASHES[1], label=q_label)
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

    Slide: beyond the deck.

    Args:
        ax: The panel.
        samples: Any shape; every element is one sample.
        bins: Number of bins.
        colour: `Q_COLOUR` for the model, `P_COLOUR` for data.
        label: Name in the legend.
        span: Lower and upper end of the bins; the samples' own range by default.

    Example:
        >>> samples_1d(Figure().subplots(), torch.randn(500, 1), bins=20)
    """
    values = _array(samples).ravel()
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

    Slide: beyond the deck.

    Args:
        ax: The panel; the axis is fixed to [0, 1] with a line at one half.
        x: Points of the axis, `(K,)`.
        D: The critic's probability (not its raw output) at these points, `(K,)`.
        D_star: The optimal critic `p / (p + q)`, `(K,)`.
        D_label: Name of the critic in the legend.
        D_star_label: Name of the optimum in the legend.

    Example:
        >>> x = torch.linspace(-3, 3, 50)
        >>> critic_1d(Figure().subplots(), x, torch.sigmoid(x), torch.sigmoid(2 * x))
    """
    ax.axhline(0.5, color="#BBBBBB", linewidth=0.9, zorder=1)
    if D is not None:
        ax.plot(_array(x), _array(D), color=CRITIC_COLOUR, linewidth=2.6, alpha=0.8, label=D_label)
    if D_star is not None:
        style: dict[str, Any] = {"color": OPTIMUM_COLOUR, "linestyle": (0, (2, 1.5))}
        ax.plot(_array(x), _array(D_star), linewidth=1.4, label=D_star_label, **style)
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

    Slide: beyond the deck.

    Args:
        ax: The panel; both axes get the same scale.
        data: `(N, 2)`.
        samples: `(M, 2)`.
        limit: Both axes run from `-limit` to `limit`; whatever fits by default.
        size: Marker area in square points.
        legend: Whether to name the two sets.

    Example:
        >>> scatter_2d(Figure().subplots(), torch.randn(9, 2), torch.randn(9, 2), limit=4.0)
    """
    for x, marker, colour, name in (
        (data, "o", P_COLOUR, r"data $p$"),
        (samples, "x", Q_COLOUR, r"model $p_\theta$"),
    ):
        if x is not None:
            style: dict[str, Any] = {"marker": marker, "color": colour, "label": name}
            line = 0.0 if marker == "o" else 0.6
            horizontal, vertical = _array(x).T
            ax.scatter(horizontal, vertical, s=size, alpha=0.5, linewidths=line, **style)
    ax.set_aspect("equal")
    if limit is not None:
        ax.set(xlim=(-limit, limit), ylim=(-limit, limit))
    if legend:
        shown = ax.legend(loc="upper right", markerscale=2.5, handletextpad=0.1, borderpad=0.2)
        plt.setp(shown.legend_handles, alpha=1.0)


def critic_2d(ax: Axes, D: Tensor, limit: float, bar: bool = False) -> None:
    r"""Draw a critic of the plane as a heat map: blue where it says "data", vermillion "model".

    Slide: beyond the deck.

    Args:
        ax: The panel. Call this before `scatter_2d`.
        D: The critic's probability on a square grid, `(h, w)`; row 0 is the lowest y.
        limit: The grid runs from `-limit` to `limit` in both directions.
        bar: Whether to add a colour bar.

    Example:
        >>> critic_2d(Figure().subplots(), torch.rand(8, 8), limit=3.0)
    """
    image = ax.imshow(
        _array(D),
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

    Slide: beyond the deck.

    Args:
        axes: The array of `Axes` that `panels(rows, columns)` returns; panels left over stay empty.
        samples: `(S, N, 2)`, one set of points for each replica.
        data: `(M, 2)`, the same in every panel.
        titles: One for each replica, e.g. `"8 of 8, 94 %"`; `"seed 0"` and so on by default.
        limit: Both axes run from `-limit` to `limit`.

    Raises:
        ValueError: There are fewer panels than replicas.

    Example:
        >>> axes = Figure().subplots(2, 2)
        >>> replicas(axes, torch.randn(3, 10, 2), titles=["a", "b", "c"], limit=3.0)
    """
    flat = np.ravel(axes)
    if len(flat) < len(samples):
        raise ValueError(f"axes has {len(flat)} panels, samples has {len(samples)} replicas")
    names = titles if titles is not None else [f"seed {s}" for s in range(len(samples))]
    for ax in flat:
        ax.set_axis_off()
    for ax, x, name in zip(flat, samples, names, strict=False):
        scatter_2d(ax, data, x, limit, size=2.0, legend=False)
        ax.set_title(name, fontsize=9, pad=3)


def image_grid(
    ax: Axes, images: Tensor, rows: int | None = None, columns: int | None = None, gap: int = 1
) -> None:
    """Draw images side by side in one panel, row by row.

    Slide: beyond the deck.

    Args:
        ax: The panel; its axis is switched off.
        images: `(N, 1, h, w)` or `(N, h, w)` in grey, `(N, 3, h, w)` in colour, values in [0, 1].
        rows: Number of rows; as many as `columns` needs by default.
        columns: Number of columns; ten, or `N` if that is less, by default.
        gap: White pixels between two images.

    Raises:
        ValueError: The grid has fewer places than there are images, or the shape is no image's.

    Example:
        >>> image_grid(Figure().subplots(), torch.rand(6, 1, 28, 28), rows=2, columns=3)
    """
    sheet = _sheet(images, rows, columns, gap)
    shown = sheet[..., 0] if sheet.shape[-1] == 1 else sheet
    ax.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_axis_off()


def contact_sheet(images: Tensor, path: Path, columns: int = 10, scale: int = 3) -> None:
    """Write images side by side to a PNG file, row by row, each pixel a square.

    Slide: beyond the deck.

    Args:
        images: As for `image_grid`.
        path: The file.
        columns: Number of columns, if there are as many images.
        scale: Side of a square.

    Raises:
        ValueError: The shape is no image's.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     contact_sheet(torch.rand(12, 28, 28), Path(folder) / "sheet.png")
        ...     plt.imread(Path(folder) / "sheet.png").shape[:2]
        (171, 867)
    """
    sheet = _sheet(images, None, min(columns, len(images)), 1)
    sheet = sheet.repeat(scale, 0).repeat(scale, 1)
    plt.imsave(path, sheet.repeat(4 - sheet.shape[-1], -1)[..., :3])


def _sheet(images: Tensor, rows: int | None, columns: int | None, gap: int) -> np.ndarray:
    """Images side by side, `(H, W, 1 or 3)`, white between them."""
    x = _array(images).clip(0, 1)
    x = x[:, None] if x.ndim == 3 else x
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise ValueError(f"images has shape {tuple(images.shape)}, wanted (N, 1 or 3, h, w)")
    n, channels, h, w = x.shape
    columns = columns or (-(-n // rows) if rows else min(n, 10))
    rows = rows or -(-n // columns)
    if n > rows * columns:
        raise ValueError(f"rows x columns is {rows} x {columns}, too few for {n} images")
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

    Slide: beyond the deck.

    Args:
        ax: The panel.
        series: `(T,)`, or `(T, S)` for S replicas.
        steps: The `T` places on the horizontal axis; 0, 1, 2, ... by default.
        label: Name in the legend.
        colour: Colour of the line and its band.
        dash: Index into `DASHES`, so that two series differ by more than colour.

    Raises:
        ValueError: The shape is not `(T,)` or `(T, S)`.

    Example:
        >>> history(Figure().subplots(), torch.rand(100, 16), label="value")
    """
    y = _array(series)
    if y.ndim not in (1, 2):
        raise ValueError(f"series has shape {y.shape}, wanted (T,) or (T, S)")
    t = np.arange(len(y)) if steps is None else _array(steps)
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

    Slide: beyond the deck.

    Args:
        ax: The panel; both axes run from `-limit` to `limit` with the same scale.
        field: Takes points `(n * n, 2)`, returns their velocities `(n * n, 2)`.
        limit: Half the side of the square.
        n: Arrows along each side.

    Example:
        >>> rotation = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        >>> vector_field(Figure().subplots(), lambda x: x @ rotation.T)
    """
    side = torch.linspace(-limit, limit, n)
    x = torch.cartesian_prod(side, side)
    v = _array(torch.nn.functional.normalize(field(x).detach(), dim=-1))
    style: dict[str, Any] = {"color": "#BBBBBB", "width": 0.0035, "headwidth": 4.5}
    ax.quiver(*_array(x).T, *v.T, pivot="mid", scale=1.4 * n, **style)
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

    Slide: beyond the deck.

    Args:
        ax: The panel; often after `vector_field`.
        path: Points in order, `(T, 2)`.
        label: Name in the legend.
        colour: Colour of the line and of both markers.
        dash: Index into `DASHES`, so that two paths differ by more than colour.

    Example:
        >>> trajectory(Figure().subplots(), torch.rand(20, 2).cumsum(0), label="simultaneous")
    """
    x = _array(path)
    ax.plot(*x.T, color=colour, linestyle=DASHES[dash], linewidth=1.4, label=label)
    ax.plot(*x[0], "o", color=colour, markerfacecolor="white", markersize=7, zorder=4)
    ax.plot(*x[-1], "o", color=colour, markersize=6, zorder=4)
    if label is not None:
        ax.legend(loc="best")


__all__ = [
    "CRITIC_COLOUR",
    "CRITIC_MAP",
    "DASHES",
    "OPTIMUM_COLOUR",
    "PALETTE",
    "P_COLOUR",
    "Q_COLOUR",
    "WIDTH",
    "Figure",
    "critic_1d",
    "critic_2d",
    "density_1d",
    "history",
    "image_grid",
    "panels",
    "replicas",
    "samples_1d",
    "scatter_2d",
    "trajectory",
    "use_style",
    "vector_field",
]
