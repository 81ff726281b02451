"""Bad input: what a careless or a nasty hand would pass, over the whole public interface.

A line of the table is a family of cases: the values of its first column, one after another, in
the place of `@`. Each is refused with a `TypeError` or a `ValueError` that begins with the
argument's name and says what was expected; no network, no optimiser and no file has changed.
"""

import ast
import copy
import functools
import inspect
import math
import re
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.distributions import Independent, Normal

from gannotes import (  # noqa: F401, the table names them
    bounds,
    checkpoint,
    data,
    distributions,
    divergences,
    evidence,
    fits,
    metrics,
    nets,
    optim,
    plots,
    results,
    runs,
    samples,
    weights,
    widgets,
)
from gannotes.models import ali, avb, cyclegan, fgan, gan, infogan, vae

nan, inf = math.nan, math.inf
HUGE = 10**30
VALUES = {
    "count": [0, -1, 1.5, True, "2", None, HUGE],  # a whole number of at least 1
    "length": [-1, 1.5, True, "2", None, HUGE],  # of at least 0
    "positive": [0, -1.0, nan, inf, True, "1", None, 1j],
    "number": [nan, inf, -inf, True, "1", None, 1j],
    "weight": [-1.0, nan, inf, True, "1", None, 1j],  # of a term: at least 0
    "interval": [(1, 1), (2, 1), (nan, 1), (0, inf), (0,), (0, 1, 2), 3, "ab"],
    "callable": [None, 3, "x"],
    "callables": [3, "x"],  # where None is a choice
    "module": [None, 3, "x", nn.Linear],
    "text": [3, None, b"x"],
    "flag": [1, None, "yes"],
    "word": ["x", "", "../x", "/etc/passwd", 3, None, ["x"]],
    "dtype": [torch.int64, torch.bool, "float32", float],
    "generator": [0, "x", np.random.default_rng(0)],
    "path": [None, 3, ["x"]],
    "tensor": [None, 3.0, "x", [[0.5, 0.5]], np.zeros((8, 2))],
    "whole": [torch.zeros(8, 2).long(), torch.zeros(8, 2).byte(), torch.zeros(8, 2).bool()],
    "holes": [torch.full((8, 2), nan), torch.full((8, 2), inf), torch.eye(8)[:, :2] * -inf],
    "shapes": [torch.tensor(0.5), torch.zeros(0, 2), torch.zeros(8, 0)],
    "points": [
        None,
        3.0,
        "x",
        torch.zeros(8, 2).long(),
        torch.full((8, 2), nan),
        torch.zeros(0, 2),
    ],
    "labels": [
        None,
        "x",
        torch.zeros(8),
        torch.full((8,), -1),
        torch.full((8,), 99),
        torch.zeros(8).bool(),
    ],
    "like": [None, 3, "x", torch.optim.SGD, nn.Linear(1, 1)],  # in place of an optimiser
    "logs": [
        None,
        [0.0],
        torch.zeros(3).long(),
        torch.tensor([0.0, nan, 0.0]),
        torch.tensor([inf, 0.0, 0.0]),
        torch.tensor(0.0),
        torch.zeros(0),
    ],
    "dx": [0.0, -1.0, nan, inf, "1", None, True, torch.ones(2), torch.tensor([1.0, nan, 1.0])],
    "v": [None, 0.5, "x", torch.zeros(3).long(), torch.tensor(0.0), torch.zeros(0)],
    "once": [None],
}

