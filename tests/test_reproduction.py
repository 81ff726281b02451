"""The ledger: its tables, as the committed page shows them, are those of the shipped summaries.

Nothing of `gannotes.ledger` is used here: the tables are read from the page's outputs, and every
number and verdict is computed again from the CSV files and the weights' headers, with numpy and
scipy.
"""

import csv
import json
import math
import re
from functools import cache
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from gannotes import weights
from gannotes.recipes import RECIPES, SWEEPS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "gannotes/results"
NUMBER = re.compile(r"-?[\d.]+")
UP, DOWN = math.inf, -math.inf


@cache
def cells() -> list[dict]:
    return json.loads((ROOT / "book/reproduction.ipynb").read_text(encoding="utf-8"))["cells"]


def tables(heading: str) -> list[list[list[str]]]:
    """The tables in the outputs below a heading: for each, its rows, without the header."""
    found, inside = [], False
    for cell in cells():
        if cell["cell_type"] == "markdown":
            for line in "".join(cell["source"]).splitlines():
                if line.startswith("## "):
                    inside = line == f"## {heading}"
        elif inside:
            for output in cell["outputs"]:
                text = "".join(output.get("data", {}).get("text/markdown", ""))
                for block in re.findall(r"(?:^\|.*\n)+", text + "\n", flags=re.M):
                    rows = [re.split(r" \| ", row[2:-2]) for row in block.splitlines()]
                    found.append(rows[2:])
    assert found, f"no table below {heading}"
    return found


def verdicts(heading: str) -> dict[str, list[str]]:
    """The rows that end in a verdict, by their first entry."""
    rows = [row for table in tables(heading) for row in table if row[-1].startswith("**")]
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0]: row[1:] for row in rows}


