r"""Bounds: what a critic says about two distributions of which only samples are at hand.

A bound is a function of a critic's raw outputs, :math:`v_p` on a sample of `p` and :math:`v_q` on a
sample of `q`. It is the empirical form of an objective whose maximum over all critics is a
divergence of `p` and `q`, so that every critic gives a lower bound.

.. math::

    \max_v \; \mathbb{E}_p[a(v(x))] - \mathbb{E}_q[b(v(x'))] \;=\; D(p, q)

The critic ascends; a model that owns `q` descends. "Flip to fix", the non-saturating loss, is the
same bound with its two arguments swapped, ascended by the generator. Only the last dimension is
averaged: any leading dimensions are independent games (replicas). The two samples need not have
the same size.
"""

from collections.abc import Callable
from numbers import Real

from torch import Tensor, stack
from torch.autograd import grad
from torch.nn.functional import logsigmoid

from gannotes import checks
from gannotes.divergences import FDivergence

Bound = Callable[[Tensor, Tensor], Tensor]


def _check(**outputs: Tensor) -> None:
    """Refuse anything but non-empty samples of floating-point numbers."""
    for name, v in outputs.items():
        checks.floating(name, v, "... N")
        if not v.numel():
            raise ValueError(f"{name}: expected a sample of at least one, got {tuple(v.shape)}")


def _check_pair(v_p: Tensor, v_q: Tensor) -> None:
    _check(v_p=v_p, v_q=v_q)
    checks.leading(v_p=v_p, v_q=v_q)


def bernoulli(v_p: Tensor, v_q: Tensor) -> Tensor:
    r"""The log likelihood of a classifier: :math:`E_p[\log D] + E_q[\log(1 - D)]`, D = sigmoid(v).

    .. math::

        V(v) = \mathbb{E}_{p}[\log \sigma(v(x))] + \mathbb{E}_{q}[\log(1 - \sigma(v(x')))]
             \;\le\; 2\,\mathrm{JS}(p, q) - \log 4

    with equality at :math:`v^* = \log p/q`, that is :math:`D^* = p/(p + q)`. The two class means
    are added, not averaged: a critic that knows nothing gives :math:`-\log 4`.

    Slide: GAN / Possible loss functions (E16 to E19), Optimisation (E22, E23), with the errata X03
    and X25; the same bound again in E37, E38, E68 and E72.

    References:
        Goodfellow et al., Generative Adversarial Nets, 2014.

    Args:
        v_p: raw critic outputs (log odds of "from p") on a sample of p, shape (..., N).
        v_q: the same on a sample of q, shape (..., M).

    Returns:
        Nats, shape (...).

    Raises:
        TypeError: if an argument is not a floating-point tensor.
        ValueError: if a sample is empty or the leading dimensions do not broadcast.

    Example:
        >>> import torch
        >>> bernoulli(torch.zeros(3), torch.zeros(5))  # -log 4
        tensor(-1.3863)
    """
    _check_pair(v_p, v_q)
    return logsigmoid(v_p).mean(-1) + logsigmoid(-v_q).mean(-1)


def least_squares(v_p: Tensor, v_q: Tensor) -> Tensor:
    r"""Minus the least-squares loss of a 0/1 regression: :math:`-E_p[(v - 1)^2] - E_q[v^2]`.

    .. math::

        -\mathbb{E}_p[(v(x) - 1)^2] - \mathbb{E}_q[v(x')^2] \;\le\; -\int \frac{p\,q}{p + q}\,dx
            \;=\; \frac14 \int \frac{(p - q)^2}{p + q}\,dx - \frac12

    with equality at :math:`v^* = p/(p + q)`. The raw output is the regression itself; no sigmoid
    is applied. A critic that knows nothing (1/2 everywhere) gives -1/2.

    Slide: GAN / Possible loss functions (E20, E21), with the erratum X26; CycleGAN / Training
    tricks (E43), with the erratum X09: the critic ascends this, the generator ascends it flipped.

    References:
        Mao et al., Least Squares Generative Adversarial Networks, 2017.

    Args:
        v_p: raw critic outputs on a sample of p, shape (..., N).
        v_q: the same on a sample of q, shape (..., M).

    Returns:
        Shape (...).

    Raises:
        TypeError: if an argument is not a floating-point tensor.
        ValueError: if a sample is empty or the leading dimensions do not broadcast.

    Example:
        >>> import torch
        >>> least_squares(torch.full((3,), 0.5), torch.full((5,), 0.5))
        tensor(-0.5000)
    """
    _check_pair(v_p, v_q)
    return -((v_p - 1).square().mean(-1) + v_q.square().mean(-1))


