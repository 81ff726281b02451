"""The engine of training in the page: its bytes, its derivatives, its models, its numbers.

The engine is JavaScript and WebAssembly, run by node; what it must find comes from the package.
"""

import json
import math
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import live_fixtures
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from gannotes import data, metrics, nets
from gannotes import distributions as laws
from gannotes import divergences as dv
from gannotes.bounds import bernoulli, least_squares, relativistic, variational
from gannotes.models import gan, vae
from gannotes.widgets.describe import NETWORKS, bound_name, describe, noise, restore, toy

ROOT = Path(__file__).parents[1]
LIVE = ROOT / "gannotes/widgets/live"
TESTS = ROOT / "tests/widgets"

needs_node = pytest.mark.skipif(
    not (shutil.which("node") or os.environ.get("CI")), reason="node is not on the PATH"
)


def node(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", *arguments], env=os.environ | environment, capture_output=True, text=True
    )


def run_tests(file: Path, **environment: str) -> tuple[int, int, str]:
    """How many tests of a file passed and failed, and the report."""
    report = node("--test", "--test-reporter=tap", file, **environment).stdout
    passed, failed = (
        int(re.search(rf"^# {key} (\d+)", report, re.M)[1]) for key in ("pass", "fail")
    )
    return passed, failed, report


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("live") / "fixtures.json"
    made = {name: getattr(live_fixtures, name)() for name in ("operations", "optimisers", "steps")}
    path.write_text(json.dumps(made))
    return path


def test_the_bytes_are_those_of_the_text():
    wasmtime = pytest.importorskip("wasmtime")
    text = (LIVE / "kernels.wat").read_text(encoding="utf-8")
    assert bytes(wasmtime.wat2wasm(text)) == (LIVE / "kernels.wasm").read_bytes()


@needs_node
def test_every_derivative_and_every_step_is_the_packages(fixtures):
    made = json.loads(fixtures.read_text())
    expected = 2 * sum(len(cases) for cases in made.values())  # by both sets of kernels
    passed, failed, report = run_tests(TESTS / "parity.mjs", FIXTURES=str(fixtures))
    assert (passed, failed) == (expected, 0), report


def test_every_model_and_bound_is_among_the_fixtures(fixtures):
    cases = json.loads(fixtures.read_text())["steps"]
    assert {case["spec"]["model"] for case in cases} == {
        *("gan", "infogan", "cyclegan", "vae", "ali", "avb")
    }
    played = {case["settings"].get("bound") for case in cases}
    assert played >= {*dv.F_DIVERGENCES, "bernoulli", "least_squares", "relativistic", "alpha(0.5)"}


# A file of the engine, a text in it, a wrong one, and the cases that must see the difference.
MUTANTS = [
    ("operations.js", "scale(y, -2)", "scale(y, -2.001)", "^tanh"),
    ("operations.js", "mul(g, neg(square(y)))", "mul(g, square(y))", "^reciprocal"),
    ("operations.js", "w[1] && matmul(a, g)", "w[1] && matmul(a, scale(g, 1.0001))", "^matmul"),
    ("operations.js", "[leakyGrad(gg, x, slope)]", "[leakyGrad(gg, x, 1.1 * slope)]", "^leaky"),
    ("laws.js", "+ 1)), floor)", "+ 1)), 0)", "^infogan"),
    ("laws.js", "scale(logSd, 2)", "scale(logSd, 2.001)", "^vae gaussian"),
    ("bounds.js", "add(v, expm1(v))", "add(v, scale(expm1(v), 1.0001))", "jeffrey together"),
    ("bounds.js", "scale(v, a)), 1 / a)", "scale(v, a)), 1)", "alpha"),
    ("models.js", "gamma / 2", "gamma", "^gan tanh penalised"),
    ("models.js", "flip ? bound(game)(vp, vq)", "flip ? bound(game)(vq, vp)", "^ali gaussian"),
    ("models.js", "if (!contrast) return null", "return null", "^avb contrast"),
    ("models.js", "scale(loss, lam)", "scale(loss, 1.001 * lam)", "^cyclegan least"),
    ("models.js", "hq = rows(h, x.r, 2 * x.r)", "hq = rows(h, 0, x.r)", "^infogan"),
    ("optimisers.js", "1e-8", "1e-4", "^adam"),
    ("optimisers.js", "Math.sqrt(1 - b2 ** t)", "Math.sqrt(1 - b2 ** (t + 1))", "^adam"),
    (
        "networks.js",
        "tile(columns(y, 0, k), copies)",
        "tile(columns(y, k, 2 * k), copies)",
        "^avb warp",
    ),
    ("kernels.js", "g * (1 - y * y)", "g * (1 - y)", "^tanh"),
]


