"""The map of a latent plane: codes at pixels are quantiles, its images are torch's."""

import base64
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest
import test_browser
import torch
from ipywidgets.embed import embed_data
from scipy.special import ndtr, ndtri
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.remote.webelement import WebElement
from test_browser import assert_same_images, canvases, colours, control, open_page, picture, wait
from test_widgets import with_statistics
from torch import Tensor, nn

from gannotes.distributions import latent_grid
from gannotes.widgets import LatentExplorer, LatentMap

chromium = test_browser.chromium

COUNT = 60


def coordinates() -> nn.Sequential:
    """A decoder whose pixels are z_1, z_2, their sum and zero."""
    G = nn.Sequential(nn.Linear(2, 4, bias=False), nn.Unflatten(1, (1, 2, 2)))
    G[0].weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]))
    return G


def convolutional() -> nn.Sequential:
    """A decoder with the layers of the chapters."""
    torch.manual_seed(0)
    return with_statistics(
        nn.Sequential(
            *(nn.Linear(2, 36), nn.SiLU(), nn.Unflatten(1, (4, 3, 3)), nn.BatchNorm2d(4)),
            *(nn.ConvTranspose2d(4, 6, 4, 2, 1), nn.BatchNorm2d(6), nn.SiLU()),
            *(nn.Conv2d(6, 1, 3, padding=1), nn.Sigmoid()),
        )
    ).eval()


def encoded(count: int = COUNT) -> tuple[Tensor, Tensor]:
    """Three clouds of codes, class by class, one of them partly outside the map."""
    torch.manual_seed(0)
    labels = torch.arange(count) % 3
    centres = torch.tensor([[-1.0, -1.0], [0.0, 1.5], [3.2, 0.0]])
    return centres[labels] + 0.5 * torch.randn(count, 2), labels


# The Python side.


def test_the_packed_decoder_is_torch_s_and_the_codes_are_rounded_once() -> None:
    G, (z, labels) = convolutional(), encoded()
    images = torch.rand(COUNT, 1, 6, 6)
    widget = LatentMap(G, z, labels, images, dtype=torch.float32)
    with torch.no_grad():
        expected = G(z).double()
    torch.testing.assert_close(browser.run(widget, z), expected, rtol=1e-5, atol=1e-5)
    points = np.frombuffer(widget.points, "<f2").reshape(-1, 2)
    assert np.array_equal(points, z.half().numpy())
    assert list(widget.labels) == labels.tolist()
    packed = np.frombuffer(widget.images, np.uint8)
    grey = np.stack([packed >> 4, packed & 15], -1).reshape(images.shape) / 15
    assert np.abs(grey - images.numpy()).max() <= 0.5 / 15 + 1e-6


def test_the_map_reaches_three_deviations_or_what_nearly_all_codes_need() -> None:
    labels = torch.zeros(200, dtype=torch.int64)
    z = torch.zeros(200, 2)
    z[0] = 50.0  # a single outlier
    assert LatentMap(coordinates(), z, labels).view["limit"] == 3
    z[:20, 1] = -4.2
    assert LatentMap(coordinates(), z, labels).view["limit"] == 4.5
    assert LatentMap(coordinates(), z, labels, limit=2.5).view["limit"] == 2.5


def test_the_saved_state_holds_all_that_the_page_needs() -> None:
    z, labels = encoded()
    widget = LatentMap(coordinates(), z, labels)
    state = embed_data([widget], drop_defaults=False)["manager_state"]["state"][widget.model_id]
    buffers = {b["path"][0]: base64.b64decode(b["data"]) for b in state["buffers"]}
    assert buffers["weights"] == widget.weights
    assert len(buffers["points"]) == 4 * COUNT
    assert "export default" in state["state"]["_esm"]
    assert "</script" not in state["state"]["_esm"] + state["state"]["_css"]
    assert len(state["state"]["_esm"]) < 50_000