def variational(f: FDivergence) -> Bound:
    r"""The f-GAN bound of one row of the table: :math:`E_p[h_f(v)] - E_q[f^*(h_f(v))]`.

    .. math::

        \mathbb{E}_p[h_f(v(x))] - \mathbb{E}_q[f^*(h_f(v(x')))] \;\le\; D_f(p \| q)
            = \int q\, f\!\left(\frac{p}{q}\right) dx

    with equality where :math:`h_f(v^*) = f'(p/q)`. The activation :math:`h_f` carries the raw
    output into the domain of the conjugate; :math:`f^* \circ h_f` is evaluated in fused form.

    Slide: f-GAN / Sample based divergence minimisation (E49, E50), f-GAN practical
    considerations (E52, T02), with the erratum X12.

    References:
        Nowozin, Cseke and Tomioka, f-GAN, 2016; Nguyen, Wainwright and Jordan, 2010.

    Args:
        f: a row of the table, such as `divergences.KL` or `divergences.alpha_family(0.5)`.

    Returns:
        A bound `(v_p (..., N), v_q (..., M)) -> (...)`, named after its divergence.

    Raises:
        TypeError: if `f` is not an FDivergence.

    Example:
        >>> import torch
        >>> from gannotes.divergences import KL
        >>> bound = variational(KL)
        >>> bound.__name__, bound(torch.ones(3), torch.ones(5))
        ('variational(kl)', tensor(0.))
    """
    checks.kind("f", f, FDivergence, wanted="an FDivergence")

    def bound(v_p: Tensor, v_q: Tensor) -> Tensor:
        _check_pair(v_p, v_q)
        return f.activation(v_p).mean(-1) - f.penalty(v_q).mean(-1)

    bound.__name__ = bound.__qualname__ = f"variational({f.name})"
    bound.__doc__ = f"The variational lower bound on the divergence {f.name}."
    return bound


def relativistic(v_p: Tensor, v_q: Tensor) -> Tensor:
    r"""The log likelihood of "the first is from p" in a pair: :math:`E[\log \sigma(v(x) - v(x'))]`.

    .. math::

        \mathbb{E}_{x \sim p,\, x' \sim q}[\log \sigma(v(x) - v(x'))]

    The two samples are paired by position. A critic that knows nothing gives :math:`-\log 2`.
    Swapping the arguments gives the generator's objective.

    Slide: beyond the deck.

    References:
        Jolicoeur-Martineau, The relativistic discriminator, 2018 (RSGAN).

    Args:
        v_p: raw critic outputs on a sample of p, shape (..., N).
        v_q: the same on a sample of q, shape (..., N), paired with `v_p`.

    Returns:
        Nats, shape (...).

    Raises:
        TypeError: if an argument is not a floating-point tensor.
        ValueError: if a sample is empty, the sizes differ or the leading dimensions do not
            broadcast.

    Example:
        >>> import torch
        >>> relativistic(torch.zeros(3), torch.zeros(3))  # -log 2
        tensor(-0.6931)
    """
    _check_pair(v_p, v_q)
    if v_p.shape[-1] != v_q.shape[-1]:
        came = f"{tuple(v_p.shape)} and {tuple(v_q.shape)}"
        raise ValueError(f"v_p, v_q: expected pairs, the same last dimension, got {came}")
    return logsigmoid(v_p - v_q).mean(-1)


def mutual_information(log_q: Tensor, entropy: float | Tensor) -> Tensor:
    r"""The InfoGAN bound on I(c; x): :math:`H(c) + E_{c, x}[\log Q(c | x)]`.

    .. math::

        H(c) + \mathbb{E}_{c \sim p(c),\, x' \sim p(x' | c)}[\log Q(c \mid x')] \;\le\; I(c; x')

    with equality where Q is the posterior :math:`p(c \mid x')`. The gap is the mean of
    :math:`\mathrm{KL}(p(c|x') \| Q)`; the bound can be negative.

    Slide: InfoGAN / Loss function (E29 to E32), with the errata X05 and X06.

    References:
        Barber and Agakov, 2003; Chen et al., InfoGAN, 2016.

    Args:
        log_q: :math:`\log Q(c | x')` of the codes that made the samples, shape (..., N); for
            several independent codes their sum.
        entropy: H(c) in nats, a number or shape (...).

    Returns:
        Nats, shape (...).

    Raises:
        TypeError: if `log_q` is not a floating-point tensor, or `entropy` no number.
        ValueError: if `log_q` is empty, or `entropy` has other leading dimensions.

    Example:
        >>> import torch
        >>> log_q = torch.tensor([0.5, 0.5]).log()  # Q knows nothing about a fair binary code
        >>> mutual_information(log_q, torch.tensor(2.0).log())
        tensor(0.)
    """
    _check(log_q=log_q)
    checks.kind("entropy", entropy, Real, Tensor, wanted="a number or a tensor")
    if isinstance(entropy, Tensor):
        checks.leading(0, entropy=entropy, log_q=log_q[..., 0])
    return entropy + log_q.mean(-1)


