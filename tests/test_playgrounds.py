"""Playgrounds of one idea: two players, one dial, one curve; their numbers are the package's."""

import base64
from collections.abc import Callable
from typing import Any

import browser
import numpy as np
import pytest
import test_browser
import torch
from ipywidgets.embed import embed_data
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.remote.webelement import WebElement
from test_browser import canvases, colours, control, open_page, picture, wait
from test_latent_map import move
from torch import Tensor, nn
from torch.distributions import Laplace, Normal
from torch.optim import SGD

from gannotes import nets, samples
from gannotes.data import dirac, mixture_1d
from gannotes.distributions import standard_normal
from gannotes.divergences import alpha_family, jensen_shannon
from gannotes.fits import best_gaussian
from gannotes.models.gan import GAN, step, step_regularised
from gannotes.optim import ascend, descend, descend_ascend
from gannotes.widgets import AlphaDial, DiracExplorer, GeneratorBender

chromium = test_browser.chromium

GAP = mixture_1d([0.3, 0.7], [-3.0, 3.0], [0.5, 1.0], dtype=torch.float64)
OVERLAP = mixture_1d([0.3, 0.7], [-2.0, 1.5], [0.6, 1.0], dtype=torch.float64)
KNOTS = torch.tensor([-2.8, -2.3, -1.7, -0.9, 0.0, 0.9, 1.6, 2.2, 3.0])
BUILD: dict[str, Callable[[], Any]] = {
    "dirac": lambda: DiracExplorer(title="Two players"),
    "alpha": lambda: AlphaDial(GAP, name="gap", others={"overlap": OVERLAP}),
    "bender": lambda: GeneratorBender(OVERLAP, KNOTS),
}


def call(driver: Chrome, canvas: WebElement, name: str, *values: Any) -> Any:
    script = "const [canvas, name, ...values] = arguments; return canvas.gannotes[name](...values)"
    return driver.execute_script(script, canvas, name, *values)


@pytest.fixture(scope="module")
def opened(
    chromium: Chrome, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], WebElement]:
    """Opens a fresh page with one of the widgets; its first canvas."""
    folder = tmp_path_factory.mktemp("playgrounds")

    def show(name: str) -> WebElement:
        open_page(chromium, browser.write_page(folder / f"{name}.html", BUILD[name]()))
        return canvases(chromium)[0]

    return show


# All of them.


@pytest.mark.parametrize("name", BUILD)
def test_the_saved_state_is_small_and_holds_the_module(name: str) -> None:
    widget = BUILD[name]()
    saved = embed_data([widget], drop_defaults=False)["manager_state"]["state"][widget.model_id]
    assert not any(base64.b64decode(b["data"]) for b in saved.get("buffers", []))
    assert "</script" not in saved["state"]["_esm"] + saved["state"]["_css"]
    assert len(saved["state"]["_esm"]) < 50_000


def test_what_is_printed_never_changes() -> None:
    assert [repr(build()) for build in BUILD.values()] == [
        "DiracExplorer((0.8, 0.0), eta (0.2, 0.2), gamma 0, together)",
        "AlphaDial(p = 0.3 N(-3, 0.5^2) + 0.7 N(3, 1^2), alpha = 1)",
        "GeneratorBender(p = 0.3 N(-2, 0.6^2) + 0.7 N(1.5, 1^2), 9 knots)",
    ]


