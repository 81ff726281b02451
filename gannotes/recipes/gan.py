"""The classifier that judges digits, the GAN on MNIST, and the three games on the ring."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import cross_entropy
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from gannotes import bounds, data, metrics, nets, weights
from gannotes.distributions import corners, standard_normal
from gannotes.models.gan import GAN, step, step_regularised
from gannotes.optim import descend
from gannotes.recipes import protocols
from gannotes.recipes.frame import Average, Desk, Row, Sweep, put_together

RING_SD = 0.02
RING_RATE = 3e-3


def mnist_classifier(desk: Desk) -> Row:
    """Train the classifier that judges generated digits: 3 epochs, shifted by up to 2 pixels.

    Slide: beyond the deck (evaluation).

    Args:
        desk: where to train.
    """
    x, y = (part.to(desk.device) for part in data.mnist("train"))
    net = nets.image_classifier().to(desk.device)
    quick = nets.Autocast(net)
    batches = data.Batches((x, y), 128, steps=3 * len(x) // 128, seed=desk.seed)
    theta = Adam(net.parameters(), fused=True)

    def one(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        images, labels = batch
        shift = torch.randint(-2, 3, (2,)).tolist()
        return {"loss": descend(theta, cross_entropy(quick(images.roll(shift, (2, 3))), labels))}

    desk.fit(one, batches, OneCycleLR(theta, 4e-3, total_steps=len(batches)))
    judge = desk.ship(net, nets.image_classifier(), "nets.image_classifier()")
    row: Row = {}
    for split in ("validation", "test"):
        images, labels = data.mnist(split)
        row[f"{split} accuracy"] = f"{(judge(images).argmax(1) == labels).double().mean():.2%}"
    return row


def mnist_gan(desk: Desk, steps: int = 8_000) -> Row:
    """Train the convolutional GAN of the book on MNIST, and keep the running average of G.

    Slide: GAN / Training Algorithm (A02, F02).

    Args:
        desk: where to train.
        steps: the number of steps, of 128 images each.
    """
    x = data.mnist("train")[0].to(desk.device, memory_format=torch.channels_last)
    G, D = desk.place(nets.image_generator(32)), desk.place(nets.image_critic())
    gan = GAN(nets.Autocast(G), nets.Autocast(D), standard_normal(32, x))
    theta, phi = (Adam(net.parameters(), 1e-3, (0.5, 0.99), fused=True) for net in (G, D))
    average, decays = Average(G, 0.998), [CosineAnnealingLR(p, steps) for p in (theta, phi)]
    move = partial(step, gan, theta=theta, phi=phi)
    desk.fit(move, data.Batches(x, 128, steps, desk.seed), average, *decays)
    shipped = desk.ship(average.module, nets.image_generator(32), "nets.image_generator(32)")
    judge = protocols.classifier()
    samples = shipped(standard_normal(32).sample(torch.Size((protocols.JUDGED,))))
    share, confidence = metrics.class_shares(judge(samples))
    return {
        f"share of each digit in {protocols.JUDGED:,} samples": ", ".join(
            f"{part:.1%}" for part in share
        ),
        "mean confidence of the classifier": f"{confidence:.1%}",
    }


def gan_parzen(desk: Desk, samples: int = 10_000) -> list[Row]:
    """Judge the shipped GAN, and training images, by the Parzen protocol of the first paper.

    Ten bandwidths from 0.1 to 1, the best on 1,000 validation images; values in [0, 1].

    Slide: beyond the deck (evaluation).

    References:
        Goodfellow et al., Generative adversarial nets, 2014, table 1.

    Args:
        desk: whose seed is the first of three, of the draws and of the choice of the training
            images.
        samples: the number of kernels.
    """
    G = weights.load(nets.image_generator(32), "mnist_gan")
    train, held_out, test = (data.mnist(part)[0] for part in ("train", "validation", "test"))
    rows = []
    for s in range(desk.seed, desk.seed + 3):
        torch.manual_seed(s)
        made = protocols.in_parts(G, standard_normal(32).sample((samples,)), 1_000)
        chosen = train[torch.randperm(len(train))[:samples]]
        for name, kernels in (("GAN", made), ("training images", chosen)):
            x, y, x_test = (part.flatten(1) for part in (kernels, held_out[:1_000], test))
            h = metrics.select_bandwidth(x, y, torch.logspace(-1, 0, 10))
            log_p = metrics.kernel_density(x, x_test, h)
            score = {"kde": float(log_p.mean()), "sem": float(metrics.standard_error(log_p))}
            rows.append({"kernels": name, "seed": s, **score, "bandwidth": h})
    return rows


def ring_generator(replicas: int = 4) -> nn.Sequential:
    """The generator of the ring: 5-128-128-128-2, one per replica.

    Slide: beyond the deck (mode collapse).

    Example:
        >>> ring_generator(16)(corners(5).sample((16, 100))).shape
        torch.Size([16, 100, 2])
    """
    return nets.mlp(5, 128, 128, 128, 2, replicas=replicas)


GAMES: dict[
    str, tuple[Callable[..., Distribution], bounds.Bound, float]
] = {  # name -> noise, bound, and the weight of the penalties
    "plain": (standard_normal, bounds.bernoulli, 0.0),
    "penalised": (standard_normal, bounds.relativistic, 0.04),
    "remedied": (partial(corners, sd=0.1), bounds.relativistic, 0.04),
}


def ring(desk: Desk, game: str, steps: int = 3_500) -> Row:
    """Train four replicas on the ring of 8, by one of three games.

    The plain one is the game of the slides with Gaussian noise. Penalised, it is played on pairs,
    with penalties that decay; with all remedies the noise consists of separate clouds too.

    Slide: GAN / Training Algorithm (A02); beyond the deck (mode collapse).

    Args:
        desk: where to train.
        game: a key of `GAMES`.
        steps: the number of steps, of 256 points each.
    """
    noise, bound, gamma = GAMES[game]
    with torch.device(desk.device):
        p = data.ring(sd=RING_SD)
        p_0 = noise(5, like=torch.zeros(1))
        gan = GAN(ring_generator(), nets.critic(2, 128, 128, replicas=4), p_0, bound)
    theta, phi = (
        Adam(net.parameters(), RING_RATE, (0.0, 0.99), fused=True) for net in (gan.G, gan.D)
    )
    decays = [CosineAnnealingLR(player, steps) for player in (theta, phi)]

    def one(_: int) -> dict[str, Tensor]:
        x = p.sample(torch.Size((4, 256)))
        rate = float(decays[0].get_last_lr()[0]) / RING_RATE
        if gamma:
            return step_regularised(gan, x, theta, phi, gamma * (rate + 0.02))
        return step(gan, x, theta, phi)

    average = Average(gan.G, 0.995)
    desk.fit(one, range(steps), average, *decays)
    desk.ship(average.module, ring_generator(), "recipes.gan.ring_generator()")
    return {}


def _collect_rings(files: Sequence[Path], out: Path, seed: int) -> None:
    """16 replicas of each game, from four stacks each, and what they score."""
    modes = data.ring().component_distribution.mean
    for game, name in {
        "plain": "ring_plain",
        "penalised": "ring_penalised",
        "remedied": "ring",
    }.items():
        four = [file for file in files if file.name.startswith(f"ring_{game}_")]
        torch.manual_seed(seed)
        stacks = [load_file(f"{file}.safetensors") for file in four]
        G = ring_generator(16)
        G.load_state_dict({key: torch.cat([part[key] for part in stacks]) for key in stacks[0]})
        weights.save(G, path := out / f"{name}.safetensors")
        weights.fill(G, path)
        noise = corners(5) if game == "remedied" else standard_normal(5)
        score = metrics.mode_coverage(G(noise.sample((16, 2500))), modes, RING_SD)
        scores = {
            "modes captured, replica by replica": score.captured.tolist(),
            "high-quality share": [round(part, 3) for part in score.high_quality.tolist()],
        }
        put_together(path, four, "recipes.gan.ring_generator(16)", f"ring --seed {seed}", scores)


RING = Sweep(ring, {"game": list(GAMES)}, seeds=4, collect=_collect_rings)
