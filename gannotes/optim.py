r"""Who moves, and in which direction: the only training loop of the package.

**The critic ascends, the model descends, everyone ascends an ELBO.** An optimiser is named after
the parameter that it owns, so that a line such as `ascend(phi, gan.value(x))` reads like the slide.
Only the named player moves, and only its own parameters receive gradients (`backward(inputs=...)`),
so that no model needs `detach`.

An objective may carry leading dimensions (one entry per replica). It is summed before it is
differentiated, and since no replica depends on another's parameters, each receives exactly its own
gradient.
"""

import os
from collections.abc import Callable, Iterable, Sized
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer
from tqdm.auto import tqdm

from gannotes import checks
from gannotes.checkpoint import Checkpoint

History = dict[str, Tensor]


def ascend(phi: Optimizer, objective: Tensor) -> Tensor:
    r""":math:`\phi \leftarrow \phi + \eta_\phi\, \partial_\phi L`, by the optimiser's rule.

    Slide: Optimisation, step 3 (E24); A01.

    Args:
        phi: the optimiser that owns the parameters that move.
        objective: what is ascended, `()` or one entry per replica `(S,)`.

    Returns:
        The objective before the move, detached.

    Raises:
        TypeError: if `phi` is no optimiser.
        FloatingPointError: if the objective or a gradient is not finite; no parameter was touched.
        ValueError: if the objective does not depend on the player's parameters, or if `phi` was
            made with `maximize=True`, which would turn its direction round.

    Example:
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> ascend(torch.optim.SGD([x], lr=0.1), -(x**2).sum())
        tensor(-1.)
        >>> x.item()
        0.800000011920929
    """
    _differentiate(objective, -1, phi=phi)
    phi.step()
    return objective.detach()


def descend(theta: Optimizer, objective: Tensor) -> Tensor:
    r""":math:`\theta \leftarrow \theta - \eta_\theta\, \partial_\theta L`, by the optimiser's rule.

    Slide: Optimisation, step 4 (E25); A01. Arguments, returns and errors are those of `ascend`.

    Example:
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> descend(torch.optim.SGD([x], lr=0.1), (x**2).sum())
        tensor(1.)
    """
    _differentiate(objective, 1, theta=theta)
    theta.step()
    return objective.detach()


def descend_ascend(theta: Optimizer, phi: Optimizer, objective: Tensor) -> Tensor:
    r"""Both players move from the *same* iterate, by one back-propagation.

    .. math::

        \theta_{t+1} = \theta_t - \Gamma_\theta\, \partial_\theta L(\theta_t, \phi_t), \qquad
        \phi_{t+1} = \phi_t + \Gamma_\phi\, \partial_\phi L(\theta_t, \phi_t)

    Slide: f-GAN practical considerations (E53, A05); beyond the deck, its convergence near a saddle
    (I22). Returns and errors are those of `ascend`.

    Args:
        theta: the optimiser of the player that descends.
        phi: the optimiser of the player that ascends.
        objective: the common objective, `()` or `(S,)`.

    Example:
        >>> x, y = (torch.tensor([a], requires_grad=True) for a in (1.0, 0.0))
        >>> theta, phi = torch.optim.SGD([x], lr=0.1), torch.optim.SGD([y], lr=0.1)
        >>> for _ in range(100):
        ...     _ = descend_ascend(theta, phi, (x * y).sum())
        >>> round(torch.cat([x, y]).norm().item(), 4)  # (1 + 0.1^2)^50: a spiral outwards
        1.6446
    """
    _differentiate(objective, 1, theta=theta, phi=phi)
    for parameter in _parameters("phi", phi):
        if parameter.grad is not None:
            parameter.grad.neg_()
    theta.step()
    phi.step()
    return objective.detach()


