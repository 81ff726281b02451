"""The pad for digits: its three networks are torch's, and what it says of a drawing is theirs."""

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
from torch import Tensor, nn

from gannotes.widgets import DigitPad

chromium = test_browser.chromium

SIZE, CLASSES = 8, 5


def networks() -> tuple[nn.Sequential, nn.Sequential, nn.Sequential]:
    """Encoder, decoder and classifier with the layers of the shipped ones."""
    torch.manual_seed(0)
    pixels = SIZE * SIZE
    encoder = nn.Sequential(nn.Flatten(-3), nn.Linear(pixels, 9), nn.SiLU(), nn.Linear(9, 4))
    decoder = nn.Sequential(
        *(nn.Linear(2, 12), nn.SiLU(), nn.Unflatten(-1, (3, 2, 2))),
        *(nn.ConvTranspose2d(3, 2, 4, 2, 1), nn.SiLU(), nn.ConvTranspose2d(2, 1, 4, 2, 1)),
        nn.Sigmoid(),
    )
    classifier = nn.Sequential(
        *(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3, padding=1)),
        *(nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(16, CLASSES)),
    )
    for net in (encoder, decoder, classifier):
        for p in net.parameters():
            p.data.mul_(2)
    return encoder.eval(), decoder.eval(), classifier.eval()


def examples() -> Tensor:
    """Three pictures in the bytes that a page stores."""
    x = torch.randint(256, (3, 1, SIZE, SIZE), generator=torch.Generator().manual_seed(0))
    return x / 255


Z = torch.randn(30, 2, generator=torch.Generator().manual_seed(1))
LABELS, KINDS = torch.arange(30) % CLASSES, torch.tensor([4, 1, 2])


def widget(**options: Any) -> DigitPad:
    given = {"dtype": torch.float32, "margin": 1, "title": "Draw", **options}
    return DigitPad(*networks(), Z, LABELS, examples(), KINDS, **given)


@torch.no_grad()
def truth(x: Tensor) -> dict[str, Tensor]:
    """What the pad should say of a picture `(1, 1, h, w)`."""
    encoder, decoder, classifier = networks()
    mean, log_sd = encoder((x > 0.5).float()).chunk(2, -1)
    rebuilt = decoder(mean)
    judged = [classifier(v).softmax(-1)[0] for v in (x, rebuilt)]
    numbers = {"z": mean[0], "sd": log_sd.exp()[0], "rebuilt": rebuilt.flatten()}
    return numbers | {"drawn": judged[0], "again": judged[1]}


# The Python side.


def test_the_packed_networks_are_torch_s_and_the_examples_are_bytes() -> None:
    made, x = widget(), examples()
    encoder, decoder, classifier = networks()
    with torch.no_grad():
        expected = [classifier(x), decoder(Z), encoder(x)]
    for found, wanted in zip(browser.run_all(made, [x, Z, x]), expected, strict=True):
        torch.testing.assert_close(found, wanted.double(), rtol=1e-5, atol=1e-5)
    stored = np.frombuffer(made.examples, np.uint8).reshape(x.shape)
    np.testing.assert_array_equal(stored / np.float32(255), x)
    assert widget(example=2).ink == stored[2].tobytes()


def test_the_saved_state_holds_all_that_the_page_needs() -> None:
    made = widget(dtype=torch.float16)
    state = embed_data([made], drop_defaults=False)["manager_state"]["state"][made.model_id]
    buffers = {b["path"][0]: base64.b64decode(b["data"]) for b in state["buffers"]}
    names = ("weights", "points", "labels", "examples", "ink")
    assert buffers == {name: getattr(made, name) for name in names}
    assert "</script" not in state["state"]["_esm"] + state["state"]["_css"]
    assert len(state["state"]["_esm"]) < 50_000
    assert repr(made).startswith("DigitPad(8 x 8, 5 classes, ")
    assert repr(made).endswith(" parameters, float16, 3 examples)")


def test_the_page_and_the_kernel_share_the_drawing() -> None:
    made = widget()
    made.set_state({"ink": bytes(64), "example": -1})  # what the page sends
    assert (made.ink, made.example) == (bytes(64), -1)


def wrong(k: int, net: nn.Module) -> tuple[Any, ...]:
    nets: list[Any] = list(networks())
    nets[k] = net
    return (*nets, Z, LABELS, examples(), KINDS)


