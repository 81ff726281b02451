r"""The small networks that the book uses.

A network is an `nn.Sequential` that a reader can print. Critics return one number per sample,
*without* a trailing dimension of one: a batch of shape `(..., N, d)` becomes raw outputs `(...,
N)`, which is what `gannotes.bounds` averages.

**Replicas.** A leading dimension of length `S` is a stack of `S` independent runs: `ReplicaLinear`
holds weights of shape `(S, out, in)` and multiplies all of them in one batched product. No replica
ever sees another's numbers, so `S` seeds cost little more than one.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gannotes import checks

WIDEST = 100_000  # features of a layer
NUMBERS = 1 << 30  # in a layer


class ReplicaLinear(nn.Module):
    r"""`S` independent affine maps in one product: :math:`y_s = x_s W_s^\top + b_s`.

    Args:
        replicas: the number `S` of independent maps.
        inputs: the input dimension.
        outputs: the output dimension.

    Example:
        >>> ReplicaLinear(16, 2, 64)(torch.zeros(16, 100, 2)).shape
        torch.Size([16, 100, 64])
    """

    def __init__(self, replicas: int, inputs: int, outputs: int) -> None:
        super().__init__()
        for name, n in (("replicas", replicas), ("inputs", inputs), ("outputs", outputs)):
            checks.count(name, n, 1, WIDEST)
        checks.count("replicas", replicas, 1, max(1, NUMBERS // (inputs * outputs)))
        scale = inputs**-0.5  # the law of `nn.Linear`, replica by replica
        self.weight = nn.Parameter(torch.empty(replicas, outputs, inputs).uniform_(-scale, scale))
        self.bias = nn.Parameter(torch.empty(replicas, 1, outputs).uniform_(-scale, scale))

    def forward(self, x: Tensor) -> Tensor:
        """Map `(..., S, N, inputs)` to `(..., S, N, outputs)`."""
        replicas, _, inputs = self.weight.shape
        checks.kind("x", x, Tensor)
        if x.ndim < 3 or (x.shape[-3], x.shape[-1]) != (replicas, inputs):
            wanted = f"shape (S, N, d) with S = {replicas} replicas and d = {inputs}"
            raise ValueError(f"x: expected {wanted}, got {tuple(x.shape)}")
        if x.ndim > 3:  # several latent samples for each point
            return x @ self.weight.mT + self.bias
        return torch.baddbmm(self.bias, x, self.weight.mT)

    def extra_repr(self) -> str:
        replicas, outputs, inputs = self.weight.shape
        return f"replicas={replicas}, inputs={inputs}, outputs={outputs}"


class Autocast(nn.Module):
    """Run a network in a lower precision and return its output in float32.

    The parameters, their gradients and the optimiser stay in float32; only the matrix products are
    rounded.

    Args:
        net: the network.
        dtype: the precision of the products; bfloat16 by default, and float32 on a processor
            without AVX-512, where products of halves are emulated at a hundredth of the speed.

    Example:
        >>> Autocast(nn.Linear(2, 3))(torch.zeros(5, 2)).dtype
        torch.float32
    """

    def __init__(self, net: nn.Module, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.net = checks.kind("net", net, nn.Module)
        self.dtype = None if dtype is None else checks.precision("dtype", dtype)

    def forward(self, *x: Tensor) -> Tensor:
        device = x[0].device.type
        slow = device == "cpu" and "AVX512" not in torch.backends.cpu.get_cpu_capability()
        dtype = self.dtype or (torch.float32 if slow else torch.bfloat16)
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            return self.net(*x).float()


class Folded(nn.Module):
    """Fold all leading dimensions into one batch: for convolutions, which take one only.

    Args:
        net: the network, from `(N, *inputs)` to `(N, *outputs)`.
        input_dims: the number of dimensions of an input, 1 for vectors and 3 for images.

    Example:
        >>> Folded(image_generator(16, 8))(torch.zeros(4, 2, 16)).shape
        torch.Size([4, 2, 1, 28, 28])
    """

    def __init__(self, net: nn.Module, input_dims: int = 1) -> None:
        super().__init__()
        self.net = checks.kind("net", net, nn.Module)
        self.input_dims = checks.count("input_dims", input_dims)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(..., *inputs)` to `(..., *outputs)`."""
        split = checks.kind("x", x, Tensor).ndim - self.input_dims
        if split < 0:
            wanted = f"at least {self.input_dims} dimensions"
            raise ValueError(f"x: expected {wanted}, got shape {tuple(x.shape)}")
        y = self.net(x.reshape(-1, *x.shape[split:]))
        return y.reshape(*x.shape[:split], *y.shape[1:])


