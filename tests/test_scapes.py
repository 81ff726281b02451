"""Street scenes: geometry, classes and light; the recipes cut short; the shipped table."""

import pytest
import torch
from torch import nn
from torch.optim import SGD

from gannotes import metrics, results, weights
from gannotes.data import PALETTE, nearest_class, paint, scapes
from gannotes.models import cyclegan
from gannotes.models.cyclegan import CycleGAN
from gannotes.optim import descend
from gannotes.recipes import scapes as recipe
from gannotes.recipes.frame import Recipe

SKY, BUILDING, ROAD, PAVEMENT, TREE, CAR = range(6)


@pytest.fixture(scope="module")
def scenes():
    return scapes(600, torch.Generator().manual_seed(11))


def test_scenes_are_the_same_from_a_seed_and_do_not_touch_the_global_one(scenes):
    """F05."""
    before = torch.get_rng_state()
    photos, labels = scapes(20, torch.Generator().manual_seed(11))
    again, _ = scapes(20, torch.Generator().manual_seed(11))
    assert torch.equal(photos, again)
    assert torch.equal(before, torch.get_rng_state())
    assert photos.shape == (20, 3, 32, 32)
    assert labels.shape == (20, 32, 32)
    assert labels.dtype == torch.int64
    assert 0 <= photos.min() < 0.1 < 0.9 < photos.max() <= 1
    assert scapes(0)[0].shape == (0, 3, 32, 32)


def test_a_street_has_its_sky_above_and_its_road_below(scenes):
    """F05: what the geometry implies for every scene, not on average."""
    _, labels = scenes
    share = torch.bincount(labels.flatten(), minlength=6) / labels.numel()
    assert share.min() > 0.02
    assert share.max() < 0.5
    assert not (labels[:, 18:] == SKY).any()  # the horizon is above 0.54
    for ground in (ROAD, PAVEMENT, CAR):
        assert not (labels[:, :10] == ground).any()  # and below 0.36, less the height of a car
    assert ((labels[:, -1] == ROAD) | (labels[:, -1] == CAR)).any(1).all()
    rows = torch.arange(32).view(1, 32, 1)
    lowest_sky = torch.where(labels == SKY, rows, -1).amax((1, 2))
    highest_road = torch.where(labels == ROAD, rows, 32).amin((1, 2))
    assert (lowest_sky < highest_road + 2).all()


def test_a_road_narrows_towards_the_horizon(scenes):
    """Its width falls linearly: in each scene without cars, rows against widths are on a line."""
    _, labels = scenes
    empty = labels[(labels == CAR).sum((1, 2)) == 0]
    assert len(empty) > 5
    for scene in empty:
        road = scene == ROAD
        inner = road.any(1) & ~road[:, 0] & ~road[:, -1]
        inner &= (scene == PAVEMENT).sum(1) > 1  # nothing in front of its edges
        width = road.sum(1)[inner].double()
        row = torch.arange(32)[inner].double()
        if len(row) > 3:
            assert torch.corrcoef(torch.stack([row, width]))[0, 1] > 0.9


def test_classes_differ_in_colour_but_colour_does_not_tell_the_class(scenes):
    """A look-up of 4,096 colours, learnt on the truth, is far from the segmentation network."""
    photos, labels = scapes(1500, torch.Generator().manual_seed(12))
    x, y = scenes

    def bins(pictures):
        return (pictures.clamp(0, 0.999) * 16).long().mul(torch.tensor([256, 16, 1]).view(3, 1, 1))

    counts = torch.zeros(4096, 6)
    seen = (bins(photos).sum(1).flatten(), labels.flatten())
    counts.index_put_(seen, torch.ones(()), accumulate=True)
    looked_up = metrics.segmentation_scores(counts.argmax(1)[bins(x).sum(1)], y, 6)
    judge = weights.load(recipe.scapes_judge(), "scapes_segmenter")
    judged = metrics.segmentation_scores(judge(x).argmax(1), y, 6)
    assert judged.class_iou > 0.8
    assert 0.3 < looked_up.class_iou < judged.class_iou - 0.25


def test_colours_and_classes_are_each_others_inverse(scenes):
    _, labels = scenes
    pictures = paint(labels[:50])
    for k, colour in enumerate(PALETTE.values()):
        at = pictures.movedim(1, -1)[labels[:50] == k]
        torch.testing.assert_close(255 * at, torch.tensor(colour).float().expand_as(at))
    assert torch.equal(nearest_class(pictures), labels[:50])
    torch.manual_seed(0)
    x = torch.rand(2, 3, 8, 8)
    colours = torch.tensor(list(PALETTE.values())) / 255
    gaps = torch.cdist(x.movedim(1, -1).reshape(-1, 3), colours)
    assert torch.equal(nearest_class(x).flatten(), gaps.argmin(1))


def test_what_is_no_scene_is_refused():
    with pytest.raises(ValueError, match="^n: expected an integer from 0"):
        scapes(-1)
    with pytest.raises(ValueError, match="labels: expected classes from 0 to 5, got 0 to 6"):
        paint(torch.tensor([[[0, 6]]]))


# The recipes.


