"""The widgets' Python side: the packed network is torch's, the traits hold what was given."""

import base64
from typing import Any

import pytest
import torch
from browser import run, run_all
from ipywidgets.embed import embed_data
from torch import nn
from torch.distributions import Categorical, Distribution, Independent, Normal, Uniform

from gannotes.widgets import LatentExplorer, PointPlayer


def normal(d: int) -> Distribution:
    return Independent(Normal(torch.zeros(d), torch.ones(d)), 1)


def uniform(d: int) -> Distribution:
    return Independent(Uniform(-torch.ones(d), torch.ones(d)), 1)


def with_statistics(G: nn.Sequential) -> nn.Sequential:
    """Batch normalisations as after a training: no statistic, scale or shift is trivial."""
    for module in G.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 2)
                nn.init.uniform_(module.bias, -1, 1)
    return G


def lazy(G: nn.Sequential) -> nn.Sequential:
    """Once in training mode, so that lazy layers have their sizes; no statistic is trivial."""
    G(torch.randn(8, 6))
    return with_statistics(G)


def networks() -> dict[str, nn.Sequential]:
    """Networks on six numbers that together use every layer and every way to fold."""
    torch.manual_seed(0)
    image = nn.Unflatten(1, (4, 3, 2))
    return {
        "dense": nn.Sequential(
            nn.Linear(6, 20, bias=False), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 15)
        ),
        "transposed": nn.Sequential(
            nn.Sequential(nn.Linear(6, 24), image, nn.BatchNorm2d(4), nn.ReLU()),
            nn.ConvTranspose2d(4, 5, (3, 4), (2, 1), (1, 2), (1, 0), bias=False),
            nn.BatchNorm2d(5, affine=False),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(5, 3, 4, 2, 1),
            nn.Tanh(),
        ),
        "convolutional": nn.Sequential(
            nn.BatchNorm1d(6),
            nn.Linear(6, 24),
            image,
            nn.Upsample(scale_factor=(2, 3)),
            nn.Conv2d(4, 6, 3, (1, 2), (1, 0)),
            nn.ReLU(),
            nn.MaxPool2d((2, 1)),
            nn.BatchNorm2d(6),
            nn.Dropout2d(),
            nn.Flatten(),
            nn.Identity(),
            nn.LazyLinear(9),
            nn.Sigmoid(),
        ),
    }


SHAPES: dict[str, Any] = {"dense": (3, 5), "transposed": None, "convolutional": (3, 3)}


@pytest.mark.parametrize("name", SHAPES)
def test_the_packed_network_is_the_network_in_evaluation_mode(name: str) -> None:
    G = lazy(networks()[name])
    statistics = {key: value.clone() for key, value in G.state_dict().items()}
    widget = LatentExplorer(G, normal(6), shape=SHAPES[name], dtype=torch.float32)
    z = torch.randn(100, 6)
    assert G.training  # as it came
    assert all(torch.equal(value, statistics[key]) for key, value in G.state_dict().items())
    with torch.no_grad():
        x = G.eval()(z).double()
    torch.testing.assert_close(run(widget, z).flatten(1), x.flatten(1), rtol=1e-5, atol=1e-5)


def test_batch_normalisation_costs_nothing_after_an_affine_layer() -> None:
    G = with_statistics(networks()["transposed"])
    widget = LatentExplorer(G, normal(6))
    assert [layer["op"] for layer in widget.layers] == [
        *("linear", "activation"),
        *("conv_transpose", "activation"),
        *("conv_transpose", "activation"),
    ]
    assert len(widget.weights) == 2 * (24 * 7 + (4 * 5 * 12 + 5) + (5 * 3 * 16 + 3))


def test_several_generators_are_packed_one_after_the_other() -> None:
    G = {name: lazy(net) for name, net in networks().items() if name != "transposed"}
    G["convolutional"][-2] = nn.Linear(G["convolutional"][-2].in_features, 15)
    widget = LatentExplorer(G, normal(6), shape=(3, 5), dtype=torch.float32)
    assert [name for name, _ in widget.generators] == ["dense", "convolutional"]
    z = torch.randn(100, 6)
    for net, images in zip(G.values(), run_all(widget, z), strict=True):
        with torch.no_grad():
            x = net.eval()(z).double().reshape(images.shape)
        torch.testing.assert_close(images, x, rtol=1e-5, atol=1e-5)


def test_the_state_of_a_single_generator_is_that_of_a_mapping_of_one_but_for_the_name() -> None:
    G = nn.Sequential(nn.Linear(2, 4), nn.Tanh())
    one, named = (
        LatentExplorer(net, normal(2), samples=3, shape=(2, 2)).get_state()
        for net in (G, {"kl": G})
    )
    assert [one.pop("generators"), named.pop("generators")] == [[["", 2]], [["kl", 2]]]
    assert {k: v for k, v in one.items() if k != "layout"} == {
        k: v for k, v in named.items() if k != "layout"
    }


