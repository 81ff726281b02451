"""The late critic: its curves are the package's numbers, and its buttons do what the text says."""

import math
from typing import Any

import browser
import pytest
import test_browser
import torch
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.remote.webelement import WebElement
from test_browser import canvases, colours, control, open_page, picture, wait
from torch.distributions import Normal, kl_divergence

from gannotes.widgets import LateCritic

chromium = test_browser.chromium

LOG_P, POSTERIOR = -1.539084, 0.1**0.5


def test_the_state_is_numbers_and_is_shown() -> None:
    widget = LateCritic(LOG_P, POSTERIOR, sigma=0.5, held=0.7)
    assert (widget.sigma, widget.held, widget.limits) == (0.5, 0.7, [0.02, 1.1])
    assert repr(widget) == "LateCritic(sigma = 0.5, the critic at 0.7)"
    with pytest.raises(ValueError, match=r"sigma: expected a number from 0\.02 to 1\.1, got 2"):
        LateCritic(LOG_P, POSTERIOR, sigma=2.0)


@pytest.fixture
def late(chromium: Chrome, tmp_path: Any) -> WebElement:
    widget = LateCritic(LOG_P, POSTERIOR, title="Late")
    open_page(chromium, browser.write_page(tmp_path / "page.html", widget))
    return canvases(chromium)[0]


def numbers(canvas: WebElement) -> list[float]:
    """Printed, true bound, the critic's width, the difference; then, if there is, the excess."""
    words = control(canvas, ".gn-note").text.replace("\u2212", "-")
    found = [w.strip(",:.") for w in words.split()]
    return [float(w) for w in found if w.lstrip("-")[:1].isdigit()]


def press(driver: Chrome, canvas: WebElement, text: str) -> None:
    """A button, with steps that are all taken at once."""
    media = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    root = canvas.find_element("xpath", "./ancestor::*[contains(@class, 'gannotes-widget')]")
    buttons = root.find_elements("css selector", "button")
    next(b for b in buttons if b.text == text).send_keys(Keys.SPACE)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_curves_are_divergences_of_gaussians(chromium: Chrome, late: WebElement) -> None:
    """E78: the printed bound is the true one and KL(q || q_0), and has its slope at the critic."""
    for s, held in ((0.2, 0.6), (0.6, 0.6), (0.05, 0.3), (1.0, 0.316)):
        bound, printed, step = chromium.execute_script(
            "const [c, s, h] = arguments, g = c.gannotes;"
            "return [g.bound(s), g.printed(s, h), g.climb(s, h)];",
            *(late, s, held),
        )
        width = torch.tensor(s, dtype=torch.float64, requires_grad=True)
        q = Normal(torch.tensor(0.54, dtype=torch.float64), width)
        exact = LOG_P - kl_divergence(q, Normal(0.54, POSTERIOR))
        learnt = exact + kl_divergence(q, Normal(0.54, held))
        assert bound == pytest.approx(exact.item(), abs=1e-6)
        assert printed == pytest.approx(learnt.item(), abs=1e-6)
        (slope,) = torch.autograd.grad(learnt, width)
        assert step == pytest.approx(max(0.02, s + 0.01 * slope.item()), abs=1e-6)


def test_an_encoder_alone_passes_log_p_and_in_turn_it_does_not(
    chromium: Chrome, late: WebElement
) -> None:
    printed, bound, held, flatters = numbers(late)
    assert printed == bound
    assert (held, flatters) == (0.6, 0)
    press(chromium, late, "Encoder ascends")
    printed, bound, held, flatters, above, log_p = numbers(late)
    assert held == 0.6
    assert printed > log_p > bound
    assert flatters == pytest.approx(printed - bound, abs=0.011)
    assert above == pytest.approx(printed - log_p, abs=0.011)
    press(chromium, late, "Train the critic")
    assert numbers(late)[0] == numbers(late)[1] == bound
    press(chromium, late, "In turn")
    printed, bound, held, flatters = numbers(late)
    assert math.isclose(held, POSTERIOR, abs_tol=0.02)
    assert printed == bound == pytest.approx(LOG_P, abs=0.01)
    press(chromium, late, "Reset")
    assert numbers(late)[2] == 0.6


def test_it_walks_by_itself_and_rests(chromium: Chrome, late: WebElement) -> None:
    before = picture(chromium, late)
    assert colours(chromium, late) > 20
    root = late.find_element("xpath", "./ancestor::*[contains(@class, 'gannotes-widget')]")
    root.find_element("css selector", "button").send_keys(Keys.SPACE)
    wait(chromium).until(lambda _: len(numbers(late)) == 6)
    assert picture(chromium, late) != before
    assert "above log p(x)" in late.get_attribute("aria-label")
    slider = control(late, "input[type=range]")
    slider.send_keys(Keys.HOME)
    assert slider.get_property("value") == "0.02"
