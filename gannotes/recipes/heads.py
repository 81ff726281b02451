"""InfoGAN on heads that turn: two codes against four known factors, and a plain GAN beside it."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR

from gannotes import data, metrics, nets, weights
from gannotes.bounds import mutual_information
from gannotes.data import FACTORS, heads
from gannotes.distributions import Code, codes, standard_normal
from gannotes.models.infogan import InfoGAN
from gannotes.optim import ascend, descend, linear_decay
from gannotes.recipes.frame import Average, Desk, Row, Sweep

NOISE, CODES = 4, 2
HEADS, TESTED = 6_000, 2_000  # rendered to learn from, and afresh to be judged by
FITTED = 1_000  # steps of a code network for a generator that is finished
RATE = 1e-3
FLOOR = 0.3  # of the standard deviation of Q: a code is asked for in coarse steps
BLUR = 0.8  # noise on the pictures: at first for the critic, throughout for the code
LAM = {"blurred": 1.0, "plain": 0.0}  # of the information in the codes


def head_generator() -> nn.Sequential:
    """The generator of heads: noise and codes, `(N, 6)`, become pictures `(N, 1, 32, 32)`.

    Slide: InfoGAN / Results (F04).

    Example:
        >>> head_generator()(torch.zeros(2, 6)).shape
        torch.Size([2, 1, 32, 32])
    """
    first = nn.Linear(NOISE + CODES, 48 * 16, bias=False)
    with torch.no_grad():  # the codes begin as loud as the noise, whose variance is 1 and not 1/3
        first.weight[:, NOISE:] *= 3**0.5
    return nn.Sequential(
        first,
        nn.Unflatten(-1, (48, 4, 4)),
        nn.BatchNorm2d(48),
        nn.ReLU(),
        nn.ConvTranspose2d(48, 48, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(48),
        nn.ReLU(),
        nn.ConvTranspose2d(48, 24, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.ConvTranspose2d(24, 1, 4, stride=2, padding=1),
        nn.Sigmoid(),
    )


def head_trunk() -> nn.Sequential:
    """What critic and code network share: pictures `(N, 1, 32, 32)` become features `(N, 64)`.

    Slide: InfoGAN / training tricks (A03), with the erratum X08.

    Example:
        >>> head_trunk()(torch.zeros(2, 1, 32, 32)).shape
        torch.Size([2, 64])
    """
    return nn.Sequential(
        nn.Conv2d(1, 16, 4, stride=2, padding=1),
        nets.leaky_relu(),
        nn.Conv2d(16, 32, 4, stride=2, padding=1),
        nets.leaky_relu(),
        nn.Conv2d(32, 64, 4, stride=2, padding=1),
        nets.leaky_relu(),
        nn.Flatten(),
        nn.Linear(64 * 16, 64),
        nets.leaky_relu(),
    )


def head_reader() -> nn.Sequential:
    r"""Trunk and code network in a row, :math:`Q_\eta(c \mid x)` of pictures `(N, 1, 32, 32)`.

    Slide: InfoGAN / Loss function (E31).

    Example:
        >>> head_reader()(torch.zeros(2, 1, 32, 32)).mean.shape
        torch.Size([2, 2])
    """
    head = Code(nets.mlp(64, 32, 2 * CODES), continuous=CODES, floor=FLOOR)
    return nn.Sequential(head_trunk(), head)


def head_judge() -> nn.Sequential:
    """A regression that tells the factors of a head, each scaled to [-1, 1]: `(N, 4)`.

    Slide: beyond the deck (evaluation of F04).

    Example:
        >>> head_judge()(torch.zeros(2, 1, 32, 32)).shape
        torch.Size([2, 4])
    """
    return head_trunk().append(nn.Linear(64, len(FACTORS)))


def blur(part: float) -> float:
    r"""The noise on the pictures that the critic sees, after a part of the steps.

    .. math:: s(u) = 0.8 \, \min\Big(1, \max\Big(0, \frac{0.5 - u}{0.3}\Big)\Big)

    Heads lie on a surface of four dimensions, and generated ones on another: a critic tells the two
    apart long before they are close. Under noise they overlap.

    References:
        Sønderby et al., Amortised MAP inference for image super-resolution, 2017.

    Args:
        part: the share of the steps taken, in [0, 1].

    Example:
        >>> [round(blur(u), 2) for u in (0.0, 0.2, 0.35, 0.5, 1.0)]
        [0.8, 0.8, 0.4, 0.0, 0.0]
    """
    return BLUR * min(1.0, max(0.0, (0.5 - part) / 0.3))


def blurred_objectives(
    infogan: InfoGAN, x: Tensor, sd: float, flip: bool = False
) -> tuple[Tensor, Tensor]:
    r"""Value and information, :math:`\hat V` on `x + s e` and :math:`\hat L_{MI}` on `x' + s' e`.

    What the code network sees has lost what noise hides, :math:`I(c; x' + s' e) \le I(c; x')`: the
    bound stays one on the information of the sample, but a code pays only if it changes much of a
    picture, and two only if they do not change the same. Every picture has its own
    :math:`s' \sim U(0, 0.8)`.

    Slide: InfoGAN / Augmented GAN objective (E32, E33); beyond the deck (what a code takes to).

    Args:
        infogan: the model.
        x: data `(N, 1, 32, 32)`.
        sd: the noise `s` that the critic sees.
        flip: whether to swap the two classes in the value.

    Returns:
        The value `()`, and the bounds in nats `(2,)`.
    """
    z, c = infogan.draw(len(x))
    made = infogan.generate(z, c)
    v_p, v_q = (infogan.D(infogan.trunk(part + sd * torch.randn_like(x))) for part in (x, made))
    value = infogan.bound(v_q, v_p) if flip else infogan.bound(v_p, v_q)
    noise = BLUR * torch.rand(len(x), 1, 1, 1, device=x.device) * torch.randn_like(x)
    Q: Any = infogan.code(made + noise)
    return value, mutual_information(Q.log_probs(c).mT, infogan.p_c.entropies())


def infogan_heads(desk: Desk, variant: str, steps: int = 3_200) -> Row:
    """Train InfoGAN on rendered heads, its codes read off pictures under noise, or a plain GAN.

    The plain one has the inputs of the InfoGAN; a code network of its own learns to read it when it
    is finished.

    Slide: InfoGAN / Results (E35, A03, F04).

    Args:
        desk: where to train.
        variant: a key of `LAM`.
        steps: the number of steps, of 64 heads each.
    """
    lam = LAM[variant]
    x, _ = _rendered(desk.device)
    G, reader = desk.place(head_generator()), desk.place(head_reader())
    D = nets.critic(64).to(desk.device)
    p_0, p_c = standard_normal(NOISE), codes(continuous=CODES)
    trunk = nets.Autocast(reader[0])
    model = InfoGAN(nets.Autocast(G), trunk, D, reader[1], p_0, p_c, data_dims=3).to(desk.device)
    theta = Adam(G.parameters(), RATE, (0.5, 0.99), fused=True)
    phi_eta = Adam(nn.ModuleList([reader, D]).parameters(), RATE, (0.5, 0.99), fused=True)
    falling = linear_decay(steps // 2, steps - steps // 2)
    decays = [LambdaLR(player, falling) for player in (theta, phi_eta)]

    def one(batch: Tensor) -> dict[str, Tensor]:
        sd = blur(decays[0].last_epoch / steps)
        value, information = blurred_objectives(model, batch, sd)
        ascend(phi_eta, value + lam * information.sum())
        flipped, readable = blurred_objectives(model, batch, sd, flip=True)
        ascend(theta, flipped + lam * readable.sum())
        return {"value": value, "information": information}

    average = Average(nn.ModuleList([G, reader]), 0.995)
    desk.fit(one, data.Batches(x, 64, steps, desk.seed), average, *decays)
    fresh = head_generator(), head_reader()
    G_mean, reader_mean = average.module.cpu().children()
    if not lam:
        reader_mean = _fitted(G_mean, min(FITTED, steps))
    made_by = "recipes.heads.head_{}()".format
    shipped = (
        desk.ship(G_mean, fresh[0], made_by("generator")),
        desk.ship(reader_mean, fresh[1], made_by("reader"), f"{desk.name}_reader"),
    )
    return head_scores(*shipped, weights.load(head_judge(), "heads_judge"))


INFOGAN_HEADS = Sweep(infogan_heads, {"variant": list(LAM)}, seeds=3)


def heads_judge(desk: Desk, steps: int = 1_500) -> Row:
    """Train a regression of the factors on rendered heads, to judge generated ones.

    Slide: beyond the deck (evaluation of F04).

    Args:
        desk: where to train.
        steps: the number of steps, of 64 heads each.
    """
    x, factors = _rendered(desk.device)
    net = desk.place(head_judge())
    quick = nets.Autocast(net)
    phi = Adam(net.parameters(), 2e-3, fused=True)

    def one(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        images, truth = batch
        blur = 0.1 * torch.rand(len(images), 1, 1, 1).to(images)  # generated heads are not clean
        error = quick(images + blur * torch.randn_like(images)) - truth
        return {"error": descend(phi, error.square().mean())}

    batches = data.Batches((x, _scaled(factors)), 64, steps, desk.seed)
    desk.fit(one, batches, CosineAnnealingLR(phi, steps))
    judge = desk.ship(net, head_judge(), "recipes.heads.head_judge()")
    x, factors = unseen_heads()
    with torch.no_grad():
        error = (judge(x) - _scaled(factors)).square().mean(0).sqrt()
    return {f"error of {name}": float(e) for name, e in zip(FACTORS, error, strict=True)}


def unseen_heads() -> tuple[Tensor, Tensor]:
    """Heads that no run has learnt from, and their factors: what every score is computed on.

    Slide: beyond the deck (evaluation of F04).
    """
    return heads(TESTED, torch.Generator().manual_seed(1_000))


@torch.no_grad()
def head_scores(G: nn.Module, reader: nn.Module, judge: nn.Module) -> dict[str, float]:
    r"""Do the codes mean the factors? Once by reading heads, and once by drawing them.

    Heads with known factors are read: the code is the mean of :math:`Q_\eta(c \mid x)`. And heads
    are drawn with known codes: their factors are what the regression says.

    Slide: InfoGAN / Results (F04).

    Args:
        G: of `head_generator`, in evaluation mode.
        reader: of `head_reader`.
        judge: of `head_judge`.

    Returns:
        For each factor, the largest absolute rank correlation over the codes and which code has it
        (from 1), `azimuth`, `azimuth_code`, ...; the same on drawn heads, `drawn_azimuth`, ...;
        `mig`, the mutual information gap on rendered heads; `information_1`, ..., the bound of
        each code on drawn heads, in nats.
    """
    x, factors = unseen_heads()
    read = reader(x).mean
    torch.manual_seed(0)
    z, c = standard_normal(NOISE).sample((TESTED,)), codes(continuous=CODES).sample((TESTED,))
    drawn = G(torch.cat([z, c], 1))
    log_q = reader(drawn).log_probs(c)
    information = mutual_information(log_q.mT, codes(continuous=CODES).entropies())
    scores: dict[str, float] = {}
    for prefix, code, truth in (("", read, factors), ("drawn_", c, judge(drawn))):
        best = metrics.rank_correlation(code.double(), truth.double()).abs().max(0)
        for name, value, k in zip(FACTORS, best.values, best.indices, strict=True):
            scores |= {f"{prefix}{name}": float(value), f"{prefix}{name}_code": int(k) + 1}
    scores["mig"] = float(metrics.mutual_information_gap(read.double(), factors.double()))
    return scores | {f"information_{k + 1}": float(v) for k, v in enumerate(information)}


def _rendered(device: str) -> tuple[Tensor, Tensor]:
    """Heads to learn from and their factors; with their mirror images, which are as likely."""
    x, factors = heads(HEADS, torch.Generator().manual_seed(0))
    turned = factors * torch.tensor([-1.0, 1.0, -1.0, 1.0])
    both = torch.cat([x, x.flip(-1)]), torch.cat([factors, turned])
    return both[0].to(device, memory_format=torch.channels_last), both[1].to(device)


def _fitted(G: nn.Module, steps: int) -> nn.Sequential:
    """A code network for a generator that does not move any more."""
    G.eval()
    reader = head_reader()
    p_0, p_c = standard_normal(NOISE), codes(continuous=CODES)
    eta = Adam(reader.parameters(), RATE, (0.5, 0.99), fused=True)
    decay = CosineAnnealingLR(eta, steps)
    for _ in range(steps):
        c = p_c.sample((64,))
        with torch.no_grad():
            x = G(torch.cat([p_0.sample((64,)), c], 1))
        ascend(eta, mutual_information(reader(x).log_probs(c).mT, p_c.entropies()).sum())
        decay.step()
    return reader


def _scaled(factors: Tensor) -> Tensor:
    """Factors to [-1, 1], so that all weigh the same."""
    low, high = torch.tensor(list(FACTORS.values())).unbind(1)
    return (2 * factors - low - high) / (high - low)
