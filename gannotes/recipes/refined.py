r"""A VAE whose encoder looks at the decoder once more: learnt steps of inference on MNIST.

An encoder answers in one go, and on digits that it has not seen it answers worse than on those that
it was trained on, though the decoder would have a good :math:`z` for them. The decoder can be asked
where to go: with :math:`\mu` and :math:`\sigma` the encoder's answer and
:math:`\epsilon = (z - \mu) / \sigma`, its slope at the answer is

.. math:: s = \frac{\partial}{\partial \epsilon} \log p_\theta(x, \mu + \sigma \epsilon)
            = \sigma \, \frac{\partial}{\partial z} \log p_\theta(x, z) \Big|_{z = \mu},

and a small network turns it into a better answer, a diagonal Gaussian again:

.. math:: (u, v) = c_\psi(\mu, \log \sigma, s), \qquad
          \mu' = \mu + \sigma u, \qquad \log \sigma' = \log \sigma + v.

References: Marino, Yue and Mandt, *Iterative amortized inference*, 2018 (arXiv 1807.09356).
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import process_time
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal
from torch.optim import Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR

from gannotes import data, metrics, nets, results, runs, weights
from gannotes.distributions import standard_normal
from gannotes.models.vae import VAE, analytic_kl, step
from gannotes.optim import ascend, fit
from gannotes.recipes.avb import avb_mnist_one
from gannotes.recipes.card import start, write_card
from gannotes.recipes.likelihood import bound, test_digits
from gannotes.recipes.vae import TABLE, WIDTHS, digit_vae, quick_vae

CORRECTIONS = 2
STEPS = 2_000
RATE = 2e-3
DIGITS = 500  # of each split, whose best Gaussians are sought one by one
SEARCH = 100  # steps of that search


class Refined(nn.Module):
    r"""The encoder of a VAE, and after it learnt steps of inference through its decoder.

    .. math:: (u, v) = c_\psi(\mu, \log \sigma, s), \qquad
              \mu' = \mu + \sigma u, \qquad \log \sigma' = \log \sigma + v, \qquad
              s = \sigma\, \partial_z \log p_\theta(x, z) |_{z = \mu}

    The slope is an input: no gradient passes through its computation.

    Slide: beyond the deck (the encoder of E61, E63).

    References:
        Marino, Yue and Mandt, Iterative amortized inference, 2018.

    Args:
        vae: with a Gaussian encoder; its networks are shared, not copied.
        corrections: networks from `(..., 3 k)` to `(..., 2 k)`, one for each step.

    Example:
        >>> vae = digit_vae(2)
        >>> Refined(vae, digit_corrections(2))(torch.zeros(3, 1, 28, 28)).mean.shape
        torch.Size([3, 2])
    """

    def __init__(self, vae: VAE, corrections: Iterable[nn.Module]) -> None:
        super().__init__()
        self.vae = vae
        self.corrections = nn.ModuleList(corrections)

    def forward(self, x: Tensor) -> Independent:
        """Map data `(..., N, *data)` to a Gaussian of batch shape `(..., N)`."""
        q = self.vae.encoder(x)
        mean, log_sd = q.mean, q.stddev.log()
        for correct in self.corrections:
            s = log_sd.exp() * slope(self.vae, x, mean)
            u, v = correct(torch.cat([mean, log_sd, s], -1)).chunk(2, -1)
            mean, log_sd = mean + log_sd.exp() * u, log_sd + v
        return Independent(Normal(mean, log_sd.exp(), validate_args=False), 1)


@torch.enable_grad()
def slope(vae: VAE, x: Tensor, z: Tensor) -> Tensor:
    r""":math:`\partial_z \log p_\theta(x, z)`, the direction in which the posterior rises.

    Slide: beyond the deck (of the log joint in E55).

    Args:
        vae: the model; no parameter of it receives a gradient.
        x: data `(..., N, *data)`.
        z: latent points `(..., N, k)`.

    Returns:
        Nats per unit of `z`, `(..., N, k)`, detached.

    Example:
        >>> slope(digit_vae(2), torch.zeros(3, 1, 28, 28), torch.zeros(3, 2)).shape
        torch.Size([3, 2])
    """
    z = z.detach().requires_grad_()
    (found,) = torch.autograd.grad(vae.log_joint(x, z).sum(), z)
    return found


def digit_corrections(k: int, count: int = CORRECTIONS) -> nn.ModuleList:
    """The networks of the learnt steps, which correct nothing at first.

    Slide: beyond the deck.

    Args:
        k: the latent dimension.
        count: the number of steps.

    Example:
        >>> digit_corrections(2)[0](torch.ones(1, 6))
        tensor([[0., 0., 0., 0.]], grad_fn=<AddmmBackward0>)
    """
    corrections = [nets.mlp(3 * k, 256, 256, 2 * k, activation=nn.SiLU) for _ in range(count)]
    for correct in corrections:
        last = cast(nn.Linear, correct[-1])
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    return nn.ModuleList(corrections)


def refined_vae(vae: VAE, corrections: Iterable[nn.Module]) -> VAE:
    """The same model of `x` with a better encoder: only the bound changes, not `log p(x)`.

    Slide: beyond the deck (the bound of E65).

    Args:
        vae: the model; its networks are shared, not copied.
        corrections: as for `Refined`.

    Example:
        >>> refined_vae(digit_vae(2), digit_corrections(2)).elbo(torch.zeros(3, 1, 28, 28)).shape
        torch.Size([3])
    """
    return VAE(Refined(vae, corrections), vae.decoder, vae.p_0)


def best_gaussian(vae: VAE, x: Tensor, steps: int = SEARCH) -> Independent:
    """Each point's own best diagonal Gaussian, sought from the encoder's answer on.

    What it reaches no encoder of this family can exceed: the rest of the distance to `log p(x)` is
    the family's, what lies between is the encoder's.

    Slide: beyond the deck (the maximum over q in E55).

    References:
        Cremer, Li and Duvenaud, Inference suboptimality in variational autoencoders, 2018.

    Args:
        vae: the model, of which nothing moves.
        x: data `(N, *data)`.
        steps: of the ascent, with four samples of the latent point each.

    Returns:
        A distribution of batch shape `(N,)`.
    """
    with torch.no_grad():
        q = vae.encoder(x)
    u, v = (torch.zeros_like(q.mean, requires_grad=True) for _ in range(2))
    both = Adam([u, v], 0.1)
    decay = CosineAnnealingLR(both, steps)

    def moved() -> Independent:
        return Independent(Normal(q.mean + q.stddev * u, q.stddev * v.exp()), 1)

    for _ in range(steps):
        ascend(both, elbo_of(vae, moved(), x, 4).sum())
        decay.step()
    with torch.no_grad():
        return moved()


def elbo_of(vae: VAE, q: Distribution, x: Tensor, N_z: int) -> Tensor:
    r"""The bound with any law of the latent point in the encoder's place.

    .. math:: \frac{1}{N_z} \sum_j \log p_\theta(x \mid z_j) - \mathrm{KL}(q \| p_0), \quad
              z_j \sim q

    Slide: VAE / Experiments (E65).

    Args:
        vae: decoder and base.
        q: a law of batch shape `(N,)`.
        x: data `(N, *data)`.
        N_z: the number of samples.

    Returns:
        Nats, `(N,)`.
    """
    z = q.rsample(torch.Size((N_z,)))
    return vae.decoder(z).log_prob(x).mean(0) - analytic_kl(q, vae.p_0, z)


def vae_mnist_refined_one(
    k: int, out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS
) -> None:
    """Teach a trained VAE of MNIST two learnt steps of inference; its own networks rest.

    It begins with the weights of `avb_mnist_vae_k`, taken from `out` or from the run of the same
    seed beside it; if they are in neither, they are trained first.

    Slide: beyond the deck (beside T04, its rows "VAE").

    Args:
        k: the latent dimension, 8 or 32.
        out: the folder for the checkpoint, the weights, the card and the rows of the tables.
        seed: of the weights that it begins with, the batches, the binarisation and the noise.
        device: where to train.
        steps: the number of steps, of 128 images each.
    """
    base = _base(k, out, seed, device)
    began = start(out, seed)
    torch.set_num_threads(1)
    name = f"vae_mnist_refined_{k}_{seed}"
    x = data.mnist("train")[0].to(device)
    base.to(device).p_0 = standard_normal(k, x)
    corrections = digit_corrections(k).to(device)
    quick = refined_vae(quick_vae(base), corrections)
    psi = AdamW(corrections.parameters(), RATE, fused=True)
    decay = CosineAnnealingLR(psi, steps)

    def one(batch: Tensor) -> dict[str, Tensor]:
        values = step(quick, data.binarise(batch), psi)  # only the corrections move
        decay.step()
        return values

    cpu = process_time()
    fit(one, data.Batches(x, 128, steps, seed), checkpoint=out / f"{name}.checkpoint")
    minutes = (process_time() - cpu) / 60
    weights.save(corrections, out / f"{name}.safetensors")
    base.cpu().p_0 = standard_normal(k)
    weights.fill(corrections.cpu(), out / f"{name}.safetensors")
    scores = _scores(base, corrections)
    row = {"k": k, "seed": seed, **scores, "minutes": minutes}
    results.write(out / f"{name}.csv", [row])
    splits = ("train", "validation")
    table = [{"k": k, "split": word, **_split(base, corrections, word)} for word in splits]
    results.write(out / f"{name}_inference.csv", table)
    architecture = f"recipes.digit_corrections({k})"
    write_card(out / f"{name}.md", vae_mnist_refined_one, architecture, seed, began, scores)


def vae_mnist_refined_single(k: int) -> Callable[..., None]:
    """The recipe of one latent dimension, for the command line.

    Slide: beyond the deck (beside T04).

    Example:
        >>> vae_mnist_refined_single(8).__name__
        'vae_mnist_refined_8'
    """

    def recipe(out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS) -> None:
        vae_mnist_refined_one(k, out, seed, device, steps)

    recipe.__name__ = f"vae_mnist_refined_{k}"
    recipe.__doc__ = f"Teach the VAE of {k} dimensions on MNIST learnt steps of inference."
    return recipe


def vae_mnist_refined_runs(seed: int = 0) -> list[tuple[str, int]]:
    """The runs behind the tables: from each of the two VAEs of the AVB table, one.

    Slide: beyond the deck (beside T04).

    Args:
        seed: of all runs.

    Example:
        >>> vae_mnist_refined_runs()[-1]
        ('vae_mnist_refined_32', 0)
    """
    names = ("vae_mnist_{}", "avb_mnist_vae_{}", "vae_mnist_refined_{}")
    return [(name.format(k), seed) for name in names for k in TABLE]


def vae_mnist_refined(parts: Sequence[Path], out: Path, seed: int = 0) -> None:
    """Gather the bounds with learnt steps of inference, and the split of what encoders lose.

    Slide: beyond the deck (beside T04).

    Args:
        parts: the folders of `vae_mnist_refined_runs(seed)`.
        out: the folder for the two tables.
        seed: of all runs.
    """
    stems = [
        part / f"vae_mnist_refined_{k}_{seed}"
        for part, k in zip(parts[-len(TABLE) :], TABLE, strict=True)
    ]
    for table, ending in (("vae_mnist_refined", ""), ("vae_mnist_inference", "_inference")):
        rows = [
            row
            for stem in stems
            for row in results.read(stem.with_name(f"{stem.name}{ending}.csv"))
        ]
        results.write(out / f"{table}.csv", rows)


def _base(k: int, out: Path, seed: int, device: str) -> VAE:
    """The VAE that is refined, frozen."""
    name = f"avb_mnist_vae_{k}"
    begin = runs.beside(out, name) / f"{name}_{seed}.safetensors"
    if not begin.is_file():
        avb_mnist_one("vae", k, out, seed, device)
    vae = digit_vae(k, WIDTHS[k])
    weights.fill(vae, begin)
    return vae


def _scores(base: VAE, corrections: nn.ModuleList) -> dict[str, float]:
    """The bound of all test digits, and what the corrections have bought, digit by digit."""
    x = test_digits()
    terms = []
    for model in (base, refined_vae(base, corrections)):
        torch.manual_seed(0)
        terms.append(bound(model, x))
    before, after = (log_likelihood - kl for log_likelihood, kl in terms)
    return {
        "elbo": float(after.mean()),
        "elbo_sem": float(metrics.standard_error(after)),
        "kl": float(terms[1][1].mean()),
        "gain": float((after - before).mean()),
        "gain_sem": float(metrics.standard_error(after - before)),
    }


def _split(base: VAE, corrections: nn.ModuleList, split: str) -> dict[str, float]:
    """Mean bounds of some digits: the encoder's, the refined one's, and the best Gaussians'."""
    torch.manual_seed(0)
    images = data.mnist(split)[0]
    x = data.binarise(images[torch.randperm(len(images))[:DIGITS]])
    refined = refined_vae(base, corrections)
    with torch.no_grad():
        laws = {"encoder": base.encoder(x), "refined": refined.encoder(x)}
    laws["best"] = best_gaussian(refined_vae(quick_vae(base), corrections), x)
    with torch.no_grad():
        elbo = {name: elbo_of(base, q, x, 16) for name, q in laws.items()}
    lost = {name: elbo["best"] - elbo[name] for name in ("encoder", "refined")}
    means = {name: float(value.mean()) for name, value in elbo.items()}
    errors = {f"lost_{name}_sem": float(metrics.standard_error(lost[name])) for name in lost}
    return {**means, **errors, "digits": len(x)}
