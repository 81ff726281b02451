r"""Base distributions, and networks that return a distribution: torch `Distribution` objects.

A base :math:`z \sim p_0` has event shape `(d,)`: `sample((N,))` is `(N, d)`, `sample((S, N))` is
`(S, N, d)`. It is a module as well, which moves with the model that owns it. An encoder
:math:`q_\phi(z \mid x)` or a decoder :math:`p_\theta(x \mid z)` is a network inside a module that
reads its output as parameters:

.. math::

    [\mu_\phi(x), \log \sigma_\phi(x)] = \mathrm{NN}_\phi(x), \qquad
    q_\phi(z \mid x) = N(\mu_\phi(x), \mathrm{diag}\,\sigma_\phi(x)^2).

What can be sampled need not have a density that can be computed: `Implicit` pushes noise through a
network, and its `log_prob` says no.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self, TypeVar

from torch import (
    Size,
    Tensor,
    arange,
    cartesian_prod,
    cat,
    meshgrid,
    nn,
    ones,
    ones_like,
    stack,
)
from torch import distributions as torch_distributions
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    Normal,
    OneHotCategorical,
    Uniform,
)
from torch.special import ndtri

from gannotes import checks

Law = TypeVar("Law", bound=nn.Module)


class Base(nn.Module, Independent):
    r"""A law without inputs, :math:`p_0(z)`, as a module: it follows the model that owns it.

    It is torch's law in every respect, and its parameters are a buffer: `.to(device)` and
    `.double()` of a model reach its base, which then draws there and in that type. The buffer
    holds ones, to which the numbers of the law are applied, so that they are exact in every type;
    no `state_dict` holds it.

    Slide: Optimisation, step 1 (E22).

    Args:
        family: maps ones `(d,)` to the law.
        d: how many.
        event_dims: the number of dimensions at the end of the law's batch shape that belong to the
            event, 1 for independent coordinates and 0 for a law of vectors.

    Example:
        >>> p_0 = Base(lambda one: Normal(0 * one, 3 * one), d=2)
        >>> p_0.event_shape, p_0.double().sample((5,)).dtype
        (torch.Size([2]), torch.float64)
    """

    one: Tensor

    def __init__(self, family: Callable[..., Distribution], d: int, event_dims: int = 1) -> None:
        nn.Module.__init__(self)
        self.register_buffer("one", ones(checks.count("d", d)), persistent=False)
        self.family = family
        Independent.__init__(self, family(self.one), event_dims)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        self.one.fill_(1)  # `to_empty` leaves anything in it
        self.base_dist = self.family(self.one)
        return self

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Independent:
        """The same law for every entry of a batch; it stays where it is."""
        return Independent(self.base_dist, self.reinterpreted_batch_ndims).expand(batch_shape)

    def extra_repr(self) -> str:
        return repr(self.base_dist)


def standard_normal(d: int, like: Tensor | None = None) -> Base:
    r""":math:`p_0(z) = N(z; 0, I_d)`.

    Slide: Optimisation, step 1 (E22).

    Args:
        d: the dimension.
        like: a tensor whose type and device the samples take; float32 on the CPU without it.

    Example:
        >>> standard_normal(3).sample((5,)).shape
        torch.Size([5, 3])
    """
    return _like(Base(_normal, d), like)


def uniform(d: int, low: float = -1.0, high: float = 1.0, like: Tensor | None = None) -> Base:
    r""":math:`p_0(z) = U_d(\mathrm{low}, \mathrm{high})`, independent coordinates.

    Slide: Optimisation, step 1 (E22).

    Args:
        d: the dimension.
        low: the lower end.
        high: the upper end, above `low`.
        like: as for `standard_normal`.

    Raises:
        ValueError: if `high` is not above `low`, or an end is not finite.

    Example:
        >>> uniform(2).log_prob(ones(2) / 2).exp()
        tensor(0.2500)
    """
    if not checks.number("high", high) > checks.number("low", low):
        raise ValueError(f"high: expected a number above low = {low}, got {high}")
    return _like(Base(partial(_uniform, low, high), d), like)


def corners(d: int, sd: float = 0.1, like: Tensor | None = None) -> Base:
    r"""Separate clouds, one at each corner of a cube: a base that falls apart.

    .. math::

        p_0(z) = 2^{-d} \sum_{c \in \{-1, 1\}^d} N(z; c, s^2 I)

    A continuous generator maps a connected base to a connected set, and so draws bridges between
    the modes of the data; it can send each of these clouds elsewhere.

    Slide: beyond the deck (mode collapse).

    References:
        Gurumurthy et al., DeLiGAN: generative adversarial networks for diverse and limited data,
            2017.

    Args:
        d: the dimension, at most 20: there are :math:`2^d` clouds.
        sd: the standard deviation of each cloud.
        like: as for `standard_normal`.

    Raises:
        ValueError: if `sd` is not positive, or `d` too large.

    Example:
        >>> corners(5).sample((100,)).round().abs().mean()
        tensor(1.)
    """
    checks.count("d", d, most=20)
    return _like(Base(partial(_clouds, checks.positive("sd", sd)), d, 0), like)


# Unchecked: a number that is not finite is for `ascend` to refuse, which names the step.


def _normal(one: Tensor) -> Normal:
    return Normal(0 * one, one, validate_args=False)


def _uniform(low: float, high: float, one: Tensor) -> Uniform:
    return Uniform(low * one, high * one, validate_args=False)


def _clouds(sd: float, one: Tensor) -> MixtureSameFamily:
    centres = cartesian_prod(*[stack([-one[0], one[0]])] * len(one)).reshape(-1, len(one))
    clouds = Normal(centres, sd * ones_like(centres), validate_args=False)
    weights = Categorical(ones_like(centres[:, 0]), validate_args=False)
    return MixtureSameFamily(weights, Independent(clouds, 1), validate_args=False)


def _classes(one: Tensor) -> OneHotCategorical:
    law = _unchecked_classes(probs=one)
    law._validate_args = not one.is_meta  # what is not one-hot has no probability
    return law


def _unchecked_classes(**parameters: Tensor) -> OneHotCategorical:
    """Torch checks the law that it holds inside whatever it was told."""
    default = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        law = OneHotCategorical(**parameters, validate_args=False)
    finally:
        Distribution.set_default_validate_args(default)
    law._categorical._validate_args = False
    return law


class Gaussian(nn.Module):
    r"""A network read as a Gaussian with independent coordinates, :math:`N(\mu(x), \sigma(x)^2)`.

    .. math::

        [\mu_\phi(x), \log \sigma_\phi(x)] = \mathrm{NN}_\phi(x), \qquad
        z = \mu_\phi(x) + \sigma_\phi(x)\, \epsilon, \quad \epsilon \sim N(0, I)

    Its `rsample` is the second formula, through which gradients pass.

    Slide: VAE / large scale data (E61, E62); Experiments (E63), with the erratum X16.

    Args:
        net: maps inputs to means and log standard deviations, one after the other in the first
            dimension of the event: `(..., 2 k)` for vectors, `(..., 2 C, H, W)` for images. With
            `log_sd` it returns the means alone.
        log_sd: log standard deviations for all inputs, of a shape that broadcasts to the event:
            learnt if it is an `nn.Parameter`, fixed if it is another tensor.
        event_dims: the number of dimensions of the event, 1 for vectors and 3 for images.

    Raises:
        ValueError: if `event_dims` is not positive; when called, if means and log standard
            deviations cannot be told apart.

    Example:
        >>> q = Gaussian(nn.Linear(6, 2 * 3))(ones(5, 6))
        >>> q.batch_shape, q.event_shape, q.rsample().shape
        (torch.Size([5]), torch.Size([3]), torch.Size([5, 3]))
    """

    log_sd: Tensor | None

    def __init__(self, net: nn.Module, log_sd: Tensor | None = None, event_dims: int = 1) -> None:
        checks.networks(net=net)
        super().__init__()
        self.net = net
        self.event_dims = checks.count("event_dims", event_dims)
        if isinstance(log_sd, nn.Parameter):
            self.log_sd = log_sd
        else:
            self.register_buffer("log_sd", log_sd)

    def forward(self, x: Tensor) -> Independent:
        """Map inputs `(..., N, *inputs)` to a distribution of batch shape `(..., N)`."""
        mean, log_sd = self.net(x), self.log_sd
        if log_sd is None:
            if mean.shape[-self.event_dims] % 2:
                raise ValueError(
                    f"net: expected means and log standard deviations, an even number in dimension "
                    f"{-self.event_dims}, got shape {tuple(mean.shape)}"
                )
            mean, log_sd = mean.chunk(2, -self.event_dims)
        sd = log_sd.exp().expand_as(mean)
        # Unchecked: a number that is not finite is for `ascend` to refuse, which names the step.
        return Independent(Normal(mean, sd, validate_args=False), self.event_dims)


class Bernoulli(nn.Module):
    r"""A network read as independent coins, :math:`p_\theta(x_j = 1 \mid z) = \sigma(r_j(z))`.

    .. math::

        \log p_\theta(x \mid z) = \sum_j x_j \log \sigma(r_j(z)) + (1 - x_j) \log \sigma(-r_j(z))

    A density over zeros and ones only: grey pixels are refused, binarise them
    (`gannotes.data.binarise`).

    Slide: VAE / Experiments (E63), for binary data.

    Args:
        net: maps latent points to raw outputs of the shape of the data.
        event_dims: the number of dimensions of the event, 1 for vectors and 3 for images.

    Raises:
        ValueError: if `event_dims` is not positive.

    Example:
        >>> p = Bernoulli(nn.Linear(2, 3))
        >>> nn.init.zeros_(p.net.weight), nn.init.zeros_(p.net.bias)  # fair coins
        (...)
        >>> p(ones(5, 2)).log_prob(ones(5, 3)).exp().unique().tolist()
        [0.125]
    """

    def __init__(self, net: nn.Module, event_dims: int = 1) -> None:
        checks.networks(net=net)
        super().__init__()
        self.net = net
        self.event_dims = checks.count("event_dims", event_dims)

    def forward(self, z: Tensor) -> Independent:
        """Map latent points `(..., N, k)` to a distribution of batch shape `(..., N)`."""
        return Independent(torch_distributions.Bernoulli(logits=self.net(z)), self.event_dims)


def one_hot(K: int, like: Tensor | None = None) -> Base:
    r"""A categorical code, :math:`c \in \{e_1, \dots, e_K\}`, all of them equally likely.

    Slide: InfoGAN / Loss function (E28): the code of the digit.

    Args:
        K: the number of classes.
        like: as for `standard_normal`.

    Example:
        >>> one_hot(10).sample((5,)).sum(-1)
        tensor([1., 1., 1., 1., 1.])
    """
    return _like(Base(_classes, checks.count("K", K), 0), like)


class Product(nn.Module, Distribution):
    r"""Independent laws of vectors side by side, :math:`p(c) = \prod_j p_j(c_j)`.

    .. math:: \log p(c) = \sum_j \log p_j(c_j), \qquad H(c) = \sum_j H(c_j)

    Parts that are modules, such as `one_hot` and `uniform`, follow it to a device.

    Slide: InfoGAN / Loss function (E28): several independent codes.

    Args:
        parts: laws of one batch shape, event shapes `(d_j,)`.

    Raises:
        ValueError: if there is no part, or if the parts differ in their batch shapes or are not
            laws of vectors.

    Example:
        >>> c = Product([one_hot(10), uniform(2)])
        >>> c.sample((5,)).shape, c.entropies()
        (torch.Size([5, 12]), tensor([2.3026, 1.3863]))
    """

    arg_constraints = {}

    def __init__(self, parts: Sequence[Distribution]) -> None:
        nn.Module.__init__(self)
        self.parts = tuple(parts)
        shapes = {part.batch_shape for part in self.parts}
        if len(shapes) != 1 or any(len(part.event_shape) != 1 for part in self.parts):
            came = [(tuple(part.batch_shape), tuple(part.event_shape)) for part in self.parts]
            raise ValueError(
                f"parts: expected laws of vectors with one batch shape, got (batch, event) {came}"
            )
        for j, part in enumerate(self.parts):
            if isinstance(part, nn.Module):
                self.add_module(str(j), part)
        self.widths = [part.event_shape[0] for part in self.parts]
        event_shape = Size([sum(self.widths)])
        Distribution.__init__(self, shapes.pop(), event_shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The means of the parts, side by side: `(*batch_shape, d)`."""
        return cat([part.mean for part in self.parts], -1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw `(*sample_shape, *batch_shape, d)`, `d` the sum of the widths."""
        return cat([part.sample(Size(sample_shape)) for part in self.parts], -1)

    def log_probs(self, c: Tensor) -> Tensor:
        """The log densities part by part: `(..., d)` becomes `(..., P)`."""
        pieces = c.split(self.widths, -1)
        return stack(
            [part.log_prob(piece) for part, piece in zip(self.parts, pieces, strict=True)], -1
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """The log density: `(..., d)` becomes `(...)`."""
        return self.log_probs(value).sum(-1)

    def entropies(self) -> Tensor:
        """The entropies part by part, in nats: `(*batch_shape, P)`."""
        return stack([part.entropy() for part in self.parts], -1)

    def entropy(self) -> Tensor:
        """The entropy in nats: `(*batch_shape)`."""
        return self.entropies().sum(-1)


def codes(
    categorical: Sequence[int] = (), continuous: int = 0, like: Tensor | None = None
) -> Product:
    r"""Independent codes, categorical ones first, :math:`c_k \sim U(-1, 1)` after them.

    .. math:: p(c) = \prod_j \frac1{K_j} \prod_k \frac12 \, 1[-1 \le c_k \le 1]

    Slide: InfoGAN / Loss function (E28).

    Args:
        categorical: the number of classes of each categorical code.
        continuous: the number of continuous codes; each of them is a part of its own.
        like: as for `standard_normal`.

    Example:
        >>> p_c = codes(categorical=(10,), continuous=2)
        >>> p_c.event_shape, p_c.entropies()
        (torch.Size([12]), tensor([2.3026, 0.6931, 0.6931]))
    """
    checks.count("continuous", continuous, least=0)
    for K in categorical:
        checks.count("categorical", K)
    parts = [*(one_hot(K) for K in categorical), *(uniform(1),) * continuous]
    return _like(Product(parts), like)


class Code(nn.Module):
    r"""A network read as a law of independent codes, :math:`Q_\eta(c \mid x)`.

    .. math:: Q_\eta(c \mid x) = \prod_j \mathrm{Cat}(c_j;\, \mathrm{softmax}(r_j(x)))
              \prod_k N(c_k;\, \mu_k(x), \sigma_k(x)^2)

    Slide: InfoGAN / Loss function (E31, E32): categorical and continuous heads.

    Args:
        net: maps inputs to raw outputs, the logits of each categorical code, then the means and
            then the log standard deviations of the continuous ones, side by side.
        categorical: the number of classes of each categorical code.
        continuous: the number of continuous codes; each of them is a part of its own.
        floor: the smallest standard deviation. A code that can be read off exactly would have an
            infinite density.

    Raises:
        TypeError: if a number is of another type.
        ValueError: if a number is negative, or there is no code; when called, if the network's
            output has another width.

    Example:
        >>> Q = Code(nn.Linear(6, 10 + 2 * 2), categorical=(10,), continuous=2)(ones(5, 6))
        >>> Q.event_shape, Q.log_probs(ones(5, 12) / 2).shape
        (torch.Size([12]), torch.Size([5, 3]))
    """

    def __init__(
        self,
        net: nn.Module,
        categorical: Sequence[int] = (),
        continuous: int = 0,
        floor: float = 0.05,
    ) -> None:
        checks.networks(net=net)
        super().__init__()
        self.net = net
        self.categorical = tuple(checks.count("categorical", K) for K in categorical)
        self.continuous = checks.count("continuous", continuous, least=0)
        self.floor = checks.number("floor", floor, low=0)

    def forward(self, x: Tensor) -> Product:
        """Map inputs `(..., N, *inputs)` to a law of batch shape `(..., N)`."""
        raw = self.net(x)
        widths = [*self.categorical, self.continuous, self.continuous]
        if raw.shape[-1] != sum(widths):
            raise ValueError(f"net: expected {sum(widths)} outputs, got {raw.shape[-1]}")
        *logits, mean, log_sd = raw.split(widths, -1)
        parts: list[Distribution] = [_unchecked_classes(logits=r) for r in logits]
        sd = self.floor + log_sd.exp()
        for k in range(self.continuous):
            one = slice(k, k + 1)
            law = Normal(mean[..., one], sd[..., one], validate_args=False)
            parts.append(Independent(law, 1))
        return Product(parts)


class Sampler(Distribution):
    r"""Samples :math:`z = g(\epsilon)` without a density: it can be drawn from, and nothing else.

    Slide: AVB / black-box inference models (E76).

    Args:
        draw: maps a sample shape to samples `(*sample_shape, *batch_shape, *event)`, through which
            gradients pass.
        batch_shape: the leading dimensions of a single draw.
        mean: the mean `(*batch_shape, *event)`, where it is known.

    Example:
        >>> Sampler(lambda shape: ones(*shape, 5, 2), Size([5])).rsample(Size([3])).shape
        torch.Size([3, 5, 2])
    """

    arg_constraints = {}
    has_rsample = True

    def __init__(
        self, draw: Callable[[Size], Tensor], batch_shape: Size, mean: Tensor | None = None
    ) -> None:
        self.draw = draw
        self._mean = mean
        super().__init__(batch_shape, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The mean, if it is known."""
        if self._mean is None:
            raise NotImplementedError("mean: not known of an implicit law; average its samples")
        return self._mean

    @property
    def event_shape(self) -> Size:
        """The shape of one event; found out by a draw."""
        return self.draw(Size()).shape[len(self.batch_shape) :]

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw, differentiably: `(*sample_shape, *batch_shape, *event)`."""
        return self.draw(Size(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Refused: an implicit law has no density that could be computed."""
        raise NotImplementedError(
            "log_prob: expected a law with a density, got an implicit one, which can only be "
            "sampled; learn its ratio to another law (models.avb), or use distributions.Gaussian"
        )


class Implicit(nn.Module):
    r"""A network with noise among its inputs, :math:`z = z_\phi(x, \epsilon)`: any law, no density.

    .. math:: z_\phi(x, \epsilon) = g_\phi(h_\phi(x), \epsilon), \qquad \epsilon \sim p(\epsilon)

    The features :math:`h` of a point are computed once for all its samples.

    Slide: AVB / black-box inference models (E76).

    Args:
        features: maps inputs `(..., N, *inputs)` to features `(..., N, H)`.
        head: maps features `(..., N, H)` and noise `(*sample_shape, ..., N, e)` to samples
            `(*sample_shape, ..., N, k)`; `gannotes.nets.Pair` broadcasts the two.
        noise: the law of :math:`\epsilon`, event shape `(e,)`.

    Example:
        >>> from gannotes.nets import Pair
        >>> head = Pair(nn.Identity(), nn.Linear(3, 8), nn.Linear(8, 2))
        >>> q = Implicit(nn.Linear(6, 8), head, standard_normal(3))(ones(5, 6))
        >>> q.batch_shape, q.rsample(Size([4])).shape
        (torch.Size([5]), torch.Size([4, 5, 2]))
    """

    def __init__(self, features: nn.Module, head: nn.Module, noise: Distribution) -> None:
        checks.networks(features=features, head=head)
        checks.laws(noise=noise)
        super().__init__()
        self.features = features
        self.head = head
        self.noise = noise

    def forward(self, x: Tensor) -> Sampler:
        """Map inputs `(..., N, *inputs)` to a law of batch shape `(..., N)`."""
        h = self.features(x)
        batch = h.shape[:-1]
        return Sampler(lambda shape: self.head(h, self.noise.sample(shape + batch)), batch)


class Deterministic(nn.Module):
    r"""A network read as the law of its only value, :math:`q(z \mid x) = \delta(z - E(x))`.

    Slide: ALI / BiGAN (E67), where encoder and decoder have no noise.

    Args:
        net: maps inputs to values.
        event_dims: the number of dimensions of a value, 1 for vectors and 3 for images.

    Raises:
        ValueError: if `event_dims` is not positive.

    Example:
        >>> q = Deterministic(nn.Linear(6, 2))(ones(5, 6))
        >>> q.batch_shape, bool((q.rsample(Size([4])) == q.mean).all())
        (torch.Size([5]), True)
    """

    def __init__(self, net: nn.Module, event_dims: int = 1) -> None:
        checks.networks(net=net)
        super().__init__()
        self.net = net
        self.event_dims = checks.count("event_dims", event_dims)

    def forward(self, x: Tensor) -> Sampler:
        """Map inputs `(..., N, *inputs)` to a point mass of batch shape `(..., N)`."""
        value = self.net(x)
        batch = value.shape[: value.ndim - self.event_dims]
        return Sampler(lambda shape: value.expand(shape + value.shape), batch, mean=value)


def gaussian_fit(z: Tensor) -> Independent:
    r"""The Gaussian with the moments of samples, :math:`r_\alpha(z \mid x)`.

    .. math::

        r_\alpha = N(\mu, \mathrm{diag}\,\sigma^2), \qquad
        \mathrm{KL}(q \| p_0) = \mathrm{KL}(q \| r_\alpha) + E_q[\log r_\alpha - \log p_0]

    Of all Gaussians with independent coordinates it is the nearest, :math:`\min_r \mathrm{KL}(q \|
    r)`. It is where annealing starts when :math:`q` has no density, and what adaptive contrast
    takes out of the ratio that a critic must learn; then treat its moments as constants
    (`gaussian_fit(z.detach())`).

    Slide: beyond the deck (I09, I10; behind the rows "AVB + AC" of T04).

    References:
        Mescheder, Nowozin and Geiger, Adversarial variational Bayes, 2017.

    Args:
        z: samples `(N_z, ..., N, k)`, at least two for each point.

    Returns:
        A distribution of batch shape `(..., N)` and event shape `(k,)`.

    Raises:
        ValueError: if there are fewer than two samples.

    Example:
        >>> gaussian_fit(stack([ones(1), 3 * ones(1)])).mean
        tensor([2.])
    """
    if checks.floating("z", z).ndim < 2 or len(z) < 2:
        raise ValueError(f"z: expected at least two samples (N_z, ..., N, k), got {tuple(z.shape)}")
    return Independent(Normal(z.mean(0), z.std(0, correction=0)), 1)


def latent_grid(n: int, like: Tensor | None = None) -> Tensor:
    r"""Points of the plane that share the mass of :math:`N(0, I_2)` equally.

    .. math::

        z_{ij} = \Big(\Phi^{-1}\big(\tfrac{i - 1/2}{n}\big),\; \Phi^{-1}\big(\tfrac{j -
        1/2}{n}\big)\Big), \qquad i, j = 1, \dots, n

    The first coordinate grows down the rows of a picture, the second along its columns. The slide's
    :math:`i/n` puts the last row and column at infinity.

    Slide: VAE / Structure of the latent space (E66, I15), with the erratum X18.

    Args:
        n: the number of rows and of columns.
        like: as for `standard_normal`.

    Returns:
        Latent points `(n, n, 2)`.

    Raises:
        ValueError: if `n` is not positive.

    Example:
        >>> latent_grid(4)[0, :, 1]
        tensor([-1.1503, -0.3186,  0.3186,  1.1503])
    """
    grid = arange(checks.count("n", n)) + 0.5
    quantile = ndtri(grid.to(ones(1) if like is None else checks.floating("like", like)) / n)
    return stack(meshgrid(quantile, quantile, indexing="ij"), -1)


def _like(law: Law, like: Tensor | None) -> Law:
    return law if like is None else law.to(checks.floating("like", like))


def adaptive(q: Distribution) -> Distribution:
    """Adaptive contrast: the Gaussian with the moments of 32 samples.

    Slide: beyond the deck (I09; behind the rows "AVB + AC" of T04).

    Args:
        q: the encoder's law.

    Example:
        >>> adaptive(standard_normal(2)).event_shape
        torch.Size([2])
    """
    checks.laws(q=q)
    return gaussian_fit(q.sample(Size((32,))))