def test_the_page_and_the_kernel_share_the_point() -> None:
    z, labels = encoded()
    widget = LatentMap(coordinates(), z, labels, point=(0.5, -1.0))
    assert widget.z == [0.5, -1.0]
    widget.set_state({"z": [1.0, 2.0], "only": 2, "quantiles": False})  # what the page sends
    assert (widget.z, widget.only, widget.quantiles) == ([1.0, 2.0], 2, False)
    assert (
        repr(widget) == "LatentMap(2 -> 1 x 2 x 2, 12 parameters, float16, 60 codes of 3 classes)"
    )


Z, LABELS = encoded()
MISTAKES: dict[str, tuple[type[Exception], str, dict[str, Any]]] = {
    "array": (TypeError, "z: expected a tensor", {"z": Z.numpy()}),
    "dimensions": (
        ValueError,
        r"z: expected shape \(N, 2\), .*\(60, 3\)",
        {"z": torch.zeros(60, 3)},
    ),
    "one": (ValueError, "z: expected .* at least 2", {"z": Z[:1], "labels": LABELS[:1]}),
    "finite": (ValueError, "z: expected finite", {"z": Z / 0.0}),
    "labels": (ValueError, r"labels: .* shape \(60,\)", {"labels": LABELS[:-1]}),
    "fractions": (TypeError, "labels: expected a tensor of integers", {"labels": LABELS / 2}),
    "negative": (ValueError, "labels: expected classes from 0 to", {"labels": LABELS - 1}),
    "unnamed": (ValueError, "labels: expected numbers from 0 to 1", {"classes": ["a", "b"]}),
    "classes": (ValueError, "labels: expected numbers from 0 to 9, got 10", {"labels": LABELS + 8}),
    "images": (ValueError, "images: expected shape", {"images": torch.zeros(60, 1, 2, 3)}),
    "decoder": (
        ValueError,
        "^decoder: expected 3 features or channels for its Linear",
        {"decoder": nn.Sequential(nn.Linear(3, 4))},
    ),
    "flat": (ValueError, "^decoder: expected images", {"decoder": nn.Sequential(nn.Linear(2, 4))}),
    "module": (TypeError, "^decoder: expected a Sequential", {"decoder": nn.Linear(2, 4)}),
    "dtype": (TypeError, "^dtype: expected", {"dtype": torch.int8}),
    "cells": (ValueError, "cells: expected an integer from 0 to 64", {"cells": -1}),
    "limit": (ValueError, "limit: expected", {"limit": 0.0}),
    "point": (ValueError, "point: expected a number from -4.0 to 4.0", {"point": (0.0, 9.0)}),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name: str) -> None:
    error, message, change = MISTAKES[name]
    arguments = {"decoder": coordinates(), "z": Z, "labels": LABELS, **change}
    with pytest.raises(error, match=message):
        LatentMap(**arguments)


def test_an_explorer_names_the_type_of_the_weights() -> None:
    G = {"a": nn.Sequential(nn.Linear(2, 4))}
    p_0 = torch.distributions.Independent(torch.distributions.Normal(torch.zeros(2), 1.0), 1)
    with pytest.raises(TypeError, match="^dtype: expected"):
        LatentExplorer(G, p_0, shape=(2, 2), dtype=torch.int8)


# In the browser.


@pytest.fixture
def plane(chromium: Chrome, tmp_path: Path) -> WebElement:
    """The canvas of a map whose decoded pixels are the coordinates."""
    images = torch.rand(COUNT, 1, 2, 2)
    widget = LatentMap(
        coordinates(), Z, LABELS, images, title="Map", limit=4, limits=(-4, 4), cells=3
    )
    open_page(chromium, browser.write_page(tmp_path / "page.html", widget))
    wait(chromium).until(lambda _: call(chromium, canvases(chromium)[0], "sheet") == 9)
    return canvases(chromium)[0]


def call(driver: Chrome, canvas: WebElement, name: str, *values: Any) -> Any:
    script = "const [canvas, name, ...values] = arguments; return canvas.gannotes[name](...values)"
    return driver.execute_script(script, canvas, name, *values)


