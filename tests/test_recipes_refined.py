"""Learnt steps of inference: exact on linear Gaussian models, and what the shipped ones buy."""

import shutil

import pytest
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from gannotes import results, weights
from gannotes.distributions import Gaussian, standard_normal
from gannotes.models.vae import VAE, step
from gannotes.recipes import RECIPES, SWEEPS, protocols, refined
from gannotes.recipes.vae import digit_vae

NOISE = 0.6
W = torch.tensor([[1.0, 0.5], [0.5, -0.3], [0.0, 1.0]])
b = torch.tensor([0.1, -0.2, 0.3])


def linear(weight, bias):
    net = nn.Linear(*reversed(weight.shape))
    with torch.no_grad():
        net.weight.copy_(weight)
        net.bias.copy_(bias)
    return net


def ppca(weight=W):
    """x | z ~ N(W z + b, 0.6^2), an encoder that ignores x, and the precision of the posterior."""
    precision = torch.eye(2) + weight.T @ weight / NOISE**2
    encoder = linear(torch.zeros(4, 3), torch.cat([torch.tensor([0.3, -0.2]), torch.zeros(2)]))
    decoder = Gaussian(linear(weight, b), torch.tensor(NOISE).log())
    return VAE(Gaussian(encoder), decoder, standard_normal(2)), precision


def mean_field(x, precision, weight=W):
    """The best diagonal Gaussian: the posterior's mean, one over the diagonal of its precision."""
    mean = (x - b) @ weight / NOISE**2 @ precision.inverse()
    return Independent(Normal(mean, precision.diag() ** -0.5), 1)


def evidence(weight=W):
    return MultivariateNormal(b, weight @ weight.T + NOISE**2 * torch.eye(3))


def test_the_slope_is_that_of_the_log_joint():
    """E55."""
    torch.manual_seed(0)
    vae, precision = ppca()
    x, z = vae.sample(6), torch.randn(6, 2)
    with torch.no_grad():  # as where a model is scored
        found = refined.slope(vae, x, z)
    exact = (x - b) @ W / NOISE**2 - z @ precision
    torch.testing.assert_close(found, exact)
    assert not found.requires_grad
    assert all(p.grad is None for p in vae.parameters())


def test_with_the_posteriors_widths_one_step_of_length_one_is_exact():
    """Newton's method on a quadratic: the mean of the posterior from any answer of the encoder."""
    torch.manual_seed(0)
    weight = torch.tensor([[1.0, 0.0], [0.0, 0.7], [0.0, -0.4]])  # a diagonal precision
    vae, precision = ppca(weight)
    with torch.no_grad():
        vae.encoder.net.bias[2:] = precision.diag().log() / -2
    newton = linear(torch.cat([torch.eye(6)[4:], torch.zeros(2, 6)]), torch.zeros(4))  # u = s
    x = vae.sample(6)
    best = mean_field(x, precision, weight)
    q = refined.Refined(vae, [newton])(x)
    torch.testing.assert_close(q.mean, best.mean)
    torch.testing.assert_close(q.stddev, best.stddev)


def test_corrections_correct_nothing_at_first():
    torch.manual_seed(0)
    vae, _ = ppca()
    x = vae.sample(5)
    model = refined.refined_vae(vae, refined.digit_corrections(2))
    before, after = vae.encoder(x), model.encoder(x)
    torch.testing.assert_close(after.mean, before.mean)
    torch.testing.assert_close(after.stddev, before.stddev)
    assert model.decoder is vae.decoder


