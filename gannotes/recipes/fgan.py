"""All f-GANs on MNIST: one set of networks, one budget, and the protocol that judges them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gannotes import data, metrics, nets, results, weights
from gannotes.bounds import variational
from gannotes.distributions import standard_normal
from gannotes.divergences import F_DIVERGENCES
from gannotes.models.fgan import FGAN, step_alternating
from gannotes.optim import fit
from gannotes.recipes.card import start, write_card
from gannotes.recipes.gan import play_calmly
from gannotes.recipes.judge import DRAWN, judge_digits

SEEDS = (0, 1, 2)
STEPS = 4_000
SAMPLES = 16_384  # of a model, under the kernel
CALM_STEPS = 10_000
CALM_GAMMA = 0.5
BANDWIDTHS = torch.logspace(-1, 0, 25).tolist()


def fgan_mnist_one(
    divergence: str,
    out: Path,
    seed: int = 0,
    device: str = "cpu",
    steps: int = STEPS,
) -> None:
    """Train an f-GAN on MNIST: networks, steps and rates are the same for every divergence.

    The critic has spectral normalisation and a seventh of the generator's rate; without them, some
    of the games are lost to a critic that is too sure. The generator ascends the flipped value. A
    game whose objective or gradient is not finite is over: its row says at which step.

    Slide: f-GAN / MNIST (T03, I11).

    Args:
        divergence: a key of `divergences.F_DIVERGENCES`.
        out: the folder for the checkpoint, the weights, the card and the row of the table.
        seed: of the initial weights, the batches and the noise.
        device: where to train.
        steps: the number of steps, of 64 images each.
    """
    began = start(out, seed)
    torch.set_num_threads(1)
    name = f"fgan_mnist_{divergence}_{seed}"
    x = data.mnist("train")[0].to(device, memory_format=torch.channels_last)
    G, V = fgan_generator().to(device), nets.spectral(nets.image_critic(32)).to(device)
    for net in (G, V):
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fgan = FGAN(
        nets.Autocast(G), nets.Autocast(V), standard_normal(32, x), F_DIVERGENCES[divergence]
    )
    theta = Adam(G.parameters(), 2e-3, (0.5, 0.99), fused=True)
    omega = Adam(V.parameters(), 3e-4, (0.5, 0.99), fused=True)
    average = AveragedModel(G, multi_avg_fn=get_ema_multi_avg_fn(0.998), use_buffers=True)
    after = [CosineAnnealingLR(player, steps) for player in (theta, omega)]

    def one(batch: Tensor) -> dict[str, Tensor]:
        values = step_alternating(fgan, batch, theta, omega)
        average.update_parameters(G)
        for schedule in after:
            schedule.step()
        return values

    try:
        fit(one, data.Batches(x, 64, steps, seed), checkpoint=out / f"{name}.checkpoint")
    except FloatingPointError as error:
        print(f"{name}: {error}")
    weights.save(average.module, out / f"{name}.safetensors")
    shipped = weights.fill(fgan_generator(), out / f"{name}.safetensors")
    scores = {"divergence": divergence, **_score(shipped), "outputs": _outputs(fgan, device)}
    write_card(out / f"{name}.md", fgan_mnist_one, "recipes.fgan_generator()", seed, began, scores)
    played = after[0].last_epoch
    results.write(out / f"{name}.csv", [{**scores, "seed": seed, "steps": played}])


def fgan_mnist_calm_one(
    divergence: str, out: Path, seed: int = 0, device: str = "cpu", steps: int = CALM_STEPS
) -> None:
    """Train an f-GAN on MNIST whose critic is not bounded: its slope at the data is penalised.

    Generator, steps and rates are the same for every divergence, as in the table; the critic sees
    how varied a batch is, and no spectral normalisation hides from it how the divergences differ.

    Slide: f-GAN / MNIST (T03, I11); beyond the deck (mode collapse). Arguments are those of
    `fgan_mnist_one`.
    """
    began = start(out, seed)
    torch.set_num_threads(1)
    name = f"fgan_mnist_calm_{divergence}_{seed}"
    x = data.mnist("train")[0].to(device, memory_format=torch.channels_last)
    G, V = fgan_generator().to(device), nets.varied_critic().to(device)
    bound = variational(F_DIVERGENCES[divergence])
    trained = play_calmly(G, V, bound, x, steps, seed, out / name, CALM_GAMMA)
    weights.save(trained, out / f"{name}.safetensors")
    shipped = weights.fill(fgan_generator(), out / f"{name}.safetensors")
    torch.manual_seed(0)
    noise = standard_normal(32).sample(torch.Size((DRAWN,)))
    scores = {
        "divergence": divergence,
        **judge_digits(torch.cat(list(map(shipped, noise.split(500))))),
    }
    architecture = "recipes.fgan_generator()"
    write_card(out / f"{name}.md", fgan_mnist_calm_one, architecture, seed, began, scores)
    results.write(out / f"{name}.csv", [{**scores, "seed": seed, "steps": steps}])


def fgan_generator() -> nn.Sequential:
    """The generator of every f-GAN on MNIST: 32-dimensional noise, 61,057 parameters.

    Slide: f-GAN / MNIST (T03).

    Example:
        >>> fgan_generator()(standard_normal(32).sample((2,))).shape
        torch.Size([2, 1, 28, 28])
    """
    return nets.image_generator(32, 32)


def _score(G: nn.Module) -> dict[str, object]:
    """The KDE log-likelihood by its protocol, and what the classifier says of the same samples."""
    torch.manual_seed(0)
    samples = G(standard_normal(32).sample(torch.Size((SAMPLES,))))
    bandwidth, values = kde_protocol(samples)
    judge = weights.load(nets.image_classifier(), "mnist_classifier")
    share, confidence = metrics.class_shares(judge(samples[:10_000]))
    return {
        "kde": float(values.mean()),
        "sem": float(metrics.standard_error(values)),
        "bandwidth": bandwidth,
        "confidence": float(confidence),
        **{f"share_{digit}": float(part) for digit, part in enumerate(share)},
    }


@torch.no_grad()
def _outputs(fgan: FGAN, device: str) -> float:
    """Standard deviation of the critic's raw outputs, on held-out digits and on samples."""
    torch.manual_seed(0)
    x = data.mnist("validation")[0][:1000].to(device)
    return float(torch.cat([fgan.V(x), fgan.V(fgan.sample(1000))]).std())