def owners(K: int = 1, **players: Any) -> None:
    r"""Refuse optimisers that do not own their player, and weights that are none, before any move.

    An optimiser must own a parameter of its player, and none that is another player's alone: two
    of them that were exchanged, or one for everybody, would train nonsense without a word.

    Args:
        K: a number of moves, a positive integer.
        **players: by their letters, an optimiser and the networks whose parameters it moves; or
            the weight of a term, a number or a tensor of numbers.

    Raises:
        TypeError: if an optimiser is none, `K` no integer, or a weight no number.
        ValueError: if it owns nothing of its player or something of another's, if it was made with
            `maximize=True`, if `K` is not positive, or a weight negative or not finite.

    Example:
        >>> G, D = torch.nn.Linear(2, 1), torch.nn.Linear(1, 1)
        >>> theta, phi = (torch.optim.SGD(net.parameters(), lr=0.1) for net in (G, D))
        >>> owners(theta=(theta, G), phi=(phi, D))
        >>> owners(theta=(phi, G), phi=(theta, D))
        Traceback (most recent call last):
        ValueError: theta: expected an optimiser of its own player, got one of phi's parameters
    """
    checks.count("K", K)
    for name in [name for name, player in players.items() if not isinstance(player, tuple)]:
        checks.weight(name, players.pop(name))
    owned = {
        name: {id(p) for network in networks for p in network.parameters()}
        for name, (_, *networks) in players.items()
    }
    for name, (optimiser, *_) in players.items():
        moved = {id(p) for p in _parameters(name, optimiser)}
        for other in owned:
            if not moved.isdisjoint(owned[other] - owned[name]):
                raise ValueError(
                    f"{name}: expected an optimiser of its own player, got one of {other}'s "
                    "parameters"
                )
        if moved.isdisjoint(owned[name]):
            raise ValueError(f"{name}: expected an optimiser of its player, got one of others")


def _parameters(name: str, player: Optimizer) -> list[Tensor]:
    """What an optimiser owns, if it is one, and if it descends as all of torch's do."""
    checks.kind(name, player, Optimizer)
    if any(group.get("maximize") for group in player.param_groups):
        raise ValueError(
            f"{name}: expected an optimiser without maximize, which turns the move round, got one"
        )
    return [p for group in player.param_groups for p in group["params"]]


def _differentiate(objective: Tensor, sign: int, **movers: Optimizer) -> None:
    """Give the players' parameters, and no others, the gradient of `sign * objective`."""
    owned = {name: _parameters(name, player) for name, player in movers.items()}
    parameters = [p for own in owned.values() for p in own]
    if len(movers) > 1 and len({id(p) for p in parameters}) < len(parameters):
        raise ValueError(f"{', '.join(movers)}: expected two players, got one parameter twice")
    if not checks.kind("objective", objective, Tensor).isfinite().all():
        raise FloatingPointError(f"objective: expected finite values, got {objective.tolist()}")
    for player in movers.values():
        player.zero_grad()
    if objective.requires_grad:
        (sign * objective).sum().backward(inputs=parameters)
    if any(all(p.grad is None for p in own) for own in owned.values()):
        raise ValueError("objective: expected a function of the player's parameters, got another")
    gradients = [p.grad for p in parameters if p.grad is not None]
    if get_total_norm(gradients).isfinite():  # one quick pass, which huge gradients overflow
        return
    shapes = [tuple(g.shape) for g in gradients if not g.isfinite().all()]
    if shapes:
        raise FloatingPointError(
            f"gradient: expected finite values, those of the parameters of shape {shapes} are not; "
            f"the objective was {objective.tolist()}"
        )


