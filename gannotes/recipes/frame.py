r"""What all long runs share: a desk to work at, what is left on it, and the sweeps of several runs.

A recipe is a function `train(desk, **settings)` that returns the row of its table, or the rows:
what it is called, from which seed it starts, what follows each step, what is written and what the
card says is the same for every run, and stands here once::

    def fgan_mnist(desk: Desk, divergence: str, steps: int = 4_000) -> Row: ...

    FGAN_MNIST = Sweep(fgan_mnist, {"divergence": list(F_DIVERGENCES)}, seeds=3)
"""

import inspect
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any, NamedTuple, TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gannotes import optim, results, runs, weights

Row = dict[str, Any]
Train = Callable[..., Row | list[Row]]
Step = Callable[..., dict[str, Tensor]]
Net = TypeVar("Net", bound=nn.Module)


class Average(AveragedModel):
    """The running average of a network, which moves like a schedule of its learning rate.

    Args:
        net: the network that is trained.
        decay: the weight of the past.

    Example:
        >>> net = nn.Linear(1, 1)
        >>> average = Average(net, 0.9)
        >>> average.step()
        >>> torch.equal(average.module.weight, net.weight)
        True
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        super().__init__(net, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        self.source = (net,)  # not a part of this one

    def step(self) -> None:
        """Take in what the network is now."""
        self.update_parameters(*self.source)


class Desk:
    """A folder, a seed and a device: where a run trains, and what it leaves there.

    Args:
        folder: for all files.
        name: of the run, with which they begin.
        seed: of the run.
        device: where to train.
    """

    def __init__(self, folder: Path, name: str, seed: int = 0, device: str = "cpu") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)
        self.folder, self.name, self.seed, self.device = folder, name, seed, device
        self.steps: int | None = None  # of the last training, as they were counted
        self.minutes = 0.0  # of one core, until the last training ended
        self.shipped: dict[str, str] = {}  # file -> the expression that makes the network
        self._began, self._core = perf_counter() - runs.spent(folder), process_time()

    def file(self, ending: str) -> Path:
        """The file of this run with an ending such as `_images.csv`."""
        return self.folder / f"{self.name}{ending}"

    def place(self, net: Net) -> Net:
        """`net` on the device, in the layout that suits convolutions."""
        return net.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def fit(
        self, step: Step, batches: Iterable[Any], *after: Any, part: str = ""
    ) -> dict[str, Tensor]:
        """Train, with a checkpoint; every schedule and every average of `after` follows each step.

        Args:
            step: as for `optim.fit`.
            batches: as for `optim.fit`.
            after: what has a method `step` without arguments.
            part: the ending of the checkpoint's name, if a run trains more than once.
        """

        def one(batch: Any) -> dict[str, Tensor]:
            values = step(batch)
            for follower in after:
                follower.step()
            return values

        try:
            history = optim.fit(one, batches, checkpoint=self.file(f"{part}.checkpoint"))
        finally:
            self.minutes = (process_time() - self._core) / 60
        self.steps = len(next(iter(history.values()), ()))
        return history

    def ship(self, net: nn.Module, fresh: Net, made_by: str, name: str | None = None) -> Net:
        """Save `net` as a page takes it; `fresh`, filled with that, is what is judged.

        Args:
            net: what was trained.
            fresh: a new network like it.
            made_by: the expression that makes it, for the card.
            name: of the file, without its ending; the run's without it.
        """
        path = self.folder / f"{name or self.name}.safetensors"
        weights.save(net, path)
        self.shipped[path.stem] = made_by
        weights.fill(fresh, path)
        return fresh

    def judged(self, net: nn.Module, fresh: Net) -> Net:
        """`fresh`, filled with what `ship` would save of `net`, where no page shows it."""
        with TemporaryDirectory() as folder:
            weights.save(net, path := Path(folder) / "judged.safetensors")
            weights.fill(fresh, path)
        return fresh

    def keep(self, net: nn.Module, made_by: str) -> None:
        """Save `net` in full precision, for a table that is gathered from it."""
        save_file(net.cpu().state_dict(), self.file(".safetensors"))
        self.shipped[self.name] = made_by

    def needs(self, recipe: "Recipe") -> Path:
        """The weights of another run of the same seed.

        They are taken from this folder, or from that run's beside it; if they are in neither, they
        are trained first.
        """
        file = f"{recipe.file(self.seed)}.safetensors"
        path = runs.beside(self.folder, recipe.__name__) / file
        if not path.is_file():
            recipe(self.folder, self.seed, self.device)
        torch.manual_seed(self.seed)
        return path

    def facts(self) -> Row:
        """What every card says of how the weights came about, beside recipe and settings."""
        return {
            "minutes": round((perf_counter() - self._began) / 60, 1),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__.split("+")[0],
            "machine": f"{platform.system()} {platform.machine()}",
        }


class Recipe:
    """A run by its name: the function that trains, with the settings that the name says.

    Called with a folder, a seed and a device, it leaves there the weights with their cards, and
    the row, or the rows, of its table.

    Args:
        train: what computes it.
        seeded: whether the names of its files end with the seed: there are several of them.
        settings: those arguments of `train` that are no choice.

    Example:
        >>> def gan_mnist(desk: Desk, bound: str, steps: int = 100) -> Row:
        ...     "Train."
        ...     return {}
        >>> recipe = Recipe(gan_mnist, bound="least squares")
        >>> recipe.__name__, recipe.__doc__, recipe.defaults
        ('gan_mnist_least_squares', 'Train. (least squares)', {'steps': 100})
    """

    def __init__(self, train: Train, seeded: bool = True, **settings: Any) -> None:
        found = inspect.signature(train).parameters
        self.__name__ = "_".join(
            [train.__name__, *(_slug(settings[p]) for p in found if p in settings)]
        )
        which = ", ".join(map(str, settings.values()))
        self.__doc__ = _summary(train) + (f" ({which})" if settings else "")
        self.train, self.seeded, self.settings = train, seeded, settings
        free = [p for key, p in found.items() if key not in settings and key != "desk"]
        self.defaults: Row = {p.name: p.default for p in free}
        own = list(inspect.signature(self.__call__).parameters.values())[:-1]
        self.__signature__ = inspect.Signature(own + free)

    def __call__(self, out: Path, seed: int = 0, device: str = "cpu", **choice: Any) -> list[Row]:
        desk = Desk(out, self.file(seed), seed, device)
        found = self.train(desk, **self.settings, **choice)
        each = found if isinstance(found, list) else [found]
        used = self.settings | {"seed": seed} | self.defaults | choice
        used |= {} if desk.steps is None else {"steps": desk.steps}
        keys = [key for key in (*self.settings, "seed", "steps") if used.get(key) is not None]
        table = [{key: used[key] for key in keys} | row for row in each]
        results.write(desk.file(".csv"), [row | {"minutes": desk.minutes} for row in table])
        for i, (name, made_by) in enumerate(desk.shipped.items()):
            row = each[i if len(each) == len(desk.shipped) else 0]
            write_card(
                out / f"{name}.safetensors",
                {"summary": _summary(self.train), "architecture": made_by}
                | {"recipe": f"{self.train.__module__}.{self.train.__qualname__}"}
                | {"run": self.command(seed, choice), **desk.facts(), **used, **row},
            )
        return table

    def file(self, seed: int) -> str:
        """The name with which all files of the run begin."""
        return f"{self.__name__}_{seed}" if self.seeded else self.__name__

    def command(self, seed: int, choice: Mapping[str, Any]) -> str:
        """What to type for this run."""
        words = f"python -m gannotes run {self.__name__} --seed {seed}"
        steps = choice.get("steps")
        return words if steps in (None, self.defaults.get("steps")) else f"{words} --steps {steps}"


class Sweep(NamedTuple):
    """The runs of a table: a function, all combinations of its settings, some seeds of each."""

    train: Train
    settings: Mapping[str, Sequence[Any]]
    seeds: int | Mapping[Any, int] = 1  # for all, or for each value of the first setting
    collect: Callable[[Sequence[Path], Path, int], None] | None = None  # if not just rows
    after: "Sweep | None" = None  # whose weights these runs begin with
    seeded: bool = True  # as for `Recipe`

    @property
    def recipes(self) -> dict[str, Recipe]:
        """What computes each run, by its name."""
        each = [
            Recipe(self.train, self.seeded, **dict(zip(self.settings, values, strict=True)))
            for values in product(*self.settings.values())
        ]
        return {recipe.__name__: recipe for recipe in each}

    def own(self, seed: int = 0) -> list[tuple[str, int]]:
        """The runs whose rows are in the table, seed by seed, as recipe and seed."""
        counts = {
            name: self.seeds if isinstance(self.seeds, int) else self.seeds[first]
            for name, recipe in self.recipes.items()
            for first in [next(iter(recipe.settings.values()))]
        }
        most = max(counts.values())
        seeds = range(most * seed, most * (seed + 1))
        return [(n, s) for s in seeds for n, count in counts.items() if s < most * seed + count]

    def runs(self, seed: int = 0) -> list[tuple[str, int]]:
        """All runs, also those whose weights others begin with."""
        return [*(self.after.runs(seed) if self.after else ()), *self.own(seed)]

    def gather(self, parts: Sequence[Path], out: Path, seed: int = 0) -> None:
        """Make the table, and what is put together from several runs.

        Args:
            parts: the folders of `runs(seed)`.
            out: the folder for the table.
            seed: of the sweep.
        """
        files = self.files(parts, seed)
        if self.collect is not None:
            self.collect(files, out, seed)
        else:
            rows(files, out / f"{self.train.__name__}.csv")

    def files(self, parts: Sequence[Path], seed: int = 0) -> list[Path]:
        """What the files of the own runs begin with, in the folders of all."""
        own, recipes = self.own(seed), self.recipes
        folders = parts[len(parts) - len(own) :]
        return [p / recipes[n].file(s) for p, (n, s) in zip(folders, own, strict=True)]


def rows(files: Sequence[Path], table: Path, ending: str = "") -> None:
    """Write the rows of several runs' tables as one, each with what all of them say.

    Args:
        files: what the names of the runs' tables begin with.
        table: the file.
        ending: what the names end with, before `.csv`.
    """
    paths = [file.with_name(f"{file.name}{ending}.csv") for file in files]
    results.write(table, [row for path in paths for row in results.read(path)])


def write_card(path: Path, facts: Mapping[str, Any]) -> None:
    """Put the facts into the header of the weights, and write the card for readers beside them."""
    weights.tell(path, facts)
    path.with_suffix(".md").write_text(weights.card(path), encoding="utf-8")


def put_together(
    path: Path, files: Sequence[Path], architecture: str, command: str, scores: Row
) -> None:
    """Write the card of weights that were made of the weights of several runs.

    Args:
        path: the new file.
        files: what the names of the runs' files begin with.
        architecture: the expression that makes the network.
        command: the name of the sweep, and its seed, as they are typed.
        scores: what else the card says.
    """
    parts = [weights.told(Path(f"{file}.safetensors")) for file in files]
    _, option, steps = parts[0]["run"].partition(" --steps ")
    together = {
        "architecture": architecture,
        "run": f"python -m gannotes run {command}{option}{steps}",
        "seed": [part["seed"] for part in parts],
        "minutes": round(sum(part["minutes"] for part in parts), 1),
    }
    write_card(path, parts[0] | together | scores)


def minutes() -> dict[str, float]:
    """What the shipped runs of each recipe or sweep took, by its name, as their weights say.

    Example:
        >>> minutes()["mnist_gan_plain"]
        26.4
    """
    found: dict[str, dict[Any, float]] = {}
    for path in weights.FOLDER.glob("*.safetensors"):
        about = weights.told(path)
        if "run" in about:  # two networks of one run say the same, the games of a sweep do not
            which = about.get("game"), about.get("variant")
            found.setdefault(about["run"].split()[4], {})[which] = about["minutes"]
    return {name: sum(times.values()) for name, times in found.items()}


def _slug(value: Any) -> str:
    return str(value).lower().replace(" + ", "_").replace(" ", "_")


def _summary(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]
