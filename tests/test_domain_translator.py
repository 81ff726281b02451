"""The drawing pad: the pages' translators are torch's, the pen's strokes are a formula's."""

import base64
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest
import test_browser
import torch
from ipywidgets.embed import embed_data
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.remote.webelement import WebElement
from test_browser import assert_same_images, canvases, control, open_page, picture, wait
from test_latent_map import move
from test_widgets import with_statistics
from torch import Tensor, nn

from gannotes.widgets import DomainTranslator

chromium = test_browser.chromium

N, SIZE = 3, 8
LABELS = torch.tensor([7, 8, 1])


def pairs(n: int = N) -> tuple[Tensor, Tensor]:
    """Pictures in the bytes that a page stores."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randint(256, (2, n, 1, SIZE, SIZE), generator=generator) / 255
    return x, y


def scaled(a: float, b: float) -> nn.Sequential:
    """The map of each pixel `v -> a v + b`."""
    layer = nn.Conv2d(1, 1, 1)
    layer.weight.data.fill_(a)
    layer.bias.data.fill_(b)  # type: ignore[union-attr]
    return nn.Sequential(layer)


def translator(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return with_statistics(
        nn.Sequential(
            *(nn.Conv2d(1, 5, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(5), nn.ReLU()),
            *(nn.Conv2d(5, 5, 3, padding=1), nn.LeakyReLU(0.2)),
            *(nn.ConvTranspose2d(5, 1, 4, stride=2, padding=1), nn.Sigmoid()),
        )
    ).eval()


def widget(**options: Any) -> DomainTranslator:
    """A negative there, and half of it back: both are read off the canvases."""
    given = {"dtype": torch.float32, "margin": 1, "title": "There and back", **options}
    return DomainTranslator(scaled(-1.0, 1.0), scaled(0.5, 0.0), pairs(), LABELS, **given)


def disk_path(points: list[tuple[float, float]], r: float) -> np.ndarray:
    """How far a pen of radius `r` covers each pixel on its way through points `(x, y)`.

    By brute force: the distance to the nearest of many points along the way.
    """
    legs = [np.array(points[:1])]
    for a, b in zip(points, points[1:], strict=False):
        s = np.linspace(0, 1, 2001)[:, None]
        legs.append((1 - s) * np.array(a) + s * np.array(b))
    way = np.concatenate(legs)
    i, j = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    d = np.hypot(j[..., None] - way[:, 0], i[..., None] - way[:, 1]).min(-1)
    return np.clip(r + 0.5 - d, 0, 1)


# The Python side.


def test_the_packed_translators_are_torch_s_and_the_examples_are_bytes() -> None:
    """E36."""
    G, F, (x, y) = translator(0), translator(1), pairs()
    made = DomainTranslator(G, F, (x, y), dtype=torch.float32)
    with torch.no_grad():
        expected = [G(x).double(), F(x).double()]
    for found, truth in zip(browser.run_all(made, x), expected, strict=True):
        assert truth.std() > 1e-3
        torch.testing.assert_close(found, truth, rtol=1e-5, atol=1e-5)
    stored = np.frombuffer(made.examples, np.uint8).reshape(2, *x.shape)
    np.testing.assert_array_equal(stored / np.float32(255), np.stack([x, y]))
    assert all(layer["op"] != "affine" for layer in made.layers)  # folded


def test_batch_normalisation_costs_nothing_on_images_either() -> None:
    made = DomainTranslator(translator(0), translator(1), pairs())
    assert len(made.weights) == 2 * 2 * (80 + 5 + 225 + 5 + 80 + 1)


@pytest.mark.parametrize("backwards", [False, True])
def test_the_pad_begins_with_an_example_of_its_domain(backwards: bool) -> None:
    made = widget(example=2, backwards=backwards)
    expected = (255 * pairs()[backwards][2]).round().to(torch.uint8).numpy().tobytes()
    assert made.ink == expected


def test_the_saved_state_holds_all_that_the_page_needs() -> None:
    made = widget(dtype=torch.float16)
    state = embed_data([made], drop_defaults=False)["manager_state"]["state"][made.model_id]
    buffers = {b["path"][0]: base64.b64decode(b["data"]) for b in state["buffers"]}
    assert buffers == {"weights": made.weights, "examples": made.examples, "ink": made.ink}
    assert "</script" not in state["state"]["_esm"] + state["state"]["_css"]
    assert len(state["state"]["_esm"]) < 50_000
    assert repr(made) == (
        "DomainTranslator(digit -> outline -> digit, 8 x 8, 4 parameters, float16, 3 examples)"
    )


def test_the_page_and_the_kernel_share_the_drawing() -> None:
    made = widget()
    made.set_state({"ink": bytes(64), "example": -1, "backwards": True})  # what the page sends
    assert (made.ink, made.example, made.backwards) == (bytes(64), -1, True)


X, Y = pairs()
MISTAKES: dict[str, tuple[type[Exception], str, dict[str, Any]]] = {
    "one": (TypeError, "examples: expected two tensors", {"examples": (X,)}),
    "array": (TypeError, "examples: expected two tensors", {"examples": (X.numpy(), Y)}),
    "unequal": (ValueError, "examples: expected two tensors of one", {"examples": (X, Y[1:])}),
    "colour": (
        ValueError,
        "examples: expected two tensors of one",
        {"examples": (X.expand(-1, 3, -1, -1), Y.expand(-1, 3, -1, -1))},
    ),
    "many": (ValueError, "N from 1 to 24", {"examples": pairs(25)}),
    "labels": (ValueError, r"labels: expected .* shape \(3,\)", {"labels": LABELS[1:]}),
    "G": (TypeError, "G: expected a Sequential", {"G": nn.Conv2d(1, 1, 1)}),
    "F": (TypeError, "^F: expected layers that the browser knows", {"F": nn.Sequential(nn.GELU())}),
    "larger": (
        ValueError,
        "^F: expected images .* examples' shape",
        {"F": nn.Sequential(nn.Upsample(scale_factor=2))},
    ),
    "range": (ValueError, "G, F: expected the same range", {"F": nn.Sequential(nn.Tanh())}),
    "names": (ValueError, "names: expected two different", {"names": ("digit", "digit")}),
    "pens": (ValueError, "pens: expected a positive number of at most", {"pens": (0.0, 1.0)}),
    "margin": (ValueError, "margin: expected an integer from 0 to 3", {"margin": 4}),
    "example": (ValueError, "example: expected an integer from 0 to 2", {"example": 3}),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name: str) -> None:
    error, message, change = MISTAKES[name]
    arguments = {"G": scaled(1, 0), "F": scaled(1, 0), "examples": pairs(), **change}
    with pytest.raises(error, match=message):
        DomainTranslator(**arguments)


# In the browser.


@pytest.fixture
def pad(chromium: Chrome, tmp_path: Path) -> WebElement:
    """The canvas of the pad."""
    open_page(chromium, browser.write_page(tmp_path / "page.html", widget()))
    return canvases(chromium)[0]


def grey(driver: Chrome, k: int) -> np.ndarray:
    """What a canvas shows, 0 to 1: the pad, the translation, or what comes back."""
    script = (
        "const [c, n] = arguments; return [...c.getContext('2d').getImageData(0, 0, n, n).data]"
    )
    found = driver.execute_script(script, canvases(driver)[k], SIZE)
    return np.array(found)[::4].reshape(SIZE, SIZE) / 255


def assert_translates(driver: Chrome, ink: Any, backwards: bool = False) -> None:
    """The pad shows `ink`; the other two what the networks make of it, to a grey level."""
    steps = [lambda v: 1 - v, lambda v: v / 2]
    there, back = steps[::-1] if backwards else steps
    expected = [ink, there(ink), back(there(ink))]
    for k, image in enumerate(expected):
        np.testing.assert_allclose(grey(driver, k), image, rtol=0, atol=(0.501 + k) / 255)


def surface(canvas: WebElement) -> WebElement:
    return control(canvas, ".gn-pad")


def button(canvas: WebElement, text: str) -> WebElement:
    root = canvas.find_element("xpath", "./ancestor::*[contains(@class, 'gannotes-widget')]")
    return next(b for b in root.find_elements("css selector", "button") if b.text == text)


def choose(canvas: WebElement, name: str, key: str = Keys.ARROW_RIGHT) -> None:
    control(canvas, f"input[name={name}]:checked").send_keys(key)


def captions(canvas: WebElement) -> list[str]:
    found = control(canvas, ".gn-chain").find_elements("css selector", "figcaption")
    return [caption.text for caption in found]


def console(driver: Chrome) -> list[str]:
    """What the page complains of, but for the advice on how these tests read pixels."""
    messages = [entry["message"] for entry in driver.get_log("browser")]
    return [message for message in messages if "getImageData" not in message]


def test_javascript_equals_torch(chromium: Chrome, tmp_path: Path) -> None:
    made = DomainTranslator(translator(0), translator(1), pairs())
    open_page(chromium, browser.write_page(tmp_path / "page.html", made))
    (root,) = test_browser.widget_roots(chromium)
    assert_same_images(chromium, root, made)
    x, shown = pairs()[0][:1], [grey(chromium, k) for k in range(3)]
    there = browser.run_all(made, x)[0]
    back = browser.run_all(made, there)[1]
    for found, expected in zip(shown, (x, there, back), strict=True):
        np.testing.assert_allclose(found, expected[0, 0], rtol=0, atol=0.5 / 255 + 1e-5)


def test_an_example_is_translated_and_measured(chromium: Chrome, pad: WebElement) -> None:
    """E36, E40: the errors are means of absolute differences."""
    x, y = (part[:, 0].double().numpy() for part in pairs())
    assert_translates(chromium, x[0])
    choose(pad, "example")
    assert_translates(chromium, x[1])
    off, home = np.abs(1 - x[1] - y[1]).mean(), np.abs((1 - x[1]) / 2 - x[1]).mean()
    assert captions(pad) == [
        "x: digit\n2 of 3, an 8",
        f"G(x): outline\n{off:.3f} from the true one",
        f"F(G(x)): digit\n{home:.3f} from where it began",
    ]
    assert pad.get_attribute("aria-label") == "digit 2 of 3, an 8"


def test_the_other_way_round_an_example_becomes_its_partner(
    chromium: Chrome, pad: WebElement
) -> None:
    x, y = (part[:, 0].double().numpy() for part in pairs())
    choose(pad, "way")
    assert_translates(chromium, y[0], backwards=True)
    assert [caption.split("\n")[0] for caption in captions(pad)] == [
        *("y: outline", "F(y): digit", "G(F(y)): outline"),
    ]
    assert f"{np.abs(y[0] / 2 - x[0]).mean():.3f} from the true one" in captions(pad)[1]
    choose(pad, "example", Keys.ARROW_LEFT)  # from the first to the last
    assert_translates(chromium, y[2], backwards=True)
    choose(pad, "way", Keys.ARROW_LEFT)
    assert_translates(chromium, x[2])


def test_the_keyboard_draws(chromium: Chrome, pad: WebElement) -> None:
    surface(pad).send_keys(Keys.BACKSPACE)
    assert_translates(chromium, np.zeros((SIZE, SIZE)))
    surface(pad).send_keys(2 * Keys.ARROW_UP, Keys.ARROW_LEFT)  # the pen is up
    assert_translates(chromium, np.zeros((SIZE, SIZE)))
    surface(pad).send_keys(Keys.SPACE)
    assert_translates(chromium, disk_path([(3.5, 2.5)], 1.1))
    surface(pad).send_keys(3 * Keys.ARROW_DOWN, 2 * Keys.ARROW_RIGHT)
    drawn = disk_path([(3.5, 2.5), (3.5, 5.5), (5.5, 5.5)], 1.1)
    assert_translates(chromium, drawn)
    surface(pad).send_keys(Keys.SPACE, 2 * Keys.ARROW_UP)  # lifted
    assert_translates(chromium, drawn)
    said = "your digit; after the way there and back {:.3f} from where it began; {}"
    expected = said.format(np.abs((1 - drawn) / 2 - drawn).mean(), "pen up at row 4, column 6")
    wait(chromium).until(
        lambda _: control(pad, "[role=status]").get_attribute("textContent") == expected
    )
    assert console(chromium) == []


def test_shift_takes_four_pixels_and_the_border_stops_the_pen(
    chromium: Chrome, pad: WebElement
) -> None:
    surface(pad).send_keys(Keys.DELETE, Keys.SHIFT + Keys.ARROW_RIGHT + Keys.NULL, Keys.SPACE)
    assert_translates(chromium, disk_path([(7.5, 4.5)], 1.1))
    surface(pad).send_keys(Keys.SHIFT + Keys.ARROW_LEFT)
    assert_translates(chromium, disk_path([(7.5, 4.5), (3.5, 4.5)], 1.1))


def test_the_keyboard_erases(chromium: Chrome, pad: WebElement) -> None:
    x = pairs()[0][0, 0].double().numpy()
    surface(pad).send_keys("e", Keys.SPACE)
    assert control(pad, "input[type=checkbox]").is_selected()
    assert_translates(chromium, np.minimum(x, 1 - disk_path([(4.5, 4.5)], 1.65)))
    button(pad, "Reset").send_keys(Keys.ENTER)
    assert_translates(chromium, x)


def test_the_pointer_draws(chromium: Chrome, pad: WebElement) -> None:
    button(pad, "Clear").click()
    assert captions(pad)[0] == "x: digit\ndraw a digit here"
    scale = pad.rect["width"] / SIZE
    before = move(chromium, pad, 2 * scale, 3 * scale)
    before.click_and_hold().move_by_offset(round(4 * scale), 0)
    before.move_by_offset(0, round(3 * scale)).release().perform()
    drawn = disk_path([(2, 3), (6, 3), (6, 6)], 1.1)
    np.testing.assert_allclose(grey(chromium, 0), drawn, rtol=0, atol=0.06)  # whole screen pixels
    assert_translates(chromium, grey(chromium, 0))
    ActionChains(chromium).move_by_offset(-20, -20).perform()  # without a button
    np.testing.assert_allclose(grey(chromium, 0), drawn, rtol=0, atol=0.06)
    assert captions(pad)[0] == "x: digit\ndrawn by you"
    assert control(pad, ".gn-gallery").find_elements("css selector", "input:checked") == []
    assert console(chromium) == []


def test_a_drawing_turned_round_becomes_its_translation(chromium: Chrome, pad: WebElement) -> None:
    surface(pad).send_keys(Keys.BACKSPACE, Keys.SPACE)
    choose(pad, "way")
    assert_translates(chromium, 1 - disk_path([(4.5, 4.5)], 1.1), backwards=True)
    button(pad, "Clear").click()
    surface(pad).send_keys(Keys.SPACE)
    assert_translates(chromium, disk_path([(4.5, 4.5)], 0.5), backwards=True)  # the finer pen


def test_the_pen_shows_while_the_keyboard_leads_it(chromium: Chrome, pad: WebElement) -> None:
    nib = control(pad, ".gn-nib")
    assert not nib.is_displayed()
    surface(pad).send_keys(Keys.ARROW_UP)
    assert nib.is_displayed()
    middle = nib.rect["y"] + nib.rect["height"] / 2 - pad.rect["y"]
    assert middle == pytest.approx(3.5 / SIZE * pad.rect["height"], abs=1)
    assert surface(pad).get_attribute("tabindex") == "0"
    assert surface(pad).value_of_css_property("touch-action") == "none"
    assert surface(pad).value_of_css_property("outline-style") == "solid"
    surface(pad).send_keys(Keys.TAB)
    assert not nib.is_displayed()


def test_nothing_shifts_on_a_narrow_screen(chromium: Chrome, tmp_path: Path) -> None:
    size = {"width": 390, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        open_page(chromium, browser.write_page(tmp_path / "page.html", widget()))
        (root,), (pad, made, _) = test_browser.widget_roots(chromium), canvases(chromium)
        assert chromium.execute_script("return document.documentElement.scrollWidth") <= 390
        assert pad.rect["width"] > 1.9 * made.rect["width"]  # a finger needs room
        before = [root.rect, pad.rect, picture(chromium, made)]
        surface(pad).send_keys(Keys.BACKSPACE, Keys.SPACE, 2 * Keys.ARROW_LEFT)
        assert [root.rect, pad.rect] == before[:2]
        assert picture(chromium, made) != before[2]
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