def decoded(driver: Chrome) -> Tensor:
    """The coordinates that the image on show stands for, to one part in 255."""
    grey = driver.execute_script(
        "return Array.from(arguments[0].getContext('2d').getImageData(0, 0, 2, 1).data)",
        canvases(driver)[1],
    )
    return torch.tensor(grey[::4], dtype=torch.float64) * 8 / 255 - 4


def at(driver: Chrome, canvas: WebElement) -> list[float]:
    return call(driver, canvas, "shown")


def move(driver: Chrome, canvas: WebElement, x: float, y: float) -> ActionChains:
    """The pointer at a pixel of the canvas, counted from its upper left corner."""
    size = canvas.rect
    offset = round(x - size["width"] / 2), round(y - size["height"] / 2)
    return ActionChains(driver, duration=0).move_to_element_with_offset(canvas, *offset)


def share(driver: Chrome, canvas: WebElement, x: float, y: float) -> np.ndarray:
    """Where a pixel lies on the map, from the left and from the bottom, between 0 and 1."""
    found = driver.execute_script(
        """
        const [canvas, x, y] = arguments, { left, top, side } = canvas.gannotes.box;
        const { left: a, top: b, width, height } = canvas.getBoundingClientRect();
        // As the driver counts: whole pixels from the centre.
        const column = Math.floor(a + width / 2) + Math.round(x - width / 2) - a;
        const row = Math.floor(b + height / 2) + Math.round(y - height / 2) - b;
        return [(column - left) / side, 1 - (row - top) / side];
        """,
        *(canvas, x, y),
    )
    return np.clip(found, 0, 1)


def test_javascript_equals_torch(chromium: Chrome, tmp_path: Path) -> None:
    widget = LatentMap(convolutional(), Z, LABELS)
    open_page(chromium, browser.write_page(tmp_path / "page.html", widget))
    (root,) = test_browser.widget_roots(chromium)
    assert_same_images(chromium, root, widget)


def test_the_page_has_the_normal_law_and_its_inverse(chromium: Chrome, plane: WebElement) -> None:
    script = "const [canvas, name, xs] = arguments; return xs.map(canvas.gannotes[name])"
    z = np.linspace(-9, 9, 181)
    found = chromium.execute_script(script, plane, "Phi", z.tolist())
    np.testing.assert_allclose(found, ndtr(z), rtol=0, atol=2e-15)
    u = np.concatenate([np.geomspace(1e-5, 0.5, 50), 1 - np.geomspace(1e-5, 0.5, 50)])
    found = chromium.execute_script(script, plane, "quantile", u.tolist())
    np.testing.assert_allclose(found, ndtri(u), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("quantiles", [True, False])
def test_a_pixel_is_a_pair_of_quantiles(
    chromium: Chrome, plane: WebElement, quantiles: bool
) -> None:
    """The first goes to the right; the other axes are equal steps of z; the border is finite."""
    if not quantiles:
        control(plane, "input[name=axes]:checked").send_keys(Keys.ARROW_RIGHT)
    limit = 4
    for x, y in ((120, 60), (300, 100), (77, 250), (31, 27)):
        move(chromium, plane, x, y).click().perform()
        u = share(chromium, plane, x, y)
        z = ndtri(u) if quantiles else (2 * u - 1) * limit
        np.testing.assert_allclose(at(chromium, plane), np.clip(z, -limit, limit), atol=1e-7)
        expected = torch.tensor(at(chromium, plane)).clamp(-4, 4)
        torch.testing.assert_close(decoded(chromium).float(), expected, rtol=0, atol=0.02)


def test_cells_of_the_sheet_are_the_latent_grid(chromium: Chrome, plane: WebElement) -> None:
    """E66, F09: a click into the middle of a cell gives the grid's code, up to half a pixel."""
    side = chromium.execute_script("return arguments[0].gannotes.box.side", plane)
    for (i, j), z in zip(np.ndindex(3, 3), latent_grid(3).reshape(-1, 2).tolist(), strict=True):
        spot = call(chromium, plane, "spot", z)
        expected = [30 + (i + 0.5) / 3 * side, 4 + (1 - (j + 0.5) / 3) * side]
        np.testing.assert_allclose(spot, expected, rtol=1e-6)


def test_the_sheet_is_drawn_cell_by_cell(chromium: Chrome, tmp_path: Path) -> None:
    """A decoder that follows z_1 alone: the ink grows to the right, and not upwards."""
    G = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid(), nn.Unflatten(1, (1, 1, 1)))
    G[0].weight.data.copy_(torch.tensor([[3.0, 0.0]]))
    widget = LatentMap(G, torch.tensor([[0.0, 0.0], [0.0, 0.1]]), torch.tensor([0, 0]), cells=9)
    open_page(chromium, browser.write_page(tmp_path / "page.html", widget))
    canvas = canvases(chromium)[0]
    wait(chromium).until(lambda _: call(chromium, canvas, "sheet") == 81)
    ink = chromium.execute_script(
        """
        const [c] = arguments, { left, top, side } = c.gannotes.box, context = c.getContext("2d");
        const middle = (n) => Math.round(((n + 0.5) / 9) * side);
        return [0, 1, 2, 6, 7, 8].map((i) => [0, 2, 6, 8].map(
            (j) => context.getImageData(left + middle(j), top + middle(i), 1, 1).data[3]));
        """,
        canvas,
    )
    assert (np.diff(ink, axis=1) > 0).all()
    assert np.ptp(ink, axis=0).max() <= 2
    before = picture(chromium, canvas)
    control(canvas, "input[type=checkbox]").send_keys(Keys.SPACE)
    assert picture(chromium, canvas) != before


