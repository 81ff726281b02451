r"""A run that can be killed at any instant and continued to bit-identical parameters.

One safetensors file holds everything that a step changes: modules, optimisers, schedulers and
generators (what has a `state_dict`, or is a `torch.Generator`), torch's random state, and the
history so far. Tensors are stored as they are; the structure around them (names, step sizes,
counters) is JSON in the file's header. The file is written beside its final place, flushed to the
disk, and renamed: a reader sees the old one or the new one.
"""

import functools
import inspect
import json
import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.optim import Optimizer

Row = dict[str, Tensor]


class Checkpoint:
    """The state of everything that `step` refers to, in the file `path`.

    Slide: beyond the deck (long runs).

    Args:
        path: the file.
        step: the step of `gannotes.optim.fit`: its stateful objects are found among its arguments
            if it is a `functools.partial`, and among the variables that it refers to if it is a
            function.

    Raises:
        ValueError: if `step` refers to nothing that has a state.
    """

    def __init__(self, path: str | os.PathLike[str], step: Callable[..., Any]) -> None:
        self.path = Path(path)
        self.state = stateful(step)
        if not self.state:
            raise ValueError(
                "step: expected a function that refers to modules or optimisers, found none; "
                "pass functools.partial(step, model, ...) or a lambda that names them"
            )

    def write(self, rows: list[Row], total: int | None = None) -> None:
        """Replace the file by the present state and the history, which is to have `total` rows."""
        tensors: dict[str, Tensor] = {}
        names = list(rows[0]) if rows else []
        content = {
            "steps": len(rows),
            "state": {name: _get(part) for name, part in self.state.items()},
            "random": [torch.get_rng_state(), *_cuda_random_states()],
            "history": {name: torch.stack([row[name] for row in rows]) for name in names},
        }
        header = {"structure": json.dumps(_pack(content, tensors)), "steps": str(len(rows))}
        if total is not None:
            header["total"] = str(total)
        temporary = self.path.with_name(self.path.name + ".tmp")
        with open(temporary, "wb") as file:
            file.write(save(tensors, header))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)

    def resume(self, batches: Iterator[Any]) -> list[Row]:
        """Skip the batches already seen, restore every state, and return the history.

        Without a file nothing happens, and the history is empty.

        Raises:
            ValueError: if the file is no checkpoint of this step; nothing was changed.
        """
        if not self.path.exists():
            return []
        content = _read(self.path)
        if content["state"].keys() != self.state.keys():
            raise ValueError(
                f"checkpoint: {self.path.name} holds the states of {sorted(content['state'])}, "
                f"the step refers to {sorted(self.state)}"
            )
        for name, part in self.state.items():
            _check(self.path.name, name, _get(part), content["state"][name])
        skipped = sum(1 for _ in islice(batches, content["steps"]))
        if skipped < content["steps"]:
            raise ValueError(
                f"checkpoint: {self.path.name} is at step {content['steps']}, "
                f"there are {skipped} batches"
            )
        for name, part in self.state.items():
            _set(part, content["state"][name])
        cpu, *cuda = content["random"]
        torch.set_rng_state(cpu)
        if cuda and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(cuda)
        return [
            {name: series[k] for name, series in content["history"].items()}
            for k in range(content["steps"])
        ]


def history(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The named series in a checkpoint, as `gannotes.optim.fit` returns them.

    Slide: beyond the deck (long runs).

    Args:
        path: the file.

    Raises:
        ValueError: if it is no checkpoint.
    """
    return _read(Path(path))["history"]


def progress(path: str | os.PathLike[str]) -> tuple[int, int | None]:
    """How many steps a checkpoint has seen, and of how many: its header is enough for that.

    Slide: beyond the deck (long runs).

    Args:
        path: the file.

    Returns:
        The steps, and their number at last, None if the batches had no length.

    Raises:
        ValueError: if it is no checkpoint.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata()
        return int(header["steps"]), int(header["total"]) if "total" in header else None
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(
            f"checkpoint: {Path(path).name} is not a checkpoint of this package"
        ) from error


def stateful(step: Callable[..., Any]) -> dict[str, Any]:
    """What `step` refers to and has a state, by name.

    Slide: beyond the deck (long runs).

    Args:
        step: a `functools.partial`, a bound method, or a function; functions of the same module
            that it calls are searched too, and so are lists, tuples and dictionaries.

    Example:
        >>> net = torch.nn.Linear(1, 1)
        >>> list(stateful(lambda x: net(x)))
        ['net']
    """
    found: dict[str, Any] = {}
    queue, seen = [("", step)], {id(step)}
    while queue:
        name, value = queue.pop(0)
        if isinstance(value, type):  # a class has no state, its instances have
            continue
        if isinstance(value, torch.Generator) or (
            hasattr(value, "state_dict") and hasattr(value, "load_state_dict")
        ):
            found[name] = value
            continue
        for inner, part in _references(value, getattr(step, "__module__", None)).items():
            if id(part) not in seen:
                seen.add(id(part))
                queue.append((f"{name}.{inner}".lstrip("."), part))
    return found


def _references(value: Any, module: str | None) -> dict[str, Any]:
    """The objects that a function, method, partial or container refers to, by name."""
    if isinstance(value, functools.partial):
        positional = {str(i): part for i, part in enumerate(value.args)}
        return {"func": value.func, **positional, **value.keywords}
    if isinstance(value, list | tuple):
        return {str(i): part for i, part in enumerate(value)}
    if isinstance(value, dict):
        return {str(key): part for key, part in value.items()}
    if inspect.ismethod(value):
        return {"self": value.__self__, "function": value.__func__}
    if inspect.isfunction(value) and (module is None or value.__module__ == module):
        variables = inspect.getclosurevars(value)
        return {**variables.globals, **variables.nonlocals}
    return {}


def _get(part: Any) -> Any:
    return part.get_state() if isinstance(part, torch.Generator) else part.state_dict()


def _set(part: Any, state: Any) -> None:
    if isinstance(part, torch.Generator):
        part.set_state(state)
    else:
        part.load_state_dict(state)
    if isinstance(part, Optimizer):  # fused steps take for granted that the layouts agree
        for parameter, moments in part.state.items():
            for key, value in moments.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    moments[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _cuda_random_states() -> list[Tensor]:
    return torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []


def _check(file: str, name: str, now: Any, then: Any) -> None:
    """Refuse a file whose tensors have other shapes than the ones they would replace."""
    if isinstance(now, Tensor) and isinstance(then, Tensor) and now.shape != then.shape:
        raise ValueError(
            f"checkpoint: {file} holds {name} of shape {tuple(then.shape)}, "
            f"expected {tuple(now.shape)}"
        )
    if isinstance(now, dict) and isinstance(then, dict):
        for key in now:
            if key not in then:
                raise ValueError(f"checkpoint: {file} holds no {name}.{key}")
            _check(file, f"{name}.{key}", now[key], then[key])


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Move the tensors of a nested structure into `tensors`; what is left is JSON."""
    if isinstance(value, Tensor):
        tensors[key := f"tensor_{len(tensors)}"] = value.detach().cpu().contiguous().clone()
        return {"tensor": key}
    if isinstance(value, dict):  # as pairs: an optimiser's keys are numbers
        return {"dict": [[key, _pack(part, tensors)] for key, part in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_pack(part, tensors) for part in value]}
    return value


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _unpack(part, tensors) for key, part in content}
    parts = [_unpack(part, tensors) for part in content]
    return tuple(parts) if kind == "tuple" else parts


def _read(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return _unpack(json.loads(file.metadata()["structure"]), tensors)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"checkpoint: {path.name} is not a checkpoint of this package") from error