# values, the argument's name, the call
TABLE = """
logs      log_p        divergences.kl(@, logs)
logs      log_q        divergences.kl(logs, @)
dx        dx           divergences.kl(logs, logs, @)
logs      log_p        divergences.jensen_shannon(@, logs)
logs      log_q        divergences.total_variation(logs, @)
logs      log_p        divergences.REVERSE_KL(@, logs)
logs      log_q        divergences.NEYMAN(logs, @)
number    a            divergences.alpha(logs, logs, @)
number    a            divergences.alpha_family(@)
once      a            divergences.alpha(logs, logs, 1e300)
once      log_p, log_q divergences.kl(torch.zeros(2, 3), torch.zeros(5, 3))
once      log_p, log_q divergences.kl(torch.zeros(4), torch.zeros(3))
logs      log_joint    divergences.information(@)
dx        dx           divergences.information(torch.zeros(2, 3), @)
callable  divergence   fits.best_gaussian(@, logs, logs, 1.0, (0.0, 1.0))
logs      log_p        fits.best_gaussian(divergences.KL, @, torch.arange(3.0), 1.0, (0.0, 1.0))
once      x            fits.best_gaussian(divergences.KL, logs, torch.zeros(4), 1.0, (0.0, 1.0))
dx        dx           fits.best_gaussian(divergences.KL, logs, torch.arange(3.0), @, (0.0, 1.0))
once      start        fits.best_gaussian(divergences.KL, logs, torch.arange(3.0), 1.0, (0.0, -1.0))
once      start        fits.best_gaussian(divergences.KL, logs, torch.arange(3.0), 1.0, (nan, 1.0))
once      start        fits.best_gaussian(divergences.KL, logs, torch.arange(3.0), 1.0, 3)
v         v_p          bounds.bernoulli(@, v)
v         v_q          bounds.bernoulli(v, @)
v         v_p          bounds.least_squares(@, v)
v         v_q          bounds.relativistic(v, @)
v         v_p          bounds.variational(divergences.GAN)(@, v)
once      v_p, v_q     bounds.bernoulli(torch.zeros(2, 3), torch.zeros(4, 3))
once      v_p, v_q     bounds.relativistic(v, torch.zeros(4))
module    f            bounds.variational(@)
v         log_q        bounds.mutual_information(@, 1.0)
text      entropy      bounds.mutual_information(v, [1])
v         x            bounds.cycle(@, v, v, v)
v         y_cycled     bounds.cycle(xy, xy, xy, @)
points    samples      metrics.mode_coverage(@, xy, 0.1)
holes     samples      metrics.mode_coverage(@, xy, 0.1)
points    modes        metrics.mode_coverage(xy, @, 0.1)
positive  sd           metrics.mode_coverage(xy, xy, @)
positive  radius       metrics.mode_coverage(xy, xy, 0.1, @)
once      samples      metrics.mode_coverage(torch.zeros(3, 4), xy, 0.1)
points    samples      metrics.kernel_density(@, xy, 0.1)
points    test         metrics.kernel_density(xy, @, 0.1)
positive  bandwidth    metrics.kernel_density(xy, xy, @)
once      bandwidth    metrics.kernel_density(xy, xy, 1e-200)
points    samples      metrics.select_bandwidth(@, xy, [0.1, 0.2, 0.3])
holes     validation   metrics.select_bandwidth(xy, @, [0.1, 0.2, 0.3], strict=False)
positive  bandwidths   metrics.select_bandwidth(xy, xy, [0.1, @])
once      bandwidths   metrics.select_bandwidth(xy, xy, [])
flag      strict       metrics.select_bandwidth(xy, xy, [0.1, 0.2], strict=@)
tensor    values       metrics.standard_error(@)
whole     values       metrics.standard_error(@)
holes     values       metrics.standard_error(@)
once      values       metrics.standard_error(torch.zeros(3, 1))
points    x            metrics.nearest_neighbours(@, xy)
points    reference    metrics.nearest_neighbours(xy, @)
count     k            metrics.nearest_neighbours(xy, xy, @)
points    logits       metrics.class_shares(@)
points    logits       metrics.inception_score(@)
whole     logits       metrics.inception_score(@)
labels    predicted    metrics.segmentation_scores(@, labels, 3)
labels    truth        metrics.segmentation_scores(labels, @, 3)
count     classes      metrics.segmentation_scores(labels, labels, @)
once      predicted    metrics.segmentation_scores(labels[:3], labels, 3)
points    x            metrics.wasserstein_1d(@, xy)
points    y            metrics.wasserstein_1d(xy, @)
once      x, y         metrics.wasserstein_1d(torch.zeros(2, 1), torch.zeros(3, 1))
points    x            metrics.rank_correlation(@, xy)
points    y            metrics.rank_correlation(xy, @)
once      x            metrics.rank_correlation(torch.ones(8, 2), xy)
points    codes        metrics.mutual_information_gap(@, xy, 3)
points    factors      metrics.mutual_information_gap(xy, @, 3)
whole     codes        metrics.mutual_information_gap(@, xy, 3)
count     bins         metrics.mutual_information_gap(xy, xy, @)
callable  log_joint    evidence.importance_weighted(@, p_0)
module    q            evidence.importance_weighted(log_joint, @)
count     samples      evidence.importance_weighted(log_joint, p_0, @)
count     chunk        evidence.importance_weighted(log_joint, p_0, 3, @)
once      log_joint    evidence.importance_weighted(lambda z: z.sum(-1) * nan, p_0, 3)
once      log_joint    evidence.importance_weighted(lambda z: z, p_0, 3)
callable  log_joint    evidence.annealed_importance_sampling(@, p_0)
module    q            evidence.annealed_importance_sampling(log_joint, @)
count     chains       evidence.annealed_importance_sampling(log_joint, p_0, @)
count     temperatures evidence.annealed_importance_sampling(log_joint, p_0, 2, @)
count     leapfrog     evidence.annealed_importance_sampling(log_joint, p_0, 2, 2, @)
count     pilots       evidence.annealed_importance_sampling(log_joint, p_0, 2, 2, 2, @)
callable  log_likelihood samples.log_marginal(@, xy, torch.zeros(8))
points    nodes        samples.log_marginal(torch.sum, @, torch.zeros(8))
v         log_weights  samples.log_marginal(torch.sum, xy, @)
count     count        samples.gauss_hermite(@)
dtype     dtype        samples.gauss_hermite(3, @)
tensor    x            samples.Empirical(@)
text      u            samples.Empirical(torch.zeros(3), b"x")
length    n            samples.Empirical(xy).sample(@)
generator generator    samples.Empirical(xy).sample(3, @)
callable  l            samples.Empirical(xy).expectation(@)
text      u            samples.Empirical(torch.zeros(3), torch.zeros(3)).conditional(@)
tensor    x            samples.pushforward_log_prob(@, torch.log, torch.exp, torch.exp)
holes     x            samples.pushforward_log_prob(@, torch.log, torch.exp, torch.exp)
callable  inverse      samples.pushforward_log_prob(v, @, torch.exp, torch.exp)
callable  derivative   samples.pushforward_log_prob(v, torch.log, @, torch.exp)
callable  base_log_prob samples.pushforward_log_prob(v, torch.log, torch.exp, @)
callable  l            samples.expectation(@, v)
tensor    x            samples.expectation(torch.exp, @)
callable  l            samples.pathwise_gradient(@, torch.exp, [theta], v)
callable  G            samples.pathwise_gradient(torch.exp, @, [theta], v)
tensor    params       samples.pathwise_gradient(torch.exp, torch.exp, @, v)
once      params       samples.pathwise_gradient(torch.exp, torch.exp, [v], v)
callable  log_prob     samples.score_function_gradient(torch.exp, @, [theta], v)
count     replicas     nets.ReplicaLinear(@, 2, 3)
count     inputs       nets.ReplicaLinear(2, @, 3)
count     outputs      nets.ReplicaLinear(2, 3, @)
tensor    x            nets.ReplicaLinear(2, 3, 4)(@)
once      x            nets.ReplicaLinear(2, 3, 4)(torch.zeros(2, 5, 4))
module    net          nets.Autocast(@)
dtype     dtype        nets.Autocast(net, @)
module    net          nets.Folded(@)
count     input_dims   nets.Folded(net, @)
module    first        nets.Pair(@, net, net)
module    second       nets.Pair(net, @, net)
module    head         nets.Pair(net, net, @)
module    affine       nets.Warp(@, net)
module    bend         nets.Warp(net, @)
count     widths       nets.mlp(2, @, 1)
once      widths       nets.mlp(2)
callable  activation   nets.mlp(2, 3, 1, activation=@)
once      widths       nets.critic()
count     widths       nets.critic(2, @)
count     k            nets.image_generator(@)
count     channels     nets.image_generator(4, @)
count     channels     nets.image_critic(@)
module    net          nets.spectral(@)
tensor    x            data.Batches(@, 2, 3)
count     size         data.Batches(xy, @, 3)
once      size         data.Batches(xy, 9, 3)
once      size         data.Batches(xy, (2, 2, 2), 3)
length    steps        data.Batches(xy, 2, @)
length    seed         data.Batches(xy, 2, 3, @)
word      split        data.mnist(@)
points    x            data.binarise(@ if not isinstance(@, torch.Tensor) or @.numel() else xy - 9)
once      x            data.binarise(xy + 2)
generator generator    data.binarise(torch.zeros(2), @)
tensor    x            data.outline(@)
holes     x            data.outline(@)
length    n            data.heads(@)
generator generator    data.heads(2, @)
tensor    factors      data.render_heads(@)
once      factors      data.render_heads(torch.full((1, 4), nan))
count     size         data.render_heads(torch.tensor([[0.0, 0.0, 0.0, 1.0]]), @)
length    n            data.scapes(@)
labels    labels       data.paint(@)
points    pictures     data.nearest_class(@)
once      pictures     data.nearest_class(torch.full((1, 3, 2, 2), nan))
positive  weights      data.mixture_1d([0.5, @], [0.0, 1.0], [1.0, 1.0])
number    means        data.mixture_1d([0.5, 0.5], [0.0, @], [1.0, 1.0])
positive  sds          data.mixture_1d([0.5, 0.5], [0.0, 1.0], [1.0, @])
dtype     dtype        data.mixture_1d([1.0], [0.0], [1.0], @)
count     modes        data.ring(@)
positive  radius       data.ring(8, @)
positive  sd           data.ring(8, 2.0, @)
dtype     dtype        data.ring(dtype=@)
count     side         data.grid(@)
positive  spacing      data.grid(5, @)
positive  sd           data.grid(5, 2.0, @)
positive  sd           data.two_moons(@)
number    x            data.dirac(@)
dtype     dtype        data.univariate_mixture(@)
word      name         results.load(@)
path      path         results.read(@)
once      path         results.read(tmp / "missing.csv")
path      path         results.write(@, [{"a": 1}])
once      rows         results.write(tmp / "t.csv", [])
once      rows         results.write(tmp / "t.csv", [{"a": 1}, {"b": 1}])
once      rows         results.write(tmp / "t.csv", 3)
once      a            results.write(tmp / "t.csv", [{"a": torch.tensor(1.0)}])
once      a            results.write(tmp / "t.csv", [{"a": "1"}])
word      name         weights.load(net, @)
module    net          weights.load(@, "mnist_classifier")
once      net          weights.load(net, "mnist_classifier")
path      path         weights.fill(net, @)
once      path         weights.fill(net, tmp / "missing.safetensors")
module    net          weights.save(@, tmp / "net.safetensors")
path      path         weights.save(net, @)
once      net          weights.save(hollow, tmp / "net.safetensors")
count     rows         plots.panels(@)
count     columns      plots.panels(1, @)
positive  height       plots.panels(1, 1, @)
text      ax           plots.density_1d(@, v)
text      x            plots.density_1d(ax, @)
once      p            plots.density_1d(ax, v, p=torch.zeros(4))
text      p_label      plots.density_1d(ax, v, p=v, p_label=@)
text      samples      plots.samples_1d(ax, @)
count     bins         plots.samples_1d(ax, v, @)
interval  span         plots.samples_1d(ax, v, span=@)
text      colour       plots.samples_1d(ax, v, colour=3)
once      D            plots.critic_1d(ax, v, torch.zeros(4))
once      data         plots.scatter_2d(ax, torch.zeros(3, 3))
positive  size         plots.scatter_2d(ax, xy, size=@)
once      limit        plots.scatter_2d(ax, xy, limit=nan)
once      D            plots.critic_2d(ax, v, 3.0)
positive  limit        plots.critic_2d(ax, xy, @)
text      axes         plots.replicas(@, xy[None])
once      samples      plots.replicas(Figure().subplots(), xy)
once      titles       plots.replicas(Figure().subplots(), xy[None], titles=["a", "b"])
text      images       plots.image_grid(ax, @)
once      images       plots.image_grid(ax, torch.full((1, 1, 4, 4), nan))
once      rows         plots.image_grid(ax, torch.zeros(6, 1, 4, 4), rows=0)
length    gap          plots.image_grid(ax, torch.zeros(6, 1, 4, 4), gap=@)
text      series       plots.history(ax, @)
once      steps        plots.history(ax, v, steps=torch.zeros(4))
length    dash         plots.history(ax, v, dash=@)
callable  field        plots.vector_field(ax, @)
count     n            plots.vector_field(ax, torch.exp, n=@)
once      field        plots.vector_field(ax, torch.sum)
text      path         plots.trajectory(ax, @)
module    p            widgets.DivergenceExplorer(@, p)
module    q            widgets.CriticExplorer(p, @)
word      row          widgets.DivergenceExplorer(p, p, row=@)
number    a            widgets.DivergenceExplorer(p, p, a=@)
interval  limits       widgets.DivergenceExplorer(p, p, limits=@)
text      title        widgets.DivergenceExplorer(p, p, title=@)
once      others       widgets.DivergenceExplorer(p, p, others={"x": p})
word      f            widgets.CriticExplorer(p, p, f=@)
count     knots        widgets.CriticExplorer(p, p, knots=@)
interval  limits       widgets.CriticExplorer(p, p, limits=@)
interval  outputs      widgets.CriticExplorer(p, p, outputs=@)
once      v            widgets.CriticExplorer(p, p, v=torch.full((9,), nan))
number    log_p        widgets.LateCritic(@, 0.3)
number    posterior    widgets.LateCritic(-1.5, @)
number    sigma        widgets.LateCritic(-1.5, 0.3, sigma=@)
number    held         widgets.LateCritic(-1.5, 0.3, held=@)
text      title        widgets.LateCritic(-1.5, 0.3, title=@)
module    G            widgets.LatentExplorer(@, p_0)
module    p_0          widgets.LatentExplorer(painter, @ or 3)
once      z            widgets.LatentExplorer(painter, p_0, z=torch.tensor([nan, 0.0]))
once      z            widgets.LatentExplorer(painter, p_0, z=torch.zeros(3))
interval  limits       widgets.LatentExplorer(painter, p_0, limits=@)
interval  continuous   widgets.LatentExplorer(painter, None, continuous={"a": @, "b": (0, 1)})
count     categorical  widgets.LatentExplorer(painter, None, categorical={"a": @})
count     samples      widgets.LatentExplorer(painter, p_0, samples=@)
length    sliders      widgets.LatentExplorer(painter, p_0, sliders=@)
tensor    directions   widgets.LatentExplorer(painter, p_0, directions=@ if @ is not None else 3)
once      shape        widgets.LatentExplorer(painter, p_0, shape=(0, 3))
length    seed         widgets.LatentExplorer(painter, p_0, seed=@)
dtype     dtype        widgets.LatentExplorer(painter, p_0, dtype=@)
once      G            widgets.LatentExplorer(nn.Sequential(painter, nn.Conv2d(1, 1, 9)), p_0)
module    decoder      widgets.LatentMap(@, xy, labels)
points    z            widgets.LatentMap(painter, @, labels)
labels    labels       widgets.LatentMap(painter, xy, @)
length    cells        widgets.LatentMap(painter, xy, labels, cells=@)
interval  limits       widgets.LatentMap(painter, xy, labels, limits=@)
once      limit        widgets.LatentMap(painter, xy, labels, limit=nan)
once      point        widgets.LatentMap(painter, xy, labels, point=(nan, 0))
once      images       widgets.LatentMap(painter, xy, labels, torch.full((8, 1, 4, 4), nan))
flag      smooth       widgets.LatentMap(painter, xy, labels, smooth=@)
module    decoder      widgets.CodeInterpolator(@, pictures, xy, labels)
tensor    images       widgets.CodeInterpolator(painter, @, xy, labels)
points    codes        widgets.CodeInterpolator(painter, pictures, @, labels)
length    first        widgets.CodeInterpolator(painter, pictures, xy, labels, first=@)
number    t            widgets.CodeInterpolator(painter, pictures, xy, labels, t=@)
count     steps        widgets.CodeInterpolator(painter, pictures, xy, labels, steps=@)
interval  limits       widgets.CodeInterpolator(painter, pictures, xy, labels, limits=@)
text      name         widgets.CodeInterpolator(painter, pictures, xy, labels, name=@)
module    G            widgets.DomainTranslator(@, blur, both)
module    F            widgets.DomainTranslator(blur, @, both)
tensor    examples     widgets.DomainTranslator(blur, blur, @)
positive  pens         widgets.DomainTranslator(blur, blur, both, pens=(1, @))
length    margin       widgets.DomainTranslator(blur, blur, both, pens=(1, 1), margin=@)
length    example      widgets.DomainTranslator(blur, blur, both, pens=(1, 1), example=@)
text      names        widgets.DomainTranslator(blur, blur, both, pens=(1, 1), names=("a", @))
module    encoder      widgets.DigitPad(@, painter, reader, xy, labels, pictures, labels)
module    decoder      widgets.DigitPad(coder, @, reader, xy, labels, pictures, labels)
module    classifier   widgets.DigitPad(coder, painter, @, xy, labels, pictures, labels)
points    z            widgets.DigitPad(coder, painter, reader, @, labels, pictures, labels)
labels    labels       widgets.DigitPad(coder, painter, reader, xy, @, pictures, labels)
tensor    examples     widgets.DigitPad(coder, painter, reader, xy, labels, @, labels)
labels    kinds        widgets.DigitPad(coder, painter, reader, xy, labels, pictures, @)
length    example      widgets.DigitPad(*digits, example=@)
interval  limits       widgets.GeneratorBender(p, limits=@)
once      x            widgets.GeneratorBender(p, torch.full((9,), nan))
number    a            widgets.AlphaDial(p, a=@)
text      title        widgets.AlphaDial(p, title=@)
number    gamma        widgets.DiracExplorer(gamma=@)
count     rounds       widgets.DiracExplorer(rounds=@)
flag      flip         widgets.DiracExplorer(flip=@)
tensor    images       widgets.FilmPlayer(@)
once      images       widgets.FilmPlayer(pictures * nan)
count     columns      widgets.FilmPlayer(pictures, columns=@)
once      labels       widgets.FilmPlayer(pictures, labels=["a"])
text      title        widgets.FilmPlayer(pictures, title=@)
tensor    points       widgets.PointPlayer.plane(@, limits=box)
once      points       widgets.PointPlayer.plane(cloud * nan, limits=box)
interval  limits       widgets.PointPlayer.plane(cloud, limits=((0, 1), @))
once      limits       widgets.PointPlayer.plane(cloud, limits=3)
once      axes         widgets.PointPlayer.plane(cloud, limits=box, axes=("x",))
once      names        widgets.PointPlayer.plane(cloud, limits=box, names=("x",))
tensor    x            widgets.PointPlayer.line(@, {})
tensor    curves       widgets.PointPlayer.line(v.cumsum(0), {"p": @})
interval  limits       widgets.PointPlayer.line(torch.arange(3.0), {"p": v}, limits=@)
count     d            distributions.standard_normal(@)
count     d            distributions.uniform(@)
number    low          distributions.uniform(2, @)
number    high         distributions.uniform(2, 0.0, @)
count     d            distributions.corners(@)
once      d            distributions.corners(60)
positive  sd           distributions.corners(2, @)
count     K            distributions.one_hot(@)
count     categorical  distributions.codes((@,))
length    continuous   distributions.codes((2,), @)
module    net          distributions.Gaussian(@)
count     event_dims   distributions.Gaussian(net, event_dims=@)
module    net          distributions.Bernoulli(@)
count     event_dims   distributions.Bernoulli(net, @)
module    net          distributions.Code(@, (2,))
length    continuous   distributions.Code(net, (2,), @)
number    floor        distributions.Code(net, (2,), 1, @)
module    net          distributions.Deterministic(@)
module    features     distributions.Implicit(@, net, p_0)
module    head         distributions.Implicit(net, @, p_0)
module    noise        distributions.Implicit(net, net, @)
once      parts        distributions.Product([])
tensor    z            distributions.gaussian_fit(@)
count     n            distributions.latent_grid(@)
module    G            gan.GAN(@, critic, p_0)
module    D            gan.GAN(net, @, p_0)
module    p_0          gan.GAN(net, critic, @)
callable  bound        gan.GAN(net, critic, p_0, @)
count     n            model.sample(@)
tensor    x            model.value(@)
whole     x            model.value(@)
once      x            model.value(torch.zeros(8, 3))
once      D            gan.GAN(net, nets.mlp(2, 4, 1), p_0).value(xy)
once      D            gan.step(gan.GAN(net, column, p_0), xy, theta_, phi_of_column)
count     K            gan.step(model, xy, theta_, phi, @)
like      theta        gan.step(model, xy, @, phi)
like      phi          gan.step(model, xy, theta_, @)
once      theta        gan.step(model, xy, phi, theta_)
once      phi          gan.step(model, xy, theta_, theta_)
once      phi          gan.step(model, xy, theta_, maximiser)
weight    gamma        gan.step_regularised(model, xy, theta_, phi, @)
tensor    x            gan.step(model, @, theta_, phi)
module    f            fgan.FGAN(net, critic, p_0, @)
once      theta        fgan.step(f_model, xy, phi, theta_)
like      omega        fgan.step(f_model, xy, theta_, @)
once      theta        fgan.step_alternating(f_model, xy, phi, theta_)
once      decoder      vae.VAE(gaussian, bernoulli_6, p_0).elbo(xy)
count     N_z          v_model.elbo(xy, @)
count     N_z          v_model.importance_weighted(xy, @)
count     N_z          vae.step(v_model, xy, theta_phi, @)
like      theta_phi    vae.step(v_model, xy, @)
tensor    x            v_model.elbo(@)
module    encoder      vae.VAE(@, gaussian, p_0)
module    decoder      vae.VAE(gaussian, @, p_0)
callable  kl           vae.VAE(gaussian, gaussian, p_0, @)
count     K            ali.step(a_model, xy, theta_phi_ali, omega, @)
once      theta_phi    ali.step(a_model, xy, omega, theta_phi_ali)
like      omega        ali.step(a_model, xy, theta_phi_ali, @)
count     K            avb.step(b_model, xy, theta_phi_avb, omega_avb, 1, @)
count     N_z          avb.step(b_model, xy, theta_phi_avb, omega_avb, @)
once      theta_phi    avb.step(b_model, xy, omega_avb, theta_phi_avb)
like      omega        avb.step(b_model, xy, theta_phi_avb, @)
like      theta        cyclegan.step(c_model, xy, xy, @, phi_c)
like      phi          cyclegan.step(c_model, xy, xy, theta_c, @)
once      theta        cyclegan.step(c_model, xy, xy, phi_c, theta_c)
weight    lam          cyclegan.step(c_model, xy, xy, theta_c, phi_c, @)
tensor    x            cyclegan.step(c_model, @, xy, theta_c, phi_c)
length    capacity     cyclegan.History((2,), @)
once      theta        infogan.step(i_model, xy, phi_eta, theta_i)
like      phi_eta      infogan.step(i_model, xy, theta_i, @)
weight    lam          infogan.step(i_model, xy, theta_i, phi_eta, @)
once      Q            infogan.InfoGAN(wide, net, critic, wrong_code, p_0, one_hot).objectives(xy)
once      x            model.value(torch.zeros(2))
once      x            model.value(torch.zeros(8, 2).double())
once      G            gan.GAN(nn.Linear(3, 2), critic, p_0).value(xy)
once      G            gan.GAN(nn.Linear(2, 3), critic, p_0).value(xy)
once      G            gan.GAN(nn.Linear(3, 2), critic, p_0).sample(3)
like      theta        gan.step_shared(model, xy, @, phi)
like      phi          gan.step_shared(model, xy, theta_, @)
once      theta        gan.step_shared(model, xy, phi, theta_)
tensor    x            gan.step_shared(model, @, theta_, phi)
once      x            gan.step_shared(model, torch.zeros(8, 3), theta_, phi)
tensor    x            gan.step_regularised(model, @, theta_, phi, 1.0)
once      theta        gan.step_regularised(model, xy, phi, theta_, 1.0)
once      x            gan.step_regularised(model, torch.zeros(8, 3), theta_, phi, 1.0)
once      D            bounds.squared_gradient(column, xy)
tensor    x            bounds.squared_gradient(critic, @)
once      x            bounds.squared_gradient(critic, torch.zeros(8, 3))
weight    gamma        gan.penalise(critic, xy, phi, @)
like      phi          gan.penalise(critic, xy, @, 1.0)
tensor    x            gan.penalise(critic, @, phi, 1.0)
count     n            f_model.sample(@)
tensor    x            f_model.value(@)
once      x            f_model.value(torch.zeros(8, 3))
tensor    x            f_model.is_data(@)
once      V            fgan.FGAN(net, column, p_0, divergences.KL).is_data(xy)
like      omega        fgan.step_alternating(f_model, xy, theta_, @)
tensor    x            fgan.step_alternating(f_model, @, theta_, phi)
count     n            v_model.sample(@)
tensor    x            v_model.log_joint(@, xy)
once      decoder      v_model.log_joint(xy, torch.zeros(8, 3))
tensor    z            v_model.log_joint(xy, @)
tensor    x            v_model.terms(@)
tensor    x            v_model.elbo_score(@)
tensor    x            v_model.importance_weighted(@, 2)
once      x            v_model.elbo(torch.zeros(8, 3))
tensor    x            vae.step(v_model, @, theta_phi)
count     n            a_model.sample(@)
tensor    x            a_model.reconstruct(@)
once      x            a_model.reconstruct(torch.zeros(8, 3))
tensor    x            a_model.value(@)
once      x            a_model.value(torch.zeros(8, 3))
tensor    x            ali.step(a_model, @, theta_phi_ali, omega)
weight    gamma        ali.step_regularised(a_model, xy, theta_phi_ali, omega, @)
like      omega        ali.step_regularised(a_model, xy, theta_phi_ali, @, 1.0)
once      theta_phi    ali.step_regularised(a_model, xy, omega, theta_phi_ali, 1.0)
tensor    x            ali.step_regularised(a_model, @, theta_phi_ali, omega, 1.0)
once      x            ali.step_regularised(a_model, torch.zeros(8, 3), theta_phi_ali, omega, 1.0)
count     n            b_model.sample(@)
tensor    x            b_model.log_joint(@, xy)
tensor    z            b_model.log_joint(xy, @)
tensor    x            b_model.log_ratio(xy, @)
tensor    z            b_model.log_ratio(@, xy)
tensor    x            b_model.terms(@)
tensor    x            b_model.value(@)
once      x            b_model.value(torch.zeros(8, 3))
count     N_z          b_model.elbo(xy, @)
tensor    x            avb.step(b_model, @, theta_phi_avb, omega_avb)
tensor    x            c_model.translate(@, xy)
tensor    y            c_model.translate(xy, @)
once      x            c_model.translate(torch.zeros(8, 3), xy)
tensor    x            c_model.value(@, xy, xy, xy)
tensor    y            c_model.value(xy, @, xy, xy)
tensor    y_made       c_model.value(xy, xy, @, xy)
tensor    x_made       c_model.value(xy, xy, xy, @)
tensor    x            c_model.cycle(@, xy, xy, xy)
tensor    y_made       c_model.cycle(xy, xy, @, xy)
tensor    x            c_model.identity(@, xy)
tensor    y            c_model.identity(xy, @)
tensor    y            cyclegan.step(c_model, xy, @, theta_c, phi_c)
count     n            i_model.draw(@)
count     n            i_model.sample(@)
tensor    z            i_model.generate(@, torch.zeros(8, 3))
tensor    c            i_model.generate(xy, @)
tensor    x            i_model.code(@)
once      x            i_model.code(torch.zeros(8, 5))
tensor    x            i_model.objectives(@)
once      G            i_model.objectives(torch.zeros(8, 3))
tensor    x            infogan.step(i_model, @, theta_i, phi_eta)
weight    lam          optim.owners(theta=(theta_, net), lam=@)
count     K            optim.owners(@, theta=(theta_, net))
like      theta        optim.owners(theta=(@, net))
points    x            metrics.frechet_distance(@, xy)
points    y            metrics.frechet_distance(xy, @)
count     groups       metrics.frechet_distance(torch.rand(40, 2), torch.rand(40, 2), @)
points    x            metrics.precision_recall(@, xy)
points    y            metrics.precision_recall(xy, @)
count     k            metrics.precision_recall(xy, xy, @)
points    logits       metrics.confident_share(@)
number    threshold    metrics.confident_share(xy, @)
count     channels     nets.varied_critic(@)
count     size         nets.varied_critic(8, @)
count     size         nets.Spread(@)
module    encoder      ali.ALI(@, gaussian, pair, p_0)
module    decoder      ali.ALI(gaussian, @, pair, p_0)
module    D            ali.ALI(gaussian, gaussian, @, p_0)
callable  p_0          ali.ALI(gaussian, gaussian, pair, @)
callable  bound        ali.ALI(gaussian, gaussian, pair, p_0, @)
module    encoder      avb.AVB(@, gaussian, pair, p_0)
module    r            avb.AVB(gaussian, gaussian, @, p_0)
callable  p_0          avb.AVB(gaussian, gaussian, pair, @)
callables contrast     avb.AVB(gaussian, gaussian, pair, p_0, @)
module    G            cyclegan.CycleGAN(@, net, critic, critic)
module    F            cyclegan.CycleGAN(net, @, critic, critic)
module    D_X          cyclegan.CycleGAN(net, net, @, critic)
module    D_Y          cyclegan.CycleGAN(net, net, critic, @)
callable  bound        cyclegan.CycleGAN(net, net, critic, critic, @)
callables past_X       cyclegan.CycleGAN(net, net, critic, critic, past_X=@)
callables past_Y       cyclegan.CycleGAN(net, net, critic, critic, past_Y=@)
count     data_dims    cyclegan.CycleGAN(net, net, critic, critic, data_dims=@)
module    q            vae.analytic_kl(@, p_0, xy)
module    p_0          vae.analytic_kl(p_0, @, xy)
module    q            vae.sampled_kl(@, p_0, xy)
tensor    z            vae.sampled_kl(p_0, p_0, @)
module    q            distributions.adaptive(@)
points    mean_p       metrics.gaussian_frechet(@, torch.eye(2), torch.zeros(2), torch.eye(2))
points    covariance_p metrics.gaussian_frechet(torch.zeros(2), @, torch.zeros(2), torch.eye(2))
points    mean_q       metrics.gaussian_frechet(torch.zeros(2), torch.eye(2), @, torch.eye(2))
points    covariance_q metrics.gaussian_frechet(torch.zeros(2), torch.eye(2), torch.zeros(2), @)
tensor    images       plots.contact_sheet(@, tmp / "x.png")
count     columns      plots.contact_sheet(pictures, tmp / "x.png", @)
count     scale        plots.contact_sheet(pictures, tmp / "x.png", 2, @)
path      path         plots.contact_sheet(pictures, @)
path      out          runs.find(@)
word      name         weights.about(@)
path      path         weights.told(@)
path      path         weights.card(@)
module    model        widgets.LiveTraining(@, data.ring())
module    data         widgets.LiveTraining(ring_game, @)
positive  theta        widgets.LiveTraining(ring_game, data.ring(), theta=@)
count     K            widgets.LiveTraining(ring_game, data.ring(), K=@)
length    ahead        widgets.LiveTraining(ring_game, data.ring(), ahead=@)
weight    gamma        widgets.LiveTraining(ring_game, data.ring(), gamma=@)
like      phi          optim.ascend(@, theta * 2)
like      theta        optim.descend(@, theta * 2)
tensor    objective    optim.ascend(owner, @)
once      objective    optim.ascend(owner, torch.tensor(1.0))
once      phi          optim.descend_ascend(owner, owner, theta * 2)
length    constant     optim.linear_decay(@, 10)
count     decay        optim.linear_decay(10, @)
callable  step         optim.fit(@, [1], progress=False)
once      batches      optim.fit(step, 3, progress=False)
count     every        optim.fit(step, [xy], progress=False, checkpoint=tmp / "c", every=@)
once      checkpoint   optim.fit(step, [xy], progress=False, checkpoint=tmp / "no" / "c")
once      checkpoint   optim.fit(step, [xy], progress=False, checkpoint=tmp)
once      step         optim.fit(lambda x: None, [xy], progress=False)
once      step         optim.fit(lambda x: {"a": 1.0}, [xy], progress=False)
path      path         checkpoint.history(@)
path      path         checkpoint.progress(@)
once      checkpoint   checkpoint.history(tmp / "no")
path      out          runs.lay_out(@, "x", 0)
once      recipe       runs.lay_out(tmp, "../../x", 0)
length    seed         runs.lay_out(tmp, "x", @)
once      device       runs.lay_out(tmp, "x", 0, device="abacus")
count     threads      runs.lay_out(tmp, "x", 0, threads=@)
once      settings     runs.lay_out(tmp, "x", 0, settings={"a": torch.zeros(2)})
path      folder       runs.read(@)
"""

