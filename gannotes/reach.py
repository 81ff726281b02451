r"""What a function can reach: every object that it may read or change, by a name.

The search goes where Python code can refer to: closures, default arguments and globals (also those
that only a comprehension or a nested function uses), bound objects, partials, containers, and the
attributes of objects and of their classes. It ends at **leaves**, which may change (numbers and
text, tensors, arrays, random generators, and objects with a `state_dict`); what lies between,
**kinds**, has to stay what it is (classes, code, containers, constants).

Globals of installed libraries, this package among them, are not searched: they keep no state there.
"""

import collections
import dis
import enum
import functools
import hashlib
import inspect
import logging
import os
import random
import re
import sys
import sysconfig
import types
import weakref
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions.utils import lazy_property
from torch.optim import Optimizer

SCALARS = (bool, int, float, str, type(None))
SEQUENCES = (list, tuple, collections.deque)
NUMPY: Any = sys.modules.get("numpy")  # torch imports it where it is installed
ARRAYS: tuple[Any, ...] = (NUMPY.ndarray, NUMPY.generic) if NUMPY else ()
GENERATORS: tuple[Any, ...] = (torch.Generator, random.Random)
GENERATORS += (NUMPY.random.Generator, NUMPY.random.RandomState) if NUMPY else ()
CONSTANTS: tuple[Any, ...] = (complex, bytes, range, slice, enum.Enum, re.Pattern, type(...))
CONSTANTS += (torch.dtype, torch.device, torch.layout, torch.memory_format)
STATELESS: tuple[Any, ...] = (types.ModuleType, PurePath, logging.Logger, weakref.ref)
STATELESS += (types.MethodDescriptorType, types.WrapperDescriptorType)
STATELESS += (types.GetSetDescriptorType, types.MemberDescriptorType)
STATELESS += (NUMPY.ufunc, NUMPY.dtype) if NUMPY else ()
DERIVED: tuple[Any, ...] = (lazy_property, functools.cached_property)
OF_MODULES = vars(nn.Module()).keys() - {"training"}
INSTALLED = tuple(
    {f"{Path(file).parent}{os.sep}" for file in (os.__file__, __file__)}
    | {f"{sysconfig.get_path(name)}{os.sep}" for name in ("purelib", "platlib")}
    | {f"{Path(torch.__file__).parents[1]}{os.sep}", "<frozen"}
)


class Leaf(NamedTuple):
    """Something that may change: `value` is what the object of the name `owner` holds at `key`."""

    owner: str
    key: str | int
    value: Any


class Reach(NamedTuple):
    """What was found, by name: what has to stay, what may change, and the objects that hold it."""

    kinds: dict[str, str]
    leaves: dict[str, Leaf]
    owners: dict[str, Any]
    weights: set[str]


def explore(step: Any) -> Reach:
    """Everything that `step` can reach.

    Args:
        step: a function, a method, a partial, or an object that can be called.

    Raises:
        ValueError: if something has a state that nobody can look into, such as an iterator.

    Example:
        >>> net, rate = torch.nn.Linear(1, 1), 0.1
        >>> found = explore(lambda x: rate * net(x))
        >>> list(found.leaves)[:3], found.leaves["net.in_features"].value
        (['rate', 'net.training', 'net.in_features'], 1)
    """
    found = Reach({}, {}, {}, set())
    met: dict[int, tuple[str, Any]] = {}  # keeps alive what it has the `id` of
    queue = collections.deque([("", "", "", step, False)])
    while queue:
        name, owner, key, value, covered = queue.popleft()
        if isinstance(value, SCALARS) and not isinstance(value, enum.Enum):
            if not covered:  # by the `state_dict` that it is a part of
                found.leaves[name] = Leaf(owner, key, value)
            continue
        if id(value) in met:
            if isinstance(value, Tensor):  # the order in which an optimiser holds them matters
                found.kinds[name] = f"the same as {met[id(value)][0]}"
            continue
        met[id(value)] = name, value
        if isinstance(value, (Tensor, *ARRAYS, *GENERATORS)) or has_state(value):
            found.leaves[name] = Leaf(owner, key, value)
        if not isinstance(value, (Tensor, *ARRAYS)) and not (covered and _plain(value)):
            found.kinds[name] = _kind(name, value)
        found.owners[name] = value
        if isinstance(value, Tensor) and value.requires_grad:
            found.weights.add(name)
        covered = has_state(value) or (covered and _plain(value))
        for inner, part in references(name, value).items():
            queue.append((f"{name}.{inner}".lstrip("."), name, inner, part, covered))
    return found


