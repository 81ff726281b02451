"""VAEs on binarised MNIST: one pair of networks, several latent dimensions."""

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.optim import AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR

from gannotes import data, nets, weights
from gannotes.distributions import Bernoulli, Gaussian, standard_normal
from gannotes.models.vae import VAE, analytic_kl, step
from gannotes.recipes import protocols
from gannotes.recipes.frame import Average, Desk, Row, Sweep

PANELS = (2, 5, 10, 20)  # the slide's four panels, of narrow networks
TABLE = (8, 32)  # the dimensions of the AVB table, of wide ones
WIDTHS = {**dict.fromkeys(PANELS, 256), **dict.fromkeys(TABLE, 512)}
STEPS = {**dict.fromkeys(PANELS, 12_000), **dict.fromkeys(TABLE, 30_000)}
RATE = 2e-3


def digit_decoder(k: int, width: int) -> nn.Sequential:
    """Raw outputs of a Bernoulli decoder, `(N, k)` to `(N, 1, 28, 28)`: dense, then convolutions.

    Slide: VAE / Experiments (E63).

    Args:
        k: the latent dimension.
        width: of the hidden layer.

    Example:
        >>> digit_decoder(2, 8)(torch.zeros(3, 2)).shape
        torch.Size([3, 1, 28, 28])
    """
    return nn.Sequential(
        nn.Linear(k, width),
        nn.SiLU(),
        nn.Linear(width, 32 * 49),
        nn.SiLU(),
        nn.Unflatten(-1, (32, 7, 7)),
        nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),
        nn.SiLU(),
        nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1),
    )


def digit_vae(k: int, width: int = 256) -> VAE:
    """The VAE of every latent dimension on binarised MNIST.

    Slide: VAE / Experiments (E63, F08).

    Args:
        k: the latent dimension.
        width: of the hidden layers.

    Example:
        >>> digit_vae(2).sample(3).shape
        torch.Size([3, 1, 28, 28])
    """
    encoder = nets.mlp(784, width, width, 2 * k, activation=nn.SiLU)
    return VAE(
        Gaussian(encoder.insert(0, nn.Flatten(-3))),
        Bernoulli(nets.Folded(digit_decoder(k, width)), event_dims=3),
        standard_normal(k),
    )


def quick_vae(vae: VAE) -> VAE:
    """The same networks with their products in bfloat16: what trains.

    Example:
        >>> quick_vae(digit_vae(2)).elbo(torch.zeros(3, 1, 28, 28)).shape
        torch.Size([3])
    """
    encoder, decoder = (
        nets.Autocast(part.get_submodule("net")) for part in (vae.encoder, vae.decoder)
    )
    return VAE(Gaussian(encoder), Bernoulli(decoder, event_dims=3), vae.p_0)


def vae_mnist(desk: Desk, k: int, steps: int | None = None) -> Row:
    """Train a VAE on dynamically binarised MNIST, and keep the running average of both networks.

    The divergence term is weighed down in the first tenth of the steps, so that coordinates are
    not given up before they mean something.

    Slide: VAE / Experiments (A06, F08); AVB / MNIST (T04, where its rows "VAE" begin).

    Args:
        desk: where to train.
        k: the latent dimension.
        steps: the number of steps, of 128 images each; 12,000 or 30,000 without it.
    """
    steps, width = steps or STEPS[k], WIDTHS[k]
    x = data.mnist("train")[0].to(desk.device)
    vae = digit_vae(k, width).to(desk.device)
    quick = quick_vae(vae)
    theta_phi = AdamW(vae.parameters(), RATE, fused=True)
    decay = CosineAnnealingLR(theta_phi, steps)

    def annealed(q: Distribution, p_0: Distribution, z: Tensor) -> Tensor:
        return min(1.0, 10 * (decay.last_epoch + 1) / steps) * analytic_kl(q, p_0, z)

    quick.kl = annealed

    def one(batch: Tensor) -> dict[str, Tensor]:
        return step(quick, data.binarise(batch), theta_phi)

    average = Average(vae, 0.999)
    desk.fit(one, data.Batches(x, 128, steps, desk.seed), average, decay)
    made_by = f"recipes.vae.digit_vae({k}, {width})"
    shipped = desk.ship(average.module, digit_vae(k, width), made_by)
    return {"ELBO, test, nats": _elbo(shipped)}


VAE_MNIST = Sweep(vae_mnist, {"k": (*PANELS, *TABLE)})


@torch.no_grad()
def _elbo(vae: VAE) -> float:
    torch.manual_seed(0)
    x = data.binarise(data.mnist("test")[0])
    return float(torch.cat([vae.elbo(part) for part in x.split(500)]).double().mean())


@torch.no_grad()
def vae_kde(desk: Desk) -> list[Row]:
    """Judge the shipped VAEs by the kernel density protocol of the f-GAN table.

    The samples are means of the decoder at draws from the base: of a Bernoulli decoder's draws,
    black and white, the kernels would see mostly the coins.

    Slide: f-GAN / MNIST (T03, its row "VAE").

    Args:
        desk: whose seed is that of the draws.
    """
    rows = []
    for k in PANELS:
        torch.manual_seed(desk.seed)
        vae = digit_vae(k)
        weights.load(vae, f"vae_mnist_{k}_0")
        z = standard_normal(k).sample(torch.Size((protocols.KERNELS,)))
        rows.append({"k": k, **protocols.kde_scores(vae.decoder(z).mean)})
    return rows
