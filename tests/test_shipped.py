"""Every file of weights is what its name, its header and its row say, and none is its sibling's.

Two files are siblings if a network of one takes the weights of the other: exchanged, they would
load. So each is judged by the numbers of its own header, and must not satisfy its sibling's.
"""

import ast
import functools
import itertools
import re
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
import torch
from safetensors.torch import load_file, save_file

from gannotes import manifest, metrics, nets, results, weights
from gannotes.data import ring
from gannotes.distributions import adaptive, codes, corners, standard_normal
from gannotes.recipes import (
    RECIPES,
    contest,
    digit_outlines,
    fgan,
    gan,
    heads,
    infogan,
    protocols,
    scapes,
    summary,
)
from gannotes.recipes.avb import digit_avb
from gannotes.recipes.vae import digit_vae

ROOT = Path(__file__).resolve().parent.parent
NAMES = sorted(path.stem for path in weights.FOLDER.glob("*.safetensors"))
HOW = {"summary", "architecture", "recipe", "run", "minutes", "threads", "torch", "machine"}
NO_PAGE: dict[str, str] = {}  # a file that waits for its page, and why


# What a name says.


def called(facts: dict[str, Any]) -> str:
    """The name of a file, as it follows from its header."""
    recipe, made_by = facts["run"].split()[4], facts["architecture"]
    first = facts["seed"] if isinstance(facts["seed"], int) else 0
    name = RECIPES[recipe].file(first) if recipe in RECIPES else recipe
    if recipe == "ring":
        return {"remedied": "ring", "plain": "ring_plain", "penalised": "ring_penalised"}[
            facts["game"]
        ]
    if recipe == "ali_grid":
        return {"remedied": "ali_grid", "plain": "ali_grid_plain"}[facts["variant"]]
    if recipe == "ali_mnist":
        return f"ali_mnist_{'encoder' if 'encoder' in made_by else 'decoder'}_{first}"
    if "direction" in facts:
        return f"{name}_{'G' if facts['direction'] in THERE else 'F'}"
    return f"{name}_reader" if "reader" in made_by else name


THERE = {"digit to outline", "labels to photo"}


def row_of(name: str, facts: dict[str, Any]) -> dict[str, Any] | None:
    """The row of the shipped table that is this run's, or None where no table has it."""
    tables = [p.stem for p in results.FOLDER.glob("*.csv") if name.startswith(p.stem)]
    if not tables or isinstance(facts["seed"], list):
        return None
    rows = results.load(max(tables, key=len))
    which = ("model", "variant", "divergence", "k", "direction", "replica", "seed")
    keys = [key for key in which if key in rows[0]]
    if not facts.keys() >= set(keys):
        return None
    found = [row for row in rows if all(row[key] == facts[key] for key in keys)]
    assert len(found) == 1, f"{name}: {len(found)} rows"
    return found[0]


def named_by(name: str, facts: dict[str, Any]) -> list[str]:
    """What contradicts the name: another name, or a score that its table does not have."""
    faults = [] if called(facts) == name else [f"the header is that of {called(facts)}"]
    row = row_of(name, facts) or {}
    for key in (row.keys() & facts.keys()) - {"minutes"}:
        said = float("nan") if facts[key] == "nan" else facts[key]
        wanted = said if isinstance(said, str) else pytest.approx(said, rel=1e-3, nan_ok=True)
        if row[key] != wanted:
            faults.append(f"{key}: {facts[key]}, in the table {row[key]}")
    return faults


@pytest.mark.parametrize("name", NAMES)
def test_the_header_has_the_name_and_the_scores_of_its_table(name):
    assert not named_by(name, weights.about(name))


def test_almost_every_file_has_a_row():
    with_a_row = [name for name in NAMES if row_of(name, weights.about(name))]
    assert len(with_a_row) > 45


# What a page loads.


