"""The few ways to refuse an argument, in one dialect: `name: expected ..., got ...`.

The ground floor: every module may ask, before anything has moved. What has the wrong type is a
`TypeError`, what has the wrong value a `ValueError`; a bool is no number. Each function returns
what it was given, so that a check can stand where the value is used.
"""

import math
from collections.abc import Collection, Sequence
from itertools import zip_longest
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

MANY = 10**9  # no count of this package is larger


def kind(name: str, x: Any, *types: Any, wanted: str = "") -> Any:
    """Refuse what is of none of the types; a bool counts only where `bool` is one of them.

    Args:
        name: what the error calls the argument.
        x: the argument.
        *types: classes, or `collections.abc.Callable`.
        wanted: what the error says instead of the names of the types.

    Returns:
        `x`.

    Raises:
        TypeError: if `x` has another type.

    Example:
        >>> kind("net", 3, torch.nn.Module)
        Traceback (most recent call last):
        TypeError: net: expected a Module, got int
    """
    if not isinstance(x, types) or (isinstance(x, bool) and bool not in types):
        names = " or ".join(t.__name__ for t in types)
        wanted = wanted or f"{'an' if names[0] in 'aeiouAEIOU' else 'a'} {names}"
        came = f"the class {x.__name__}" if isinstance(x, type) else type(x).__name__
        raise TypeError(f"{name}: expected {wanted}, got {came}")
    return x


def count(name: str, n: Any, least: int = 1, most: int = MANY) -> int:
    """A whole number from `least` to `most`.

    Args:
        name: what the error calls the argument.
        n: the argument.
        least: the smallest that is allowed.
        most: the largest; where memory or time grows with it, what they can bear.

    Returns:
        `n` as an `int`.

    Raises:
        TypeError: if `n` is no integer.
        ValueError: if it is out of range.

    Example:
        >>> count("samples", 0)
        Traceback (most recent call last):
        ValueError: samples: expected an integer of at least 1, got 0
    """
    wanted = f"of at least {least}" if most == MANY else f"from {least} to {most:,}"
    kind(name, n, Integral, wanted=f"an integer {wanted}")
    if not least <= n <= most:
        limit = f"from {least} to {most:,}" if n > most else wanted
        raise ValueError(f"{name}: expected an integer {limit}, got {_short(n)}")
    return int(n)


