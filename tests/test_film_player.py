"""A film of pictures: what is packed, and what the page draws of it."""

import base64
import zlib
from pathlib import Path

import browser
import numpy as np
import pytest
import test_browser
import torch
from ipywidgets.embed import embed_data
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.remote.webelement import WebElement
from test_browser import canvases, control, open_page, wait
from torch import Tensor

from gannotes import weights
from gannotes.widgets import FilmPlayer

chromium = test_browser.chromium

T, N, H, W = 4, 5, 3, 2
GAP = 2


def images() -> Tensor:
    torch.manual_seed(0)
    return torch.rand(T, N, H, W)


def widget() -> FilmPlayer:
    labels = [f"step {10 * t}" for t in range(T)]
    return FilmPlayer(images(), labels=labels, columns=3, title="From noise")


def test_a_pixel_is_half_a_byte_and_the_film_is_deflated() -> None:
    made = widget()
    packed = np.frombuffer(zlib.decompress(made.film), np.uint8)
    greys = np.stack([packed >> 4, packed & 15], 1).reshape(T, N, H, W) / 15
    assert np.abs(greys - images().numpy()).max() <= 0.5 / 15 + 1e-6
    assert made.view == {"frames": T, "count": N, "size": [H, W], "columns": 3}
    assert made.labels[1] == "step 10"
    assert FilmPlayer(images()).labels[0] == "frame 1 of 4"


def test_it_starts_at_the_end_and_the_page_and_the_kernel_share_the_frame() -> None:
    made = widget()
    assert made.frame == T - 1
    made.set_state({"frame": 1})  # what the page sends
    assert made.frame == 1
    assert repr(made) == "FilmPlayer(4 frames, 5 images of 3 x 2)"


def test_the_shipped_film_keeps_its_sixteen_greys() -> None:
    """The film of the GAN on digits, as its page shows it."""
    with np.load(weights.FOLDER / "mnist_gan_film.npz") as film:
        moments = film["images"]
    made = FilmPlayer(torch.from_numpy(moments) / 255)
    packed = np.frombuffer(zlib.decompress(made.film), np.uint8)
    assert np.array_equal(17 * np.stack([packed >> 4, packed & 15], 1).ravel(), moments.ravel())
    state = embed_data([made], drop_defaults=False)["manager_state"]["state"][made.model_id]
    (buffer,) = state["buffers"]
    assert buffer["path"] == ["film"]
    assert len(base64.b64decode(buffer["data"])) < 200_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.rand(T, N, H)}, "images: expected"),
        ({"images": torch.full((T, N, H, W), torch.nan)}, "images: expected"),
        ({"labels": ["one"]}, "labels: expected 4, one per frame, got 1"),
        ({"columns": 0}, "columns: expected"),
    ],
)
def test_a_mistake_is_named(change: dict, message: str) -> None:
    arguments = {"images": images(), **change}
    with pytest.raises(ValueError, match=message):
        FilmPlayer(**arguments)


# In the browser.


def drawn(driver: Chrome, canvas: WebElement) -> np.ndarray:
    """The grey values of the sheet, with -1 where nothing is drawn."""
    script = """
        const canvas = arguments[0], { width, height } = canvas;
        return [width, height, ...canvas.getContext("2d").getImageData(0, 0, width, height).data];
    """
    width, height, *values = driver.execute_script(script, canvas)
    pixels = np.array(values).reshape(height, width, 4)
    return np.where(pixels[..., 3] > 0, pixels[..., 0], -1)


def expected(frame: int) -> np.ndarray:
    sheet = np.full((2 * (H + GAP) - GAP, 3 * (W + GAP) - GAP), -1.0)
    for n, image in enumerate(images()[frame].numpy()):
        top, left = n // 3 * (H + GAP), n % 3 * (W + GAP)
        sheet[top : top + H, left : left + W] = 17 * np.round(15 * image)
    return sheet


@pytest.fixture
def film(chromium: Chrome, tmp_path: Path) -> WebElement:
    """The sheet of pictures, once the film has been unpacked."""
    open_page(chromium, browser.write_page(tmp_path / "page.html", widget()))
    (canvas,) = canvases(chromium)
    wait(chromium).until(lambda _: (drawn(chromium, canvas) >= 0).any())
    return canvas


def test_each_frame_is_drawn_and_the_keys_choose_it(chromium: Chrome, film: WebElement) -> None:
    scrub = control(film, "input[type=range]")
    np.testing.assert_array_equal(drawn(chromium, film), expected(T - 1))
    for key, frame in ((Keys.HOME, 0), (Keys.ARROW_RIGHT, 1), (Keys.END, T - 1)):
        scrub.send_keys(key)
        np.testing.assert_array_equal(drawn(chromium, film), expected(frame))
        assert scrub.get_attribute("aria-valuetext") == f"step {10 * frame}"
        said = f"From noise: 5 pictures, step {10 * frame}"
        assert film.get_attribute("aria-label") == said


def test_play_begins_anew_and_ends_at_the_end(chromium: Chrome, film: WebElement) -> None:
    play = control(film, "button")
    play.send_keys(Keys.SPACE)
    said = control(film, "[role=status]")
    wait(chromium).until(lambda _: said.get_attribute("textContent") == "step 30")
    assert play.text == "Play"
    np.testing.assert_array_equal(drawn(chromium, film), expected(T - 1))


def test_it_fits_a_narrow_screen(chromium: Chrome, tmp_path: Path) -> None:
    size = {"width": 390, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        open_page(chromium, browser.write_page(tmp_path / "page.html", widget()))
        (canvas,) = canvases(chromium)
        assert chromium.execute_script("return document.documentElement.scrollWidth") <= 390
        assert canvas.rect["width"] > 250
        assert test_browser.widget_roots(chromium)[0].rect["height"] < 700
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
