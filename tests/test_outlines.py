"""Outlines of digits against scipy's morphology, and what a contour must be."""

import pytest
import torch
from scipy import ndimage
from torch import Tensor

from gannotes import data


def digits(n: int = 50) -> Tensor:
    return data.mnist("test")[0][:n]


def test_an_outline_is_scipy_s_dilation_less_the_digit() -> None:
    """E36."""
    x = digits()
    grown = ndimage.grey_dilation(x.numpy(), size=(1, 1, 3, 3), mode="constant", cval=0.0)
    torch.testing.assert_close(data.outline(x), torch.from_numpy(grown) - x, atol=0, rtol=0)


def test_the_outline_of_a_black_and_white_digit_is_the_set_next_to_it() -> None:
    x = (digits() > 0.5).float()
    for ink, edge in zip(x[:, 0], data.outline(x)[:, 0], strict=True):
        distance = ndimage.distance_transform_cdt(1 - ink.numpy(), "chessboard")
        assert torch.equal(edge, torch.from_numpy(distance == 1).float())


def test_an_outline_is_a_thin_closed_line_around_the_ink() -> None:
    """With the outline as a wall, no path leads from the ink to the corner."""
    x = (digits() > 0.5).float()
    y = data.outline(x)
    for ink, wall in zip(x[:, 0].numpy(), y[:, 0].numpy(), strict=True):
        regions, _ = ndimage.label(wall == 0)
        assert regions[0, 0] not in regions[ink == 1]
    thickness = ndimage.binary_erosion(y.numpy() > 0.5, torch.ones(1, 1, 3, 3).numpy())
    assert thickness.mean() < 0.002


def test_any_leading_dimensions_and_any_precision() -> None:
    x = digits(6).double()
    expected = data.outline(x)
    assert expected.dtype == torch.float64
    assert torch.equal(data.outline(x.reshape(2, 3, 28, 28)), expected.reshape(2, 3, 28, 28))
    assert torch.equal(data.outline(x[0, 0]), expected[0, 0])
    assert expected.min() == 0
    assert expected.max() <= 1


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(28, 28, dtype=torch.uint8), "x: expected a floating-point tensor"),
        (torch.zeros(28), r"x: expected .* got shape \(28,\)"),
        (torch.full((28, 28), 2.0), r"x: expected numbers from 0 to 1, got 2 to 2"),
        (torch.full((28, 28), torch.nan), "x: expected finite numbers"),
    ],
)
def test_a_mistake_is_named(x: Tensor, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        data.outline(x)
