"""The widgets about divergences: numbers that are the package's, controls that do what they say."""

import base64
from typing import Any

import browser
import numpy as np
import pytest
import test_browser
import torch
from ipywidgets.embed import embed_data
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import minimize
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.remote.webelement import WebElement
from test_browser import canvases, colours, control, open_page, picture, wait
from torch import Tensor
from torch.distributions import Independent, Laplace, MixtureSameFamily, Normal

from gannotes.data import mixture_1d, ring
from gannotes.divergences import F_DIVERGENCES, FDivergence, alpha, alpha_family, jensen_shannon
from gannotes.widgets import CriticExplorer, DivergenceExplorer

chromium = test_browser.chromium

U = torch.linspace(-15, 15, 8001, dtype=torch.float64)
X, DX = U.sinh(), U.cosh() * 30 / 8000

Numbers = dict[str, list[float]]
M1: Numbers = {"weights": [0.3, 0.7], "means": [-2.0, 1.5], "sds": [0.6, 1.0]}
M2: Numbers = {"weights": [0.3, 0.7], "means": [-3.0, 3.0], "sds": [0.5, 1.0]}
BROAD: Numbers = {"weights": [1.0], "means": [0.5], "sds": [1.9]}


def density(numbers: Numbers) -> MixtureSameFamily:
    return mixture_1d(**numbers, dtype=torch.float64)


def log_density(numbers: Numbers, x: Tensor = X) -> Tensor:
    return density(numbers).log_prob(x[..., None])


def gaussian(mean: float, sd: float) -> Numbers:
    return {"weights": [1.0], "means": [mean], "sds": [sd]}


def package(key: str, p: Numbers, q: Numbers, a: float) -> float:
    """What the package says on the page's grid."""
    log_p, log_q = log_density(p), log_density(q)
    if key == "half_jensen_shannon":
        return float(jensen_shannon(log_p, log_q, DX))
    if key == "alpha":
        return float(alpha(log_p, log_q, a, DX))
    return float(F_DIVERGENCES[key](log_p, log_q, DX))


def settings(count: int) -> list[dict[str, Any]]:
    """Positions of the sliders, both ends and the special alphas among them."""
    g = np.random.default_rng(0)

    def choose(ends: list[float], low: float, high: float) -> float:
        if g.random() < 0.3:
            return float(g.choice(ends))
        return round(float(g.integers(round(low * 20), round(high * 20) + 1)) / 20, 2)

    def numbers() -> Numbers:
        M = int(g.integers(1, 3))
        w = choose([0.05, 0.95], 0.05, 0.95)
        return {
            "weights": [1.0] if M == 1 else [round(1 - w, 2), w],
            "means": [choose([-4.0, 4.0], -4, 4) for _ in range(M)],
            "sds": [choose([0.2, 4.0], 0.2, 4) for _ in range(M)],
        }

    special = [-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0]
    return [{"p": numbers(), "q": numbers(), "a": choose(special, -2, 3)} for _ in range(count)]


# The Python side.


def test_a_density_travels_as_its_parameters() -> None:
    widget = DivergenceExplorer(
        density(M1),
        Independent(Normal(torch.tensor([0.5]), torch.tensor([1.9])), 1),
        others={"two Gaussians": (Normal(0.0, 1.0), Normal(1.0, 2.0))},
        name="first",
    )
    assert (widget.p, widget.q) == (M1, BROAD)
    second = {"name": "two Gaussians", "p": gaussian(0, 1), "q": gaussian(1, 2)}
    assert widget.pairs == [{"name": "first", "p": M1, "q": BROAD}, second]
    widget.set_state({"q": gaussian(0, 1), "row": "alpha", "a": 2.0})  # what the page sends
    assert repr(widget) == (
        "DivergenceExplorer(p = 0.3 N(-2, 0.6^2) + 0.7 N(1.5, 1^2), q = N(0, 1^2), alpha)"
    )