def fit(
    step: Callable[[Any], dict[str, Tensor]],
    batches: Iterable[Any],
    *,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    every: int = 500,
) -> History:
    r"""Call `step` on every batch and keep what it returns: the only loop there is.

    With `checkpoint`, everything that `step` can reach and that may change is saved every so many
    steps, together with the random states of torch, numpy and Python: modules (with their mode and
    all buffers), optimisers, schedules, averages, generators, plain tensors and arrays, numbers,
    whether in arguments, closures, globals, attributes or containers. A run that is killed at any
    instant and started again by the same program goes on from there and ends with bit-identical
    parameters. It is refused at the first step if it changes what no file can hold (iterators,
    sets of several objects, containers or optimisers that it makes on the way), and it is refused
    before anything is touched if the program begins otherwise than the one that was killed:
    another optimiser, rate, precision, seed or network, other code or batches, another number of
    threads, or **another version** of torch, numpy, Python or this package, which may round
    differently.

    Batches already seen are drawn again and compared; those that are drawn with a generator that
    the file holds go on with it. A loader with a `state_dict` says itself where it is; a torch
    `DataLoader` that shuffles and has none is refused.

    Slide: GAN / Training Algorithm (A01, A02).

    Args:
        step: one step of an algorithm: takes a batch, returns named objectives.
        batches: what to iterate over; its length, if it has one, is the number of steps.
        progress: whether to show a bar; a chapter says no, or the bar becomes an output. On a
            terminal the environment variable `TQDM_DISABLE` hides it too.
        checkpoint: the file to save to and to continue from.
        every: how many steps lie between two checkpoints.

    Returns:
        The named series, each stacked along a new first dimension of length "number of steps".

    Raises:
        FloatingPointError: at the first objective or gradient that is not finite, with the number
            of the step.
        ValueError: if `step` returns no dictionary of tensors, or other series than at first; with
            `checkpoint` also if the file is damaged or of another run, if `step` uses what no file
            can hold, or nothing to save. The attribute `history` of an error holds the series of
            the steps so far.

    Example:
        >>> x = torch.nn.Linear(1, 1, bias=False)
        >>> theta = torch.optim.SGD(x.parameters(), lr=0.1)
        >>> history = fit(lambda _: {"loss": descend(theta, x.weight.square().sum())}, range(50))
        >>> history["loss"].shape, bool(history["loss"][-1] < 1e-6)
        (torch.Size([50]), True)
    """
    checks.kind("step", step, Callable, wanted="a function of a batch")
    checks.kind("batches", batches, Iterable)
    checks.count("every", every)
    saved = None if checkpoint is None else Checkpoint(checkpoint, step)
    left, rows = (iter(batches), []) if saved is None else saved.resume(batches)
    total = len(batches) if isinstance(batches, Sized) else None
    shown = {} if progress else {"disable": True}  # otherwise tqdm asks the environment
    try:
        for batch in tqdm(left, initial=len(rows), total=total, leave=False, **shown):
            try:
                row = step(batch)
            except FloatingPointError as error:
                raise FloatingPointError(f"step {len(rows)}: {error}") from None
            rows.append(_row(row, rows))
            if saved is not None and len(rows) % every == 0:
                saved.write(rows, total)
            elif saved is not None and len(rows).bit_count() == 1:  # 1, 2, 4, ...
                saved.rehearse(rows)
    except Exception as error:
        error.history = _stack(rows)  # type: ignore[attr-defined]
        raise
    if saved is not None:
        saved.write(rows, len(rows))
    return _stack(rows)


def _row(row: Any, before: list[History]) -> History:
    """What a step has returned, detached; refused if it does not continue the series."""
    if not isinstance(row, dict) or not all(isinstance(value, Tensor) for value in row.values()):
        came = {k: type(v).__name__ for k, v in row.items()} if isinstance(row, dict) else row
        raise ValueError(f"step: expected a dictionary of tensors to be returned, got {came!r}")
    if before and _form(row) != _form(before[0]):
        raise ValueError(
            f"step: expected series like those of the first step, {_form(before[0])}, "
            f"got {_form(row)} at step {len(before)}"
        )
    return {name: value.detach() for name, value in row.items()}


def _form(row: History) -> dict[str, str]:
    return {name: f"{value.dtype} {tuple(value.shape)}" for name, value in row.items()}


def _stack(rows: list[History]) -> History:
    return {name: torch.stack([row[name] for row in rows]) for name in (rows[0] if rows else ())}


def linear_decay(constant: int, decay: int) -> Callable[[int], float]:
    r"""A factor of the learning rate: 1 for a while, then down to 0 on a straight line.

    .. math:: f(t) = \min\Big(1,\; \max\Big(0,\; 1 - \frac{t - t_1}{t_2}\Big)\Big)

    Slide: CycleGAN / Training tricks (A04, I07): 100 epochs each in the paper.

    Args:
        constant: :math:`t_1`, the steps at the full rate.
        decay: :math:`t_2`, the steps from there to zero.

    Returns:
        A function of the number of steps, for `torch.optim.lr_scheduler.LambdaLR`.

    Raises:
        TypeError: if a number of steps is no integer.
        ValueError: if one is negative, or `decay` is zero.

    Example:
        >>> factor = linear_decay(100, 100)
        >>> factor(0), factor(100), factor(150), factor(200), factor(300)
        (1.0, 1.0, 0.5, 0.0, 0.0)
    """
    checks.count("constant", constant, least=0)
    checks.count("decay", decay)
    return lambda t: min(1.0, max(0.0, 1 - (t - constant) / decay))