def test_half_precision_rounds_each_weight_once() -> None:
    G = nn.Sequential(nn.Linear(6, 4), nn.Unflatten(-1, (1, 2, 2)))
    packed = torch.frombuffer(bytearray(LatentExplorer(G, normal(6)).weights), dtype=torch.float16)
    assert torch.equal(packed, torch.cat([p.detach().flatten() for p in G.parameters()]).half())


def test_the_code_is_noise_then_classes_then_continuous() -> None:
    widget = LatentExplorer(
        nn.Sequential(nn.Linear(8, 4)),
        uniform(3),
        categorical={"c_1": ["left", "right"]},
        continuous={"c_2": (-2, 2), "c_3": (0, 1), "c_4": (1, 2)},
        sliders=[2, 0],
        shape=(2, 2),
    )
    assert [(s["name"], s["index"], s["low"], s["high"]) for s in widget.code["sliders"]] == [
        ("z_3", 2, -1, 1),
        ("z_1", 0, -1, 1),
    ]
    assert widget.code["categorical"] == [{"name": "c_1", "classes": ["left", "right"]}]
    assert widget.z[3:] == [1, 0, 0, 0.5, 1.5]
    assert max(map(abs, widget.z[:3])) <= 1


def test_the_range_of_a_direction_is_three_deviations_or_the_box() -> None:
    mean, deviation = torch.tensor([1.0, 0.0, 2.0]), torch.tensor([1.0, 2.0, 2.0])
    directions = torch.tensor([[0.6, 0.8, 0.0], [0.0, 0.0, -1.0]])
    G = nn.Sequential(nn.Linear(3, 4))
    p_0 = Independent(Normal(mean, deviation), 1)
    first, second = LatentExplorer(G, p_0, directions=directions, shape=(2, 2)).code["sliders"]
    reach = 3 * (0.36 * 1 + 0.64 * 4) ** 0.5
    assert (first["low"], first["high"]) == pytest.approx((0.6 - reach, 0.6 + reach))
    assert (second["low"], second["high"]) == pytest.approx((-2 - 6, -2 + 6))
    box = LatentExplorer(G, uniform(3), directions=directions[:1], shape=(2, 2)).code["sliders"][0]
    assert (box["low"], box["high"]) == pytest.approx((-1.4, 1.4))


