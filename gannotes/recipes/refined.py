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

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal
from torch.optim import Adam, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR

from gannotes import data, metrics, nets, results, weights
from gannotes.models.vae import VAE, analytic_kl, step
from gannotes.optim import ascend
from gannotes.recipes import protocols
from gannotes.recipes.avb import AVB_MNIST, avb_mnist
from gannotes.recipes.frame import Desk, Recipe, Row, Sweep, rows
from gannotes.recipes.vae import TABLE, WIDTHS, digit_vae, quick_vae

CORRECTIONS = 2
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


def vae_mnist_refined(desk: Desk, k: int, steps: int = 2_000) -> Row:
    """Teach a trained VAE of MNIST two learnt steps of inference; its own networks rest.

    It begins with the weights of `avb_mnist_vae_k`.

    Slide: beyond the deck (beside T04, its rows "VAE").

    Args:
        desk: where to train.
        k: the latent dimension, 8 or 32.
        steps: the number of steps, of 128 images each.
    """
    begin = desk.needs(Recipe(avb_mnist, model="vae", k=k))
    base = digit_vae(k, WIDTHS[k])
    weights.fill(base, begin)
    torch.manual_seed(desk.seed)
    x = data.mnist("train")[0].to(desk.device)
    base.to(desk.device)
    corrections = digit_corrections(k).to(desk.device)
    quick = refined_vae(quick_vae(base), corrections)
    psi = AdamW(corrections.parameters(), RATE, fused=True)

    def one(batch: Tensor) -> dict[str, Tensor]:
        return step(quick, data.binarise(batch), psi)  # only the corrections move

    desk.fit(one, data.Batches(x, 128, steps, desk.seed), CosineAnnealingLR(psi, steps))
    base.cpu()
    made_by = f"recipes.refined.digit_corrections({k})"
    shipped = desk.ship(corrections, digit_corrections(k), made_by)
    row = _scores(base, shipped)
    splits = ("train", "validation")
    table = [{"k": k, "split": split, **_split(base, shipped, split)} for split in splits]
    results.write(desk.file("_inference.csv"), table)
    return row


def _scores(base: VAE, corrections: nn.ModuleList) -> dict[str, float]:
    """The bound of all test digits, and what the corrections have bought, digit by digit."""
    x = protocols.binary_digits()
    terms = []
    for model in (base, refined_vae(base, corrections)):
        torch.manual_seed(0)
        terms.append(protocols.bound(model, x))
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


def _collect(files: Sequence[Path], out: Path, seed: int) -> None:
    """The bounds with learnt steps of inference, and the split of what encoders lose."""
    rows(files, out / "vae_mnist_refined.csv")
    rows(files, out / "vae_mnist_inference.csv", "_inference")


VAE_MNIST_REFINED = Sweep(
    vae_mnist_refined,
    {"k": TABLE},
    collect=_collect,
    after=AVB_MNIST._replace(settings={"k": TABLE, "model": ("vae",)}),
)