def test_learnt_steps_find_the_best_gaussians_and_leave_the_model_alone():
    """E55, E65: from an encoder that ignores x, without a change of the evidence."""
    torch.manual_seed(0)
    vae, precision = ppca()
    corrections = refined.digit_corrections(2, 1)
    model = refined.refined_vae(vae, corrections)
    kept = {name: value.clone() for name, value in vae.state_dict().items()}
    psi = torch.optim.Adam(corrections.parameters(), 3e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(psi, 400)
    for _ in range(400):
        step(model, vae.sample(64), psi)
        decay.step()
    x = vae.sample(200)
    best = mean_field(x, precision)
    with torch.no_grad():
        assert kl_divergence(vae.encoder(x), best).mean() > 1
        assert kl_divergence(model.encoder(x), best).mean() < 0.02
        lost = evidence().log_prob(x) - refined.elbo_of(vae, model.encoder(x), x, 500)
    gap = (precision.diag().log().sum() - precision.logdet()) / 2  # of the diagonal family
    assert lost.mean().item() == pytest.approx(gap.item(), abs=0.03)
    for name, value in vae.state_dict().items():
        assert torch.equal(value, kept[name])
    assert all(p.grad is None for p in vae.parameters())


def test_the_search_ends_at_the_best_gaussian():
    torch.manual_seed(0)
    vae, precision = ppca()
    x = vae.sample(100)
    found = refined.best_gaussian(vae, x, 200)
    assert kl_divergence(found, mean_field(x, precision)).mean() < 0.02
    assert all(p.grad is None for p in vae.parameters())


def test_a_short_run_leaves_corrections_and_rows_and_the_sweep_gathers_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(refined, "DIGITS", 6)
    monkeypatch.setattr(refined, "SEARCH", 2)
    digits = protocols.binary_digits()[:20]
    monkeypatch.setattr(protocols, "binary_digits", lambda: digits)
    begin = "avb_mnist_vae_8_0.safetensors"
    shutil.copy(weights.FOLDER / begin, tmp_path / begin)
    RECIPES["vae_mnist_refined_8"](tmp_path, steps=2)
    corrections = refined.digit_corrections(8)
    weights.fill(corrections, tmp_path / "vae_mnist_refined_8_0.safetensors")
    assert all(correct[-1].weight.abs().max() > 0 for correct in corrections)
    assert (
        "recipes.refined.digit_corrections(8)"
        in (tmp_path / "vae_mnist_refined_8_0.md").read_text()
    )
    assert SWEEPS["vae_mnist_refined"].runs(0)[::2] == [
        ("vae_mnist_8", 0),
        ("avb_mnist_vae_8", 0),
        ("vae_mnist_refined_8", 0),
    ]
    sweep = SWEEPS["vae_mnist_refined"]._replace(settings={"k": (8,)})
    sweep.gather([tmp_path] * len(sweep.runs(0)), tmp_path, 0)
    (row,) = results.read(tmp_path / "vae_mnist_refined.csv")
    assert (row["k"], row["seed"]) == (8, 0)
    assert -160 < row["elbo"] < -50
    splits = results.read(tmp_path / "vae_mnist_inference.csv")
    assert [line["split"] for line in splits] == ["train", "validation"]
    assert all(line["digits"] == 6 for line in splits)


@pytest.mark.parametrize("k", [8, 32])
def test_the_shipped_steps_buy_what_the_table_says(k):
    """Digit by digit: half the corrections, or another model's, would not."""
    vae = weights.load(digit_vae(k, 512), f"avb_mnist_vae_{k}_0")
    corrections = weights.load(refined.digit_corrections(k), f"vae_mnist_refined_{k}_0")
    (row,) = (row for row in results.load("vae_mnist_refined") if row["k"] == k)
    (start,) = (row for row in results.load("avb_mnist") if (row["model"], row["k"]) == ("vae", k))
    assert row["elbo"] - row["gain"] == pytest.approx(start["elbo"], abs=0.1)
    x = protocols.binary_digits()[:400]
    elbo = []
    for model in (vae, refined.refined_vae(vae, corrections)):
        torch.manual_seed(0)
        elbo.append(torch.sub(*protocols.bound(model, x)))
    gain = elbo[1] - elbo[0]
    error = gain.std().item() / 400**0.5
    assert gain.mean().item() == pytest.approx(row["gain"], abs=4 * error)
    assert (gain > 0).float().mean() > 0.75
    assert gain.mean() > 10 * error