class Scaled(nn.Module):
    """Multiply by one parameter, so that every term has a closed form."""

    def __init__(self, a):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def forward(self, x):
        return self.a * x


def scaled(D=None):
    critics = [nn.Sequential(Scaled(0.5), nn.Flatten(0)) for _ in range(2)]
    return CycleGAN(Scaled(2.0), Scaled(3.0), *critics)


def test_the_terms_of_the_ablations_are_the_halves_of_the_cycle_loss():
    """F05: with G(x) = 2 x and F(y) = 3 y, both cycles multiply by 6."""
    model = scaled()
    model.data_dims = 3, 3
    x, y = torch.ones(4, 1, 1, 1), 2 * torch.ones(4, 1, 1, 1)
    made = model.translate(x, y)
    terms = {
        term: getattr(recipe, term)(model, x, y, *made).item()
        for term in ("forward", "backward", "both_ways", "neither", "truth")
    }
    expected = {"forward": 5, "backward": 10, "both_ways": 15, "neither": 0, "truth": 0 + 5}
    assert terms == pytest.approx(expected)


def test_the_game_with_both_terms_is_the_step_of_the_package():
    """F05, E42."""
    ends = []
    for move in (
        lambda *a: cyclegan.step(*a, lam=recipe.WEIGHT),
        lambda *a: recipe.play(*a, loss=recipe.both_ways),
    ):
        torch.manual_seed(0)
        model = scaled()
        theta = SGD([model.G.a, model.F.a], 0.01)
        phi = SGD([*model.D_X.parameters(), *model.D_Y.parameters()], 0.01)
        for _ in range(3):
            move(model, torch.randn(8, 1), torch.randn(8, 1), theta, phi)
        ends.append(torch.stack([p.detach() for p in model.parameters()]))
    assert torch.equal(*ends)
    start = torch.stack([p.detach() for p in scaled().parameters()])
    assert (ends[0] != start).all()


def test_the_cycle_alone_moves_the_translators_only():
    model = scaled()
    theta = SGD([model.G.a, model.F.a], 1.0)
    phi = SGD([*model.D_X.parameters(), *model.D_Y.parameters()], 1.0)
    x, y = torch.ones(4, 1), 2 * torch.ones(4, 1)
    values = recipe.no_game(model, x, y, theta, phi)
    assert values["cycle"].item() == pytest.approx(15)
    # d/da |a b - 1| (1 + 2) = 3 b
    assert model.G.a.item() == pytest.approx(2 - 9 * recipe.WEIGHT)
    assert model.F.a.item() == pytest.approx(3 - 6 * recipe.WEIGHT)
    assert model.D_X[0].a == 0.5


def test_no_scene_is_in_both_domains(monkeypatch):
    monkeypatch.setattr(recipe, "SCENES", 30)
    monkeypatch.setattr(recipe, "HELD_OUT", 20)
    (first, _), (second, _), (held_out, _) = recipe.scapes_data()
    assert (len(first), len(second), len(held_out)) == (30, 30, 20)
    every = torch.cat([first, second, held_out]).flatten(1)
    assert (torch.cdist(every, every) + torch.eye(80) > 0.5).all()


def test_the_segmentation_network_learns_on_truth_that_it_must_look_around_for():
    """A few steps on one batch: better than the most frequent class, which it is not told."""
    torch.manual_seed(0)
    x, y = scapes(16, torch.Generator().manual_seed(3))
    net = recipe.scapes_judge()
    theta = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(25):
        descend(theta, nn.functional.cross_entropy(net(x), y))
    found = metrics.segmentation_scores(net(x).argmax(1), y, 6).pixel_accuracy
    assert found > y.flatten().bincount().max() / y.numel() + 0.1


