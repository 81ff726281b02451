r"""The ledger: what papers print beside what the package's own runs found, and a verdict on each.

A published number comes with an error :math:`s`: the one that is printed, or half a unit of its
last digit where none is. Ours comes with the standard deviation :math:`s'` over independent runs,
or, where there is one run, with the standard error over test images. Then a number counts as

.. math::

    \text{reproduced:} \quad |\text{ours} - \text{published}| \le 2 \sqrt{s^2 + s'^2} .

Where numbers cannot agree, as in a miniature, orders can. The rows are ranked, and Spearman's rank
correlation :math:`\rho` of the two orders decides,

.. math::

    \text{same ordering:} \quad \Pr_\pi\big(\rho_\pi \ge \rho\big) \le \tfrac{1}{20} ,

with :math:`\pi` a random permutation of the rows, all of them enumerated.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import permutations
from typing import Any, NamedTuple

import torch

from gannotes import metrics, results, weights

Row = dict[str, Any]
HEADER = ["", "published", "ours", "runs", "verdict"]
NONE = (math.nan, 0.0, 1.0)  # no number is published
KINDS = (
    *("reproduced", "better", "not reproduced"),
    *("same ordering", "no clear ordering", "other ordering"),
    *("no number published", "not attempted"),
)


class Entry(NamedTuple):
    """A published number and ours."""

    what: str
    published: float
    error: float  # as printed; 0: none is
    unit: float  # of the last printed digit
    ours: list[float]  # a value for each run; none: not attempted
    sem: float  # of a single run
    aim: float  # inf: up is good, -inf: down, a number: nearer to it, nan: no side is good


class Order(NamedTuple):
    """A published order of rows and ours."""

    what: str
    published: list[float]
    ours: list[list[float]]  # for each run, the rows' values


class Section(NamedTuple):
    """What a section of the ledger shows."""

    rows: list[Entry | Order]
    minutes: list[float]  # of the runs that recorded them
    runs: int  # of which they are
    digits: int = 2  # of our numbers
    more: str = ""  # a table beside, in Markdown

    @property
    def spent(self) -> float:
        """Minutes of one core, estimated from the runs that recorded them."""
        return sum(self.minutes) * self.runs / max(len(self.minutes), 1)


def spread(entry: Entry) -> float:
    """:math:`s'`, over runs, or the standard error of the only one.

    Slide: beyond the deck (the ledger).
    """
    return statistics.stdev(entry.ours) if len(entry.ours) > 1 else entry.sem


def joint(entry: Entry) -> float:
    r"""The joint spread, :math:`\sigma = \sqrt{s^2 + s'^2}`.

    Slide: beyond the deck (the ledger).

    Example:
        >>> joint(Entry("", 2.0, 0.3, 0.1, [1.0], 0.4, math.inf))
        0.5
    """
    return math.hypot(entry.error or entry.unit / 2, spread(entry))


def gain(entry: Entry) -> float:
    """How far ours is on the good side of the published number; NaN where no side is good.

    Slide: beyond the deck (the ledger).

    Example:
        >>> gain(Entry("", 2.0, 0.3, 0.1, [1.0], 0.4, -math.inf))
        1.0
    """
    ours = statistics.fmean(entry.ours)
    if math.isinf(entry.aim):
        return math.copysign(1, entry.aim) * (ours - entry.published)
    return abs(entry.published - entry.aim) - abs(ours - entry.aim)


def means(order: Order) -> list[float]:
    """Our rows, each averaged over the runs.

    Slide: beyond the deck (the ledger).
    """
    return [statistics.fmean(column) for column in zip(*order.ours, strict=True)]


def rho(order: Order, run: Sequence[float] | None = None) -> float:
    r"""Spearman's :math:`\rho` of the published rows and ours, or those of one run.

    Slide: beyond the deck (the ledger).

    Example:
        >>> round(rho(Order("", [1, 2, 3], [[5.0, 6.0, 9.0]])), 6)
        1.0
    """
    ours = means(order) if run is None else run
    a, b = (torch.tensor(v, dtype=torch.float64)[:, None] for v in (order.published, ours))
    return metrics.rank_correlation(a, b).item()


def chance(order: Order) -> float:
    r""":math:`\Pr_\pi(\rho_\pi \ge \rho)`, the share of all permutations that agree as well.

    Slide: beyond the deck (the ledger).

    Example:
        >>> chance(Order("", [1, 2, 3, 4], [[5.0, 6.0, 9.0, 7.0]]))  # 4 of 24
        0.16666666666666666
    """
    ranks = (torch.tensor(v, dtype=torch.float64) for v in (order.published, means(order)))
    a, b = (_centred(rank) for rank in ranks)
    found = torch.tensor(list(permutations(b.tolist())), dtype=torch.float64) @ a
    return (found >= a @ b - 1e-9).double().mean().item()


def _centred(values: torch.Tensor) -> torch.Tensor:
    """Twice the ranks, ties shared, less their mean."""
    gaps = values[:, None] - values
    return (gaps > 0).double().sum(1) + (gaps >= 0).double().sum(1) - len(values)


def verdict(row: Entry | Order) -> str:
    """One of `KINDS`.

    Slide: beyond the deck (the ledger).

    Example:
        >>> verdict(Entry("", 2.0, 0.3, 0.1, [1.0], 0.4, math.inf))
        'reproduced'
        >>> verdict(Order("", [1, 2, 3], [[1.0, 2.0, 3.0]]))
        'no clear ordering'
    """
    if isinstance(row, Order):
        found = "same ordering" if chance(row) <= 1 / 20 else "no clear ordering"
        return found if rho(row) > 0 else "other ordering"
    if not row.ours:
        return "not attempted"
    if math.isnan(row.published):
        return "no number published"
    off = abs(statistics.fmean(row.ours) - row.published)
    if off <= 2 * joint(row):
        return "reproduced"
    return "better" if gain(row) > 0 else "not reproduced"


# What a page shows.


def markdown(name: str, section: Section) -> str:
    """A section's tables: where the numbers stand, each row with its verdict, and the cost.

    Rows that were not attempted stand in a fold.

    Slide: beyond the deck (the ledger).

    Args:
        name: a key of `tables()`.
        section: what is there.
    """
    (source,) = (row for row in results.load("published_tables") if row["table"] == name)
    text = f"*Published*: {source['place']}. *Protocol*: {source['protocol']}. "
    text += f"*Source*: {source['source']}.\n\n{section.more}"
    every = [_line(row, section.digits) for row in section.rows if isinstance(row, Entry)]
    later = [line for line in every if line[-1] == "**not attempted**"]
    entries = [line for line in every if line not in later]
    orders = [_order(row) for row in section.rows if isinstance(row, Order)]
    if entries:
        text += "\n" + lines(HEADER, entries)
    if orders:
        header = ["order of the rows", r"$\rho$", "of single runs", "chance", "verdict"]
        text += "\n" + lines(header, orders)
    if later:
        summary = f"{len(later)} rows of the published table that were not attempted"
        text += f"\n<details><summary>{summary}</summary>\n\n{lines(HEADER, later)}\n</details>\n"
    if section.minutes:
        few, runs = len(section.minutes), section.runs
        text += f"\n*Compute*: {section.spent:.1f} minutes of one core"
        known = f", estimated from the {few} of {runs} runs that recorded it"
        text += (known if few < runs else "") + "."
    return text


def balance(sections: Mapping[str, Section]) -> str:
    """All sections by verdict, and what they cost, in Markdown.

    Slide: beyond the deck (the ledger).

    Args:
        sections: what `tables` returns.
    """
    found = {name: [verdict(row) for row in part.rows] for name, part in sections.items()}
    body = [
        [TITLES[name], tally(kinds), f"{sections[name].spent:.0f}"] for name, kinds in found.items()
    ]
    every = [kind for kinds in found.values() for kind in kinds]
    spent = sum(part.spent for part in sections.values())
    return lines(["", "rows", "minutes"], [*body, ["**all**", tally(every), f"{spent:.0f}"]])


def tally(verdicts: Sequence[str]) -> str:
    """How many there are of each kind.

    Slide: beyond the deck (the ledger).

    Example:
        >>> tally(["better", "reproduced", "better"])
        '1 reproduced, 2 better'
    """
    return ", ".join(f"{verdicts.count(kind)} {kind}" for kind in KINDS if kind in verdicts)


def lines(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A table in Markdown.

    Slide: beyond the deck (the ledger).
    """
    rows = [header, ["---"] * len(header), *body]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def number(value: float, error: float, digits: int) -> str:
    """A number with its error, where it has one.

    Slide: beyond the deck (the ledger).

    Example:
        >>> number(2.345, 0.12, 1), number(2.345, 0.0, 2)
        ('2.3 ± 0.1', '2.35')
    """
    return f"{value:.{digits}f}" + (f" ± {error:.{digits}f}" if error else "")


