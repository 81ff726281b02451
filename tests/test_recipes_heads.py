"""The recipe of InfoGAN on heads, cut short, and what its shipped weights score."""

import pytest
import torch

from gannotes import metrics, results, weights
from gannotes.data import FACTORS, heads, render_heads
from gannotes.distributions import codes, standard_normal
from gannotes.models.infogan import InfoGAN
from gannotes.nets import critic
from gannotes.recipes import RECIPES, SWEEPS
from gannotes.recipes import heads as recipe_of_heads

SHIPPED = 0  # the seed
JUDGE = weights.load(recipe_of_heads.head_judge(), "heads_judge")


@pytest.fixture
def few_heads(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(recipe_of_heads, "HEADS", 40)
    monkeypatch.setattr(recipe_of_heads, "TESTED", 60)
    monkeypatch.setattr(recipe_of_heads, "FITTED", 2)


def shipped(variant, folder=None):
    """Generator and reader of the first seed."""
    nets = (recipe_of_heads.head_generator(), recipe_of_heads.head_reader())
    for part, net in zip(("", "_reader"), nets, strict=True):
        name = f"infogan_heads_{variant}_{SHIPPED}{part}"
        if folder is None:
            weights.load(net, name)
        else:
            weights.fill(net, folder / f"{name}.safetensors")
    return nets


def test_short_runs_leave_weights_cards_and_a_table(tmp_path, few_heads):
    sweep = recipe_of_heads.INFOGAN_HEADS._replace(seeds=1)
    for name, seed in sweep.runs(SHIPPED):
        RECIPES[name](tmp_path, seed, steps=3)
    sweep.gather([tmp_path] * 2, tmp_path, SHIPPED)
    rows = results.read(tmp_path / "infogan_heads.csv")
    assert [row["variant"] for row in rows] == ["blurred", "plain"]
    for row in rows:
        pair = shipped(row["variant"], tmp_path)
        for key, value in recipe_of_heads.head_scores(*pair, JUDGE).items():
            assert row[key] == pytest.approx(value, abs=1e-4)
        for part in ("generator", "reader"):
            stem = f"infogan_heads_{row['variant']}_0{'_reader' * (part == 'reader')}"
            assert f"`recipes.heads.head_{part}()`" in (tmp_path / f"{stem}.md").read_text()


def test_a_short_judge_leaves_weights_and_a_card(tmp_path, few_heads):
    RECIPES["heads_judge"](tmp_path, steps=2)
    weights.fill(recipe_of_heads.head_judge(), tmp_path / "heads_judge.safetensors")
    assert "error of elevation" in (tmp_path / "heads_judge.md").read_text()


def test_the_critic_sees_blurred_pictures_at_first_and_sharp_ones_in_the_end():
    assert recipe_of_heads.blur(0.0) == recipe_of_heads.blur(0.2) == recipe_of_heads.BLUR
    assert recipe_of_heads.blur(0.35) == pytest.approx(recipe_of_heads.BLUR / 2)
    assert recipe_of_heads.blur(0.5) == recipe_of_heads.blur(1.0) == 0


def test_without_noise_the_objectives_are_those_of_the_model(monkeypatch):
    """E32, E33: the value does not depend on the blur of the code, which is another pass."""
    monkeypatch.setattr(recipe_of_heads, "BLUR", 0.0)
    torch.manual_seed(0)
    G, reader = recipe_of_heads.head_generator().eval(), recipe_of_heads.head_reader()
    p_c = codes(continuous=recipe_of_heads.CODES)
    model = InfoGAN(
        G,
        reader[0],
        critic(64),
        reader[1],
        standard_normal(recipe_of_heads.NOISE),
        p_c,
        data_dims=3,
    )
    x, _ = heads(20, torch.Generator().manual_seed(0))
    for flip in (False, True):
        torch.manual_seed(1)
        value, information = recipe_of_heads.blurred_objectives(model, x, 0.0, flip)
        torch.manual_seed(1)
        wanted = model.objectives(x, flip)
        torch.testing.assert_close(value, wanted[0])
        torch.testing.assert_close(information, wanted[1])


def test_mirrored_heads_have_mirrored_factors(few_heads):
    x, factors = recipe_of_heads._rendered("cpu")
    assert len(x) == 80
    torch.testing.assert_close(render_heads(factors), x, atol=5e-3, rtol=0)
    scaled = recipe_of_heads._scaled(torch.tensor(list(FACTORS.values())).T)
    torch.testing.assert_close(scaled, torch.tensor([[-1.0] * 4, [1.0] * 4]))


def test_the_judge_knows_the_factors_of_new_heads_and_an_untrained_one_does_not():
    """On heads of another seed than that of the scores."""
    x, factors = heads(200, torch.Generator().manual_seed(7))
    torch.manual_seed(0)
    for judge, good in ((JUDGE, True), (recipe_of_heads.head_judge(), False)):
        with torch.no_grad():
            own = metrics.rank_correlation(judge(x), factors).diagonal()
        assert (own.min() > 0.95) == good


@pytest.mark.parametrize("variant", ["blurred", "plain"])
def test_the_shipped_networks_score_what_their_row_says(variant):
    """F04."""
    (row,) = (
        r for r in results.load("infogan_heads") if (r["variant"], r["seed"]) == (variant, SHIPPED)
    )
    for key, value in recipe_of_heads.head_scores(*shipped(variant), JUDGE).items():
        assert row[key] == pytest.approx(value, abs=5e-3)


def test_azimuth_and_elevation_have_codes_and_without_the_information_they_have_not():
    """F04: read from rendered heads, and in heads that are drawn."""
    rows = results.load("infogan_heads")
    found = [(f"infogan_heads_{r['variant']}", r["seed"]) for r in rows]
    assert sorted(found) == sorted(SWEEPS["infogan_heads"].runs())
    worse = {"blurred": [], "plain": []}
    for row in rows:
        read = min(row["azimuth"], row["elevation"])
        drawn = min(row["drawn_azimuth"], row["drawn_elevation"])
        worse[row["variant"]].append(min(read, drawn))
        if row["variant"] == "blurred":
            assert row["azimuth_code"] == row["drawn_azimuth_code"]
            assert row["elevation_code"] == row["drawn_elevation_code"]
            assert row["azimuth_code"] != row["elevation_code"]
    assert min(worse["blurred"]) > 0.9
    assert max(worse["plain"]) < min(worse["blurred"]) - 0.05
    assert sum(worse["plain"]) / 3 < 0.8
    torch.manual_seed(0)
    fresh = recipe_of_heads.head_generator().eval(), recipe_of_heads.head_reader()
    scores = recipe_of_heads.head_scores(*fresh, JUDGE)
    assert min(scores["azimuth"], scores["elevation"]) < 0.8
    assert scores["information_1"] < 0.1