MISTAKES: dict[str, tuple[type[Exception], str, Callable[[], Any]]] = {
    "start": (ValueError, "start: expected a number from -2", lambda: DiracExplorer(start=(3, 0))),
    "pair": (ValueError, "eta: expected two numbers", lambda: DiracExplorer(eta=(1.0,))),
    "rate": (ValueError, "eta: expected a number from", lambda: DiracExplorer(eta=(0.0, 1.0))),
    "gamma": (ValueError, "gamma: expected", lambda: DiracExplorer(gamma=-1.0)),
    "order": (TypeError, "in_turn: expected", lambda: DiracExplorer(in_turn=1)),
    "rounds": (ValueError, "rounds: expected", lambda: DiracExplorer(rounds=0)),
    "family": (TypeError, "p: expected a Normal", lambda: AlphaDial(Laplace(0.0, 1.0))),
    "sd": (ValueError, "p: expected sds", lambda: AlphaDial(Normal(0.0, 9.0))),
    "a": (ValueError, "a: expected a number from -2", lambda: AlphaDial(GAP, a=4.0)),
    "others": (TypeError, "others: expected", lambda: AlphaDial(GAP, others=[GAP])),
    "data": (TypeError, "p: expected a Normal", lambda: GeneratorBender(Laplace(0.0, 1.0))),
    "knots": (ValueError, "x: expected shape", lambda: GeneratorBender(GAP, torch.zeros(2))),
    "outside": (ValueError, "x: expected knots", lambda: GeneratorBender(GAP, torch.ones(5) * 9)),
    "limits": (ValueError, "limits: expected", lambda: GeneratorBender(GAP, limits=(1, 1))),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name: str) -> None:
    error, message, build = MISTAKES[name]
    with pytest.raises(error, match=message):
        build()


