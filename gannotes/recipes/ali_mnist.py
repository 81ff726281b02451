"""ALI (BiGAN) on MNIST: an encoder and a decoder that only a critic of pairs brings together."""

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR

from gannotes import data, nets
from gannotes.distributions import Deterministic, standard_normal
from gannotes.models.ali import ALI, step
from gannotes.recipes import protocols
from gannotes.recipes.frame import Average, Desk, Recipe, Row

LATENT = 16
RATE = 1e-3
NOISE = 0.3


class NoisyPair(nn.Module):
    r"""A critic that sees blurred pairs, :math:`D(x + s \epsilon_x,\; z + s \epsilon_z)`.

    Pairs of a deterministic encoder and pairs of a deterministic decoder lie on two thin surfaces
    that a critic tells apart long before they are close; noise on both gives them a common
    support, and as `s` falls to zero the game becomes that of the slides.

    References:
        Sønderby et al., Amortised MAP inference for image super-resolution, 2017.
        Arjovsky and Bottou, Towards principled methods for training generative adversarial
        networks, 2017.

    Args:
        D: the critic of pairs.
        sd: the standard deviation `s`; change it with `D.sd.fill_`.

    Example:
        >>> NoisyPair(lambda x, z: x[:, 0] + z[:, 0], 0.0)(torch.ones(3, 4), torch.ones(3, 2))
        tensor([2., 2., 2.])
    """

    sd: Tensor

    def __init__(self, D: nn.Module, sd: float) -> None:
        super().__init__()
        self.D = D
        self.register_buffer("sd", torch.tensor(sd))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        blurred = (part + self.sd * torch.randn_like(part) for part in (x, z))
        return self.D(*blurred)


