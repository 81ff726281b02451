"""The frame of the recipes: what a run was is what its files say, killed or not."""

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR

from gannotes import nets, optim, results, weights
from gannotes.distributions import standard_normal
from gannotes.models.gan import GAN, step
from gannotes.recipes import RECIPES, SWEEPS
from gannotes.recipes.frame import Average, Desk, Recipe, Row, Sweep


class Numbers:
    """As `range(steps)`, but for whoever is interrupted on the way."""

    def __init__(self, steps: int, halt: int | None) -> None:
        self.steps, self.halt = steps, halt

    def __iter__(self):
        for number in range(self.steps):
            if number == self.halt:
                raise KeyboardInterrupt
            yield number


def points(desk: Desk, width: int, steps: int = 7, halt: int | None = None) -> Row:
    """A recipe like the others, but small: noise in every step, a schedule and an average.

    The second line is not on the card.
    """
    gan = GAN(nets.mlp(2, width, 2), nets.critic(2, width), standard_normal(2))
    theta, phi = (Adam(net.parameters(), 1e-2) for net in (gan.G, gan.D))

    def one(_: int) -> dict[str, torch.Tensor]:
        return step(gan, torch.randn(8, 2), theta, phi)

    average, decay = Average(gan.G, 0.9), CosineAnnealingLR(theta, steps)
    desk.fit(one, Numbers(steps, halt), average, decay)
    desk.ship(average.module, nets.mlp(2, width, 2), f"nets.mlp(2, {width}, 2)")
    return {"rate": theta.param_groups[0]["lr"], "noise": float(torch.rand(()))}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")


def test_the_card_and_the_row_say_what_was_used(tmp_path):
    (row,) = Recipe(points, width=4)(tmp_path, 3, steps=2)
    told = weights.told(tmp_path / "points_4_3.safetensors")
    assert told["run"] == "python -m gannotes run points_4 --seed 3 --steps 2"
    assert told["recipe"] == f"{__name__}.points"
    assert told["summary"] == points.__doc__.splitlines()[0]
    assert (told["width"], told["seed"], told["steps"], told["rate"]) == (4, 3, 2, row["rate"])
    assert told["threads"] == torch.get_num_threads()
    card = (tmp_path / "points_4_3.md").read_text()
    assert card == weights.card(tmp_path / "points_4_3.safetensors")
    assert "| architecture | `nets.mlp(2, 4, 2)` |" in card
    assert "| steps | 2 |" in card
    (read,) = results.read(tmp_path / "points_4_3.csv")
    assert (read["width"], read["seed"], read["steps"]) == (4, 3, 2)
    assert "minutes" in read
    Recipe(points, width=4)(tmp_path / "whole", 3)
    told = weights.told(tmp_path / "whole" / "points_4_3.safetensors")
    assert (told["run"], told["steps"]) == ("python -m gannotes run points_4 --seed 3", 7)


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    """What a closure of the recipe's module refers to is saved, though the frame takes the step."""
    fit, recipe = optim.fit, Recipe(points, width=4)
    monkeypatch.setattr(optim, "fit", lambda *a, **k: fit(*a, **k, every=2))
    (whole,) = recipe(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        recipe(tmp_path / "killed", halt=5)
    (killed,) = recipe(tmp_path / "killed")
    assert killed == whole
    one, two = (load_file(tmp_path / f / "points_4_0.safetensors") for f in ("whole", "killed"))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert weights.told(tmp_path / "killed" / "points_4_0.safetensors")["steps"] == 7


def test_an_average_is_the_one_computed_by_hand():
    net = nn.Linear(1, 1, bias=False)
    average, expected = Average(net, 0.9), None
    for value in (1.0, 3.0, -2.0):
        net.weight.data.fill_(value)
        average.step()
        expected = value if expected is None else 0.9 * expected + 0.1 * value
    assert average.module.weight.item() == pytest.approx(expected)
    assert [*average.state_dict()] == ["n_averaged", "module.weight"]


def test_a_sweep_has_all_combinations_seed_by_seed(tmp_path):
    def train(desk: Desk, colour: str, size: int) -> list[Row]:
        return [{"part": part, "x": float(torch.rand(()))} for part in "ab"]

    train.__name__ = "shapes"
    first = Sweep(train, {"colour": ["dark red"], "size": [1]})
    sweep = Sweep(
        train, {"colour": ["blue", "red"], "size": [1, 2]}, {"blue": 2, "red": 1}, after=first
    )
    names = ["shapes_blue_1", "shapes_blue_2", "shapes_red_1", "shapes_red_2"]
    assert list(sweep.recipes) == names
    own = [*((name, 2) for name in names), ("shapes_blue_1", 3), ("shapes_blue_2", 3)]
    assert sweep.runs(1) == [("shapes_dark_red_1", 1), *own]
    for name, seed in own:
        sweep.recipes[name](tmp_path, seed)
    sweep.gather([tmp_path] * 7, tmp_path, 1)
    table = results.read(tmp_path / "shapes.csv")
    found = [(f"shapes_{r['colour']}_{r['size']:.0f}", r["seed"]) for r in table[::2]]
    assert found == own
    assert len({row["x"] for row in table}) == 4  # two seeds, two parts
    assert [row["part"] for row in table[:2]] == ["a", "b"]


def test_a_run_finds_what_it_begins_with_or_makes_it(tmp_path):
    other = Recipe(points, width=4)
    desk = Desk(tmp_path, "next", 5)
    path = desk.needs(other)
    assert path == tmp_path / "points_4_5.safetensors"
    after = torch.rand(())
    before = path.stat().st_mtime_ns
    assert desk.needs(other) == path
    assert path.stat().st_mtime_ns == before
    assert torch.rand(()) == after  # whether it was made or not, the random numbers are the same


def test_no_name_is_both_a_recipe_and_a_sweep_and_all_are_recipes():
    assert not RECIPES.keys() & SWEEPS.keys()
    for name, recipe in RECIPES.items():
        assert recipe.__name__ == name
        assert recipe.__doc__
    for sweep in SWEEPS.values():
        assert sweep.recipes.keys() <= RECIPES.keys()


def test_shipped_weights_name_recipes_and_architectures_that_exist():
    import gannotes
    from gannotes import distributions, recipes

    known = {"recipes": recipes, "nets": nets, "distributions": distributions}
    for path in weights.FOLDER.glob("*.safetensors"):
        told = weights.told(path)
        place = gannotes
        for word in told["recipe"].split(".")[1:]:
            place = getattr(place, word)
        torch.manual_seed(0)
        net = eval(told["architecture"], known)
        weights.load(net, path.stem)
