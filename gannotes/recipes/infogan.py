"""InfoGAN on MNIST, 62 + 10 + 2 inputs: as published, with a head start, and the plain GAN."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from gannotes import data, metrics, nets, results, weights
from gannotes.bounds import mutual_information
from gannotes.distributions import Code, Product, codes, standard_normal
from gannotes.models.infogan import InfoGAN, step
from gannotes.optim import ascend, fit
from gannotes.recipes.card import start, write_card
from gannotes.recipes.redraw import FINE, keep, start_classes

NOISE, CLASSES, CONTINUOUS = 62, 10, 2
FEATURES = 256
STEPS = 2_500
DRAWN = 10_000  # samples that are judged
LAM = (1.0, 0.3, 0.3)  # of the information about c_1, c_2 and c_3
KEEP = 4.0  # of what redrawing keeps


def infogan_generator() -> nn.Sequential:
    """The generator of InfoGAN on MNIST, `(N, 74)` to `(N, 1, 28, 28)`.

    Slide: InfoGAN / Results (F03).

    Example:
        >>> infogan_generator()(torch.zeros(2, 74)).shape
        torch.Size([2, 1, 28, 28])
    """
    return nets.image_generator(NOISE + CLASSES + CONTINUOUS, 48)


def infogan_trunk() -> nn.Sequential:
    """What critic and code network share, `(N, 1, 28, 28)` to features `(N, 256)`.

    Slide: InfoGAN / training tricks (A03), with the erratum X08.

    Example:
        >>> infogan_trunk()(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 256])
    """
    return nn.Sequential(
        nn.Conv2d(1, 32, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nets.leaky_relu(),
        nn.Conv2d(32, 64, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nets.leaky_relu(),
        nn.Flatten(),
        nn.Linear(3136, FEATURES, bias=False),
        nn.BatchNorm1d(FEATURES),
        nets.leaky_relu(),
    )


def infogan_code() -> Code:
    """The head :math:`Q`: features `(N, 256)` to the law of the ten classes and the two numbers.

    It is affine: a deeper head reads any partition off, such as one by the thickness of the pen.

    Slide: InfoGAN / training tricks (A03), with the erratum X08.

    Example:
        >>> infogan_code()(torch.zeros(2, 256)).event_shape
        torch.Size([12])
    """
    net = nn.Linear(FEATURES, CLASSES + 2 * CONTINUOUS)
    return Code(net, categorical=(CLASSES,), continuous=CONTINUOUS)


class Reader(nn.Module):
    r"""Trunk and head, the network of the code: :math:`Q_\eta(c \mid x)` of images.

    Slide: InfoGAN / Loss function (E31).

    Args:
        trunk: maps images to features.
        Q: maps features to a law of the code.

    Example:
        >>> Reader(infogan_trunk(), infogan_code())(torch.zeros(2, 1, 28, 28)).mean.shape
        torch.Size([2, 12])
    """

    def __init__(self, trunk: nn.Module, Q: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.Q = Q

    def forward(self, x: Tensor) -> Product:
        """Map images `(N, 1, 28, 28)` to laws of batch shape `(N,)`."""
        return self.Q(self.trunk(x))


def infogan_reader() -> Reader:
    """The network of the code on MNIST, untrained, which is what a file of weights holds.

    Slide: InfoGAN / Results (F03).

    Example:
        >>> infogan_reader()(torch.zeros(2, 1, 28, 28)).parts[0].probs.shape
        torch.Size([2, 10])
    """
    return Reader(infogan_trunk(), infogan_code())


def digit_infogan(device: str = "cpu") -> InfoGAN:
    """InfoGAN on MNIST as the recipe trains it, with products in half precision.

    Slide: InfoGAN / Results (F03).

    Args:
        device: where to train.

    Example:
        >>> digit_infogan().sample(2).shape
        torch.Size([2, 1, 28, 28])
    """
    like = torch.zeros(1, device=device)
    G, trunk = infogan_generator().to(device), infogan_trunk().to(device)
    for net in (G, trunk):
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    D, Q = nets.critic(FEATURES).to(device), infogan_code().to(device)
    p_0, p_c = standard_normal(NOISE, like), codes((CLASSES,), CONTINUOUS, like)
    return InfoGAN(nets.Autocast(G), nets.Autocast(trunk), D, Q, p_0, p_c, data_dims=3)


def infogan_mnist_redrawn(out: Path, seed: int = 0, device: str = "cpu") -> None:
    """InfoGAN on MNIST whose ten classes are those that survive a redrawing.

    Slide: InfoGAN / Results (F03); beyond the deck (codes that are classes).

    Args:
        out: the folder for checkpoints, weights, cards and the row of the table.
        seed: of the initial weights, the batches and the noise.
        device: where to train.
    """
    _train(out, infogan_mnist_redrawn, "redrawn", seed, device, LAM, redraw=True)


def infogan_mnist_published(out: Path, seed: int = 0, device: str = "cpu") -> None:
    """InfoGAN on MNIST as published: whatever the generator finds first becomes the code.

    Slide: InfoGAN / Results (F03). Arguments are those of `infogan_mnist_redrawn`.
    """
    _train(out, infogan_mnist_published, "published", seed, device, LAM)


def infogan_mnist_plain(out: Path, seed: int = 0, device: str = "cpu") -> None:
    """The plain GAN on the inputs of the InfoGAN: nobody asks it to use the code.

    The network of the code is trained afterwards, on samples of the finished generator.

    Slide: InfoGAN / Results (F03), panel (b). Arguments are those of `infogan_mnist_redrawn`.
    """
    _train(out, infogan_mnist_plain, "plain", seed, device, (0.0, 0.0, 0.0))


def infogan_mnist_runs(seed: int = 0) -> list[tuple[str, int]]:
    """The runs behind the table: five seeds with redrawing, three as published, three plain.

    Slide: InfoGAN / Results (F03).

    Args:
        seed: the first of each.

    Example:
        >>> len(infogan_mnist_runs()), infogan_mnist_runs()[0]
        (11, ('infogan_mnist_redrawn', 0))
    """
    counts = {"redrawn": 5, "published": 3, "plain": 3}
    return [
        (f"infogan_mnist_{variant}", seed + shift)
        for variant, count in counts.items()
        for shift in range(count)
    ]


def infogan_mnist(parts: Sequence[Path], out: Path, seed: int = 0) -> None:
    """Gather the table of InfoGAN on MNIST: with redrawing, as published, and the plain GAN.

    Slide: InfoGAN / Results (F03).

    Args:
        parts: the folders of `infogan_mnist_runs(seed)`.
        out: the folder for the table.
        seed: the first seed of each.
    """
    rows = [
        results.read(part / f"{name}_{s}.csv")[0]
        for part, (name, s) in zip(parts, infogan_mnist_runs(seed), strict=True)
    ]
    results.write(out / "infogan_mnist.csv", rows)


def _train(
    out: Path,
    recipe: Callable[..., None],
    variant: str,
    seed: int,
    device: str,
    lam: tuple[float, float, float],
    redraw: bool = False,
) -> None:
    began, core = start(out, seed), process_time()
    torch.set_num_threads(1)
    name = f"{recipe.__name__}_{seed}"
    x = data.mnist("train")[0].to(device, memory_format=torch.channels_last)
    model: Any = digit_infogan(device)
    fine = nn.Linear(FEATURES, FINE).to(device)
    if redraw:
        start_classes(model, fine, x, seed, checkpoint=out / f"{name}.checkpoint")
    game = nn.ModuleList([model.G, model.trunk, model.Q])
    theta = Adam(model.G.parameters(), 1e-3, (0.5, 0.99), fused=True)
    readers = nn.ModuleList([model.trunk, model.D, model.Q, fine]).parameters()
    phi_eta = Adam(readers, 4e-4, (0.5, 0.99), fused=True)
    average: Any = AveragedModel(game, multi_avg_fn=get_ema_multi_avg_fn(0.995), use_buffers=True)
    decay = [CosineAnnealingLR(player, STEPS) for player in (theta, phi_eta)]
    weight = torch.tensor(lam, device=device)

    def one(batch: Tensor) -> dict[str, Tensor]:
        values = step(model, batch[:64], theta, phi_eta, weight)
        if redraw:
            values["kept"] = keep(model, fine, batch)
            ascend(phi_eta, KEEP * values["kept"].sum())
        average.update_parameters(game)
        for schedule in decay:
            schedule.step()
        return values

    size = 128 if redraw else 64
    fit(one, data.Batches(x, size, STEPS, seed + 2), checkpoint=out / f"{name}.checkpoint")
    model.G.load_state_dict(average.module[0].state_dict())
    if any(lam):
        model.trunk.load_state_dict(average.module[1].state_dict())
        model.Q.load_state_dict(average.module[2].state_dict())
    else:
        _learn_to_read(model, STEPS // 5)
    trained = Reader(model.trunk.net, model.Q)
    update_bn(x[:10_000].split(500), trained)
    minutes = (process_time() - core) / 60  # of one core
    shipped: dict[str, nn.Module]
    shipped = {name: infogan_generator(), f"{name}_reader": infogan_reader()}
    for (part, fresh), net in zip(shipped.items(), (model.G.net, trained), strict=True):
        weights.save(net, out / f"{part}.safetensors")
        weights.fill(fresh, out / f"{part}.safetensors")
    scores = infogan_scores(*shipped.values())
    for part, maker in zip(shipped, ("generator", "reader"), strict=True):
        write_card(out / f"{part}.md", recipe, f"recipes.infogan_{maker}()", seed, began, scores)
    row = {"variant": variant, "seed": seed, **scores, "minutes": minutes}
    results.write(out / f"{name}.csv", [row])


def _learn_to_read(model: Any, steps: int) -> None:
    """Train trunk and head to tell the code of what a generator draws that stays as it is."""
    model.G.eval()
    eta = Adam(nn.ModuleList([model.trunk, model.Q]).parameters(), 1e-3, fused=True)

    def one(_: int) -> dict[str, Tensor]:
        z, c = model.draw(64)
        log_q = model.code(model.generate(z, c)).log_probs(c)
        bound = mutual_information(log_q.mT, model.p_c.entropies())
        return {"information": ascend(eta, bound.sum())}

    fit(one, range(steps))


class Shape(NamedTuple):
    """What `shape_of` returns, each of shape (N,)."""

    slant: Tensor
    width: Tensor
    ink: Tensor


def shape_of(x: Tensor) -> Shape:
    r"""The slant, the width and the ink of digits, from the moments of their grey values.

    .. math:: \mathrm{slant} = \frac{\mu_{uv}}{\mu_{vv}}, \qquad
              \mathrm{width} = \sqrt{\mu_{uu} - \mu_{uv}^2 / \mu_{vv}}, \qquad
              \mathrm{ink} = \sum_{uv} x_{uv}

    `u` runs to the right, `v` upwards, in pixels; the width is that of the digit set upright.

    Slide: InfoGAN / Results (F03), panels (c) and (d).

    Args:
        x: images `(N, 1, H, W)`, ink is 1.

    Example:
        >>> slash = torch.eye(28).flip(0)[None, None]
        >>> print(f"{shape_of(slash).slant.item():.3f}, {shape_of(slash).ink.item():.0f}")
        1.000, 28
    """
    height, wide = x.shape[-2:]
    v, u = torch.meshgrid(
        torch.arange(height).flip(0).to(x), torch.arange(wide).to(x), indexing="ij"
    )
    ink = x.sum((-3, -2, -1)) + 1e-6
    mean = [(x[:, 0] * t).sum((-2, -1)) / ink for t in (u, v)]
    u, v = u - mean[0][:, None, None], v - mean[1][:, None, None]
    uu, uv, vv = ((x[:, 0] * t).sum((-2, -1)) / ink for t in (u * u, u * v, v * v))
    vv = vv + 1e-6
    return Shape(uv / vv, (uu - uv.square() / vv).clamp_min(0).sqrt(), ink)


@torch.no_grad()
def infogan_scores(G: nn.Module, reader: nn.Module) -> dict[str, object]:
    """Judge an InfoGAN by its code: as a classifier of digits, and as a cause of what is drawn.

    Slide: InfoGAN / Results (F03).

    Args:
        G: the generator, in evaluation mode.
        reader: trunk and head, in evaluation mode.

    Returns:
        `error`: of the first code as a classifier of the test digits, where every class stands for
        the digit that it holds most often among the validation digits; `digits`: how many digits
        some class stands for; `information_1` to `information_3`: the bound, code by code;
        `drawn_as_read`: how often the shipped classifier sees the digit that the class stands for
        in a sample; `confidence` of that classifier; `slant_2`, `width_2`, `slant_3`, `width_3`:
        rank correlations of the continuous codes with what they may change, inside a class.
    """
    p_c = codes((CLASSES,), CONTINUOUS)
    (x, y), (x_test, y_test) = data.mnist("validation"), data.mnist("test")
    found, found_test = (
        torch.cat([reader(part).parts[0].probs.argmax(-1) for part in images.split(500)])
        for images in (x, x_test)
    )
    count = torch.zeros(CLASSES, 10).index_put_((found, y), torch.ones(len(y)), accumulate=True)
    digit = count.argmax(-1)

    torch.manual_seed(0)
    z, c = standard_normal(NOISE).sample((DRAWN,)), p_c.sample((DRAWN,))
    drawn = torch.cat([G(part) for part in torch.cat([z, c], -1).split(500)])
    log_q = torch.cat(
        [reader(x).log_probs(code) for x, code in zip(drawn.split(500), c.split(500), strict=True)]
    )
    bound = mutual_information(log_q.mT, p_c.entropies())
    logits = weights.load(nets.image_classifier(), "mnist_classifier")(drawn)
    label = c[:, :CLASSES].argmax(-1)
    shape = torch.stack(shape_of(drawn)[:2], -1)
    inside = [
        metrics.rank_correlation(c[label == k, CLASSES:], shape[label == k]) for k in range(CLASSES)
    ]
    slope = torch.stack(inside).mean(0)
    return {
        "error": float((digit[found_test] != y_test).double().mean()),
        "digits": len(set(digit.tolist())),
        **{f"information_{j + 1}": float(part) for j, part in enumerate(bound)},
        "drawn_as_read": float((logits.argmax(-1) == digit[label]).double().mean()),
        "confidence": float(metrics.class_shares(logits).mean_confidence),
        **{
            f"{name}_{j + 2}": float(slope[j, i])
            for j in range(CONTINUOUS)
            for i, name in enumerate(("slant", "width"))
        },
    }
