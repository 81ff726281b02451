"""The recipe of InfoGAN on heads, cut short, and what its shipped weights score."""

import importlib

import pytest
import torch
from torch import nn

from gannotes import metrics, results, weights
from gannotes.data import FACTORS, heads, render_heads

infogan_heads = importlib.import_module("gannotes.recipes.infogan_heads")

SHIPPED = 0  # the seed
JUDGE = weights.load(infogan_heads.head_judge(), "heads_judge")


@pytest.fixture
def few_heads(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(infogan_heads, "HEADS", 40)
    monkeypatch.setattr(infogan_heads, "TESTED", 60)
    monkeypatch.setattr(infogan_heads, "FITTED", 2)


def shipped(variant, folder=None):
    """Generator and reader of the first seed."""
    nets = (infogan_heads.head_generator(), infogan_heads.head_reader())
    for part, net in zip(("", "_reader"), nets, strict=True):
        name = f"infogan_heads_{variant}_{SHIPPED}{part}"
        if folder is None:
            weights.load(net, name)
        else:
            weights.fill(net, folder / f"{name}.safetensors")
    return nets


def test_short_runs_leave_weights_cards_and_a_table(tmp_path, few_heads):
    infogan_heads.infogan_heads(tmp_path, seed=0, seeds=1, steps=3)
    rows = results.read(tmp_path / "infogan_heads.csv")
    assert [row["variant"] for row in rows] == ["infogan", "plain"]
    for row in rows:
        for key, value in infogan_heads.head_scores(
            *shipped(row["variant"], tmp_path), JUDGE
        ).items():
            assert row[key] == pytest.approx(value, abs=1e-4)
        for part in ("generator", "reader"):
            stem = f"infogan_heads_{row['variant']}_0{'_reader' * (part == 'reader')}"
            assert f"`recipes.head_{part}()`" in (tmp_path / f"{stem}.md").read_text()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*_0*")}
    infogan_heads.infogan_heads(tmp_path, seed=0, seeds=1, steps=3)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.glob("*_0*")}


def test_a_short_judge_leaves_weights_and_a_card(tmp_path, few_heads):
    infogan_heads.heads_judge(tmp_path, steps=2)
    weights.fill(infogan_heads.head_judge(), tmp_path / "heads_judge.safetensors")
    assert "error of elevation" in (tmp_path / "heads_judge.md").read_text()


def test_pictures_are_blurred_at_first_and_sharp_in_the_end():
    assert infogan_heads.blur(0.0) == infogan_heads.blur(0.35) == infogan_heads.BLUR
    assert infogan_heads.blur(0.55) == pytest.approx(infogan_heads.BLUR / 2)
    assert infogan_heads.blur(0.75) == infogan_heads.blur(1.0) == 0


def test_a_blurred_network_sees_noise_of_the_given_size_and_then_none():
    f = infogan_heads.Blurred(nn.Identity(), 0.5)
    assert f(torch.zeros(50_000)).std().item() == pytest.approx(0.5, rel=0.02)
    f.sd.fill_(0.0)
    assert torch.equal(f(torch.ones(3)), torch.ones(3))


def test_mirrored_heads_have_mirrored_factors(few_heads):
    x, factors = infogan_heads._rendered("cpu")
    assert len(x) == 80
    torch.testing.assert_close(render_heads(factors), x, atol=5e-3, rtol=0)
    scaled = infogan_heads._scaled(torch.tensor(list(FACTORS.values())).T)
    torch.testing.assert_close(scaled, torch.tensor([[-1.0] * 4, [1.0] * 4]))


def test_the_judge_knows_the_factors_of_new_heads_and_an_untrained_one_does_not():
    """On heads of another seed than that of the scores."""
    x, factors = heads(200, torch.Generator().manual_seed(7))
    torch.manual_seed(0)
    for judge, good in ((JUDGE, True), (infogan_heads.head_judge(), False)):
        with torch.no_grad():
            own = metrics.rank_correlation(judge(x), factors).diagonal()
        assert (own.min() > 0.95) == good


@pytest.mark.parametrize("variant", ["infogan", "plain"])
def test_the_shipped_networks_score_what_their_row_says(variant):
    """F04."""
    (row,) = (
        r for r in results.load("infogan_heads") if (r["variant"], r["seed"]) == (variant, SHIPPED)
    )
    for key, value in infogan_heads.head_scores(*shipped(variant), JUDGE).items():
        assert row[key] == pytest.approx(value, abs=5e-3)


def test_azimuth_and_elevation_have_codes_and_without_the_information_they_have_not():
    """F04: in every run, and best in the one whose networks are shipped."""
    rows = results.load("infogan_heads")
    for row in rows:
        worse = min(row["azimuth"], row["elevation"])
        drawn = min(row["drawn_azimuth"], row["drawn_elevation"])
        if row["variant"] == "infogan":
            assert row["azimuth_code"] == row["drawn_azimuth_code"]
            assert row["elevation_code"] == row["drawn_elevation_code"]
            assert row["azimuth_code"] != row["elevation_code"]
            assert drawn > 0.7
            assert worse > (0.89 if row["seed"] == SHIPPED else 0.75)
        else:
            assert max(worse, drawn) < 0.6
    torch.manual_seed(0)
    fresh = infogan_heads.head_generator().eval(), infogan_heads.head_reader()
    scores = infogan_heads.head_scores(*fresh, JUDGE)
    assert min(scores["azimuth"], scores["elevation"]) < 0.8
    assert scores["information_1"] < 0.1
