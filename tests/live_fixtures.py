"""What the package does, written down for the engine in the page to do again.

`operations()` holds first and second derivatives by torch, `steps()` one step of every model and
bound: weights, batches, every draw of noise in its order, and the gradient of every move. All of it
in float64, through the public interface.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.distributions import MixtureSameFamily, Normal, Uniform
from torch.nn.functional import logsigmoid, silu, softplus
from torch.optim import SGD

from gannotes import bounds, nets, optim
from gannotes import distributions as laws
from gannotes import divergences as dv
from gannotes.models import ali, avb, cyclegan, fgan, gan, infogan, vae
from gannotes.widgets.describe import describe

N = 12  # rows of a batch
Case = dict[str, Any]


# Derivatives of operations


POSITIVE = {"log", "sqrt"}
UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "transpose": lambda a: a.T,
    "sum": lambda a: a.sum().view(1, 1),
    "mean": lambda a: a.mean().view(1, 1),
    "sumColumns": lambda a: a.sum(1, keepdim=True),
    "neg": lambda a: -a,
    "tanh": torch.tanh,
    "exp": torch.exp,
    "sigmoid": torch.sigmoid,
    "leaky": lambda a: nn.functional.leaky_relu(a, 0.2),
    "reciprocal": lambda a: 1 / a,
    "softplus": softplus,
    "logsigmoid": logsigmoid,
    "silu": silu,
    "log": torch.log,
    "expm1": torch.expm1,
    "abs": torch.abs,
    "square": torch.square,
    "sqrt": torch.sqrt,
    "sin": torch.sin,
    "cos": torch.cos,
    "logsumexp": lambda a: a.logsumexp(1, keepdim=True),
}
WITH_NUMBERS: dict[str, tuple[list[float], Callable[[Tensor], Tensor]]] = {
    "affine": ([1.5, -0.25], lambda a: 1.5 * a - 0.25),
    "scale": ([-0.75], lambda a: -0.75 * a),
    "plus": ([0.5], lambda a: a + 0.5),
    "rows": ([1, 4], lambda a: a[1:4]),
    "columns": ([1, 3], lambda a: a[:, 1:3]),
    "tile": ([3], lambda a: a.repeat(3, 1)),
    "untile": ([2], lambda a: a.view(2, -1, a.shape[1]).sum(0)),
    "meanCopies": ([2], lambda a: a.view(2, -1, a.shape[1]).mean(0)),
    "sumTo": ([1, 5], lambda a: a.sum(0, keepdim=True)),
}
SEVERAL: list[tuple[str, list[tuple[int, int]], Callable[..., Tensor]]] = [
    ("matmul", [(6, 5), (5, 7)], lambda a, b: a @ b),
    ("matmul", [(3, 9), (9, 1)], lambda a, b: a @ b),
    ("matmulTransposed", [(6, 5), (6, 9)], lambda a, b: a.T @ b),
    ("affineMap", [(6, 5), (5, 13), (1, 13)], lambda x, W, b: x @ W + b),
    ("affineMap", [(5, 3), (3, 2), (1, 2)], lambda x, W, b: x @ W + b),
    ("below", [(2, 5), (3, 5)], lambda a, b: torch.cat([a, b])),
    ("beside", [(3, 2), (3, 1), (3, 4)], lambda *a: torch.cat(a, 1)),
    *[
        (name, [(4, 5), shape], f)
        for shape in [(4, 5), (1, 5), (4, 1), (1, 1)]
        for name, f in [
            ("add", torch.add),
            ("sub", torch.sub),
            ("mul", torch.mul),
            ("div", torch.div),
        ]
    ],
]


def operations() -> list[Case]:
    torch.manual_seed(0)
    cases = [_operation(n, [(6, 5)], f, positive=n in POSITIVE) for n, f in UNARY.items()]
    cases += [_operation(n, [(6, 5)], f, numbers) for n, (numbers, f) in WITH_NUMBERS.items()]
    cases += [
        _operation("expand", [shape], lambda a: a.expand(4, 5), [4, 5])
        for shape in [(1, 5), (4, 1), (1, 1)]
    ]
    return cases + [_operation(name, shapes, f) for name, shapes, f in SEVERAL]


def _operation(
    name: str,
    shapes: list[tuple[int, int]],
    f: Callable[..., Tensor],
    numbers: list[float] | None = None,
    positive: bool = False,
) -> Case:
    """d/dx sum(w y^3), and d/dx of the sum of u times that."""
    xs = [torch.randn(s).add(0.4).float().double() for s in shapes]
    xs = [(x.abs() + 0.3 if positive else x + 0.3 * x.sign()).requires_grad_() for x in xs]
    y = f(*xs)
    w, us = torch.randn_like(y).float().double(), [torch.randn_like(x).float().double() for x in xs]
    first = torch.autograd.grad((w * y**3).sum(), xs, create_graph=True)
    total = sum((u * g).sum() for u, g in zip(us, first, strict=True))
    second = torch.autograd.grad(total, xs)
    return {
        "name": name,
        "numbers": numbers or [],
        **{k: [_matrix(v) for v in vs] for k, vs in (("x", xs), ("u", us), ("w", [w]))},
        **{k: [_matrix(v) for v in vs] for k, vs in (("first", first), ("second", second))},
        "y": _matrix(y),
    }


def _matrix(x: Tensor) -> Case:
    flat = x.detach().reshape(-1, x.shape[-1])
    return {"r": flat.shape[0], "c": flat.shape[1], "values": flat.flatten().tolist()}


# Rules of optimisers


def optimisers() -> list[Case]:
    """Where three parameters are after six random gradients, and after a change of the rate."""
    torch.manual_seed(1)
    rules: dict[str, tuple[type[torch.optim.Optimizer], Case, Case]] = {
        "adam": (torch.optim.Adam, {"betas": (0.5, 0.99)}, {"momentum": 0.5, "beta2": 0.99}),
        "sgd": (SGD, {"momentum": 0.9}, {"momentum": 0.9, "beta2": 0.0}),
    }
    cases = []
    for rule, (family, options, settings) in rules.items():
        x = torch.randn(1, 7).double().requires_grad_()
        player, start, rates = family([x], lr=0.1, **options), _matrix(x), [0.1] * 3 + [0.02] * 3
        gradients = [torch.randn(1, 7).float().double() for _ in rates]
        for rate, g in zip(rates, gradients, strict=True):
            player.param_groups[0]["lr"] = rate
            x.grad = g
            player.step()
        case = {"rule": rule, "settings": settings, "rates": rates, "start": start}
        cases.append(case | {"gradients": [_matrix(g) for g in gradients], "end": _matrix(x)})
    return cases


# Steps of models


class Recorder(SGD):
    """Plain gradients, which remember every gradient that they are asked to follow."""

    def __init__(self, moves: list[Case], player: str, *modules: nn.Module) -> None:
        self.parameters = [p for module in modules for p in module.parameters()]
        self.moves, self.player = moves, player
        super().__init__(self.parameters, lr=0.1)

    def step(self) -> None:  # type: ignore[override]
        gradients = [p.grad.clone() for p in self.parameters]
        self.moves.append({"player": self.player, "gradients": gradients})
        super().step()


@contextmanager
def recorded_noise() -> Iterator[list[Tensor]]:
    """Every draw, outermost calls only; of a Gaussian with a mean and a scale its noise."""
    draws: list[Tensor] = []
    depth = 0

    def recording(draw: Callable[..., Tensor], standard: bool) -> Callable[..., Tensor]:
        def drawn(*args: Any, **kwargs: Any) -> Tensor:
            nonlocal depth
            depth += 1
            try:
                x = draw(*args, **kwargs)
            finally:
                depth -= 1
            if depth == 0:
                law = args[0]
                noise = (x - law.loc) / law.scale if standard else x
                draws.append(noise.detach().reshape(-1, x.shape[-1]))
            return x

        return drawn

    with (
        patch.object(Normal, "sample", recording(Normal.sample, True)),
        patch.object(Normal, "rsample", recording(Normal.rsample, True)),
        patch.object(Uniform, "rsample", recording(Uniform.rsample, False)),
        patch.object(MixtureSameFamily, "sample", recording(MixtureSameFamily.sample, False)),
        patch.object(laws.Product, "sample", recording(laws.Product.sample, False)),
        patch.object(torch, "randn_like", recording(torch.randn_like, False)),
    ):
        yield draws


Step = Callable[..., dict[str, Tensor]]


def case(
    name: str,
    model: nn.Module,
    players: dict[str, list[nn.Module]],
    step: Step,
    batch: dict[str, Tensor],
    **settings: Any,
) -> Case:
    """One step of `step(model, *batch, *players)`, and what it needs to be repeated."""
    model.float().double()
    spec, weights = describe(model)
    moves: list[Case] = []
    optimisers = [Recorder(moves, who, *modules) for who, modules in players.items()]
    with recorded_noise() as draws:
        out = step(model, *batch.values(), *optimisers)
    return {
        "name": name,
        "spec": spec,
        "weights": torch.frombuffer(bytearray(weights), dtype=torch.float32).tolist(),
        "settings": {"theta": 0.1, "phi": 0.1, "rule": "sgd", "momentum": 0, **spec["settings"]}
        | settings,
        "batch": {key: _matrix(x) for key, x in batch.items()},
        "draws": [_matrix(d) for d in draws],
        "moves": [
            {"player": m["player"], "gradients": [_flat(g) for g in m["gradients"]]} for m in moves
        ],
        "out": {key: value.double().flatten().tolist() for key, value in out.items()},
    }


def _flat(g: Tensor) -> list[float]:
    return (g.T if g.ndim == 2 else g).flatten().tolist()


class Joined(nn.Module):
    """A network of two inputs side by side."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.net(torch.cat([a, b], -1))


