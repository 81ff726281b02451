"""What the reader's browser shows: every page of the built book, and the widgets by themselves."""

import base64
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import browser
import pytest
import torch
import yaml
from ipywidgets import IntSlider
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from test_widgets import SHAPES, lazy, networks, normal, uniform
from torch import Tensor, nn

from gannotes.widgets import LatentExplorer, PointPlayer, bundle
from gannotes.widgets.bundle import library

HTML = browser.ROOT / "_build/html"


@pytest.fixture(scope="session")
def chromium(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chrome]:
    """One browser for all tests. Without one they are skipped, loudly; under CI=true they fail."""
    if browser.find() is None:
        missing = "chromium and chromedriver are not on the PATH: NO browser test runs"
        if os.environ.get("CI"):
            pytest.fail(missing)
        last_words = SimpleNamespace(
            pytest_terminal_summary=lambda terminalreporter: terminalreporter.write_sep(
                "!", f"WARNING: {missing}", yellow=True, bold=True
            )
        )
        request.config.pluginmanager.register(last_words)
        pytest.skip(missing)
    with browser.chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


def open_page(driver: Chrome, path: Path) -> None:
    """Open a file and wait until its widgets and its equations have been drawn."""
    driver.get_log("browser")
    driver.get_log("performance")
    driver.get(path.as_uri())
    wait(driver).until(
        lambda d: d.execute_script(
            """
            const has = (selector) => document.querySelector(selector) !== null;
            const ready = document.documentElement.dataset.widgets === "ready";
            return document.readyState === "complete" && (has("mjx-container") || !has(".math"))
                && (ready || !has('script[type$="widget-view+json"]'));
            """
        )
    )
    driver.execute_async_script(
        "Promise.resolve(window.MathJax?.startup?.promise).then(() => arguments[0]())"
    )


def wait(driver: Chrome) -> WebDriverWait[Chrome]:
    return WebDriverWait(driver, 60, poll_frequency=0.05)


def widget_roots(driver: Chrome) -> list[WebElement]:
    return driver.find_elements("css selector", ".gannotes-widget")


def canvases(driver: Chrome) -> list[WebElement]:
    """Those that a control redraws at once; a game draws what its engine sends, when it does."""
    return driver.find_elements("css selector", ".gannotes-widget:not([data-live]) canvas")


def picture(driver: Chrome, canvas: WebElement) -> str:
    return driver.execute_script("return arguments[0].toDataURL()", canvas)


def colours(driver: Chrome, canvas: WebElement) -> int:
    """How many different pixels a canvas has: one when it is blank."""
    return driver.execute_script(
        """
        const [c] = arguments, all = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
        return new Set(new Uint32Array(all.buffer)).size;
        """,
        canvas,
    )


def control(canvas: WebElement, selector: str) -> WebElement:
    """A control of the widget that the canvas belongs to."""
    root = canvas.find_element("xpath", "./ancestor::*[contains(@class, 'gannotes-widget')]")
    return root.find_element("css selector", selector)


def forward(driver: Chrome, canvas: WebElement, z: Tensor) -> Tensor:
    """The images of codes `(N, latent)`, computed by the page."""
    images = driver.execute_script(
        "const [c, codes] = arguments; return codes.map(c.gannotes.forward)", canvas, z.tolist()
    )
    return torch.tensor(images, dtype=torch.float64)


def assert_same_images(driver: Chrome, root: WebElement, widget: Any) -> None:
    """On 100 random inputs, JavaScript computes what torch does with the same rounded weights."""
    torch.manual_seed(0)
    z = [torch.randn(100, size) for size in browser.inputs(widget)]
    images = [x.flatten(1) for x in browser.run_all(widget, z)]
    every = root.find_elements("css selector", "canvas")
    computing = [
        c for c in every if driver.execute_script("return !!arguments[0].gannotes?.forward", c)
    ]
    for canvas, own, expected in zip(computing, z, images, strict=True):
        assert expected.std() > 1e-3  # a network that says something
        torch.testing.assert_close(forward(driver, canvas, own), expected, rtol=1e-5, atol=1e-5)


# The widgets by themselves.

ACTIVATIONS = [
    *(nn.ReLU(), nn.LeakyReLU(0.1), nn.ELU(0.7), nn.SiLU()),
    *(nn.Tanh(), nn.Sigmoid(), nn.Softplus()),
]