# Refused later than the law wants, or by another name; strict, so that the list only shrinks.
torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)  # the first one imports for seconds


class World(dict):
    """What the calls of the table are made with; each thing is made when a call names it."""

    def __missing__(self, name: str):
        if name not in MAKE:
            raise KeyError(name)
        self[name] = MAKE[name](self)
        return self[name]


def sgd(*nets_: nn.Module, **options) -> torch.optim.Optimizer:
    return torch.optim.SGD([p for net in nets_ for p in net.parameters()], lr=0.1, **options)


MAKE = {
    "logs": lambda w: torch.tensor([0.2, 0.3, 0.5]).log(),
    "v": lambda w: torch.tensor([0.1, 0.2, 0.3]),
    "xy": lambda w: torch.rand(8, 2),
    "labels": lambda w: torch.arange(8) % 3,
    "pictures": lambda w: torch.rand(8, 1, 4, 4),
    "both": lambda w: (w["pictures"], w["pictures"]),
    "cloud": lambda w: torch.zeros(2, 3, 2),
    "box": lambda w: ((-1, 1), (-1, 1)),
    "theta": lambda w: nn.Parameter(torch.tensor(1.0)),
    "owner": lambda w: torch.optim.SGD([w["theta"]], lr=0.1),
    "log_joint": lambda w: lambda z: -z.square().sum(-1),
    "p": lambda w: Normal(0.0, 1.0),
    "p_0": lambda w: Independent(Normal(torch.zeros(2), torch.ones(2)), 1),
    "net": lambda w: nn.Linear(2, 2),
    "hollow": lambda w: _hollow(),
    "painter": lambda w: nn.Sequential(nn.Linear(2, 16), nn.Sigmoid(), nn.Unflatten(-1, (1, 4, 4))),
    "coder": lambda w: nn.Sequential(nn.Flatten(), nn.Linear(16, 4)),
    "reader": lambda w: nn.Sequential(nn.Flatten(), nn.Linear(16, 3)),
    "digits": lambda w: tuple(
        w[name] for name in ("coder", "painter", "reader", "xy", "labels", "pictures", "labels")
    ),
    "blur": lambda w: nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Sigmoid()),
    "ax": lambda w: Figure().subplots(),
    "critic": lambda w: nets.critic(2, 4),
    "column": lambda w: nets.mlp(2, 4, 1),
    "model": lambda w: gan.GAN(w["net"], w["critic"], w["p_0"]),
    "f_model": lambda w: fgan.FGAN(w["net"], w["critic"], w["p_0"], divergences.KL),
    "ring_game": lambda w: gan.GAN(
        nets.mlp(2, 4, 2), nets.critic(2, 4), distributions.standard_normal(2)
    ),
    "theta_": lambda w: sgd(w["net"]),
    "phi": lambda w: sgd(w["critic"]),
    "phi_of_column": lambda w: sgd(w["column"]),
    "maximiser": lambda w: sgd(w["critic"], maximize=True),
    "gaussian": lambda w: distributions.Gaussian(nn.Linear(2, 4)),
    "bernoulli_6": lambda w: distributions.Bernoulli(nn.Linear(2, 6)),
    "v_model": lambda w: vae.VAE(w["gaussian"], distributions.Gaussian(nn.Linear(2, 4)), w["p_0"]),
    "theta_phi": lambda w: sgd(w["v_model"]),
    "pair": lambda w: nets.Pair(nn.Linear(2, 4), nn.Linear(2, 4), nets.critic(4, 4)),
    "a_model": lambda w: ali.ALI(
        w["gaussian"], distributions.Gaussian(nn.Linear(2, 4)), w["pair"], w["p_0"]
    ),
    "theta_phi_ali": lambda w: sgd(w["a_model"].encoder, w["a_model"].decoder),
    "omega": lambda w: sgd(w["pair"]) if "fgan" not in w else sgd(w["critic"]),
    "b_model": lambda w: avb.AVB(
        distributions.Gaussian(nn.Linear(2, 4)),
        distributions.Gaussian(nn.Linear(2, 4)),
        w["pair"],
        w["p_0"],
    ),
    "theta_phi_avb": lambda w: sgd(w["b_model"].encoder, w["b_model"].decoder),
    "omega_avb": lambda w: sgd(w["pair"]),
    "c_model": lambda w: cyclegan.CycleGAN(
        nn.Linear(2, 2), nn.Linear(2, 2), nets.critic(2, 4), nets.critic(2, 4)
    ),
    "theta_c": lambda w: sgd(w["c_model"].G, w["c_model"].F),
    "phi_c": lambda w: sgd(w["c_model"].D_X, w["c_model"].D_Y),
    "one_hot": lambda w: distributions.codes((3,)),
    "wide": lambda w: nn.Linear(5, 2),
    "i_model": lambda w: infogan.InfoGAN(
        w["wide"],
        w["net"],
        w["critic"],
        distributions.Code(nn.Linear(2, 3), (3,)),
        w["p_0"],
        w["one_hot"],
    ),
    "wrong_code": lambda w: distributions.Code(nn.Linear(2, 5), (5,)),
    "theta_i": lambda w: sgd(w["wide"]),
    "phi_eta": lambda w: sgd(w["i_model"].trunk, w["i_model"].D, w["i_model"].Q),
    "step": lambda w: functools.partial(_move, w["net"], sgd(w["net"])),
}