def has_state(value: Any) -> bool:
    """Whether an object looks after its own state; a module does not, its attributes are searched.

    Example:
        >>> has_state(torch.optim.SGD([torch.zeros(1)])), has_state(torch.nn.Linear(1, 1))
        (True, False)
    """
    return not isinstance(value, type | nn.Module) and (
        hasattr(value, "state_dict") and hasattr(value, "load_state_dict")
    )


def can_put(owner: Any, key: Any) -> bool:
    """Whether `put` can let `owner` hold something else at `key`.

    Example:
        >>> can_put([1, 2], 0), can_put((1, 2), 0)
        (True, False)
    """
    if inspect.isfunction(owner):
        code = owner.__code__
        return key not in code.co_varnames[: code.co_argcount]  # a default value
    fixed = (tuple, set, frozenset, functools.partial, property, staticmethod, classmethod)
    return not (isinstance(owner, fixed) or inspect.ismethod(owner) or inspect.isbuiltin(owner))


def put(owner: Any, key: Any, value: Any) -> None:
    """Let `owner` hold `value` at `key`, as `references` names it."""
    if isinstance(owner, list | collections.deque) and key == len(owner):
        owner.append(value)
    elif isinstance(owner, list | collections.deque | dict):
        owner[key] = value
    elif isinstance(owner, type | nn.Module | Tensor):
        setattr(owner, key, value)
    elif inspect.isfunction(owner):
        _put_in_function(owner, key, value)
    else:
        object.__setattr__(owner, key, value)  # also where a dataclass is frozen


def _put_in_function(owner: types.FunctionType, key: str, value: Any) -> None:
    if "." in key:  # a variable of a module
        module, _, name = key.rpartition(".")
        setattr(owner.__globals__.get(module) or sys.modules[module], name, value)
    elif key in owner.__code__.co_freevars:
        cells = owner.__closure__ or ()
        cells[owner.__code__.co_freevars.index(key)].cell_contents = value
    elif key in (owner.__kwdefaults__ or {}):
        owner.__kwdefaults__[key] = value  # type: ignore[index]
    elif key in vars(owner):
        setattr(owner, key, value)
    else:
        owner.__globals__[key] = value


def references(name: str, value: Any) -> dict[Any, Any]:
    """The objects that `value` refers to, by the names that it has for them.

    Raises:
        ValueError: if nobody can look into `value`, which is called `name`.
    """
    if isinstance(value, Tensor):
        kept = value.is_leaf and (value.requires_grad or isinstance(value, nn.Parameter))
        return {"requires_grad": value.requires_grad, "grad": value.grad} if kept else {}
    if isinstance(value, (*ARRAYS, *GENERATORS, *CONSTANTS, *STATELESS)):
        return {}
    if isinstance(value, functools.partial):
        return {"func": value.func, **dict(enumerate(value.args)), **value.keywords}
    if inspect.ismethod(value):
        return {"self": value.__self__, "function": value.__func__}
    if inspect.isfunction(value):
        return _of_function(value)
    if inspect.isbuiltin(value) or isinstance(value, types.MethodWrapperType):
        return {"self": value.__self__}
    if isinstance(value, type):
        return {} if _installed(value) else _of_class(value)
    if isinstance(value, (*SEQUENCES, dict, set, frozenset)):
        return _of_container(name, value)
    return _of_object(name, value)


