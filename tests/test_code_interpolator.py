"""From one encoded image to another: the paths are scipy's, the images torch's."""

import base64
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest
import test_browser
import torch
from ipywidgets.embed import embed_data
from scipy.spatial import geometric_slerp
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.remote.webelement import WebElement
from test_browser import assert_same_images, canvases, colours, control, open_page, picture, wait
from test_latent_map import call, move
from test_widgets import with_statistics
from torch import Tensor, nn

from gannotes.widgets import CodeInterpolator

chromium = test_browser.chromium

N, LENGTH = 5, 3.0
LABELS = torch.tensor([3, 8, 8, 0, 1])


def codes() -> Tensor:
    """Four coordinates and one length, so that both paths have a textbook formula."""
    torch.manual_seed(0)
    return LENGTH * nn.functional.normalize(torch.randn(N, 4), dim=1)


def coordinates() -> nn.Sequential:
    """A decoder whose four pixels are the code."""
    G = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Unflatten(1, (1, 2, 2)))
    G[0].weight.data.copy_(torch.eye(4))
    return G


def images() -> Tensor:
    return torch.linspace(-4, 4, 4 * N).reshape(N, 1, 2, 2)


def widget(**options: Any) -> CodeInterpolator:
    return CodeInterpolator(
        *(coordinates(), images(), codes(), LABELS),
        **{"limits": (-4, 4), "dtype": torch.float32, "title": "Between", **options},
    )


def path(first: int, second: int, t: float, great_circle: bool) -> np.ndarray:
    a, b = codes().double().numpy()[[first, second]]
    if great_circle:
        return LENGTH * geometric_slerp(a / np.linalg.norm(a), b / np.linalg.norm(b), t)
    return (1 - t) * a + t * b


# The Python side.


def test_the_packed_decoder_is_torch_s_and_the_images_are_bytes() -> None:
    torch.manual_seed(0)
    G = with_statistics(
        nn.Sequential(
            *(nn.Linear(4, 18), nn.Unflatten(1, (2, 3, 3)), nn.BatchNorm2d(2), nn.ReLU()),
            *(nn.ConvTranspose2d(2, 1, 4, 2, 1), nn.Tanh()),
        )
    ).eval()
    x = 2 * torch.rand(N, 1, 6, 6) - 1
    made = CodeInterpolator(G, x, codes(), LABELS, dtype=torch.float32, first=2)
    with torch.no_grad():
        expected = G(codes()).double()
    torch.testing.assert_close(browser.run(made, codes()), expected, rtol=1e-5, atol=1e-5)
    assert made.limits == [-1, 1]
    assert made.z == codes()[2].tolist()
    stored = np.frombuffer(made.images, np.uint8).reshape(x.shape) / 255 * 2 - 1
    assert np.abs(stored - x.numpy()).max() <= 1 / 255 + 1e-6
    assert made.view["classes"] == ["3", "8", "8", "0", "1"]


def test_the_saved_state_holds_all_that_the_page_needs() -> None:
    made = widget(dtype=torch.float16)
    state = embed_data([made], drop_defaults=False)["manager_state"]["state"][made.model_id]
    buffers = {b["path"][0]: base64.b64decode(b["data"]) for b in state["buffers"]}
    assert buffers == {"weights": made.weights, "codes": made.codes, "images": made.images}
    assert np.array_equal(np.frombuffer(made.codes, "<f2").reshape(N, 4), codes().half().numpy())
    assert "</script" not in state["state"]["_esm"] + state["state"]["_css"]
    assert len(state["state"]["_esm"]) < 50_000
    assert repr(made) == "CodeInterpolator(5 codes, 4 -> 1 x 2 x 2, 20 parameters, float16)"


def test_the_page_and_the_kernel_share_the_choice() -> None:
    made = widget()
    made.set_state({"first": 3, "t": 0.25, "great_circle": True})  # what the page sends
    assert (made.first, made.second, made.t, made.great_circle) == (3, 1, 0.25, True)


MISTAKES: dict[str, tuple[type[Exception], str, dict[str, Any]]] = {
    "array": (TypeError, "codes: expected a tensor", {"codes": codes().numpy()}),
    "shape": (ValueError, r"codes: expected shape \(N, k\)", {"codes": codes()[0]}),
    "many": (ValueError, "codes: expected at most 24", {"codes": torch.zeros(25, 4)}),
    "large": (
        ValueError,
        "codes: expected numbers that are finite in torch.float16",
        {"codes": 1e5 * codes()},
    ),
    "labels": (ValueError, r"labels: expected .* shape \(5,\)", {"labels": LABELS[1:]}),
    "images": (ValueError, "images: expected", {"images": images()[1:]}),
    "flat": (ValueError, "images: expected", {"images": images().flatten(1)}),
    "decoder": (
        ValueError,
        "^decoder: expected 4 features or channels for its Linear",
        {"codes": torch.zeros(5, 3)},
    ),
    "first": (ValueError, "first: expected an integer from 0 to 4", {"first": 5}),
    "second": (ValueError, "second: expected an integer from 0 to 4", {"second": -1}),
    "t": (ValueError, "t: expected a number from 0 to 1", {"t": 1.5}),
    "steps": (ValueError, "steps: expected an integer from 2 to 15", {"steps": 1}),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name: str) -> None:
    error, message, change = MISTAKES[name]
    arguments = {
        "decoder": coordinates(),
        "images": images(),
        "codes": codes(),
        "labels": LABELS,
        **change,
    }
    with pytest.raises(error, match=message), np.errstate(over="ignore"):
        CodeInterpolator(**arguments)