def _hollow() -> nn.Module:
    net = nn.Linear(2, 2)
    nn.init.constant_(net.weight, nan)
    return net


def _move(net: nn.Module, theta: torch.optim.Optimizer, x: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"loss": optim.descend(theta, net(x).square().mean())}


def cases() -> list:
    """The table, line by line and value by value, as pytest's parameters."""
    found = []
    for line in TABLE.strip().splitlines():
        values, rest = line.split(maxsplit=1)
        match = re.match(r"((?:\w+, )*\w+) +(.*)", rest)
        assert match, line
        name, call = match.groups()
        for i, value in enumerate(VALUES[values] if "@" in call else [None]):
            key = call if "@" not in call else f"{call} [{values} {i}]"
            found.append(pytest.param(name, call, value, id=key))
    return found


def state(world: World, folder: Path) -> dict:
    """All that a call could have changed: parameters, buffers, moments, gradients, files."""
    found = {"files": sorted(path.name for path in folder.rglob("*"))}
    for name, thing in world.items():
        if isinstance(thing, nn.Module):
            found[name] = copy.deepcopy(thing.state_dict())
        elif isinstance(thing, torch.optim.Optimizer):
            found[name] = copy.deepcopy(thing.state_dict()["state"])
        elif isinstance(thing, torch.Tensor):
            found[name] = thing.detach().clone()
    return found


