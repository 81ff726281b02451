"""The classifier that judges digits, the GAN on MNIST, and the three games on the ring."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import cross_entropy
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gannotes import bounds, data, metrics, nets, results, weights
from gannotes.distributions import corners, standard_normal
from gannotes.models.gan import GAN, penalise, step, step_regularised, step_shared
from gannotes.optim import descend, fit, linear_decay
from gannotes.recipes.card import start, write_card
from gannotes.recipes.judge import DRAWN, digit_features, judge_digits

Recipe = Callable[..., None]
ACT = 13_000  # steps of the first act of a game
EVERY, GAMMA = 8, 0.1  # the critic's slope is penalised every eighth step, eight times as much


def mnist_classifier(out: Path, seed: int = 0, device: str = "cpu") -> None:
    """Train the classifier that judges generated digits: 3 epochs, shifted by up to 2 pixels.

    Slide: beyond the deck (evaluation).

    Args:
        out: the folder for the checkpoint, the weights and the card.
        seed: of the initial weights, the batches and the shifts.
        device: where to train.
    """
    began = start(out, seed)
    x, y = (part.to(device) for part in data.mnist("train"))
    net = nets.image_classifier().to(device)
    quick = nets.Autocast(net)
    batches = data.Batches((x, y), 128, steps=3 * len(x) // 128, seed=seed)
    theta = Adam(net.parameters(), fused=True)
    schedule = OneCycleLR(theta, 4e-3, total_steps=len(batches))

    def one(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        images, labels = batch
        shift = torch.randint(-2, 3, (2,)).tolist()
        loss = descend(theta, cross_entropy(quick(images.roll(shift, (2, 3))), labels))
        schedule.step()
        return {"loss": loss}

    fit(one, batches, checkpoint=out / "mnist_classifier.checkpoint")
    weights.save(net, out / "mnist_classifier.safetensors")
    weights.fill(net, out / "mnist_classifier.safetensors")
    scores: dict[str, object] = {}
    for split in ("validation", "test"):
        images, labels = (part.to(device) for part in data.mnist(split))
        scores[f"{split} accuracy"] = f"{(net(images).argmax(1) == labels).double().mean():.2%}"
    write_card(
        out / "mnist_classifier.md",
        mnist_classifier,
        "nets.image_classifier()",
        seed,
        began,
        scores,
    )


def mnist_gan(out: Path, seed: int = 0, device: str = "cpu", steps: int = 19_000) -> None:
    """Train the generator of the plain game with the remedies, and film how its digits come about.

    The critic sees how varied a batch is, and every eighth step it is made flatter at the data;
    nobody has momentum; both players see the same samples; the rates end at zero; and what is kept
    is the running average of G.

    Slide: GAN / Training Algorithm (A02, F02); beyond the deck (mode collapse).

    Args:
        out: the folder for the checkpoint, the weights, the film and the card.
        seed: of the initial weights, the batches and the noise.
        device: where to train.
        steps: the number of steps, of 64 images each.
    """
    began = start(out, seed)
    torch.set_num_threads(1)
    x = data.mnist("train")[0].to(device, memory_format=torch.channels_last)
    G, D = nets.image_generator(32).to(device), nets.varied_critic().to(device)
    film = Film(min(steps, ACT), steps)
    digit_features(x[:1].cpu())  # that the judge is missing is better known now than in an hour
    path = out / "mnist_gan"
    trained = play_calmly(G, D, bounds.bernoulli, x, steps, seed, path, GAMMA, film)
    film.save(out / "mnist_gan_film.npz")
    _leave(trained, path, mnist_gan, seed, began)


def play_calmly(
    G: nn.Module,
    D: nn.Module,
    bound: bounds.Bound,
    x: Tensor,
    steps: int,
    seed: int,
    path: Path,
    gamma: float,
    film: "Film | None" = None,
) -> nn.Module:
    """Play a game of images with the remedies, and return the running average of the generator.

    Slide: beyond the deck (mode collapse).

    Args:
        G: the generator, from 32 normal numbers.
        D: the critic, as `nets.varied_critic`.
        bound: the game.
        x: the data `(L, 1, 28, 28)`.
        steps: the number of steps, of 64 images each.
        seed: of the batches.
        path: the stem of the checkpoint.
        gamma: the weight of the critic's squared slope at the data, on average over the steps.
        film: takes pictures of the generator, if there is one.
    """
    for net in (G, D):
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    gan = GAN(nets.Autocast(G), nets.Autocast(D), standard_normal(32, x), bound)
    theta, phi = (Adam(net.parameters(), 5e-4, (0.0, 0.99), fused=True) for net in (G, D))
    decay = [LambdaLR(player, acts(steps)) for player in (theta, phi)]
    average = AveragedModel(G, multi_avg_fn=get_ema_multi_avg_fn(0.999), use_buffers=True)

    def one(batch: Tensor) -> dict[str, Tensor]:
        done = decay[0].last_epoch
        if film is not None:
            film.shoot(done, G)
        if done % EVERY == 0:
            penalise(D, batch, phi, EVERY * gamma)
        values = step_shared(gan, batch, theta, phi)
        average.update_parameters(G)
        for schedule in decay:
            schedule.step()
        return values

    fit(one, data.Batches(x, 64, steps, seed), checkpoint=path.with_suffix(".checkpoint"))
    if film is not None:
        film.shoot(steps, average.module)
    return average.module


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


def _leave(G: nn.Module, path: Path, recipe: Recipe, seed: int, began: float) -> None:
    """Save a generator of digits, and a card with the scores of what was saved."""
    weights.save(G, path.with_suffix(".safetensors"))
    shipped = weights.fill(nets.image_generator(32), path.with_suffix(".safetensors"))
    torch.manual_seed(seed)
    noise = standard_normal(32).sample(torch.Size((DRAWN,)))
    scores = judge_digits(torch.cat([shipped(z) for z in noise.split(500)]))
    architecture = "nets.image_generator(32)"
    write_card(path.with_suffix(".md"), recipe, architecture, seed, began, scores)


def mnist_gan_plain(out: Path, seed: int = 0, device: str = "cpu", steps: int = 8_000) -> None:
    """Train the convolutional GAN of the book on MNIST by the plain game: what remedies start from.

    Slide: GAN / Training Algorithm (A02, F02).

    Args:
        out: the folder for the checkpoint, the weights and the card.
        seed: of the initial weights, the batches and the noise.
        device: where to train.
        steps: the number of steps, of 128 images each.
    """
    began = start(out, seed)
    x = data.mnist("train")[0].to(device, memory_format=torch.channels_last)
    G, D = nets.image_generator(32).to(device), nets.image_critic().to(device)
    for net in (G, D):
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    gan = GAN(nets.Autocast(G), nets.Autocast(D), standard_normal(32, x))
    theta, phi = (Adam(net.parameters(), 1e-3, (0.5, 0.99), fused=True) for net in (G, D))
    average = AveragedModel(G, multi_avg_fn=get_ema_multi_avg_fn(0.998), use_buffers=True)
    after = [CosineAnnealingLR(player, steps) for player in (theta, phi)]

    def one(batch: Tensor) -> dict[str, Tensor]:
        values = step(gan, batch, theta, phi)
        average.update_parameters(G)
        for schedule in after:
            schedule.step()
        return values

    path = out / "mnist_gan_plain"
    fit(one, data.Batches(x, 128, steps, seed), checkpoint=path.with_suffix(".checkpoint"))
    _leave(average.module, path, mnist_gan_plain, seed, began)


def gan_parzen(out: Path, seed: int = 0, device: str = "cpu", samples: int = 10_000) -> None:
    """Judge the shipped GAN, and training images, by the Parzen protocol of the first paper.

    Ten bandwidths from 0.1 to 1, the best on 1,000 validation images; values in [0, 1].

    Slide: beyond the deck (evaluation).

    References:
        Goodfellow et al., Generative adversarial nets, 2014, table 1.

    Args:
        out: the folder for the table.
        seed: the first of three, of the draws and of the choice of the training images.
        device: not used; the protocol runs on the processor.
        samples: the number of kernels.
    """
    start(out, seed)
    G = weights.load(nets.image_generator(32), "mnist_gan")
    train, held_out, test = (data.mnist(part)[0] for part in ("train", "validation", "test"))
    rows = []
    for s in range(seed, seed + 3):
        torch.manual_seed(s)
        made = torch.cat([G(z) for z in standard_normal(32).sample((samples,)).split(1_000)])
        chosen = train[torch.randperm(len(train))[:samples]]
        for name, kernels in (("GAN", made), ("training images", chosen)):
            x, y, x_test = (part.flatten(1) for part in (kernels, held_out[:1_000], test))
            h = metrics.select_bandwidth(x, y, torch.logspace(-1, 0, 10))
            log_p = metrics.kernel_density(x, x_test, h)
            score = {"kde": float(log_p.mean()), "sem": float(metrics.standard_error(log_p))}
            rows.append({"kernels": name, "seed": s, **score, "bandwidth": h})
    results.write(out / "gan_parzen.csv", rows)


RING_SD = 0.02
RING_RATE = 3e-3


def ring_generator(replicas: int = 4) -> nn.Sequential:
    """The generator of the ring: 5-128-128-128-2, one per replica.

    Slide: beyond the deck (mode collapse).

    Example:
        >>> ring_generator(16)(corners(5).sample((16, 100))).shape
        torch.Size([16, 100, 2])
    """
    return nets.mlp(5, 128, 128, 128, 2, replicas=replicas)


def ring_plain(out: Path, seed: int = 0, device: str = "cpu", steps: int = 3_500) -> nn.Module:
    """Train four replicas on the ring of 8 with the game of the slides and Gaussian noise.

    Slide: GAN / Training Algorithm (A02).

    Args:
        out: the folder for the checkpoint and the weights.
        seed: of the initial weights, the data and the noise.
        device: where to train.
        steps: the number of steps, of 256 points each.

    Returns:
        The running average of the four generators.
    """
    noise = standard_normal(5, torch.zeros(1, device=device))
    return _ring(out / f"ring_plain_{seed}", seed, device, steps, noise, bounds.bernoulli, 0.0)


def ring_remedied(out: Path, seed: int = 0, device: str = "cpu", steps: int = 3_500) -> nn.Module:
    """Train four replicas with relativistic pairing, decaying penalties and separate clouds.

    Slide: beyond the deck (mode collapse). Arguments and returns are those of `ring_plain`.
    """
    noise = corners(5, 0.1, torch.zeros(1, device=device))
    return _ring(
        out / f"ring_remedied_{seed}", seed, device, steps, noise, bounds.relativistic, 0.04
    )


def ring_penalised(out: Path, seed: int = 0, device: str = "cpu", steps: int = 3_500) -> nn.Module:
    """Train four replicas with relativistic pairing and decaying penalties, but Gaussian noise.

    Slide: beyond the deck (mode collapse). Arguments and returns are those of `ring_plain`.
    """
    noise = standard_normal(5, torch.zeros(1, device=device))
    path = out / f"ring_penalised_{seed}"
    return _ring(path, seed, device, steps, noise, bounds.relativistic, 0.04)


def _ring(
    path: Path,
    seed: int,
    device: str,
    steps: int,
    noise: Distribution,
    bound: bounds.Bound,
    gamma: float,
) -> nn.Module:
    torch.set_num_threads(1)
    start(path.parent, seed)
    with torch.device(device):
        p = data.ring(sd=RING_SD)
        gan = GAN(ring_generator(), nets.critic(2, 128, 128, replicas=4), noise, bound)
    theta, phi = (
        Adam(net.parameters(), RING_RATE, (0.0, 0.99), fused=True) for net in (gan.G, gan.D)
    )
    decay = [CosineAnnealingLR(player, steps) for player in (theta, phi)]
    average = AveragedModel(gan.G, multi_avg_fn=get_ema_multi_avg_fn(0.995))

    def one(_: int) -> dict[str, Tensor]:
        x = p.sample(torch.Size((4, 256)))
        rate = float(decay[0].get_last_lr()[0]) / RING_RATE
        if gamma:
            values = step_regularised(gan, x, theta, phi, gamma * (rate + 0.02))
        else:
            values = step(gan, x, theta, phi)
        average.update_parameters(gan.G)
        for schedule in decay:
            schedule.step()
        return values

    fit(one, range(steps), checkpoint=path.with_suffix(".checkpoint"))
    weights.save(average.module, path.with_suffix(".safetensors"))
    return average.module.cpu()


def ring_runs(seed: int = 0) -> list[tuple[str, int]]:
    """The runs behind the three sets of 16 replicas: four stacks of four, a seed for each.

    Slide: beyond the deck (mode collapse).

    Args:
        seed: stack `i` takes the seed `4 seed + i`.

    Example:
        >>> ring_runs(1)[:2], len(ring_runs())
        ([('ring_plain', 4), ('ring_plain', 5)], 12)
    """
    games = (ring_plain, ring_penalised, ring_remedied)
    return [(game.__name__, s) for game in games for s in range(4 * seed, 4 * seed + 4)]


def ring(parts: Sequence[Path], out: Path, seed: int = 0) -> None:
    """Gather 16 replicas each of the ring of 8: plain, with half of the remedy, with all of it.

    Slide: beyond the deck (mode collapse).

    Args:
        parts: the folders of `ring_runs(seed)`.
        out: the folder for the weights and the cards.
        seed: of the points that are scored, and of the runs.
    """
    modes = data.ring().component_distribution.mean
    stacks = [
        load_file(part / f"{name}_{s}.safetensors")
        for part, (name, s) in zip(parts, ring_runs(seed), strict=True)
    ]
    for i, (name, train, noise) in enumerate(
        (
            ("ring_plain", ring_plain, standard_normal(5)),
            ("ring_penalised", ring_penalised, standard_normal(5)),
            ("ring", ring_remedied, corners(5)),
        )
    ):
        four = stacks[4 * i : 4 * i + 4]
        began = start(out, seed, parts[4 * i : 4 * i + 4])
        G = ring_generator(16)
        G.load_state_dict({key: torch.cat([part[key] for part in four]) for key in four[0]})
        weights.save(G, out / f"{name}.safetensors")
        weights.fill(G, out / f"{name}.safetensors")
        score = metrics.mode_coverage(G(noise.sample((16, 2500))), modes, RING_SD)
        scores: dict[str, object] = {
            "modes captured, replica by replica": score.captured.tolist(),
            "high-quality share": [round(part, 3) for part in score.high_quality.tolist()],
        }
        architecture = "recipes.ring_generator(16)"
        write_card(out / f"{name}.md", train, architecture, seed, began, scores, "ring")