@pytest.mark.parametrize("name", BUILD)
def test_it_follows_the_theme_and_fits_a_phone(
    chromium: Chrome, opened: Callable[[str], WebElement], name: str
) -> None:
    size = {"width": 390, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        canvas = opened(name)
        wait(chromium).until(lambda _: colours(chromium, canvas) > 5)
        (root,) = test_browser.widget_roots(chromium)
        assert root.rect["height"] <= 700
        assert chromium.execute_script("return document.documentElement.scrollWidth") <= 390
        light = picture(chromium, canvas)
        chromium.execute_script("document.documentElement.dataset.theme = 'dark'")
        wait(chromium).until(lambda _: picture(chromium, canvas) != light)
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


# Two players.

RULES = [
    {"eta": [e, f], "gamma": g, "inTurn": turn, "flip": flip}
    for (e, f, g) in ((0.2, 0.2, 0.0), (0.5, 0.1, 0.3), (1.3, 0.7, 0.15), (0.3, 2.0, 0.8))
    for turn in (False, True)
    for flip in (False, True)
]


def played(start: tuple[float, float], rounds: int, rules: dict[str, Any]) -> Tensor:
    """The states (theta, psi) of the package's GAN with one weight each."""
    G, linear = nn.Linear(1, 1).double(), nn.Linear(1, 1, bias=False).double()
    p_0 = standard_normal(1, torch.ones(1, dtype=torch.float64))
    gan = GAN(G, nn.Sequential(linear, nn.Flatten(-2)), p_0)
    for weight, value in ((G.weight, 0.0), (G.bias, start[0]), (linear.weight, start[1])):
        nn.init.constant_(weight, value)
    theta, psi = (
        SGD([w], rate) for w, rate in zip((G.bias, linear.weight), rules["eta"], strict=True)
    )
    x = dirac(dtype=torch.float64).sample((1,))

    def penalised() -> Tensor:  # R_1 and R_2 of a linear critic
        return gan.value(x) - rules["gamma"] * linear.weight.square().sum()

    states = [start]
    for _ in range(rounds):
        if rules["inTurn"] and rules["flip"]:
            step_regularised(gan, x, theta, psi, rules["gamma"])
        elif rules["inTurn"]:
            ascend(psi, penalised())
            descend(theta, gan.value(x))
        elif rules["gamma"] == 0 and not rules["flip"]:
            descend_ascend(theta, psi, gan.value(x))
        else:
            aim = gan.value(x, flip=True) if rules["flip"] else -gan.value(x)
            (up,) = torch.autograd.grad(aim, G.bias)
            (along,) = torch.autograd.grad(penalised(), linear.weight)
            with torch.no_grad():
                G.bias += rules["eta"][0] * up
                linear.weight += rules["eta"][1] * along
        states.append((G.bias.item(), linear.weight.item()))
    return torch.tensor(states, dtype=torch.float64)


def matrix(rules: dict[str, Any]) -> np.ndarray:
    """A round near the equilibrium: the derivative of the package's own step, by differences."""
    e = 1e-5
    columns = [played(s, 1, rules)[1].numpy() / e for s in ((e, 0.0), (0.0, e))]
    return np.stack(columns, 1)


def test_the_rounds_are_the_package_s(
    chromium: Chrome, opened: Callable[[str], WebElement]
) -> None:
    canvas = opened("dirac")
    for rules in RULES:
        found = call(chromium, canvas, "path", [0.8, -0.3], rules, 60)
        expected = played((0.8, -0.3), len(found) - 1, rules)
        assert len(found) == 61 or np.hypot(*found[-1]) > 1e6  # too strong a penalty
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_without_a_penalty_a_round_in_turn_is_the_step_of_the_page() -> None:
    rules = {"eta": [0.2, 0.2], "gamma": 0.0, "inTurn": True, "flip": True}
    G = nets.ReplicaLinear(1, 1, 1)
    D = nn.Sequential(nets.ReplicaLinear(1, 1, 1), nn.Flatten(-2))
    gan = GAN(G, D, standard_normal(1))
    for w, v in ((G.weight, 0.0), (G.bias, 0.8), (D[0].weight, 0.0), (D[0].bias, 0.0)):
        nn.init.constant_(w, v)
    theta, phi = SGD([G.bias], 0.2), SGD([D[0].weight], 0.2)
    unused = [G.weight.requires_grad_(False), D[0].bias.requires_grad_(False)]
    assert len(unused) == 2
    for _ in range(20):
        step(gan, torch.zeros(1, 1, 1), theta, phi)
    expected = played((0.8, 0.0), 20, rules)[-1].float()
    torch.testing.assert_close(torch.cat([G.bias.flatten(), D[0].weight.flatten()]), expected)


def test_the_eigenvalues_are_those_of_the_package_s_step(
    chromium: Chrome, opened: Callable[[str], WebElement]
) -> None:
    """And their product is what the chapter says: 1 in turn, 1 + eta^2 / 4 together."""
    canvas = opened("dirac")
    for rules in RULES:
        found = np.array(call(chromium, canvas, "eigenvalues", rules)) @ [1, 1j]
        expected = np.linalg.eigvals(matrix(rules))
        order = [np.lexsort((values.imag, values.real)) for values in (found, expected)]
        np.testing.assert_allclose(found[order[0]], expected[order[1]], atol=1e-4)
    for turn, determinant in ((True, 1.0), (False, 1.01)):
        rules = {"eta": [0.2, 0.2], "gamma": 0.0, "inTurn": turn, "flip": False}
        found = np.array(call(chromium, canvas, "eigenvalues", rules)) @ [1, 1j]
        assert np.prod(found) == pytest.approx(determinant)


def test_a_click_and_the_arrow_keys_choose_the_start(
    chromium: Chrome, opened: Callable[[str], WebElement]
) -> None:
    canvas = opened("dirac")
    before = picture(chromium, canvas)
    surface = control(canvas, ".gn-surface")

    def start() -> list[float]:
        return chromium.execute_script("return arguments[0].gannotes.now().states[0]", canvas)

    surface.send_keys(Keys.ARROW_LEFT, Keys.ARROW_UP)
    np.testing.assert_allclose(start(), [0.75, 0.05])
    ActionChains(chromium).key_down(Keys.SHIFT).send_keys(20 * Keys.ARROW_DOWN).key_up(
        Keys.SHIFT
    ).perform()
    np.testing.assert_allclose(start(), [0.75, -2])
    assert picture(chromium, canvas) != before
    surface.send_keys(Keys.HOME)
    np.testing.assert_allclose(start(), [0.8, 0])
    size = canvas.rect
    move(chromium, canvas, 48 + (size["width"] - 60) / 4, 10).click().perform()
    theta, psi = start()
    assert theta == pytest.approx(-1, abs=0.03)
    assert psi > 1.9


def test_the_controls_say_where_it_goes(
    chromium: Chrome, opened: Callable[[str], WebElement]
) -> None:
    canvas = opened("dirac")
    note = control(canvas, ".gn-note")
    assert "spirals outwards, by 1.005" in note.text
    control(canvas, "input[name=order]:checked").send_keys(Keys.ARROW_RIGHT)
    assert "round and round" in note.text
    penalty = canvas.find_element("xpath", "./ancestor::form//input[@aria-label='penalty']")
    penalty.send_keys(10 * Keys.ARROW_RIGHT)
    assert "spirals inwards" in note.text
    before = picture(chromium, canvas)
    control(canvas, "input[type=checkbox]").send_keys(Keys.SPACE)
    assert picture(chromium, canvas) != before
    status = control(canvas, "[role=status]")
    wait(chromium).until(lambda _: "eigenvalues" in status.get_attribute("textContent"))


def test_play_walks_along_the_path(chromium: Chrome, opened: Callable[[str], WebElement]) -> None:
    canvas = opened("dirac")
    play = control(canvas, ".gn-buttons button")

    def shown() -> float:
        return chromium.execute_script("return arguments[0].gannotes.now().shown", canvas)

    assert shown() == 150
    play.click()
    wait(chromium).until(lambda _: 0 < shown() < 150)
    assert play.text == "Pause"
    play.click()
    assert play.text == "Play"
    play.click()
    wait(chromium).until(lambda _: shown() == 150 and play.text == "Play")


# One dial.

X = torch.linspace(-20, 20, 8001, dtype=torch.float64)
DX = 40 / 8000


def described(p: Any) -> dict[str, list[float]]:
    return AlphaDial(p).p


def test_the_dial_follows_the_package_s_minima(
    chromium: Chrome, opened: Callable[[str], WebElement]
) -> None:
    """From above across the gap, from below on one part: where the page says, best_gaussian is."""
    canvas = opened("alpha")
    log_p = GAP.log_prob(X[:, None])
    wide, heavy = ({"weights": [1.0], "means": [m], "sds": [s]} for m, s in ((1.2, 2.9), (3.0, 1)))
    for q, a, goals in ((wide, 1.0, (2.5, 1.0, 0.7)), (heavy, 0.0, (-2.0, 0.0, 0.5))):
        for goal in goals:
            q, a = call(chromium, canvas, "turn", described(GAP), q, a, goal), goal
            start = (q["means"][0] + 0.02, q["sds"][0] * 1.02)
            best = best_gaussian(alpha_family(goal), log_p, X, DX, start)
            assert q["means"][0] == pytest.approx(best.mu.item(), abs=2e-3)
            assert q["sds"][0] == pytest.approx(best.sigma.item(), abs=2e-3)


def test_the_way_back_is_another(chromium: Chrome, opened: Callable[[str], WebElement]) -> None:
    """At 0.6 there are two minima, and which one the dial is in depends on where it was."""
    canvas = opened("alpha")
    wide = {"weights": [1.0], "means": [1.2], "sds": [2.9]}
    p = described(GAP)
    above = call(chromium, canvas, "turn", p, wide, 1.0, 0.6)
    below = call(
        chromium, canvas, "turn", p, call(chromium, canvas, "turn", p, wide, 1.0, 0.0), 0.0, 0.6
    )
    assert above["sds"][0] > 2
    assert below["sds"][0] < 1.5
    smooth = described(OVERLAP)
    down = call(chromium, canvas, "turn", smooth, wide, 1.0, -1.0)
    up = call(chromium, canvas, "turn", smooth, down, -1.0, 1.0)
    assert up["means"][0] == pytest.approx(float(OVERLAP.mean), abs=1e-3)


@pytest.mark.parametrize("q", [(1.2, 2.9), (3.0, 1.0), (-3.0, 0.5)])
def test_the_meters_are_integrals_of_the_package_s_densities(
    chromium: Chrome, opened: Callable[[str], WebElement], q: tuple[float, float]
) -> None:
    canvas = opened("alpha")
    log_p, log_q = GAP.log_prob(X[:, None]), Normal(*q).log_prob(X)
    ten = np.log(10)
    missed = (log_p.exp() * (log_q < log_p - ten)).sum() * DX
    made_up = (log_q.exp() * (log_p < log_q - ten)).sum() * DX
    model = {"weights": [1.0], "means": [q[0]], "sds": [q[1]]}
    found = call(chromium, canvas, "shares", described(GAP), model)
    assert found["missed"] == pytest.approx(missed.item(), abs=3e-3)
    assert found["madeUp"] == pytest.approx(made_up.item(), abs=3e-3)
    assert max(found.values()) > 0.1


def test_turning_the_dial_jumps_and_says_so(
    chromium: Chrome, opened: Callable[[str], WebElement]
) -> None:
    canvas = opened("alpha")
    note, slider = control(canvas, ".gn-note"), control(canvas, "input[type=range]")
    assert len(chromium.execute_script("return arguments[0].gannotes.trail()", canvas)) == 41
    assert "jumped" not in note.text
    slider.send_keys(Keys.HOME)
    assert "It has jumped, at α = 0.5" in note.text
    meters = [
        m.text for m in canvas.find_elements("xpath", "./ancestor::form//*[@class='gn-meter']")
    ]
    assert meters[0].endswith("30 %")
    assert meters[1].endswith("0 %")
    control(canvas, "select").send_keys(Keys.ARROW_DOWN)
    assert "jumped" not in note.text
    assert len(chromium.execute_script("return arguments[0].gannotes.trail()", canvas)) == 41


def test_a_sweep_goes_down_and_up(chromium: Chrome, opened: Callable[[str], WebElement]) -> None:
    canvas = opened("alpha")
    chromium.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]},
    )
    try:
        control(canvas, ".gn-buttons button").click()
        trail = np.array(chromium.execute_script("return arguments[0].gannotes.trail()", canvas))
        turns = np.flatnonzero(trail[:, 0] == trail[:, 0].min())
        assert trail[turns[0], 0] == -2
        assert trail[-1, 0] == 3
    finally:
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    control(canvas, ".gn-buttons button").click()
    button = control(canvas, ".gn-buttons button")
    wait(chromium).until(lambda _: button.text == "Pause")
    button.click()
    assert button.text == "Sweep"