def kde_protocol(samples: Tensor) -> tuple[float, Tensor]:
    r"""Kernel density of samples of a model, judged on the 10,000 test digits.

    The bandwidth is the best of 25 on 2,000 digits held out of the training file; the test digits
    are used once.

    Slide: f-GAN / MNIST (T03, I11).

    Args:
        samples: digits `(S, 1, 28, 28)` with values in [0, 1].

    Returns:
        The bandwidth, and the log density of every test digit in nats, `(10000,)`.
    """
    validation, test = (data.mnist(split)[0].flatten(1) for split in ("validation", "test"))
    x = samples.flatten(1)
    bandwidth = metrics.select_bandwidth(x, validation[:2000], BANDWIDTHS)
    return bandwidth, metrics.kernel_density(x, test, bandwidth)


def fgan_mnist_runs(seed: int = 0) -> list[tuple[str, int]]:
    """The runs behind the table: nine f-GANs, three seeds each.

    Slide: f-GAN / MNIST (T03).

    Args:
        seed: the first of the three.

    Example:
        >>> len(fgan_mnist_runs()), fgan_mnist_runs()[0]
        (27, ('fgan_mnist_kl', 0))
    """
    return [(f"fgan_mnist_{name}", seed + shift) for shift in SEEDS for name in F_DIVERGENCES]


def fgan_mnist(parts: Sequence[Path], out: Path, seed: int = 0) -> None:
    """Gather the table of the deck: all nine f-GANs on MNIST with three seeds each.

    Slide: f-GAN / MNIST (T03).

    Args:
        parts: the folders of `fgan_mnist_runs(seed)`.
        out: the folder for the table.
        seed: the first of the three seeds.
    """
    rows = [
        results.read(part / f"{name}_{s}.csv")[0]
        for part, (name, s) in zip(parts, fgan_mnist_runs(seed), strict=True)
    ]
    results.write(out / "fgan_mnist.csv", rows)


def kde_references(out: Path, seed: int = 0, device: str = "cpu") -> None:
    """Judge training images as if they were samples: what the KDE protocol can give at most.

    Slide: f-GAN / MNIST (T03, its last row).

    Args:
        out: the folder for the table.
        seed: of the choice of the images.
        device: not used; the protocol runs on the processor.
    """
    start(out, seed)
    images = data.mnist("train")[0]
    images = images[torch.randperm(len(images))]
    table = []
    for samples in (1_024, 4_096, SAMPLES, len(images)):
        bandwidth, values = kde_protocol(images[:samples])
        sem = float(metrics.standard_error(values))
        row = {"samples": samples, "kde": float(values.mean()), "sem": sem}
        table.append({**row, "bandwidth": bandwidth})
    results.write(out / "kde_references.csv", table)


def fgan_mnist_single(divergence: str) -> Callable[..., None]:
    """The recipe of one row of the table, for the command line.

    Slide: f-GAN / MNIST (T03).

    Example:
        >>> fgan_mnist_single("kl").__name__
        'fgan_mnist_kl'
    """

    def recipe(out: Path, seed: int = 0, device: str = "cpu", steps: int = STEPS) -> None:
        fgan_mnist_one(divergence, out, seed, device, steps)

    recipe.__name__ = f"fgan_mnist_{divergence}"
    recipe.__doc__ = f"Train an f-GAN on MNIST with one divergence: {divergence}."
    return recipe