def x2() -> dict[str, Tensor]:
    return {"x": torch.randn(N, 2) * 1.5}


ACTIVATIONS = {"leaky": nets.leaky_relu, "tanh": nn.Tanh, "silu": nn.SiLU, "softplus": nn.Softplus}


def gans() -> Iterator[Case]:
    def build(bound: bounds.Bound, activation: str = "leaky", base: Any = None) -> tuple:
        a = ACTIVATIONS[activation]
        G, D = nets.mlp(2, 12, 12, 2, activation=a), nets.critic(2, 12, 12, activation=a)
        model = gan.GAN(G, D, base or laws.standard_normal(2), bound)
        return model, {"theta": [G], "phi": [D]}

    def plain(m: gan.GAN, x: Tensor, *players: SGD) -> dict[str, Tensor]:
        return gan.step(m, x, *players, K=2)

    def penalised(m: gan.GAN, x: Tensor, *players: SGD) -> dict[str, Tensor]:
        return gan.step_regularised(m, x, *players, 0.7)

    for bound in (bounds.bernoulli, bounds.least_squares, bounds.relativistic):
        name = bound.__name__
        yield case(f"gan {name}", *build(bound), plain, x2(), K=2)
        yield case(f"gan {name} penalised", *build(bound), penalised, x2(), gamma=0.7)
    for activation in ("tanh", "silu", "softplus"):
        made = build(bounds.bernoulli, activation)
        yield case(f"gan {activation} penalised", *made, penalised, x2(), gamma=0.7)
    for base in (laws.uniform(2), laws.corners(2)):
        yield case(f"gan {base}", *build(bounds.bernoulli, base=base), plain, x2(), K=2)
    yield from conditional()