def test_the_page_takes_the_networks_in_the_order_of_their_description():
    page = (LIVE / "models.js").read_text(encoding="utf-8")
    table = re.search(r"networksOf = \{(.*?)\};", page, re.DOTALL)[1]
    of = {kind: json.loads(names) for kind, names in re.findall(r"(\w+): (\[.*?\])", table)}
    assert of == {kind: list(names) for kind, names in NETWORKS.values()}


@needs_node
@pytest.mark.parametrize(("file", "text", "wrong", "cases"), MUTANTS)
def test_planted_errors_are_caught(file, text, wrong, cases, fixtures, tmp_path):
    engine = tmp_path / "gannotes/widgets"
    shutil.copytree(LIVE, engine / "live")
    shutil.copy(LIVE.parent / "package.json", engine)
    shutil.copytree(TESTS, tmp_path / "tests/widgets")
    source = (LIVE / file).read_text(encoding="utf-8")
    assert source.count(text) == 1
    (engine / "live" / file).write_text(source.replace(text, wrong), encoding="utf-8")
    parity = tmp_path / "tests/widgets/parity.mjs"
    _, failed, report = run_tests(parity, FIXTURES=str(fixtures), ONLY=cases)
    assert failed > 0
    assert re.search("off by|draws?:? ", report), report  # and not for a text that does not run


# Numbers that a page draws