# In the browser.


@pytest.fixture
def strip(chromium: Chrome, tmp_path: Path) -> WebElement:
    """The canvas of the strip."""
    open_page(chromium, browser.write_page(tmp_path / "page.html", widget()))
    big, found = canvases(chromium)
    wait(chromium).until(lambda _: found.rect["width"] > 300)
    assert big.rect["width"] > 100
    return found


def decoded(driver: Chrome) -> np.ndarray:
    """The code that the large image stands for, to one part in 255."""
    grey = driver.execute_script(
        "return Array.from(arguments[0].getContext('2d').getImageData(0, 0, 2, 2).data)",
        canvases(driver)[0],
    )
    return np.array(grey[::4]) * 8 / 255 - 4


def assert_shows(driver: Chrome, *where: Any) -> None:
    np.testing.assert_allclose(decoded(driver), path(*where), rtol=0, atol=0.02)


def slider(canvas: WebElement) -> WebElement:
    return control(canvas, "input[type=range]")


def choose(canvas: WebElement, name: str, key: str = Keys.ARROW_RIGHT) -> None:
    control(canvas, f"input[name={name}]:checked").send_keys(key)


def button(canvas: WebElement, text: str) -> WebElement:
    root = canvas.find_element("xpath", "./ancestor::*[contains(@class, 'gannotes-widget')]")
    return next(b for b in root.find_elements("css selector", "button") if b.text == text)


def test_javascript_equals_torch(chromium: Chrome, strip: WebElement) -> None:
    (root,) = test_browser.widget_roots(chromium)
    assert_same_images(chromium, root, widget())


@pytest.mark.parametrize("great_circle", [False, True])
def test_the_paths_are_the_line_and_the_great_circle(
    chromium: Chrome, strip: WebElement, great_circle: bool
) -> None:
    """I16."""
    if great_circle:
        choose(strip, "path")
    for t in (0.0, 0.125, 0.5, 0.9, 1.0):
        found = call(chromium, strip, "along", t)
        np.testing.assert_allclose(found, path(0, 1, t, great_circle), rtol=1e-5, atol=1e-5)
        if great_circle:
            assert np.linalg.norm(found) == pytest.approx(LENGTH)


def test_the_slider_walks_between_the_reconstructions(chromium: Chrome, strip: WebElement) -> None:
    assert_shows(chromium, 0, 1, 0.5, False)
    seen = []
    for key, t in ((Keys.HOME, 0.0), (Keys.ARROW_RIGHT * 10, 0.1), (Keys.END, 1.0)):
        slider(strip).send_keys(key)
        assert_shows(chromium, 0, 1, t, False)
        assert slider(strip).get_attribute("aria-valuetext").startswith(f"t = {t:.2f} on the")
        seen.append(picture(chromium, strip))
    assert len(set(seen)) == 3


def test_the_ends_are_chosen_with_the_arrow_keys(chromium: Chrome, strip: WebElement) -> None:
    before = picture(chromium, strip)
    choose(strip, "first")
    choose(strip, "second")
    choose(strip, "second")
    assert picture(chromium, strip) != before
    assert_shows(chromium, 1, 3, 0.5, False)
    assert "from an 8 to a 0" in strip.get_attribute("aria-label")
    labels = [
        control(strip, f"input[name={name}]:checked").get_attribute("aria-label")
        for name in ("first", "second")
    ]
    assert labels == ["test digit 2, an 8", "test digit 4, a 0"]
    choose(strip, "path")
    assert_shows(chromium, 1, 3, 0.5, True)


def test_the_pointer_chooses_a_step(chromium: Chrome, strip: WebElement) -> None:
    box = chromium.execute_script("return arguments[0].gannotes.box", strip)
    for step in (0, 3, 8):
        x = box["from"] + step * box["pitch"]
        move(chromium, strip, x, 10).click().perform()
        assert float(slider(strip).get_property("value")) == pytest.approx(step / 8, abs=0.011)
        expected = path(0, 1, step / 8, False)
        np.testing.assert_allclose(decoded(chromium), expected, rtol=0, atol=0.06)
    drag = move(chromium, strip, box["from"], 10).click_and_hold()
    drag.move_by_offset(round(2 * box["pitch"]), 5).release().perform()
    assert float(slider(strip).get_property("value")) == pytest.approx(0.25, abs=0.02)
    ActionChains(chromium).move_by_offset(50, 0).perform()  # without a button
    assert float(slider(strip).get_property("value")) == pytest.approx(0.25, abs=0.02)