def _line(row: Entry, digits: int) -> list[str]:
    exact = max(0, round(-math.log10(row.unit)))
    printed = "-" if math.isnan(row.published) else number(row.published, row.error, exact)
    ours = number(statistics.fmean(row.ours), spread(row), digits) if row.ours else "-"
    return [row.what, printed, ours, str(len(row.ours)), f"**{verdict(row)}**"]


def _order(row: Order) -> list[str]:
    each = [rho(row, run) for run in row.ours]
    single = f"{min(each):.2f} to {max(each):.2f}"
    return [row.what, f"{rho(row):.2f}", single, f"{chance(row):.3f}", f"**{verdict(row)}**"]


# The sections.


def tables() -> dict[str, Section]:
    """All sections of the ledger, in the order of the page, from the shipped tables and weights.

    Slide: beyond the deck (the ledger).
    """
    return {name: make() for name, make in _SECTIONS.items()}


def _table(name: str) -> list[Row]:
    return [dict(row) for row in results.load(name)]


def _published(table: str) -> list[tuple[str, str, tuple[float, float, float]]]:
    """Model, quantity, and the number with its error and unit."""
    rows = [row for row in _table("published_ledger") if row["table"] == table]
    return [(r["model"], r["quantity"], (r["value"], r["error"] or 0.0, r["unit"])) for r in rows]