def ali_encoder(k: int = LATENT) -> nn.Sequential:
    """The encoder of ALI on MNIST, `(N, 1, 28, 28)` to `(N, k)`; `[:-1]` gives its 256 features.

    Slide: ALI / Experiments (I17).

    Args:
        k: the latent dimension.

    Example:
        >>> E = ali_encoder().eval()
        >>> x = torch.zeros(2, 1, 28, 28)
        >>> E(x).shape, E[:-1](x).shape
        (torch.Size([2, 16]), torch.Size([2, 256]))
    """
    return nn.Sequential(
        nn.Conv2d(1, 32, 4, stride=2, padding=1),
        nets.leaky_relu(),
        nn.Conv2d(32, 64, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nets.leaky_relu(),
        nn.Conv2d(64, 64, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nets.leaky_relu(),
        nn.Flatten(),
        nn.Linear(576, 256, bias=False),
        nn.BatchNorm1d(256),
        nets.leaky_relu(),
        nn.Linear(256, k),
    )


def ali_decoder(k: int = LATENT) -> nn.Sequential:
    """The decoder of ALI on MNIST, `(N, k)` to `(N, 1, 28, 28)`.

    Slide: ALI / Experiments (I17).

    Args:
        k: the latent dimension.

    Example:
        >>> ali_decoder()(torch.zeros(2, 16)).shape
        torch.Size([2, 1, 28, 28])
    """
    return nets.image_generator(k, 32)


def ali_critic(k: int = LATENT) -> nn.Module:
    """The critic of ALI on MNIST: convolutions of `x`, a layer of `z`, and two of both.

    Slide: ALI (E68).

    Args:
        k: the latent dimension.

    Example:
        >>> ali_critic()(torch.zeros(2, 1, 28, 28), torch.zeros(2, 16)).shape
        torch.Size([2])
    """
    images = nn.Sequential(
        nn.Conv2d(1, 32, 4, stride=2, padding=1),
        nets.leaky_relu(),
        nn.Conv2d(32, 64, 4, stride=2, padding=1),
        nets.leaky_relu(),
        nn.Conv2d(64, 64, 4, stride=2, padding=1),
        nets.leaky_relu(),
        nn.Flatten(),
        nn.Linear(576, 256),
    )
    head = nets.critic(256, 256).insert(0, nn.LeakyReLU(0.2))
    return nets.Pair(images, nets.mlp(k, 256, 256), head)


def ali_mnist(desk: Desk, steps: int = 8_000) -> Row:
    """Train BiGAN on MNIST by a critic of blurred pairs, and keep the running average of both maps.

    Slide: ALI / Experiments (A07, I17).

    Args:
        desk: where to train.
        steps: the number of steps, of 64 images each.
    """
    x = data.mnist("train")[0].to(desk.device, memory_format=torch.channels_last)
    E, G, D = desk.place(ali_encoder()), desk.place(ali_decoder()), desk.place(ali_critic())
    blurred = NoisyPair(nets.Autocast(D), NOISE).to(desk.device)
    encoder = Deterministic(nets.Autocast(E))
    decoder = Deterministic(nets.Autocast(G), event_dims=3)
    ali = ALI(encoder, decoder, blurred, standard_normal(LATENT)).to(desk.device)
    both = nn.ModuleList([E, G])
    theta_phi, omega = (Adam(net.parameters(), RATE, (0.5, 0.99), fused=True) for net in (both, D))
    decays = [CosineAnnealingLR(player, steps) for player in (theta_phi, omega)]

    def one(batch: Tensor) -> dict[str, Tensor]:
        blurred.sd.fill_(NOISE * float(decays[0].get_last_lr()[0]) / RATE)
        return step(ali, batch, theta_phi, omega)

    average = Average(both, 0.998)
    desk.fit(one, data.Batches(x, 64, steps, desk.seed), average, *decays)
    E_mean, G_mean = average.module.children()
    shipped = (
        desk.ship(
            E_mean,
            ali_encoder(),
            "recipes.ali_mnist.ali_encoder()",
            f"ali_mnist_encoder_{desk.seed}",
        ),
        desk.ship(
            G_mean,
            ali_decoder(),
            "recipes.ali_mnist.ali_decoder()",
            f"ali_mnist_decoder_{desk.seed}",
        ),
    )
    return ali_scores(*shipped)


ALI_MNIST = Recipe(ali_mnist)


def ali_mnist_baselines(desk: Desk) -> list[Row]:
    """Score what needs no training on MNIST: raw pixels, and three encoders as they were drawn.

    Slide: beyond the deck (evaluation).

    Args:
        desk: the untrained encoders take its seed and the next two.
    """
    pixels = protocols.nearest_class_accuracy(nn.Flatten())
    rows: list[Row] = [{"representation": "pixels", "seed": desk.seed, "nn": pixels}]
    for s in range(desk.seed, desk.seed + 3):
        torch.manual_seed(s)
        E = ali_encoder().eval()
        for name, part in (("untrained features", E[:-1]), ("untrained code", E)):
            accuracy = protocols.nearest_class_accuracy(part)
            rows.append({"representation": name, "seed": s, "nn": accuracy})
    return rows


@torch.no_grad()
def ali_scores(E: nn.Sequential, G: nn.Sequential) -> Row:
    """Judge a pair of maps: neighbours in latent space, reconstructions, samples.

    Slide: ALI / Experiments (I17).

    Args:
        E: the encoder, in evaluation mode.
        G: the decoder, in evaluation mode.

    Returns:
        `nn_code` and `nn_features` (1-nearest-neighbour accuracy on `E(x)` and on the layer before
        it), `class_kept` (share of test digits whose reconstruction the classifier gives their
        label), `pixel_error` (mean of :math:`\\|x - G(E(x))\\|^2`), `confidence` and `share_0` to
        `share_9` of 10,000 samples.
    """
    judge = protocols.classifier()
    x, y = (part[: protocols.QUERIES] for part in data.mnist("test"))
    back = torch.cat([G(E(part)) for part in x.split(500)])
    torch.manual_seed(0)
    samples = G(standard_normal(LATENT).sample(torch.Size((protocols.JUDGED,))))
    return {
        "nn_code": protocols.nearest_class_accuracy(E),
        "nn_features": protocols.nearest_class_accuracy(E[:-1]),
        "class_kept": float((judge(back).argmax(1) == y).double().mean()),
        "pixel_error": float((back - x).square().flatten(1).sum(1).mean()),
        **protocols.class_scores(samples),
    }
