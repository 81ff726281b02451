"""Networks: replicas against one network at a time, shapes, and the law of the initial weights."""

from functools import partial

import pytest
import torch
from torch import nn

from gannotes import nets


def test_each_replica_is_an_independent_linear_map():
    torch.manual_seed(0)
    stacked = nets.ReplicaLinear(3, 4, 5).double()
    x = torch.randn(3, 7, 4, dtype=torch.float64)
    for s in range(3):
        expected = nn.functional.linear(x[s], stacked.weight[s], stacked.bias[s, 0])
        torch.testing.assert_close(stacked(x)[s], expected)


def test_a_stack_trains_like_its_members_one_at_a_time():
    torch.manual_seed(0)
    stack = nets.critic(2, 8, 8, replicas=3).double()
    x, y = torch.randn(3, 20, 2, dtype=torch.float64), torch.randn(3, 20, dtype=torch.float64)
    members = []
    for s in range(3):
        member = nets.critic(2, 8, 8).double()
        for one, many in zip(member, stack, strict=True):
            if isinstance(one, nn.Linear):
                one.weight.data, one.bias.data = (
                    many.weight.data[s].clone(),
                    many.bias.data[s, 0].clone(),
                )
        members.append(member)
    for net, inputs, targets in [(stack, x, y), *zip(members, x, y, strict=True)]:
        optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
        for _ in range(50):
            optimiser.zero_grad()
            (net(inputs) - targets).square().mean(-1).sum().backward()
            optimiser.step()
    for s, member in enumerate(members):
        torch.testing.assert_close(stack(x)[s], member(x[s]), rtol=1e-9, atol=1e-9)


def test_initial_weights_follow_the_uniform_law_of_linear_layers():
    torch.manual_seed(0)
    weight = nets.ReplicaLinear(200, 16, 32).weight.detach()
    assert weight.abs().max() <= 0.25
    assert weight.std().item() == pytest.approx(0.25 / 3**0.5, rel=0.01)
    assert not torch.equal(weight[0], weight[1])


def test_a_critic_returns_one_number_per_sample():
    """E19: the raw output, for any leading dimensions."""
    assert nets.critic(2, 8)(torch.zeros(5, 2)).shape == (5,)
    assert nets.critic(2, 8, replicas=3)(torch.zeros(3, 5, 2)).shape == (3, 5)
    assert nets.image_critic(8)(torch.zeros(5, 1, 28, 28)).shape == (5,)


def test_replicas_take_further_leading_dimensions():
    torch.manual_seed(0)
    net = nets.mlp(2, 8, 3, replicas=4).double()
    z = torch.randn(5, 4, 7, 2, dtype=torch.float64)
    torch.testing.assert_close(net(z), torch.stack([net(part) for part in z]))


def test_folded_leading_dimensions_come_back():
    torch.manual_seed(0)
    net = nn.Conv2d(1, 2, 3)
    x = torch.randn(4, 5, 1, 6, 6)
    folded = nets.Folded(net, input_dims=3)(x)
    assert folded.shape == (4, 5, 2, 4, 4)
    torch.testing.assert_close(folded[2], net(x[2]))


def test_a_warp_is_a_gaussian_plus_what_bends_it():
    torch.manual_seed(0)
    affine, bend = nn.Linear(5, 4), nets.Pair(nn.Linear(5, 8), nn.Linear(3, 8), nn.Linear(8, 2))
    h, noise = torch.randn(6, 5), torch.randn(7, 6, 3)
    mean, log_sd = affine(h)[:, :2], affine(h)[:, 2:]
    warp = nets.Warp(affine, bend)
    expected = torch.stack([mean + log_sd.exp() * (e[:, :2] + bend(h, e)) for e in noise])
    torch.testing.assert_close(warp(h, noise), expected)
    nn.init.zeros_(bend.head.weight)
    nn.init.zeros_(bend.head.bias)
    torch.testing.assert_close(warp(h, noise), mean + log_sd.exp() * noise[..., :2])


def test_a_pair_with_affine_features_is_an_affine_map_of_both_inputs_side_by_side():
    torch.manual_seed(0)
    pair = nets.Pair(nn.Linear(2, 8), nn.Linear(3, 8), nets.critic(8, 8))
    joint = nn.Linear(5, 8)
    joint.weight.data = torch.cat([pair.first.weight, pair.second.weight], -1)
    joint.bias.data = pair.first.bias + pair.second.bias
    a, b = torch.randn(7, 2), torch.randn(7, 3)
    torch.testing.assert_close(pair(a, b), pair.head(joint(torch.cat([a, b], -1))))
    assert not torch.allclose(pair(a, b), pair(a, b.flip(0)))  # neither input is ignored
    assert not torch.allclose(pair(a, b), pair(a.flip(0), b))


