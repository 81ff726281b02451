"""The dialect of errors: what each check lets pass, what it refuses, with which type and words."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Independent, Normal

from gannotes import checks

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("n", [1, 7, np.int64(3), 10**9])
def test_a_count_passes(n) -> None:
    assert checks.count("n", n) == n
    assert type(checks.count("n", n)) is int


@pytest.mark.parametrize("n", [True, False, 1.0, "1", None, torch.tensor(1), [1]])
def test_no_count_is_a_type_error(n) -> None:
    with pytest.raises(TypeError, match=r"^n: expected an integer of at least 1, got \w+$"):
        checks.count("n", n)


@pytest.mark.parametrize("n", [0, -3, 10**9 + 1, pytest.param(10**5000, id="huge")])
def test_a_count_out_of_range_is_a_value_error(n) -> None:
    with pytest.raises(ValueError, match=r"^n: expected an integer (of at least|from) 1"):
        checks.count("n", n)


def test_a_count_has_two_ends() -> None:
    assert checks.count("n", 0, 0, 4) == 0
    assert checks.count("n", 4, 0, 4) == 4
    for n in (-1, 5):
        with pytest.raises(ValueError, match=rf"^n: expected an integer from 0 to 4, got {n}$"):
            checks.count("n", n, 0, 4)


@pytest.mark.parametrize("x", [0, -2.5, 1e300, np.float32(0.5), Fraction(1, 3)])
def test_a_number_passes(x) -> None:
    assert checks.number("x", x) == float(x)


@pytest.mark.parametrize("x", [True, "1", None, 1j, torch.tensor(1.0), [1.0]])
@pytest.mark.parametrize("check", [checks.number, checks.positive])
def test_no_number_is_a_type_error(check, x) -> None:
    with pytest.raises(TypeError, match=r"^x: expected a (positive )?number, got \w+$"):
        check("x", x)


@pytest.mark.parametrize("x", [NAN, INF, -INF, pytest.param(10**5000, id="huge")])
@pytest.mark.parametrize("check", [checks.number, checks.positive])
def test_a_number_that_is_not_finite_is_refused(check, x) -> None:
    with pytest.raises(ValueError, match=r"^x: expected .*finite.*, got"):
        check("x", x)


def test_ranges_of_numbers_include_their_ends() -> None:
    assert checks.number("x", 0, 0, 1) == 0.0
    assert checks.number("x", 1, 0, 1) == 1.0
    assert checks.positive("x", 2, 2) == 2.0
    for x, ends, words in (
        (-0.1, (0, 1), "from 0 to 1"),
        (1.1, (0, 1), "from 0 to 1"),
        (-0.1, (0,), "of at least 0"),
        (3, (-INF, 2), "of at most 2"),
    ):
        with pytest.raises(ValueError, match=rf"^x: expected a number {words}, got {x}$"):
            checks.number("x", x, *ends)
    for x in (0, -1.0, 0.0):
        with pytest.raises(ValueError, match=rf"^x: expected a positive number, got {x}$"):
            checks.positive("x", x)
    with pytest.raises(ValueError, match="of at most 2, got 3"):
        checks.positive("x", 3, 2)


@pytest.mark.parametrize(
    ("ends", "error"),
    [
        ((1, 0), ValueError),
        ((1, 1), ValueError),
        ((NAN, 1), ValueError),
        ((0, INF), ValueError),
        ((0,), ValueError),
        ((0, 1, 2), ValueError),
        (("0", "1"), TypeError),
        ("01", TypeError),
        (3, TypeError),
        (None, TypeError),
    ],
)
def test_an_interval_is_two_finite_numbers_in_order(ends, error) -> None:
    assert checks.interval("i", [0, 1]) == (0.0, 1.0)
    with pytest.raises(error, match="^i: expected"):
        checks.interval("i", ends)


def test_a_word_is_one_of_those_known() -> None:
    assert checks.one_of("w", "a", {"a": 1}) == "a"
    with pytest.raises(ValueError, match="^w: expected one of 'a', 'b', got 'c'$"):
        checks.one_of("w", "c", ["a", "b"])
    with pytest.raises(ValueError, match=r"got 'xxx.*\.\.\.$"):
        checks.one_of("w", "x" * 10**6, ["a", "b"])
    for x in (1, None, ["a"], {"a"}, b"a"):
        with pytest.raises(TypeError, match="^w: expected one of 'a', 'b', got"):
            checks.one_of("w", x, ["a", "b"])


def test_a_kind_is_none_of_its_neighbours() -> None:
    net = nn.Linear(1, 1)
    assert checks.kind("net", net, nn.Module) is net
    assert checks.kind("flag", True, bool) is True
    with pytest.raises(TypeError, match="^net: expected a Module, got the class Linear$"):
        checks.kind("net", nn.Linear, nn.Module)
    with pytest.raises(TypeError, match="^n: expected an int, got bool$"):
        checks.kind("n", True, int)


@pytest.mark.parametrize("shape", ["...", "N d", "... d", "... N d", "2 3", "... 2 3", "N 3"])
def test_a_shape_fits(shape) -> None:
    x = torch.zeros(2, 3)
    assert checks.floating("x", x, shape) is x


@pytest.mark.parametrize("shape", ["N", "... N d k", "3 2", "N 2", "S N d"])
def test_another_shape_is_a_value_error(shape) -> None:
    with pytest.raises(ValueError, match=r"^x: expected .* of shape \(.*\), got shape \(2, 3\)$"):
        checks.floating("x", torch.zeros(2, 3), shape)


def test_an_empty_tensor_is_refused_unless_it_may_be_empty() -> None:
    assert checks.floating("x", torch.zeros(0, 3), "N 3", empty=True).shape == (0, 3)
    for shape in ("N 3", "... N 3", "N d"):
        with pytest.raises(ValueError, match=r"got shape \(0, 3\)$"):
            checks.floating("x", torch.zeros(0, 3), shape)
    assert checks.floating("x", torch.zeros(0, 3), "... 3").shape == (0, 3)  # no replica at all


@pytest.mark.parametrize(
    "x", [[1.0], 1.0, None, np.zeros(2), torch.zeros(2).long(), torch.zeros(2).bool()]
)
def test_what_is_not_floating_is_a_type_error(x) -> None:
    with pytest.raises(TypeError, match=r"^x: expected a floating-point tensor of shape \(N,\)"):
        checks.floating("x", x, "N")


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_finite_numbers_are_asked_for_only_where_wanted(bad) -> None:
    x = torch.tensor([0.0, bad])
    assert checks.floating("x", x, "N") is x
    with pytest.raises(ValueError, match=f"^x: expected finite numbers, got {bad}$"):
        checks.floating("x", x, "N", finite=True)


def test_a_tensor_without_numbers_has_a_shape_only() -> None:
    x = torch.zeros(3, device="meta")
    assert checks.floating("x", x, "N") is x
    with pytest.raises(ValueError, match="^x: expected finite numbers, got a tensor without"):
        checks.floating("x", x, "N", finite=True)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32, torch.int64])
def test_classes_are_wide_whatever_came(dtype) -> None:
    assert checks.classes("c", torch.tensor([0, 2], dtype=dtype), "N", 3).dtype == torch.int64


@pytest.mark.parametrize(
    ("x", "error"),
    [
        (torch.tensor([0.0, 1.0]), TypeError),
        (torch.tensor([True, False]), TypeError),
        ([0, 1], TypeError),
        (torch.tensor([0, 3]), ValueError),
        (torch.tensor([-1, 0]), ValueError),
        (torch.tensor([[0]]), ValueError),
        (torch.tensor([]).long(), ValueError),
    ],
)
def test_no_classes(x, error) -> None:
    with pytest.raises(error, match="^c: expected"):
        checks.classes("c", x, "N", 3)


def test_a_precision_is_a_floating_type() -> None:
    assert checks.precision("dtype", torch.float64) == torch.float64
    for dtype in (torch.int64, torch.bool, torch.complex64):
        with pytest.raises(ValueError, match="^dtype: expected a floating-point type, got torch"):
            checks.precision("dtype", dtype)
    for dtype in ("float32", None, float, np.float32):
        with pytest.raises(TypeError, match="^dtype: expected a floating-point type, got"):
            checks.precision("dtype", dtype)


def test_leading_dimensions_broadcast() -> None:
    a, b = torch.zeros(4, 1, 5), torch.zeros(3, 7)
    assert checks.leading(a=a, b=b) == (4, 3)
    assert checks.leading(2, a=a, b=b) == (4,)
    with pytest.raises(ValueError, match=r"^a, b: expected leading dimensions that broadcast"):
        checks.leading(a=a[:, :, None].expand(4, 1, 2, 5), b=b)


def test_a_shape_is_met_exactly() -> None:
    x = torch.zeros(5, 3)
    assert checks.shaped("G", x, (5, 3)) is x
    for shape in ((5, 2), (1, 3), (5,), (5, 3, 1), ()):
        with pytest.raises(ValueError, match=r"^G: expected a tensor of shape \(.*, got .*5, 3\)$"):
            checks.shaped("G", x, shape)
    with pytest.raises(TypeError, match="^G: expected a Tensor, got tuple"):
        checks.shaped("G", (x, x), (5, 3))


@pytest.mark.parametrize(
    ("x", "right"),
    [
        ((7, 2), [(7,)]),
        ((7, 1), [(7,)]),
        ((1, 2), [(1,)]),
        ((4, 7, 2), [(4, 7)]),
        ((4, 1, 2), [(4, 1)]),
        ((7, 1, 6, 6), [(7,)]),
        ((7, 3, 6, 6), [(7,)]),
        ((4, 7, 1, 6, 6), [(4, 7)]),
        ((1, 1, 6, 6), [(1,)]),
    ],
)
def test_one_number_per_point(x, right) -> None:
    """Of all shapes that a critic could return by mistake, the right one alone passes."""
    points = torch.zeros(x)
    columns = {(*v, 1) for v in right} | {(*v, 2) for v in right} | {(1, *v) for v in right}
    for v in [*right, *columns, x, (), (x[0] + 1,)]:
        if v in right:
            assert checks.one_per_point("D", torch.zeros(v), points).shape == v
            continue
        with pytest.raises(ValueError, match=r"^D: expected one number per point, shape \("):
            checks.one_per_point("D", torch.zeros(v), points)
    with pytest.raises(TypeError, match="^D: expected a Tensor, got list"):
        checks.one_per_point("D", [0.0], points)


def test_a_law_has_the_events_of_the_data() -> None:
    def law(*event):
        return Independent(Normal(torch.zeros(event), 1.0), len(event))

    x = torch.zeros(5, 1, 6, 6)
    for event in ((1, 6, 6), (6, 6), (6,), ()):
        assert checks.law_of("decoder", law(*event), x).event_shape == event
    for event in ((6, 6, 1), (1,), (1, 1), (2, 6, 6), (3, 5, 1, 6, 6)):
        with pytest.raises(ValueError, match="^decoder: expected a law of events of shape"):
            checks.law_of("decoder", law(*event), x)
    with pytest.raises(TypeError, match="^decoder: expected a Distribution, got Tensor"):
        checks.law_of("decoder", x, x)


def test_bounds_need_torch_alone() -> None:
    """`import gannotes.bounds` where nothing but torch and what torch needs can be imported."""
    blocked = ["numpy", "matplotlib", "tqdm", "safetensors", "joblib", "anywidget", "ipywidgets"]
    blocked += ["traitlets", "IPython", "submitit", "scipy", "hypothesis"]
    code = f"""
import sys
for name in {blocked!r}:
    sys.modules[name] = None
import torch, gannotes.bounds, gannotes.divergences
print(gannotes.bounds.bernoulli(torch.zeros(2), torch.zeros(2)).item())
print(*(name for name in sys.modules if name.startswith("gannotes.")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not done.returncode, done.stderr
    assert done.stdout.split("\n")[0] == "-1.3862943649291992"
    loaded = {"gannotes.bounds", "gannotes.checks", "gannotes.divergences"}
    assert set(done.stdout.split()[1:]) == loaded