def _of_function(function: types.FunctionType) -> dict[Any, Any]:
    """Closure, defaults, attributes, and the globals that its code uses."""
    code, installed = function.__code__, function.__code__.co_filename.startswith(INSTALLED)
    if installed and hasattr(function, "__wrapped__"):  # a library's decorator
        return {"wrapped": function.__wrapped__}
    positional = code.co_varnames[: code.co_argcount]
    defaults = function.__defaults__ or ()
    found: dict[Any, Any] = {}
    if not installed:
        found |= _globals(code, function.__globals__)
    found |= vars(function)
    found |= dict(zip(positional[len(positional) - len(defaults) :], defaults, strict=True))
    found |= function.__kwdefaults__ or {}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # nothing was assigned yet
            continue
    return found


def _globals(code: types.CodeType, known: dict[str, Any]) -> dict[str, Any]:
    """The globals by name, and what is used of the user's own modules, as `module.name`."""
    names, attributes, imported = _names(code)
    found = {name: known[name] for name in names if name in known}
    modules = {name: sys.modules[name] for name in imported if name in sys.modules}
    queue, met = [*modules.items(), *found.items()], set[int]()
    for prefix, module in queue:  # which grows: a package may hold modules
        if isinstance(module, types.ModuleType) and id(module) not in met:
            met.add(id(module))
            own = {} if _installed(module) else vars(module)
            members = {f"{prefix}.{key}": own[key] for key in attributes if key in own}
            found |= members
            queue += members.items()
    return found


@functools.cache
def _names(code: types.CodeType) -> tuple[list[str], list[str], list[str]]:
    """The globals, the attributes and the modules that code names, also in functions within it."""
    steps = [(step.opname, step.argval) for step in dis.get_instructions(code)]
    uses = ("LOAD_GLOBAL", "STORE_GLOBAL", "LOAD_NAME")
    names = {name for operation, name in steps if operation in uses}
    imported = {name for operation, name in steps if operation == "IMPORT_NAME"}
    attributes = set(code.co_names)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            for found, more in zip((names, attributes, imported), _names(inner), strict=True):
                found.update(more)
    return sorted(names), sorted(attributes), sorted(imported)


def _of_class(kind: type) -> dict[Any, Any]:
    """Functions, variables and bases of a user's class."""
    found = {} if issubclass(kind, enum.Enum) else dict(vars(kind))
    functions = (types.FunctionType, staticmethod, classmethod, property)
    own = {
        key: part
        for key, part in found.items()
        if isinstance(part, functions) or not (key.startswith("__") or key == "_abc_impl")
    }
    return own | {f"base {i}": base for i, base in enumerate(kind.__bases__)}


def _of_container(name: str, value: Any) -> dict[Any, Any]:
    if getattr(value, "__dict__", None):
        raise _opaque(name, value, "a container with attributes")
    if isinstance(value, dict):  # a name for each key, which may be any object
        pairs = enumerate(value.items())
        return {k if isinstance(k, str | int) else f"item {i}": part for i, (k, part) in pairs}
    if isinstance(value, SEQUENCES):
        return dict(enumerate(value))
    objects = [part for part in value if not isinstance(part, (*SCALARS, *CONSTANTS))]
    if len(objects) > 1:
        raise _opaque(name, value, "a set, which has no order")
    return dict(enumerate(objects))


