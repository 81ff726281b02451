"""Toy densities against quadrature and their own samples; MNIST against its published facts."""

import hashlib
import lzma
import math
import struct
import tracemalloc

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from gannotes.data import (
    Batches,
    binarise,
    digits,
    dirac,
    grid,
    mixture_1d,
    mnist,
    ring,
    two_moons,
    univariate_mixture,
)

F64 = torch.float64
PLANE = {
    "ring": lambda: ring(sd=0.3, dtype=F64),
    "grid": lambda: grid(side=3, sd=0.3, dtype=F64),
    "two_moons": lambda: two_moons(sd=0.3, dtype=F64),
}


# Toy densities


def test_mixture_1d_equals_scipy():
    """F07."""
    p = mixture_1d([0.3, 0.7], [-2.0, 1.5], [0.6, 1.0], dtype=F64)
    x = torch.linspace(-6, 6, 25, dtype=F64).unsqueeze(-1)
    expected = np.log(
        0.3 * stats.norm(-2.0, 0.6).pdf(x[:, 0]) + 0.7 * stats.norm(1.5, 1.0).pdf(x[:, 0])
    )
    assert p.log_prob(x).numpy() == pytest.approx(expected, abs=1e-12)


def test_the_recovered_mixture_has_the_moments_that_the_f_gan_paper_prints():
    p = univariate_mixture(F64)  # the best Gaussian under KL matches the moments
    assert [p.mean.item(), p.stddev.item()] == pytest.approx([1.0100, 1.8308], abs=1e-3)
    x = np.linspace(-3, 6, 10)
    want = 0.33 * stats.norm(-1, 0.255).pdf(x) + 0.67 * stats.norm(2, 1.415).pdf(x)
    assert p.log_prob(torch.from_numpy(x).unsqueeze(-1)).exp().numpy() == pytest.approx(want)


@pytest.mark.parametrize("name", PLANE)
def test_plane_density_integrates_to_one(name):
    axis = torch.linspace(-6, 6, 241, dtype=F64)
    x = torch.cartesian_prod(axis, axis)
    total = PLANE[name]().log_prob(x).exp().sum() * (axis[1] - axis[0]) ** 2
    assert total.item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("name", PLANE)
def test_plane_samples_have_the_density(name):
    """Share of samples in each cell of a 6 x 6 partition against the integral of the density."""
    torch.manual_seed(0)
    p, n = PLANE[name](), 50_000
    edges = torch.linspace(-4, 4, 7, dtype=F64)
    cells = torch.bucketize(p.sample((n,)).clamp(-3.99, 3.99), edges) - 1
    counts = torch.bincount(cells[:, 0] * 6 + cells[:, 1], minlength=36)
    fine = (torch.arange(240, dtype=F64) + 0.5) / 30 - 4
    density = p.log_prob(torch.cartesian_prod(fine, fine)).exp().reshape(6, 40, 6, 40)
    share = density.sum((1, 3)).flatten() / 30**2
    sd = (n * share * (1 - share)).sqrt() + 1
    assert ((counts - n * share).abs() / sd).max() < 4.5


@pytest.mark.parametrize(
    "p", [*(make() for make in PLANE.values()), mixture_1d([1.0], [0.0], [1.0]), dirac(2.0)]
)
def test_shapes_of_samples_and_log_prob(p):
    assert p.sample().shape == p.event_shape
    assert p.sample((5,)).shape == (5, *p.event_shape)
    x = p.sample((3, 5))
    assert x.shape == (3, 5, *p.event_shape)
    assert p.log_prob(x).shape == (3, 5)
    assert p.log_prob(x).isfinite().all()


def test_modes_of_ring_and_grid():
    modes = ring(modes=8, radius=2.0, dtype=F64).component_distribution.mean
    assert modes.norm(dim=-1).numpy() == pytest.approx(np.full(8, 2.0))
    gaps = (modes - modes.roll(1, 0)).norm(dim=-1)
    assert gaps.numpy() == pytest.approx(np.full(8, 4 * math.sin(math.pi / 8)))
    places = grid(side=5, spacing=2.0).component_distribution.mean
    assert {tuple(m) for m in places.tolist()} == {
        (i, j) for i in (-4, -2, 0, 2, 4) for j in (-4, -2, 0, 2, 4)
    }


