"""The classifier that judges digits, the GAN on MNIST, and the three games on the ring."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import cross_entropy
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR

from gannotes import bounds, data, metrics, nets, weights
from gannotes.distributions import corners, standard_normal
from gannotes.models.gan import GAN, penalise, step, step_regularised, step_shared
from gannotes.optim import descend, linear_decay
from gannotes.recipes import protocols
from gannotes.recipes.frame import Average, Desk, Row, Sweep, put_together

ACT = 13_000  # steps of the first act of a game
EVERY, GAMMA = 8, 0.1  # the critic's slope is penalised every eighth step, eight times as much
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


def mnist_gan(desk: Desk, steps: int = 19_000) -> Row:
    """Train the generator of the plain game with the remedies, and film how its digits come about.

    The critic sees how varied a batch is, and every eighth step it is made flatter at the data;
    nobody has momentum; both players see the same samples; the rates end at zero; and what is kept
    is the running average of G.

    Slide: GAN / Training Algorithm (A02, F02); beyond the deck (mode collapse).

    Args:
        desk: where to train.
        steps: the number of steps, of 64 images each.
    """
    x = data.mnist("train")[0].to(desk.device, memory_format=torch.channels_last)
    G, D = desk.place(nets.image_generator(32)), desk.place(nets.varied_critic())
    protocols.classifier()  # that the judge is missing is better known now than in an hour
    film = Film(min(steps, ACT), steps)
    trained = play_calmly(desk, G, D, bounds.bernoulli, x, steps, GAMMA, film)
    film.shoot(steps, trained)
    film.save(desk.file("_film.npz"))
    shipped = desk.ship(trained, nets.image_generator(32), "nets.image_generator(32)")
    return digit_row(shipped, desk.seed)


def play_calmly(
    desk: Desk,
    G: nn.Module,
    D: nn.Module,
    bound: bounds.Bound,
    x: Tensor,
    steps: int,
    gamma: float,
    film: "Film | None" = None,
) -> nn.Module:
    """Play a game of images with the remedies, and return the running average of the generator.

    A game whose objective or gradient is not finite is over: the row says at which step.

    Slide: beyond the deck (mode collapse).

    Args:
        desk: where to train.
        G: the generator, from 32 normal numbers.
        D: the critic, as `nets.varied_critic`.
        bound: the game.
        x: the data `(L, 1, 28, 28)`.
        steps: the number of steps, of 64 images each.
        gamma: the weight of the critic's squared slope at the data, on average over the steps.
        film: takes pictures of the generator, if there is one.
    """
    p_0 = standard_normal(32).to(desk.device)
    gan = GAN(nets.Autocast(G), nets.Autocast(D), p_0, bound)
    theta, phi = (Adam(net.parameters(), 5e-4, (0.0, 0.99), fused=True) for net in (G, D))
    average, decays = Average(G, 0.999), [LambdaLR(p, acts(steps)) for p in (theta, phi)]

    def one(batch: Tensor) -> dict[str, Tensor]:
        done = decays[0].last_epoch
        if film is not None:
            film.shoot(done, G)
        if done % EVERY == 0:
            penalise(D, batch, phi, EVERY * gamma)
        return step_shared(gan, batch, theta, phi)

    try:
        desk.fit(one, data.Batches(x, 64, steps, desk.seed), average, *decays)
    except FloatingPointError as error:
        print(f"{desk.name}: {error}")
        desk.steps = decays[0].last_epoch
    return average.module


def digit_row(G: nn.Module, seed: int = 0) -> Row:
    """Judge a generator of digits from 32 normal numbers, as `protocols.judge_digits` does.

    Slide: beyond the deck (evaluation).

    Args:
        G: the generator, in evaluation mode.
        seed: of the noise.
    """
    torch.manual_seed(seed)
    noise = standard_normal(32).sample(torch.Size((protocols.JUDGED,)))
    return protocols.judge_digits(protocols.in_parts(G, noise))


def acts(steps: int) -> Callable[[int], float]:
    """A factor of the rates, which fall to zero: once, or twice in more than 13,000 steps.

    Half of the first act is played at the full rate and three quarters of the second. The digits
    still got better when the rates fell; so they were raised again.

    Slide: beyond the deck (mode collapse).

    Args:
        steps: of the run.

    Example:
        >>> rate = acts(17_000)
        >>> [rate(t) for t in (0, 6_500, 13_000, 13_001, 16_000, 16_500, 17_000)]
        [1.0, 1.0, 0.0, 1.0, 1.0, 0.5, 0.0]
    """
    first, rest = min(steps, ACT), max(0, steps - ACT)
    fall = linear_decay(first // 2, first - first // 2)
    if not rest:
        return fall
    again = linear_decay(rest - rest // 4, rest // 4)
    return lambda t: fall(t) if t <= first else again(t - first)


class Film(nn.Module):
    """Pictures of the same codes during a run, denser at its beginning; part of its checkpoint.

    Slide: GAN / Training Algorithm (A02, F02).

    Args:
        act: the steps of the first act, over which most pictures are spread.
        steps: of the run; the first picture is taken before it, the last one after.
        codes: how many codes are followed.
        frames: how many pictures are taken of the first act, at most; the second one has four.

    Example:
        >>> Film(1000, 1400, codes=2, frames=6).times
        [0, 8, 64, 216, 512, 1000, 1100, 1200, 1300, 1400]
    """

    z: Tensor
    images: Tensor

    def __init__(self, act: int, steps: int, codes: int = 24, frames: int = 40) -> None:
        super().__init__()
        early = {round(act * (i / (frames - 1)) ** 3) for i in range(frames)}
        self.times = sorted(early | {act + (steps - act) * i // 4 for i in range(1, 5)})
        generator = torch.Generator().manual_seed(7)
        self.register_buffer("z", torch.randn(codes, 32, generator=generator))
        self.register_buffer("images", torch.zeros(len(self.times), codes, 28, 28).byte())

    @torch.no_grad()
    def shoot(self, done: int, G: nn.Module) -> None:
        """Take a picture if it is time to, of the network in evaluation mode."""
        if done not in self.times:
            return
        training = G.training
        images = G.eval()(self.z.to(next(G.parameters())))[:, 0]
        self.images[self.times.index(done)] = (255 * images).round().byte()
        G.train(training)

    def save(self, path: Path) -> None:
        """Write `images`, 8 bit but 16 greys, and the `steps` at which they were taken."""
        greys = 17 * ((self.images.int() + 8) // 17)
        np.savez_compressed(path, images=greys.byte().numpy(), steps=np.array(self.times))


def mnist_gan_plain(desk: Desk, steps: int = 8_000) -> Row:
    """Train the convolutional GAN of the book on MNIST by the plain game, which remedies improve.

    Slide: GAN / Training Algorithm (A02, F02).

    Args:
        desk: where to train.
        steps: the number of steps, of 128 images each.
    """
    x = data.mnist("train")[0].to(desk.device, memory_format=torch.channels_last)
    G, D = desk.place(nets.image_generator(32)), desk.place(nets.image_critic())
    p_0 = standard_normal(32).to(desk.device)
    gan = GAN(nets.Autocast(G), nets.Autocast(D), p_0)
    theta, phi = (Adam(net.parameters(), 1e-3, (0.5, 0.99), fused=True) for net in (G, D))
    average, decays = Average(G, 0.998), [CosineAnnealingLR(p, steps) for p in (theta, phi)]
    move = partial(step, gan, theta=theta, phi=phi)
    desk.fit(move, data.Batches(x, 128, steps, desk.seed), average, *decays)
    shipped = desk.ship(average.module, nets.image_generator(32), "nets.image_generator(32)")
    return digit_row(shipped, desk.seed)


def gan_parzen(desk: Desk, samples: int = 10_000) -> list[Row]:
    """Judge the plain GAN, and training images, by the Parzen protocol of the first paper.

    Ten bandwidths from 0.1 to 1, the best on 1,000 validation images; values in [0, 1].

    Slide: beyond the deck (evaluation).

    References:
        Goodfellow et al., Generative adversarial nets, 2014, table 1.

    Args:
        desk: whose seed is the first of three, of the draws and of the choice of the training
            images.
        samples: the number of kernels.
    """
    G = weights.load(nets.image_generator(32), "mnist_gan_plain")
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
        gan = GAN(ring_generator(), nets.critic(2, 128, 128, replicas=4), noise(5), bound)
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