def _minutes(*names: str) -> list[float]:
    """What the runs behind shipped weights took."""
    return [weights.about(name)["minutes"] for name in names]


def _fgan_univariate() -> Section:
    letters = {"mu": r"$\hat\mu$", "sigma": r"$\hat\sigma$", "F": r"$\hat F$"}
    stars = {"mu": "mu_star", "sigma": "sigma_star", "F": "exact_star"}
    paper = _table("published_fgan_univariate")
    runs = _table("fgan_univariate")
    fits = {f: [r for r in runs if r["divergence"] == f] for f in (r["divergence"] for r in paper)}
    rows: list[Entry | Order] = []
    for row in paper:
        for key, letter in letters.items():
            what = f"{row['divergence'].replace('_', ' ')}, {letter}"
            ours = [run[key] for run in fits[row["divergence"]]]
            rows.append(Entry(what, row[key], 0.0, 1e-4, ours, math.nan, row[stars[key]]))
    for test in fits:
        single = [[run[test] for run in one] for one in zip(*fits.values(), strict=True)]
        what = f"five fits by {test.replace('_', ' ')}"
        rows.append(Order(what, [row[test] for row in paper], single))
    return Section(rows, [runs[0]["minutes"]], 1, 3)


def _fgan_mnist() -> Section:
    column = {r["divergence"]: r for r in _table("published_fgan_mnist")}
    runs = _table("fgan_mnist")
    names = [name for name in column if name not in ("vae", "training_images")]
    seeds = sorted({run["seed"] for run in runs})
    nats = {(run["divergence"], run["seed"]): run["kde"] for run in runs}
    theirs, ours = column["training_images"], _table("kde_references")[-1]
    what = f"training images (ours {ours['samples']:,.0f})"
    images = Entry(what, theirs["kde"], theirs["sem"], 1, [ours["kde"]], ours["sem"], math.inf)
    single = [[nats[name, seed] for name in names] for seed in seeds]
    order = Order("eight divergences", [column[name]["kde"] for name in names], single)
    table = []
    for name in names:
        found = [nats[name, seed] for seed in seeds]
        shown = number(statistics.fmean(found), statistics.stdev(found), 0)
        published = number(column[name]["kde"], column[name]["sem"], 0)
        table.append([name.replace("_", " "), published, shown])
    vaes = [row["kde"] for row in _table("vae_kde")]
    shown = f"{min(vaes):.0f} to {max(vaes):.0f}, by latent dimension"
    table.append(["VAE", number(column["vae"]["kde"], column["vae"]["sem"], 0), shown])
    more = lines(["log-likelihood by kernels, nats", "published", "ours"], table)
    minutes = _minutes(*(f"fgan_mnist_{name}_0" for name in names))
    return Section([images, order], minutes, len(names) * len(seeds), 0, more)


