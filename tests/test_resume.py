"""Resume is exact, or it is refused: every way to hold state, every change between two runs.

A program is a text, as in a notebook: it is run in a namespace of its own, so that each start is
the start of a new process, with fresh globals.
"""

import copy
import random
import re
import sys
import types

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gannotes.data import Batches
from gannotes.optim import fit

BEGIN = """
import collections, copy, dataclasses, functools, itertools, random, threading, types
import numpy as np
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, LBFGS, RMSprop
from torch.optim.lr_scheduler import ExponentialLR, LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from gannotes.optim import descend

torch.manual_seed(0)
np.random.seed(0)
random.seed(0)
net = nn.Sequential(nn.Linear(3, 4), nn.LeakyReLU(0.1), nn.Linear(4, 1))
o = Adam(net.parameters(), lr=0.05, betas=(0.9, 0.99))
n = {"count": 0, "scale": 1.0}

def loss(x, scale=1.0):
    return (net(scale * x) + 0.1 * torch.randn(len(x), 1)).square().mean()
"""
STEPS = 12
X = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))


class Killed(BaseException):
    """Nobody catches it."""


def program(text: str, begin: str = BEGIN) -> dict:
    """Its variables once it has run; it defines `step`."""
    names = {"__name__": "program"}
    exec(compile(begin + text, "<program>", "exec"), names)
    return names


def run(names: dict, file=None, kill: int = STEPS, batches=None, every: int = 3) -> dict:
    """Its history, and all tensors that it can be asked for; killed before one of its steps."""
    step, at = names["step"], [0]

    def counted(batches):
        for k, batch in enumerate(batches):
            if k == kill:
                raise Killed
            yield batch

    batches = Batches(X, 8, STEPS, seed=2) if batches is None else batches
    if kill < STEPS:
        batches = counted(batches)
    at[0] = 0
    history = fit(step, batches, progress=False, checkpoint=file, every=every)
    return {"history": history, "states": states(names), "dice": torch.rand(3)}


def states(names: dict) -> dict[str, Tensor]:
    found = {}
    for name, part in names.items():
        if isinstance(part, nn.Module):
            found |= {f"{name}.{key}": p.detach().clone() for key, p in part.named_parameters()}
            found |= {f"{name}.{key}": b.clone() for key, b in part.named_buffers()}
        elif isinstance(part, Tensor):
            found[name] = part.detach().clone()
    return found