GOOD = (*networks(), Z, LABELS, examples(), KINDS)
MISTAKES: dict[str, tuple[type[Exception], str, tuple[Any, ...], dict[str, Any]]] = {
    "encoder": (
        ValueError,
        "^encoder: expected 4 numbers",
        wrong(0, nn.Sequential(nn.Flatten(), nn.Linear(64, 6))),
        {},
    ),
    "layer": (
        TypeError,
        "^encoder: expected layers that",
        wrong(0, nn.Sequential(nn.Flatten(), nn.GELU())),
        {},
    ),
    "module": (TypeError, "^decoder: expected a Sequential", wrong(1, nn.Linear(2, 4)), {}),
    "range": (
        ValueError,
        "^decoder: expected one channel between",
        wrong(1, nn.Sequential(nn.Linear(2, 64), nn.Unflatten(-1, (1, 8, 8)), nn.Tanh())),
        {},
    ),
    "windows": (
        TypeError,
        "^classifier: expected windows side by side",
        wrong(2, nn.Sequential(nn.MaxPool2d(3, 2), nn.Flatten(), nn.Linear(9, 5))),
        {},
    ),
    "classes": (
        ValueError,
        "^classifier: expected 5 numbers",
        wrong(2, nn.Sequential(nn.Flatten(), nn.Linear(64, 10))),
        {},
    ),
    "codes": (ValueError, "z: expected shape", (*GOOD[:3], Z[:, :1], *GOOD[4:]), {}),
    "labels": (ValueError, "labels: expected", (*GOOD[:4], LABELS[1:], *GOOD[5:]), {}),
    "many": (ValueError, "examples: expected 1 to 24", (*GOOD[:5], examples()[:0], KINDS), {}),
    "size": (
        ValueError,
        "examples: expected shape",
        (*GOOD[:5], torch.rand(3, 1, 4, 4), KINDS),
        {},
    ),
    "kinds": (ValueError, "kinds: expected", (*GOOD[:6], KINDS + 1), {}),
    "example": (ValueError, "example: expected an integer from 0 to 2", GOOD, {"example": 3}),
    "pen": (ValueError, "pen: expected a positive number", GOOD, {"pen": 0.0}),
    "margin": (ValueError, "margin: expected an integer from 0 to 3", GOOD, {"margin": 4}),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name: str) -> None:
    error, message, arguments, options = MISTAKES[name]
    with pytest.raises(error, match=message):
        DigitPad(*arguments, **options)


# In the browser.


@pytest.fixture
def pad(chromium: Chrome, tmp_path: Path) -> WebElement:
    """The canvas that is drawn on."""
    open_page(chromium, browser.write_page(tmp_path / "page.html", widget()))
    return canvases(chromium)[0]


def surface(pad: WebElement) -> WebElement:
    return control(pad, ".gn-pad")


def ink(driver: Chrome, pad: WebElement) -> Tensor:
    """What is on the pad, read off its pixels."""
    grey = driver.execute_script(
        "const c = arguments[0];"
        "return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)",
        pad,
    )
    return torch.tensor(grey[::4]).view(1, 1, SIZE, SIZE) / 255


def assert_reads(driver: Chrome, pad: WebElement) -> None:
    """Numbers, words and the rebuilt picture are those of the networks at what is on the pad."""
    x = ink(driver, pad)
    expected = truth(x)
    script = "return arguments[0].gannotes.read(arguments[1])"
    found = driver.execute_script(script, pad, x.flatten().tolist())
    for name, numbers in expected.items():
        np.testing.assert_allclose(found[name], numbers, rtol=1e-4, atol=1e-5)
    made = ink(driver, canvases(driver)[1])
    np.testing.assert_allclose(made.flatten(), expected["rebuilt"], atol=0.51 / 255 + 1e-5)
    rows = control(pad, ".gn-verdict").find_elements("css selector", "li")
    assert len(rows) == CLASSES
    for row, drawn, again in zip(rows, expected["drawn"], expected["again"], strict=True):
        said = row.get_attribute("textContent")
        shares = [float(part.split()[-1]) for part in said[1:].replace("%", ",").split(",")[:3:2]]
        np.testing.assert_allclose(shares, [100 * drawn, 100 * again], atol=0.51)
        bars = row.find_elements("css selector", ".gn-fill")
        widths = [
            float(bar.get_attribute("style").split("width: ")[1].split("%")[0]) for bar in bars
        ]
        np.testing.assert_allclose(widths, [100 * drawn, 100 * again], atol=0.01)
    where = ", ".join(f"{v:.2f}" for v in expected["z"].tolist()).replace("-", "\u2212")
    assert f"({where})" in canvases(driver)[2].get_attribute("aria-label")


