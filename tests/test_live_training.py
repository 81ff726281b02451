"""The widget that trains in the page: what it refuses, and what it does in Chromium from a file."""

import os
import re
from collections.abc import Callable
from functools import partialmethod
from typing import Any

import browser
import numpy as np
import pytest
import torch
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from torch import nn
from torch.optim import Adam

from gannotes import bounds, data, nets
from gannotes import distributions as laws
from gannotes.divergences import KL
from gannotes.models.ali import ALI
from gannotes.models.avb import AVB
from gannotes.models.cyclegan import CycleGAN
from gannotes.models.fgan import FGAN
from gannotes.models.gan import GAN
from gannotes.models.infogan import InfoGAN
from gannotes.models.infogan import step as step_infogan
from gannotes.models.vae import VAE
from gannotes.widgets import LiveTraining
from gannotes.widgets.live_training import SETTINGS


def plane(**settings: Any) -> LiveTraining:
    gan = GAN(nets.mlp(2, 16, 2), nets.critic(2, 16), laws.standard_normal(2))
    return LiveTraining(gan, data.ring(), batch=32, **settings)


def line(**settings: Any) -> LiveTraining:
    gan = GAN(nets.mlp(1, 16, 1), nets.critic(1, 32, 32), laws.standard_normal(1))
    return LiveTraining(gan, data.mixture_1d([0.3, 0.7], [-2.0, 1.5], [0.6, 1.0]), **settings)


def affine() -> GAN:
    return GAN(nets.mlp(1, 1), nets.critic(1, 32, 32), laws.standard_normal(1))


def gaussian(d: int) -> laws.Gaussian:
    return laws.Gaussian(nets.mlp(d, 16, 2 * d, activation=nn.Tanh))


def pair(d: int) -> nets.Pair:
    head = nn.Sequential(nn.SiLU(), nets.critic(16, 16))
    return nets.Pair(nn.Linear(min(d, 2), 16), nn.Linear(d, 16), head)


def infogan(continuous: int = 0) -> LiveTraining:
    Q = laws.Code(nets.mlp(16, 8 + 2 * continuous), categorical=(8,), continuous=continuous)
    trunk = nn.Sequential(nn.Linear(2, 16), nets.leaky_relu())
    p_0, p_c = laws.standard_normal(2), laws.codes((8,), continuous)
    model = InfoGAN(nets.mlp(10 + continuous, 16, 2), trunk, nets.critic(16), Q, p_0, p_c)
    return LiveTraining(model, data.ring(sd=0.1))


def cyclegan() -> LiveTraining:
    maps, critics = [nets.mlp(2, 16, 2) for _ in "GF"], [nets.critic(2, 16) for _ in "XY"]
    return LiveTraining(CycleGAN(*maps, *critics), data.two_moons(), data.ring(sd=0.1), lam=5.0)


def avb() -> LiveTraining:
    head = nets.Pair(nn.Identity(), nn.Linear(3, 16), nn.Sequential(nn.SiLU(), nets.mlp(16, 2)))
    encoder = laws.Implicit(nn.Linear(4, 16), head, laws.standard_normal(3))
    model = AVB(encoder, laws.Bernoulli(nets.mlp(2, 16, 4)), pair(4), laws.standard_normal(2))
    return LiveTraining(model, torch.eye(4), K=2)


MAKERS: dict[str, Callable[[], LiveTraining]] = {
    "gan": plane,
    "line": line,
    "fgan": lambda: LiveTraining(
        FGAN(nets.mlp(1, 1), nets.critic(1, 16), laws.standard_normal(1), KL),
        data.univariate_mixture(),
    ),
    "infogan": infogan,
    "cyclegan": cyclegan,
    "vae": lambda: LiveTraining(
        VAE(gaussian(2), gaussian(2), laws.standard_normal(2)), data.two_moons()
    ),
    "ali": lambda: LiveTraining(
        ALI(gaussian(2), gaussian(2), pair(2), laws.standard_normal(2)), data.two_moons()
    ),
    "avb": avb,
    "joint": lambda: LiveTraining(
        ALI(gaussian(1), gaussian(1), pair(1), laws.standard_normal(1)),
        data.mixture_1d([0.3, 0.7], [-2.0, 1.5], [0.6, 1.0]),
    ),
}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"K": 0}, "K: expected a whole number above 0, got 0"),
        ({"lr": 1e-3}, "settings: expected some of theta, .*got 'lr'"),
        ({"controls": ["lam"]}, "controls: expected some of presets, .*got 'lam'"),
        ({"show": ["threads"]}, "show: expected some of data, .*got 'threads'"),
        ({"presets": {"a": {"momentum": 1.0}}}, "momentum: expected a number from 0 and below 1"),
        ({"name": "My ring"}, "name: expected small letters.*got 'My ring'"),
        ({"scale": 0}, "scale: expected a positive number, got 0"),
        ({"ahead": -1}, "ahead: expected a whole number up to 10000, got -1"),
        ({"bound": "wasserstein"}, "bound: expected bernoulli, .*got 'wasserstein'"),
        ({"presets": {"a": {"data": "mnist"}}}, "data: expected given, drawn, .*got 'mnist'"),
    ],
)
def test_a_wrong_argument_is_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        plane(**wrong)