# One curve.

PLACES = torch.linspace(-2.4, 2.4, 9, dtype=torch.float64)


def piecewise(x: Tensor) -> Callable[[Tensor], Tensor]:
    """G through the knots, straight beyond them."""
    slopes = x.diff() / PLACES.diff()

    def G(z: Tensor) -> Tensor:
        i = (torch.searchsorted(PLACES, z, right=True) - 1).clamp(0, len(slopes) - 1)
        return x[i] + slopes[i] * (z - PLACES[i])

    return G


def test_the_density_is_the_push_forward(
    chromium: Chrome, opened: Callable[[str], WebElement]
) -> None:
    canvas = opened("bender")
    x = KNOTS.double()
    points = torch.linspace(-5, 5, 203, dtype=torch.float64)
    slopes = x.diff() / PLACES.diff()

    def inverse(v: Tensor) -> Tensor:
        i = (torch.searchsorted(x, v) - 1).clamp(0, len(slopes) - 1)
        return PLACES[i] + (v - x[i]) / slopes[i]

    def derivative(z: Tensor) -> Tensor:
        i = (torch.searchsorted(PLACES, z) - 1).clamp(0, len(slopes) - 1)
        return slopes[i]

    noise = Normal(torch.tensor(0.0, dtype=torch.float64), 1.0)
    log_q = samples.pushforward_log_prob(points, inverse, derivative, noise.log_prob)
    found = call(chromium, canvas, "density", x.tolist(), points.tolist())
    np.testing.assert_allclose(found, log_q.exp(), rtol=1e-6, atol=1e-9)
    fine = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
    q = samples.pushforward_log_prob(fine, inverse, derivative, noise.log_prob)
    expected = jensen_shannon(OVERLAP.log_prob(fine[:, None]), q, 1e-3)
    measured = call(chromium, canvas, "measure", x.tolist())
    assert measured["distance"] == pytest.approx(expected.item(), abs=1e-3)
    assert measured["atom"] == 0


