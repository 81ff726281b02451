r"""A network as a list of layers and one block of numbers, for `network.js` to run in the browser.

In evaluation mode batch normalisation is an affine map of each channel, :math:`y = s x + t`, and
the
affine map :math:`x = W u + b` before it absorbs it: :math:`y = (s W) u + (s b + t)`. What is left
is a chain of
affine maps and elementwise functions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np
import torch
from torch import nn

from gannotes import checks

LARGEST = 1024  # pixels along the side of an image
Layer = dict[str, Any]  # its operation and sizes, and float64 arrays "W" and "b" where it has any


def describe(layers: list[Layer]) -> list[Layer]:
    """The layers without their numbers."""
    return [{k: v for k, v in layer.items() if k not in ("W", "b")} for layer in layers]


def fold(G: nn.Sequential, inputs: int | tuple[int, ...]) -> tuple[list[Layer], tuple[int, ...]]:
    """The layers of `G` on codes of a length or images of a shape, and the shape of its output."""
    checks.kind("G", G, nn.Sequential)
    layers: list[Layer] = []
    shape: tuple[int, ...] = (inputs,) if isinstance(inputs, int) else inputs
    for module in _leaves(G):
        layer, shape = _layer(module, shape)
        if layer is None:
            continue
        if layer["op"] == "affine" and layers and _absorb(layers[-1], layer):
            continue
        layers.append(layer)
    return layers, shape


def pack(layers: list[Layer], dtype: torch.dtype) -> bytes:
    """All numbers in one block: weight, then bias, layer by layer, little-endian."""
    types = {torch.float16: "<f2", torch.float32: "<f4"}
    if not isinstance(dtype, torch.dtype) or dtype not in types:
        raise TypeError(f"dtype: expected torch.float16 or torch.float32, got {dtype!r}")
    arrays = [layer[key].ravel() for layer in layers if "W" in layer for key in ("W", "b")]
    with np.errstate(over="ignore"):
        packed = np.concatenate([np.zeros(0), *arrays]).astype(types[dtype])
    if not np.isfinite(packed).all():
        raise ValueError(f"G: expected weights that are finite in {dtype}, got one that is not")
    for array in arrays:
        if array.any() and not array.astype(types[dtype]).any():
            raise ValueError(f"G: expected weights that {dtype} can hold, got some that vanish")
    return packed.tobytes()


def limited(limits: tuple[float, float] | None, own: tuple[float, float]) -> tuple[float, float]:
    """The values of black and white: those that were asked for, or the network's own."""
    return own if limits is None else checks.interval("limits", limits)


def sized(shape: tuple[int, int] | None) -> tuple[int, int] | None:
    """Height and width of a flat output, if they are given."""
    if shape is None:
        return None
    checks.kind("shape", shape, tuple, list, wanted="a pair (h, w)")
    if len(shape) != 2:
        raise ValueError(f"shape: expected a pair (h, w), got {len(shape)} numbers")
    height, width = (checks.count("shape", n, 1, LARGEST) for n in shape)
    return height, width


def image_network(
    argument: str,
    G: nn.Sequential,
    inputs: int | tuple[int, ...],
    shape: tuple[int, int] | None,
    dtype: torch.dtype,
) -> dict[str, Any]:
    """What the browser needs of a network that makes images.

    Args:
        argument: what an error calls the network.
        G: the chain of layers.
        inputs: the length of a code, or the shape `(c, h, w)` of an image that comes in.
        shape: `(h, w)` of a flat output.
        dtype: the precision of the numbers.

    Returns:
        "layers", "weights", "size" (channels, height, width) and "limits", the range of its values.
    """
    shape = sized(shape)
    with called(argument):
        layers, size = fold(G, inputs)
        weights = pack(layers, dtype)
        if len(size) == 1 and shape is not None and size[0] == shape[0] * shape[1]:
            size = (1, *shape)
        if len(size) != 3 or size[0] not in (1, 3):
            raise ValueError(
                f"G: expected images of shape (1, h, w) or (3, h, w), or h * w values with "
                f"shape=(h, w), got an output of shape {size} with shape={shape}"
            )
        if max(size[1:]) > LARGEST:
            raise ValueError(f"G: expected images of at most {LARGEST} pixels a side, got {size}")
    tanh = bool(layers) and layers[-1].get("name") == "tanh"
    limits = (-1.0, 1.0) if tanh else (0.0, 1.0)
    return {"layers": describe(layers), "weights": weights, "size": size, "limits": limits}