def test_what_the_page_cannot_run_is_named():
    G, p_0 = nets.mlp(2, 8, 2), laws.standard_normal(2)
    with pytest.raises(TypeError, match=r"D: expected affine maps, .* got GELU"):
        LiveTraining(GAN(G, nets.critic(2, 8, activation=nn.GELU), p_0), data.ring())
    with pytest.raises(TypeError, match=r"data: expected a mixture of round Gaussians"):
        LiveTraining(GAN(G, nets.critic(2, 8), p_0), laws.standard_normal(2))
    with pytest.raises(TypeError, match=r"other: expected the second domain of a CycleGAN"):
        LiveTraining(GAN(G, nets.critic(2, 8), p_0), data.ring(), data.ring())


def test_trained_weights_come_back():
    gan = GAN(nets.mlp(2, 4, 2), nets.critic(2, 4), laws.standard_normal(2), bounds.relativistic)
    widget = LiveTraining(gan, data.ring())
    assert widget.settings["bound"] == "relativistic"
    with pytest.raises(RuntimeError, match=r"learnt: expected weights of a training"):
        widget.trained()
    n = sum(w.numel() for w in gan.parameters())
    widget.learnt = np.arange(n, dtype=np.float32).tobytes()
    assert widget.trained() is gan
    assert gan.G[0].weight.T.flatten().tolist() == list(range(8))


