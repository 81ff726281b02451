r"""Generative adversarial nets: learn a sampler by asking a classifier.

A generator pushes noise through a network, :math:`x' = G_\theta(z)` with :math:`z \sim p_0`. A
critic :math:`D_\phi` is trained to tell data (class 1) from :math:`x'` (class 0). Its value

.. math::

    V(\theta, \phi) = E_p[\log D_\phi(x)] + E_{p_0}[\log(1 - D_\phi(G_\theta(z)))], \qquad
    D_\phi = \sigma(r_\phi),

is at most :math:`2\,\mathrm{JS}(p, p_\theta) - \log 4`, with equality at :math:`r^* = \log p - \log
p_\theta`. So the critic ascends :math:`V` towards a divergence, and the generator descends what it
finds there. Any other bound of `gannotes.bounds` gives another model: LS-GAN is `GAN(G, D, p_0,
bound=least_squares)`.

Reference: Goodfellow et al., *Generative Adversarial Nets*, 2014 (arXiv 1406.2661).
"""

import torch  # noqa: F401, for the examples below
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.optim import Optimizer

from gannotes.bounds import Bound, bernoulli, squared_gradient
from gannotes.checks import applied, floating, laws, networks, one_per_point, shaped, size
from gannotes.optim import ascend, descend, owners


class GAN(nn.Module):
    r"""A generator :math:`G`, a critic :math:`D`, a base distribution :math:`p_0`, and their bound.

    With labels :math:`u` the model is conditional: :math:`G(z, u)` and :math:`D(x, u)` learn
    :math:`p(x \mid u)` from pairs.

    Slide: Inference as classification (E12 to E15); Optimisation (E22); beyond the deck (I01).

    Args:
        G: maps noise `(..., N, k)` to samples `(..., N, *data)`.
        D: maps samples to raw outputs `(..., N)`.
        p_0: the base distribution, event shape `(k,)`.
        bound: the game: a function of the raw outputs on data and on generated samples.

    Example:
        >>> from gannotes import distributions, nets
        >>> gan = GAN(nets.mlp(2, 8, 1), nets.critic(1, 8), distributions.standard_normal(2))
        >>> gan.sample(5).shape
        torch.Size([5, 1])
    """

    def __init__(
        self, G: nn.Module, D: nn.Module, p_0: Distribution, bound: Bound = bernoulli
    ) -> None:
        networks(G=G, D=D, bound=bound)
        laws(p_0=p_0)
        super().__init__()
        self.G = G
        self.D = D
        self.p_0 = p_0
        self.bound = bound

    def sample(self, n: int | tuple[int, ...], u: Tensor | None = None) -> Tensor:
        r"""Draw :math:`x' = G_\theta(z)`, :math:`z \sim p_0`.

        Slide: Learn a random number generator (E05).

        Args:
            n: the number of samples, or `(S, N)` with replicas.
            u: labels `(N, ...)` of a conditional model.

        Returns:
            Samples `(n, *data)`.
        """
        z = self.p_0.sample(size("n", n))
        return applied("G", self.G, z) if u is None else applied("G", self.G, z, u)

    def value(self, x: Tensor, flip: bool = False, u: Tensor | None = None) -> Tensor:
        r"""The bound on a batch, :math:`\hat V`; flipped, with data and generated samples swapped.

        Slide: Optimisation, step 2 (E23); GAN / Training Algorithm, "flip to fix" (E27, I04).

        Args:
            x: data `(..., N, *data)`.
            flip: whether to swap the two classes; ascended by the generator, this is the
                non-saturating loss.
            u: labels `(N, ...)` of a conditional model, the same for data and generated samples.

        Returns:
            The value, `()` or one per replica `(S,)`.

        Raises:
            TypeError: if `x` is no floating-point tensor.
            ValueError: if `D` does not give one number per point, or if `G` makes samples of
                another shape than the data.
        """
        labels = () if u is None else (u,)
        v_p = one_per_point("D", applied("x", self.D, floating("x", x), *labels), x)
        v_q = self.D(shaped("G", self.sample(v_p.shape, u), x.shape), *labels)
        return self.bound(v_q, v_p) if flip else self.bound(v_p, v_q)


def step(gan: GAN, x: Tensor, theta: Optimizer, phi: Optimizer, K: int = 1) -> dict[str, Tensor]:
    r"""Ascend the critic on the value, :math:`K` times, then the generator on the flipped value.

    Slide: GAN / Training Algorithm (A01, A02, E24 to E27, I03), with the erratum X04.

    Args:
        gan: the model.
        x: a batch of data `(..., N, *data)`; every ascent draws fresh noise.
        theta: the optimiser of `gan.G`.
        phi: the optimiser of `gan.D`.
        K: the number of critic steps per generator step.

    Returns:
        The last critic value, before its move.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if an optimiser does not own its player, `K` is not positive, or a network
            returns another shape; nothing has moved.

    Example:
        >>> from gannotes import distributions, nets
        >>> gan = GAN(nets.mlp(2, 8, 1), nets.critic(1, 8), distributions.standard_normal(2))
        >>> theta, phi = (torch.optim.Adam(net.parameters(), lr=1e-3) for net in (gan.G, gan.D))
        >>> step(gan, torch.randn(32, 1), theta, phi, K=2)
        {'value': tensor(-1...)}
    """
    owners(K, theta=(theta, gan.G), phi=(phi, gan.D))
    for _ in range(K):
        value = ascend(phi, gan.value(x))
    ascend(theta, gan.value(x, flip=True))
    return {"value": value}