def shipped(name: str) -> list[dict]:
    with (RESULTS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def values(rows: list[dict], key: str, **where: str) -> np.ndarray:
    chosen = [row for row in rows if all(row[k] == v for k, v in where.items())]
    return np.array([float(row[key]) for row in chosen])


def unit(text: str) -> float:
    """The unit of the last digit of a printed number."""
    return 10.0 ** -len(text.partition(".")[2])


def check(row: list[str], printed: str, error: str, ours: np.ndarray, sem: float, aim: float):
    """The printed number, our mean and spread, the number of runs and the verdict of one row."""
    mean = ours.mean()
    spread = ours.std(ddof=1) if len(ours) > 1 else sem
    shown = NUMBER.findall(row[0])
    assert float(shown[0]) == float(printed)
    assert len(shown) == (2 if error else 1)
    got = NUMBER.findall(row[1])
    assert float(got[0]) == pytest.approx(mean, abs=0.501 * unit(got[0]))
    if spread:
        assert float(got[1]) == pytest.approx(spread, abs=0.501 * unit(got[1]))
    assert int(row[2]) == len(ours)
    target = float(printed)
    allowed = 2 * math.hypot(float(error) if error else unit(printed) / 2, spread)
    good = {UP: mean > target, DOWN: mean < target}.get(aim)
    if good is None:
        good = not math.isnan(aim) and abs(mean - aim) < abs(target - aim)
    expected = "reproduced" if abs(mean - target) <= allowed else "not reproduced"
    if expected == "not reproduced" and good:
        expected = "better"
    assert row[3] == f"**{expected}**"


def check_order(row: list[str], printed: list[float], runs: np.ndarray):
    """Spearman's coefficient by scipy, and the share of permutations that reach it."""
    rho = stats.spearmanr(printed, runs.mean(0)).statistic
    single = [stats.spearmanr(printed, run).statistic for run in runs]
    a, b = stats.rankdata(printed), stats.rankdata(runs.mean(0))
    a, b = a - a.mean(), b - b.mean()
    chance = np.mean([a @ np.array(p) >= a @ b - 1e-9 for p in permutations(b)])
    assert float(row[0]) == pytest.approx(rho, abs=0.0051)
    assert [float(v) for v in row[1].split(" to ")] == pytest.approx(
        [min(single), max(single)], abs=0.0051
    )
    assert float(row[2]) == pytest.approx(chance, abs=0.00051)
    expected = "same ordering" if chance <= 0.05 else "no clear ordering"
    assert row[3] == f"**{expected if rho > 0 else 'other ordering'}**"


def ledger_rows(table: str) -> list[dict]:
    return [row for row in shipped("published_ledger") if row["table"] == table]


def test_univariate():
    """T03's paper: fits near the starred optimum, and the cross table's order."""
    rows, runs = verdicts("f-GAN: one dimension"), shipped("fgan_univariate")
    stars = {"mu": "mu_star", "sigma": "sigma_star", "F": "exact_star"}
    letters = {"mu": r"\hat\mu", "sigma": r"\hat\sigma", "F": r"\hat F"}
    paper = shipped("published_fgan_univariate")
    for line in paper:
        name = line["divergence"]
        for key, star in stars.items():
            row = rows.pop(f"{name.replace('_', ' ')}, ${letters[key]}$")
            ours = values(runs, key, divergence=name)
            check(row, f"{float(line[key]):.4f}", "", ours, math.nan, float(line[star]))
    fits = [line["divergence"] for line in paper]
    for test in fits:
        ours = np.stack([values(runs, test, divergence=fit) for fit in fits], 1)
        printed = [float(line[test]) for line in paper]
        check_order(rows.pop(f"five fits by {test.replace('_', ' ')}"), printed, ours)
    assert not rows


def test_the_column_of_log_likelihoods():
    """T03."""
    rows, runs = verdicts("f-GAN: the column of log-likelihoods"), shipped("fgan_mnist")
    paper = {line["divergence"]: line for line in shipped("published_fgan_mnist")}
    names = [name for name in paper if name not in ("vae", "training_images")]
    check_order(
        rows.pop("eight divergences"),
        [float(paper[name]["kde"]) for name in names],
        np.stack([values(runs, "kde", divergence=name) for name in names], 1),
    )
    ((_, row),) = rows.items()
    line, ours = paper["training_images"], shipped("kde_references")[-1]
    check(row, line["kde"], line["sem"], np.array([float(ours["kde"])]), float(ours["sem"]), UP)
    first = {row[0]: row for row in tables("f-GAN: the column of log-likelihoods")[0]}
    for name in names:
        found = NUMBER.findall(first[name.replace("_", " ")][2])
        ours = values(runs, "kde", divergence=name)
        assert [float(v) for v in found] == pytest.approx(
            [ours.mean(), ours.std(ddof=1)], abs=0.501
        )


def test_parzen():
    rows, runs = verdicts("GAN: the Parzen number"), shipped("gan_parzen")
    (line,) = ledger_rows("gan_parzen")
    for name in ("GAN", "training images"):
        kde, sem = (values(runs, key, kernels=name) for key in ("kde", "sem"))
        if name == "GAN":
            ours = np.array([kde.mean()])
            check(rows[name], line["value"], line["error"], ours, sem.mean(), UP)
        else:
            assert float(NUMBER.findall(rows[name][1])[0]) == pytest.approx(kde.mean(), abs=0.501)


def test_infogan():
    """The error of the first code as a classifier."""
    rows, runs = verdicts("InfoGAN: a classifier without labels"), shipped("infogan_mnist")
    (line,) = ledger_rows("infogan_mnist")
    for variant, title in {"published": "as published", "redrawn": "with redrawing"}.items():
        ours = 100 * values(runs, "error", variant=variant)
        sem = 100 * stats.bernoulli(ours[0] / 100).std() / math.sqrt(10_000)
        check(rows[f"error of the code, %, {title}"], line["value"], "", ours, sem, DOWN)


def test_cyclegan():
    """F05: each score, in each direction, ranks the variants."""
    heading = "CycleGAN: translation, and its terms one by one"
    rows, runs = verdicts(heading), shipped("scapes")
    paper = shipped("published_cyclegan")
    known = {row["variant"] for row in runs}
    scores = ("pixel_accuracy", "class_accuracy", "class_iou")
    for direction, shown in zip(
        ("labels to photo", "photo to labels"), tables(heading)[:2], strict=True
    ):
        lines = [
            {**line, "method": line["method"].replace("pix2pix", "paired")}
            for line in paper
            if line["direction"] == direction
        ]
        lines = [line for line in lines if line["method"] in known]
        assert [row[0] for row in shown] == [line["method"] for line in lines]
        for i, score in enumerate(scores):
            ours = np.stack(
                [values(runs, score, direction=direction, variant=x["method"]) for x in lines], 1
            )
            name = f"{len(lines)} variants, {direction}, {score.replace('_', ' ')}"
            check_order(rows.pop(name), [float(line[score]) for line in lines], ours)
            for row, line, found in zip(shown, lines, 100 * ours.T, strict=True):
                assert float(row[2 * i + 1]) == pytest.approx(100 * float(line[score]))
                mean, spread = map(float, NUMBER.findall(row[2 * i + 2]))
                assert (mean, spread) == pytest.approx((found.mean(), found.std(ddof=1)), abs=0.51)
    assert not rows


def test_vae_and_avb():
    """T04: the bound, and log p carried from 400 digits to all by the bound of each digit."""
    rows, runs = verdicts("VAE and AVB on MNIST"), shipped("avb_mnist")
    images = shipped("avb_mnist_images")
    for line in shipped("published_avb_mnist"):
        if line["reported_by"] != "mescheder2017":
            assert rows.pop(f"{line['model']}: bound")[1:] == ["-", "0", "**not attempted**"]
            continue
        model = line["model"].lower().replace(" + ", "_")
        (run,) = (r for r in runs if (r["model"], r["k"]) == (model, line["k"]))
        elbo, log_p = (values(images, f"{key}_{model}_{line['k']}") for key in ("elbo", "log_p"))
        bound, sem = float(run["elbo"]), float(run["elbo_sem"])
        estimate = log_p.mean() + bound - elbo.mean()
        error = math.hypot(sem, (log_p - elbo).std(ddof=1) / math.sqrt(len(images)))
        good = UP if line["learnt_ratio"] == "0" else math.nan
        title = f"{line['model']}, {line['k']}-dim"
        printed, by = line["bound"], line["bound_sem"]
        check(rows.pop(f"{title}: bound"), printed, by, np.array([bound]), sem, good)
        row = rows.pop(rf"{title}: $\log p$")
        check(row, line["log_p"], line["log_p_sem"], np.array([estimate]), error, UP)
    for run in shipped("vae_mnist_refined"):
        (line,) = (
            r for r in shipped("published_avb_mnist") if (r["model"], r["k"]) == ("VAE", run["k"])
        )
        row = rows.pop(f"VAE, {run['k']}-dim, with learnt steps: bound")
        ours, sem = np.array([float(run["elbo"])]), float(run["elbo_sem"])
        check(row, line["bound"], line["bound_sem"], ours, sem, UP)
    assert not rows


def test_four_points():
    rows, runs = list(verdicts("AVB: four points").values()), shipped("four_points")
    lines = ledger_rows("four_points")
    assert len(rows) == len(lines)
    for row, line in zip(rows, lines, strict=True):
        key = line["quantity"]
        ours = values(runs, key, model=line["model"].lower())
        ours = ours / (4 if key == "reconstruction" else 1)  # pixels
        aim = UP if key in ("log_p", "elbo") else DOWN
        check(row, line["value"], "", ours, math.nan, aim)


@pytest.mark.parametrize("table", ["ring", "grid"])
def test_modes(table):
    rows, runs = verdicts("Modes: the ring and the grid"), shipped("ali_grid")
    tried = {"ring": "GAN", "grid": "ALI"}[table]
    for line in ledger_rows(table):
        captured = line["quantity"] == "captured"
        what = "modes" if captured else "high quality, %"
        if line["model"] != tried:
            assert rows[f"{line['model']} ({table}): {what}"][1:] == ["-", "0", "**not attempted**"]
            continue
        for title, name in (("plain", "plain"), ("remedies", "")):
            if table == "ring":
                key = "modes captured, replica by replica" if captured else "high-quality share"
                ours = np.array(weights.about(f"ring_{name}".strip("_"))[key])
            else:
                ours = values(runs, line["quantity"], variant=f"ali_grid_{name}".strip("_"))
            row = rows[f"{tried} ({table}), {title}: {what}"]
            check(row, line["value"], "", ours * (1 if captured else 100), math.nan, UP)


def test_bigan():
    rows, (run,) = verdicts("BiGAN: the nearest neighbour in the code"), shipped("ali_mnist")
    for line in ledger_rows("bigan"):
        name = "features" if line["quantity"] == "nn_features" else "code"
        row = rows[f"{line['model']}, {name}, %"]
        if line["model"] != "BiGAN":
            assert row[1:] == ["-", "0", "**not attempted**"]
            continue
        share = float(run[line["quantity"]])
        sem = 100 * stats.bernoulli(share).std() / math.sqrt(10_000)
        check(row, line["value"], "", np.array([100 * share]), sem, UP)


def test_iwae():
    rows = verdicts("IWAE: one, five and fifty importance samples")
    runs = {f"k = {run['k']}, dynamic": run for run in shipped("iwae_mnist")}
    for line in ledger_rows("iwae"):
        row, run = rows[line["model"]], runs.get(line["model"])
        if run is None:
            assert row == [line["value"], "-", "0", "**not attempted**"]
        else:
            ours = np.array([float(run["nll"])])
            check(row, line["value"], "", ours, float(run["nll_sem"]), DOWN)


def test_the_panels_are_those_of_the_cards():
    for name, row in verdicts("VAE: how many dimensions").items():
        bound = weights.about(f"vae_mnist_{name.split()[0]}_0")["ELBO, test, nats"]
        assert float(row[1]) == pytest.approx(bound, abs=0.051)


def test_the_balance_counts_every_verdict():
    rows = [row[-1].strip("*") for h in HEADINGS for row in verdicts(h).values()]
    *_, (name, total, _) = tables("The balance")[0]
    assert name == "**all**"
    counted = {kind: int(n) for n, kind in re.findall(r"(\d+) ([a-z ]+)", total)}
    assert counted == {kind: rows.count(kind) for kind in set(rows)}


def test_every_published_table_has_a_source_and_every_number_a_place_on_the_page():
    names = {row["table"] for row in shipped("published_tables")}
    files = {p.stem.removeprefix("published_") for p in RESULTS.glob("published_*.csv")}
    assert files - {"tables", "ledger"} <= names
    assert {row["table"] for row in shipped("published_ledger")} <= names
    assert all(row["source"] and row["protocol"] for row in shipped("published_tables"))


def test_the_commands_of_the_page_exist():
    words = "\n".join("".join(c["source"]) for c in cells() if c["cell_type"] == "markdown")
    commands = set(re.findall(r"python -m gannotes run (\w+)", words))
    assert len(commands) > 8
    assert commands <= {*RECIPES, *SWEEPS}


HEADINGS = [
    line.removeprefix("## ")
    for cell in json.loads((ROOT / "book/reproduction.ipynb").read_text(encoding="utf-8"))["cells"]
    if cell["cell_type"] == "markdown"
    for line in "".join(cell["source"]).splitlines()
    if re.match(r"## (?!The rule|The balance|In short|Exercises|In the package)", line)
]