def conditional() -> Iterator[Case]:
    def step(m: gan.GAN, x: Tensor, u: Tensor, theta: SGD, phi: SGD) -> dict[str, Tensor]:
        value = optim.ascend(phi, m.value(x, u=u))
        optim.ascend(theta, m.value(x, flip=True, u=u))
        return {"value": value}

    batch = x2() | {"u": torch.eye(3)[torch.randint(3, (N,))]}
    G, D = (
        Joined(nets.mlp(5, 12, 2)),
        nets.Pair(nn.Linear(2, 8), nn.Linear(3, 8), nets.critic(8, 8)),
    )
    model = gan.GAN(G, D, laws.standard_normal(2))
    yield case("gan conditional", model, {"theta": [G], "phi": [D]}, step, batch)


def f_gans() -> Iterator[Case]:
    def alternating(flip: bool) -> Step:
        return lambda m, x, *players: fgan.step_alternating(m, x, *players, flip=flip)

    rows = [*dv.F_DIVERGENCES.values(), *map(dv.alpha_family, (-1.0, 0.0, 0.5, 1.0, 2.0))]
    for f in rows:
        for how, step, settings in (
            ("together", fgan.step, {"together": True}),
            ("flipped", alternating(True), {}),
            ("in turn", alternating(False), {"flip": False}),
        ):
            G, V = nets.mlp(2, 12, 2), nets.critic(2, 12, 12, activation=nn.Tanh)
            model = fgan.FGAN(G, V, laws.standard_normal(2), f)
            players: dict[str, list[nn.Module]] = {"theta": [G], "phi": [V]}
            yield case(f"fgan {f.name} {how}", model, players, step, x2(), **settings)
    G, V = nets.mlp(1, 1), nets.critic(1, 12, 12, activation=nn.Tanh)
    model = fgan.FGAN(G, V, laws.standard_normal(1), dv.KL)
    batch = {"x": torch.randn(N, 1)}
    players = {"theta": [G], "phi": [V]}
    yield case("fgan affine", model, players, fgan.step, batch, together=True)


