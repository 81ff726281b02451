"""The long runs, cut short: each leaves its weights and its card, and the command finds them."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy import integrate, stats

from gannotes import data, nets, results, runs, weights
from gannotes.distributions import standard_normal
from gannotes.divergences import F_DIVERGENCES, KL, NEYMAN
from gannotes.recipes import RECIPES, SWEEPS, ali, fgan, gan, protocols
from gannotes.recipes.frame import Desk
from gannotes.recipes.mixture import univariate


@pytest.fixture
def quick_judge(monkeypatch):
    """Few digits to judge, and few to compare them with."""
    monkeypatch.setenv("TQDM_DISABLE", "1")
    truth = protocols.digit_features(data.mnist("test")[0][:300])[0]
    monkeypatch.setattr(protocols, "_truth", lambda: truth)
    monkeypatch.setattr(protocols, "JUDGED", 100)


@pytest.mark.parametrize("name", ["mnist_gan", "mnist_gan_plain"])
def test_a_short_gan_leaves_weights_and_a_card(name, tmp_path, quick_judge):
    """A02, F02."""
    RECIPES[name](tmp_path, steps=2)
    G = weights.fill(nets.image_generator(32), tmp_path / f"{name}.safetensors")
    card = (tmp_path / f"{name}.md").read_text()
    for fact in (
        "nets.image_generator(32)",
        "| seed | 0 |",
        "| steps | 2 |",
        "confidence",
        "torch",
    ):
        assert fact in card
    torch.manual_seed(0)
    found = protocols.judge_digits(G(standard_normal(32).sample((100,))))
    said = weights.told(tmp_path / f"{name}.safetensors")
    assert float(said["frechet"]) == pytest.approx(found["frechet"], rel=1e-3)
    assert float(said["precision"]) == pytest.approx(found["precision"], abs=1e-4)


def test_a_film_shows_the_same_codes_before_and_after_a_run(tmp_path, quick_judge):
    RECIPES["mnist_gan"](tmp_path, steps=3)
    film = np.load(tmp_path / "mnist_gan_film.npz")
    assert film["steps"].tolist() == [0, 1, 2, 3]
    assert film["images"].shape == (4, 24, 28, 28)
    assert set(np.unique(film["images"])) <= {17 * grey for grey in range(16)}
    z = torch.randn(24, 32, generator=torch.Generator().manual_seed(7))
    torch.manual_seed(0)
    first = nets.image_generator(32).eval()(z)[:, 0]
    assert np.abs(film["images"][0] - 255 * first.detach().numpy()).max() < 9
    last = weights.fill(nets.image_generator(32), tmp_path / "mnist_gan.safetensors")(z)[:, 0]
    assert np.abs(film["images"][-1] - 255 * last.numpy()).max() < 11  # halves are shipped


def test_a_run_of_the_remedied_game_goes_on_where_it_was(tmp_path, quick_judge):
    """From its last checkpoint, which holds the film as well."""
    ends = []
    for name in ("whole", "again"):
        out = tmp_path / name
        RECIPES["mnist_gan"](out, steps=4)
        if name == "again":
            for path in out.glob("*.safetensors"):
                path.unlink()
            RECIPES["mnist_gan"](out, steps=4)
        ends.append((out / "mnist_gan.safetensors").read_bytes())
        ends.append(np.load(out / "mnist_gan_film.npz")["images"].tobytes())
    assert ends[:2] == ends[2:]


def test_an_f_gan_with_a_penalised_critic_leaves_its_row(tmp_path, quick_judge):
    """T03."""
    RECIPES["fgan_mnist_calm_kl"](tmp_path, steps=2)
    (row,) = results.read(tmp_path / "fgan_mnist_calm_kl_0.csv")
    assert (row["divergence"], row["seed"], row["steps"]) == ("kl", 0, 2)
    G = weights.fill(fgan.fgan_generator(), tmp_path / "fgan_mnist_calm_kl_0.safetensors")
    torch.manual_seed(0)
    found = protocols.judge_digits(G(standard_normal(32).sample((100,))))
    assert row["confidence"] == pytest.approx(found["confidence"], rel=1e-4)


@pytest.mark.parametrize("name", ["ring_plain", "ring_remedied"])
def test_a_stack_of_the_ring_is_deterministic_and_differs_between_seeds(name, tmp_path):
    ends = []
    for run, seed in enumerate([0, 0, 1]):
        out = tmp_path / str(run)
        RECIPES[name](out, seed, steps=3)
        state = load_file(out / f"{name}_{seed}.safetensors")
        ends.append(torch.cat([state[key].flatten() for key in sorted(state)]))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_sixteen_replicas_of_the_grid_are_four_stacks_in_order(tmp_path, monkeypatch):
    """I17: those of the first stack are scored as by hand, from the same random numbers."""
    monkeypatch.setenv("TQDM_DISABLE", "1")
    sweep = SWEEPS["ali_grid"]
    parts = []
    for name, seed in sweep.runs(3):
        run = runs.lay_out(tmp_path, name, seed, settings={"steps": 0})
        assert runs.attempt(run, RECIPES[name]) == "done"
        parts.append(run.folder)
    sweep.gather(parts, tmp_path, 3)
    rows = results.read(tmp_path / "ali_grid.csv")
    names = [name for name in ("ali_grid", "ali_grid_plain") for _ in range(16)]
    assert [row["variant"] for row in rows] == names
    assert [row["seed"] for row in rows[:16]] == [s for s in range(12, 16) for _ in range(4)]
    assert {row["steps"] for row in rows} == {0}
    stack = ali.grid_ali()
    saved = load_file(parts[0] / "ali_grid_remedied_12.safetensors")
    ali.samplers(stack).load_state_dict(saved)
    torch.manual_seed(3)
    scores = ali.grid_scores(stack, 4)
    for i, row in enumerate(rows[:4]):
        for key, values in zip(scores._fields, scores, strict=True):
            assert row[key] == pytest.approx(values[i].item(), rel=1e-4)
    first = weights.fill(ali.samplers(ali.grid_ali(1)), tmp_path / "ali_grid.safetensors")
    for key, value in first.state_dict().items():
        torch.testing.assert_close(value, saved[key][:1], atol=1e-3, rtol=1e-3)


@pytest.fixture
def quick_kde(monkeypatch):
    """The protocol on less: every part is still called."""
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(protocols, "KERNELS", 200)
    monkeypatch.setattr(protocols, "BANDWIDTHS", [0.1, 0.3, 1.0])


def test_a_short_f_gan_leaves_weights_a_card_and_a_row(tmp_path, quick_kde):
    RECIPES["fgan_mnist_jeffrey"](tmp_path, steps=2)
    path = tmp_path / "fgan_mnist_jeffrey_0"
    weights.fill(fgan.fgan_generator(), path.with_suffix(".safetensors"))
    assert "| seed | 0 |" in path.with_suffix(".md").read_text()
    (row,) = results.read(path.with_suffix(".csv"))
    assert (row["divergence"], row["seed"], row["steps"]) == ("jeffrey", 0, 2)
    assert sum(row[f"share_{digit}"] for digit in range(10)) == pytest.approx(1, abs=1e-4)


def test_a_lost_game_ends_with_a_row_that_says_at_which_step(tmp_path, quick_kde, monkeypatch):
    def lost(*_, **__):
        raise FloatingPointError("objective: expected finite values, got inf")

    monkeypatch.setattr(fgan, "step_alternating", lost)
    RECIPES["fgan_mnist_kl"](tmp_path, steps=2)
    assert results.read(tmp_path / "fgan_mnist_kl_0.csv")[0]["steps"] == 0


def test_the_table_of_f_gans_gathers_the_rows_of_its_runs(tmp_path):
    sweep = SWEEPS["fgan_mnist"]
    parts = [tmp_path / f"{name}_{seed}" for name, seed in sweep.runs(5)]
    for part, (name, seed) in zip(parts, sweep.runs(5), strict=True):
        part.mkdir()
        row = {"divergence": name.removeprefix("fgan_mnist_"), "seed": seed, "kde": 1.0}
        results.write(part / f"{name}_{seed}.csv", [row])
    sweep.gather(parts, tmp_path, 5)
    rows = results.read(tmp_path / "fgan_mnist.csv")
    expected = [(name, seed) for seed in (15, 16, 17) for name in F_DIVERGENCES]
    assert [(row["divergence"], row["seed"]) for row in rows] == expected


def test_sixteen_replicas_of_the_ring_are_four_stacks_in_order(tmp_path, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    sweep = SWEEPS["ring"]
    parts = [tmp_path / f"{name}_{seed}" for name, seed in sweep.runs(1)]
    for part, (name, seed) in zip(parts, sweep.runs(1), strict=True):
        RECIPES[name](part, seed, steps=1)
    sweep.gather(parts, tmp_path, 1)
    for game, name in (
        ("plain", "ring_plain"),
        ("penalised", "ring_penalised"),
        ("remedied", "ring"),
    ):
        G = weights.fill(gan.ring_generator(16), tmp_path / f"{name}.safetensors")
        z = torch.randn(4, 10, 5)
        for j in range(4):
            run = f"ring_{game}_{4 + j}"
            stack = weights.fill(gan.ring_generator(), tmp_path / run / f"{run}.safetensors")
            inputs = torch.zeros(16, 10, 5)
            inputs[4 * j : 4 * j + 4] = z
            torch.testing.assert_close(G(inputs)[4 * j : 4 * j + 4], stack(z), atol=5e-3, rtol=0)
        told = weights.told(tmp_path / f"{name}.safetensors")
        assert told["run"] == "python -m gannotes run ring --seed 1 --steps 1"
        assert (told["game"], told["seed"], told["steps"]) == (game, [4, 5, 6, 7], 1)


def test_the_protocol_gives_the_training_images_their_known_score():
    """T03, I11: 16,384 kernels on training images: 268 nats by an independent computation."""
    images = data.mnist("train")[0][:16_384]
    bandwidth, values = protocols.kde_protocol(images)
    assert values.shape == (10_000,)
    assert 260 < values.mean() < 275
    assert 0.14 < bandwidth < 0.19


def mixture(x):
    """The recovered mixture, by scipy."""
    return 0.33 * stats.norm(-1, 0.255).pdf(x) + 0.67 * stats.norm(2, 1.415).pdf(x)


def test_a_short_univariate_run_finds_the_moments_and_keeps_the_bound(tmp_path, monkeypatch):
    """E53, A05, F07."""
    monkeypatch.setenv("TQDM_DISABLE", "1")
    found = univariate(Desk(tmp_path, "x"), KL, replicas=2, steps=600)
    assert found.cross.shape == (2, 9)
    for i, (mu, sigma) in enumerate(zip(found.mu.tolist(), found.sigma.tolist(), strict=True)):
        assert (mu, sigma) == pytest.approx((1.010, 1.831), abs=0.1)  # it starts at (0, 1)
        q = stats.norm(mu, sigma)
        kl, _ = integrate.quad(lambda x, q=q: mixture(x) * math.log(mixture(x) / q.pdf(x)), -8, 14)
        tv, _ = integrate.quad(lambda x, q=q: abs(mixture(x) - q.pdf(x)) / 2, -8, 14, limit=500)
        assert found.exact[i].item() == pytest.approx(kl, abs=1e-5)
        assert found.cross[i, list(F_DIVERGENCES).index("kl")] == found.exact[i]
        assert found.cross[i, list(F_DIVERGENCES).index("total_variation")].item() == (
            pytest.approx(tv, abs=1e-4)
        )
    assert (found.bound <= found.exact + 1e-6).all()
    assert (found.bound > 0.8 * found.exact).all()  # an untrained critic's is below zero
    assert ((found.F - found.bound).abs() < 5 * found.F_se).all()
    assert not torch.equal(found.mu[0], found.mu[1])


def test_a_univariate_divergence_that_is_infinite_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    desk = Desk(tmp_path, "x")
    found = univariate(desk, NEYMAN, replicas=1, steps=1)  # still near N(0, 1): Pearson's is
    assert found.cross[0, list(F_DIVERGENCES).index("neyman")] == found.exact[0]
    pearson = found.cross[0, list(F_DIVERGENCES).index("pearson")]
    assert pearson.isinf() == (found.sigma[0] <= 1.415 / math.sqrt(2))  # infinite up to 1.0006
    assert found.exact.isfinite().all()


def test_the_univariate_table_has_a_row_for_each_run(tmp_path, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    RECIPES["fgan_univariate"](tmp_path, replicas=2, steps=1)
    rows = results.read(tmp_path / "fgan_univariate.csv")
    assert [row["divergence"] for row in rows] == [n for n in F_DIVERGENCES for _ in range(2)]
    assert {row["replica"] for row in rows} == {0, 1}
    for row in rows:
        assert row["exact"] == row[row["divergence"]]
        assert row["bound"] <= row["exact"] + 1e-6


def shipped():
    """(divergence -> rows) of the shipped table."""
    rows = results.load("fgan_univariate")
    return {name: [r for r in rows if r["divergence"] == name] for name in F_DIVERGENCES}


def test_the_shipped_univariate_table_is_whole_and_never_above_the_truth():
    for name, rows in shipped().items():
        assert len(rows) == 16, name
        for row in rows:
            assert row["bound"] <= row["exact"] + 1e-6, name
            assert row["F"] <= row["exact"] + 4 * row["F_se"], name


def test_the_shipped_errors_are_at_most_the_published_ones():
    published = {row["divergence"]: row for row in results.load("published_fgan_univariate")}
    for key in ("mu", "sigma"):
        ours, theirs = [], []
        for name, row in published.items():
            star = row[f"{key}_star"]
            errors = torch.tensor([abs(r[key] - star) for r in shipped()[name]])
            ours.append(errors.median().item())
            theirs.append(abs(row[key] - star))
        assert sum(ours) <= sum(theirs)
