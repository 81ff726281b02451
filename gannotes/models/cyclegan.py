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

from gannotes import checks
from gannotes.bounds import Bound, cycle, least_squares
from gannotes.optim import ascend, owners


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
        replicas: `S` for a stack of independent histories of samples `(S, N, *shape)`; `None` for
            one of samples `(N, *shape)`.

    Raises:
        TypeError: if a number is no integer.
        ValueError: if `capacity` is negative, or another size is not positive.

    Example:
        >>> past = History((2,), capacity=3)
        >>> past(torch.ones(5, 2)).shape, int(past.count)
        (torch.Size([5, 2]), 3)
    """

    stored: Tensor
    count: Tensor

    def __init__(
        self, shape: tuple[int, ...], capacity: int = 50, replicas: int | None = None
    ) -> None:
        super().__init__()
        checks.count("capacity", capacity, least=0)
        sample = tuple(checks.count("shape", size) for size in shape)
        self.replicas = () if replicas is None else (checks.count("replicas", replicas),)
        self.register_buffer("stored", torch.zeros(capacity, *self.replicas, *sample))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Pass on samples `(..., N, *shape)`, old ones among them, without a gradient.

        Raises:
            ValueError: if the samples have another shape.
        """
        capacity, place = len(self.stored), len(self.replicas)
        if x.ndim <= place or x.movedim(place, 0).shape[1:] != self.stored.shape[1:]:
            kept = tuple(self.stored.shape[1:])
            raise ValueError(f"x: expected samples of shape {kept}, got shape {tuple(x.shape)}")
        passed_on = x.detach().movedim(place, 0).clone()
        if capacity:
            draws = (len(passed_on), *self.replicas)
            swap, slots = torch.rand(draws) < 0.5, torch.randint(capacity, draws)
            for i, sample in enumerate(passed_on):
                self._meet(sample, swap[i], slots[i])
        return passed_on.movedim(0, place)

    def _meet(self, sample: Tensor, swap: Tensor, slot: Tensor) -> None:
        """Store one sample of each replica, or exchange it for an old one, in place."""
        if self.count < len(self.stored):
            self.stored[self.count] = sample
            self.count += 1
            return
        place = (slot, *(torch.arange(size) for size in self.replicas))
        old = self.stored[place].clone()
        swap = swap.to(old.device).view(*swap.shape, *[1] * (old.ndim - swap.ndim))
        self.stored[place] = torch.where(swap, sample, old)
        sample.copy_(torch.where(swap, old, sample))