def info_gans() -> Iterator[Case]:
    for bound in (bounds.bernoulli, bounds.relativistic):
        G, D, Q = nets.mlp(2 + 5 + 2, 12, 2), nets.critic(12), nets.mlp(12, 5 + 4)
        trunk = nn.Sequential(nn.Linear(2, 12), nn.LeakyReLU(0.2))
        code = laws.Code(Q, categorical=(3, 2), continuous=2)
        p_0, p_c = laws.standard_normal(2), laws.codes((3, 2), 2)
        model = infogan.InfoGAN(G, trunk, D, code, p_0, p_c, bound)
        players: dict[str, list[nn.Module]] = {"theta": [G], "phi": [trunk, D, Q]}

        def step(m: infogan.InfoGAN, x: Tensor, *players: SGD) -> dict[str, Tensor]:
            return infogan.step(m, x, *players, lam=0.5)

        yield case(f"infogan {bound.__name__}", model, players, step, x2(), lam=0.5)


def cycle_gans() -> Iterator[Case]:
    for bound in (bounds.least_squares, bounds.bernoulli):
        G, F = nets.mlp(2, 12, 2), nets.mlp(2, 12, 2)
        X, Y = nets.critic(2, 12), nets.critic(2, 12)
        model = cyclegan.CycleGAN(G, F, X, Y, bound)
        players: dict[str, list[nn.Module]] = {"theta": [G, F], "phi": [X, Y]}

        def step(m: cyclegan.CycleGAN, x: Tensor, y: Tensor, *players: SGD) -> dict[str, Tensor]:
            return cyclegan.step(m, x, y, *players, lam=3.0)

        batch = x2() | {"y": torch.randn(N, 2) + 1}
        yield case(f"cyclegan {bound.__name__}", model, players, step, batch, lam=3.0)