def _gan_parzen() -> Section:
    runs = _table("gan_parzen")
    ((model, _, value),) = _published("gan_parzen")
    rows: list[Entry | Order] = []
    for name, what, printed, aim in (
        ("GAN", model, value, math.inf),
        ("training images", "training images", NONE, math.nan),
    ):
        kde, sem = (
            statistics.fmean(run[key] for run in runs if run["kernels"] == name)
            for key in ("kde", "sem")
        )
        rows.append(Entry(what, *printed, [kde], sem, aim))
    return Section(rows, _minutes("mnist_gan_plain"), 1, 0)


def _infogan_mnist() -> Section:
    runs = _table("infogan_mnist")
    ((_, _, value),) = _published("infogan_mnist")
    titles = {"published": "as published", "redrawn": "with redrawing", "plain": "plain GAN"}
    rows: list[Entry | Order] = []
    each = []
    for variant, title in titles.items():
        errors = [100 * run["error"] for run in runs if run["variant"] == variant]
        known = [run["information_1"] for run in runs if run["variant"] == variant]
        shown = ", ".join(f"{e:.1f}" for e in errors)
        each.append([title, shown, ", ".join(f"{nats:.2f}" for nats in known)])
        if variant != "plain":
            what = f"error of the code, %, {title}"
            rows.append(Entry(what, *value, errors, _share_error(errors[0]), -math.inf))
    more = lines(["every run", "error, %", "information in the code, nats"], each)
    return Section(rows, [run["minutes"] for run in runs], len(runs), 1, more)


def _cyclegan() -> Section:
    paper = _table("published_cyclegan")
    runs = _table("scapes")
    scores = ("pixel_accuracy", "class_accuracy", "class_iou")
    seeds = sorted({run["seed"] for run in runs})
    alias = {"pix2pix": "paired"}
    ours = {(run["direction"], run["variant"], run["seed"]): run for run in runs}
    theirs = {(row["direction"], alias.get(row["method"], row["method"])): row for row in paper}
    rows: list[Entry | Order] = []
    more = ""
    for way in ("labels to photo", "photo to labels"):
        variants = [v for d, v in theirs if d == way and (d, v, seeds[0]) in ours]
        body: list[list[str]] = []
        for variant in variants:
            body.append([str(variant)])
            for score in scores:
                found = [100 * ours[way, variant, seed][score] for seed in seeds]
                body[-1].append(f"{100 * theirs[way, variant][score]:.0f}")
                body[-1].append(number(statistics.fmean(found), statistics.stdev(found), 0))
        header = [f"{way}, %", "pixels", "ours", "classes", "ours", "IoU", "ours"]
        more += lines(header, body) + "\n"
        for score in scores:
            what = f"{len(variants)} variants, {way}, {score.replace('_', ' ')}"
            single = [[ours[way, v, seed][score] for v in variants] for seed in seeds]
            rows.append(Order(what, [theirs[way, v][score] for v in variants], single))
    tried = {*alias, *(run["variant"] for run in runs)}
    others = [row["method"] for row in paper if row["method"] not in tried]
    more += f"Not attempted, other models: {', '.join(others)}.\n"
    minutes = [run["minutes"] for run in runs if run["direction"] == "labels to photo"]
    return Section(rows, minutes, len(minutes), 2, more)


