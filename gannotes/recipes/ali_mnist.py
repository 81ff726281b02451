"""ALI (BiGAN) on MNIST: an encoder and a decoder that only a critic of pairs brings together."""

from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gannotes import data, metrics, nets, results, weights
from gannotes.distributions import Deterministic, standard_normal
from gannotes.models.ali import ALI, step
from gannotes.optim import fit
from gannotes.recipes.card import start, write_card

LATENT = 16
STEPS = 8_000
RATE = 1e-3
NOISE = 0.3
REFERENCES, QUERIES = 55_000, 10_000  # training and test digits of the nearest-neighbour scores


class NoisyPair(nn.Module):
    r"""A critic that sees blurred pairs, :math:`D(x + s \epsilon_x,\; z + s \epsilon_z)`.

    Pairs of a deterministic encoder and pairs of a deterministic decoder lie on two thin surfaces
    that a critic tells apart long before they are close; noise on both gives them a common
    support, and as `s` falls to zero the game becomes that of the slides.

    Slide: beyond the deck (stability).

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


def ali_mnist_one(out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS) -> None:
    """Train BiGAN on MNIST by a critic of blurred pairs, and keep the running average of both maps.

    Slide: ALI / Experiments (A07, I17).

    Args:
        out: the folder for the checkpoint, the weights, the cards and the row of the table.
        seed: of the initial weights, the batches and the noise.
        device: where to train.
        steps: the number of steps, of 64 images each.
    """
    began = start(out, seed)
    torch.set_num_threads(1)
    name = f"ali_mnist_{seed}"
    x = data.mnist("train")[0].to(device, memory_format=torch.channels_last)
    E, G, D = ali_encoder().to(device), ali_decoder().to(device), ali_critic().to(device)
    for net in (E, G, D):
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    blurred = NoisyPair(nets.Autocast(D), NOISE).to(device)
    ali = ALI(
        Deterministic(nets.Autocast(E)),
        Deterministic(nets.Autocast(G), event_dims=3),
        blurred,
        standard_normal(LATENT, x),
    )
    both = nn.ModuleList([E, G])
    theta_phi, omega = (Adam(net.parameters(), RATE, (0.5, 0.99), fused=True) for net in (both, D))
    average = AveragedModel(both, multi_avg_fn=get_ema_multi_avg_fn(0.998), use_buffers=True)
    decay = [CosineAnnealingLR(player, steps) for player in (theta_phi, omega)]

    def one(batch: Tensor) -> dict[str, Tensor]:
        blurred.sd.fill_(NOISE * float(decay[0].get_last_lr()[0]) / RATE)
        values = step(ali, batch, theta_phi, omega)
        average.update_parameters(both)
        for schedule in decay:
            schedule.step()
        return values

    fit(one, data.Batches(x, 64, steps, seed), checkpoint=out / f"{name}.checkpoint")
    minutes = (perf_counter() - began) / 60
    shipped = (ali_encoder(), ali_decoder())
    trained = average.module.cpu().children()
    for part, net, fresh in zip(("encoder", "decoder"), trained, shipped, strict=True):
        path = out / f"ali_mnist_{part}_{seed}.safetensors"
        weights.save(net, path)
        weights.fill(fresh, path)
    scores = ali_scores(*shipped)
    for part in ("encoder", "decoder"):
        card = out / f"ali_mnist_{part}_{seed}.md"
        write_card(card, ali_mnist_one, f"recipes.ali_{part}()", seed, began, scores)
    results.write(out / f"{name}.csv", [{"seed": seed, **scores, "minutes": minutes}])


def nearest_class_accuracy(features: nn.Module) -> float:
    r"""How often the nearest training digit is of a test digit's class, by distance of features.

    Slide: beyond the deck (evaluation).

    References:
        Donahue, Krähenbühl and Darrell, Adversarial feature learning, 2017, table 1.

    Args:
        features: maps images `(N, 1, 28, 28)` to vectors `(N, d)`.
    """
    (x, y), (queries, labels) = data.mnist("train"), data.mnist("test")
    with torch.no_grad():
        reference, codes = (
            torch.cat([features(part) for part in images.split(500)])
            for images in (x[:REFERENCES], queries[:QUERIES])
        )
    nearest = metrics.nearest_neighbours(codes, reference)[1][:, 0]
    return float((y[nearest] == labels[:QUERIES]).double().mean())


def ali_mnist_baselines(out: Path, seed: int = 0, device: str = "cpu") -> None:
    """Score what needs no training on MNIST: raw pixels, and three encoders as they were drawn.

    Slide: beyond the deck (evaluation).

    Args:
        out: the folder for the table.
        seed: the untrained encoders take the seeds `seed`, `seed + 1` and `seed + 2`.
        device: unused, everything is computed on the CPU.
    """
    start(out, seed)
    rows: list[dict[str, object]]
    rows = [{"representation": "pixels", "seed": seed, "nn": nearest_class_accuracy(nn.Flatten())}]
    for s in range(seed, seed + 3):
        torch.manual_seed(s)
        E = ali_encoder().eval()
        for name, part in (("untrained features", E[:-1]), ("untrained code", E)):
            rows.append({"representation": name, "seed": s, "nn": nearest_class_accuracy(part)})
    results.write(out / "ali_mnist_baselines.csv", rows)


@torch.no_grad()
def ali_scores(E: nn.Sequential, G: nn.Sequential) -> dict[str, object]:
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
    judge = weights.load(nets.image_classifier(), "mnist_classifier")
    x, y = (part[:QUERIES] for part in data.mnist("test"))
    back = torch.cat([G(E(part)) for part in x.split(500)])
    torch.manual_seed(0)
    share, confidence = metrics.class_shares(judge(G(standard_normal(LATENT).sample((10_000,)))))
    return {
        "nn_code": nearest_class_accuracy(E),
        "nn_features": nearest_class_accuracy(E[:-1]),
        "class_kept": float((judge(back).argmax(1) == y).double().mean()),
        "pixel_error": float((back - x).square().flatten(1).sum(1).mean()),
        "confidence": float(confidence),
        **{f"share_{digit}": float(part) for digit, part in enumerate(share)},
    }