def number_network(
    argument: str,
    G: nn.Sequential,
    inputs: int | tuple[int, ...],
    outputs: int,
    dtype: torch.dtype,
) -> dict[str, Any]:
    """What the browser needs of a network that makes a few numbers.

    Args:
        argument: what an error calls the network.
        G: the chain of layers.
        inputs: the length of a code, or the shape `(c, h, w)` of an image that comes in.
        outputs: how many numbers come out.
        dtype: the precision of the numbers.

    Returns:
        "layers" and "weights".
    """
    with called(argument):
        layers, size = fold(G, inputs)
        weights = pack(layers, dtype)
        if size != (outputs,):
            raise ValueError(f"G: expected {outputs} numbers of an input, got shape {size}")
    return {"layers": describe(layers), "weights": weights}


@contextmanager
def called(argument: str, instead_of: str = "G") -> Iterator[None]:
    """Errors about `G`, or another name, get the argument's own name."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if str(error).startswith(f"{instead_of}:"):
            error.args = (f"{argument}{str(error).removeprefix(instead_of)}",)
        raise


def _leaves(net: nn.Module) -> Iterator[nn.Module]:
    if isinstance(net, nn.Sequential):
        for child in net:
            yield from _leaves(child)
    else:
        yield net


def _layer(module: nn.Module, shape: tuple[int, ...]) -> tuple[Layer | None, tuple[int, ...]]:
    """One module as a layer (None if it only reshapes), and the shape after it."""
    match module:
        case nn.Linear():
            _expect(module, module.in_features, shape[-1] if len(shape) == 1 else shape)
            sizes = {"inputs": module.in_features, "outputs": module.out_features}
            return {"op": "linear", **sizes, **_arrays(module)}, (module.out_features,)
        case nn.Conv2d() | nn.ConvTranspose2d():
            return _convolution(module, shape)
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            _expect(module, module.num_features, shape[0])
            if isinstance(module, nn.BatchNorm2d) and len(shape) != 3:
                raise ValueError(f"G: expected images for its {module}, got shape {shape}")
            affine = {"op": "affine", "channels": shape[0], "size": prod(shape)}
            return {**affine, **_statistics(module)}, shape
        case nn.Upsample() if module.mode == "nearest" and len(shape) == 3:
            scale = _pair(module.scale_factor)
            if module.size is not None or any(s != int(s) for s in scale):
                raise TypeError(f"G: expected a whole scale_factor, got {module}")
            a, b = (int(s) for s in scale)
            factors = {"channels": shape[0], "input": list(shape[1:]), "scale": [a, b]}
            return {"op": "upsample", **factors}, (shape[0], shape[1] * a, shape[2] * b)
        case nn.MaxPool2d() if len(shape) == 3:
            a, b = _pair(module.kernel_size)
            plain = _pair(module.padding) == (0, 0) and _pair(module.dilation) == (1, 1)
            if _pair(module.stride) != (a, b) or not plain or module.ceil_mode:
                raise TypeError(f"G: expected windows side by side, got {module}")
            layer = {"op": "max_pool", "channels": shape[0], "input": list(shape[1:])}
            return {**layer, "kernel": [a, b]}, (shape[0], shape[1] // a, shape[2] // b)
        case nn.Flatten() if module.start_dim in (1, -3) and module.end_dim == -1:
            if module.start_dim == -3 and len(shape) != 3:
                raise TypeError(f"G: expected images for its {module}, got shape {shape}")
            return None, (prod(shape),)
        case nn.Unflatten() if module.dim in (1, -1) and len(shape) == 1:
            unflattened = tuple(int(n) for n in module.unflattened_size)
            _expect(module, prod(unflattened), shape[0])
            return None, unflattened
        case nn.Identity() | nn.Dropout() | nn.Dropout2d():
            return None, shape
    name, parameters = _activation(module)
    layer = {"op": "activation", "name": name, "parameters": parameters, "size": prod(shape)}
    return layer, shape


def _convolution(
    module: nn.Conv2d | nn.ConvTranspose2d, shape: tuple[int, ...]
) -> tuple[Layer, tuple[int, ...]]:
    """A convolution and its output size."""
    plain = module.padding_mode == "zeros" and not isinstance(module.padding, str)
    if module.groups != 1 or _pair(module.dilation) != (1, 1) or not plain:
        raise TypeError(f"G: expected no groups, no dilation and plain padding, got {module}")
    _expect(module, module.in_channels, shape[0] if len(shape) == 3 else shape)
    kernel, stride = _pair(module.kernel_size), _pair(module.stride)
    padding, extra = _pair(module.padding), _pair(module.output_padding)
    transposed = isinstance(module, nn.ConvTranspose2d)
    if len(shape) != 3:
        raise ValueError(f"G: expected images for its {module}, got values of shape {shape}")
    output = [
        (n - 1) * s - 2 * p + k + e if transposed else (n + 2 * p - k) // s + 1
        for n, s, p, k, e in zip(shape[1:], stride, padding, kernel, extra, strict=True)
    ]
    if min(output) < 1:
        raise ValueError(f"G: expected images larger than the kernel of {module}, got {shape}")
    layer = {
        "op": "conv_transpose" if transposed else "conv",
        "channels": [module.in_channels, module.out_channels],
        "kernel": list(kernel),
        "stride": list(stride),
        "padding": list(padding),
        "input": list(shape[1:]),
        "output": output,
    }
    return {**layer, **_arrays(module)}, (module.out_channels, *output)


def _activation(module: nn.Module) -> tuple[str, list[float]]:
    """The browser's name of an elementwise function, and its constants."""
    match module:
        case nn.ReLU():
            return "relu", []
        case nn.LeakyReLU():
            return "leaky_relu", [float(module.negative_slope)]
        case nn.ELU():
            return "elu", [float(module.alpha)]
        case nn.SiLU():
            return "silu", []
        case nn.Sigmoid():
            return "sigmoid", []
        case nn.Tanh():
            return "tanh", []
        case nn.Softplus() if module.beta == 1:
            return "softplus", []
    raise TypeError(f"G: expected layers that the browser knows (see LatentExplorer), got {module}")


