"""Heads: known symmetries, geometry and shading, factors that show, and what is refused."""

import importlib
import math

import pytest
import torch
from scipy import stats

from gannotes.data import FACTORS, heads, render_heads

module = importlib.import_module("gannotes.data.heads")
DOUBLE = {"dtype": torch.float64}


def picture(azimuth=0.0, elevation=0.0, light=0.0, width=1.0):
    return render_heads(torch.tensor([[azimuth, elevation, light, width]], **DOUBLE))


def test_the_mirror_image_of_a_head_is_the_head_of_mirrored_angles():
    """F04."""
    for angles in ((35.0, 10.0, -20.0, 1.1), (-50.0, -22.0, 23.0, 0.87), (0.0, 0.0, 0.0, 1.0)):
        azimuth, elevation, light, width = angles
        mirrored = picture(-azimuth, elevation, -light, width)
        torch.testing.assert_close(picture(*angles).flip(-1), mirrored, atol=2e-3, rtol=0)


def test_every_factor_changes_the_picture_and_pose_more_than_light():
    """F04: root mean square of the change between the ends of each range."""
    change = {}
    for name, (low, high) in FACTORS.items():
        difference = picture(**{name: low}) - picture(**{name: high})
        change[name] = difference.square().mean().sqrt().item()
    assert min(change.values()) > 0.05
    assert min(change["azimuth"], change["elevation"]) > 0.1


def test_the_gradient_of_the_surface_is_its_finite_difference():
    torch.manual_seed(0)
    p = torch.randn(3, 200, **DOUBLE) * 0.5
    p[0] = p[0].abs() + 0.05  # away from the seam
    _, gradient = module._field(p)
    for j in range(3):
        shift = torch.zeros(3, 1, **DOUBLE)
        shift[j] = 1e-5
        slope = (module._field(p + shift)[0] - module._field(p - shift)[0]) / 2e-5
        torch.testing.assert_close(gradient[j], slope, atol=1e-5, rtol=1e-4)


def test_a_single_ball_is_shaded_by_the_angle_to_the_lamp(monkeypatch):
    """Rays end on the sphere, and grey follows the closed form of its normals."""
    radius = 0.7
    monkeypatch.setattr(module, "ELLIPSOIDS", (((0.0, module.CENTRE, 0.0), (radius,) * 3),))
    monkeypatch.setattr(module, "_paint", lambda x, y, z: torch.ones_like(x))
    side = 40
    factors = torch.tensor([[20.0, 0.0, 40.0, 1.0]], **DOUBLE)
    end, normal, lamp, hit = module._trace(factors, side)
    places = module.VIEW * ((torch.arange(side, **DOUBLE) + 0.5) * 2 / side - 1)
    y, x = torch.meshgrid(-places, places, indexing="ij")
    inside = (x.square() + y.square()).flatten() < (0.95 * radius) ** 2
    outside = (x.square() + y.square()).flatten() > (1.05 * radius) ** 2
    assert hit[0, inside].all()
    assert not hit[0, outside].any()
    z = (radius**2 - x.square() - y.square()).clamp_min(0).sqrt()
    exact = torch.stack([x, y, z]).flatten(1)[:, inside] / radius
    torch.testing.assert_close(normal[0][:, inside], exact, atol=0.01, rtol=0)
    above = math.radians(30)
    direction = torch.tensor(
        [
            math.sin(math.radians(40)) * math.cos(above),
            math.sin(above),
            math.cos(math.radians(40)) * math.cos(above),
        ],
        **DOUBLE,
    )
    torch.testing.assert_close(lamp[0], direction)
    grey = 0.1 + 0.9 * ((1 + direction @ exact) / 2) ** 2
    found = module._shade(end, normal, lamp, hit)[0, inside]
    torch.testing.assert_close(found, grey, atol=0.01, rtol=0)


def test_heads_are_drawn_uniformly_and_the_same_from_a_seed():
    """F04."""
    x, factors = heads(300, torch.Generator().manual_seed(0))
    again, _ = heads(300, torch.Generator().manual_seed(0))
    assert torch.equal(x, again)
    assert x.shape == (300, 1, 32, 32)
    assert 0 <= x.min() < 0.01 < 0.7 < x.max() <= 1
    for column, (low, high) in zip(factors.T, FACTORS.values(), strict=True):
        assert stats.kstest(column.numpy(), stats.uniform(low, high - low).cdf).pvalue > 1e-3
    torch.testing.assert_close(render_heads(factors[:5]), x[:5], atol=1e-5, rtol=0)
    assert heads(0)[0].shape == (0, 1, 32, 32)
    assert render_heads(factors[:2], size=16).shape == (2, 1, 16, 16)


def test_what_is_no_head_is_refused():
    with pytest.raises(
        ValueError, match="^n: expected an integer of at least 0|^n: expected an integer from 0"
    ):
        heads(-1)
    with pytest.raises(ValueError, match=r"^factors: expected a floating-point tensor"):
        render_heads(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"^factors: expected azimuth from -60.0 to 60.0, got 90"):
        render_heads(torch.tensor([[90.0, 0.0, 0.0, 1.0]]))
    with pytest.raises(ValueError, match="^size: expected an integer from 1 to"):
        render_heads(torch.tensor([[0.0, 0.0, 0.0, 1.0]]), size=0)