def call(*requests: tuple[str | None, str, list[Any]]) -> list[Any]:
    """What functions of the engine return."""
    asked = [{"module": module, "name": name, "args": args} for module, name, args in requests]
    done = subprocess.run(
        ["node", TESTS / "call.mjs"], input=json.dumps(asked), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [_finite(answer) for answer in json.loads(done.stdout)]


def _finite(answer: Any) -> Any:
    return math.inf if answer == "inf" else answer


def logs(shares: Tensor) -> dict[str, list[float | None]]:
    return {"logs": [None if v == -math.inf else v for v in shares.log().tolist()]}


@cache
def shares() -> tuple[Tensor, Tensor]:
    """Probabilities of 40 cells, some of them empty in one or in both."""
    torch.manual_seed(0)
    p, q = torch.rand(2, 40, dtype=torch.float64)
    p[:5], q[3:8] = 0, 0
    return p / p.sum(), q / q.sum()


@needs_node
def test_the_best_critic_by_histogram_is_the_divergence_of_the_package():
    rows = [*dv.F_DIVERGENCES.values(), *map(dv.alpha_family, (-1.0, 0.0, 0.5, 1.0, 2.0))]
    p, q = shares()
    inside = slice(8, None)
    full = (p[inside] / p[inside].sum(), q[inside] / q[inside].sum())
    for pair in (full, (p, q)):
        found = call(*[("measures", "best", [row.name, *map(logs, pair)]) for row in rows])
        wanted = [row(pair[0].log(), pair[1].log()).item() for row in rows]
        assert found == pytest.approx(wanted, rel=1e-9)
    js = call(("measures", "jensenShannon", [logs(p), logs(q)]))
    assert js == pytest.approx([dv.jensen_shannon(p.log(), q.log()).item()], rel=1e-9)


@needs_node
def test_the_best_critics_of_the_other_bounds_attain_what_they_say():
    p, q = (s[8:] / s[8:].sum() for s in shares())
    r = (p / q).log()
    game, squares, pairs = call(
        *[
            ("measures", "best", [name, logs(p), logs(q)])
            for name in ("bernoulli", "least_squares", "relativistic")
        ]
    )
    assert game == pytest.approx(2 * dv.jensen_shannon(p.log(), q.log()).item() - math.log(4))
    v = torch.sigmoid(r)
    assert squares == pytest.approx(-(p * (v - 1) ** 2 + q * v**2).sum().item())
    odds = r.unsqueeze(1) - r
    wanted = (p.unsqueeze(1) * q * nn.functional.logsigmoid(odds)).sum().item()
    assert pairs == pytest.approx(wanted)


@needs_node
def test_the_best_critic_has_no_slope_left():
    ratios = [-1.5, -0.25, 0.0, 0.75, 2.0]
    rows = [dv.F_DIVERGENCES[n] for n in dv.F_DIVERGENCES if n != "total_variation"]
    rows.append(dv.alpha_family(0.5))
    found = call(*[(None, "bestOutput", [row.name, ratios]) for row in rows])
    u = torch.tensor(ratios, dtype=torch.float64).exp()
    for row, v in zip(rows, found, strict=True):
        t = row.activation(torch.tensor(v, dtype=torch.float64))
        torch.testing.assert_close(t, row.f_prime(u))
    (squares,) = call((None, "bestOutput", ["least_squares", ratios]))
    assert squares == pytest.approx((u / (1 + u)).tolist())


@needs_node
def test_a_histogram_is_numpys_and_its_divergence_close_to_the_exact_one_above_the_floor():
    torch.manual_seed(0)
    p, q, again = torch.randn(60_000, 2), torch.randn(4096, 2) + 0.7, torch.randn(4096, 2)
    window, bins = [[-4.0, 4.0], [-4.0, 4.0]], 48
    found = call(
        *[
            ("measures", "histogram", [{"f32": x.flatten().tolist()}, window, bins])
            for x in (p, q, again)
        ]
    )
    for x, cells in zip((p, q, again), found, strict=True):
        counts, _ = np.histogramdd(x.numpy(), bins, window)
        assert np.allclose(cells[:-1], counts.T.flatten() / len(x))
        assert cells[-1] == pytest.approx(1 - counts.sum() / len(x), abs=1e-9)
    P, Q, R = (torch.tensor(cells, dtype=torch.float64) for cells in found)
    js, floor = (call(("measures", "jensenShannon", [logs(P), logs(x)]))[0] for x in (Q, R))
    line = torch.linspace(-9, 9, 3601, dtype=torch.float64)
    far = math.sqrt(2) * 0.7  # two Gaussians differ along one direction only
    normal = torch.distributions.Normal(0.0, 1.0)
    exact = dv.jensen_shannon(normal.log_prob(line), normal.log_prob(line - far), 0.005).item()
    assert 0.01 < floor < 0.05
    assert exact - floor < js < exact + 1.5 * floor
    assert js > 3 * floor


@needs_node
def test_coverage_is_mode_coverage():
    torch.manual_seed(0)
    p = data.ring(sd=0.1)
    modes = p.component_distribution.mean
    x = torch.cat([p.sample((800,)), 2 * torch.randn(200, 2)])
    x = x[(x - modes[2]).norm(dim=-1) > 0.4]  # one mode is lost
    (found,) = call(
        ("measures", "coverage", [{"f32": x.flatten().tolist()}, {"toy": toy("data", p)}])
    )
    wanted = metrics.mode_coverage(x, modes, 0.1)
    assert (found["covered"], found["parts"]) == (wanted.captured.item(), 8) == (7, 8)
    assert found["near"] == pytest.approx(wanted.high_quality.item())
    assert sum(found["shares"]) == pytest.approx(found["near"])
    curve = toy("data", data.two_moons())
    (found,) = call(
        (
            "measures",
            "coverage",
            [{"f32": data.two_moons().sample((2000,)).flatten().tolist()}, {"toy": curve}],
        )
    )
    assert (found["covered"], found["parts"]) == (16, 16)
    assert found["near"] > 0.98


@needs_node
@pytest.mark.parametrize(
    "p", [data.ring(sd=0.3), data.univariate_mixture(), data.grid(side=3, sd=0.2), data.two_moons()]
)
def test_densities_are_those_of_the_package(p):
    torch.manual_seed(0)
    x = p.sample((200,)) + 0.1 * torch.randn(200, *p.event_shape)
    (found,) = call(
        ("toys", "logDensity", [{"toy": toy("data", p)}, {"f32": x.flatten().tolist()}])
    )
    torch.testing.assert_close(torch.tensor(found), p.log_prob(x), atol=0.01, rtol=1e-4)


@needs_node
def test_samples_have_the_moments_of_the_law():
    laws_of_data = [data.ring(), data.grid(), data.two_moons(), data.univariate_mixture()]
    torch.manual_seed(0)
    for p in laws_of_data:
        wanted = p.sample((200_000,))
        program = (
            "import('./toys.js').then(async ({ toy, sampleToy }) => {"
            "const { random } = await import('./random.js');"
            f"const x = sampleToy(toy({json.dumps(toy('data', p))}), 100000, random(1)).x;"
            "process.stdout.write(JSON.stringify([...x])); })"
        )
        done = subprocess.run(["node", "-e", program], cwd=LIVE, capture_output=True, text=True)
        x = torch.tensor(json.loads(done.stdout)).view(-1, wanted.shape[-1])
        spread = wanted.std(0).max()
        torch.testing.assert_close(x.mean(0) / spread, wanted.mean(0) / spread, atol=0.02, rtol=0)
        torch.testing.assert_close(
            x.T.cov() / spread**2, wanted.T.cov() / spread**2, atol=0.03, rtol=0
        )


@needs_node
def test_information_is_the_packages():
    torch.manual_seed(0)
    joint = torch.rand(4, 9, dtype=torch.float64)
    joint[1, 2] = 0
    joint /= joint.sum()
    (found,) = call(("measures", "information", [joint.tolist()]))
    assert found == pytest.approx(dv.information(joint.log()).item())


@needs_node
def test_evidence_by_quadrature_is_the_closed_form_of_a_linear_decoder():
    torch.manual_seed(0)
    linear = nn.Linear(2, 3)
    decoder = laws.Gaussian(linear, torch.tensor([-0.7]))
    model = vae.VAE(laws.Gaussian(nets.mlp(3, 4)), decoder, laws.standard_normal(2))
    spec, weights = describe(model)
    numbers = torch.frombuffer(bytearray(weights), dtype=torch.float32).tolist()
    W, b = linear.weight.detach(), linear.bias.detach()
    p = MultivariateNormal(b, W @ W.T + math.exp(-1.4) * torch.eye(3))
    x = p.sample((6,))
    spec["data"] = {"law": "points", "points": x.tolist()}
    request = [spec, numbers, x.tolist(), [[-6.0, 6.0], [-6.0, 6.0]]]
    (found,) = call((None, "evidence", request))
    assert found == pytest.approx(p.log_prob(x).tolist(), abs=1e-4)


# Descriptions


def small_gan(**changes: Any) -> gan.GAN:
    parts = {"G": nets.mlp(2, 4, 2), "D": nets.critic(2, 4), "p_0": laws.standard_normal(2)}
    return gan.GAN(**parts | changes)


def test_a_description_is_json_and_its_weights_come_back():
    model, other = small_gan(), small_gan()
    spec, weights = describe(model)
    assert json.loads(json.dumps(spec)) == spec
    assert spec["settings"] == {"bound": "bernoulli"}
    restore(other, weights)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    with pytest.raises(ValueError, match="weights: expected 39 numbers, got 38"):
        restore(other, weights[:-4])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"G": nn.Sequential(nn.Linear(2, 4), nn.Dropout())}, "G: expected affine maps.*Dropout"),
        ({"D": nn.Linear(2, 1, bias=False)}, "D: expected affine maps with a bias"),
        ({"p_0": torch.distributions.Laplace(0, 1)}, "p_0: expected standard_normal"),
        ({"bound": lambda v_p, v_q: v_p.mean(-1) - v_q.mean(-1)}, "bound: expected one of"),
    ],
)
def test_what_the_page_cannot_run_is_refused_by_name(changes, message):
    with pytest.raises(TypeError, match=message):
        describe(small_gan(**changes))
    with pytest.raises(TypeError, match="model: expected one of gannotes.models, got Linear"):
        describe(nn.Linear(1, 1))
    with pytest.raises(TypeError, match="data: expected a mixture"):
        toy("data", laws.standard_normal(2))


def test_bounds_and_noise_have_their_names():
    for name, bound in (
        ("bernoulli", bernoulli),
        ("least_squares", least_squares),
        ("relativistic", relativistic),
    ):
        assert bound_name(bound) == name
    for name, row in dv.F_DIVERGENCES.items():
        assert bound_name(variational(row)) == name
    assert noise("p_0", laws.uniform(3, 0, 2)) == {"law": "uniform", "d": 3, "low": 0, "high": 2}
    codes = {"law": "codes", "categorical": [3, 2], "continuous": 1}
    assert noise("p_c", laws.codes((3, 2), 1)) == codes
