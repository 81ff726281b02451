"""The recipes of VAE and AVB on MNIST, cut short, and their scores on a model with known truth."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from gannotes import data, results, runs, weights
from gannotes.distributions import Gaussian, adaptive, standard_normal
from gannotes.models.vae import VAE
from gannotes.recipes import RECIPES, SWEEPS, avb, protocols, vae


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Every part is still called."""
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(avb, "FIRST", 2)
    monkeypatch.setattr(protocols, "ANNEALED", 4)
    monkeypatch.setattr(protocols, "TEMPERATURES", 3)
    monkeypatch.setattr(protocols, "KERNELS", 50)
    digits = protocols.binary_digits()[:20]
    monkeypatch.setattr(protocols, "binary_digits", lambda: digits)


def test_a_short_vae_leaves_weights_and_a_card(tmp_path):
    """A06, F08."""
    RECIPES["vae_mnist_2"](tmp_path, steps=2)
    path = tmp_path / "vae_mnist_2_0"
    model = vae.digit_vae(2)
    weights.fill(model, path.with_suffix(".safetensors"))
    assert model.decoder(torch.zeros(3, 2)).mean.shape == (3, 1, 28, 28)
    told = weights.told(path.with_suffix(".safetensors"))
    assert told["architecture"] == "recipes.vae.digit_vae(2, 256)"
    assert told["steps"] == 2
    elbo = told["ELBO, test, nats"]
    assert -784 * math.log(2) - 20 < elbo < -300  # hardly trained: no better than coins


def test_the_three_models_begin_at_one_vae_and_leave_rows(tmp_path):
    torch.manual_seed(0)
    weights.save(vae.digit_vae(8, 512), tmp_path / "vae_mnist_8_0.safetensors")
    ends = {}
    for name in avb.MODELS:
        RECIPES[f"avb_mnist_{name}_8"](tmp_path, steps=2)
        path = tmp_path / f"avb_mnist_{name}_8_0"
        (row,) = results.read(path.with_suffix(".csv"))
        assert (row["model"], row["k"], row["seed"], row["images"]) == (name, 8, 0, 4)
        images = results.read(tmp_path / f"{path.name}_images.csv")
        mean = sum(image["log_p"] for image in images) / 4
        assert mean == pytest.approx(row["log_p"], rel=1e-4)
        assert row["log_p"] > -784 * math.log(2) - 20
        assert name == "vae" or "digit_avb" in path.with_suffix(".md").read_text()
        ends[name] = row["elbo"]
    assert ends["vae"] == pytest.approx(ends["avb"], abs=5)
    assert ends["avb"] == pytest.approx(ends["avb_ac"], abs=5)


def test_a_run_begins_with_the_vae_of_the_run_beside_it(tmp_path, monkeypatch):
    """Of the same seed, and only once that is done."""
    vaes = [runs.lay_out(tmp_path, "vae_mnist_8", seed) for seed in (0, 1)]
    for run in vaes:
        torch.manual_seed(run.configuration["seed"])
        name = f"{run.configuration['recipe']}_{run.configuration['seed']}.safetensors"
        weights.save(vae.digit_vae(8, 512), run.folder / name)
    runs.say(runs.claim(vaes[1]), 1.0, "done")
    trained = []

    def train(desk, k):
        trained.append(desk.seed)
        desk.ship(vae.digit_vae(8, 512), vae.digit_vae(8, 512), "x")
        return {}

    train.__name__ = "vae_mnist"
    monkeypatch.setattr(avb, "vae_mnist", train)
    for seed in (0, 1):
        run = runs.lay_out(tmp_path, "avb_mnist_vae_8", seed, settings={"steps": 1})
        assert runs.attempt(run, RECIPES["avb_mnist_vae_8"]) == "done"
        assert (run.folder / f"avb_mnist_vae_8_{seed}.history.safetensors").is_file()
    assert trained == [0]
    told = weights.told(run.folder / "avb_mnist_vae_8_1.safetensors")
    assert told["run"] == "python -m gannotes run avb_mnist_vae_8 --seed 1 --steps 1"


def test_an_avb_begins_with_the_law_of_its_vae():
    torch.manual_seed(0)
    begin = vae.digit_vae(3)
    x = data.binarise(data.mnist("test")[0][:5])
    q = begin.encoder(x)
    model = avb.digit_avb(begin)
    law = model.encoder(x)
    torch.manual_seed(1)
    z = law.rsample((4,))
    torch.manual_seed(1)
    noise = model.encoder.noise.sample((4, 5))
    torch.testing.assert_close(z, q.mean + q.stddev * noise[..., :3])
    assert model.decoder is begin.decoder


def test_all_networks_of_a_quick_model_are_those_of_the_slow_one():
    torch.manual_seed(0)
    begin = vae.digit_vae(2)
    for slow, fast in [
        (begin, vae.quick_vae(begin)),
        (avb.digit_avb(begin), avb.quick_avb(avb.digit_avb(begin))),
    ]:
        assert len(list(slow.parameters())) == len(list(fast.parameters()))
    assert {id(p) for p in begin.parameters()} == {id(p) for p in vae.quick_vae(begin).parameters()}


