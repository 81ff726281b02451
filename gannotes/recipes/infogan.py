"""InfoGAN on MNIST, 62 + 10 + 2 inputs: as published, with a head start, and the plain GAN."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import update_bn

from gannotes import data, metrics, nets
from gannotes.bounds import mutual_information
from gannotes.distributions import Code, Product, codes, standard_normal
from gannotes.models.infogan import InfoGAN, step
from gannotes.optim import ascend, fit
from gannotes.recipes import protocols
from gannotes.recipes.frame import Average, Desk, Row, Sweep
from gannotes.recipes.redraw import FINE, keep, start_classes

NOISE, CLASSES, CONTINUOUS = 62, 10, 2
FEATURES = 256
DRAWN = 10_000  # samples that are judged
LAM = {  # of the information about c_1, c_2 and c_3
    "redrawn": (1.0, 0.3, 0.3),
    "published": (1.0, 0.3, 0.3),
    "plain": (0.0, 0.0, 0.0),
}
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
    G, trunk = infogan_generator(), infogan_trunk()
    for net in (G, trunk):
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    D, Q = nets.critic(FEATURES), infogan_code()
    p_0, p_c = standard_normal(NOISE), codes((CLASSES,), CONTINUOUS)
    model = InfoGAN(nets.Autocast(G), nets.Autocast(trunk), D, Q, p_0, p_c, data_dims=3)
    return model.to(device)


def infogan_mnist(desk: Desk, variant: str, steps: int = 2_500) -> Row:
    """Train InfoGAN on MNIST: with redrawing, as published, or without a code that means anything.

    With redrawing, the ten classes are those that survive a redrawing. As published, whatever the
    generator finds first becomes the code. The plain GAN has the inputs of the InfoGAN, but nobody
    asks it to use the code: its network of the code is trained afterwards, on samples of the
    finished generator.

    Slide: InfoGAN / Results (F03); beyond the deck (codes that are classes).

    Args:
        desk: where to train.
        variant: a key of `LAM`.
        steps: the number of steps, of 64 images each.
    """
    redraw, lam = variant == "redrawn", LAM[variant]
    x = data.mnist("train")[0].to(desk.device, memory_format=torch.channels_last)
    model: Any = digit_infogan(desk.device)
    fine = nn.Linear(FEATURES, FINE).to(desk.device)
    if redraw:
        start_classes(model, fine, x, desk.seed, checkpoint=desk.file(".checkpoint"))
    game = nn.ModuleList([model.G, model.trunk, model.Q])
    theta = Adam(model.G.parameters(), 1e-3, (0.5, 0.99), fused=True)
    readers = nn.ModuleList([model.trunk, model.D, model.Q, fine]).parameters()
    phi_eta = Adam(readers, 4e-4, (0.5, 0.99), fused=True)
    decays = [CosineAnnealingLR(player, steps) for player in (theta, phi_eta)]
    weight = torch.tensor(lam, device=desk.device)

    def one(batch: Tensor) -> dict[str, Tensor]:
        values = step(model, batch[:64], theta, phi_eta, weight)
        if redraw:
            values["kept"] = keep(model, fine, batch)
            ascend(phi_eta, KEEP * values["kept"].sum())
        return values

    average: Any = Average(game, 0.995)
    batches = data.Batches(x, 128 if redraw else 64, steps, desk.seed + 2)
    desk.fit(one, batches, average, *decays)
    model.G.load_state_dict(average.module[0].state_dict())
    if any(lam):
        model.trunk.load_state_dict(average.module[1].state_dict())
        model.Q.load_state_dict(average.module[2].state_dict())
    else:
        _learn_to_read(model, steps // 5)
    trained = Reader(model.trunk.net, model.Q)
    update_bn(x[:10_000].split(500), trained)
    made_by = "recipes.infogan.infogan_{}()".format
    G = desk.ship(model.G.net, infogan_generator(), made_by("generator"))
    if any(lam):
        reader = desk.ship(trained, infogan_reader(), made_by("reader"), f"{desk.name}_reader")
    else:  # nobody reads the code of a GAN
        reader = desk.judged(trained, infogan_reader())
    return infogan_scores(G, reader)


INFOGAN_MNIST = Sweep(
    infogan_mnist, {"variant": list(LAM)}, seeds={"redrawn": 5, "published": 3, "plain": 3}
)


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
def infogan_scores(G: nn.Module, reader: nn.Module) -> Row:
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
    drawn = protocols.in_parts(G, torch.cat([z, c], -1))
    log_q = torch.cat(
        [reader(x).log_probs(code) for x, code in zip(drawn.split(500), c.split(500), strict=True)]
    )
    bound = mutual_information(log_q.mT, p_c.entropies())
    logits = protocols.classifier()(drawn)
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