def test_a_curve_that_turns_back_adds_up_and_a_level_one_has_an_atom(
    chromium: Chrome, opened: Callable[[str], WebElement]
) -> None:
    """Against a million draws: the share of samples in cells, and those at one number."""
    canvas = opened("bender")
    x = torch.tensor([-4, -1, 1, 1, 2, 0, -1, 2, 4], dtype=torch.float64)
    torch.manual_seed(0)
    made = piecewise(x)(torch.randn(1_000_000, dtype=torch.float64))
    ((at, mass),) = call(chromium, canvas, "atoms", x.tolist())
    level = ((made - 1).abs() < 1e-9).double().mean()
    assert at == 1
    assert mass == pytest.approx(level.item(), abs=2e-3)
    edges = torch.linspace(-4.05, 4.05, 28, dtype=torch.float64)
    rest = made[(made - 1).abs() >= 1e-9]
    counted = torch.histogram(rest, edges).hist / len(made)
    fine = torch.linspace(-4.05, 4.05, 27_001, dtype=torch.float64)
    q = np.array(call(chromium, canvas, "density", x.tolist(), fine.tolist()))
    cells = q[:-1].reshape(27, 1000).mean(1) * 0.3
    np.testing.assert_allclose(cells, counted, atol=2e-3)
    zs = torch.linspace(-4, 4, 33, dtype=torch.float64)
    found = [call(chromium, canvas, "generate", x.tolist(), z) for z in zs.tolist()]
    np.testing.assert_allclose(found, piecewise(x)(zs), atol=1e-12)


