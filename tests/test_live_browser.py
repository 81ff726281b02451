"""The engine in Chromium, from a file: in a worker, on the page, with WebAssembly and without."""

import json
import os
from typing import Any

import browser
import live_fixtures
import pytest

from gannotes import data, nets
from gannotes.distributions import standard_normal
from gannotes.models.gan import GAN
from gannotes.widgets.bundle import bundle
from gannotes.widgets.describe import describe, toy

pytestmark = pytest.mark.skipif(
    not (browser.find() or os.environ.get("CI")), reason="chromium is not on the PATH"
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """A page that has the engine and the fixtures, opened from a file."""
    folder = tmp_path_factory.mktemp("live")
    made = {name: getattr(live_fixtures, name)() for name in ("operations", "optimisers", "steps")}
    module = bundle(browser.ROOT / "tests/widgets/page.js").replace(
        "export default ", "globalThis.live = "
    )
    page = folder / "page.html"
    page.write_text(
        f'<!doctype html><meta charset="utf-8"><script>globalThis.fixtures = {json.dumps(made)}'
        f'</script><script type="module">{module}</script>',
        encoding="utf-8",
    )
    with browser.chromium(folder / "profile") as chrome:
        chrome.get(page.as_uri())
        yield chrome
        own = (page.as_uri(), "blob:")  # the engine is a Blob
        assert all(address.startswith(own) for address in browser.requests(chrome))


def run(driver, call: str, *arguments: Any) -> Any:
    script = (
        "const done = arguments[arguments.length - 1];"
        f"Promise.resolve().then(() => {call}).then(done, (error) => done(String(error)));"
    )
    answer = driver.execute_async_script(script, *arguments)
    assert isinstance(answer, dict), answer
    return answer


@pytest.mark.parametrize("plain", [False, True])
def test_derivatives_and_steps_are_the_packages(driver, plain):
    found = run(driver, "live.parity(fixtures, arguments[0])", plain)
    assert found["kernels"] == ("js" if plain else "wasm")
    assert found["worst"][0] < 1e-5, found


def test_worker_page_and_plain_javascript_play_the_same_game(driver):
    spec, _ = describe(GAN(nets.mlp(2, 8, 2), nets.critic(2, 8), standard_normal(2)))
    spec |= {"data": toy("data", data.two_moons()), "seed": 1}
    played = [
        run(driver, "live.play(...arguments)", spec, {"batch": 32}, 60, {"worker": w, "plain": p})
        for w, p in ((True, False), (False, False), (True, True))
    ]
    assert [(p["place"], p["kernels"], p["step"]) for p in played] == [
        ("worker", "wasm", 60),
        ("page", "wasm", 60),
        ("worker", "js", 60),
    ]
    assert played[0]["weights"] == played[1]["weights"]
    assert played[2]["weights"] == pytest.approx(played[0]["weights"], abs=1e-3)