def test_a_mouse_previews_and_a_click_chooses(chromium: Chrome, plane: WebElement) -> None:
    move(chromium, plane, 100, 100).click().perform()
    chosen = at(chromium, plane)
    move(chromium, plane, 250, 300).perform()
    assert at(chromium, plane) != chosen
    assert decoded(chromium)[0] > 0
    control(plane, ".gn-rows input").location_once_scrolled_into_view  # noqa: B018
    ActionChains(chromium, duration=0).move_to_element(control(plane, ".gn-title")).perform()
    assert at(chromium, plane) == chosen


def test_dragging_leads_the_point_even_beyond_the_border(
    chromium: Chrome, plane: WebElement
) -> None:
    drag = move(chromium, plane, 200, 200).click_and_hold()
    drag.move_by_offset(-50, 80).move_by_offset(0, 600).release().perform()
    first, second = at(chromium, plane)
    assert second == -4
    assert first == pytest.approx(ndtri(share(chromium, plane, 150, 200)[0]), abs=1e-7)


def test_the_keyboard_moves_the_point(chromium: Chrome, plane: WebElement) -> None:
    surface = control(plane, ".gn-surface")
    surface.send_keys(Keys.ARROW_DOWN)
    np.testing.assert_allclose(at(chromium, plane), [0, ndtri(0.49)], atol=1e-9)
    surface.send_keys(Keys.ARROW_UP * 2, Keys.ARROW_RIGHT)
    np.testing.assert_allclose(ndtr(at(chromium, plane)), [0.51, 0.51], atol=1e-9)
    ActionChains(chromium).key_down(Keys.SHIFT).send_keys(Keys.ARROW_LEFT).key_up(
        Keys.SHIFT
    ).perform()
    np.testing.assert_allclose(ndtr(at(chromium, plane)), [0.46, 0.51], atol=1e-9)
    surface.send_keys(Keys.HOME)
    assert at(chromium, plane) == [0, 0]
    ActionChains(chromium).key_down(Keys.SHIFT).send_keys(12 * Keys.ARROW_UP).key_up(
        Keys.SHIFT
    ).perform()
    assert at(chromium, plane) == [0, 4]
    control(plane, "button").send_keys(Keys.SPACE)
    assert at(chromium, plane) == [0, 0]