def _of_object(name: str, value: Any) -> dict[Any, Any]:
    """Attributes, and the class if it is a user's own."""
    kind = type(value)
    if hasattr(kind, "__next__") and not has_state(value):
        raise _opaque(name, value, "an iterator, which nobody can set back")
    if kind.__module__.startswith(("torch._C", "torch._ops")):
        return {}
    if isinstance(value, property):
        return {"fget": value.fget, "fset": value.fset}
    if isinstance(value, staticmethod | classmethod | functools._lru_cache_wrapper):
        return {"wrapped": value.__wrapped__}
    found: dict[Any, Any] = {} if _installed(kind) else {"class": kind}
    slots = [key for base in kind.__mro__ for key, part in vars(base).items() if _is_slot(part)]
    if not hasattr(value, "__dict__") and not slots and not has_state(value):
        try:  # as a copy would be made
            return found | {"parts": value.__reduce_ex__(4)}
        except TypeError:
            raise _opaque(name, value, f"a {kind.__name__}, which nobody can look into") from None
    found |= {slot: getattr(value, slot) for slot in slots if hasattr(value, slot)}
    own = dict(getattr(value, "__dict__", {}))
    if isinstance(value, nn.Module):
        own = {key: part for key, part in own.items() if part or key not in OF_MODULES}
        for part in ("_parameters", "_buffers", "_modules"):
            own |= own.pop(part, {})
        hooks = own.keys() & OF_MODULES  # under numbers that count all hooks of the process
        own |= {key: list(own[key].values()) for key in hooks if isinstance(own[key], dict)}
    if isinstance(value, Optimizer):
        own = {key: part for key, part in own.items() if key not in ("state", "defaults")}
    derived = {key for key in own if isinstance(getattr(kind, str(key), None), DERIVED)}
    return found | {key: part for key, part in own.items() if key not in derived}


def _kind(name: str, value: Any) -> str:
    """What has to stay of an object, in words."""
    if inspect.isfunction(value):
        return f"the code {_digest_of_code(value.__code__)}"
    if isinstance(value, CONSTANTS):
        return repr(value)
    if isinstance(value, set | frozenset):
        return f"a set of {sorted(repr(p) for p in value if isinstance(p, (*SCALARS, *CONSTANTS)))}"
    kind = value if isinstance(value, type) else type(value)
    words = f"{kind.__module__}.{kind.__qualname__}" if _installed(kind) else kind.__qualname__
    words = words.removeprefix("builtins.")
    if isinstance(value, type):
        return f"the class {words}"
    if isinstance(value, Optimizer):
        return f"{words} of {[len(group['params']) for group in value.param_groups]} tensors"
    if isinstance(value, torch.Generator):
        return f"{words} of seed {value.initial_seed()} on {value.device.type}"
    if NUMPY and isinstance(value, NUMPY.random.Generator):
        bits = value.bit_generator
        seed = getattr(bits.seed_seq, "entropy", None)
        chosen = isinstance(seed, int) and seed < 2**64  # else it came from the machine
        return f"{type(bits).__name__} of seed {seed if chosen else 'None'}"
    return words


def _digest_of_code(code: types.CodeType) -> str:
    """The same for the same instructions, wherever they stand and whatever they are called."""

    def constant(value: Any) -> str:
        if isinstance(value, types.CodeType):
            return _digest_of_code(value)
        if isinstance(value, frozenset):
            return repr(sorted(map(repr, value)))
        return repr(value)

    parts = [code.co_code.hex(), repr(code.co_names), *map(constant, code.co_consts)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _installed(thing: Any) -> bool:
    """Whether a class or a module belongs to Python, an installed library, or this package."""
    module = thing if isinstance(thing, types.ModuleType) else sys.modules.get(thing.__module__)
    if module is None or module.__name__ in ("__main__", "__mp_main__"):
        return False
    file = getattr(module, "__file__", None)
    if file is None:
        return module.__name__.partition(".")[0] in sys.stdlib_module_names
    return file.startswith(INSTALLED)


def _is_slot(part: Any) -> bool:
    return isinstance(part, types.MemberDescriptorType)


def _plain(value: Any) -> bool:
    return isinstance(value, (*SEQUENCES, dict, set, frozenset))


def _opaque(name: str, value: Any, words: str) -> ValueError:
    return ValueError(
        f"step: expected {name or 'a function'} to be something that a checkpoint can hold, got "
        f"{words}; keep it out of the step, or use tensors, numbers or seeded generators"
    )