def test_steps_ahead_are_the_packages_own_and_leave_the_random_state():
    def model() -> InfoGAN:
        torch.manual_seed(0)
        Q, trunk = laws.Code(nets.mlp(4, 2), categorical=(2,)), nets.mlp(2, 4)
        p_0, p_c = laws.standard_normal(1), laws.codes((2,), 0)
        return InfoGAN(nets.mlp(3, 4, 2), trunk, nets.critic(4), Q, p_0, p_c)

    played, by_hand = model(), model()
    before = torch.get_rng_state()
    LiveTraining(played, data.ring(), ahead=3, scale=2.0, theta=1e-2, lam=0.5, batch=16)
    assert torch.equal(torch.get_rng_state(), before)
    theta = Adam(by_hand.G.parameters(), 1e-2, (0.0, 0.99))
    rest = [*by_hand.trunk.parameters(), *by_hand.D.parameters(), *by_hand.Q.parameters()]
    phi = Adam(rest, 2e-3, (0.0, 0.99))
    for _ in range(3):
        step_infogan(by_hand, data.ring().sample((16,)) / 2, theta, phi, 0.5)
    for w, v in zip(played.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(w, v, rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["gan", "fgan", "cyclegan", "vae", "ali", "avb"])
def test_every_model_can_play_ahead(kind, monkeypatch):
    torch.manual_seed(0)
    still = MAKERS[kind]()
    monkeypatch.setitem(SETTINGS, "batch", (8, SETTINGS["batch"][1]))
    torch.manual_seed(0)
    monkeypatch.setattr(LiveTraining, "__init__", partialmethod(LiveTraining.__init__, ahead=2))
    moved = MAKERS[kind]()
    assert len(moved.start) == len(still.start)
    assert moved.start != still.start


needs_chromium = pytest.mark.skipif(
    not (browser.find() or os.environ.get("CI")), reason="chromium is not on the PATH"
)


class Page:
    """A page with widgets, and what a reader does there."""

    def __init__(self, chrome: Any, folder: Any) -> None:
        self.chrome, self.folder = chrome, folder

    def open(self, *widgets: LiveTraining, head: str = "", address: str = "") -> "Page":
        path = browser.write_page(self.folder / "page.html", *widgets, head=head)
        self.chrome.get("about:blank")
        self.chrome.get(path.as_uri() + address)
        self.wait("return document.documentElement.dataset.widgets === 'ready'")
        self.wait("return document.querySelector('.gn-caption').textContent !== ''")
        return self

    def js(self, script: str, *arguments: Any) -> Any:
        return self.chrome.execute_script(script, *arguments)

    def wait(self, script: str) -> Any:
        return WebDriverWait(self.chrome, 120, 0.05).until(lambda chrome: self.js(script))

    def button(self, text: str, of: int = 0) -> Any:
        return self.js(
            "return [...document.querySelectorAll('[data-live]')[arguments[0]]"
            ".querySelectorAll('button')].find((b) => b.textContent === arguments[1])",
            of,
            text,
        )

    def press(self, text: str, of: int = 0) -> None:
        self.button(text, of).click()

    def named(self, label: str) -> Any:
        return self.js("return document.querySelector(`[aria-label='${arguments[0]}']`)", label)

    @property
    def step(self) -> int:
        return int(self.js("return document.querySelector('[data-live]').dataset.step"))

    def steps(self, count: int) -> None:
        self.wait(f"return +document.querySelector('[data-live]').dataset.step >= {count}")

    def labels(self) -> list[str]:
        """The numbers of pictures and charts, once they are drawn."""
        drawn = "requestAnimationFrame(() => requestAnimationFrame(() => done([...document"
        select = ".querySelectorAll('canvas')].map((c) => c.getAttribute('aria-label')))))"
        return list(self.chrome.execute_async_script(f"const done = arguments[0]; {drawn}{select}"))

    def numbers(self, name: str) -> list[float]:
        (found,) = (label for label in self.labels() if label.startswith(name))
        return [float(v.replace("\u2212", "-")) for v in re.findall(r"[\u2212\d]\d*\.\d+", found)]


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    torch.manual_seed(0)
    with browser.chromium(folder / "profile") as running:
        yield Page(running, folder)
        own = ("file:", "blob:")
        assert all(address.startswith(own) for address in browser.requests(running))
        assert [entry["message"] for entry in running.get_log("browser")] == []


@needs_chromium
@pytest.mark.parametrize("kind", MAKERS)
def test_every_model_trains_after_play_and_not_before(chrome, kind):
    page = chrome.open(MAKERS[kind]())
    root = page.js(
        "const {live, step} = document.querySelector('.gannotes-widget').dataset;"
        "return [live, step]"
    )
    assert root == [{"line": "gan", "fgan": "gan", "joint": "ali"}.get(kind, kind), "0"]
    page.press("Play")
    page.steps(20)
    page.press("Pause")
    page.wait(
        "return [...document.querySelectorAll('button')].some((b) => b.textContent === 'Play')"
    )
    assert all("NaN" not in label and re.search(r"\d", label) for label in page.labels())


@needs_chromium
def test_the_turns_of_the_players_are_lit_one_after_the_other(chrome):
    page, seen = chrome.open(plane()), []
    for turn in (1, 2, 3):
        page.press("Next phase")
        done = turn // 2
        lit = "[...document.querySelectorAll('.gn-lit')].map((li) => li.textContent[0]).join()"
        letter = "\u03c6" if turn % 2 else "\u03b8"
        page.wait(f"return document.querySelector('[data-live]').dataset.step === '{done}'")
        page.wait(f"return {lit} === '{letter}'")
        seen.append(page.js(f"return {lit}"))
    assert seen == ["\u03c6", "\u03b8", "\u03c6"]


@needs_chromium
def test_a_critic_alone_climbs_to_the_best_one_and_stays_below(chrome):
    p = data.mixture_1d([0.3, 0.7], [-2.0, 1.5], [0.6, 1.0])
    page = chrome.open(LiveTraining(affine(), p, hold=True, phi=5e-3, fall=600, batch=512))
    page.press("Play")
    found = []
    for count in (10, 400, 500, 600, 700):
        page.steps(count)
        value, best, *_ = page.numbers("Value")
        found.append((value, best))
    page.press("Pause")
    (first, *_), best = (v for v, _ in found), found[-1][1]  # by quadrature
    late = sum(v for v, _ in found[1:]) / 4  # of batches, not of the densities
    assert late > first + 0.02
    assert best - 0.1 < late < best + 0.06


@needs_chromium
def test_a_game_that_blows_up_says_where_and_keeps_its_weights(chrome):
    page = chrome.open(plane(rule="sgd", bound="least_squares", theta=1e9, phi=1e9))
    page.press("Play")
    page.wait("return !document.querySelector('.gn-trouble').hidden")
    words = page.js("return document.querySelector('.gn-trouble').textContent")
    pattern = r"It stopped before a weight was touched: step \d+, (phi|theta): .*finite"
    assert re.match(pattern, words), words
    assert page.button("Play") is not None


@needs_chromium
def test_the_address_holds_the_state_and_a_link_sets_a_preset(chrome):
    presets = {"slow critic": {"phi": 1e-4, "K": 2}}
    page = chrome.open(plane(presets=presets), address="#live-gan:K=3&data=moons")
    K = "critic steps for one of the generator, K"
    assert page.js("return location.hash") == "#live-gan:K=3&data=moons"
    page.js("document.querySelector('details').open = true")
    assert page.named(K).get_attribute("value") == "3"
    assert page.named("Data").get_attribute("value") == "moons"
    page.named(K).send_keys(Keys.ARROW_RIGHT)
    assert page.js("return location.hash") == "#live-gan:K=4&data=moons"
    page.js("location.hash = '#live-gan:slow-critic'")
    page.wait("return document.querySelector('[aria-pressed=true]')?.textContent === 'slow critic'")
    assert page.named(K).get_attribute("value") == "2"
    assert page.named("Data").get_attribute("value") == "given"
    assert page.button("Play") is not None  # nothing plays by itself


@needs_chromium
def test_keys_play_and_draw(chrome):
    page = chrome.open(plane())
    page.button("Play").send_keys(Keys.SPACE)
    page.steps(5)
    page.button("Pause").send_keys(Keys.SPACE)
    page.named("Data").send_keys("draw")
    page.wait("return document.querySelector('canvas').tabIndex === 0")
    page.js("document.querySelector('canvas').focus()")
    keys = [Keys.ARROW_RIGHT] * 3 + [Keys.SPACE] + [Keys.ARROW_UP] * 2 + [Keys.SPACE]
    ActionChains(page.chrome).send_keys(*keys).perform()
    page.wait("return location.hash.includes('points=30%2C0%2C30%2C20')")
    page.wait("return document.querySelector('[data-live]').dataset.step === '0'")


@needs_chromium
def test_the_same_seed_plays_the_same_steps(chrome):
    page = chrome.open(line(speed=0.0))
    runs = []
    for _ in range(2):
        page.press("Start again")
        page.wait("return document.querySelector('[data-live]').dataset.step === '0'")
        page.js("for (let i = 0; i < 80; i++) arguments[0].click()", page.button("Next phase"))
        page.steps(40)
        runs.append(page.labels())
    assert runs[0] == runs[1]
    assert "Step 40" in runs[0][0]


@needs_chromium
def test_one_plays_at_a_time_and_none_that_is_hidden(chrome):
    page = chrome.open(plane(controls=["hold"], name="a"), plane(controls=["hold"], name="b"))
    page.press("Play", 0)
    page.steps(5)
    page.press("Play", 1)
    assert page.button("Play", 0) is not None
    assert page.button("Pause", 1) is not None
    page.js("Object.defineProperty(document, 'hidden', {value: true})")
    page.js("document.dispatchEvent(new Event('visibilitychange'))")
    assert page.button("Play", 1) is not None


@needs_chromium
def test_it_trains_without_a_worker_and_without_a_clock(chrome):
    head = "<script>performance.now = () => 0; delete window.Worker;</script>"
    page = chrome.open(plane(), head=head)
    page.press("Play")
    page.steps(100)
    page.press("Pause")
    assert page.step >= 100


@needs_chromium
def test_a_saved_page_starts_from_the_models_weights_and_keeps_the_presets_order(chrome):
    gan = affine()
    with torch.no_grad():
        gan.G[0].weight.fill_(2.5)
        gan.G[0].bias.fill_(-0.5)
    presets = {"slow": {"phi": 1e-4}, "as given": {}, "fast": {"phi": 1e-2}}
    page = chrome.open(LiveTraining(gan, data.univariate_mixture(), presets=presets))
    assert "\u03bc \u22120.50, \u03c3 2.50" in page.js(
        "return document.querySelector('.gn-caption').textContent"
    )
    buttons = "[...document.querySelectorAll('.gn-presets button')].map((b) => b.textContent)"
    assert page.js(f"return {buttons}") == list(presets)


@needs_chromium
@pytest.mark.parametrize("kind", ["vae", "ali", "cyclegan"])
def test_pointing_at_a_mark_lights_what_belongs_to_it_in_both_pictures(chrome, kind):
    page = chrome.open(MAKERS[kind]())
    pictures = "[...document.querySelectorAll('.gn-pictures canvas')]"
    plain = page.js(f"return {pictures}.map((c) => c.toDataURL())")
    page.js(f"{pictures}[1].focus()")
    ActionChains(page.chrome).send_keys(Keys.ARROW_RIGHT).perform()
    caption = "document.querySelector('.gn-caption').textContent"
    lit = r"[xy] \([\u2212\d.]+, [\u2212\d.]+\), "
    assert re.search(lit, page.js(f"return {caption}"))
    pointed = page.js(f"return {pictures}.map((c) => c.toDataURL())")
    assert all(a != b for a, b in zip(plain, pointed, strict=True))
    first = page.js(f"return {caption}")
    ActionChains(page.chrome).send_keys(Keys.ARROW_RIGHT).perform()
    assert page.js(f"return {caption}") != first
    ActionChains(page.chrome).send_keys(Keys.ESCAPE).perform()
    assert page.js(f"return {pictures}.map((c) => c.toDataURL())") == plain
    marks = page.js(f"return {pictures}[0]")
    found = 0
    for dx, dy in ((0, 0), (30, 30), (-30, 30), (30, -30), (-30, -30)):
        ActionChains(page.chrome).move_to_element_with_offset(marks, dx, dy).perform()
        found += re.search(lit, page.js(f"return {caption}")) is not None
    assert found


@needs_chromium
def test_nothing_is_cut_on_a_phone(chrome):
    page = chrome.open(plane(presets={f"a preset of number {k}": {"K": k} for k in (1, 2, 3)}))
    page.chrome.set_window_size(500, 900)
    try:
        page.js("document.body.style.width = '390px'; document.body.style.margin = '0'")
        wide = "[...document.querySelectorAll('.gn-presets, .gn-menus, .gn-buttons')]"
        assert page.js(f"return {wide}.filter((e) => e.scrollWidth > e.clientWidth).length") == 0
    finally:
        page.chrome.set_window_size(1200, 1600)


@needs_chromium
def test_a_continuous_code_has_a_slider_and_no_other_model_has_one(chrome):
    slider = "the continuous code"
    assert chrome.open(infogan()).named(slider) is None
    page = chrome.open(infogan(continuous=1))
    page.js("document.querySelector('details').open = true")
    image = "return document.querySelector('canvas').toDataURL()"
    drawn = page.js(image)
    assert page.named(slider).get_attribute("aria-valuetext") == "drawn"
    page.named(slider).send_keys(Keys.END)
    page.wait(f"return document.querySelector('[aria-label=\"{slider}\"]').ariaValueText === '1.0'")
    WebDriverWait(page.chrome, 60).until(lambda _: page.js(image) != drawn)


@needs_chromium
def test_a_frame_holds_the_page_for_less_than_50_ms_of_the_processor(chrome):
    page = chrome.open(plane())
    page.chrome.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})

    def used() -> float:
        found = page.chrome.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return float(next(m["value"] for m in found if m["name"] == "TaskDuration"))

    page.js("let n = 0; painted = () => n; const f = () => (n++, requestAnimationFrame(f)); f()")
    page.press("Play")
    page.steps(20)
    before, first = used(), page.js("return painted()")
    page.wait(f"return painted() >= {first + 30}")
    spent, frames = used() - before, page.js("return painted()") - first
    page.press("Pause")
    page.chrome.execute_cdp_cmd("Performance.disable", {})
    assert spent / frames < 0.05  # of its own thread: what else the machine does is not counted