def test_two_sliders_mirror_the_point(chromium: Chrome, plane: WebElement) -> None:
    sliders = [
        row.find_element("css selector", "input")
        for row in control(plane, ".gn-rows").find_elements("css selector", ".gn-row")
    ]
    sliders[0].send_keys(Keys.END)
    sliders[1].send_keys(Keys.HOME, Keys.ARROW_RIGHT)
    np.testing.assert_allclose(at(chromium, plane), [4, -3.99], atol=1e-9)
    surface = control(plane, ".gn-surface")
    surface.send_keys(Keys.HOME)
    move(chromium, plane, 222, 111).click().perform()
    values = [float(s.get_property("value")) for s in sliders]
    np.testing.assert_allclose(values, at(chromium, plane), atol=0.0051)
    said = [s.get_attribute("aria-valuetext") for s in sliders]
    assert said[0].endswith("from left to right")
    assert said[1].endswith("from bottom to top")


def test_a_class_stands_alone(chromium: Chrome, plane: WebElement) -> None:
    """Then the nearest code is the nearest of that class, as a search through all says."""
    seen = {picture(chromium, plane)}
    points, point = Z.half().double().numpy(), np.array([0.7, 0.4])
    distances = np.linalg.norm(points - point, axis=1)
    for only in (None, 0, 1, 2):
        if only is not None:
            control(plane, "input[name=class]:checked").send_keys(Keys.ARROW_RIGHT)
            seen.add(picture(chromium, plane))
        found = call(chromium, plane, "nearest", point.tolist())
        allowed = np.where(
            np.isin(LABELS, [0, 1, 2] if only is None else [only]), distances, np.inf
        )
        assert found["index"] == allowed.argmin()
        assert found["distance"] == pytest.approx(allowed.min())
        kind = LABELS[found["index"]] if only is None else only
        if only is not None:
            assert plane.get_attribute("aria-label").endswith(f"test digit: a {kind}")
            assert control(plane, ".gn-chip").text == str(only)
    assert len(seen) == 4
    control(plane, "input[name=class]:checked").send_keys(Keys.ARROW_RIGHT)  # round to "all"
    assert picture(chromium, plane) in seen


def test_the_words_are_spoken_when_the_point_rests(chromium: Chrome, plane: WebElement) -> None:
    status = control(plane, "[role=status]")
    control(plane, ".gn-surface").send_keys(5 * Keys.ARROW_RIGHT)
    said = f"z_1 = {ndtri(0.55):.2f}, z_2 = 0.00; nearest encoded test digit: a "
    wait(chromium).until(lambda _: status.get_attribute("textContent").startswith(said))


def test_the_map_follows_the_theme(chromium: Chrome, plane: WebElement) -> None:
    light = picture(chromium, plane)
    assert colours(chromium, plane) > 20
    chromium.execute_script("document.documentElement.dataset.theme = 'dark'")
    wait(chromium).until(lambda _: picture(chromium, plane) != light)
    chromium.execute_script("document.documentElement.dataset.theme = 'light'")
    wait(chromium).until(lambda _: picture(chromium, plane) == light)


@pytest.mark.parametrize("width", [1000, 390])
def test_nothing_shifts_on_a_narrow_screen(chromium: Chrome, tmp_path: Path, width: int) -> None:
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page = browser.write_page(tmp_path / "page.html", LatentMap(coordinates(), Z, LABELS))
        open_page(chromium, page)
        (root,), (canvas, digit) = test_browser.widget_roots(chromium), canvases(chromium)
        wait(chromium).until(lambda _: canvas.rect["width"] > 200)
        assert chromium.execute_script("return document.documentElement.scrollWidth") <= width
        before = [root.rect, digit.rect]
        for key in (Keys.END, Keys.HOME):
            control(canvas, ".gn-rows input").send_keys(key)
            assert [root.rect, digit.rect] == before
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