def same(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return torch.allclose(a, b, 0, 0, equal_nan=True) if isinstance(a, torch.Tensor) else a == b


@pytest.fixture
def alarm():
    """A call that would run for ever fails instead."""

    def ring(*_):
        raise AssertionError("the call went on and on")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(("name", "call", "value"), cases())
def test_bad_input_is_refused_by_name_and_changes_nothing(name, call, value, tmp_path, alarm):
    torch.manual_seed(0)
    world = World(tmp=tmp_path)
    text = call.replace("@", "bad")
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    for word in sorted(names & MAKE.keys()):
        world[word]
    before = state(world, tmp_path)
    with pytest.raises((TypeError, ValueError)) as caught:
        eval(text, {**globals(), **world, "bad": value})
    message = str(caught.value)
    assert re.match(rf"(\w+, )*{name}\b[^:]*: expected .*got", message, flags=re.S), message
    assert same(before, state(world, tmp_path)), "something has changed"


# What has no argument that could be wrong, or only holds results.
SPARED = {
    "checkpoint": {"Checkpoint", "stateful"},  # `fit` makes them, and is in the table
    "distributions": {"Base", "Sampler"},
    "divergences": {"FDivergence"},
    "evidence": {"Annealed"},
    "fits": {"BestGaussian"},
    "metrics": {"Coverage", "ClassShares", "Segmentation", "Frechet", "Manifolds", "Share"},
    "nets": {"leaky_relu", "image_classifier"},
    "plots": {"use_style"},
    "samples": {"Estimate"},
    "weights": {"tell"},
    "widgets": {"PointPlayer"},
}
MODULES = (
    (bounds, checkpoint, data, distributions, divergences, evidence, fits, metrics, nets, optim)
    + (plots, results, samples, weights, widgets)
    + (ali, avb, cyclegan, fgan, gan, infogan, vae)
)


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_the_battery_knows_the_whole_public_interface(module) -> None:
    short = module.__name__.rsplit(".", 1)[1]
    public = {
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and inspect.isroutine(thing) | inspect.isclass(thing)
        if f"{getattr(thing, '__module__', '')}.".startswith(f"{module.__name__}.")
    }
    missing = {name for name in public if f"{short}.{name}(" not in TABLE}
    assert missing == SPARED.get(short, set())


def test_the_battery_is_large() -> None:
    assert len(cases()) >= 2000
    assert len({case.id for case in cases()}) == len(cases())


def test_what_is_good_is_accepted(tmp_path) -> None:
    """The battery's own material: with a good value in its place, a call goes through."""
    good = {
        "metrics.kernel_density(xy, xy, 0.1)",
        "gan.step(model, xy, theta_, phi, 2)",
        "vae.step(v_model, xy, theta_phi)",
        "ali.step(a_model, xy, theta_phi_ali, omega)",
        "avb.step(b_model, xy, theta_phi_avb, omega_avb)",
        "cyclegan.step(c_model, xy, xy, theta_c, phi_c)",
        "infogan.step(i_model, xy, theta_i, phi_eta)",
        "optim.fit(step, [xy], progress=False, checkpoint=tmp / 'c')",
        "widgets.LatentMap(painter, xy, labels)",
        "widgets.CodeInterpolator(painter, pictures, xy, labels)",
        "widgets.DomainTranslator(blur, blur, (pictures, pictures), pens=(0.5, 0.5))",
        "widgets.DigitPad(coder, painter, reader, xy, labels, pictures, labels)",
        "widgets.LatentExplorer(painter, p_0)",
        "plots.image_grid(ax, pictures)",
    }
    for call in good:
        world = World(tmp=tmp_path)
        words = {node.id for node in ast.walk(ast.parse(call)) if isinstance(node, ast.Name)}
        for word in words & MAKE.keys():
            world[word]
        eval(call, {**globals(), **world})