def autoencoders() -> Iterator[Case]:
    def net(*widths: int) -> nn.Sequential:
        return nets.mlp(*widths, activation=nn.Tanh)

    def step(m: vae.VAE, x: Tensor, player: SGD) -> dict[str, Tensor]:
        return vae.step(m, x, player, N_z=3)

    p_0 = laws.standard_normal(2)
    pairs = x2()
    coins = {"x": torch.randint(2, (N, 3)).double()}
    for name, decoder, batch, kl in (
        ("gaussian", laws.Gaussian(net(2, 12, 4)), pairs, vae.analytic_kl),
        ("sampled", laws.Gaussian(net(2, 12, 4)), pairs, vae.sampled_kl),
        (
            "learnt sd",
            laws.Gaussian(net(2, 12, 2), nn.Parameter(torch.tensor([-0.5, 0.25]))),
            pairs,
            vae.analytic_kl,
        ),
        ("fixed sd", laws.Gaussian(net(2, 12, 2), torch.tensor([-0.5])), pairs, vae.analytic_kl),
        ("bernoulli", laws.Bernoulli(net(2, 12, 3)), coins, vae.analytic_kl),
    ):
        encoder = laws.Gaussian(net(batch["x"].shape[1], 12, 4))
        model = vae.VAE(encoder, decoder, p_0, kl)
        yield case(f"vae {name}", model, {"theta": [encoder, decoder]}, step, batch, N_z=3)


def implicit(inputs: int, warp: bool) -> laws.Implicit:
    if warp:
        bend = nets.Pair(
            nn.Linear(12, 12), nn.Linear(3, 12), nn.Sequential(nn.SiLU(), nn.Linear(12, 2))
        )
        head: nn.Module = nets.Warp(nn.Linear(12, 4), bend)
    else:
        head = nets.Pair(
            nn.Identity(), nn.Linear(3, 12), nn.Sequential(nn.SiLU(), nets.mlp(12, 12, 2))
        )
    return laws.Implicit(
        nn.Sequential(nn.Linear(inputs, 12), nn.Tanh()), head, laws.standard_normal(3)
    )


def alis() -> Iterator[Case]:
    def step(m: ali.ALI, x: Tensor, *players: SGD) -> dict[str, Tensor]:
        return ali.step(m, x, *players, K=2)

    for name, encoder, decoder in (
        ("gaussian", laws.Gaussian(nets.mlp(2, 12, 4)), laws.Gaussian(nets.mlp(2, 12, 4))),
        (
            "deterministic",
            laws.Deterministic(nets.mlp(2, 12, 2)),
            laws.Deterministic(nets.mlp(2, 12, 2)),
        ),
        ("implicit", implicit(2, warp=True), laws.Gaussian(nets.mlp(2, 12, 4))),
    ):
        head = nn.Sequential(nn.LeakyReLU(0.2), nets.critic(12, 12))
        D = nets.Pair(nets.mlp(2, 12), nets.mlp(2, 12), head)
        model = ali.ALI(encoder, decoder, D, laws.standard_normal(2))
        players: dict[str, list[nn.Module]] = {"theta": [encoder, decoder], "phi": [D]}
        yield case(f"ali {name}", model, players, step, x2(), K=2)


def avbs() -> Iterator[Case]:
    def step(m: avb.AVB, x: Tensor, *players: SGD) -> dict[str, Tensor]:
        return avb.step(m, x, *players, N_z=3, K=2)

    for name, contrast, warp in (("", 0, False), (" contrast", 8, False), (" warp", 8, True)):
        encoder, decoder = implicit(4, warp), laws.Bernoulli(nets.mlp(2, 12, 4))
        r = nets.Pair(
            nets.mlp(2, 12), nets.mlp(4, 12), nn.Sequential(nn.SiLU(), nets.critic(12, 12))
        )
        fit = (lambda q: laws.gaussian_fit(q.sample(torch.Size((8,))))) if contrast else None
        model = avb.AVB(encoder, decoder, r, laws.standard_normal(2), fit)
        players: dict[str, list[nn.Module]] = {"theta": [encoder, decoder], "phi": [r]}
        batch = {"x": torch.eye(4).repeat(3, 1)}
        settings = {"N_z": 3, "K": 2, "contrast": contrast}
        yield case(f"avb{name}", model, players, step, batch, **settings)


def steps() -> list[Case]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    try:
        makers = (gans, f_gans, info_gans, cycle_gans, autoencoders, alis, avbs)
        return [made for make in makers for made in make()]
    finally:
        torch.set_default_dtype(before)