def step_regularised(
    gan: GAN, x: Tensor, theta: Optimizer, phi: Optimizer, gamma: float
) -> dict[str, Tensor]:
    r"""The same step with zero-centred gradient penalties in the critic's objective.

    .. math::

        \max_\phi\; \hat V(\theta, \phi) - \tfrac{\gamma}{2} \big( E_p \|\nabla_x r_\phi(x)\|^2
        + E_{p_\theta} \|\nabla_x r_\phi(x')\|^2 \big)

    The penalties (R1 on data, R2 on samples) make the game locally convergent; with
    `bound=relativistic` it has no bad local minima either, which is what keeps every mode of the
    data covered.

    Slide: beyond the deck (mode collapse).

    References:
        Mescheder, Geiger and Nowozin, Which training methods for GANs do actually converge?, 2018.
        Huang et al., The GAN is dead; long live the GAN! A modern GAN baseline, 2024.

    Args:
        gan: the model.
        x: a batch of data `(..., N, *data)`.
        theta: the optimiser of `gan.G`.
        phi: the optimiser of `gan.D`.
        gamma: the weight of the penalties.

    Returns:
        The critic's value less the penalties, before its move. Errors are those of `step`.

    Example:
        >>> from gannotes import distributions, nets
        >>> gan = GAN(nets.mlp(2, 8, 1), nets.critic(1, 8), distributions.standard_normal(2))
        >>> theta, phi = (torch.optim.Adam(net.parameters(), lr=1e-3) for net in (gan.G, gan.D))
        >>> list(step_regularised(gan, torch.randn(32, 1), theta, phi, gamma=1.0))
        ['value']
    """
    owners(theta=(theta, gan.G), phi=(phi, gan.D), gamma=gamma)
    v_p, R_1 = squared_gradient(gan.D, x)
    v_q, R_2 = squared_gradient(gan.D, shaped("G", gan.sample(v_p.shape), x.shape))
    penalised = ascend(phi, gan.bound(v_p, v_q) - gamma / 2 * (R_1 + R_2))
    ascend(theta, gan.value(x, flip=True))
    return {"value": penalised}


def penalise(D: nn.Module, x: Tensor, phi: Optimizer, gamma: float) -> Tensor:
    r"""Make a critic flatter at `x`: descend :math:`\tfrac{\gamma}{2} E \|\nabla_x r_\phi(x)\|^2`.

    A second derivative costs as much as several steps, and may be taken every k-th step only, with
    a weight of :math:`k \gamma`: then the penalty pulls as hard on average.

    Slide: beyond the deck (mode collapse).

    References:
        Mescheder, Geiger and Nowozin, Which training methods for GANs do actually converge?, 2018;
        Karras et al., Analyzing and improving the image quality of StyleGAN, 2020, for the lazy
        penalty.

    Args:
        D: the critic, which `phi` owns.
        x: points `(..., N, *data)`; data for R1, samples for R2.
        phi: the optimiser of `D`.
        gamma: the weight, already times k.

    Returns:
        The penalty before the move, `()` or one per replica.

    Example:
        >>> D = nn.Sequential(nn.Linear(2, 1, bias=False), nn.Flatten(-2))
        >>> _ = nn.init.constant_(D[0].weight, 3.0)
        >>> phi = torch.optim.SGD(D.parameters(), lr=0.1)
        >>> penalise(D, torch.randn(5, 2), phi, gamma=1.0), D[0].weight.tolist()
        (tensor(9.), [[2.700000047683716, 2.700000047683716]])
    """
    owners(phi=(phi, D), gamma=gamma)
    return descend(phi, gamma / 2 * squared_gradient(D, x)[1])


def step_shared(gan: GAN, x: Tensor, theta: Optimizer, phi: Optimizer) -> dict[str, Tensor]:
    r"""The step of the slides with one draw of noise for both players, which saves a pass of `G`.

    The critic ascends on :math:`x' = G_\theta(z)`, and the generator then on the same
    :math:`x'`, seen by the critic that has moved. What the critic said of the data is kept from
    before its move; that term has no gradient in :math:`\theta` unless the bound pairs data with
    samples.

    Slide: GAN / Training Algorithm (A01, A02). Arguments, returns and errors are those of `step`.

    Example:
        >>> from gannotes import distributions, nets
        >>> gan = GAN(nets.mlp(2, 8, 1), nets.critic(1, 8), distributions.standard_normal(2))
        >>> theta, phi = (torch.optim.Adam(net.parameters(), lr=1e-3) for net in (gan.G, gan.D))
        >>> step_shared(gan, torch.randn(32, 1), theta, phi)
        {'value': tensor(-1...)}
    """
    owners(theta=(theta, gan.G), phi=(phi, gan.D))
    v_p = one_per_point("D", applied("x", gan.D, floating("x", x)), x)
    x_q = shaped("G", gan.sample(v_p.shape), x.shape)
    value = ascend(phi, gan.bound(v_p, gan.D(x_q)))
    ascend(theta, gan.bound(gan.D(x_q), v_p.detach()))
    return {"value": value}
