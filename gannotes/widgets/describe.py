r"""Models of the package as the engine of `live/` reads them: a description and a block of numbers.

A description is JSON: which networks, of which layers, with which noise. The numbers are the
weights in its order, float32, of an affine map :math:`W^\top` and then :math:`b`. What the engine
does not have is refused by name.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import (
    Distribution,
    Independent,
    MixtureSameFamily,
    Normal,
    OneHotCategorical,
    Uniform,
)

from gannotes import bounds, nets
from gannotes import distributions as laws
from gannotes.data.toys import TwoMoons
from gannotes.divergences import F_DIVERGENCES, alpha_family
from gannotes.models.ali import ALI
from gannotes.models.avb import AVB
from gannotes.models.cyclegan import CycleGAN
from gannotes.models.fgan import FGAN
from gannotes.models.gan import GAN
from gannotes.models.infogan import InfoGAN
from gannotes.models.vae import VAE, sampled_kl

Description = dict[str, Any]

NETWORKS: dict[type[nn.Module], tuple[str, dict[str, str]]] = {
    GAN: ("gan", {"G": "G", "D": "D"}),
    FGAN: ("gan", {"G": "G", "D": "V"}),
    InfoGAN: ("infogan", {"G": "G", "trunk": "trunk", "D": "D", "Q": "Q"}),
    CycleGAN: ("cyclegan", {"G": "G", "F": "F", "D_X": "D_X", "D_Y": "D_Y"}),
    VAE: ("vae", {"encoder": "encoder", "decoder": "decoder"}),
    ALI: ("ali", {"encoder": "encoder", "decoder": "decoder", "D": "D"}),
    AVB: ("avb", {"encoder": "encoder", "decoder": "decoder", "r": "r"}),
}
PLAIN: dict[type[nn.Module], str] = {nn.Tanh: "tanh", nn.SiLU: "silu", nn.Sigmoid: "sigmoid"}
PARTS: dict[type[nn.Module], tuple[str, tuple[str, ...]]] = {
    nets.Pair: ("pair", ("first", "second", "head")),
    nets.Warp: ("warp", ("affine", "bend")),
    laws.Bernoulli: ("bernoulli", ("net",)),
    laws.Deterministic: ("deterministic", ("net",)),
}


def describe(model: nn.Module) -> tuple[Description, bytes]:
    """What the engine needs of a model, and its weights.

    Args:
        model: any model of `gannotes.models` with small networks.

    Returns:
        The description, with the settings that follow from the model, and float32 numbers.

    Raises:
        TypeError: if the engine lacks something; the message names it.

    Example:
        >>> from gannotes.models.gan import GAN
        >>> gan = GAN(nets.mlp(2, 8, 1), nets.critic(1, 8), laws.standard_normal(2))
        >>> spec, weights = describe(gan)
        >>> spec["model"], spec["base"], spec["settings"], len(weights) // 4
        ('gan', {'law': 'normal', 'd': 2}, {'bound': 'bernoulli'}, 58)
    """
    if type(model) not in NETWORKS:
        raise TypeError(f"model: expected one of gannotes.models, got {type(model).__name__}")
    kind, names = NETWORKS[type(model)]
    weights: list[Tensor] = []
    spec: Description = {"model": kind, "settings": {}}
    spec["networks"] = {
        name: network(name, getattr(model, attribute), weights) for name, attribute in names.items()
    }
    for name, attribute in (("base", "p_0"), ("code", "p_c")):
        if hasattr(model, attribute):
            spec[name] = noise(attribute, getattr(model, attribute))
    bound: Any = getattr(model, "bound", None)
    if bound is not None:
        spec["settings"]["bound"] = bound_name(bound)
    if getattr(model, "kl", None) is sampled_kl:
        spec["settings"]["sampled_kl"] = True
    spec["labelled"] = isinstance(model, GAN) and _inputs(model.G) == 2
    return spec, torch.cat([w.detach().float().flatten() for w in weights]).numpy().tobytes()


@torch.no_grad()
def restore(model: nn.Module, weights: bytes) -> None:
    """Give a model the weights that came back from its engine.

    Args:
        model: the model that was described.
        weights: float32 numbers in the order of the description.

    Raises:
        ValueError: if there are more or fewer numbers than the model has.
    """
    kind, names = NETWORKS[type(model)]
    own: list[Tensor] = []
    for name, attribute in names.items():
        network(name, getattr(model, attribute), own)
    numbers = torch.frombuffer(bytearray(weights), dtype=torch.float32)
    if len(numbers) != sum(w.numel() for w in own):
        wanted = sum(w.numel() for w in own)
        raise ValueError(f"weights: expected {wanted} numbers, got {len(numbers)}")
    for w, part in zip(own, numbers.split([w.numel() for w in own]), strict=True):
        w.copy_(part.view(w.shape))


def network(name: str, net: nn.Module, weights: list[Tensor]) -> Description:
    """A network or a law with one, layer by layer; its weights are appended, as views."""
    match net:
        case nn.Linear():
            if net.bias is None:
                raise TypeError(f"{name}: expected affine maps with a bias, got {net}")
            weights += [net.weight.T, net.bias]
            return {"op": "linear", "inputs": net.in_features, "outputs": net.out_features}
        case nn.Sequential():
            return {"op": "sequence", "layers": [network(name, layer, weights) for layer in net]}
        case nn.LeakyReLU():
            return {"op": "leaky", "slope": net.negative_slope}
        case nn.ReLU():
            return {"op": "leaky", "slope": 0.0}
        case nn.Identity() | nn.Flatten():
            return {"op": "identity"}
        case nn.Softplus() if net.beta == 1:
            return {"op": "softplus"}
        case laws.Gaussian():
            return {"op": "gaussian", "logSd": _log_sd(net.log_sd, weights)} | {
                "net": network(name, net.net, weights)
            }
        case laws.Implicit():
            parts = {
                part: network(name, getattr(net, part), weights) for part in ("features", "head")
            }
            return {"op": "implicit", **parts, "noise": noise(name, net.noise)}
        case laws.Code():
            code = {key: getattr(net, key) for key in ("categorical", "continuous", "floor")}
            return {"op": "code", "net": network(name, net.net, weights), **code}
    if type(net) in PLAIN:
        return {"op": PLAIN[type(net)]}
    if type(net) in PARTS:
        op, parts_of = PARTS[type(net)]
        return {"op": op} | {part: network(name, getattr(net, part), weights) for part in parts_of}
    if _joins(net):
        return {"op": "beside", "net": network(name, net.net, weights)}  # type: ignore[arg-type]
    raise TypeError(
        f"{name}: expected affine maps, leaky ReLU, tanh, SiLU, softplus, sigmoid, and the modules "
        f"of gannotes.nets and gannotes.distributions, got {type(net).__name__}"
    )


def _log_sd(log_sd: Tensor | None, weights: list[Tensor]) -> Description | None:
    if isinstance(log_sd, nn.Parameter):
        weights.append(log_sd)
        return {"width": log_sd.numel()}
    return None if log_sd is None else {"values": log_sd.flatten().tolist()}


def _inputs(net: nn.Module) -> int:
    return 1 if isinstance(net, nn.Sequential) else len(inspect.signature(net.forward).parameters)


@torch.no_grad()
def _joins(net: nn.Module) -> bool:
    """Whether `net(a, b)` is `net.net` of both side by side: tried out."""
    children = dict(net.named_children())
    if list(children) != ["net"] or _inputs(net) != 2:
        return False
    first = next((m for m in net.modules() if isinstance(m, nn.Linear)), None)
    if first is None or first.in_features < 2:
        return False
    x = torch.linspace(-1, 1, 3 * first.in_features).to(first.weight).view(3, -1)
    return torch.equal(net(x[:, :1], x[:, 1:]), children["net"](x))


def noise(name: str, law: Distribution) -> Description:
    """A law of noise or of codes.

    Example:
        >>> noise("p_0", laws.corners(2, sd=0.25))
        {'law': 'corners', 'd': 2, 'sd': 0.25}
    """
    if isinstance(law, laws.Product):
        return _codes(name, list(law.parts))
    d = law.event_shape[0] if len(law.event_shape) == 1 else 0
    match _inside(law):
        case Normal() as p if d and bool((p.loc == 0).all() & (p.scale == 1).all()):
            return {"law": "normal", "d": d}
        case Uniform() as p if d and len(p.low.unique()) == len(p.high.unique()) == 1:
            return {"law": "uniform", "d": d, "low": p.low[0].item(), "high": p.high[0].item()}
        case MixtureSameFamily() as p if d and _is_corners(p, d):
            sd = _inside(p.component_distribution).stddev[0, 0].item()
            return {"law": "corners", "d": d, "sd": round(sd, 6)}
        case OneHotCategorical():
            return _codes(name, [law])
    raise TypeError(
        f"{name}: expected standard_normal, uniform, corners or codes of gannotes.distributions, "
        f"got {law}"
    )


def _codes(name: str, parts: list[Distribution]) -> Description:
    kinds = [_inside(part) for part in parts]
    categorical = [p.event_shape[0] for p in kinds if isinstance(p, OneHotCategorical)]
    continuous = [p for p in kinds if isinstance(p, Uniform)]
    in_order = [isinstance(p, OneHotCategorical) for p in kinds]
    plain = all((p.low == -1).all() and (p.high == 1).all() for p in continuous)
    if len(categorical) + len(continuous) != len(kinds) or in_order != sorted(in_order)[::-1]:
        raise TypeError(f"{name}: expected gannotes.distributions.codes, got {parts}")
    if not plain or any(p.event_shape != (1,) for p in parts[len(categorical) :]):
        raise TypeError(f"{name}: expected continuous codes of U(-1, 1), got {continuous}")
    return {"law": "codes", "categorical": categorical, "continuous": len(continuous)}


def _inside(law: Any) -> Any:
    while isinstance(law, Independent):
        law = law.base_dist
    return law


def _is_corners(p: MixtureSameFamily, d: int) -> bool:
    means, sds = p.component_distribution.mean, _inside(p.component_distribution).stddev
    equal = len(p.mixture_distribution.probs.unique()) == 1 and len(sds.unique()) == 1
    return equal and len(means) == 2**d and bool((means.abs() == 1).all())


def toy(name: str, p: Distribution | Tensor) -> Description:
    """Data for the page: a density of `gannotes.data` that the engine has, or points as they are.

    Args:
        name: of the argument, for messages.
        p: a mixture of Gaussians with round components, `two_moons`, or points `(n, d)`.

    Raises:
        TypeError: for anything else.

    Example:
        >>> from gannotes.data import two_moons
        >>> toy("data", two_moons()), toy("data", torch.eye(2))
        ({'law': 'moons', 'sd': 0.1}, {'law': 'points', 'points': [[1.0, 0.0], [0.0, 1.0]]})
    """
    if isinstance(p, Tensor) and p.ndim == 2:
        return {"law": "points", "points": p.tolist()}
    if isinstance(p, TwoMoons):
        return {"law": "moons", "sd": round(p.sd.item(), 6)}
    if isinstance(p, MixtureSameFamily) and isinstance(_inside(p.component_distribution), Normal):
        means, sds = p.component_distribution.mean, _inside(p.component_distribution).stddev
        if means.ndim == 2 and bool((sds == sds[:, :1]).all()):
            weights = p.mixture_distribution.probs.tolist()
            return {"law": "mixture", "weights": weights, "means": means.tolist()} | {
                "sds": sds[:, 0].tolist()
            }
    raise TypeError(
        f"{name}: expected a mixture of round Gaussians, two_moons, or points (n, d), got {p}"
    )


def bound_name(bound: Callable[[Tensor, Tensor], Tensor]) -> str:
    """The engine's name of a bound, checked on a few numbers.

    Example:
        >>> bound_name(bounds.variational(alpha_family(0.5)))
        'alpha(0.5)'
    """
    known: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = dict(_known(bound))
    v_p, v_q = torch.tensor([-0.5, 0.3, 1.25]), torch.tensor([0.75, -1.0, 0.125])
    for name, other in known.items():
        if bound is other or torch.allclose(bound(v_p, v_q), other(v_p, v_q), rtol=1e-5):
            return name
    raise TypeError(f"bound: expected one of gannotes.bounds, got {bound!r}")


def _known(bound: Callable[..., Tensor]) -> Iterator[tuple[str, Callable[..., Tensor]]]:
    found = re.fullmatch(r"variational\((.*)\)", getattr(bound, "__name__", ""))
    if found is None:
        for name in ("bernoulli", "least_squares", "relativistic"):
            yield name, getattr(bounds, name)
    elif found[1] in F_DIVERGENCES:
        yield found[1], bounds.variational(F_DIVERGENCES[found[1]])
    elif alpha := re.fullmatch(r"alpha\((.*)\)", found[1]):
        yield found[1], bounds.variational(alpha_family(float(alpha[1])))