def two_moons_by_quadrature(x: np.ndarray, sd: float) -> float:
    """log p(x) from the definition, with scipy's adaptive quadrature around the nearest points."""
    curves = (lambda t: (np.cos(t), np.sin(t)), lambda t: (1 - np.cos(t), 0.5 - np.sin(t)))
    angle = np.linspace(0, np.pi, 20_001)
    squares = [[(x[0] - c(angle)[0]) ** 2 + (x[1] - c(angle)[1]) ** 2] for c in curves]
    least = min(np.min(s) for s in squares)

    def integrand(t, c):
        a, b = c(t)
        return np.exp(-((x[0] - a) ** 2 + (x[1] - b) ** 2 - least) / (2 * sd**2))

    total = 0.0
    for c, square in zip(curves, squares, strict=True):
        near = angle[np.argmin(square)]
        cuts = {0.0, np.pi, *np.clip(near + sd * np.array([-5, -1, -0.1, 0, 0.1, 1, 5]), 0, np.pi)}
        cuts = sorted(cuts | {1.0, 2.0})
        for low, high in zip(cuts, cuts[1:], strict=False):
            total += integrate.quad(integrand, low, high, (c,), epsabs=0, epsrel=1e-11)[0]
    return math.log(total) - least / (2 * sd**2) - math.log(2 * np.pi * 2 * np.pi * sd**2)


@pytest.mark.parametrize("sd", [0.02, 0.1, 1.0, 10.0])
@pytest.mark.parametrize(
    "x", [(0, 0), (1, 0.5), (0, 1), (-1, 0), (0.3, 0.2), (1.9, -2), (0, -3), (1, 9), (-40, 30)]
)
def test_two_moons_log_prob_is_exact(x, sd):
    value = two_moons(sd, dtype=F64).log_prob(torch.tensor(x, dtype=F64)).item()
    expected = two_moons_by_quadrature(np.array(x, dtype=float), sd)
    assert value == pytest.approx(expected, rel=1e-10, abs=1e-8)


def test_two_moons_has_gradients():
    x = torch.tensor([[0.0, 0.0], [0.4, 0.7], [3.0, -2.0]], dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(two_moons(dtype=F64).log_prob, (x,))


def test_two_moons_in_float32_is_close_to_float64():
    x = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    single, double = two_moons().log_prob(x), two_moons(dtype=F64).log_prob(x.double())
    assert single.dtype == torch.float32
    assert single.numpy() == pytest.approx(double.numpy(), rel=1e-4, abs=1e-3)


def test_dirac_is_a_point():
    p = dirac([1.0, 2.0])
    assert p.sample((2, 3)).tolist() == [[[1.0, 2.0]] * 3] * 2
    assert p.log_prob(torch.tensor([[1.0, 2.0], [1.0, 2.1]])).tolist() == [0.0, -math.inf]
    x = p.sample()
    x += 1  # a sample is a fresh tensor
    assert p.sample().tolist() == p.mean.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: mixture_1d([0.5, 0.5], [0.0], [1.0]), "weights, means, sds: expected"),
        (lambda: mixture_1d([0.5, 0.6], [0.0, 1.0], [1.0, 1.0]), "weights"),
        (lambda: mixture_1d([1.5, -0.5], [0.0, 1.0], [1.0, 1.0]), "weights"),
        (lambda: mixture_1d([0.5, 0.5], [0.0, 1.0], [1.0, 0.0]), "sds"),
        (lambda: ring(modes=0), "modes"),
        (lambda: ring(radius=-1.0), "radius"),
        (lambda: ring(sd=math.nan), "sd"),
        (lambda: grid(side=2.5), "side"),
        (lambda: grid(spacing=0.0), "spacing"),
        (lambda: two_moons(sd=0.0), "sd"),
        (lambda: dirac([[0.0]]), "x: expected"),
    ],
)
def test_toy_errors_name_the_argument(call, name):
    with pytest.raises((TypeError, ValueError), match=f"^{name}"):
        call()


# Batches


