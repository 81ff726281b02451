"""The figures: what is drawn is what came in, and wrong shapes are refused by name."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from gannotes import plots


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(autouse=True)
def style_is_undone():
    with matplotlib.rc_context():
        yield
    plt.close("all")


def rendered(figure: Figure) -> bytes:
    """The PNG of a figure."""
    from io import BytesIO

    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def test_style_is_idempotent_and_keeps_the_backend():
    backend = plt.get_backend()
    plots.use_style()
    first = dict(plt.rcParams)
    plt.rcParams["font.size"] = 33
    plots.use_style()
    assert dict(plt.rcParams) == first
    assert plt.get_backend() == backend


def test_every_figure_has_the_width_of_the_book_and_a_white_ground():
    plots.use_style()
    figure, axes = plots.panels(2, 3, height=1.5)
    assert axes.shape == (2, 3)
    assert tuple(figure.get_size_inches()) == (plots.WIDTH, 3.0)
    assert figure.get_facecolor() == to_rgba("white")


def test_png_is_reproducible():
    def draw() -> bytes:
        figure = Figure()
        x = torch.linspace(-1, 1, 30)
        plots.density_1d(figure.subplots(), x, x**2, 1 - x**2)
        return rendered(figure)

    assert draw() == draw()


def contrast(colour: str) -> float:
    """Contrast ratio against white as WCAG 2 defines it."""
    channels = np.array(to_rgba(colour)[:3])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05))


@pytest.mark.parametrize(
    "colour", [plots.P_COLOUR, plots.Q_COLOUR, plots.CRITIC_COLOUR, plots.OPTIMUM_COLOUR]
)
def test_the_four_meanings_stand_out_from_white(colour):
    assert contrast(colour) >= 3.0  # WCAG 2.1, 1.4.11, graphical objects


def test_densities_differ_in_colour_and_in_line_style(ax):
    x = torch.linspace(0, 1, 7, dtype=torch.float64)
    plots.density_1d(ax, x, x, x**2)
    p, q = ax.lines
    assert np.array_equal(p.get_ydata(), x.numpy())
    assert np.array_equal(q.get_ydata(), (x**2).numpy())
    assert p.get_color() != q.get_color()
    assert p.get_linestyle() != q.get_linestyle()
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [
        r"data $p$",
        r"model $p_\theta$",
    ]


def test_histogram_is_a_density(ax):
    plots.samples_1d(ax, torch.linspace(0, 2, 101)[:-1, None], bins=10)
    area = sum(r.get_width() * r.get_height() for r in ax.containers[0].patches)
    assert area == pytest.approx(1.0)


def test_critic_is_drawn_on_the_unit_interval(ax):
    x = torch.linspace(-3, 3, 9, requires_grad=True)
    plots.critic_1d(ax, x, torch.sigmoid(x), torch.sigmoid(2 * x))
    assert ax.get_ylim() == (-0.03, 1.03)
    half, D, D_star = ax.lines
    assert set(half.get_ydata()) == {0.5}
    assert np.allclose(D.get_ydata(), torch.sigmoid(x).detach().numpy())
    assert np.allclose(D_star.get_ydata(), torch.sigmoid(2 * x).detach().numpy())


def test_scatter_keeps_data_and_samples_apart(ax):
    data, samples = torch.randn(5, 2), torch.randn(6, 2, dtype=torch.bfloat16)
    plots.scatter_2d(ax, data, samples, limit=3.0)
    blue, red = ax.collections
    assert np.allclose(blue.get_offsets(), data.numpy())
    assert np.allclose(red.get_offsets(), samples.double().numpy())
    assert blue.get_paths()[0].vertices.shape != red.get_paths()[0].vertices.shape
    assert ax.get_xlim() == (-3.0, 3.0)


def test_critic_map_has_its_lowest_row_below(ax):
    D = torch.zeros(4, 4)
    D[0] = 1.0
    plots.critic_2d(ax, D, limit=2.0, bar=True)
    (image,) = ax.images
    assert image.origin == "lower"
    assert image.get_extent() == [-2.0, 2.0, -2.0, 2.0]
    assert image.get_clim() == (0.0, 1.0)
    assert len(ax.figure.axes) == 2


def test_replicas_fill_panels_in_order():
    axes = Figure().subplots(2, 2)
    x = torch.arange(3.0)[:, None, None].expand(3, 4, 2)
    plots.replicas(axes, x, torch.zeros(1, 2), titles=["a", "b", "c"])
    assert [a.get_title() for a in axes.flat] == ["a", "b", "c", ""]
    assert [float(a.collections[1].get_offsets()[0, 0]) for a in axes.flat[:3]] == [0.0, 1.0, 2.0]
    assert not axes.flat[3].collections


def test_replicas_refuse_too_few_panels():
    with pytest.raises(ValueError, match="^axes: expected a panel for each of 3, got 2"):
        plots.replicas(Figure().subplots(1, 2), torch.zeros(3, 4, 2))


def test_image_grid_puts_each_image_in_its_place(ax):
    images = torch.arange(6.0)[:, None, None, None].expand(6, 1, 2, 3) / 6
    plots.image_grid(ax, images, columns=3, gap=1)
    sheet = ax.images[0].get_array()
    assert sheet.shape == (2 * 3 - 1, 3 * 4 - 1)
    corners = sheet[::3, ::4]
    assert np.allclose(corners, torch.arange(6.0).view(2, 3) / 6)
    assert np.all(sheet[2] == 1.0)
    assert np.all(sheet[:, 3] == 1.0)


def test_image_grid_takes_colour_and_unchannelled_images(ax):
    plots.image_grid(ax, torch.rand(4, 3, 5, 5), rows=2)
    assert ax.images[0].get_array().shape == (11, 11, 3)
    plots.image_grid(ax, torch.rand(12, 5, 5))
    assert ax.images[1].get_array().shape == (11, 59)


@pytest.mark.parametrize(
    ("images", "places", "message"),
    [
        (
            torch.zeros(5, 1, 2, 2),
            {"rows": 2, "columns": 2},
            "expected 5 places or more, got 2 x 2",
        ),
        (torch.zeros(5, 2, 2, 2), {}, r"^images: expected .*, got \(5, 2, 2, 2\)"),
        (torch.zeros(5, 2), {}, r"^images: expected .*, got shape \(5, 2\)"),
    ],
)
def test_image_grid_refuses(ax, images, places, message):
    with pytest.raises(ValueError, match=message):
        plots.image_grid(ax, images, **places)
    assert not ax.images


def test_history_draws_the_median_in_its_band(ax):
    series = torch.arange(11.0)[None, :] + torch.arange(4.0)[:, None] * 100
    plots.history(ax, series, steps=[0, 10, 20, 30], label="value", dash=1)
    (line,) = ax.lines
    assert np.array_equal(line.get_xdata(), [0, 10, 20, 30])
    assert np.array_equal(line.get_ydata(), [5, 105, 205, 305])
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == 1.0
    assert band[:, 1].max() == 309.0


def test_history_of_one_run_has_no_band(ax):
    plots.history(ax, torch.arange(5.0))
    assert not ax.collections
    assert np.array_equal(ax.lines[0].get_ydata(), np.arange(5))


def test_history_refuses_three_dimensions(ax):
    with pytest.raises(ValueError, match=r"^series: expected .* got \(2, 3, 4\)"):
        plots.history(ax, torch.zeros(2, 3, 4))


def test_vector_field_points_along_the_field(ax):
    plots.vector_field(ax, lambda x: torch.stack([-x[:, 1], x[:, 0]], -1), limit=1.0, n=4)
    (arrows,) = ax.collections
    assert np.allclose(arrows.U * arrows.X + arrows.V * arrows.Y, 0.0, atol=1e-6)
    assert np.allclose(np.hypot(arrows.U, arrows.V), 1.0, atol=1e-6)
    assert np.all(arrows.X * arrows.V - arrows.Y * arrows.U > 0)  # anticlockwise


def test_trajectory_marks_start_open_and_end_filled(ax):
    path = torch.tensor([[0.0, 0.0], [1.0, 0.5], [2.0, 0.0]])
    plots.trajectory(ax, path, label="alternating")
    line, start, end = ax.lines
    assert np.array_equal(line.get_xydata(), path.numpy())
    assert np.array_equal(start.get_xydata(), path[:1].numpy())
    assert np.array_equal(end.get_xydata(), path[-1:].numpy())
    assert start.get_markerfacecolor() == "white"
    assert end.get_markerfacecolor() == line.get_color()


def test_a_contact_sheet_holds_every_pixel(tmp_path):
    images = torch.rand(5, 1, 4, 3)
    plots.contact_sheet(images, tmp_path / "sheet.png", columns=3, scale=2)
    sheet = plt.imread(tmp_path / "sheet.png")
    assert sheet.shape[:2] == (2 * 9, 2 * 11)
    np.testing.assert_allclose(sheet[10::2, 8:14:2, 1], images[4, 0], atol=1 / 254)
    assert (sheet[8:10, :, :3] == 1).all()
    with pytest.raises(ValueError, match="^images: expected shape"):
        plots.contact_sheet(torch.rand(5, 2, 4, 3), tmp_path / "no.png")