def number(name: str, x: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number from `low` to `high`.

    Args:
        name: what the error calls the argument.
        x: the argument.
        low: the smallest that is allowed.
        high: the largest.

    Returns:
        `x` as a `float`.

    Raises:
        TypeError: if `x` is no real number.
        ValueError: if it is not finite or out of range.

    Example:
        >>> number("t", 1.5, 0, 1)
        Traceback (most recent call last):
        ValueError: t: expected a number from 0 to 1, got 1.5
    """
    ends = {(True, True): f" from {low} to {high}", (True, False): f" of at least {low}"}
    ends[False, True] = f" of at most {high}"
    wanted = "a number" + ends.get((low > -math.inf, high < math.inf), "")
    return _real(name, x, lambda v: low <= v <= high, wanted.replace("a", "a finite", 1), wanted)


def positive(name: str, x: Any, most: float = math.inf) -> float:
    """A finite number above 0, and at most `most`.

    Args:
        name: what the error calls the argument.
        x: the argument.
        most: the largest that is allowed.

    Returns:
        `x` as a `float`.

    Raises:
        TypeError: if `x` is no real number.
        ValueError: if it is not positive, not finite or too large.

    Example:
        >>> positive("sd", -1.0)
        Traceback (most recent call last):
        ValueError: sd: expected a positive number, got -1.0
    """
    wanted = "a positive number" + (f" of at most {most}" if most < math.inf else "")
    return _real(name, x, lambda v: 0 < v <= most, "a positive and finite number", wanted)


def weight(name: str, x: Any) -> Any:
    """The weight of a term, or a tensor of weights: none is negative.

    Args:
        name: what the error calls the argument.
        x: the argument.

    Returns:
        `x`.

    Raises:
        TypeError: if it is neither a number nor a floating-point tensor.
        ValueError: if a weight is negative or not finite.

    Example:
        >>> weight("lam", -1)
        Traceback (most recent call last):
        ValueError: lam: expected a number of at least 0, got -1
    """
    if not isinstance(x, Tensor):
        return number(name, x, low=0)
    if not (floating(name, x, finite=True) >= 0).all():
        raise ValueError(f"{name}: expected weights of at least 0, got {x.tolist()}")
    return x


def interval(name: str, ends: Any) -> tuple[float, float]:
    """Two finite numbers in order, `low < high`.

    Args:
        name: what the error calls the argument.
        ends: the argument, a pair.

    Returns:
        Both as `float`.

    Raises:
        TypeError: if it is no pair of numbers.
        ValueError: if the first is not below the second, or one is not finite.

    Example:
        >>> interval("limits", (1, 1))
        Traceback (most recent call last):
        ValueError: limits: expected low < high, got (1.0, 1.0)
    """
    kind(name, ends, tuple, list, wanted="a pair of numbers (low, high)")
    if len(ends) != 2:
        raise ValueError(f"{name}: expected two numbers (low, high), got {len(ends)} of them")
    low, high = (number(name, end) for end in ends)
    if not low < high:
        raise ValueError(f"{name}: expected low < high, got ({low}, {high})")
    return low, high


def one_of(name: str, x: Any, known: Collection[str]) -> str:
    """One of the words that are known.

    Args:
        name: what the error calls the argument.
        x: the argument.
        known: the words.

    Returns:
        `x`.

    Raises:
        TypeError: if it is no text.
        ValueError: if it is another word.

    Example:
        >>> one_of("split", "training", ["train", "test"])
        Traceback (most recent call last):
        ValueError: split: expected one of 'train', 'test', got 'training'
    """
    words = ", ".join(map(repr, known))
    kind(name, x, str, wanted=f"one of {words}")
    if x not in known:
        raise ValueError(f"{name}: expected one of {words}, got {_short(x)}")
    return x


def texts(**arguments: Any) -> None:
    """Refuse what is no text.

    Args:
        **arguments: the arguments by name.

    Raises:
        TypeError: if one is no text.

    Example:
        >>> texts(title=3)
        Traceback (most recent call last):
        TypeError: title: expected a text, got int
    """
    for name, x in arguments.items():
        kind(name, x, str, wanted="a text")


def pair_of_names(name: str, x: Any) -> None:
    """Refuse what is no pair of texts.

    Args:
        name: what the error calls the argument.
        x: the argument.

    Raises:
        TypeError: if it is no pair, or one of both is no text.
        ValueError: if there are more or fewer than two.

    Example:
        >>> pair_of_names("axes", ("x",))
        Traceback (most recent call last):
        ValueError: axes: expected two texts, got 1
    """
    kind(name, x, tuple, list, wanted="a pair of texts")
    if len(x) != 2:
        raise ValueError(f"{name}: expected two texts, got {len(x)}")
    for part in x:
        kind(name, part, str, wanted="a pair of texts")


def flags(**arguments: Any) -> None:
    """Refuse what is neither `True` nor `False`.

    Args:
        **arguments: the arguments by name.

    Raises:
        TypeError: if one is anything else.

    Example:
        >>> flags(smooth="yes")
        Traceback (most recent call last):
        TypeError: smooth: expected True or False, got str
    """
    for name, x in arguments.items():
        kind(name, x, bool, wanted="True or False")


def floating(
    name: str, x: Any, shape: str = "...", *, finite: bool = False, empty: bool = False
) -> Tensor:
    """A tensor of floating-point numbers, of a shape such as "... N d" or "N 2".

    In `shape` a letter stands for any size, a number for itself, and leading dots for any leading
    dimensions (replicas), which may be none at all.

    Args:
        name: what the error calls the argument.
        x: the argument.
        shape: its dimensions, separated by spaces.
        finite: whether to look at all of its numbers, too.
        empty: whether a letter may be 0.

    Returns:
        `x`.

    Raises:
        TypeError: if it is no tensor, or holds whole or complex numbers.
        ValueError: if it has another shape, or a number that is not finite.

    Example:
        >>> floating("modes", torch.zeros(5, 3), "M 2")
        Traceback (most recent call last):
        ValueError: modes: expected a floating-point tensor of shape (M, 2), got shape (5, 3)
    """
    wanted = f"a floating-point tensor of shape {_written(shape)}"
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise TypeError(f"{name}: expected {wanted}, got {_kind_of(x)}")
    if not _fits(x, shape, empty):
        raise ValueError(f"{name}: expected {wanted}, got shape {tuple(x.shape)}")
    if finite:
        known = not x.is_meta
        if not known or not bool(x.isfinite().all()):
            came = x.detach()[~x.isfinite()][0].item() if known else "a tensor without numbers"
            raise ValueError(f"{name}: expected finite numbers, got {came}")
    return x


def unit(name: str, x: Any, shape: str = "...") -> Tensor:
    """A tensor of floating-point numbers from 0 to 1, such as an image; it may be empty.

    Args:
        name: what the error calls the argument.
        x: the argument.
        shape: its dimensions, as for `floating`.

    Returns:
        `x`.

    Raises:
        TypeError: if it is no tensor of floating-point numbers.
        ValueError: if it has another shape, or a number outside [0, 1].

    Example:
        >>> unit("x", torch.tensor([0.5, 2.0]))
        Traceback (most recent call last):
        ValueError: x: expected numbers from 0 to 1, got 0.5 to 2
    """
    floating(name, x, shape, finite=True, empty=True)
    low, high = torch.aminmax(x.detach()) if x.numel() else (0.0, 1.0)
    if not 0 <= low <= high <= 1:
        raise ValueError(f"{name}: expected numbers from 0 to 1, got {low:.4g} to {high:.4g}")
    return x


def classes(name: str, x: Any, shape: str = "...", number: int = MANY) -> Tensor:
    """A tensor of whole numbers from 0 to `number - 1`, of a shape as for `floating`.

    Args:
        name: what the error calls the argument.
        x: the argument, of any integer type.
        shape: its dimensions, separated by spaces.
        number: how many classes there are.

    Returns:
        `x` as int64: narrower types would overflow in sums.

    Raises:
        TypeError: if it is no tensor of integers.
        ValueError: if it has another shape, or a number out of range.

    Example:
        >>> classes("labels", torch.tensor([0, 3]), "N", 3)
        Traceback (most recent call last):
        ValueError: labels: expected classes from 0 to 2, got 0 to 3
    """
    wanted = f"a tensor of integers of shape {_written(shape)}"
    odd = not isinstance(x, Tensor) or x.is_floating_point() or x.is_complex()
    if odd or x.dtype == torch.bool:
        raise TypeError(f"{name}: expected {wanted}, got {_kind_of(x)}")
    if not _fits(x, shape, False) or x.is_meta or not x.numel():
        raise ValueError(f"{name}: expected {wanted}, got shape {tuple(x.shape)} on {x.device}")
    low, high = int(x.min()), int(x.max())
    if not 0 <= low <= high < number:
        raise ValueError(f"{name}: expected classes from 0 to {number - 1}, got {low} to {high}")
    return x.long()


def shaped(name: str, x: Any, shape: Sequence[int]) -> Any:
    """A tensor of exactly this shape: nothing broadcasts.

    Args:
        name: what the error calls the argument, or the network that made it.
        x: the tensor.
        shape: the shape.

    Returns:
        `x`.

    Raises:
        TypeError: if `x` is no tensor.
        ValueError: if it has another shape.

    Example:
        >>> shaped("G", torch.zeros(5, 3), (5, 2))
        Traceback (most recent call last):
        ValueError: G: expected a tensor of shape (5, 2), got shape (5, 3)
    """
    if not isinstance(x, Tensor) or x.shape != torch.Size(shape):
        kind(name, x, Tensor)
        raise ValueError(
            f"{name}: expected a tensor of shape {tuple(shape)}, got shape {tuple(x.shape)}"
        )
    return x


def one_per_point(name: str, v: Any, x: Tensor) -> Any:
    """Raw outputs `(..., N)` for points `(..., N, *data)`: one number each.

    A critic that ends in `Linear(h, 1)` returns `(N, 1)`, which would broadcast to all pairs. For
    pictures of one channel `(N, 1, H, W)` that is also the shape of `N` replicas of one point each;
    since a picture has three dimensions, it is refused.

    Args:
        name: what the error calls the network.
        v: what the network returned.
        x: what it was given.

    Returns:
        `v`.

    Raises:
        TypeError: if `v` is no tensor.
        ValueError: if it has another shape.

    Example:
        >>> one_per_point("D", torch.zeros(5, 1), torch.zeros(5, 2))
        Traceback (most recent call last):
        ValueError: D: expected one number per point, shape (5,) for data (5, 2), got shape (5, 1)
    """
    kind(name, v, Tensor)
    data = x.ndim - v.ndim
    column = data == 2 and v.ndim > 1 and v.shape[-1] == 1
    if data < 1 or v.ndim < 1 or column or v.shape != x.shape[: v.ndim]:
        wanted = tuple(x.shape[: 1 if x.ndim < 3 or column else x.ndim - 1])
        hint = f"shape {wanted} for data {tuple(x.shape)}"
        raise ValueError(
            f"{name}: expected one number per point, {hint}, got shape {tuple(v.shape)}"
        )
    return v


def applied(name: str, net: Any, *inputs: Tensor) -> Any:
    """What a network makes of its inputs, whose sizes may not be those that it was made for.

    Args:
        name: what the error blames: the data that came from outside, or else the network.
        net: the network.
        *inputs: what it is given.

    Returns:
        `net(*inputs)`.

    Raises:
        ValueError: if torch cannot compute it; what torch said follows.

    Example:
        >>> applied("x", torch.nn.Linear(2, 1), torch.zeros(8, 3))
        Traceback (most recent call last):
        ValueError: x: expected what fits the network, got shape (8, 3), torch.float32 (mat1 and...)
    """
    try:
        return net(*inputs)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, IndexError) as error:
        came = "; ".join(f"shape {tuple(x.shape)}, {x.dtype}" for x in inputs)
        raise ValueError(f"{name}: expected what fits the network, got {came} ({error})") from error


def law_of(name: str, law: Any, x: Tensor) -> Any:
    """A distribution whose events have the shape of the data, `(*data)` for `(..., N, *data)`.

    Args:
        name: what the error calls the network that returned it.
        law: the distribution.
        x: the data.

    Returns:
        `law`.

    Raises:
        TypeError: if `law` is no distribution.
        ValueError: if its events have another shape.

    Example:
        >>> from torch.distributions import Independent, Normal
        >>> pixel = Independent(Normal(torch.zeros(1), 1.0), 1)
        >>> law_of("decoder", pixel, torch.zeros(5, 6))
        Traceback (most recent call last):
        ValueError: decoder: expected a law of events of shape (6,), got (1,)
    """
    kind(name, law, Distribution)
    event, dims = law.event_shape, len(law.event_shape)
    if x.shape[x.ndim - dims :] != event:
        wanted = tuple(x.shape[-max(dims, 1) :])
        raise ValueError(f"{name}: expected a law of events of shape {wanted}, got {tuple(event)}")
    return law


def networks(**parts: Any) -> None:
    """Parts of a model that map tensors: modules or functions, and no class that was not called.

    Args:
        **parts: the arguments, by name.

    Raises:
        TypeError: if one cannot be called, or is a class.

    Example:
        >>> networks(G=torch.nn.Linear(1, 1), D=torch.nn.Linear)
        Traceback (most recent call last):
        TypeError: D: expected a network, got the class Linear
    """
    for name, part in parts.items():
        if isinstance(part, type) or not callable(part):
            came = f"the class {part.__name__}" if isinstance(part, type) else type(part).__name__
            raise TypeError(f"{name}: expected a network, got {came}")


def laws(**parts: Any) -> None:
    """Parts of a model that samples are drawn from.

    Args:
        **parts: the arguments, by name.

    Raises:
        TypeError: if one has no `sample`, or is a class.

    Example:
        >>> laws(p_0=3)
        Traceback (most recent call last):
        TypeError: p_0: expected a distribution, got int
    """
    for name, part in parts.items():
        if isinstance(part, type) or not callable(getattr(part, "sample", None)):
            came = f"the class {part.__name__}" if isinstance(part, type) else type(part).__name__
            raise TypeError(f"{name}: expected a distribution, got {came}")


def size(name: str, n: Any) -> torch.Size:
    """A number of samples, or several along as many dimensions.

    Args:
        name: what the error calls the argument.
        n: a whole number, or a sequence of such.

    Returns:
        The shape.

    Raises:
        TypeError: if it is neither.
        ValueError: if a number is not positive, or too large.

    Example:
        >>> size("n", 5), size("n", (2, 5))
        (torch.Size([5]), torch.Size([2, 5]))
    """
    numbers = n if isinstance(n, tuple | list) and n else (n,)
    return torch.Size([count(name, number) for number in numbers])


def precision(name: str, dtype: Any) -> torch.dtype:
    """A type of floating-point numbers.

    Args:
        name: what the error calls the argument.
        dtype: the argument.

    Returns:
        `dtype`.

    Raises:
        TypeError: if it is no type of torch.
        ValueError: if its numbers are not floating.

    Example:
        >>> precision("dtype", torch.int64)
        Traceback (most recent call last):
        ValueError: dtype: expected a floating-point type, got torch.int64
    """
    kind(name, dtype, torch.dtype, wanted="a floating-point type")
    if not dtype.is_floating_point:
        raise ValueError(f"{name}: expected a floating-point type, got {dtype}")
    return dtype


def leading(dims: int = 1, **tensors: Tensor) -> torch.Size:
    """The common leading dimensions, all but the last `dims`, of tensors that broadcast there.

    Args:
        dims: how many dimensions at the end have their own meaning.
        **tensors: the arguments by name.

    Returns:
        The dimensions that they broadcast to.

    Raises:
        ValueError: if they do not broadcast.

    Example:
        >>> leading(x=torch.zeros(2, 5), y=torch.zeros(3, 5))
        Traceback (most recent call last):
        ValueError: x, y: expected leading dimensions that broadcast, got (2, 5) and (3, 5)
    """
    shapes = [x.shape[: x.ndim - dims] for x in tensors.values()]
    found = []  # by hand: torch's broadcast_shapes first imports for seconds
    for sizes in zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1):
        wide = set(sizes) - {1}
        if len(wide) > 1:
            came = " and ".join(str(tuple(x.shape)) for x in tensors.values())
            wanted = "leading dimensions that broadcast"
            raise ValueError(f"{', '.join(tensors)}: expected {wanted}, got {came}")
        found.append(wide.pop() if wide else 1)
    return torch.Size(reversed(found))


def _real(name: str, x: Any, fits: Any, finite: str, wanted: str) -> float:
    """A real number that fits, refused with one of two sentences."""
    kind(name, x, Real, wanted=wanted)
    try:
        value = float(x)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise ValueError(f"{name}: expected {finite}, got {value}")
    if not fits(value):
        raise ValueError(f"{name}: expected {wanted}, got {x}")
    return value


def _fits(x: Tensor, shape: str, empty: bool) -> bool:
    """Whether a tensor has the shape that a text describes; leading dimensions may be none."""
    *leading, sizes = shape.rpartition("...")
    own = sizes.split()
    if x.ndim < len(own) or (x.ndim > len(own) and not any(leading)):
        return False
    return all(
        n == int(size) if size.isdigit() else n > 0 or empty
        for n, size in zip(x.shape[x.ndim - len(own) :], own, strict=True)
    )


def _written(shape: str) -> str:
    sizes = shape.split()
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 and sizes[0] != '...' else ''})"


def _kind_of(x: Any) -> str:
    return str(x.dtype) if isinstance(x, Tensor) else type(x).__name__


def _short(x: Any) -> str:
    """What came, in a line: an integer of thousands of digits cannot even be printed."""
    if isinstance(x, Integral):
        n = int(x)
        return str(n) if abs(n) < 10**30 else f"{'-' if n < 0 else ''}10^30 or more"
    text = repr(x)
    return text if len(text) <= 60 else text[:57] + "..."