@pytest.fixture
def few_scenes(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(recipe, "SCENES", 32)
    monkeypatch.setattr(recipe, "HELD_OUT", 10)


@pytest.mark.parametrize("variant", recipe.SCAPES_VARIANTS)
def test_a_short_run_leaves_weights_cards_and_a_row_for_each_direction(
    variant, tmp_path, few_scenes
):
    Recipe(recipe.scapes, variant=variant)(tmp_path, seed=4, steps=2)
    (path,) = tmp_path.glob("*.csv")
    rows = results.read(path)
    assert [row["direction"] for row in rows] == list(recipe.DIRECTIONS)
    assert {(row["variant"], row["seed"]) for row in rows} == {(variant, 4)}
    G, F = recipe.scapes_translator(), recipe.scapes_translator()
    for part, net in (("G", G), ("F", F)):
        weights.fill(net, path.with_name(f"{path.stem}_{part}.safetensors"))
    judge = weights.load(recipe.scapes_judge(), "scapes_segmenter")
    scores = recipe.scapes_scores(G, F, judge, *recipe.scapes_data()[2])
    for row in rows:
        for key in metrics.Segmentation._fields:
            expected = getattr(scores[row["direction"]], key)
            assert row[key] == pytest.approx(expected, rel=1e-4)
        assert (
            "recipes.scapes.scapes_translator()" in path.with_name(f"{path.stem}_F.md").read_text()
        )


def test_the_sweep_gathers_its_runs(tmp_path):
    runs = recipe.SCAPES.runs(7)
    parts = [tmp_path / f"{name}-{seed}" for name, seed in runs]
    for part, (name, seed) in zip(parts, runs, strict=True):
        part.mkdir()
        rows = [{"run": name, "seed": seed, "direction": d} for d in recipe.DIRECTIONS]
        results.write(part / f"{name}_{seed}.csv", rows)
    recipe.SCAPES.gather(parts, tmp_path, 7)
    rows = results.read(tmp_path / "scapes.csv")
    assert [(row["run"], row["seed"]) for row in rows[::2]] == runs
    assert len(rows) == 36
    assert [*recipe.SCAPES.recipes] == [name for name, seed in runs if seed == 21]


def test_a_short_segmenter_leaves_weights_and_a_card(tmp_path, few_scenes):
    Recipe(recipe.scapes_segmenter, seeded=False)(tmp_path, steps=2)
    weights.fill(recipe.scapes_judge(), tmp_path / "scapes_segmenter.safetensors")
    assert "class_iou" in (tmp_path / "scapes_segmenter.md").read_text()


# What is shipped.


@pytest.fixture(scope="module")
def held_out():
    return recipe.scapes_data()[2]


def test_the_shipped_segmenter_has_the_scores_of_its_card(held_out):
    """I13."""
    judge = weights.load(recipe.scapes_judge(), "scapes_segmenter")
    photos, labels = held_out
    found = torch.cat([judge(part).argmax(1) for part in photos.split(250)])
    scores = metrics.segmentation_scores(found, labels, 6)
    for key, value in scores._asdict().items():
        assert value == pytest.approx(weights.about("scapes_segmenter")[key], abs=1e-3)
    assert scores.class_iou > 0.8


def test_the_shipped_translators_have_the_scores_of_their_rows(held_out):
    """F05, I13."""
    G = weights.load(recipe.scapes_translator(), "scapes_cyclegan_0_G")
    F = weights.load(recipe.scapes_translator(), "scapes_cyclegan_0_F")
    judge = weights.load(recipe.scapes_judge(), "scapes_segmenter")
    found = recipe.scapes_scores(G, F, judge, *held_out)
    for row in results.load("scapes"):
        if (row["variant"], row["seed"]) == ("CycleGAN", 0):
            for key in ("pixel_accuracy", "class_accuracy", "class_iou"):
                assert getattr(found[row["direction"]], key) == pytest.approx(row[key], abs=2e-3)


def test_the_table_has_every_variant_with_three_seeds_in_both_directions():
    runs = [(r["variant"], r["seed"], r["direction"]) for r in results.load("scapes")]
    expected = {
        (v, s, d) for v in recipe.SCAPES_VARIANTS for s in (0, 1, 2) for d in recipe.DIRECTIONS
    }
    assert set(runs) == expected
    assert len(runs) == len(expected)


def test_cyclegan_reaches_sixty_percent_of_the_paired_bound_in_both_directions():
    def mean(variant, direction):
        values = [
            r["class_iou"]
            for r in results.load("scapes")
            if (r["variant"], r["direction"]) == (variant, direction)
        ]
        return sum(values) / len(values)

    for direction in recipe.DIRECTIONS:
        assert 0.6 * mean("paired", direction) <= mean("CycleGAN", direction)
        assert mean("CycleGAN", direction) < mean("paired", direction)
        for less in ("cycle alone", "GAN alone"):
            assert mean(less, direction) < mean("CycleGAN", direction) - 0.05


def test_the_cycle_alone_reads_no_labels_and_sees_no_more_than_colours_tell(held_out):
    """F05: no better than the label map of another scene, or than no translation at all."""
    photos, labels = held_out
    judge = weights.load(recipe.scapes_judge(), "scapes_segmenter")
    idle = recipe.scapes_scores(nn.Identity(), nn.Identity(), judge, photos, labels)
    another = metrics.segmentation_scores(labels.roll(1, 0), labels, 6).class_iou
    alone = {
        direction: [
            row["class_iou"]
            for row in results.load("scapes")
            if (row["variant"], row["direction"]) == ("cycle alone", direction)
        ]
        for direction in recipe.DIRECTIONS
    }
    assert sum(alone["photo to labels"]) / 3 < another
    assert max(alone["labels to photo"]) < idle["labels to photo"].class_iou + 0.1


def test_the_published_tables_are_transcribed_exactly():
    """F05."""
    table = {
        (r["direction"], r["method"]): (r["pixel_accuracy"], r["class_accuracy"], r["class_iou"])
        for r in results.load("published_cyclegan")
    }
    assert table["labels to photo", "CycleGAN"] == (0.52, 0.17, 0.11)
    assert table["labels to photo", "pix2pix"] == (0.71, 0.25, 0.18)
    assert table["labels to photo", "GAN + forward"] == (0.55, 0.18, 0.12)
    assert table["photo to labels", "CycleGAN"] == (0.58, 0.22, 0.16)
    assert table["photo to labels", "GAN + backward"] == (0.01, 0.06, 0.01)
    assert len(table) == 15