@pytest.fixture(scope="module")
def explorers(chromium: Chrome, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A page with one explorer for each network and each activation; name -> widget."""
    torch.manual_seed(0)
    nets: dict[str, Any] = {name: (lazy(G), SHAPES[name]) for name, G in networks().items()}
    for f in ACTIVATIONS:
        G = nn.Sequential(nn.Linear(6, 30), f, nn.Linear(30, 16), f)
        G[0].weight.data.mul_(4)  # so that both tails of each function are used
        nets[type(f).__name__] = (G, (4, 4))
    both = {name: nn.Sequential(*nets[name][0], nn.Linear(16, 16)) for name in ("ELU", "Tanh")}
    nets["several"] = (both, (4, 4))
    nets["float32"] = (nn.Sequential(nn.Linear(6, 4), nn.Tanh()), (2, 2))
    widgets = {
        name: LatentExplorer(
            G, normal(6), shape=shape, dtype=torch.float32 if name == "float32" else torch.float16
        )
        for name, (G, shape) in nets.items()
    }
    page = browser.write_page(tmp_path_factory.mktemp("explorers") / "page.html", *widgets.values())
    open_page(chromium, page)
    return widgets


@pytest.mark.parametrize(
    "name", [*SHAPES, *(type(f).__name__ for f in ACTIVATIONS), "several", "float32"]
)
def test_javascript_equals_torch(chromium: Chrome, explorers: dict[str, Any], name: str) -> None:
    root = widget_roots(chromium)[list(explorers).index(name)]
    assert_same_images(chromium, root, explorers[name])


def test_half_precision_is_decoded_exactly(chromium: Chrome, tmp_path: Path) -> None:
    """Every one of the 63,488 finite values, subnormal ones included."""
    every = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(torch.float16)
    every = every[every.isfinite()].reshape(-1, 1)
    G = nn.Sequential(nn.Linear(1, len(every), bias=False))
    G[0].weight.data.copy_(every)
    widget = LatentExplorer(G, normal(1), shape=(62, 1024))
    open_page(chromium, browser.write_page(tmp_path / "page.html", widget))
    values = forward(chromium, canvases(chromium)[0], torch.ones(1, 1))
    assert torch.equal(values, every.double().T)


@pytest.fixture
def explorer(chromium: Chrome, tmp_path: Path) -> WebElement:
    """The canvas of an explorer with every kind of control; its pixels are the codes themselves."""
    G = nn.Sequential(nn.Linear(9, 9, bias=False))
    G[0].weight.data.copy_(torch.eye(9))
    widget = LatentExplorer(
        *(G, normal(5)),
        categorical={"c_1": 3},
        continuous={"c_2": (-2, 2)},
        directions=torch.tensor([[0.6, 0.8, 0, 0, 0]]),
        limits=(-4, 4),
        shape=(3, 3),
        title="All controls",
    )
    open_page(chromium, browser.write_page(tmp_path / "page.html", widget))
    return canvases(chromium)[0]


def pixels(driver: Chrome, canvas: WebElement) -> Tensor:
    """The codes that the canvas shows, to one part in 255."""
    grey = driver.execute_script(
        "return Array.from(arguments[0].getContext('2d').getImageData(0, 0, 3, 3).data)", canvas
    )
    return torch.tensor(grey[::4]) * 8 / 255 - 4


def test_a_slider_moves_its_direction_and_nothing_else(
    chromium: Chrome, explorer: WebElement
) -> None:
    before = pixels(chromium, explorer)
    control(explorer, ".gn-rows .gn-row:first-child input").send_keys(Keys.END)
    after = pixels(chromium, explorer)
    u = torch.tensor([0.6, 0.8, 0, 0, 0])
    assert float(after[:5] @ u) == pytest.approx(3, abs=0.05)
    move = (after - before)[:5]
    torch.testing.assert_close(move, (move @ u) * u, rtol=0, atol=0.04)
    assert torch.equal(after[5:], before[5:])
    assert control(explorer, ".gn-row output").text == "3.00"


def test_radio_buttons_write_a_one_hot_code(chromium: Chrome, explorer: WebElement) -> None:
    control(explorer, "input[type=radio]:checked").send_keys(Keys.ARROW_RIGHT)
    torch.testing.assert_close(
        pixels(chromium, explorer)[5:8], torch.tensor([0.0, 1.0, 0.0]), rtol=0, atol=0.04
    )
    assert "c_1 = 1" in explorer.get_attribute("aria-label")


def test_random_noise_repeats_after_reset_and_keeps_the_codes(
    chromium: Chrome, explorer: WebElement
) -> None:
    control(explorer, ".gn-rows .gn-row:last-child input").send_keys(Keys.HOME)
    random, reset = (
        next(b for b in explorer.find_elements("xpath", "//button") if b.text == name)
        for name in ("Random noise", "Reset")
    )
    random.send_keys(Keys.SPACE)
    first = pixels(chromium, explorer)
    assert float(first[8]) == pytest.approx(-2, abs=0.04)
    random.send_keys(Keys.SPACE)
    assert not torch.equal(pixels(chromium, explorer), first)
    reset.send_keys(Keys.ENTER)
    assert float(pixels(chromium, explorer)[8]) == pytest.approx(0, abs=0.04)
    random.send_keys(Keys.SPACE)
    assert torch.equal(pixels(chromium, explorer)[:5], first[:5])


def test_interpolation_plays_pauses_and_follows_the_chosen_path(
    chromium: Chrome, explorer: WebElement
) -> None:
    button, time = control(explorer, ".gn-walk button"), control(explorer, ".gn-walk input")
    start = pixels(chromium, explorer)
    button.send_keys(Keys.SPACE)
    wait(chromium).until(lambda _: float(time.get_property("value")) > 0.05)
    button.send_keys(Keys.SPACE)
    assert button.text == "Continue"
    ends = []
    for key in (Keys.HOME, Keys.END):
        time.send_keys(key)
        ends.append(pixels(chromium, explorer))
    assert torch.equal(ends[0], start)
    time.send_keys(Keys.HOME, *50 * [Keys.ARROW_RIGHT])
    middle = pixels(chromium, explorer)
    torch.testing.assert_close(middle, (ends[0] + ends[1]) / 2, rtol=0, atol=0.04)
    control(explorer, "select").send_keys("great")
    a, b = ends[0][:5].double(), ends[1][:5].double()
    angle = torch.acos(a @ b / a.norm() / b.norm())
    arc = (angle / 2).sin() / angle.sin() * (a + b)
    torch.testing.assert_close(pixels(chromium, explorer)[:5].double(), arc, rtol=0, atol=0.06)


def test_reduced_motion_jumps_instead_of_moving(chromium: Chrome, explorer: WebElement) -> None:
    media = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        button = control(explorer, ".gn-walk button")
        button.send_keys(Keys.SPACE)
        assert button.text == "Interpolate"
        assert control(explorer, ".gn-walk input").get_property("value") == "0.5"
    finally:
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_slider_moves_all_images_as_far(chromium: Chrome, tmp_path: Path) -> None:
    """Each has its own noise from the start; uniform noise ends at its border."""
    G = nn.Sequential(nn.Linear(4, 4, bias=False))
    G[0].weight.data.copy_(torch.eye(4))
    widget = LatentExplorer(G, uniform(4), samples=3, sliders=[2], shape=(1, 4), limits=(-1, 1))
    open_page(chromium, browser.write_page(tmp_path / "page.html", widget))
    canvas = canvases(chromium)[0]
    control(canvas, ".gn-rows input").send_keys(Keys.HOME)
    rows = chromium.execute_script(
        """
        const context = arguments[0].getContext("2d");
        return [[0, 0], [5, 0], [0, 2]].map(
            ([x, y]) => Array.from(context.getImageData(x, y, 4, 1).data));
        """,
        canvas,
    )
    shown = torch.tensor(rows)[:, ::4] * 2 / 255 - 1
    expected = torch.tensor([widget.z, *widget.rest])
    expected[:, 2] = (expected[:, 2] - 1 - expected[0, 2]).clamp(-1, 1)
    assert len(expected[:, 2].unique()) > 1
    torch.testing.assert_close(shown, expected, rtol=0, atol=0.01)


def scaled(*factors: float) -> dict[str, nn.Sequential]:
    """Generators whose pixels are the code, times a factor that is the name of each."""
    nets = {str(a): nn.Sequential(nn.Linear(4, 4, bias=False)) for a in factors}
    for a, net in zip(factors, nets.values(), strict=True):
        net[0].weight.data.copy_(a * torch.eye(4))
    return nets


def strip(driver: Chrome, canvas: WebElement, k: int = 0) -> Tensor:
    """The values, between -1 and 1, of image k in a row of images of 1 x 4 pixels."""
    grey = driver.execute_script(
        """
        const [c, x] = arguments;
        return Array.from(c.getContext("2d").getImageData(x, 0, 4, 1).data);
        """,
        *(canvas, 5 * k),
    )
    return torch.tensor(grey[::4]) * 2 / 255 - 1


def test_generators_show_the_same_code_side_by_side(chromium: Chrome, tmp_path: Path) -> None:
    """After every control: one code, and each generator's image of it."""
    factors = (1.0, -1.0, 0.5)
    widget = LatentExplorer(scaled(*factors), uniform(4), shape=(1, 4), limits=(-1, 1))
    open_page(chromium, browser.write_page(tmp_path / "page.html", widget))
    found = canvases(chromium)
    captions = chromium.find_elements("css selector", ".gannotes-widget figcaption")
    assert [c.text for c in captions] == ["1.0", "-1.0", "0.5"]
    shown = []

    def compare() -> None:
        shown.append([picture(chromium, canvas) for canvas in found])
        code = strip(chromium, found[0])
        for a, canvas in zip(factors, found, strict=True):
            torch.testing.assert_close(strip(chromium, canvas), a * code, rtol=0, atol=0.02)

    compare()
    torch.testing.assert_close(strip(chromium, found[0]), torch.tensor(widget.z), rtol=0, atol=0.02)
    for keys, selector in (
        (Keys.END, ".gn-rows input"),
        (Keys.ARROW_LEFT * 20, ".gn-rows input"),
        (Keys.SPACE, ".gn-buttons button"),
    ):
        control(found[-1], selector).send_keys(keys)
        compare()
    for before, after in zip(shown, shown[1:], strict=False):
        assert all(x != y for x, y in zip(before, after, strict=True))
    for a, canvas in zip(factors, found, strict=True):
        assert canvas.get_attribute("aria-label").startswith(f"{a}: Generated image for z_1 = ")
    status = control(found[0], "[role=status]")
    wait(chromium).until(
        lambda _: status.get_attribute("textContent").startswith("Generated image")
    )


def test_generators_are_rows_and_samples_columns(chromium: Chrome, tmp_path: Path) -> None:
    factors = (1.0, -0.5)
    widget = LatentExplorer(
        scaled(*factors), uniform(4), samples=3, sliders=[2], shape=(1, 4), limits=(-1, 1)
    )
    open_page(chromium, browser.write_page(tmp_path / "page.html", widget))
    found = canvases(chromium)
    control(found[0], ".gn-rows input").send_keys(Keys.END)
    codes = torch.tensor([widget.z, *widget.rest])
    codes[:, 2] = 1
    for a, canvas in zip(factors, found, strict=True):
        assert [canvas.get_property(side) for side in ("width", "height")] == [14, 1]
        for k, code in enumerate(codes):
            torch.testing.assert_close(strip(chromium, canvas, k), a * code, rtol=0, atol=0.01)
    assert found[1].rect["y"] > found[0].rect["y"]


@pytest.mark.parametrize("width", [700, 390])
def test_generators_stand_three_in_a_row_beside_or_above_their_controls(
    chromium: Chrome, tmp_path: Path, width: int
) -> None:
    names = ["KL", "reverse KL", "Pearson", "squared Hellinger", "Jensen-Shannon", "GAN", "TV"]
    nets = dict(zip(names, scaled(*range(1, 8)).values(), strict=True))
    widgets = [LatentExplorer(nets, uniform(4), samples=n, shape=(2, 2)) for n in (1, 5)]
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        open_page(chromium, browser.write_page(tmp_path / "page.html", *widgets))
        assert chromium.execute_script("return document.documentElement.scrollWidth") <= width
        for root, per_row in zip(widget_roots(chromium), (3, 1), strict=True):
            boxes = [canvas.rect for canvas in root.find_elements("css selector", "canvas")]
            rows = [[b["x"] for b in boxes if b["y"] == y] for y in sorted({b["y"] for b in boxes})]
            assert [len(row) for row in rows] == ([3, 3, 1] if per_row == 3 else 7 * [1])
            assert all(b["width"] > 75 for b in boxes)
            assert root.rect["height"] < 900  # the images and the sliders at one glance
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def players() -> list[PointPlayer]:
    torch.manual_seed(0)
    T = 60  # at half speed the player takes ten seconds
    points, x = torch.rand(T, 30, 2), torch.linspace(0, 1, 20)
    labels = [f"step {t}" for t in range(T)]
    box = ((0.0, 1.0), (0.0, 1.0))
    curves = {"p": x, "q": torch.rand(T, 20), "D": torch.rand(T, 20), "D*": x / 2}
    return [
        PointPlayer.plane(points, points[0], torch.rand(T, 5, 4), limits=box, labels=labels),
        PointPlayer.line(x, curves, points[..., 0], points[0, :, 1], right=("D",), labels=labels),
    ]


@pytest.mark.parametrize("kind", [0, 1], ids=["plane", "line"])
def test_the_player_plays_pauses_and_scrubs(chromium: Chrome, tmp_path: Path, kind: int) -> None:
    open_page(chromium, browser.write_page(tmp_path / "page.html", players()[kind]))
    canvas = canvases(chromium)[0]
    scrub, button = control(canvas, "input"), control(canvas, "button")
    first = picture(chromium, canvas)
    assert colours(chromium, canvas) > 10
    assert scrub.get_property("value") == "0"  # nothing moves unasked
    scrub.send_keys(Keys.ARROW_RIGHT)
    assert picture(chromium, canvas) != first
    assert canvas.get_attribute("aria-label").endswith("step 1")
    assert scrub.get_attribute("aria-valuetext") == "step 1"
    speed = control(canvas, "select")
    speed.send_keys("4")
    button.send_keys(Keys.SPACE)
    wait(chromium).until(lambda _: scrub.get_property("value") == "59")
    wait(chromium).until(lambda _: button.text == "Play")
    assert control(canvas, "[role=status]").get_attribute("textContent") == "step 59"
    speed.send_keys("0")
    button.send_keys(Keys.SPACE)  # from the start again
    button.send_keys(Keys.SPACE)
    assert button.text == "Play"
    assert scrub.get_property("value") != "59"
    scrub.send_keys(Keys.HOME)
    assert picture(chromium, canvas) == first


@pytest.mark.parametrize("kind", [0, 1], ids=["plane", "line"])
def test_the_player_follows_the_theme(chromium: Chrome, tmp_path: Path, kind: int) -> None:
    open_page(chromium, browser.write_page(tmp_path / "page.html", players()[kind]))
    canvas = canvases(chromium)[0]
    light = picture(chromium, canvas)
    chromium.execute_script("document.documentElement.dataset.theme = 'dark'")
    wait(chromium).until(lambda _: picture(chromium, canvas) != light)
    chromium.execute_script("document.documentElement.dataset.theme = 'light'")
    wait(chromium).until(lambda _: picture(chromium, canvas) == light)


def test_the_loader_shares_a_model_between_views_and_reports_what_it_cannot_show(
    chromium: Chrome, tmp_path: Path
) -> None:
    player, foreign, broken = players()[0], IntSlider(), players()[0]
    broken.labels = []
    broken.view = {}
    page = browser.write_page(tmp_path / "page.html", player, foreign, player, broken)
    open_page(chromium, page)
    one, two = canvases(chromium)
    control(one, "input").send_keys(Keys.END)
    assert picture(chromium, one) == picture(chromium, two)
    errors = [e.text for e in chromium.find_elements("css selector", "[role=alert]")]
    said = "This widget could not start: "
    assert errors[0] == f"{said}@jupyter-widgets/controls needs a running kernel"
    assert errors[1].startswith(said)
    assert len(chromium.find_elements("css selector", "head style")) == 1
    assert len([e for e in chromium.get_log("browser") if e["level"] == "SEVERE"]) == 2


def test_a_number_that_is_none_spares_the_other_widgets(chromium: Chrome, tmp_path: Path) -> None:
    """Python writes NaN into a saved state, which is no JSON; and a title that ends a script."""
    broken, good = players()[1], players()[1]
    broken.view = {**broken.view, "y": [math.nan, 1.0]}
    good.title = "</SCRIPT ><b id=out>out</b>"
    open_page(chromium, browser.write_page(tmp_path / "page.html", broken, good))
    assert colours(chromium, canvases(chromium)[-1]) > 1
    assert not chromium.find_elements("css selector", "#out")


def test_what_takes_keys_keeps_them_from_jupyterlab(chromium: Chrome, explorer: WebElement) -> None:
    root = widget_roots(chromium)[0]
    taking = root.find_elements("css selector", "input, select, button")
    assert len(taking) > 5
    assert {t.get_attribute("data-lm-suppress-shortcuts") for t in taking} == {"true"}


# Every page of the built book.


def pages(node: Any) -> Iterator[str]:
    """The pages that _toc.yml names."""
    if isinstance(node, list):
        for child in node:
            yield from pages(child)
    elif isinstance(node, dict):
        for key, child in node.items():
            if key in ("root", "file"):
                yield child
            elif isinstance(child, list):
                yield from pages(child)


TOC = list(pages(yaml.safe_load((browser.ROOT / "book/_toc.yml").read_text(encoding="utf-8"))))


@pytest.fixture(scope="module", params=TOC)
def page(request: pytest.FixtureRequest, chromium: Chrome) -> SimpleNamespace:
    """One page, opened from its file, with what it asked for and what it complained about."""
    path = HTML / f"{request.param}.html"
    if not path.exists():
        pytest.fail(f"{path.relative_to(browser.ROOT)} does not exist: run `make book` first")
    open_page(chromium, path)
    errors = [e["message"] for e in chromium.get_log("browser") if e["level"] == "SEVERE"]
    return SimpleNamespace(path=path, requests=browser.requests(chromium), errors=errors)


def test_a_page_asks_nobody(page: SimpleNamespace) -> None:
    assert page.path.as_uri() in page.requests
    assert [u for u in page.requests if not u.startswith(("file:", "data:", "blob:"))] == []


def test_a_page_complains_of_nothing(page: SimpleNamespace) -> None:
    assert page.errors == []


def test_a_page_sets_its_equations(page: SimpleNamespace, chromium: Chrome) -> None:
    found = chromium.execute_script(
        """
        const all = (selector) => [...document.querySelectorAll(selector)];
        const main = document.querySelector("main").cloneNode(true);
        const apart = "pre, code, script, style, mjx-container";
        main.querySelectorAll(apart).forEach((node) => node.remove());
        return {
            sources: all("main .math").length,
            set: all("main mjx-container").length,
            raw: main.textContent,
            wrong: all("mjx-merror, [data-mjx-error]").map((node) => node.textContent),
        };
        """
    )
    assert found["set"] >= found["sources"]
    assert found["wrong"] == []
    assert [mark for mark in (r"\(", r"\[", "$$", r"\begin{") if mark in found["raw"]] == []


def test_a_page_describes_its_images(page: SimpleNamespace, chromium: Chrome) -> None:
    images = chromium.execute_script(
        "return [...document.querySelectorAll('main img')].map((i) => [i.alt, i.naturalWidth])"
    )
    assert [alt for alt, _ in images if not alt.strip() or alt.endswith(".png")] == []
    assert all(width > 0 for _, width in images)


def test_a_page_shows_its_widgets(page: SimpleNamespace, chromium: Chrome) -> None:
    views = chromium.find_elements("css selector", 'script[type$="widget-view+json"]')
    roots = widget_roots(chromium)
    assert len(roots) == len(views)
    assert all(root.find_elements("css selector", "canvas") for root in roots)
    assert chromium.find_elements("css selector", "[role=alert]") == []
    for canvas in canvases(chromium):
        assert canvas.get_attribute("aria-label")
        assert colours(chromium, canvas) > 1
    for canvas in chromium.find_elements("css selector", "[data-live] canvas"):
        chromium.execute_script("arguments[0].scrollIntoView()", canvas)  # a game starts in sight
        wait(chromium).until(lambda _, c=canvas: c.get_attribute("aria-label"))


def test_a_key_on_a_pad_changes_its_canvases(page: SimpleNamespace, chromium: Chrome) -> None:
    for pad in chromium.find_elements("css selector", ".gn-pad"):
        own = pad.find_elements("xpath", "./ancestor::form//canvas")
        before = [picture(chromium, canvas) for canvas in own]
        pad.send_keys(Keys.BACKSPACE, Keys.SPACE, 5 * Keys.ARROW_DOWN)
        after = [picture(chromium, canvas) for canvas in own]
        assert all(a != b for a, b in zip(after, before, strict=True))
        assert colours(chromium, own[0]) > 1


def test_a_key_on_a_slider_changes_the_canvas(page: SimpleNamespace, chromium: Chrome) -> None:
    for canvas in canvases(chromium):
        if canvas.find_elements("xpath", "./ancestor::form//*[contains(@class, 'gn-pad')]"):
            continue  # drawn on, and without sliders
        slider = control(canvas, "input[type=range]")
        before, at = picture(chromium, canvas), slider.get_property("value")
        for key in (Keys.END, Keys.HOME):
            slider.send_keys(key)
            if slider.get_property("value") != at:
                assert picture(chromium, canvas) != before
                break
        else:
            pytest.fail(f"no key moves the slider of {canvas.get_attribute('aria-label')}")


def read(driver: Chrome, kind: str) -> list[Any]:
    """The data of each script of a kind."""
    tags = driver.find_elements("css selector", f"script[type='application/vnd.{kind}+json']")
    return [json.loads(tag.get_attribute("textContent")) for tag in tags]


def test_a_page_holds_today_s_source(page: SimpleNamespace, chromium: Chrome) -> None:
    """Each module once, and nothing that a notebook had frozen."""
    if not (views := read(chromium, "jupyter.widget-view")):
        return
    (saved,), (source,) = read(chromium, "jupyter.widget-state"), read(chromium, "gannotes.source")
    records = [saved["state"][view["model_id"]] for view in views]
    assert source["module"] == library(dict.fromkeys(record["entry"] for record in records))
    assert source["css"] == (Path(bundle.__file__).parent / "widgets.css").read_text("utf-8")
    assert not [record for record in records if "_esm" in record["state"]]


def test_shipped_networks_are_torch_s(page: SimpleNamespace, chromium: Chrome) -> None:
    views = read(chromium, "jupyter.widget-view")
    for root, view in zip(widget_roots(chromium), views, strict=True):
        (saved,), (source,) = (
            read(chromium, kind) for kind in ("jupyter.widget-state", "gannotes.source")
        )
        if root.get_attribute("data-live"):
            continue  # its networks are trained in the page, and tested beside torch's elsewhere
        record = saved["state"][view["model_id"]]
        weights = {b["path"][0]: base64.b64decode(b["data"]) for b in record.get("buffers", [])}
        if isinstance(digests := record["state"].get("weights"), list):
            parts = [base64.b64decode(source["networks"][digest]) for digest in digests]
            weights["weights"] = b"".join(parts)
        if "weights" not in weights:
            continue
        assert_same_images(chromium, root, SimpleNamespace(**{**record["state"], **weights}))


AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
# What comes from the theme and its extensions, and cannot be mended here: rule -> where.
THEIRS = {
    "label-content-name-mismatch": "summary|search-button|btn",
    "region": "sidebar-primary-item|skip-link|pst-|header|prev-next|bd-footer|search",
    "aria-deprecated-role": "doc-biblio",
    "aria-allowed-role": "doc-biblio|footbib|citation",
    "aria-required-children": "citation-list|bibliography",
}


def test_a_page_can_be_heard_and_seen_by_all(page: SimpleNamespace, chromium: Chrome) -> None:
    """No rule of axe is broken by what is ours."""
    chromium.execute_script(AXE)
    found = chromium.execute_async_script(
        """
        const done = arguments[0];
        axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => done(
            violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => [id, html]))));
        """
    )
    ours = [
        (rule, html[:300])
        for rule, html in found
        if rule not in THEIRS or not re.search(THEIRS[rule], html)
    ]
    assert ours == []


STRAY = """
    return [...document.querySelectorAll(".vector svg[viewBox]")].flatMap((svg) => {
      const box = svg.getBoundingClientRect();
      return [...svg.querySelectorAll("text")].filter((text) => {
        const { left, right, top, bottom, width } = text.getBoundingClientRect(), gap = 6;
        const aside = left < box.left - gap || right > box.right + gap;
        return width && (aside || top < box.top - gap || bottom > box.bottom + gap);
      }).map((text) => `${svg.closest("[id]").id}: ${text.textContent}`);
    });
"""


@pytest.mark.parametrize("name", TOC)
def test_a_page_fits_a_phone(chromium: Chrome, name: str) -> None:
    """Nothing needs a scroll to the side, once it is drawn; no drawing's text leaves its box."""
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        open_page(chromium, HTML / f"{name}.html")
        fits = "return document.documentElement.scrollWidth <= 390"
        wait(chromium).until(lambda driver: driver.execute_script(fits))
        assert chromium.execute_script(STRAY) == []
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
