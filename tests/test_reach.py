"""Resume is exact, or it is refused: every way to hold state, every change between two runs.

A program is a text, as in a notebook: it is run in a namespace of its own, so that each start is
the start of a new process, with fresh globals.
"""

import copy
import random
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
    step = names["step"]

    def counted(batches):
        for k, batch in enumerate(batches):
            if k == kill:
                raise Killed
            yield batch

    batches = Batches(X, 8, STEPS, seed=2) if batches is None else batches
    if kill < STEPS:
        batches = counted(batches)
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


# Changes between two runs.

CHANGING = """
decay = ExponentialLR(o, 0.9)
dice = torch.Generator().manual_seed(3)
draws = np.random.default_rng(3)
weight = torch.tensor([1.0, 2.0, 3.0])
net.register_buffer("offset", torch.tensor([0.5]))
K, lam = 2, 10.0
def penalty(x, power=2):
    return lam * (x.abs() ** power).mean()
def step(x):
    for _ in range(K):
        noise = torch.randn(x.shape, generator=dice) * draws.normal()
        fine = penalty(net[0].weight + net.offset)
        value = descend(o, loss(weight * x + noise, n["scale"]) + fine)
    decay.step()
    return {"loss": value}
"""

CHANGES = {
    "AdamW for Adam": ("Adam(net", "AdamW(net", r"o to be torch.optim.adam.Adam of \[4\] tensors"),
    "SGD for Adam": ("Adam(net.parameters(), lr=0.05, betas=(0.9, 0.99))", "SGD(net.parameters(), 0.05)", "o to be torch.optim.adam.Adam"),  # noqa: E501
    "rate": ("lr=0.05", "lr=0.5", r"decay.base_lrs.0 to be 0.05, .* got 0.5;.*"),
    "betas": ("0.99)", "0.999)", r"o.param_groups.0.betas.1 to be 0.99, .* got 0.999"),
    "weight decay": ("betas=", "weight_decay=0.1, betas=", "o.param_groups.0.weight_decay to be 0"),
    "two groups": ("Adam(net.parameters()", 'Adam([{"params": net[0].parameters()}, {"params": net[2].parameters()}]', r"o to be .*of \[4\] tensors, .* of \[2, 2\]"),  # noqa: E501
    "order of parameters": ("Adam(net.parameters()", "Adam([*net.parameters()][::-1]", "params.0 to be the same as net.0.weight"),  # noqa: E501
    "fewer parameters": ("Adam(net.parameters()", "Adam(net[0].parameters()", r"o to be .*\[4\]"),
    "precision": ("o = Adam", "net.double(); o = Adam", "torch.float32 of shape"),
    "width": ("nn.Linear(3, 4)", "nn.Linear(3, 5)", "net.0.out_features to be 4, .* got 5"),
    "depth": ("nn.Linear(4, 1))", "nn.Linear(4, 1), nn.Identity())", "net.3 to be nothing"),
    "activation": ("nn.LeakyReLU(0.1)", "nn.Tanh()", "net.1 to be .*LeakyReLU, .* got .*Tanh"),
    "slope": ("LeakyReLU(0.1)", "LeakyReLU(0.2)", "net.1.negative_slope to be 0.1, .* got 0.2"),
    "no buffer": ('net.register_buffer("offset", torch.tensor([0.5]))', "net.offset = 0.5", "net.offset"),  # noqa: E501
    "value of a buffer": ("torch.tensor([0.5])", "torch.tensor([0.6])", "net.offset to hold what it"),  # noqa: E501
    "value of a constant": ("2.0, 3.0]", "2.0, 4.0]", "weight to hold what it held"),
    "schedule": ("ExponentialLR(o, 0.9)", "ExponentialLR(o, 0.8)", "decay.gamma to be 0.9, .* got 0.8"),  # noqa: E501
    "kind of schedule": ("ExponentialLR(o, 0.9)", "LambdaLR(o, lambda t: 0.9**t)", "decay to be .*Exp"),  # noqa: E501
    "seed": ("manual_seed(3)", "manual_seed(4)", "dice to be .*of seed 3.*of seed 4"),
    "seed of numpy": ("default_rng(3)", "default_rng(4)", "draws to be PCG64 of seed 3"),
    "global number": ("lam = 2, 10.0", "lam = 2, 1.0", "lam to be 10.0, as the run began, got 1.0"),
    "number of moves": ("K, lam = 2", "K, lam = 3", "K to be 2"),
    "default argument": ("power=2", "power=1", "penalty.power to be 2"),
    "scale at the start": ('"scale": 1.0', '"scale": 2.0', "n.scale to be 1.0"),
    "code of the step": ("decay.step()", "decay.step(); o.zero_grad()", "the step to be the code"),
    "code that the step calls": ("square().mean()", "abs().mean()", "loss to be the code"),
    "frozen": ("decay = ", "net[2].requires_grad_(False); decay = ", "net.2.weight.requires_grad to be"),  # noqa: E501
    "state that the step no longer uses": ("decay.step()\n", "\n", "the step to be the code"),
}  # fmt: skip


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The checkpoint of a run that was killed after seven steps."""
    file = tmp_path_factory.mktemp("killed") / "run"
    with pytest.raises(Killed):
        run(program(CHANGING), file, kill=7)
    return file


def refused(names: dict, file, words: str, **options) -> None:
    """The program is refused with these words, and nothing has moved."""
    before, dice, data = states(names), torch.get_rng_state(), file.read_bytes()
    optimiser = copy.deepcopy(names["o"].state_dict())
    with pytest.raises(ValueError, match=f"^checkpoint: expected .*{words}.*"):
        run(names, file, **options)
    assert same(states(names), before)
    assert torch.equal(torch.get_rng_state(), dice)
    assert repr(names["o"].state_dict()) == repr(optimiser)
    assert file.read_bytes() == data
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("change", CHANGES)
def test_another_program_is_refused_by_name_before_anything_moves(change, killed):
    old, new, words = CHANGES[change]
    assert old in BEGIN + CHANGING
    refused(program((BEGIN + CHANGING).replace(old, new, 1), ""), killed, words)


@pytest.mark.parametrize(
    ("batches", "words"),
    [
        (Batches(X, 8, STEPS, seed=3), "batches that begin as the run's, got others"),
        (Batches(X, 9, STEPS, seed=2), "batches that begin as the run's, got others"),
        (Batches(X + 1e-6, 8, STEPS, seed=2), "batches that begin as the run's, got others"),
        (Batches(X.double(), 8, STEPS, seed=2), "batches that begin as the run's, got others"),
        (Batches(X, 8, 5, seed=2), "at least the 6 batches already seen, got 5"),
        (list(Batches(X, 8, STEPS, seed=2))[::-1], "batches that begin as the run's, got others"),
    ],
)
def test_other_batches_are_refused(batches, words, killed):
    refused(program(CHANGING), killed, words, batches=batches)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "torch.__version__",
            "2.99.0",
            r"torch.__version__ to be .*, as the run began, got 2.99.0",
        ),
        ("gannotes.__version__", "99", "gannotes.__version__"),
        ("numpy.__version__", "99", "numpy.__version__"),
        ("platform.python_version_tuple", lambda: ("3", "99", "0"), "Python to be .* got 3.99"),
        ("torch.get_num_threads", lambda: 99, r"torch.get_num_threads\(\) to be 1, .* got 99"),
    ],
)
def test_another_version_is_refused(name, value, words, killed, monkeypatch):
    names = program(CHANGING)
    monkeypatch.setattr(name, value)
    refused(names, killed, words)


def test_another_default_precision_is_refused(killed):
    names = program(CHANGING)
    torch.set_default_dtype(torch.float64)
    try:
        refused(names, killed, "torch.get_default_dtype")
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_longer_run_is_no_change(killed, tmp_path):
    file = tmp_path / "run"
    file.write_bytes(killed.read_bytes())
    whole = run(program(CHANGING), batches=Batches(X, 8, 20, seed=2))
    assert same(run(program(CHANGING), file, batches=Batches(X, 8, 20, seed=2)), whole)


def test_a_run_that_has_ended_is_returned_to_the_same_objects(tmp_path):
    """In a notebook a cell may run again; what stands where the file would put it is no change."""
    names = program(CHANGING)
    first = run(names, tmp_path / "run")
    assert same(run(names, tmp_path / "run")["history"], first["history"])


# Batches that draw, and loaders.


def test_batches_that_are_drawn_on_the_way_go_on(tmp_path):
    """They take turns with the step at the same generators, which the file holds."""

    def drawn(names):
        for _ in range(STEPS):
            x = torch.randn(8, 3) * random.random() + np.random.normal()
            yield x + torch.randn(8, 3, generator=names["dice"])

    def start(kill, file=None):
        names = program(CHANGING)
        return run(names, file, kill, batches=drawn(names))

    whole = start(STEPS)
    with pytest.raises(Killed):
        start(8, tmp_path / "run")
    assert same(start(STEPS, tmp_path / "run"), whole)


def test_a_shuffle_that_the_file_cannot_hold_is_refused(tmp_path):
    """Epochs whose order is drawn between steps: the batches of the second are others."""

    def epochs():
        for _ in range(2):
            order = torch.randperm(48).tolist()
            for k in range(6):
                yield X[[i % 40 for i in order[8 * k : 8 * k + 8]]]

    with pytest.raises(Killed):
        run(program(CHANGING), tmp_path / "run", kill=10, batches=epochs())
    words = "batches that begin as the run's"
    refused(program(CHANGING), tmp_path / "run", words, batches=epochs())


def test_a_loader_that_shuffles_is_refused_at_once(tmp_path):
    loader = torch.utils.data.DataLoader(X, 8, shuffle=True)
    with pytest.raises(ValueError, match="^batches: expected .*use gannotes.data.Batches"):
        run(program(CHANGING), tmp_path / "run", batches=loader)
    run(program(CHANGING), batches=loader)  # without a checkpoint it may


class Dying(list):
    """Data that are lost when half of them have been read."""

    def __getitem__(self, k):
        if k == 24:
            raise Killed
        return super().__getitem__(k)


def test_a_loader_that_does_not_shuffle_goes_on(tmp_path):
    load = torch.utils.data.DataLoader
    whole = run(program(CHANGING), batches=load(list(X), 3))
    with pytest.raises(Killed):
        run(program(CHANGING), tmp_path / "run", batches=load(Dying(X), 3))
    assert same(run(program(CHANGING), tmp_path / "run", batches=load(list(X), 3)), whole)


class Shuffled:
    """A loader that says where it is, as that of torchdata does."""

    def __init__(self, kill: int = STEPS) -> None:
        self.at, self.kill, self.order = 0, kill, torch.arange(40)

    def __iter__(self):
        while self.at < STEPS:
            if self.at == self.kill:
                raise Killed
            if self.at % 5 == 0:
                self.order = torch.randperm(40)
            self.at += 1
            yield X[self.order[8 * (self.at % 5) : 8 * (self.at % 5) + 8]]

    def state_dict(self):
        return {"at": self.at, "order": self.order.clone()}

    def load_state_dict(self, state):
        self.at, self.order = state["at"], state["order"].clone()


@pytest.mark.parametrize("kill", [4, 8])
def test_a_loader_with_a_state_goes_on(kill, tmp_path):
    whole = run(program(CHANGING), batches=Shuffled())
    with pytest.raises(Killed):
        run(program(CHANGING), tmp_path / "run", batches=Shuffled(kill))
    assert same(run(program(CHANGING), tmp_path / "run", batches=Shuffled()), whole)
    words = "the same kind of batches"
    refused(program(CHANGING), tmp_path / "run", words, batches=[X] * STEPS)