def test_batches_are_the_same_at_every_pass_and_leave_the_global_generator_alone():
    """E06."""
    x = torch.arange(10)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    batches = Batches(x, size=4, steps=7, seed=1)
    first, second = torch.stack(list(batches)), torch.stack(list(batches))
    assert torch.rand(1) == expected
    assert len(batches) == len(first) == 7
    assert torch.equal(first, second)
    assert not torch.equal(first, torch.stack(list(Batches(x, size=4, steps=7, seed=2))))


@pytest.mark.parametrize("size", [1, 3, 4, 7, 10])
def test_every_epoch_uses_each_row_once(size):
    """E06, A01: ten passes of batches, cut into epochs, are permutations, not all the same."""
    stream = torch.cat(list(Batches(torch.arange(10), size, steps=math.ceil(100 / size))))
    epochs = stream[:100].reshape(10, 10)
    assert torch.equal(epochs.sort(-1).values, torch.arange(10).expand(10, 10))
    assert len({tuple(e) for e in epochs.tolist()}) == 10


def test_a_stack_of_replicas_equals_the_runs_one_by_one():
    x = torch.arange(30.0).reshape(15, 2)
    stack = torch.stack(list(Batches(x, (3, 4), steps=9, seed=5)))
    assert stack.shape == (9, 3, 4, 2)
    for s in range(3):
        assert torch.equal(stack[:, s], torch.stack(list(Batches(x, 4, steps=9, seed=5 + s))))


def test_a_tuple_is_indexed_together():
    x = torch.arange(12)
    for image, label in Batches((x.float().reshape(12, 1, 1), 2 * x), size=(2, 5), steps=6):
        assert image.shape == (2, 5, 1, 1)
        assert torch.equal(2 * image.flatten(1), label.float())


@pytest.mark.parametrize(
    ("error", "arguments", "name"),
    [
        (TypeError, ([1, 2], 1, 1), "x: expected"),
        (TypeError, ((), 1, 1), "x: expected"),
        (ValueError, ((torch.zeros(3), torch.zeros(2)), 1, 1), "x: "),
        (ValueError, (torch.tensor(0.0), 1, 1), "x: "),
        (ValueError, (torch.zeros(3), 4, 1), "size: "),
        (ValueError, (torch.zeros(3), (2, 4), 1), "size: "),
        (ValueError, (torch.zeros(3), 0, 1), "size: expected"),
        (ValueError, (torch.zeros(3), (1, 1, 1), 1), "size: expected"),
        (ValueError, (torch.zeros(3), 1, -1), "steps"),
        (ValueError, (torch.zeros(3), 1, 1, -1), "seed"),
    ],
)
def test_batches_errors_name_the_argument(error, arguments, name):
    with pytest.raises(error, match=f"^{name}"):
        Batches(*arguments)


# MNIST


def test_mnist_splits_have_the_published_counts():
    train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    labels = {split: mnist(split)[1] for split in digits.SPLITS}
    assert {split: len(u) for split, u in labels.items()} == {
        "train": 55_000,
        "validation": 5_000,
        "test": 10_000,
    }
    both = torch.cat([labels["train"], labels["validation"]])
    assert both.bincount().tolist() == train
    assert labels["test"].bincount().tolist() == test
    assert both.dtype == torch.int64


def test_mnist_images_are_scaled_and_upright():
    images, labels = mnist("test")
    assert images.shape == (10_000, 1, 28, 28)
    assert images.dtype == torch.float32
    assert (images.min(), images.max()) == (0, 1)
    assert images.mean().item() == pytest.approx(0.1325, abs=5e-5)
    tall = images[labels == 1].mean(0)[0]  # the mean one: a vertical stroke, dark outside
    assert tall.sum(1).gt(0.5).sum() > 1.5 * tall.sum(0).gt(1.5).sum()
    images.zero_()
    assert mnist("test")[0].max() == 1  # fresh tensors: the shipped array is not shared


def test_mnist_files_are_those_of_the_checksum_list():
    lines = (digits.FOLDER / "SHA256SUMS").read_text().split("\n")
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines if line)}
    assert {name: sha for name, (sha, _) in digits.FILES.items()}.items() <= listed.items()
    name = "t10k-images-idx3-ubyte"
    inflated = lzma.decompress((digits.FOLDER / f"{name}.xz").read_bytes())
    assert hashlib.sha256(inflated).hexdigest() == listed[name]
    assert hashlib.md5(inflated).hexdigest() == "2646ac647ad5339dbf082846283269ea"  # published
    assert inflated[16:] == digits._load(f"{name}.xz").numpy().tobytes()


