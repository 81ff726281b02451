r"""InfoGAN: a generator some of whose inputs mean something, because they can be read off again.

The generator's input has two parts, :math:`x' = G_\theta(z, c)` with noise :math:`z \sim p_0` and a
code :math:`c \sim p(c)`. A GAN may ignore the code or blend it with the noise. InfoGAN asks in
addition that the sample tell its code, that is for a high mutual information

.. math::

    I(c; x') = H(c) - H(c \mid x') \;\ge\; L_{MI}(\theta, \eta)
        = H(c) + E_{c \sim p(c),\, x' \sim p_\theta(x' \mid c)}[\log Q_\eta(c \mid x')],

with a network :math:`Q_\eta` in place of the posterior of the code. The gap is
:math:`E_{x'}[\mathrm{KL}(p(c \mid x') \| Q_\eta)]`. The game is that of the GAN with one more term:

.. math:: \min_{\theta, \eta} \max_\phi\; V(\theta, \phi) - \lambda L_{MI}(\theta, \eta).

:math:`D_\phi` and :math:`Q_\eta` read the same features of a sample; only their last layers are
their own. The trunk that computes the features moves with both: it ascends the value *and* the
bound on the information.

Reference: Chen et al., *InfoGAN: Interpretable representation learning by information maximizing
generative adversarial nets*, 2016 (arXiv 1606.03657).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.optim import Optimizer

from gannotes.bounds import Bound, bernoulli, mutual_information
from gannotes.checks import applied, count, floating, laws, networks, shaped, size
from gannotes.optim import ascend, owners


class InfoGAN(nn.Module):
    r"""Generator, trunk, and the two heads :math:`D` and :math:`Q` on it; noise and code; a bound.

    Slide: InfoGAN / Loss function (E28), with the errata X05 to X08, X27, X28 and X41.

    Args:
        G: maps noise and code, side by side `(..., N, k + k_c)`, to samples `(..., N, *data)`.
        trunk: maps samples to features `(..., N, h)`.
        D: maps features to raw outputs `(..., N)`.
        Q: maps features to a law of the code: a `gannotes.distributions.Code`.
        p_0: the law of the noise, event shape `(k,)`.
        p_c: the law of the code, a `gannotes.distributions.Product` of its independent parts.
        bound: the game: a function of the raw outputs on data and on generated samples.
        data_dims: the number of dimensions of a sample, 1 for vectors and 3 for images.

    Example:
        >>> from gannotes.distributions import Code, codes, standard_normal
        >>> from gannotes.nets import critic, mlp
        >>> p_c = codes(categorical=(3,), continuous=2)
        >>> Q = Code(mlp(8, 3 + 2 * 2), categorical=(3,), continuous=2)
        >>> model = InfoGAN(mlp(9, 2), mlp(2, 8), critic(8), Q, standard_normal(4), p_c)
        >>> model.sample(6).shape, model.code(torch.zeros(6, 2)).mean.shape
        (torch.Size([6, 2]), torch.Size([6, 5]))
    """

    def __init__(
        self,
        G: nn.Module,
        trunk: nn.Module,
        D: nn.Module,
        Q: nn.Module,
        p_0: Distribution,
        p_c: Distribution,
        bound: Bound = bernoulli,
        data_dims: int = 1,
    ) -> None:
        networks(G=G, trunk=trunk, D=D, Q=Q, bound=bound)
        laws(p_0=p_0, p_c=p_c)
        super().__init__()
        self.G = G
        self.trunk = trunk
        self.D = D
        self.Q = Q
        self.p_0 = p_0
        self.p_c: Any = p_c  # its entropies are asked for
        self.bound = bound
        self.data_dims = count("data_dims", data_dims)

    def draw(self, n: int | tuple[int, ...]) -> tuple[Tensor, Tensor]:
        r"""Draw :math:`z \sim p_0` and, independently, :math:`c \sim p(c)`.

        Slide: InfoGAN / Loss function (E28).

        Args:
            n: the number of pairs, or `(S, N)` with replicas.

        Returns:
            Noise `(n, k)` and codes `(n, k_c)`.
        """
        shape = size("n", n)
        return self.p_0.sample(shape), self.p_c.sample(shape)

    def generate(self, z: Tensor, c: Tensor) -> Tensor:
        r"""The sample :math:`x' = G_\theta(z, c)` of given noise and code.

        Slide: InfoGAN / Loss function (E28).

        Args:
            z: noise `(..., N, k)`.
            c: codes `(..., N, k_c)`.

        Returns:
            Samples `(..., N, *data)`.
        """
        return self.G(torch.cat([floating("z", z), floating("c", c)], -1))

    def sample(self, n: int | tuple[int, ...]) -> Tensor:
        r"""Draw :math:`x' = G_\theta(z, c)`.

        Slide: Learn a random number generator (E05), InfoGAN (E28).

        Args:
            n: the number of samples, or `(S, N)` with replicas.

        Returns:
            Samples `(n, *data)`.
        """
        return self.generate(*self.draw(n))

    def code(self, x: Tensor) -> Distribution:
        r"""What the sample says about its code, :math:`Q_\eta(c \mid x)`.

        Slide: InfoGAN / Loss function (E31); the classifier of the paper's 5 % is its first part.

        Args:
            x: samples `(..., N, *data)`.

        Returns:
            A law of batch shape `(..., N)` and event shape `(k_c,)`.
        """
        return self.Q(applied("x", self.trunk, floating("x", x)))

    def objectives(self, x: Tensor, flip: bool = False) -> tuple[Tensor, Tensor]:
        r"""The value :math:`\hat V` and the bound :math:`\hat L_{MI}`, on the same samples.

        Every network sees each sample once, and the trunk sees data and samples as one batch, so
        that a batch normalisation in it treats them alike. The information comes code by code, so
        that a step can weigh the codes; its sum is the bound on :math:`I(c; x')`.

        Slide: InfoGAN / Augmented GAN objective (E32, E33), Joint objective (E34); errata X06, X07.

        Args:
            x: data `(..., N, *data)`.
            flip: whether to swap the two classes in the value: the non-saturating loss.

        Returns:
            The value `()` and the bounds in nats `(P,)`, one for each of the `P` parts of the code;
            with replicas `(S,)` and `(S, P)`.

        Raises:
            TypeError: if `x` is no floating-point tensor.
            ValueError: if `G` makes samples of another shape than the data, if `D` does not give
                one number per point, or if `Q` speaks of other codes than `p_c`.
        """
        batch = floating("x", x).shape[: x.ndim - self.data_dims]
        z, c = self.draw(batch)
        both = torch.cat(
            [x, shaped("G", applied("G", self.generate, z, c), x.shape)], len(batch) - 1
        )
        h_p, h_q = self.trunk(both).chunk(2, -2)
        v_p, v_q = shaped("D", self.D(h_p), batch), self.D(h_q)
        value = self.bound(v_q, v_p) if flip else self.bound(v_p, v_q)
        law = self.Q(h_q)
        if law.widths != self.p_c.widths:
            raise ValueError(f"Q: expected codes of widths {self.p_c.widths}, got {law.widths}")
        return value, mutual_information(law.log_probs(c).movedim(-1, -2), self.p_c.entropies())


def step(
    infogan: InfoGAN,
    x: Tensor,
    theta: Optimizer,
    phi_eta: Optimizer,
    lam: float | Tensor = 1.0,
) -> dict[str, Tensor]:
    r"""Critic and code network ascend, then the generator; both want the code to be readable.

    The head :math:`Q_\eta` does not enter the value, so that it receives the gradient of the
    information alone, and the head :math:`D_\phi` that of the value alone.

    Slide: InfoGAN / Joint objective and training tricks (E35, A03), with the errata X07 and X08.

    Args:
        infogan: the model.
        x: a batch of data `(..., N, *data)`; each move draws fresh noise and codes.
        theta: the optimiser of `infogan.G`.
        phi_eta: the optimiser of `infogan.trunk`, `infogan.D` and `infogan.Q`.
        lam: the weight of the information, one for all codes or one for each part `(P,)`.

    Returns:
        The value and the information, code by code, before the critic's move.

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if an optimiser does not own its player, or a network returns another shape;
            nothing has moved.
    """
    readers = infogan.trunk, infogan.D, infogan.Q
    owners(theta=(theta, infogan.G), phi_eta=(phi_eta, *readers), lam=lam)
    value, information = infogan.objectives(x)
    ascend(phi_eta, value + (lam * information).sum(-1))
    flipped, readable = infogan.objectives(x, flip=True)
    ascend(theta, flipped + (lam * readable).sum(-1))
    return {"value": value.detach(), "information": information.detach()}