def test_the_exact_map_is_the_quantile_function(
    chromium: Chrome, opened: Callable[[str], WebElement]
) -> None:
    canvas = opened("bender")
    parts = OVERLAP.component_distribution.base_dist
    law = Normal(parts.loc[:, 0], parts.scale[:, 0])
    for z in (-2.4, -0.6, 0.0, 1.8):
        x = torch.tensor(call(chromium, canvas, "exact", z), dtype=torch.float64)
        u = (OVERLAP.mixture_distribution.probs * law.cdf(x)).sum()
        assert u.item() == pytest.approx(Normal(0.0, 1.0).cdf(torch.tensor(z)).item(), abs=1e-6)
    before = control(canvas, ".gn-note").text
    button = canvas.find_element("xpath", "./ancestor::form//button[text()='Exact at the knots']")
    button.click()
    after = control(canvas, ".gn-note").text
    first, last = (float(text.split("=")[1].split(";")[0]) for text in (before, after))
    assert first == pytest.approx(0.0865, abs=2e-3)
    assert last < first / 5


def test_keys_bend_the_curve(chromium: Chrome, opened: Callable[[str], WebElement]) -> None:
    canvas = opened("bender")
    before, slider = picture(chromium, canvas), control(canvas, "input[type=range]")
    slider.send_keys(Keys.END)
    assert picture(chromium, canvas) != before
    assert slider.get_attribute("aria-valuetext") == "x = 5.00"
    assert "turns back" in control(canvas, ".gn-note").text
    status = control(canvas, "[role=status]")
    wait(chromium).until(lambda _: "Jensen-Shannon" in status.get_attribute("textContent"))