def _avb_mnist() -> Section:
    paper = _table("published_avb_mnist")
    runs = _table("avb_mnist")
    refined = _table("vae_mnist_refined")
    ours = {(run["model"], run["k"]): run for run in runs}
    keys = {"VAE": "vae", "AVB": "avb", "AVB + AC": "avb_ac"}
    rows: list[Entry | Order] = []
    for row in paper:
        run = ours.get((keys.get(row["model"], ""), row["k"]))
        name = f"{row['model']}, {row['k']:.0f}-dim" if row["k"] else row["model"]
        bound, log_p = ((row[key], row[f"{key}_sem"], 0.1) for key in ("bound", "log_p"))
        if run is None:
            rows.append(Entry(f"{name}: bound", row["bound"], 0.0, 0.1, [], 0, 0))
            continue
        good = math.nan if row["learnt_ratio"] else math.inf
        rows.append(Entry(f"{name}: bound", *bound, [run["elbo"]], run["elbo_sem"], good))
        rows.append(Entry(rf"{name}: $\log p$", *log_p, *_carried(run), math.inf))
    for run in refined:
        (row,) = (row for row in paper if (row["model"], row["k"]) == ("VAE", run["k"]))
        what = f"VAE, {run['k']:.0f}-dim, with learnt steps: bound"
        bound = row["bound"], row["bound_sem"], 0.1
        rows.append(Entry(what, *bound, [run["elbo"]], run["elbo_sem"], math.inf))
    minutes = [run["minutes"] for run in (*runs, *refined)]
    return Section(rows, minutes, len(minutes), 1)


def _carried(run: Row) -> tuple[list[float], float]:
    """Log p of all test digits from the annealed ones, by the bound of each digit; its error."""
    name = f"{run['model']}_{run['k']:.0f}"
    images = _table("avb_mnist_images")
    rest = [image[f"log_p_{name}"] - image[f"elbo_{name}"] for image in images]
    error = math.hypot(run["elbo_sem"], statistics.stdev(rest) / math.sqrt(len(rest)))
    return [run["elbo"] + statistics.fmean(rest)], error


def _four_points() -> Section:
    names = {
        "log_p": (r"$\log p_\theta(x)$", math.inf, 1),
        "reconstruction": ("reconstruction error", -math.inf, 4),  # the table's is of four pixels
        "elbo": ("bound", math.inf, 1),
        "kl_aggregate": (r"KL$(q_\phi(z), p_0)$", -math.inf, 1),
    }
    runs = _table("four_points")
    rows: list[Entry | Order] = []
    for model, key, value in _published("four_points"):
        title, aim, pixels = names[key]
        found = [run[key] / pixels for run in runs if run["model"] == model.lower()]
        rows.append(Entry(f"{model}: {title}", *value, found, math.nan, aim))
    return Section(rows, _minutes("four_points_avb"), 1, 4)


def _modes(table: str, ours: dict[str, dict[str, dict[str, list[float]]]]) -> list[Entry | Order]:
    rows: list[Entry | Order] = []
    for model, key, value in _published(table):
        unit = "modes" if key == "captured" else "high quality, %"
        for title, found in ours.get(model, {"": {}}).items():
            what = f"{model} ({table}){title}: {unit}"
            rows.append(Entry(what, *value, found.get(key, []), math.nan, math.inf))
    return rows