def test_the_first_code_depends_on_the_seed_alone() -> None:
    G = nn.Sequential(nn.Linear(5, 4))

    def codes(seed: int) -> tuple[list[float], list[list[float]]]:
        widget = LatentExplorer(G, normal(5), samples=3, shape=(2, 2), seed=seed)
        return widget.z, widget.rest

    state = torch.get_rng_state()
    first = codes(1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.randn(3)
    assert codes(1) == first
    assert codes(2) != first
    assert len(first[1]) == 2


def test_black_and_white_follow_the_last_layer() -> None:
    for last, limits in ((nn.Tanh(), [-1, 1]), (nn.Sigmoid(), [0, 1]), (nn.Identity(), [0, 1])):
        assert (
            LatentExplorer(nn.Sequential(nn.Linear(2, 4), last), normal(2), shape=(2, 2)).limits
            == limits
        )
    chosen = LatentExplorer(nn.Sequential(nn.Linear(2, 4)), normal(2), shape=(2, 2), limits=(-3, 3))
    assert chosen.limits == [-3, 3]
    different = {
        "a": nn.Sequential(nn.Linear(2, 4)),
        "b": nn.Sequential(nn.Linear(2, 4), nn.Tanh()),
    }
    both = LatentExplorer(different, normal(2), shape=(2, 2), limits=(-3, 3))
    assert both.limits == [-3, 3]


def test_the_browser_and_the_kernel_share_the_code() -> None:
    widget = LatentExplorer(nn.Sequential(nn.Linear(2, 4)), normal(2), shape=(2, 2))
    seen = []
    widget.observe(lambda change: seen.append(change["new"]), "z")
    widget.set_state({"z": [0.5, -1.0]})  # what arrives when a slider moves
    widget.z = [1.0, 2.0]
    assert seen == [[0.5, -1.0], [1.0, 2.0]]
    assert widget.get_state("z") == {"z": [1.0, 2.0]}
    player = PointPlayer.plane(torch.zeros(3, 1, 2), limits=((-1, 1), (-1, 1)))
    player.set_state({"frame": 2})
    assert player.frame == 2


def test_the_saved_state_holds_all_that_the_page_needs() -> None:
    widget = LatentExplorer(nn.Sequential(nn.Linear(2, 4)), normal(2), shape=(2, 2))
    state = embed_data([widget], drop_defaults=False)["manager_state"]["state"][widget.model_id]
    assert {b["path"][0]: base64.b64decode(b["data"]) for b in state["buffers"]} == {
        "weights": widget.weights
    }
    assert state["model_module"] == "anywidget"
    assert "export default" in state["state"]["_esm"]
    assert ".gannotes-widget" in state["state"]["_css"]
    assert "</script" not in state["state"]["_esm"] + state["state"]["_css"]


def test_what_is_printed_never_changes() -> None:
    G = nn.Sequential(nn.Linear(2, 4), nn.Unflatten(-1, (1, 2, 2)))
    assert (
        repr(LatentExplorer(G, normal(2)))
        == "LatentExplorer(2 -> 1 x 2 x 2, 12 parameters, float16)"
    )
    assert repr(LatentExplorer({"kl": G, "GAN": G}, normal(2), dtype=torch.float32)) == (
        "LatentExplorer(generators kl, GAN, 2 -> 1 x 2 x 2, 24 parameters, float32)"
    )
    x = torch.linspace(0, 1, 5)
    line = PointPlayer.line(x, {"p": x, "q": torch.zeros(7, 5)}, torch.zeros(7, 3))
    assert repr(line) == "PointPlayer(7 frames, 3 points, curves p, q)"


LINEAR = nn.Sequential(nn.Linear(2, 4))
MISTAKES: dict[str, tuple[type[Exception], str, Any]] = {
    "layer": (
        TypeError,
        "Softmax",
        lambda: LatentExplorer(nn.Sequential(*LINEAR, nn.Softmax(-1)), normal(2)),
    ),
    "module": (
        TypeError,
        "G: expected a Sequential, got Linear",
        lambda: LatentExplorer(LINEAR[0], normal(2)),
    ),
    "no generator": (
        ValueError,
        r"G: expected one or more named generators, got the names \[\]",
        lambda: LatentExplorer({}, normal(2)),
    ),
    "number for a name": (
        ValueError,
        r"named generators, got the names \['a', 1\]",
        lambda: LatentExplorer({"a": LINEAR, 1: LINEAR}, normal(2), shape=(2, 2)),
    ),
    "value of a mapping": (
        TypeError,
        r"^G\['b'\]: expected a Sequential, got Linear",
        lambda: LatentExplorer(
            {"a": LINEAR, "b": LINEAR[0]},
            normal(2),
            shape=(2, 2),
        ),
    ),
    "latent sizes": (
        ValueError,
        r"^G\['b'\]: expected 3 features or channels for its Linear, got 2",
        lambda: LatentExplorer(
            {"a": LINEAR, "b": nn.Sequential(nn.Linear(3, 4))}, normal(2), shape=(2, 2)
        ),
    ),
    "image shapes": (
        ValueError,
        r"G: expected images of one shape, got {'a': \(1, 2, 2\), 'b': \(1, 1, 4\)}",
        lambda: LatentExplorer(
            {"a": LINEAR, "b": nn.Sequential(*LINEAR, nn.Unflatten(1, (1, 1, 4)))},
            normal(2),
            shape=(2, 2),
        ),
    ),
    "ranges": (
        ValueError,
        r"limits: expected \(low, high\), .* 'b': \(-1.0, 1.0\)",
        lambda: LatentExplorer(
            {"a": LINEAR, "b": nn.Sequential(*LINEAR, nn.Tanh())}, normal(2), shape=(2, 2)
        ),
    ),
    "groups": (
        TypeError,
        "groups",
        lambda: LatentExplorer(
            nn.Sequential(nn.Unflatten(1, (2, 1, 1)), nn.Conv2d(2, 2, 1, groups=2)), normal(2)
        ),
    ),
    "bilinear": (
        TypeError,
        "bilinear",
        lambda: LatentExplorer(
            nn.Sequential(nn.Unflatten(1, (1, 2, 1)), nn.Upsample(scale_factor=2, mode="bilinear")),
            normal(2),
        ),
    ),
    "statistics": (
        TypeError,
        "running statistics",
        lambda: LatentExplorer(
            nn.Sequential(*LINEAR, nn.BatchNorm1d(4, track_running_stats=False)),
            normal(2),
            shape=(2, 2),
        ),
    ),
    "width": (
        ValueError,
        "expected 2 features or channels for its Linear, got 3",
        lambda: LatentExplorer(LINEAR, normal(3), shape=(2, 2)),
    ),
    "shape": (ValueError, r"shape=\(h, w\)", lambda: LatentExplorer(LINEAR, normal(2))),
    "p_0": (
        TypeError,
        "p_0: expected",
        lambda: LatentExplorer(LINEAR, Categorical(torch.ones(2)), shape=(2, 2)),
    ),
    "z": (
        ValueError,
        "z: expected",
        lambda: LatentExplorer(LINEAR, normal(2), shape=(2, 2), z=torch.zeros(3)),
    ),
    "sliders": (
        ValueError,
        "sliders: expected",
        lambda: LatentExplorer(LINEAR, normal(2), sliders=[2]),
    ),
    "names": (
        ValueError,
        "names: expected 2",
        lambda: LatentExplorer(LINEAR, normal(2), names=["a"]),
    ),
    "directions": (
        ValueError,
        "orthonormal",
        lambda: LatentExplorer(LINEAR, normal(2), directions=torch.ones(1, 2), shape=(2, 2)),
    ),
    "dtype": (
        TypeError,
        "dtype: expected",
        lambda: LatentExplorer(LINEAR, normal(2), shape=(2, 2), dtype=torch.int8),
    ),
    "samples": (
        ValueError,
        "samples: expected",
        lambda: LatentExplorer(LINEAR, normal(2), samples=0),
    ),
    "overflow": (
        ValueError,
        "finite in torch.float16",
        lambda: LatentExplorer(
            nn.Sequential(*LINEAR, nn.BatchNorm1d(4, eps=1e-16), nn.Linear(4, 4)).apply(huge),
            normal(2),
            shape=(2, 2),
        ),
    ),
    "points": (
        ValueError,
        r"points: expected a floating-point tensor of shape \(T, N, 2\), got shape \(3, 2\)",
        lambda: PointPlayer.plane(torch.zeros(3, 2), limits=((0, 1), (0, 1))),
    ),
    "field": (
        ValueError,
        r"field: expected a floating-point tensor of shape \(3, h, w\)",
        lambda: PointPlayer.plane(
            torch.zeros(3, 1, 2), field=torch.zeros(2, 4, 4), limits=((0, 1), (0, 1))
        ),
    ),
    "finite": (
        ValueError,
        "points: expected finite",
        lambda: PointPlayer.plane(torch.full((3, 1, 2), torch.nan), limits=((0, 1), (0, 1))),
    ),
    "limits": (
        ValueError,
        "limits: expected low < high",
        lambda: PointPlayer.plane(torch.zeros(3, 1, 2), limits=((1, 0), (0, 1))),
    ),
    "labels": (
        ValueError,
        "labels: expected 3",
        lambda: PointPlayer.plane(torch.zeros(3, 1, 2), limits=((0, 1), (0, 1)), labels=["a"]),
    ),
    "curves": (
        ValueError,
        r"curves\['q'\]: expected a floating-point tensor of shape \(4, 5\)",
        lambda: PointPlayer.line(
            torch.arange(5.0), {"D": torch.zeros(4, 5), "q": torch.zeros(3, 5)}
        ),
    ),
    "grid": (ValueError, "x: expected an increasing", lambda: PointPlayer.line(torch.zeros(5), {})),
    "right": (
        ValueError,
        "right: expected names",
        lambda: PointPlayer.line(torch.arange(5.0), {"p": torch.zeros(5)}, right=("D",)),
    ),
}


def huge(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.constant_(module.weight, 1e5)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name: str) -> None:
    error, message, build = MISTAKES[name]
    with pytest.raises(error, match=message):
        build()


def test_points_are_stored_to_a_hundredth_of_a_pixel_and_outliers_stay_outside() -> None:
    torch.manual_seed(0)
    points = 6 * torch.rand(4, 50, 2) - 3
    points[0, 0] = torch.tensor([1e6, 0.0])
    player = PointPlayer.plane(points, limits=((-3, 3), (-3, 3)))
    stored = (
        torch.frombuffer(bytearray(player.points), dtype=torch.float16).reshape(4, 50, 2).float()
    )
    assert stored[0, 0, 0] > 3
    stored[0, 0] = points[0, 0]
    assert (stored - points).abs().max() <= 2**-10  # half a unit in the last place below 4


def test_the_field_is_a_byte_of_its_limits() -> None:
    field = torch.tensor([[[-1.0, 0.0], [1.0, 7.0]]])
    player = PointPlayer.plane(
        torch.zeros(1, 1, 2), field=field, field_limits=(-1, 3), limits=((0, 1), (0, 1))
    )
    assert list(player.field) == [0, 64, 128, 255]
    assert player.view["field"] == {"size": [2, 2], "limits": [-1, 3], "name": "D"}


def test_curves_are_stored_after_their_grid() -> None:
    x, q = torch.linspace(0, 1, 5), torch.arange(10.0).reshape(2, 5)
    player = PointPlayer.line(x, {"p": x**2, "q": q, "D": q / 9}, right=("D",))
    stored = torch.frombuffer(bytearray(player.curves), dtype=torch.float16)
    assert torch.equal(stored, torch.cat([x, x**2, q.flatten(), (q / 9).flatten()]).half())
    assert player.view["y"] == pytest.approx([0, 1.05 * 9])
    assert player.view["right"] == [0, 1]