class CycleGAN(nn.Module):
    r"""Two translators and two critics.

    Slide: CycleGAN / Problem statement and Loss functions (E36 to E39).

    Args:
        G: maps the first domain `(..., N, *data_X)` to the second `(..., N, *data_Y)`.
        F: maps the second domain to the first.
        D_X: maps the first domain to raw outputs `(..., N)`; a critic of patches returns one for
            each patch, `(P, ..., N)`, whose games are played side by side.
        D_Y: maps the second domain to raw outputs.
        bound: the game in each domain: a function of the raw outputs on data and on translations.
        past_X: what `D_X` is shown of the translations, a `History`; the latest ones without it.
        past_Y: the same for `D_Y`.
        data_dims: the number of dimensions of a sample, 1 for vectors and 3 for images; a pair if
            the domains differ.

    Raises:
        TypeError: if `data_dims` is no integer, nor a pair of them.
        ValueError: if it is not positive.

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
        *,
        data_dims: int | tuple[int, int] = 1,
    ) -> None:
        checks.networks(G=G, F=F, D_X=D_X, D_Y=D_Y, bound=bound)
        super().__init__()
        self.G = G
        self.F = F
        self.D_X = D_X
        self.D_Y = D_Y
        self.bound = bound
        self.past_X = nn.Identity() if past_X is None else past_X
        self.past_Y = nn.Identity() if past_Y is None else past_Y
        checks.networks(past_X=self.past_X, past_Y=self.past_Y)
        dims_X, dims_Y = data_dims if isinstance(data_dims, tuple) else (data_dims, data_dims)
        self.data_dims = checks.count("data_dims", dims_X), checks.count("data_dims", dims_Y)

    def translate(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        r"""The translations :math:`G(x)` and :math:`F(y)`.

        Slide: CycleGAN / Problem statement (E36).

        Args:
            x: a batch of the first domain `(..., N, *data_X)`.
            y: an unrelated batch of the second `(..., M, *data_Y)`.

        Returns:
            `(..., N, *data_Y)` and `(..., M, *data_X)`.

        Raises:
            TypeError: if a batch is no floating-point tensor.
            ValueError: if a translation has another shape than the other domain.
        """
        dims_X, dims_Y = self.data_dims
        n, m = checks.floating("x", x).ndim - dims_X, checks.floating("y", y).ndim - dims_Y
        y_made = checks.shaped("G", checks.applied("x", self.G, x), x.shape[:n] + y.shape[m:])
        return y_made, checks.shaped("F", checks.applied("y", self.F, y), y.shape[:m] + x.shape[n:])

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
            The value, averaged over patches, `()` or one per replica `(S,)`.

        Raises:
            ValueError: if a critic does not give one number per point, or per patch and point.
        """
        for name, z in {"x": x, "y": y, "y_made": y_made, "x_made": x_made}.items():
            checks.floating(name, z)
        dims_X, dims_Y = self.data_dims
        game_Y = self._game("D_Y", y, y_made, dims_Y, flip)
        return game_Y + self._game("D_X", x, x_made, dims_X, flip)

    def cycle(self, x: Tensor, y: Tensor, y_made: Tensor, x_made: Tensor) -> Tensor:
        r"""There and back: :math:`E_x \|F(G(x)) - x\|_1 + E_y \|G(F(y)) - y\|_1`.

        Slide: CycleGAN / loss functions II (E40), with the erratum X45.

        Args:
            x: data of the first domain.
            y: data of the second.
            y_made: :math:`G(x)`.
            x_made: :math:`F(y)`.

        Returns:
            The loss, summed over the dimensions of the data, `()` or one per replica `(S,)`.
        """
        x_cycled = checks.applied("y_made", self.F, checks.floating("y_made", y_made))
        y_cycled = checks.applied("x_made", self.G, checks.floating("x_made", x_made))
        return cycle(x, x_cycled, y, y_cycled, self.data_dims)

    def identity(self, x: Tensor, y: Tensor) -> Tensor:
        r"""Leave alone what is there already: :math:`E_y \|G(y) - y\|_1 + E_x \|F(x) - x\|_1`.

        The paper adds it for paintings, where it keeps colours. The domains share a shape.

        Slide: beyond the deck (I08).

        Args:
            x: data of the first domain.
            y: data of the second.

        Returns:
            The loss, summed over the dimensions of the data, `()` or one per replica `(S,)`.
        """
        x_kept = checks.applied("x", self.F, checks.floating("x", x))
        y_kept = checks.applied("y", self.G, checks.floating("y", y))
        return cycle(x, x_kept, y, y_kept, self.data_dims)

    def _game(self, name: str, data: Tensor, made: Tensor, dims: int, flip: bool) -> Tensor:
        """The bound in one domain. Patches lead `(P, ..., N)`, so that they are averaged first."""
        D, batch = getattr(self, name), data.shape[: data.ndim - dims]
        v_p, v_q = D(data), D(made)
        if v_p.shape[v_p.ndim - len(batch) :] != batch:
            wanted = f"one number per point, shape (..., {', '.join(map(str, batch))})"
            raise ValueError(f"{name}: expected {wanted}, got shape {tuple(v_p.shape)}")
        game = self.bound(v_q, v_p) if flip else self.bound(v_p, v_q)
        return game.reshape(-1, *batch[:-1]).mean(0)


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

    Raises:
        TypeError: if an argument has the wrong type.
        ValueError: if an optimiser does not own its players, or a network returns another shape;
            nothing has moved.
    """
    owners(theta=(theta, cyclegan.G, cyclegan.F), phi=(phi, cyclegan.D_X, cyclegan.D_Y), lam=lam)
    y_made, x_made = cyclegan.translate(x, y)
    loss = cyclegan.cycle(x, y, y_made, x_made)
    ascend(theta, cyclegan.value(x, y, y_made, x_made, flip=True) - lam * loss)
    y_made, x_made = cyclegan.past_Y(y_made), cyclegan.past_X(x_made)
    value = ascend(phi, cyclegan.value(x, y, y_made, x_made))
    return {"value": value, "cycle": loss.detach()}