def conjugate(noise=0.5):
    """z ~ N(0, I), x | z ~ N(1.5 z, noise^2), and a wrong Gaussian encoder."""
    decoder, encoder = nn.Linear(2, 2), nn.Linear(2, 4)
    with torch.no_grad():
        decoder.weight.copy_(1.5 * torch.eye(2))
        decoder.bias.zero_()
        encoder.weight.copy_(torch.cat([0.5 * torch.eye(2), torch.zeros(2, 2)]))
        encoder.bias.copy_(torch.tensor([0.1, -0.1, -1.0, -1.2]))
    model = VAE(Gaussian(encoder), Gaussian(decoder, torch.tensor(noise).log()), standard_normal(2))
    evidence = Independent(Normal(torch.zeros(2), (1.5**2 + noise**2) ** 0.5), 1)
    return model, evidence


def test_annealing_finds_a_known_evidence_and_the_bound_stays_below(monkeypatch):
    """I10, T04."""
    monkeypatch.setattr(protocols, "TEMPERATURES", 200)
    torch.manual_seed(0)
    model, evidence = conjugate()
    x = evidence.sample((60,))
    exact = evidence.log_prob(x)
    found = protocols.annealed(model, x)
    assert found.log_weights.shape == (4, 60)
    assert abs((found.log_p - exact).mean()) < 0.05
    log_likelihood, kl = protocols.bound(model, x, N_z=200)
    q = model.encoder(x)
    precision, mean = 1.5**2 / 0.25 + 1, 1.5 / 0.25 * x / (1.5**2 / 0.25 + 1)
    posterior = Independent(Normal(mean, precision**-0.5), 1)
    gap = torch.distributions.kl_divergence(q, posterior)
    torch.testing.assert_close(log_likelihood - kl, exact - gap, rtol=0, atol=0.6)
    assert abs((log_likelihood - kl - exact + gap).mean()) < 0.1


def test_the_start_of_the_annealing_has_the_encoders_moments():
    torch.manual_seed(0)
    model, evidence = conjugate()
    x = evidence.sample((10,))
    q, fit = model.encoder(x), protocols.fitted(model, x)
    torch.testing.assert_close(fit.mean, q.mean, rtol=0, atol=0.1)
    torch.testing.assert_close(fit.stddev, q.stddev, rtol=0.15, atol=0)


def test_the_kernel_density_of_the_vaes_has_a_row_for_each(tmp_path, monkeypatch):
    monkeypatch.setattr(protocols, "kde_protocol", lambda x: (0.2, x.flatten(1).mean(1)))
    monkeypatch.setattr(vae, "PANELS", (2, 5))
    monkeypatch.setattr(weights, "load", lambda net, name: net)
    RECIPES["vae_kde"](tmp_path)
    rows = results.read(tmp_path / "vae_kde.csv")
    assert [row["k"] for row in rows] == [2, 5]
    assert all(0 < row["kde"] < 1 for row in rows)


def test_the_table_gathers_the_rows_of_its_runs(tmp_path):
    sweep = SWEEPS["avb_mnist"]
    assert all(name in RECIPES for name, _ in sweep.runs(0))
    parts = [tmp_path / name for name, _ in sweep.runs(0)]
    for k in (8, 32):
        for name in avb.MODELS:
            stem = tmp_path / f"avb_mnist_{name}_{k}" / f"avb_mnist_{name}_{k}_0"
            stem.parent.mkdir()
            results.write(stem.with_suffix(".csv"), [{"model": name, "k": k, "elbo": -90.0}])
            images = [{"image": i, "elbo": -91.0, "log_p": -90.0 - i} for i in range(3)]
            results.write(stem.with_name(f"{stem.name}_images.csv"), images)
    sweep.gather(parts, tmp_path, 0)
    assert len(results.read(tmp_path / "avb_mnist.csv")) == 6
    table = results.read(tmp_path / "avb_mnist_images.csv")
    assert [row["log_p_avb_ac_32"] for row in table] == [-90, -91, -92]


DIGITS = protocols.binary_digits()


@pytest.mark.parametrize("k", [8, 32])
@pytest.mark.parametrize("name", avb.MODELS)
def test_the_shipped_models_have_the_shipped_bounds(name, k):
    """T04: digit by digit, which no other model's weights would do."""
    model = vae.digit_vae(k, 512)
    if name != "vae":
        model = avb.digit_avb(model, adaptive if name == "avb_ac" else None)
    weights.load(model, f"avb_mnist_{name}_{k}_0")
    torch.manual_seed(0)
    log_likelihood, kl = protocols.bound(model, DIGITS[:400])
    elbo = (log_likelihood - kl).double()
    stored = torch.tensor(
        [row[f"elbo_{name}_{k}"] for row in results.load("avb_mnist_images")], dtype=torch.float64
    )
    rows = {(row["model"], row["k"]): row for row in results.load("avb_mnist")}
    assert stored.mean().item() == pytest.approx(rows[name, k]["elbo_annealed"], abs=1e-3)
    assert elbo.mean().item() == pytest.approx(stored.mean().item(), abs=0.25)
    assert torch.corrcoef(torch.stack([elbo, stored]))[0, 1] > 0.99