def test_the_slider_s_thumb_stands_below_its_image(chromium: Chrome, strip: WebElement) -> None:
    box = chromium.execute_script("return arguments[0].gannotes.box", strip)
    left, width = (slider(strip).rect[side] for side in ("x", "width"))
    assert left + 8 - strip.rect["x"] == pytest.approx(box["from"], abs=1)
    assert left + width - 8 - strip.rect["x"] == pytest.approx(
        box["from"] + 8 * box["pitch"], abs=1
    )


def test_swap_keeps_the_place_and_reset_undoes(chromium: Chrome, strip: WebElement) -> None:
    first = picture(chromium, strip)
    slider(strip).send_keys(20 * Keys.ARROW_LEFT)
    before = decoded(chromium)
    button(strip, "Swap").send_keys(Keys.SPACE)
    assert float(slider(strip).get_property("value")) == pytest.approx(0.7)
    np.testing.assert_array_equal(decoded(chromium), before)
    assert_shows(chromium, 1, 0, 0.7, False)
    choose(strip, "path")
    button(strip, "Reset").send_keys(Keys.ENTER)
    assert picture(chromium, strip) == first


def test_a_walk_ends_at_the_second_image_and_can_be_paused(
    chromium: Chrome, strip: WebElement
) -> None:
    slider(strip).send_keys(Keys.END, 25 * Keys.ARROW_LEFT)
    button(strip, "Walk").send_keys(Keys.SPACE)
    wait(chromium).until(lambda _: float(slider(strip).get_property("value")) > 0.76)
    button(strip, "Pause").send_keys(Keys.SPACE)
    paused = float(slider(strip).get_property("value"))
    assert 0.75 < paused < 1
    button(strip, "Walk").send_keys(Keys.SPACE)
    wait(chromium).until(lambda _: slider(strip).get_property("value") == "1")
    assert_shows(chromium, 0, 1, 1.0, False)
    assert button(strip, "Walk")
    said = "t = 1.00 on the straight line from a 3 to an 8"
    wait(chromium).until(
        lambda _: control(strip, "[role=status]").get_attribute("textContent") == said
    )


def test_reduced_motion_jumps_instead_of_walking(chromium: Chrome, strip: WebElement) -> None:
    media = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        button(strip, "Walk").send_keys(Keys.SPACE)
        assert slider(strip).get_property("value") == "1"
        assert button(strip, "Walk")
    finally:
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_each_image_stands_above_its_reconstruction(chromium: Chrome, strip: WebElement) -> None:
    """F10, I17: the pixels of the small pictures, twice, once for each end."""
    found = chromium.execute_async_script(
        """
        const done = arguments[arguments.length - 1];
        const read = async (node) => {
            const url = getComputedStyle(node).backgroundImage.slice(5, -2);
            const image = Object.assign(new Image(), { src: url });
            await image.decode();
            const canvas = Object.assign(document.createElement("canvas"), { width: 2, height: 2 });
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            const all = Array.from(context.getImageData(0, 0, 2, 2).data);
            return all.filter((_, i) => i % 4 === 0);
        };
        Promise.all([...document.querySelectorAll(".gn-thumbnail")].map(read)).then(done);
        """
    )
    shown = np.array(found).reshape(2, N, 2, 4) * 8 / 255 - 4
    for end in shown:
        np.testing.assert_allclose(end[:, 0], images().flatten(1), rtol=0, atol=0.02)
        np.testing.assert_allclose(end[:, 1], codes(), rtol=0, atol=0.02)


def test_the_strip_follows_the_theme(chromium: Chrome, strip: WebElement) -> None:
    light = picture(chromium, strip)
    assert colours(chromium, strip) > 20
    chromium.execute_script("document.documentElement.dataset.theme = 'dark'")
    wait(chromium).until(lambda _: picture(chromium, strip) != light)
    chromium.execute_script("document.documentElement.dataset.theme = 'light'")
    wait(chromium).until(lambda _: picture(chromium, strip) == light)


def test_it_fits_a_narrow_screen(chromium: Chrome, tmp_path: Path) -> None:
    size = {"width": 390, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        open_page(chromium, browser.write_page(tmp_path / "page.html", widget()))
        (root,), (big, found) = test_browser.widget_roots(chromium), canvases(chromium)
        wait(chromium).until(lambda _: found.rect["width"] > 200)
        assert chromium.execute_script("return document.documentElement.scrollWidth") <= 390
        before = [root.rect, big.rect]
        slider(found).send_keys(Keys.END)
        choose(found, "second")
        assert [root.rect, big.rect] == before
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