class Pair(nn.Module):
    r"""A network of two inputs, :math:`g(h_a(a) + h_b(b))`, such as a critic of pairs.

    With affine last layers in :math:`h_a` and :math:`h_b` this is an affine map of both features
    side by side, but what depends on one input alone is computed once: leading dimensions
    broadcast, so that many `b` can meet one `a`.

    Slide: ALI (E68), :math:`D_\omega(x, z)`; AVB (E70), :math:`r_\omega(z, x)`, and (E76),
    :math:`z_\phi(x, \epsilon)`.

    Args:
        first: maps the first input to features `(..., H)`.
        second: maps the second input to features of the same width.
        head: maps the sum to the output.

    Example:
        >>> r = Pair(nn.Linear(2, 8), nn.Linear(3, 8), critic(8, 8))
        >>> r(torch.zeros(4, 5, 2), torch.zeros(5, 3)).shape
        torch.Size([4, 5])
    """

    def __init__(self, first: nn.Module, second: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.first = checks.kind("first", first, nn.Module)
        self.second = checks.kind("second", second, nn.Module)
        self.head = checks.kind("head", head, nn.Module)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.head(self.first(a) + self.second(b))


class Warp(nn.Module):
    r"""Noise bent out of shape, :math:`z = \mu(h) + \sigma(h) (\epsilon' + f(h, \epsilon))`.

    The head of an implicit encoder. Where :math:`f` is zero, its law is the Gaussian of a VAE, so
    that training may begin there. :math:`\epsilon'` are the first coordinates of the noise, as many
    as `z` has.

    Slide: AVB / black-box inference models (E76).

    Args:
        affine: maps features `(..., H)` to means and log standard deviations `(..., 2 k)`.
        bend: maps features and noise `(..., e)` to `(..., k)`.

    Example:
        >>> bend = Pair(nn.Linear(8, 4), nn.Linear(3, 4), nn.Linear(4, 2))
        >>> Warp(nn.Linear(8, 4), bend)(torch.zeros(5, 8), torch.zeros(7, 5, 3)).shape
        torch.Size([7, 5, 2])
    """

    def __init__(self, affine: nn.Module, bend: nn.Module) -> None:
        super().__init__()
        self.affine = checks.kind("affine", affine, nn.Module)
        self.bend = checks.kind("bend", bend, nn.Module)

    def forward(self, h: Tensor, noise: Tensor) -> Tensor:
        mean, log_sd = self.affine(h).chunk(2, -1)
        if noise.shape[-1] < mean.shape[-1]:
            wanted = f"at least the {mean.shape[-1]} coordinates of z"
            raise ValueError(f"noise: expected {wanted}, got {noise.shape[-1]}")
        own = noise[..., : mean.shape[-1]]
        return mean + log_sd.exp() * (own + self.bend(h, noise))


def leaky_relu() -> nn.Module:
    """The book's default nonlinearity, `LeakyReLU(0.2)`; in place, which spares memory traffic.

    Example:
        >>> leaky_relu()(torch.tensor([-1.0, 1.0]))
        tensor([-0.2000,  1.0000])
    """
    return nn.LeakyReLU(0.2, inplace=True)


def mlp(
    *widths: int,
    activation: Callable[[], nn.Module] = leaky_relu,
    replicas: int | None = None,
) -> nn.Sequential:
    """Affine maps with a nonlinearity between them, the last one left affine.

    Slide: GAN / Adversarial classification (E14), for :math:`G_\\theta` and :math:`D_\\phi` alike.

    Args:
        *widths: the dimensions, input first.
        activation: called once per hidden layer.
        replicas: `S` for a stack of independent networks on inputs `(S, N, d)`; `None` for one
            network.

    Raises:
        TypeError: if a width is no integer.
        ValueError: with fewer than two widths, or one that is not positive.

    Example:
        >>> mlp(2, 64, 64, 1, replicas=16)(torch.zeros(16, 5, 2)).shape
        torch.Size([16, 5, 1])
    """
    if len(widths) < 2:
        raise ValueError(f"widths: expected an input and an output dimension, got {widths}")
    for width in widths:
        checks.count("widths", width, 1, WIDEST)
    if max(a * b for a, b in zip(widths[:-1], widths[1:], strict=True)) > NUMBERS:
        raise ValueError(f"widths: expected layers of at most {NUMBERS:,} weights, got {widths}")
    checks.kind("activation", activation, Callable)
    if replicas is not None:
        checks.count("replicas", replicas, 1, WIDEST)
    layers: list[nn.Module] = []
    for inputs, outputs in zip(widths[:-1], widths[1:], strict=True):
        affine = (
            nn.Linear(inputs, outputs)
            if replicas is None
            else ReplicaLinear(replicas, inputs, outputs)
        )
        layers += [affine, activation()]
    return nn.Sequential(*layers[:-1])


def critic(
    *widths: int,
    activation: Callable[[], nn.Module] = leaky_relu,
    replicas: int | None = None,
) -> nn.Sequential:
    """An `mlp` that returns one raw output per sample: `(..., N, d)` becomes `(..., N)`.

    Slide: GAN / Possible loss functions (E19): the raw output is the :math:`r_\\phi` of
    :math:`D_\\phi = \\sigma(r_\\phi)`.

    Args:
        *widths: the dimensions, input first; the output dimension 1 is added.
        activation: called once per hidden layer.
        replicas: as for `mlp`.

    Example:
        >>> critic(2, 64, replicas=16)(torch.zeros(16, 5, 2)).shape
        torch.Size([16, 5])
    """
    if not widths:
        raise ValueError("widths: expected an input dimension, got none")
    return mlp(*widths, 1, activation=activation, replicas=replicas).append(nn.Flatten(-2))


def image_generator(k: int, channels: int = 96) -> nn.Sequential:
    """A transposed-convolution generator of MNIST-sized images: `(N, k)` becomes `(N, 1, 28, 28)`.

    A 7 x 7 map of `channels` features is doubled twice. Batch normalisation is folded into its
    neighbours when the network is shown in a page, so the widths here are what a reader downloads.

    Slide: GAN / Training Algorithm (F02).

    References:
        Radford, Metz and Chintala, Unsupervised representation learning with deep convolutional
        GANs, 2016.

    Args:
        k: the dimension of the noise.
        channels: the number of features at 7 x 7; half of it at 14 x 14.

    Example:
        >>> image_generator(16, 8)(torch.zeros(2, 16)).shape
        torch.Size([2, 1, 28, 28])
    """
    checks.count("k", k, 1, WIDEST)
    half = checks.count("channels", channels, 2, 4096) // 2
    return nn.Sequential(
        nn.Linear(k, channels * 49, bias=False),
        nn.Unflatten(-1, (channels, 7, 7)),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.ConvTranspose2d(channels, half, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(half),
        nn.ReLU(),
        nn.Conv2d(half, half, 3, padding=1, bias=False),
        nn.BatchNorm2d(half),
        nn.ReLU(),
        nn.ConvTranspose2d(half, 1, 4, stride=2, padding=1),
        nn.Sigmoid(),
    )


def image_critic(channels: int = 64) -> nn.Sequential:
    """A convolutional critic without batch normalisation: `(N, 1, 28, 28)` becomes `(N,)`.

    Slide: GAN / Training Algorithm (F02).

    Args:
        channels: the number of features at 14 x 14; twice as many at 7 x 7.

    Example:
        >>> image_critic(8)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2])
    """
    checks.count("channels", channels, 1, 4096)
    return nn.Sequential(
        nn.Conv2d(1, channels, 4, stride=2, padding=1),
        leaky_relu(),
        nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1),
        leaky_relu(),
        nn.Flatten(),
        nn.Linear(2 * channels * 49, 1),
        nn.Flatten(-2),
    )


def spectral(net: nn.Sequential) -> nn.Sequential:
    """Divide every weight matrix of `net` by its largest singular value, now and in training.

    A critic cannot be steeper than the product of its layers' norms allows, so that none of the
    exponentials in an f-divergence runs away. A convolution's kernel is taken as a matrix
    `(out, in * h * w)`, whose norm bounds that of the map up to a constant.

    References:
        Miyato, Kataoka, Koyama and Yoshida, Spectral normalization for generative adversarial
        networks, 2018.

    Args:
        net: a chain of layers, changed in place.

    Returns:
        `net` itself.

    Example:
        >>> net = spectral(mlp(2, 8, 1))
        >>> for _ in range(50):  # the norm is found by power iteration, a turn per forward pass
        ...     _ = net(torch.zeros(1, 2))
        >>> round(torch.linalg.matrix_norm(net[0].weight, 2).item(), 3)
        1.0
    """
    for layer in checks.kind("net", net, nn.Sequential):
        if isinstance(layer, nn.Linear | nn.Conv2d):
            spectral_norm(layer)
    return net


def image_classifier() -> nn.Sequential:
    """A small convolutional classifier: digits `(N, 1, 28, 28)` become ten logits `(N, 10)`.

    It judges what the generators draw; its weights ship with the package.

    Example:
        >>> image_classifier()(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(3136, 64),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(64, 10),
    )


class Spread(nn.Module):
    r"""One more channel, which says how much the images of a group differ: a constant map of `s`.

    .. math:: s = \frac{1}{C H W} \sum_{c, u, v} \mathrm{sd}_{i \in \text{group}}\, x_{icuv}

    A critic with this layer sees whether a batch is varied, and not only whether each image is
    good: a generator that repeats itself is found out. Consecutive images form a group, so that no
    group mixes data with samples as long as these come in batches of a multiple of `size`.

    Slide: beyond the deck (mode collapse).

    References:
        Karras, Aila, Laine and Lehtinen, Progressive growing of GANs for improved quality,
        stability, and variation, 2018.

    Args:
        size: the number of images in a group.

    Example:
        >>> x = torch.cat([torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)])
        >>> Spread(4)(x)[:, 1, 0, 0], Spread(2)(x)[:, 1, 0, 0].round(decimals=3)
        (tensor([0.5000, 0.5000, 0.5000, 0.5000]), tensor([0., 0., 0., 0.]))
    """

    def __init__(self, size: int = 8) -> None:
        super().__init__()
        self.size = checks.count("size", size, 2, WIDEST)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(N, C, H, W)` to `(N, C + 1, H, W)`."""
        if x.ndim != 4 or len(x) % self.size:
            raise ValueError(
                f"x: expected (N, C, H, W), N a multiple of {self.size}, got {tuple(x.shape)}"
            )
        variance = x.unflatten(0, (-1, self.size)).var(1, correction=0)
        spread = (variance + 1e-8).sqrt().mean((1, 2, 3)).repeat_interleave(self.size)
        return torch.cat([x, spread[:, None, None, None].expand(-1, 1, *x.shape[2:])], 1)

    def extra_repr(self) -> str:
        return f"size={self.size}"


def varied_critic(channels: int = 32, size: int = 8) -> nn.Sequential:
    """A convolutional critic that sees how varied its batch is: `(N, 1, 28, 28)` becomes `(N,)`.

    Slide: beyond the deck (mode collapse).

    Args:
        channels: the number of features at 14 x 14; twice as many at 7 x 7.
        size: the number of images in a group of `Spread`; it divides `N`.

    Example:
        >>> varied_critic(8)(torch.zeros(16, 1, 28, 28)).shape
        torch.Size([16])
    """
    wide = 2 * checks.count("channels", channels, most=4096)
    return nn.Sequential(
        nn.Conv2d(1, channels, 4, stride=2, padding=1),
        leaky_relu(),
        nn.Conv2d(channels, wide, 4, stride=2, padding=1),
        leaky_relu(),
        Spread(size),
        nn.Conv2d(wide + 1, wide, 3, padding=1),
        leaky_relu(),
        nn.Flatten(),
        nn.Linear(wide * 49, 1),
        nn.Flatten(-2),
    )