def test_many_first_inputs_of_a_pair_meet_one_second_input():
    torch.manual_seed(0)
    for replicas in (None, 3):
        affine = nn.Linear if replicas is None else partial(nets.ReplicaLinear, replicas)
        pair = nets.Pair(affine(2, 8), affine(4, 8), nets.critic(8, 8, replicas=replicas))
        leading = () if replicas is None else (replicas,)
        a, b = torch.randn(5, *leading, 7, 2), torch.randn(*leading, 7, 4)
        assert pair(a, b).shape == (5, *leading, 7)
        torch.testing.assert_close(pair(a, b), torch.stack([pair(part, b) for part in a]))


def test_image_networks_have_the_size_of_the_images():
    x = nets.image_generator(16, 8)(torch.zeros(5, 16))
    assert x.shape == (5, 1, 28, 28)
    assert x.min() >= 0
    assert x.max() <= 1
    assert nets.image_classifier()(x).shape == (5, 10)


def test_autocast_rounds_the_products_and_keeps_the_parameters():
    torch.manual_seed(0)
    net = nets.mlp(16, 64, 4)
    x = torch.randn(32, 16)
    low = nets.Autocast(net, torch.bfloat16)
    assert low(x).dtype == torch.float32
    assert not torch.equal(low(x), net(x))
    torch.testing.assert_close(low(x), net(x), rtol=0.05, atol=0.02)
    low(x).sum().backward()
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in net.parameters())


@pytest.mark.parametrize(("capability", "exact"), [("AVX2", True), ("AVX512", False)])
def test_products_are_rounded_only_where_the_processor_gains_by_it(capability, exact, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    torch.manual_seed(0)
    net, x = nets.mlp(16, 64, 4), torch.randn(32, 16)
    assert torch.equal(nets.Autocast(net)(x), net(x)) == exact
    assert torch.equal(nets.Autocast(net, torch.float32)(x), net(x))


def test_spectral_normalisation_bounds_every_layer_and_leaves_the_gradient_alive():
    torch.manual_seed(0)
    V = nets.spectral(nets.image_critic(8))
    x = torch.rand(16, 1, 28, 28)
    for _ in range(100):
        V(x)
    for layer in V:
        if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
            norm = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)  # all singular values
            torch.testing.assert_close(norm, torch.tensor(1.0), rtol=0, atol=2e-3)
    V(x).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in V.parameters())


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="widths: expected an input and an output dimension, got"):
        nets.mlp(3)
    with pytest.raises(
        ValueError, match=r"x: expected shape \(S, N, d\) with S = 3 replicas and d = 2, got"
    ):
        nets.mlp(2, 1, replicas=3)(torch.zeros(4, 5, 2))


def test_spread_is_the_mean_standard_deviation_of_each_group():
    x = torch.randn(12, 2, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = nets.Spread(4)(x)
    assert torch.equal(y[:, :2], x)
    for g in range(3):
        expected = x[4 * g : 4 * g + 4].numpy().std(0).mean()
        channel = y[4 * g : 4 * g + 4, 2]
        torch.testing.assert_close(channel, torch.full_like(channel, expected), atol=1e-7, rtol=0)


def test_groups_of_spread_do_not_mix():
    x = torch.randn(16, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    D = nets.varied_critic(4)
    first = D(x)[:8]
    x[8:] = 0
    torch.testing.assert_close(D(x)[:8], first)
    x[0] = 0
    assert not torch.isclose(D(x)[1:8], first[1:]).any()


def test_repeated_images_have_a_spread_and_a_gradient_that_are_finite():
    x = torch.ones(8, 1, 2, 2, requires_grad=True)
    y = nets.Spread()(x)
    assert y[:, 1].max() < 2e-4
    y.sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("shape", [(12, 1, 4, 4), (16, 4)])
def test_a_batch_without_whole_groups_is_refused(shape):
    with pytest.raises(ValueError, match=r"x: expected \(N, C, H, W\), N a multiple of 8, got"):
        nets.Spread()(torch.zeros(shape))