def _ring() -> Section:
    def found(name: str) -> dict[str, list[float]]:
        scores = weights.about(name)
        quality = [100 * share for share in scores["high-quality share"]]
        captured = scores["modes captured, replica by replica"]
        return {"captured": captured, "high_quality": quality}

    ours = {", plain": found("ring_plain"), ", remedies": found("ring")}
    return Section(_modes("ring", {"GAN": ours}), _minutes("ring_plain", "ring"), 2, 1)


def _grid() -> Section:
    runs = _table("ali_grid")

    def found(variant: str) -> dict[str, list[float]]:
        own = [run for run in runs if run["variant"] == variant]
        quality = [100 * run["high_quality"] for run in own]
        return {"captured": [run["captured"] for run in own], "high_quality": quality}

    ours = {", plain": found("ali_grid_plain"), ", remedies": found("ali_grid")}
    return Section(_modes("grid", {"ALI": ours}), _minutes("ali_grid_plain", "ali_grid"), 2, 1)


def _bigan() -> Section:
    (run,) = _table("ali_mnist")
    baselines = _table("ali_mnist_baselines")
    (pixels,) = (100 * row["nn"] for row in baselines if row["representation"] == "pixels")
    layers = {"nn_features": "features", "nn_code": "code"}
    rows: list[Entry | Order] = []
    for model, key, value in _published("bigan"):
        share = 100 * run[key]
        found = [share] if model == "BiGAN" else []
        what = f"{model}, {layers[key]}, %"
        rows.append(Entry(what, *value, found, _share_error(share), math.inf))
    rows.append(Entry("pixels, %", *NONE, [pixels], _share_error(pixels), math.nan))
    return Section(rows, [run["minutes"]], 1, 2)


def _share_error(percent: float, digits: int = 10_000) -> float:
    """The standard error of a share of the test digits, all in percent."""
    return math.sqrt(percent * (100 - percent) / digits)


def _iwae() -> Section:
    runs = {f"k = {r['k']:.0f}, dynamic": r for r in _table("iwae_mnist")}
    rows: list[Entry | Order] = []
    for model, _, value in _published("iwae"):
        run = runs.get(model)
        found, sem = ([run["nll"]], run["nll_sem"]) if run else ([], math.nan)
        rows.append(Entry(model, *value, found, sem, -math.inf))
    return Section(rows, [run["minutes"] for run in runs.values()], len(runs))


def _vae_panels() -> Section:
    names = [f"vae_mnist_{row['k']:.0f}_0" for row in _table("vae_kde")]
    rows: list[Entry | Order] = []
    for about in map(weights.about, names):
        what, bound = f"{about['k']} dimensions: bound", float(about["ELBO, test, nats"])
        rows.append(Entry(what, *NONE, [bound], 0.0, math.nan))
    return Section(rows, _minutes(*names), len(names), 1)


_SECTIONS: dict[str, Callable[[], Section]] = {
    "fgan_univariate": _fgan_univariate,
    "fgan_mnist": _fgan_mnist,
    "gan_parzen": _gan_parzen,
    "infogan_mnist": _infogan_mnist,
    "cyclegan": _cyclegan,
    "avb_mnist": _avb_mnist,
    "four_points": _four_points,
    "ring": _ring,
    "grid": _grid,
    "bigan": _bigan,
    "iwae": _iwae,
    "vae_panels": _vae_panels,
}

TITLES = {  # in the balance
    "fgan_univariate": "f-GAN, one dimension",
    "fgan_mnist": "f-GAN, MNIST",
    "gan_parzen": "GAN, Parzen",
    "infogan_mnist": "InfoGAN, MNIST",
    "cyclegan": "CycleGAN, in miniature",
    "avb_mnist": "VAE and AVB, MNIST",
    "four_points": "AVB, four points",
    "ring": "GAN, ring of 8",
    "grid": "ALI, grid of 25",
    "bigan": "BiGAN, MNIST",
    "iwae": "IWAE, MNIST",
    "vae_panels": "VAE, latent sizes",
}