def test_mnist_names_its_splits():
    with pytest.raises(ValueError, match="^split: expected one of 'train', 'validation', 'test'"):
        mnist("valid")


def write(tmp_path, content, packed=None):
    path = tmp_path / "labels.xz"
    path.write_bytes(lzma.compress(content) if packed is None else packed)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


GOOD = struct.pack(">II", 0x801, 3) + bytes([7, 8, 9])


def test_read_idx_reads_what_was_written(tmp_path):
    assert digits.read_idx(*write(tmp_path, GOOD), (3,)).tolist() == [7, 8, 9]


@pytest.mark.parametrize(
    ("content", "packed", "message"),
    [
        (GOOD + b"\0", None, "expected 11 bytes, got more"),
        (GOOD[:-1], None, "expected 11 bytes, got 10"),
        (b"", lzma.compress(GOOD)[:-8], "expected 11 bytes, got"),
        (b"", lzma.compress(GOOD) + b"more", "expected 11 bytes, got"),
        (b"", bytes(32), "expected an xz file"),
        (
            struct.pack(">II", 0x803, 3) + bytes(3),
            None,
            "expected the header .*, got 0000080300000003",
        ),
        (
            struct.pack(">II", 0x801, 4) + bytes(3),
            None,
            "expected the header .*, got 0000080100000004",
        ),
    ],
)
def test_read_idx_refuses_a_wrong_file(tmp_path, content, packed, message):
    with pytest.raises(ValueError, match=f"^labels.xz: {message}"):
        digits.read_idx(*write(tmp_path, content, packed), (3,))


def test_a_bomb_is_not_inflated(tmp_path):
    path, digest = write(tmp_path, bytes(1 << 24))
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"^labels\.xz: expected 11 bytes, got more"):
        digits.read_idx(path, digest, (3,))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 24  # half of it is the dictionary of the decompressor


def test_checksum_comes_before_decompression(tmp_path, monkeypatch):
    path, digest = write(tmp_path, GOOD)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    monkeypatch.setattr(digits, "_inflate", lambda *_: pytest.fail("was inflated unchecked"))
    with pytest.raises(ValueError, match=f"^labels.xz: expected the SHA-256 {digest}, got"):
        digits.read_idx(path, digest, (3,))


def test_missing_file_memory_and_labels_are_one_clear_error(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"^no\.xz: expected a file, got an error"):
        digits.read_idx(tmp_path / "no.xz", "", (3,))
    path, digest = write(tmp_path, GOOD[:-1] + bytes([10]))
    monkeypatch.setattr(digits, "FOLDER", tmp_path)
    monkeypatch.setitem(digits.FILES, path.name, (digest, (3,)))
    with pytest.raises(ValueError, match=r"^labels\.xz: expected labels from 0 to 9, got 10"):
        digits._load.__wrapped__(path.name)
    monkeypatch.setattr(digits, "MEMORY_LIMIT", 1 << 16)
    with pytest.raises(ValueError, match=r"^labels\.xz: expected an xz file, got an error: Memory"):
        digits.read_idx(path, digest, (3,))


def test_binarise_is_bernoulli_of_the_intensity():
    """T04: the binary digits."""
    x = torch.tensor([0.0, 0.2, 0.7, 1.0]).expand(20_000, 4)
    b = binarise(x, torch.Generator().manual_seed(0))
    assert torch.equal(b, binarise(x, torch.Generator().manual_seed(0)))
    assert set(b.unique().tolist()) == {0.0, 1.0}
    assert b.dtype == x.dtype
    error = (x[0] * (1 - x[0]) / len(x)).sqrt()
    assert ((b.mean(0) - x[0]).abs() <= 5 * error + 1e-6).all()


@pytest.mark.parametrize("x", [torch.tensor([1.1]), torch.tensor([math.nan]), torch.tensor([1])])
def test_binarise_refuses_what_is_no_probability(x):
    with pytest.raises((TypeError, ValueError), match="^x: expected"):
        binarise(x)
