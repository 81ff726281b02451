"""The long runs, cut short: each leaves its weights and its card, and the command finds them."""

import pytest
import torch

from gannotes import nets, recipes, weights
from gannotes.__main__ import main


def test_the_list_has_a_line_for_each_recipe(capsys):
    main(["list"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(recipes.RECIPES)
    assert all(len(line.split()) > 5 for line in lines)


def test_an_unknown_recipe_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        main(["run", "nothing"])
    assert "mnist_gan" in capsys.readouterr().err


def test_a_short_gan_leaves_weights_and_a_card(tmp_path, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    recipes.mnist_gan(tmp_path, steps=2)
    weights.fill(nets.image_generator(32), tmp_path / "mnist_gan.safetensors")
    card = (tmp_path / "mnist_gan.md").read_text()
    for fact in ("nets.image_generator(32)", "seed 0", "mean confidence", "torch"):
        assert fact in card


@pytest.mark.parametrize("train", [recipes.ring_plain, recipes.ring_remedied])
def test_a_stack_of_the_ring_is_deterministic_and_differs_between_seeds(train, tmp_path):
    ends = []
    for run, seed in enumerate([0, 0, 1]):
        out = tmp_path / str(run)
        out.mkdir()
        ends.append(torch.cat([p.flatten() for p in train(out, seed, steps=3).parameters()]))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])