def same(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return torch.equal(a, b)


EXACT = {
    "global": """
def step(x):
    return {"loss": descend(o, loss(x))}
""",
    "default argument": """
def step(x, o=o, net=net):
    return {"loss": descend(o, net(x).square().mean())}
""",
    "keyword-only argument": """
def step(x, *, o=o, net=net):
    return {"loss": descend(o, net(x).square().mean())}
""",
    "comprehension": """
def step(x):
    return {"loss": torch.stack([descend(o, loss(x)) for _ in range(2)])}
""",
    "lambda within": """
def step(x):
    move = lambda: descend(o, loss(x))
    return {"loss": move()}
""",
    "nested function": """
def step(x):
    def move():
        return [descend(o, loss(x)) for _ in range(1)][0]
    return {"loss": move()}
""",
    "namespace": """
held = types.SimpleNamespace(o=o, net=net)
def step(x):
    return {"loss": descend(held.o, held.net(x).square().mean())}
""",
    "dataclass": """
@dataclasses.dataclass
class Trainer:
    net: nn.Module
    o: torch.optim.Optimizer
    count: int = 0
    def step(self, x):
        self.count += 1
        return {"loss": descend(self.o, self.net(x).square().mean() * self.count)}
step = Trainer(net, o).step
""",
    "called object with slots": """
class Trainer:
    __slots__ = ("__o", "count")
    def __init__(self, o):
        self.__o, self.count = o, 0
    def __call__(self, x):
        self.count += 1
        return {"loss": descend(self.__o, loss(x) * self.count)}
step = Trainer(o)
""",
    "method that uses a global": """
class Trainer:
    def move(self, x):
        return descend(o, loss(x))
trainer = Trainer()
def step(x):
    return {"loss": trainer.move(x)}
""",
    "forward that uses a global": """
gain = torch.ones(1)
class Scaled(nn.Module):
    def forward(self, x):
        gain.mul_(0.9)
        return gain * net(x)
scaled = Scaled()
def step(x):
    return {"loss": descend(o, scaled(x).square().mean())}
""",
    "set of one": """
held = {o}
def step(x):
    (player,) = held
    return {"loss": descend(player, loss(x))}
""",
    "list, tuple, dictionary": """
held = [({"o": o},)]
def step(x):
    return {"loss": descend(held[0][0]["o"], loss(x))}
""",
    "partial over a closure": """
def make(o):
    def inner(net, x):
        return {"loss": descend(o, net(x).square().mean())}
    return inner
step = functools.partial(make(o), net)
""",
    "decorated": """
def counted(function):
    count = 0
    @functools.wraps(function)
    def wrapper(x):
        nonlocal count
        count += 1
        return function(x, count)
    return wrapper
@counted
@torch.enable_grad()
def step(x, count):
    return {"loss": descend(o, loss(x) / count)}
""",
    "held group": """
group = o.param_groups[0]
def step(x):
    group["lr"] *= 0.9
    return {"loss": descend(o, loss(x))}
""",
    "parameters that only an optimiser holds": """
w = nn.Parameter(torch.ones(3))
o, objective = SGD([w], 0.1, momentum=0.9), [functools.partial(torch.mul, w)]
def step(x):
    return {"loss": descend(o, objective[0](x).square().mean())}
""",
    "average in place": """
ema = [p.detach().clone() for p in net.parameters()]
def step(x):
    for e, p in zip(ema, net.parameters()):
        e.data.mul_(0.9).add_(p.detach(), alpha=0.1)
    return {"loss": descend(o, loss(x) + (net[0].weight - ema[0]).square().mean())}
""",
    "average that is replaced": """
ema = net[0].weight.detach()
def step(x):
    global ema
    ema = 0.9 * ema + 0.1 * net[0].weight.detach()
    return {"loss": descend(o, loss(x) + (net[0].weight - ema).square().mean())}
""",
    "average that begins with nothing": """
class Memory:
    ema = None
memory = Memory()
def step(x):
    old = net[0].weight.detach() if memory.ema is None else memory.ema
    memory.ema = 0.9 * old + 0.1 * net[0].weight.detach()
    return {"loss": descend(o, loss(x) + (net[0].weight - memory.ema).square().mean())}
""",
    "array": """
scale = np.ones(3)
def step(x):
    scale[:] *= 0.9
    return {"loss": descend(o, loss(x * torch.from_numpy(scale).float()))}
""",
    "numbers in a dictionary": """
def step(x):
    n["count"] += 1
    n["scale"] *= 0.9
    return {"loss": descend(o, loss(x, n["scale"]) * n["count"])}
""",
    "global number": """
count = 0
def step(x):
    global count
    count += 1
    return {"loss": descend(o, loss(x) * count)}
""",
    "number in a closure": """
def make():
    count = 0
    def step(x):
        nonlocal count
        count += 1
        return {"loss": descend(o, loss(x) * count)}
    return step
step = make()
""",
    "number of a class": """
class Clock:
    count = 0
def step(x):
    Clock.count += 1
    return {"loss": descend(o, loss(x) * Clock.count)}
""",
    "number of a function": """
def step(x):
    step.count += 1
    return {"loss": descend(o, loss(x) * step.count)}
step.count = 0
""",
    "number that appears": """
seen = collections.Counter()
def step(x):
    seen[str(sum(seen.values()) % 5)] += 1
    return {"loss": descend(o, loss(x) * seen["3"])}
""",
    "number that changes late": """
late = [0, 0]
def step(x):
    late[0] += 1
    late[1] += late[0] == 5
    return {"loss": descend(o, loss(x) * (1 + late[1]))}
""",
    "flag": """
used = [False, None, "warm"]
def step(x):
    used[:] = [True, 0.5, "hot"]
    return {"loss": descend(o, loss(x) * (used[2] == "hot"))}
""",
    "list that grows": """
past = []
def step(x):
    past.append(x.mean(0))
    return {"loss": descend(o, loss(x - torch.stack(list(past)).mean(0)))}
""",
    "queue": """
past = collections.deque(maxlen=3)
def step(x):
    past.append(x.mean(0))
    return {"loss": descend(o, loss(x - torch.stack(list(past)).mean(0)))}
""",
    "buffer that is not persistent": """
net.register_buffer("scale", torch.ones(1), persistent=False)
def step(x):
    net.scale *= 0.9
    return {"loss": descend(o, loss(x) * net.scale.sum())}
""",
    "training mode": """
net = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
o = Adam(net.parameters(), 0.01)
def step(x):
    n["count"] += 1
    values = {"loss": descend(o, loss(x))}
    if n["count"] == 5:
        net.eval()
    return values
""",
    "frozen late": """
def step(x):
    n["count"] += 1
    net[0].requires_grad_(n["count"] < 5)
    value = loss(x)
    value.backward()
    o.step()
    o.zero_grad()
    return {"loss": value}
""",
    "accumulated gradients": """
def step(x):
    value = loss(x)
    value.backward()
    n["count"] += 1
    if n["count"] % 4 == 0:
        o.step()
        o.zero_grad()
    return {"loss": value}
""",
    "torch generator": """
dice = torch.Generator().manual_seed(3)
def step(x):
    return {"loss": descend(o, loss(x + torch.randn(x.shape, generator=dice)))}
""",
    "numpy generator": """
dice = np.random.default_rng(3)
normal = dice.normal
def step(x):
    return {"loss": descend(o, loss(x * normal()))}
""",
    "numpy random state": """
dice = np.random.RandomState(3)
def step(x):
    return {"loss": descend(o, loss(x * dice.normal()))}
""",
    "global numpy": """
def step(x):
    return {"loss": descend(o, loss(x * np.random.normal()))}
""",
    "Python generator of random numbers": """
dice = random.Random(3)
def step(x):
    return {"loss": descend(o, loss(x * dice.gauss(0, 1)))}
""",
    "global random": """
def step(x):
    return {"loss": descend(o, loss(x * random.gauss(0, 1)))}
""",
    "schedules and averages": """
schedules = [ExponentialLR(o, 0.9), LambdaLR(o, lambda t: 1 / (1 + t))]
average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9))
def step(x):
    values = {"loss": descend(o, loss(x))}
    average.update_parameters(net)
    for schedule in schedules:
        schedule.step()
    return values
""",
    "LBFGS": """
o = LBFGS(net.parameters(), lr=0.1, max_iter=4, history_size=3)
def step(x):
    def closure():
        o.zero_grad()
        value = net(x).square().mean()
        value.backward()
        return value
    return {"loss": o.step(closure).detach()}
""",
    "group that was added": """
extra = nn.Parameter(torch.ones(1))
o.add_param_group({"params": [extra], "lr": 0.1})
def step(x):
    return {"loss": descend(o, loss(x) * extra.sum() ** 2)}
""",
    "spectral norms": """
net = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 1))
old = nn.utils.parametrizations.weight_norm(nn.Linear(3, 1))
o = Adam([*net.parameters(), *old.parameters()], 0.1)
def step(x):
    return {"loss": descend(o, loss(x) + old(x).square().mean())}
""",
    "other module": """
import program_beside
from program_beside import move
def step(x):
    return {"loss": move(o, loss(x)) * program_beside.count}
""",
    "module that is imported within": """
def step(x):
    import program_beside as beside
    return {"loss": beside.move(o, loss(x)) * beside.count}
""",
}

BESIDE = """
import torch
from gannotes.optim import descend
count, w = 0, torch.nn.Parameter(torch.ones(1))
p = torch.optim.SGD([w], 0.1, momentum=0.9)
def move(o, loss):
    global count
    count += 1
    descend(p, w.square().sum() * count)
    return descend(o, loss * w.detach().sum())
"""

REFUSED = {
    "set of two": (
        """
held = {o, SGD(net.parameters(), 0.1)}
def step(x):
    return {"loss": sum(descend(player, loss(x)) for player in held)}
""",
        "held .*a set, which has no order",
    ),
    "counter of itertools": (
        """
count = itertools.count(1)
def step(x):
    return {"loss": descend(o, loss(x) * next(count))}
""",
        "count .*an iterator",
    ),
    "iterator": (
        """
others = iter(range(100))
def step(x):
    return {"loss": descend(o, loss(x) * next(others))}
""",
        "others .*an iterator",
    ),
    "generator": (
        """
others = (k for k in range(100))
def step(x):
    return {"loss": descend(o, loss(x) * next(others))}
""",
        "others .*an iterator",
    ),
    "object that nobody can look into": (
        """
lock = threading.Lock()
def step(x):
    with lock:
        return {"loss": descend(o, loss(x))}
""",
        "lock .*nobody can look into",
    ),
    "number in a tuple": (
        """
pair = (0, 1.0)
def step(x):
    global pair
    pair = (pair[0] + 1, 0.9 * pair[1])
    return {"loss": descend(o, loss(x) * pair[1])}
""",
        r"pair\.0 to stay, a tuple holds it, got 1",
    ),
    "new container": (
        """
cache = {}
def step(x):
    cache.setdefault("all", []).append(x)
    return {"loss": descend(o, loss(x) * len(cache["all"]))}
""",
        r"cache\.all to be there before the first step, got list",
    ),
    "new optimiser": (
        """
held = [None]
def step(x):
    held[0] = held[0] or Adam(net.parameters(), 0.1)
    return {"loss": descend(held[0], loss(x))}
""",
        r"held\.0 to be there before the first step, got torch.optim",
    ),
    "exchanged function": (
        """
class Weighted:
    weight = None
    def __init__(self):
        self.weight = lambda: 1.0
held = Weighted()
def step(x):
    held.weight = lambda: 0.5
    return {"loss": descend(o, loss(x) * held.weight())}
""",
        r"held\.weight to stay the code",
    ),
    "removed": (
        """
held = {"a": 1.0, "b": 2.0}
def step(x):
    return {"loss": descend(o, loss(x) * held.pop("a", 3.0))}
""",
        r"held\.a to stay, got nothing",
    ),
    "group that is added": (
        """
extra = nn.Parameter(torch.ones(1))
def step(x):
    if len(o.param_groups) == 1:
        o.add_param_group({"params": [extra], "lr": 0.1})
    return {"loss": descend(o, loss(x) * extra.sum())}
""",
        r"o to stay torch.optim.adam.Adam of \[4\] tensors",
    ),
    "state_dict that does not come back": (
        """
class Forgetful:
    seen = 0
    def state_dict(self):
        self.seen += 1
        return {"seen": self.seen}
    def load_state_dict(self, state):
        self.seen = state["seen"]
held = Forgetful()
def step(x):
    held.seen += 1
    return {"loss": descend(o, loss(x) * held.seen)}
""",
        "held to take its own state_dict back",
    ),
    "state_dict that holds an object": (
        """
class Odd:
    def state_dict(self):
        return {"odd": object()}
    def load_state_dict(self, state):
        pass
held = Odd()
def step(x):
    held.state_dict()
    return {"loss": descend(o, loss(x))}
""",
        "held.odd to hold tensors, numbers and text",
    ),
}


@pytest.fixture
def beside(monkeypatch):
    """A module of the user's beside the program, imported anew by each start."""

    def start():
        module = types.ModuleType("program_beside")
        exec(BESIDE, vars(module))
        monkeypatch.setitem(sys.modules, "program_beside", module)

    return start


@pytest.mark.parametrize("way", EXACT)
def test_a_killed_run_ends_with_the_same_bits_however_it_holds_its_state(way, tmp_path, beside):
    beside()
    whole = run(program(EXACT[way]))
    file = tmp_path / "run"
    for kill in (2, 7, 10):  # before the first checkpoint, and between two
        beside()
        with pytest.raises(Killed):
            run(program(EXACT[way]), file, kill)
    beside()
    torch.manual_seed(99)
    assert same(run(program(EXACT[way]), file), whole)


@pytest.mark.parametrize("way", REFUSED)
def test_what_no_file_can_hold_is_refused_at_the_first_step(way, tmp_path):
    text, words = REFUSED[way]
    with pytest.raises(ValueError, match=f"^step: expected {words}"):
        run(program(text), tmp_path / "run", kill=1)
    assert not list(tmp_path.iterdir())
