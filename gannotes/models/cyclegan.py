r"""CycleGAN: translate between two domains of which no pair was ever seen together.

Two generators, :math:`G: X \to Y` and :math:`F: Y \to X`, and a critic in each domain. A critic
sees to it that translations look like its domain, with any bound of `gannotes.bounds`:

.. math::

    L_Y(G, D_Y) = \mathtt{bound}\big(D_Y(y), D_Y(G(x))\big), \qquad
    L_X(F, D_X) = \mathtt{bound}\big(D_X(x), D_X(F(y))\big).

That fixes which pictures come out, not which comes out of which: any permutation of the domain does
as well. So a translation must lead back,

.. math::

    \min_{G, F} \max_{D_X, D_Y}\; L_Y + L_X + \lambda \big( E_x \|F(G(x)) - x\|_1
        + E_y \|G(F(y)) - y\|_1 \big),

which leaves the bijections. Which of these is found, the architecture and the start decide.

Reference: Zhu, Park, Isola and Efros, *Unpaired image-to-image translation using cycle-consistent
adversarial networks*, 2017 (arXiv 1703.10593).
"""

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gannotes.bounds import Bound, cycle, least_squares
from gannotes.optim import ascend


class History(nn.Module):
    r"""The last generated samples, some of which the critic meets again.

    Until it is full, every sample is stored and passed on. Afterwards a sample is passed on with
    probability 1/2; otherwise it takes the place of a stored one, which is passed on instead.
    Neither the critic nor the generator can then win by forgetting.

    Slide: CycleGAN / Training tricks (A04, I06).

    References:
        Shrivastava et al., Learning from simulated and unsupervised images through adversarial
        training, 2017.

    Args:
        shape: the shape of a sample.
        capacity: how many are kept; with 0 every sample is passed on.

    Raises:
        ValueError: if `capacity` is negative.

    Example:
        >>> past = History((2,), capacity=3)
        >>> past(torch.ones(5, 2)).shape, int(past.count)
        (torch.Size([5, 2]), 3)
    """

    stored: Tensor
    count: Tensor

    def __init__(self, shape: tuple[int, ...], capacity: int = 50) -> None:
        super().__init__()
        if capacity < 0:
            raise ValueError(f"capacity: expected at least 0, got {capacity}")
        self.register_buffer("stored", torch.zeros(capacity, *shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Pass on samples `(N, *shape)`, old ones among them; what comes out has no gradient."""
        capacity = len(self.stored)
        passed_on = x.detach().clone()
        if capacity == 0:
            return passed_on
        swap = torch.rand(len(x)) < 0.5
        slots = torch.randint(capacity, (len(x),))
        for i, slot in enumerate(slots.tolist()):
            if self.count < capacity:
                self.stored[self.count] = passed_on[i]
                self.count += 1
            elif swap[i]:
                new = passed_on[i].clone()
                passed_on[i] = self.stored[slot]
                self.stored[slot] = new
        return passed_on


class CycleGAN(nn.Module):
    r"""Two translators and two critics.

    Slide: CycleGAN / Problem statement and Loss functions (E36 to E39).

    Args:
        G: maps the first domain `(N, *data_X)` to the second `(N, *data_Y)`.
        F: maps the second domain to the first.
        D_X: maps the first domain to raw outputs `(..., N)`; a critic of patches returns one for
            each patch, `(P, N)`, whose games are played side by side.
        D_Y: maps the second domain to raw outputs.
        bound: the game in each domain: a function of the raw outputs on data and on translations.
        past_X: what `D_X` is shown of the translations, a `History`; the latest ones without it.
        past_Y: the same for `D_Y`.

    Example:
        >>> from gannotes.nets import critic, mlp
        >>> model = CycleGAN(mlp(2, 8, 3), mlp(3, 8, 2), critic(2, 8), critic(3, 8))
        >>> y_made, x_made = model.translate(torch.zeros(5, 2), torch.zeros(7, 3))
        >>> y_made.shape, x_made.shape
        (torch.Size([5, 3]), torch.Size([7, 2]))
    """

    def __init__(
        self,
        G: nn.Module,
        F: nn.Module,
        D_X: nn.Module,
        D_Y: nn.Module,
        bound: Bound = least_squares,
        past_X: nn.Module | None = None,
        past_Y: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.G = G
        self.F = F
        self.D_X = D_X
        self.D_Y = D_Y
        self.bound = bound
        self.past_X = nn.Identity() if past_X is None else past_X
        self.past_Y = nn.Identity() if past_Y is None else past_Y

    def translate(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        r"""The translations :math:`G(x)` and :math:`F(y)`.

        Slide: CycleGAN / Problem statement (E36).

        Args:
            x: a batch of the first domain `(N, *data_X)`.
            y: an unrelated batch of the second `(M, *data_Y)`.

        Returns:
            `(N, *data_Y)` and `(M, *data_X)`.
        """
        return self.G(x), self.F(y)

    def value(
        self, x: Tensor, y: Tensor, y_made: Tensor, x_made: Tensor, flip: bool = False
    ) -> Tensor:
        r"""The two games together, :math:`\hat L_Y + \hat L_X`; flipped, with the classes swapped.

        With `least_squares` the generators ascend the flipped value, :math:`-E(D_Y(G(x)) - 1)^2`
        and a constant. To put the printed loss into the minimax game would be another, unbounded
        one.

        Slide: CycleGAN / Loss functions I (E37 to E39), Training tricks (E43), with the errata X09
        and X29.

        Args:
            x: data of the first domain.
            y: data of the second.
            y_made: :math:`G(x)`, or older translations.
            x_made: :math:`F(y)`, or older translations.
            flip: whether to swap data and translations.

        Returns:
            The value `()`, averaged over patches.
        """
        games = [
            self.bound(D(made), D(data)) if flip else self.bound(D(data), D(made))
            for D, data, made in ((self.D_Y, y, y_made), (self.D_X, x, x_made))
        ]
        return games[0].mean() + games[1].mean()

    def cycle(self, x: Tensor, y: Tensor, y_made: Tensor, x_made: Tensor) -> Tensor:
        r"""There and back: :math:`E_x \|F(G(x)) - x\|_1 + E_y \|G(F(y)) - y\|_1`.

        Slide: CycleGAN / loss functions II (E40), with the erratum X45.

        Args:
            x: data of the first domain.
            y: data of the second.
            y_made: :math:`G(x)`.
            x_made: :math:`F(y)`.

        Returns:
            The loss `()`, summed over the dimensions of the data.
        """
        return cycle(x, self.F(y_made), y, self.G(x_made))

    def identity(self, x: Tensor, y: Tensor) -> Tensor:
        r"""Leave alone what is there already: :math:`E_y \|G(y) - y\|_1 + E_x \|F(x) - x\|_1`.

        The paper adds it for paintings, where it keeps colours. The domains share a shape.

        Slide: beyond the deck (I08).

        Args:
            x: data of the first domain.
            y: data of the second.

        Returns:
            The loss `()`, summed over the dimensions of the data.
        """
        return cycle(x, self.F(x), y, self.G(y))


def step(
    cyclegan: CycleGAN,
    x: Tensor,
    y: Tensor,
    theta: Optimizer,
    phi: Optimizer,
    lam: float = 10.0,
) -> dict[str, Tensor]:
    r"""Both generators ascend the flipped value less the cycle loss, then both critics the value.

    Slide: CycleGAN / loss functions II (E41, E42), Training tricks (E43, A04), with X09.

    Args:
        cyclegan: the model.
        x: a batch of the first domain.
        y: an unrelated batch of the second.
        theta: the optimiser of `cyclegan.G` and `cyclegan.F`.
        phi: the optimiser of `cyclegan.D_X` and `cyclegan.D_Y`.
        lam: the weight of the cycle loss, whose norms are sums: the paper's 10 for means over `d`
            numbers is `10 / d` here.

    Returns:
        The critics' value and the cycle loss, each before its move.
    """
    y_made, x_made = cyclegan.translate(x, y)
    loss = cyclegan.cycle(x, y, y_made, x_made)
    ascend(theta, cyclegan.value(x, y, y_made, x_made, flip=True) - lam * loss)
    y_made, x_made = cyclegan.past_Y(y_made), cyclegan.past_X(x_made)
    value = ascend(phi, cyclegan.value(x, y, y_made, x_made))
    return {"value": value, "cycle": loss.detach()}