def patterns(source: str) -> set[str]:
    """The texts in a program, as regular expressions: `f"vae_{k}"` is any vae."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            parts = [
                re.escape(part.value) if isinstance(part, ast.Constant) else r"\w+"
                for part in node.values
            ]
            if sum(len(part) for part in parts if part != r"\w+") >= 6:
                found.add("".join(parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(re.escape(node.value))
    return found


def test_every_shipped_file_is_loaded_by_a_page():
    texts = set()
    for path in (ROOT / "book").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                texts |= patterns(cell.source)
    files = [*NAMES, *(path.stem for path in weights.FOLDER.glob("*.npz"))]
    texts = {text.removesuffix(r"\.npz") for text in texts}
    unseen = [name for name in files if not any(re.fullmatch(text, name) for text in texts)]
    assert unseen == list(NO_PAGE)


# What the numbers are worth.


class Judge(NamedTuple):
    """Some scores of the header, computed from the numbers as the recipe did; and how exactly."""

    scores: Callable[[str], dict[str, Any]]
    error: float = 2e-3


def ring_scores(name: str) -> dict[str, Any]:
    """From the random numbers of the recipe, which scores a network that it has just drawn."""
    torch.manual_seed(1)
    p_0 = corners(5) if name == "ring" else standard_normal(5)
    G = weights.load(gan.ring_generator(16), name)
    modes = ring().component_distribution.mean
    found = metrics.mode_coverage(G(p_0.sample((16, 2500))), modes, 0.02)
    return {
        "modes captured, replica by replica": found.captured.tolist(),
        "high-quality share": found.high_quality.tolist(),
    }


def of_the_plane(name: str) -> dict[str, Any]:
    """The first of sixteen replicas, which is the one that ships; the others are its copies."""
    model = summary.enter(weights.about(name)["model"], contest.plane())
    one = load_file(weights.FOLDER / f"{name}.safetensors")
    state = model.sampled.state_dict()
    model.sampled.load_state_dict({key: one[key].float().expand_as(state[key]) for key in state})
    found = {key: float(value[0]) for key, value in summary.plane_scores(model).items()}
    return {key: value for key, value in found.items() if value == value}


def of_digits(name: str) -> dict[str, Any]:
    model = summary.enter(weights.about(name)["model"], contest.DIGITS)
    weights.load(model.sampled, name)
    model.sampled.eval()
    found = summary.digit_scores(model)
    return {key: value for key, value in found.items() if value == value}


@torch.no_grad()
def f_gan_scores(name: str) -> dict[str, Any]:
    torch.manual_seed(0)
    z = standard_normal(32).sample((protocols.KERNELS,))[: protocols.JUDGED]
    G = weights.load(fgan.fgan_generator(), name)
    return protocols.class_scores(protocols.in_parts(G, z))


@torch.no_grad()
def free_critic_scores(name: str) -> dict[str, Any]:
    torch.manual_seed(0)
    z = standard_normal(32).sample(torch.Size((protocols.JUDGED,)))
    G = weights.load(fgan.fgan_generator(), name)
    scores = protocols.class_scores(protocols.in_parts(G, z))
    shares = [scores[f"share_{digit}"] for digit in range(10)]
    return {
        "confidence": scores["confidence"],
        "rarest": min(shares),
        "commonest": max(shares),
    }


@torch.no_grad()
def gan_scores(name: str) -> dict[str, Any]:
    torch.manual_seed(0)
    G = weights.load(nets.image_generator(32), name)
    scores = protocols.class_scores(protocols.in_parts(G, standard_normal(32).sample((4_000,))))
    return {"confidence": scores["confidence"]}


@torch.no_grad()
def infogan_confidence(name: str) -> dict[str, Any]:
    torch.manual_seed(0)
    n = infogan.DRAWN
    c = [p.sample((n,)) for p in (standard_normal(infogan.NOISE), codes((10,), 2))]
    G = weights.load(infogan.infogan_generator(), name)
    drawn = protocols.in_parts(G, torch.cat(c, -1))
    return {"confidence": protocols.class_scores(drawn)["confidence"]}


@functools.cache
def head_scores(variant: str, reader: str) -> dict[str, Any]:
    G = weights.load(heads.head_generator(), f"infogan_heads_{variant}_0")
    read = weights.load(heads.head_reader(), f"infogan_heads_{reader}_0_reader")
    return heads.head_scores(G, read, weights.load(heads.head_judge(), "heads_judge"))


def of_heads(name: str) -> dict[str, Any]:
    """Heads are drawn by the generator alone, and read by the reader alone."""
    variant = weights.about(name)["variant"]
    found = head_scores(variant, variant)
    part = ("azimuth", "elevation", "light", "width")
    if name.endswith("reader"):
        return {key: found[key] for key in (*part, "mig")}
    return {f"drawn_{key}": found[f"drawn_{key}"] for key in part}


@functools.cache
def outline_scores(variant: str) -> list[dict[str, Any]]:
    pair = [
        weights.load(digit_outlines.translator(), f"outlines_{variant}_0_{part}") for part in "GF"
    ]
    return digit_outlines.outline_scores(*pair)


def of_outlines(name: str) -> dict[str, Any]:
    """What needs no other network than this one."""
    found = outline_scores(weights.about(name)["variant"])[name.endswith("F")]
    return {key: found[key] for key in ("error", "rms", "shift")}


@functools.cache
def street_scores() -> dict[str, metrics.Segmentation]:
    pair = [weights.load(scapes.scapes_translator(), f"scapes_cyclegan_0_{p}") for p in "GF"]
    judge = weights.load(scapes.scapes_judge(), "scapes_segmenter")
    return scapes.scapes_scores(*pair, judge, *scapes.scapes_data()[2])


def of_streets(name: str) -> dict[str, Any]:
    found = street_scores()[weights.about(name)["direction"]]._asdict()
    return {key: float(value) for key, value in found.items() if key in weights.about(name)}


def avb_scores(name: str) -> dict[str, Any]:
    """The bound of the first images, which are the first that the recipe draws for."""
    facts = weights.about(name)
    contrast = adaptive if facts["model"] == "avb_ac" else None
    model = weights.load(digit_avb(digit_vae(facts["k"], 512), contrast), name)
    torch.manual_seed(0)
    log_likelihood, kl = protocols.bound(model, protocols.binary_digits()[: protocols.ANNEALED])
    return {"elbo_annealed": float((log_likelihood - kl).mean())}


JUDGES = {
    r"ring|ring_plain|ring_penalised": Judge(ring_scores),
    r"summary_plane_\w+": Judge(of_the_plane),
    r"summary_digits_\w+": Judge(of_digits, 0.01),
    r"fgan_mnist_calm_\w+": Judge(free_critic_scores, 3e-3),
    r"fgan_mnist_\w+": Judge(f_gan_scores, 3e-3),
    r"mnist_gan|mnist_gan_plain": Judge(gan_scores, 0.01),
    r"infogan_mnist_\w+_0": Judge(infogan_confidence, 3e-3),
    r"infogan_heads_\w+": Judge(of_heads, 5e-3),
    r"outlines_\w+": Judge(of_outlines, 5e-4),
    r"scapes_cyclegan_\w+": Judge(of_streets),
    r"avb_mnist_avb\w+": Judge(avb_scores, 0.05),
}


def judge_of(name: str) -> Judge | None:
    found = [judge for key, judge in JUDGES.items() if re.fullmatch(key, name)]
    return found[0] if found else None


JUDGED = [name for name in NAMES if judge_of(name)]


@functools.cache
def scores(name: str) -> dict[str, Any]:
    return judge_of(name).scores(name)


def agree(found: dict[str, Any], facts: dict[str, Any], error: float) -> bool:
    said = {key: facts.get(key) for key in found}
    return None not in said.values() and all(
        found[key] == pytest.approx(said[key], abs=error, rel=error) for key in found
    )


def siblings() -> list[tuple[str, str]]:
    """Pairs of files with the same names and shapes, and other numbers."""
    alike = defaultdict(list)
    for name in NAMES:
        state = load_file(weights.FOLDER / f"{name}.safetensors")
        alike[tuple((key, state[key].shape) for key in sorted(state))].append((name, state))
    return [
        (one, other)
        for group in alike.values()
        for (one, a), (other, b) in itertools.permutations(group, 2)
        if not all(torch.equal(a[key], b[key]) for key in a)
    ]


PAIRS = siblings()


def test_all_siblings_are_judged():
    assert {name for pair in PAIRS for name in pair} <= set(JUDGED)
    assert len(PAIRS) > 80


@pytest.mark.slow
@pytest.mark.parametrize("name", JUDGED)
def test_the_numbers_score_what_their_header_says_and_not_what_a_siblings_says(name):
    """F02, F03, F04, F05, T03, T04. So it fails where one sibling took the other's place."""
    found, error = scores(name), judge_of(name).error
    assert agree(found, weights.about(name), error), (found, weights.about(name))
    for one, other in PAIRS:
        if one == name:
            assert not agree(found, weights.about(other), error), f"{name} passes for {other}"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of two siblings, with a list of its own, in which they can be exchanged."""
    for folder in ("weights", "results"):
        (tmp_path / folder).mkdir()
        monkeypatch.setattr(
            {"weights": weights, "results": results}[folder], "FOLDER", tmp_path / folder
        )
    for name in ("summary_plane_gan_0", "summary_plane_ls_gan_0"):
        shutil.copy(manifest.PACKAGE / "weights" / f"{name}.safetensors", tmp_path / "weights")
    shutil.copy(manifest.PACKAGE / "results" / "summary_plane.csv", tmp_path / "results")
    monkeypatch.setattr(manifest, "PACKAGE", tmp_path)
    monkeypatch.setattr(manifest, "LIST", tmp_path / "MANIFEST")
    yield tmp_path / "weights"
    manifest.listed.cache_clear()


def test_an_exchange_of_two_siblings_is_noticed_even_with_a_new_manifest(package):
    one, other = (package / f"summary_plane_{name}_0.safetensors" for name in ("gan", "ls_gan"))
    first, second = load_file(one), load_file(other)
    manifest.write()
    assert not named_by(one.stem, weights.about(one.stem))
    assert agree(of_the_plane(one.stem), weights.about(one.stem), 2e-3)

    told = {path: weights.told(path) for path in (one, other)}
    for path, state in ((one, second), (other, first)):  # the numbers alone
        save_file(state, path)
        weights.tell(path, told[path])
    manifest.write()
    for path in (one, other):
        weights.load(summary.enter("gan", contest.plane(1)).sampled, path.stem)
        assert not named_by(path.stem, weights.about(path.stem))
        assert not agree(of_the_plane(path.stem), weights.about(path.stem), 2e-3)

    for path, state in ((one, second), (other, first)):  # the whole files
        save_file(state, path)
        weights.tell(path, told[other if path is one else one])
    manifest.write()
    for path in (one, other):
        assert named_by(path.stem, weights.about(path.stem))