def test_javascript_equals_torch(chromium: Chrome, tmp_path: Path) -> None:
    made = widget(dtype=torch.float16)
    open_page(chromium, browser.write_page(tmp_path / "page.html", made))
    (root,) = test_browser.widget_roots(chromium)
    assert_same_images(chromium, root, made)


def test_an_example_is_read_and_rebuilt(chromium: Chrome, pad: WebElement) -> None:
    np.testing.assert_allclose(ink(chromium, pad), examples()[:1], atol=1e-6)
    assert_reads(chromium, pad)
    assert pad.get_attribute("aria-label") == "a test digit, a 4"
    control(pad, "input[name=example]:checked").send_keys(Keys.ARROW_RIGHT)
    np.testing.assert_allclose(ink(chromium, pad), examples()[1:2], atol=1e-6)
    assert_reads(chromium, pad)
    assert pad.get_attribute("aria-label") == "a test digit, a 1"


def test_the_keyboard_draws(chromium: Chrome, pad: WebElement) -> None:
    before = [picture(chromium, canvas) for canvas in canvases(chromium)]
    surface(pad).send_keys(Keys.BACKSPACE)
    assert ink(chromium, pad).max() == 0
    assert pad.get_attribute("aria-label") == "an empty pad"
    surface(pad).send_keys(Keys.SPACE, 3 * Keys.ARROW_LEFT, Keys.SPACE, 2 * Keys.ARROW_DOWN)
    x = ink(chromium, pad)[0, 0]
    assert (x[4, 1:5] == 1).all()
    assert x[6:].max() == 0  # the pen was up
    assert_reads(chromium, pad)
    assert pad.get_attribute("aria-label") == "your drawing"
    after = [picture(chromium, canvas) for canvas in canvases(chromium)]
    assert all(a != b for a, b in zip(after, before, strict=True))
    surface(pad).send_keys("e", 2 * Keys.ARROW_UP, Keys.SPACE, 3 * Keys.ARROW_RIGHT)
    assert ink(chromium, pad)[0, 0, 4].max() == 0
    (reset,) = pad.find_elements("xpath", "./ancestor::form//button[text()='Reset']")
    reset.click()
    np.testing.assert_allclose(ink(chromium, pad), examples()[:1], atol=1e-6)


def test_the_pointer_draws(chromium: Chrome, pad: WebElement) -> None:
    (clear,) = pad.find_elements("xpath", "./ancestor::form//button[text()='Clear']")
    clear.click()
    cell = pad.rect["width"] / SIZE
    stroke = move(chromium, pad, 2.5 * cell, 1.5 * cell).click_and_hold()
    stroke.move_by_offset(0, round(5 * cell)).release().perform()
    x = ink(chromium, pad)[0, 0]
    assert (x[1:7, 2] == 1).all()
    assert x[:, 5:].max() == 0
    assert_reads(chromium, pad)


def test_what_is_read_is_spoken(chromium: Chrome, pad: WebElement) -> None:
    status = control(pad, "[role=status]")
    surface(pad).send_keys(Keys.BACKSPACE, Keys.SPACE, Keys.ARROW_LEFT)

    def said() -> str:
        return status.get_attribute("textContent")

    wait(chromium).until(lambda _: said().startswith("your drawing: read as a"))
    assert "; rebuilt as a" in said()
    assert said().endswith("; pen down at row 5, column 4")


@pytest.mark.parametrize("width", [1000, 390])
def test_nothing_shifts_on_a_narrow_screen(chromium: Chrome, tmp_path: Path, width: int) -> None:
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        open_page(chromium, browser.write_page(tmp_path / "page.html", widget()))
        (root,), (pad, *_) = test_browser.widget_roots(chromium), canvases(chromium)
        assert root.rect["height"] <= 700
        assert chromium.execute_script("return document.documentElement.scrollWidth") <= width
        before = [root.rect, pad.rect]
        ActionChains(chromium).move_to_element(pad).click().perform()
        assert [root.rect, pad.rect] == before
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