def _arrays(module: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> dict[str, np.ndarray]:
    """Weight and bias in float64; a missing bias is zero."""
    W = module.weight.detach().double().cpu().numpy()
    outputs = W.shape[1] if isinstance(module, nn.ConvTranspose2d) else W.shape[0]
    b = np.zeros(outputs) if module.bias is None else module.bias.detach().double().cpu().numpy()
    return {"W": W, "b": b}


def _statistics(module: nn.BatchNorm1d | nn.BatchNorm2d) -> dict[str, np.ndarray]:
    """Batch normalisation in evaluation mode is the affine map `W x + b` of each channel."""
    if module.running_mean is None or module.running_var is None:
        raise TypeError(f"G: expected running statistics, got {module}, which keeps none")
    mean, variance = module.running_mean.double().cpu(), module.running_var.double().cpu()
    scale = (variance + module.eps).rsqrt()
    shift = -mean * scale
    if module.affine:
        weight = module.weight.detach().double().cpu()
        scale, shift = weight * scale, weight * shift + module.bias.detach().double().cpu()
    return {"W": scale.numpy(), "b": shift.numpy()}


def _absorb(before: Layer, affine: Layer) -> bool:
    """Fold `affine` into the affine layer `before` it; False if there is none."""
    scale, shift = affine["W"], affine["b"]
    if before["op"] == "linear":
        repeats = before["outputs"] // affine["channels"]  # above 1 after an Unflatten
        scale, shift = scale.repeat(repeats), shift.repeat(repeats)
        before["W"] = scale[:, None] * before["W"]
    elif before["op"] == "conv" and before["channels"][1] == affine["channels"]:
        before["W"] = scale[:, None, None, None] * before["W"]
    elif before["op"] == "conv_transpose" and before["channels"][1] == affine["channels"]:
        before["W"] = scale[:, None, None] * before["W"]
    else:
        return False
    before["b"] = scale * before["b"] + shift
    return True


def _pair(n: Any) -> tuple[Any, Any]:
    return (n[0], n[1]) if isinstance(n, tuple | list) else (n, n)


def _expect(module: nn.Module, wanted: int, came: object) -> None:
    if wanted != came:
        name = type(module).__name__
        raise ValueError(f"G: expected {wanted} features or channels for its {name}, got {came}")