def cycle(
    x: Tensor,
    x_cycled: Tensor,
    y: Tensor,
    y_cycled: Tensor,
    data_dims: int | tuple[int, int] = 1,
) -> Tensor:
    r"""The cycle loss: :math:`E_x |F(G(x)) - x|_1 + E_y |G(F(y)) - y|_1`. Minimised.

    .. math::

        L_\text{cyc} = \mathbb{E}_x \|F(G(x)) - x\|_1 + \mathbb{E}_y \|G(F(y)) - y\|_1

    The L1 norm is summed over the dimensions of the data and averaged over the batch, the dimension
    before them. Common code averages over the elements instead: its weight is not comparable.

    Slide: CycleGAN / loss functions II (E40).

    References:
        Zhu et al., Unpaired Image-to-Image Translation, 2017.

    Args:
        x: a batch of the first domain, shape `(..., N, *data)`.
        x_cycled: F(G(x)), the shape of `x`.
        y: a batch of the second domain, shape `(..., M, *data)`.
        y_cycled: G(F(y)), the shape of `y`.
        data_dims: the number of dimensions of a sample, 1 for vectors and 3 for images; a pair if
            the domains differ.

    Returns:
        In the units of the data, shape (...).

    Raises:
        TypeError: if an argument is not a floating-point tensor, or `data_dims` no integer.
        ValueError: if a batch is empty, has too few dimensions, or a cycled batch has another shape
            than its batch.

    Example:
        >>> import torch
        >>> x, y = torch.zeros(2, 3), torch.zeros(4, 5)
        >>> cycle(x, x + 1, y, y)  # 3 dimensions, each off by 1
        tensor(3.)
    """
    _check(x=x, x_cycled=x_cycled, y=y, y_cycled=y_cycled)
    dims_x, dims_y = data_dims if isinstance(data_dims, tuple) else (data_dims, data_dims)
    return _norm("x", x, x_cycled, dims_x) + _norm("y", y, y_cycled, dims_y)


def _norm(name: str, z: Tensor, z_cycled: Tensor, data_dims: int) -> Tensor:
    """:math:`E |z' - z|_1`, a number for every leading dimension."""
    checks.shaped(f"{name}_cycled", z_cycled, z.shape)
    if z.ndim <= checks.count("data_dims", data_dims, least=0):
        wanted = f"a batch of samples of {data_dims} dimensions"
        raise ValueError(f"{name}: expected {wanted}, got shape {tuple(z.shape)}")
    dims = tuple(range(-data_dims - 1, 0))
    return (z_cycled - z).abs().sum(dims) / z.shape[-data_dims - 1]


def squared_gradient(D: Callable[..., Tensor], *x: Tensor) -> tuple[Tensor, Tensor]:
    r"""The raw outputs at `x`, and how steep they are there: :math:`E \|\nabla_x r(x)\|^2`.

    Slide: beyond the deck (mode collapse).

    Args:
        D: a critic, of points or of pairs.
        x: points `(..., N, *data)`; of pairs, both parts.

    Returns:
        Raw outputs `(..., N)` and the mean over the batch `(...)`, differentiable in the critic's
        parameters.

    Raises:
        TypeError: if `x` is no floating-point tensor.
        ValueError: if `D` does not give one number per point.

    Example:
        >>> import torch
        >>> _, penalty = squared_gradient(lambda x: 3 * x[:, 0], torch.randn(5, 2))
        >>> penalty.item()
        9.0
    """
    at = [checks.floating("x", part).detach().requires_grad_() for part in x]
    v = checks.one_per_point("D", checks.applied("x", D, *at), at[0])
    slopes = grad(v.sum(), at, create_graph=True)
    parts = [slope.flatten(v.ndim).square().sum(-1).mean(-1) for slope in slopes]
    return v, stack(parts).sum(0)