def test_knots_are_spread_over_what_is_drawn() -> None:
    widget = CriticExplorer(Normal(0.0, 1.0), Normal(1.0, 2.0), knots=4, v=torch.arange(4.0))
    assert widget.limits == [-4, 6]  # 2.5 deviations of the wider one
    assert widget.x == [-2.75, -0.25, 2.25, 4.75]
    assert widget.v == [0, 1, 2, 3]
    assert repr(widget) == "CriticExplorer(p = N(0, 1^2), q = N(1, 2^2), kl, 4 knots)"


def test_the_saved_state_is_small_and_holds_the_module() -> None:
    for widget in (
        DivergenceExplorer(Normal(0.0, 1.0), Normal(1.0, 2.0)),
        CriticExplorer(Normal(0.0, 1.0), Normal(1.0, 2.0)),
    ):
        saved = embed_data([widget], drop_defaults=False)["manager_state"]["state"]
        state = saved[widget.model_id]
        assert not any(base64.b64decode(b["data"]) for b in state.get("buffers", []))
        assert "export default" in state["state"]["_esm"]
        assert "</script" not in state["state"]["_esm"] + state["state"]["_css"]
        assert len(state["state"]["_esm"]) < 50_000


P, Q = Normal(0.0, 1.0), Normal(1.0, 2.0)
MISTAKES: dict[str, tuple[type[Exception], str, Any]] = {
    "family": (
        TypeError,
        "p: expected a Normal or .* got Laplace",
        lambda: CriticExplorer(Laplace(0.0, 1.0), Q),
    ),
    "plane": (ValueError, "q: expected a Normal", lambda: DivergenceExplorer(P, ring())),
    "batch": (
        ValueError,
        r"p: .* got means of shape \(3,\)",
        lambda: CriticExplorer(Normal(torch.zeros(3), 1.0), Q),
    ),
    "components": (
        ValueError,
        "q: expected a Normal or a mixture of two",
        lambda: CriticExplorer(P, mixture_1d([0.2, 0.3, 0.5], [0, 1, 2], [1, 1, 1])),
    ),
    "mean": (
        ValueError,
        "p: expected means from -4.0 to 4.0, got 5.0",
        lambda: DivergenceExplorer(Normal(5.0, 1.0), Q),
    ),
    "sd": (
        ValueError,
        "q: expected sds from 0.2 to 4.0, got 0.1",
        lambda: DivergenceExplorer(P, P, others={"b": (P, Normal(0.0, 0.1))}),
    ),
    "row": (
        ValueError,
        "row: expected one of 'kl', .* got 'js'",
        lambda: DivergenceExplorer(P, Q, row="js"),
    ),
    "a": (
        ValueError,
        "a: expected a finite number from -2 to 3, got nan",
        lambda: DivergenceExplorer(P, Q, a=float("nan")),
    ),
    "limits": (
        ValueError,
        "limits: expected low < high",
        lambda: DivergenceExplorer(P, Q, limits=(1, 1)),
    ),
    "f": (ValueError, "f: expected one of 'kl', .* got 'js'", lambda: CriticExplorer(P, Q, f="js")),
    "knots": (
        ValueError,
        "knots: expected an integer from 2 to 25, got 1",
        lambda: CriticExplorer(P, Q, knots=1),
    ),
    "v": (
        ValueError,
        r"v: expected .* of shape \(18,\), got shape \(3,\)",
        lambda: CriticExplorer(P, Q, v=torch.zeros(3)),
    ),
    "outputs": (
        ValueError,
        "outputs: expected to hold 0 and v",
        lambda: CriticExplorer(P, Q, v=torch.full((18,), 9.0)),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name: str) -> None:
    error, message, build = MISTAKES[name]
    with pytest.raises(error, match=message):
        build()


# The numbers of the page.


@pytest.fixture(scope="module")
def page(chromium: Chrome, tmp_path_factory: pytest.TempPathFactory) -> list[WebElement]:
    """The canvases of an explorer and of a critic on the same mixture, both as in the book."""
    widgets = (
        DivergenceExplorer(density(M1), density(BROAD)),
        CriticExplorer(density(M1), density(BROAD)),
    )
    path = browser.write_page(tmp_path_factory.mktemp("divergences") / "page.html", *widgets)
    open_page(chromium, path)
    return canvases(chromium)


def evaluate(driver: Chrome, canvas: WebElement, cases: list[dict[str, Any]]) -> list[Any]:
    """The page's table for each setting; JSON knows no infinity."""
    found = driver.execute_script(
        """
        const [canvas, cases] = arguments;
        const rows = cases.map((c) => Object.entries(canvas.gannotes.evaluate(c)));
        return rows.map((row) => row.map(([key, value]) => [key, `${value}`]));
        """,
        canvas,
        cases,
    )
    return [{key: float(value) for key, value in row} for row in found]


def diverges(a: float, p: Numbers, q: Numbers) -> bool:
    """Whether p^a q^(1-a) fails to vanish, a million million deviations out."""
    far = torch.tensor([-1e12, 1e12], dtype=torch.float64)
    return bool((a * log_density(p, far) + (1 - a) * log_density(q, far) > -1e10).any())


def test_the_table_is_the_package_s(chromium: Chrome, page: list[WebElement]) -> None:
    """Every row, every corner of the sliders; "infinite" exactly where the tails say so."""
    cases = settings(150)
    special = [-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0]
    cases += [{"p": M1, "q": BROAD, "a": a} for a in special]
    infinities = 0
    for case, row in zip(cases, evaluate(chromium, page[0], cases), strict=True):
        assert set(row) == {*F_DIVERGENCES, "half_jensen_shannon", "alpha"}
        powers = {"pearson": 2.0, "neyman": -1.0}
        if not 0 <= case["a"] <= 1:
            powers["alpha"] = case["a"]
        for key, value in row.items():
            if key in powers and diverges(powers[key], case["p"], case["q"]):
                infinities += 1
                assert value == torch.inf, (key, case)
                continue
            expected = package(key, **case)
            if expected > 1e290:  # the last digits before the overflow
                assert value > 1e290, (key, case)
            else:
                assert value == pytest.approx(expected, rel=1e-6, abs=1e-6), (key, case)
    assert infinities > 30


def test_the_integral_reaches_slow_tails(chromium: Chrome, page: list[WebElement]) -> None:
    """Closed forms of Gaussians, one of them with an integrand seven deviations wide."""
    s = 1.4
    pearson = 1 / (s * (2 - s**2) ** 0.5) - 1
    kl = 0.5 * (s**2 + 3**2 - 1) - np.log(s)
    cases = [
        {"p": gaussian(0, s), "q": gaussian(0, 1), "a": 2.0},
        {"p": gaussian(-2, s), "q": gaussian(1, 1), "a": 0.0},
    ]
    first, second = evaluate(chromium, page[0], cases)
    assert first["pearson"] == pytest.approx(pearson, rel=1e-9)
    assert first["alpha"] == pytest.approx(pearson / 2, rel=1e-9)
    assert second["kl"] == pytest.approx(kl, rel=1e-9)
    assert second["alpha"] == pytest.approx(second["reverse_kl"], rel=1e-9)


def fit(
    driver: Chrome, canvas: WebElement, key: str, p: Numbers, q: Numbers, a: float
) -> tuple[Numbers, float]:
    found = driver.execute_script(
        "const [c, key, setting] = arguments; return c.gannotes.fit(key, setting)",
        canvas,
        key,
        {"p": p, "q": q, "a": a},
    )
    return found["q"], found["value"]


FITS = [
    *((key, 0.5) for key in F_DIVERGENCES),
    *(("alpha", a) for a in (-2.0, -1.0, 0.0, 1.5, 3.0)),
]


@pytest.mark.parametrize(("key", "a"), FITS)
def test_nothing_near_the_fit_is_better(
    chromium: Chrome, page: list[WebElement], key: str, a: float
) -> None:
    """scipy, started at the fit, stays there."""
    q, value = fit(chromium, page[0], key, M1, BROAD, a)
    found = [q["means"][0], q["sds"][0]]
    assert value == pytest.approx(package(key, M1, q, a), rel=1e-6)
    best = minimize(
        lambda z: package(key, M1, gaussian(z[0], abs(z[1])), a),
        found,
        method="Nelder-Mead",
        options={"xatol": 1e-5, "fatol": 1e-9, "initial_simplex": np.add(found, _TRIANGLE)},
    )
    assert best.fun >= value - 1e-6
    np.testing.assert_allclose(found, best.x, atol=2e-3)


_TRIANGLE = np.array([[0.0, 0.0], [0.2, 0.0], [0.0, 0.2]])


def test_the_fit_under_kl_has_the_moments_of_p(chromium: Chrome, page: list[WebElement]) -> None:
    p = density(M2)
    q, _ = fit(chromium, page[0], "kl", M2, gaussian(-4, 0.2), 0.5)
    assert q["means"] == pytest.approx([float(p.mean)], abs=1e-4)
    assert q["sds"] == pytest.approx([float(p.stddev)], abs=1e-4)


def test_the_reverse_fit_stays_on_the_mode_it_starts_from(
    chromium: Chrome, page: list[WebElement]
) -> None:
    for m in (0, 1):
        start = gaussian(M2["means"][m], 0.4)
        q, value = fit(chromium, page[0], "reverse_kl", M2, start, 0.5)
        assert q["means"] == pytest.approx([M2["means"][m]], abs=0.1)
        assert value == pytest.approx(-np.log(M2["weights"][m]), abs=0.01)


def test_the_fit_leaves_an_infinite_start(chromium: Chrome, page: list[WebElement]) -> None:
    for key, start in (("pearson", gaussian(0, 0.5)), ("neyman", gaussian(0, 4))):
        q, value = fit(chromium, page[0], key, M1, start, 0.5)
        assert value < 1
        assert value == pytest.approx(package(key, M1, q, 0.5), rel=1e-6)


def test_a_mixture_finds_itself(chromium: Chrome, page: list[WebElement]) -> None:
    start = {"weights": [0.5, 0.5], "means": [-1.0, 2.0], "sds": [0.8, 0.8]}
    q, value = fit(chromium, page[0], "kl", M1, start, 0.5)
    assert value < 1e-6
    for key in M1:
        np.testing.assert_allclose(q[key], M1[key], atol=0.01)


def basis(knots: list[float]) -> Tensor:
    """The critic of each single knot at 1, on the grid: Hermite's cubics with central slopes."""
    slopes = np.gradient(np.eye(len(knots)), knots, axis=0)
    slopes[[0, -1]] = 0
    x = np.clip(X.numpy(), knots[0], knots[-1])
    return torch.tensor(CubicHermiteSpline(knots, np.eye(len(knots)), slopes)(x))


KNOTS = CriticExplorer(density(M1), density(BROAD)).x
BASIS = basis(KNOTS)
ROWS: dict[str, FDivergence] = {**F_DIVERGENCES, "alpha(0.5)": alpha_family(0.5)}


def critic(driver: Chrome, canvas: WebElement, method: str, key: str, vs: list[list[float]]) -> Any:
    """One of the page's functions of a critic, for each of several critics."""
    return driver.execute_script(
        """
        const [canvas, method, key, vs] = arguments;
        return vs.map((v) => canvas.gannotes[method](key, v));
        """,
        *(canvas, method, key, vs),
    )


def terms(key: str, v: Tensor) -> tuple[Tensor, Tensor]:
    """E_p[t] and E_q[f*(t)] of the critic with knots at v, by the package and quadrature."""
    values = BASIS @ v
    p, q = log_density(M1).exp() * DX, log_density(BROAD).exp() * DX
    return (p * ROWS[key].activation(values)).sum(), (q * ROWS[key].penalty(values)).sum()


@pytest.mark.parametrize("key", ROWS)
def test_the_critic_s_numbers_are_the_package_s(
    chromium: Chrome, page: list[WebElement], key: str
) -> None:
    """Both terms, the bound below the truth, and the gradient, for random critics."""
    torch.manual_seed(0)
    truth = float(ROWS[key](log_density(M1), log_density(BROAD), DX))
    if key == "neyman":
        truth = torch.inf  # q^2 / p has the heavier tail
    vs = 10 * torch.rand(20, len(KNOTS), dtype=torch.float64) - 5
    numbers = critic(chromium, page[1], "evaluate", key, vs.tolist())
    slopes = critic(chromium, page[1], "gradient", key, vs.tolist())
    for v, found, slope in zip(vs, numbers, slopes, strict=True):
        reward, cost = terms(key, v.requires_grad_())
        (gradient,) = torch.autograd.grad(reward - cost, v)
        reward, cost = float(reward.detach()), float(cost.detach())
        assert found["reward"] == pytest.approx(reward, rel=1e-6, abs=1e-6)
        assert found["cost"] == pytest.approx(cost, rel=1e-6, abs=1e-6)
        assert found["bound"] == pytest.approx(reward - cost, rel=1e-6, abs=1e-6)
        assert found["bound"] <= truth
        if truth < torch.inf:
            assert found["truth"] == pytest.approx(truth, rel=1e-6)
        assert slope == pytest.approx(gradient.tolist(), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("key", ROWS)
def test_ascent_and_the_optimum_close_the_gap(
    chromium: Chrome, page: list[WebElement], key: str
) -> None:
    """No critic with these knots is better than the optimum; ascent from zero only rises."""
    (best,) = critic(chromium, page[1], "optimum", key, [[]])
    (slope,) = critic(chromium, page[1], "gradient", key, [best])
    free = [abs(g) for g, v in zip(slope, best, strict=True) if abs(v) < 5]
    assert max(free, default=0.0) < 1e-5 or key == "total_variation"  # flat where it saturates
    near, *bounds = chromium.execute_script(
        """
        const [canvas, key, best] = arguments, { ascend, evaluate } = canvas.gannotes;
        const bounds = [evaluate(key, best).bound];
        for (let v = best.map(() => 0), i = 0; i < 60; i++, v = ascend(key, v))
            bounds.push(evaluate(key, v).bound);
        return bounds;
        """,
        *(page[1], key, best),
    )
    assert (np.diff(bounds) >= 0).all()
    if key != "neyman":
        truth = float(ROWS[key](log_density(M1), log_density(BROAD), DX))
        assert truth - bounds[-1] < 0.25 * (truth - bounds[0])
        assert truth - near < 0.1 * (truth - bounds[0])
        assert near > bounds[-1] - 1e-9


# The controls.


@pytest.fixture
def explorer(chromium: Chrome, tmp_path: Any) -> WebElement:
    widget = DivergenceExplorer(
        density(gaussian(0, 2)),
        density(gaussian(1, 1)),
        row="alpha",
        a=0.0,
        others={"a mixture": (density(M2), density(BROAD))},
        title="Two densities",
    )
    open_page(chromium, browser.write_page(tmp_path / "page.html", widget))
    return canvases(chromium)[0]


def number(text: str) -> float:
    """A number as the page writes it, with a true minus sign and perhaps a power of ten."""
    mantissa, _, power = text.replace("\u2212", "-").partition("\u00b710")
    digits = str.maketrans(
        "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207b", "0123456789-"
    )
    return float(mantissa) * 10.0 ** int(power.translate(digits) or 0)


def table(canvas: WebElement) -> dict[str, str]:
    root = canvas.find_element("xpath", "./ancestor::*[contains(@class, 'gannotes-widget')]")
    return {
        row.find_element("css selector", "input").get_property("value"): row.find_element(
            "css selector", ".gn-value"
        ).get_attribute("textContent")
        for row in root.find_elements("css selector", "label.gn-measure")
    }


def test_what_is_infinite_says_so(explorer: WebElement) -> None:
    """Twice as wide is too wide for Pearson and fine for Neyman, in words as in signs."""
    shown = table(explorer)
    assert shown["pearson"] == "\u221einfinite"
    assert float(shown["neyman"]) < 10
    assert float(shown["kl"]) == pytest.approx(0.5 * (4 + 1 - 1) - np.log(2), abs=1e-4)
    assert shown["alpha"] == shown["reverse_kl"]
    assert shown["gan"].startswith("\u2212")


def test_every_slider_obeys_the_keyboard(chromium: Chrome, explorer: WebElement) -> None:
    root = explorer.find_element("xpath", "./ancestor::*[contains(@class, 'gannotes-widget')]")
    sliders = root.find_elements("css selector", "input[type=range]")
    names = [s.get_attribute("aria-label") for s in sliders]
    assert names == ["mean of p", "width of p", "mean of q", "width of q", "alpha"]
    for slider in sliders:
        before, label = picture(chromium, explorer), explorer.get_attribute("aria-label")
        at = float(slider.get_property("value"))
        slider.send_keys(Keys.ARROW_RIGHT)
        assert float(slider.get_property("value")) == pytest.approx(at + 0.05)
        assert picture(chromium, explorer) != before
        assert explorer.get_attribute("aria-label") != label


def test_arrows_choose_the_row_that_is_drawn(chromium: Chrome, explorer: WebElement) -> None:
    before = picture(chromium, explorer)
    chosen = control(explorer, "input[type=radio]:checked")
    assert chosen.get_property("value") == "alpha"
    chosen.send_keys(Keys.ARROW_UP)
    after = control(explorer, "input[type=radio]:checked")
    assert after.get_property("value") == "total_variation"
    assert picture(chromium, explorer) != before
    assert "total variation" in explorer.get_attribute("aria-label")


def button(canvas: WebElement, text: str) -> WebElement:
    root = canvas.find_element("xpath", "./ancestor::*[contains(@class, 'gannotes-widget')]")
    return next(b for b in root.find_elements("css selector", "button") if b.text == text)


def test_fit_moves_q_says_where_and_reset_undoes_it(chromium: Chrome, explorer: WebElement) -> None:
    """KL(q || p) of two Gaussians has its minimum, zero, at p."""
    first = picture(chromium, explorer)
    button(explorer, "Fit q").send_keys(Keys.SPACE)
    note = control(explorer, ".gn-note")
    wait(chromium).until(lambda _: note.text)
    assert note.text.startswith("Fitted: q = N(0.00, 2.00\u00b2)")
    assert table(explorer)["alpha"] == "0.0000"
    assert picture(chromium, explorer) != first
    button(explorer, "Reset").send_keys(Keys.ENTER)
    assert picture(chromium, explorer) == first
    assert note.text == ""


def test_fit_jumps_for_readers_who_want_no_motion(chromium: Chrome, explorer: WebElement) -> None:
    media = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        button(explorer, "Fit q").send_keys(Keys.SPACE)
        assert control(explorer, ".gn-note").text.startswith("Fitted")
    finally:
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_menu_brings_other_densities_with_their_sliders(
    chromium: Chrome, explorer: WebElement
) -> None:
    before = picture(chromium, explorer)
    control(explorer, "select").send_keys("a mix")
    root = explorer.find_element("xpath", "./ancestor::*[contains(@class, 'gannotes-widget')]")
    sliders = root.find_elements("css selector", "input[type=range]")
    assert len(sliders) == 5 + 2 + 1
    weight = next(s for s in sliders if "weight" in s.get_attribute("aria-label"))
    changed = picture(chromium, explorer)
    assert changed != before
    weight.send_keys(Keys.HOME)
    assert "0.95 N(\u22123.00" in explorer.get_attribute("aria-label")
    button(explorer, "Reset").send_keys(Keys.SPACE)
    assert picture(chromium, explorer) == changed


@pytest.fixture
def bent(chromium: Chrome, tmp_path: Any) -> WebElement:
    widget = CriticExplorer(density(M1), density(BROAD), f="jensen_shannon", title="Bend it")
    open_page(chromium, browser.write_page(tmp_path / "page.html", widget))
    return canvases(chromium)[0]


def shown(canvas: WebElement) -> dict[str, float]:
    names = ("reward", "cost", "bound", "gap", "truth")
    text = {name: control(canvas, f".gn-{name} .gn-value").text for name in names}
    return {name: number(t) for name, t in text.items()}


def test_a_knot_obeys_the_keyboard_and_the_columns_add_up(
    chromium: Chrome, bent: WebElement
) -> None:
    before = picture(chromium, bent)
    zero = shown(bent)
    assert zero["bound"] == 0  # of this row
    knot = control(bent, "input[aria-label*='0.19']")
    knot.send_keys(*10 * [Keys.ARROW_UP])
    assert float(knot.get_property("value")) == pytest.approx(0.5)
    assert picture(chromium, bent) != before
    now = shown(bent)
    assert now["bound"] == pytest.approx(now["reward"] + now["cost"], abs=2e-4)
    assert now["truth"] == pytest.approx(now["bound"] + now["gap"], abs=2e-4)
    assert "v = 0.50, t = " in knot.get_attribute("aria-valuetext")


def test_the_pointer_drags_a_knot(chromium: Chrome, bent: WebElement) -> None:
    """Also from beside the knot, and its centre stays on the curve."""
    knot = control(bent, "input[aria-label*='1.42']")
    height = chromium.execute_script(
        "return arguments[0].getBoundingClientRect().height - 18", knot
    )
    drag = ActionChains(chromium).move_to_element_with_offset(knot, 8, 0).click_and_hold()
    drag.move_by_offset(0, round(-0.2 * height)).release().perform()
    assert float(knot.get_property("value")) == pytest.approx(0.2 * 10, abs=0.15)
    assert shown(bent)["bound"] != 0


def test_ascent_raises_the_bound_and_reset_forgets(chromium: Chrome, bent: WebElement) -> None:
    first, gaps = picture(chromium, bent), [shown(bent)["gap"]]
    for name in ("Ascend", "20 steps", "Ascend"):
        button(bent, name).send_keys(Keys.SPACE)
        gaps.append(shown(bent)["gap"])
    assert gaps == sorted(gaps, reverse=True)
    button(bent, "Follow t*").send_keys(Keys.SPACE)
    assert 0 < shown(bent)["gap"] < 0.05 * gaps[0]
    control(bent, "select").send_keys("Ney")
    assert control(bent, ".gn-truth .gn-value").text == "\u221e"
    button(bent, "Reset").send_keys(Keys.SPACE)  # keeps the row
    assert control(bent, ".gn-truth .gn-value").text == "\u221e"
    control(bent, "select").send_keys("2 JS (")
    assert picture(chromium, bent) == first


@pytest.mark.parametrize("name", ["explorer", "bent"])
def test_the_picture_follows_the_theme(
    chromium: Chrome, request: pytest.FixtureRequest, name: str
) -> None:
    canvas = request.getfixturevalue(name)
    light = picture(chromium, canvas)
    assert colours(chromium, canvas) > 20
    chromium.execute_script("document.documentElement.dataset.theme = 'dark'")
    wait(chromium).until(lambda _: picture(chromium, canvas) != light)
    chromium.execute_script("document.documentElement.dataset.theme = 'light'")
    wait(chromium).until(lambda _: picture(chromium, canvas) == light)
