r"""A run that is killed at any instant goes on to bit-identical parameters, or is refused.

One safetensors file holds everything that a step can reach (see `gannotes.reach`) and that may
change, the random states of torch, numpy and Python, and the history so far. Tensors are stored as
they are; the structure around them (names, step sizes, counters) is JSON in the file's header,
with a checksum of the whole.

**What moves comes from the file, what stays must be the same.** The file also says how the run
began: classes, code, shapes, dtypes, every number, the values of tensors that never changed, the
versions, and a digest of the batches. A program that begins otherwise is refused by name before
anything is touched, and so is, at its first step, a step that changes what no file can hold.

The file is written beside its final place under a name of its own, flushed to the disk, and
renamed: a reader sees the old one or the new one.
"""

import copy
import hashlib
import json
import os
import platform
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator
from glob import escape
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

import gannotes
from gannotes import checks
from gannotes.reach import (
    ARRAYS,
    GENERATORS,
    NUMPY,
    SCALARS,
    Reach,
    can_put,
    explore,
    has_state,
    put,
)

Row = dict[str, Tensor]
BLANK = "0" * 64  # in place of the checksum while it is computed
STALE = 3_600.0  # seconds after which a file that was never renamed belongs to nobody


class Checkpoint:
    """The state of everything that `step` can reach, in the file `path`.

    Args:
        path: the file, in a folder that exists.
        step: the step of `gannotes.optim.fit`, before the first batch.

    Raises:
        ValueError: if `path` cannot be a file, or if `step` reaches nothing that has a state, or
            something whose state nobody can look into.
    """

    def __init__(self, path: str | os.PathLike[str], step: Callable[..., Any]) -> None:
        self.path, self.step = _place(Path(path)), step
        self.reach = explore(step)
        if not stateful(step):
            raise ValueError(
                "step: expected a function that refers to modules or optimisers, found none; "
                "pass functools.partial(step, model, ...) or a lambda that names them"
            )
        self.began = {**_surroundings(), **_description(self.reach)}
        self.constants = _constants(self.reach)
        self.dice = {
            name: leaf.value
            for name, leaf in self.reach.leaves.items()
            if isinstance(leaf.value, GENERATORS)
        }
        self.thrown = self._random()  # as the run began
        self.seen, self.last = "", ""  # digests of batches
        self.before_last: dict[str, Any] | None = None
        self.loader: Any = None
        self.wary, self.rehearsed = True, False

    def write(self, rows: list[Row], total: int | None = None) -> None:
        """Replace the file by the present state and the history, which is to have `total` rows.

        Raises:
            ValueError: if the step has changed what no file can hold; the old file stays.
            OSError: if the disk refuses; the old file stays.
        """
        data = self._bytes(rows, total)
        handle, name = tempfile.mkstemp(".tmp", f".{self.path.name}.", self.path.parent)
        temporary = Path(name)
        try:
            with open(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync(self.path)

    def rehearse(self, rows: list[Row]) -> None:
        """Refuse a step that has just changed what no file can hold, or what cannot come back.

        Raises:
            ValueError: with its name, and what to do.
        """
        self._compare(explore(self.step))
        if self.rehearsed:
            return
        self._bytes(rows, None)
        self.rehearsed = True
        for name, leaf in self.reach.leaves.items():
            if has_state(leaf.value):
                state = copy.deepcopy(_get(leaf.value))
                _set(leaf.value, copy.deepcopy(state))
                if not _same(_get(leaf.value), state):
                    raise _refusal(name, "to take its own state_dict back unchanged", "another")

    def resume(self, batches: Iterable[Any]) -> tuple[Iterator[Any], list[Row]]:
        """Restore every state, and return the batches not yet seen, and the history.

        Without a file nothing happens, and the history is empty.

        Raises:
            ValueError: if the file is damaged or belongs to another run, or if the batches are
                others; nothing was changed.
        """
        if has_state(batches):
            self.loader = batches
        elif _shuffles(batches):
            raise ValueError(
                "batches: expected a loader that can be set back, got a DataLoader that shuffles; "
                "use gannotes.data.Batches, or a loader with a state_dict (torchdata)"
            )
        if not self.path.exists():
            return self._watched(iter(batches)), []
        content = _read(self.path)
        saved = self._backup()
        try:
            refused = self._difference(content)
            if not refused:
                iterator, refused = self._skip(content, batches)
            if not refused:
                self._restore(content)
                return self._watched(iterator), _rows(content)
        except Exception as error:
            refused = f"a file that fits, got {type(error).__name__}: {error}"
        self._put_back(saved)
        raise ValueError(f"checkpoint: expected {refused} ({self.path.name})")

    def _bytes(self, rows: list[Row], total: int | None) -> bytes:
        """The whole file."""
        reach = explore(self.step)
        self._compare(reach)
        constants = _constants(reach)
        kept = {name for name, digest in constants.items() if self.constants.get(name) == digest}
        names = list(rows[0]) if rows else []
        content = {
            "steps": len(rows),
            "random": self._random(),
            "thrown": self.thrown,
            "batches": {"seen": self.seen, "last": self.last, "before_last": self.before_last},
            "loader": None if self.loader is None else self.loader.state_dict(),
            "constants": {name: self.constants[name] for name in sorted(kept)},
            "history": {name: torch.stack([row[name] for row in rows]) for name in names},
        }
        tensors: dict[str, Tensor] = {}
        state = [
            [leaf.owner, leaf.key, name, replaced, _pack(_get(leaf.value), tensors, name)]
            for name, leaf in reach.leaves.items()
            for replaced in [self._replaced(name, leaf.value)]
            if name not in kept and (replaced or not isinstance(leaf.value, SCALARS))
        ]
        header = {"state": json.dumps(state), "began": json.dumps(self.began), "sha256": BLANK}
        header |= {"rest": json.dumps(_pack(content, tensors, "")), "steps": str(len(rows))}
        if total is not None:
            header["total"] = str(total)
        data = save(tensors, header)
        return data.replace(_checksum(BLANK), _checksum(hashlib.sha256(data).hexdigest()), 1)

    def _compare(self, now: Reach) -> None:
        """Refuse a step that has made, removed or exchanged what has to stay."""
        then = self.reach
        for name, kind in now.kinds.items():
            if name not in then.kinds:
                raise _refusal(name, "to be there before the first step", f"{kind} after it")
            if kind != then.kinds[name]:
                raise _refusal(name, f"to stay {then.kinds[name]}", kind)
        for name in then.kinds.keys() | then.leaves.keys():
            if name not in now.kinds and name not in now.leaves:
                raise _refusal(name, "to stay", "nothing after a step")
        for name, leaf in now.leaves.items():
            if self._replaced(name, leaf.value) and not can_put(now.owners[leaf.owner], leaf.key):
                holder = type(now.owners[leaf.owner]).__name__
                raise _refusal(name, f"to stay, a {holder} holds it", _words(leaf.value))

    def _replaced(self, name: str, value: Any) -> bool:
        """Whether this is another object than before the first step."""
        if isinstance(value, SCALARS):
            return self.began.get(name) != _words(value)
        return name not in self.reach.leaves or self.reach.leaves[name].value is not value

    def _random(self, wary: bool = True) -> dict[str, Any]:
        """The states of all that throws dice; those of numpy and Python take their time."""
        states = {
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "own": {name: _get(generator) for name, generator in self.dice.items()},
        }
        if wary:
            states["numpy"] = NUMPY.random.get_state(legacy=False) if NUMPY else None
            states["python"] = random.getstate()
        return states

    def _throw(self, states: dict[str, Any]) -> None:
        """Set them all back."""
        torch.set_rng_state(states["torch"])
        if states["cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(states["cuda"])
        if NUMPY:
            NUMPY.random.set_state(states["numpy"])
        random.setstate(states["python"])
        for name, state in states["own"].items():
            _set(self.dice[name], state)

    def _watched(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The batches, of which a digest is kept."""
        if self.loader is not None:
            yield from batches
            return
        while True:
            before = self._random(self.wary)
            try:
                batch = next(batches)
            except StopIteration:
                return
            self._see(batch, before)
            yield batch

    def _see(self, batch: Any, before: dict[str, Any]) -> None:
        """Keep a digest of a batch.

        One that was drawn with a random state that the file holds will be drawn again: only the
        last of those can be compared, from the same state. Batches whose first was not drawn are
        not taken to be drawn with numpy or Python later; if they are, the run is refused.
        """
        self.last = _digest(batch)
        drawn = not _same(before, self._random(self.wary))
        self.before_last = self._random() | before if drawn else None
        self.wary = self.wary and drawn
        if not drawn:
            self.seen = _digest([self.seen, self.last])

    def _difference(self, content: dict[str, Any]) -> str:
        """How the program began otherwise than the one that wrote the file, in words."""
        present: dict[str, str] = {}
        for *_, name, _, value in content["state"]:
            present |= _flat(name, value)
        began, nothing, found = content["began"], "nothing", list[str]()
        for name in sorted(began | self.began, key=lambda name: (name.count("."), name != "")):
            then, now = began.get(name, nothing), self.began.get(name, nothing)
            if now not in (then, present.get(name)):
                found.append(f"{_called(name)} to be {then}, as the run began, got {now}")
        for name, digest in content["constants"].items():
            if self.constants.get(name) != digest:
                found.append(f"{_called(name)} to hold what it held as the run began, got others")
        return f"{'; '.join(found[:3])}{'; ...' if found[3:] else ''}" if found else ""

    def _skip(self, content: dict[str, Any], batches: Any) -> tuple[Iterator[Any], str]:
        """The batches that were not seen, and in words how the others are not the same."""
        seen = content["batches"]
        if (self.loader is None) != (content["loader"] is None):
            return iter(()), "the same kind of batches as the run began with, got another"
        if self.loader is not None:
            self.loader.load_state_dict(content["loader"])
            return iter(batches), ""
        self.thrown = content["thrown"]
        self._throw(self.thrown)
        iterator, steps = iter(batches), content["steps"]
        for k in range(steps):
            if k == steps - 1 and seen["before_last"] is not None:
                self._throw(seen["before_last"])
            before = self._random(self.wary)
            try:
                self._see(next(iterator), before)
            except StopIteration:
                return iterator, f"at least the {steps} batches already seen, got {k}"
        if (self.seen, self.last) != (seen["seen"], seen["last"]):
            return (
                iterator,
                "batches that begin as the run's, got others (data, size, seed)",
            )
        return iterator, ""

    def _restore(self, content: dict[str, Any]) -> None:
        """Bring back all that moves, and look whether it has come back."""
        self._throw(content["random"])
        owners, leaves = dict(self.reach.owners), self.reach.leaves
        for owner, key, name, replaced, value in content["state"]:
            now = leaves[name].value if name in leaves else None
            stays = not replaced or _stays(now)
            if not (stays and _fill(now, value)):
                owners[name] = value.clone() if isinstance(value, Tensor) else value
                put(owners[owner], key, owners[name])
        found = explore(self.step).leaves
        for *_, name, _, value in content["state"]:
            if not _same(_get(found[name].value), value):
                raise RuntimeError(f"{name} did not come back")

    def _backup(self) -> dict[str, Any]:
        state = {name: copy.deepcopy(_get(x.value)) for name, x in self.reach.leaves.items()}
        return {"state": state, "random": self._random()}

    def _put_back(self, saved: dict[str, Any]) -> None:
        for name, leaf in self.reach.leaves.items():
            _fill(leaf.value, saved["state"][name])
            owner = self.reach.owners.get(leaf.owner)
            if can_put(owner, leaf.key) and owner is not None:
                put(owner, leaf.key, leaf.value)
        self._throw(saved["random"])


def history(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The named series in a checkpoint, as `gannotes.optim.fit` returns them.

    Args:
        path: the file.

    Raises:
        ValueError: if it is no checkpoint, or damaged.
    """
    checks.kind("path", path, str, os.PathLike, wanted="a path")
    return {name: series.cpu() for name, series in _read(Path(path))["history"].items()}


def progress(path: str | os.PathLike[str]) -> tuple[int, int | None]:
    """How many steps a checkpoint has seen, and of how many: its header is enough for that.

    Args:
        path: the file.

    Returns:
        The steps, and their number at last, None if the batches had no length.

    Raises:
        ValueError: if it is no checkpoint.
    """
    checks.kind("path", path, str, os.PathLike, wanted="a path")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata()
        return int(header["steps"]), int(header["total"]) if "total" in header else None
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise _damaged(Path(path)) from error


def stateful(step: Callable[..., Any]) -> dict[str, Any]:
    """The modules, optimisers, schedulers and generators that `step` refers to, by name.

    Args:
        step: a `functools.partial`, a bound method, an object that can be called, or a function.

    Example:
        >>> net = torch.nn.Linear(1, 1)
        >>> list(stateful(lambda x: net(x)))
        ['net']
    """
    found: dict[str, Any] = {}
    for name, part in explore(step).owners.items():
        held = isinstance(part, (torch.nn.Module, *GENERATORS)) or has_state(part)
        if held and not any(name.startswith(f"{outer}.") or not outer for outer in found):
            found[name] = part
    return found


def _place(path: Path) -> Path:
    """Refuse a path at which no file can be written."""
    folder = path.parent
    if path.is_symlink() or (path.exists() and not path.is_file()):
        kind = "link" if path.is_symlink() else "folder" if path.is_dir() else "device or a pipe"
        raise ValueError(f"checkpoint: expected a file or a new name, got a {kind}: {path}")
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(
            f"checkpoint: expected a name in a folder that can be written, got {str(path)!r}"
        )
    return path


def _sync(path: Path) -> None:
    """Make the new name last, and clear away what killed processes have left beside it."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    now = path.stat().st_mtime  # by the clock of the disk
    for other in path.parent.glob(f".{escape(path.name)}.*.tmp"):
        try:
            if now - other.lstat().st_mtime > STALE:
                other.unlink()
        except FileNotFoundError:  # its owner has renamed it
            continue


def _surroundings() -> dict[str, str]:
    """What the bits of a run depend on beside its program."""
    return {
        "gannotes.__version__": gannotes.__version__,
        "torch.__version__": str(torch.__version__),
        "numpy.__version__": str(NUMPY.__version__) if NUMPY else "nothing",
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "torch.get_num_threads()": str(torch.get_num_threads()),
        "torch.get_default_dtype()": str(torch.get_default_dtype()),
    }


def _description(reach: Reach) -> dict[str, str]:
    """What there is at the beginning, by name and in words; for weights and states their form."""
    words: dict[str, str] = {}
    for name, leaf in reach.leaves.items():
        if leaf.key != "grad":
            words |= _flat(name, _get(leaf.value), leaf.value)
    return words | reach.kinds


def _flat(name: str, value: Any, part: Any = None) -> dict[str, str]:
    """A state in words: numbers as they are, the form of tensors, no moments and no random bits."""
    if isinstance(part, GENERATORS):
        return {}
    if isinstance(value, dict):
        items: Any = {k: v for k, v in value.items() if k != "state"}.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    else:
        return {name: _words(value)}
    return {key: text for k, v in items for key, text in _flat(f"{name}.{k}", v).items()}


def _words(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{value.dtype} of shape {tuple(value.shape)} on {value.device.type}"
    if isinstance(value, ARRAYS):
        return f"numpy.{value.dtype} of shape {value.shape}"
    return repr(value)


def _constants(reach: Reach) -> dict[str, str]:
    """Digests of the tensors and arrays that are no weights."""
    return {
        name: _digest(leaf.value)
        for name, leaf in reach.leaves.items()
        if isinstance(leaf.value, (Tensor, *ARRAYS))
        and name not in reach.weights
        and leaf.key != "grad"
    }


def _digest(value: Any) -> str:
    """Of what a batch may be made of; of other objects only the class."""
    if isinstance(value, Tensor):
        real = torch.view_as_real(value.detach()) if value.is_complex() else value.detach()
        data = real.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return hashlib.sha256(_words(value).encode() + b"\0" + data.tobytes()).hexdigest()
    if isinstance(value, ARRAYS):
        return hashlib.sha256(f"{_words(value)}\0".encode() + value.tobytes()).hexdigest()
    if isinstance(value, dict):
        value = [type(value).__name__, *(part for pair in value.items() for part in pair)]
    if isinstance(value, list | tuple):
        parts = [type(value).__name__, *map(_digest, value)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()
    text = repr(value) if isinstance(value, (*SCALARS, bytes, complex)) else type(value).__name__
    return hashlib.sha256(text.encode()).hexdigest()


def _get(part: Any) -> Any:
    if isinstance(part, torch.Generator):
        return part.get_state()
    if isinstance(part, random.Random):
        return part.getstate()
    if isinstance(part, GENERATORS):  # of numpy
        return part.bit_generator.state if hasattr(part, "bit_generator") else part.get_state(False)
    return (
        part.state_dict()
        if has_state(part)
        else part.detach()
        if isinstance(part, Tensor)
        else part
    )


def _set(part: Any, state: Any) -> None:
    if isinstance(part, random.Random):
        part.setstate((state[0], tuple(state[1]), state[2]))
    elif hasattr(part, "bit_generator"):
        part.bit_generator.state = state
    elif isinstance(part, GENERATORS):
        part.set_state(state)
    elif isinstance(part, Optimizer):
        _set_optimizer(part, state)
    else:
        part.load_state_dict(state)


def _set_optimizer(part: Optimizer, state: Any) -> None:
    """Moments in the layout of their parameters, and groups that remain the same objects."""
    groups = list(part.param_groups)
    part.load_state_dict(state)
    for i, group in enumerate(groups):  # somebody else may hold them
        loaded = dict(part.param_groups[i])
        group.clear()
        group.update(loaded)
        part.param_groups[i] = group
    for parameter, moments in part.state.items():  # fused steps take the layouts for granted
        for key, value in moments.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                moments[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _stays(part: Any) -> bool:
    """Whether others refer to this object: it takes a state, and no other takes its place."""
    return isinstance(part, (torch.nn.Parameter, *GENERATORS)) or has_state(part)


@torch.no_grad()
def _fill(part: Any, state: Any) -> bool:
    """Set an object in its place, if it can be."""
    if _stays(part) and not isinstance(part, Tensor):
        _set(part, state)
        return True
    both = (part, state)
    if all(isinstance(x, Tensor) for x in both) and _words(part) == _words(state):
        if not _same(part, state):
            part.copy_(state)
        return True
    if NUMPY and all(isinstance(x, NUMPY.ndarray) for x in both) and _words(part) == _words(state):
        NUMPY.copyto(part, state)
        return True
    return False


def _same(a: Any, b: Any) -> bool:
    """Whether two states are equal to the bit."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        alike = a.dtype == b.dtype and a.shape == b.shape and a.device.type == b.device.type
        return alike and (torch.equal(a, b) or _digest(a) == _digest(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and (a == b if _numbers(a) else all(map(_same, a, b)))
    if isinstance(a, ARRAYS) and isinstance(b, ARRAYS):
        return _digest(a) == _digest(b)
    return type(a) is type(b) and repr(a) == repr(b)


def _numbers(values: Any) -> bool:
    return len(values) > 100 and all(type(value) is int for value in values)


def _pack(value: Any, tensors: dict[str, Tensor], name: str) -> Any:
    """Move the tensors of a nested structure into `tensors`; what is left is JSON."""
    if isinstance(value, Tensor):
        tensors[key := f"tensor_{len(tensors)}"] = value.detach().cpu().contiguous().clone()
        return {"tensor": [key, str(value.device)]}
    if isinstance(value, ARRAYS):
        return {"numpy": [value.dtype.str, value.tolist()]}
    if isinstance(value, dict):  # as pairs: an optimiser's keys are numbers
        pairs = value.items()
        return {"dict": [[key, _pack(part, tensors, f"{name}.{key}")] for key, part in pairs]}
    if isinstance(value, list | tuple):
        parts = [_pack(part, tensors, f"{name}.{i}") for i, part in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": parts}
    if not isinstance(value, SCALARS):
        raise _refusal(name.lstrip("."), "to hold tensors, numbers and text", type(value).__name__)
    return value


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        key, device = content
        return tensors[key].to(device if torch.cuda.is_available() else "cpu")
    if kind == "numpy":
        return NUMPY.array(content[1], content[0])[()]
    if kind == "dict":
        return {key: _unpack(part, tensors) for key, part in content}
    parts = [_unpack(part, tensors) for part in content]
    return tuple(parts) if kind == "tuple" else parts


def _read(path: Path) -> dict[str, Any]:
    """The content of a file whose checksum is right."""
    try:
        data = path.read_bytes() if path.is_file() else b""
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])["__metadata__"]
        blank = data.replace(_checksum(header["sha256"]), _checksum(BLANK), 1)
        if hashlib.sha256(blank).hexdigest() != header["sha256"]:
            raise _damaged(path)
        # clones, because sums over memory that begins elsewhere may differ in their last bits
        tensors = {key: tensor.clone() for key, tensor in load(data).items()}
        state = json.loads(header["state"])
        for entry in state:
            entry[-1] = _unpack(entry[-1], tensors)
        rest = _unpack(json.loads(header["rest"]), tensors)
        return {**rest, "state": state, "began": json.loads(header["began"])}
    except Exception as error:  # of a file that somebody made there are too many to list
        raise _damaged(path) from error


def _rows(content: dict[str, Any]) -> list[Row]:
    series = content["history"].items()
    return [{name: values[k] for name, values in series} for k in range(content["steps"])]


def _checksum(digest: str) -> bytes:
    return f'"sha256":"{digest}"'.encode()


def _damaged(path: Path) -> ValueError:
    return ValueError(
        f"checkpoint: expected a whole file of `fit`, got a damaged one: {path.name} is not a "
        "checkpoint of this package"
    )


def _shuffles(batches: Any) -> bool:
    """Whether a loader may pass on the data in another order the next time."""
    return isinstance(batches, DataLoader) and not (
        isinstance(batches.sampler, SequentialSampler)
        and type(batches.batch_sampler) in (BatchSampler, type(None))
    )


def _called(name: str) -> str:
    return name or "the step"


def _refusal(name: str, wanted: str, got: str) -> ValueError:
    return ValueError(
        f"step: expected {_called(name)} {wanted}, got {got}; a checkpoint holds tensors, numbers, "
        "seeded generators and what has a state_dict, if they are there before the first step"
    )
