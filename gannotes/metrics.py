r"""Numbers that judge models: modes, kernel density, neighbours, distances, codes.

Every function here takes samples and returns a number that hides something; its docstring says
what. Samples are finite floating-point numbers: NaN and whole numbers are refused by name. An
average over test points comes with its standard error,

.. math:: \bar v = \frac1N \sum_i v_i, \qquad
          \mathrm{SE} = \frac{1}{\sqrt N} \sqrt{\frac{1}{N-1} \sum_i (v_i - \bar v)^2},

which says how well the N points determine the average of *this* model, and nothing about another
training run.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gannotes import checks

CHUNK = 1 << 20  # numbers in the largest temporary: 8 MiB of float64
BANDWIDTHS = (1e-150, 1e150)  # beyond, the square leaves float64


class Coverage(NamedTuple):
    """What `mode_coverage` returns, both of shape (...)."""

    captured: Tensor
    high_quality: Tensor


class ClassShares(NamedTuple):
    """What `class_shares` returns: shape (..., K) and (...)."""

    share: Tensor
    mean_confidence: Tensor


class Segmentation(NamedTuple):
    """What `segmentation_scores` returns."""

    pixel_accuracy: float
    class_accuracy: float
    class_iou: float
    weighted_iou: float


def mode_coverage(samples: Tensor, modes: Tensor, sd: float, radius: float = 3.0) -> Coverage:
    r"""Modes captured and share of high-quality samples, :math:`\|x_i - \mu_{m(i)}\| \le 3\sigma`.

    .. math:: m(i) = \arg\min_m \|x_i - \mu_m\|, \quad
              h_i = 1\big[\|x_i - \mu_{m(i)}\| \le r\sigma\big], \quad
              \text{captured} = \big|\{m(i) : h_i = 1\}\big|, \quad
              \text{high quality} = \frac1N \sum_i h_i

    In d dimensions a sample of the true mixture is of high quality with probability
    :math:`P(\chi^2_d \le r^2)`, which is 0.989 for d = 2 and r = 3: more than that says that the
    modes are too narrow. Neither number sees how the mass is shared among the captured modes.

    Slide: beyond the deck (Srivastava et al. 2017, VEEGAN, who draw 2,500 samples).

    Args:
        samples: generated points, shape (..., N, d); leading dimensions are replicas.
        modes: centres of the modes, shape (M, d).
        sd: standard deviation of a mode, per coordinate.
        radius: r, the largest distance in units of `sd`.

    Returns:
        `captured`, int64, and `high_quality`, in [0, 1], both of shape (...).

    Raises:
        TypeError: if points are not floating, or `sd` or `radius` is no number.
        ValueError: if the shapes do not fit, a coordinate is not finite, or `sd` or `radius` is
            not positive.

    Example:
        >>> modes = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
        >>> x = torch.tensor([[0.0, 0.1], [0.2, 0.0], [0.6, 0.0], [0.0, 0.0]])
        >>> captured, high_quality = mode_coverage(x, modes, sd=0.1)
        >>> captured.item(), high_quality.item()
        (1, 0.75)
    """
    checks.floating("modes", modes, "M d", finite=True)
    checks.floating("samples", samples, f"... N {modes.shape[1]}", finite=True)
    checks.positive("sd", sd)
    checks.positive("radius", radius)
    distance, nearest = torch.cdist(
        samples, modes.to(samples), compute_mode="donot_use_mm_for_euclid_dist"
    ).min(-1)
    good = distance <= radius * sd
    hits = torch.zeros(*samples.shape[:-2], len(modes), dtype=torch.int64, device=samples.device)
    hits.scatter_add_(-1, nearest, good.to(torch.int64))
    return Coverage((hits > 0).sum(-1), good.to(samples.dtype).mean(-1))


def kernel_density(samples: Tensor, test: Tensor, bandwidth: float) -> Tensor:
    r"""Parzen estimate of the log density, :math:`\log\frac1S\sum_s N(x \mid x_s, h^2 I)`.

    .. math:: \log \hat p_h(x) = \log \sum_{s=1}^S \exp\Big(-\frac{\|x - x_s\|^2}{2h^2}\Big)
              - \log S - \frac d2 \log 2\pi h^2

    The bandwidth must be chosen on validation points (`select_bandwidth`), never on `test`.
    In many dimensions the value depends more on h and on S than on the model: compare values of
    one protocol only, and put beside them the value that the training data themselves reach.
    Computed in float64 whatever the dtype, in slices of bounded memory.

    Slide: f-GAN / MNIST (T03, I11).

    References:
        Parzen (1962); Goodfellow et al. (2014) for the protocol; Theis et al. (2016) for what is
        wrong with it.

    Args:
        samples: samples of the model, shape (S, d).
        test: points x, shape (N, d), not among `samples`.
        bandwidth: h, the standard deviation of a kernel per coordinate, in the units of the data.

    Returns:
        Log densities in nats, shape (N,), dtype of `test`. Report their mean and
        `standard_error`.

    Raises:
        TypeError: if points are not floating, or `bandwidth` is no number.
        ValueError: if the shapes do not fit, a coordinate is not finite, or `bandwidth` is not
            positive.

    Example:
        >>> samples = torch.tensor([[0.0], [1.0], [3.0]])
        >>> kernel_density(samples, torch.tensor([[0.5], [2.0]]), bandwidth=0.5)
        tensor([-1.1313, -2.6300])
    """
    _two_point_sets("samples", samples, "test", test)
    checks.number("bandwidth", bandwidth, *BANDWIDTHS)
    return _kernel_density(samples, test, [bandwidth])[0].to(test.dtype)


def select_bandwidth(
    samples: Tensor, validation: Tensor, bandwidths: Sequence[float] | Tensor, strict: bool = True
) -> float:
    r"""The bandwidth with the largest mean validation log density, :math:`\hat h`.

    .. math:: \hat h = \arg\max_h \frac1N \sum_{i=1}^N \log \hat p_h(x_i)

    The validation points must be neither samples nor test points: where a validation point is
    among the samples, the maximum lies at h = 0.

    Slide: f-GAN / MNIST (T03, I11).

    Args:
        samples: samples of the model, shape (S, d).
        validation: held-out data, shape (N, d).
        bandwidths: candidates h, at least one, positive.
        strict: refuse a winner at an end of the range, where a better one may lie outside.

    Returns:
        One of `bandwidths`.

    Raises:
        TypeError: if points are not floating, or a candidate is no number.
        ValueError: if the shapes do not fit, a coordinate is not finite, a candidate is not
            positive, or `strict` and the winner is the smallest or the largest candidate.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> x = torch.randn(500, 1, generator=generator)
        >>> select_bandwidth(x[:250], x[250:], [0.01, 0.03, 0.1, 0.3, 1.0, 3.0])
        0.3
    """
    _two_point_sets("samples", samples, "validation", validation)
    checks.kind("strict", strict, bool)
    candidates = _candidates(bandwidths)
    best = int(_kernel_density(samples, validation, candidates).mean(-1).argmax())
    if strict and best in (0, len(candidates) - 1):
        raise ValueError(
            f"bandwidths: expected a range that holds the best one inside, got {candidates[0]:.4g} "
            f"to {candidates[-1]:.4g}, of which {candidates[best]:.4g} is best; widen it, or pass "
            f"strict=False"
        )
    return candidates[best]


def standard_error(values: Tensor) -> Tensor:
    r"""Standard error of a mean, :math:`s / \sqrt N`.

    .. math:: \mathrm{SE} = \sqrt{\frac{1}{N(N-1)} \sum_{i=1}^N (v_i - \bar v)^2}

    Slide: f-GAN / MNIST (T03, the column behind the sign plus-minus); CycleGAN / Experiments I
    (I14, where the values are votes, 0 or 1).

    Args:
        values: independent values, shape (..., N), N at least 2.

    Returns:
        Standard error of their mean, shape (...).

    Raises:
        TypeError: if `values` is not floating.
        ValueError: if there are fewer than two values, or one is not finite.

    Example:
        >>> standard_error(torch.tensor([1.0, 3.0])).item()
        1.0
    """
    checks.floating("values", values, "... N", finite=True)
    if values.shape[-1] < 2:
        raise ValueError(f"values: expected two values or more, got shape {tuple(values.shape)}")
    return values.std(-1) / math.sqrt(values.shape[-1])


def nearest_neighbours(x: Tensor, reference: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    r"""The k nearest points of a reference set, :math:`\min_j \|x_i - y_j\|_2`.

    .. math:: j_1(i), \dots, j_k(i) = \text{the } k \text{ indices of smallest } \|x_i - y_j\|_2

    Shows whether a generator repeats its training data. It does not see a copy that was shifted by
    a pixel, so its silence proves little.

    Slide: beyond the deck (the interpolation results at the end of GAN make the same point, F02).

    Args:
        x: points, shape (N, d).
        reference: points to search, shape (M, d).
        k: number of neighbours, at most M.

    Returns:
        `distance` (dtype of `x`) and `index` into `reference` (int64), both (N, k), the
        nearest first.

    Raises:
        TypeError: if points are not floating, or `k` is no integer.
        ValueError: if the shapes do not fit, a coordinate is not finite, or k is not in 1..M.

    Example:
        >>> reference = torch.tensor([[0.0], [1.0], [5.0]])
        >>> distance, index = nearest_neighbours(torch.tensor([[1.5]]), reference, k=2)
        >>> distance.tolist(), index.tolist()
        ([[0.5, 1.5]], [[1, 0]])
    """
    _two_point_sets("x", x, "reference", reference)
    checks.count("k", k, 1, len(reference))
    distances, indices = [x.new_empty(0, k)], [torch.empty(0, k, dtype=torch.int64).to(x.device)]
    for part, square in _square_distances(x, reference):
        index = square.topk(k, largest=False).indices
        gap = x[part].double().unsqueeze(1) - reference[index].double()
        distance, order = gap.norm(dim=-1).sort(-1)  # exact: a copy is at distance 0
        distances.append(distance.to(x.dtype))
        indices.append(index.gather(-1, order))
    return torch.cat(distances), torch.cat(indices)


def class_shares(logits: Tensor) -> ClassShares:
    r"""How samples fall into the classes of a classifier, :math:`\frac1N\sum_i 1[k = k(x_i)]`.

    .. math:: k(x) = \arg\max_k p(k \mid x), \qquad
              \mathrm{share}_k = \frac1N \sum_i 1[k(x_i) = k], \qquad
              \mathrm{confidence} = \frac1N \sum_i \max_k p(k \mid x_i)

    A class with no share is a mode that was lost; variety inside a class is not seen.

    Args:
        logits: unnormalised log probabilities of the classes, shape (..., N, K).

    Returns:
        `share`, shape (..., K), summing to 1, and `mean_confidence`, shape (...).

    Raises:
        TypeError: if `logits` is not floating.
        ValueError: if `logits` has fewer than two dimensions, is empty, or has a row without a
            softmax: with a NaN, an inf, or nothing but -inf.

    Example:
        >>> share, confidence = class_shares(torch.tensor([[9.0, 0.0], [9.0, 0.0], [0.0, 9.0]]))
        >>> [round(s, 3) for s in share.tolist()], round(confidence.item(), 4)
        ([0.667, 0.333], 0.9999)
    """
    confidence, winner = _softmax(logits).max(-1)
    share = torch.nn.functional.one_hot(winner, logits.shape[-1]).double().mean(-2)
    return ClassShares(share.to(logits.dtype), confidence.mean(-1).to(logits.dtype))


def inception_score(logits: Tensor) -> Tensor:
    r"""Sure of each sample and unsure of the next, :math:`\exp E_x[\mathrm{KL}(p(y|x) \| p(y))]`.

    .. math:: \mathrm{IS} = \exp \frac1N \sum_{i=1}^N \sum_{k=1}^K p(k \mid x_i)
              \log \frac{p(k \mid x_i)}{\bar p(k)}
              = e^{H[\bar p] - \frac1N \sum_i H[p(\cdot \mid x_i)]}, \qquad
              \bar p(k) = \frac1N \sum_{i=1}^N p(k \mid x_i)

    It lies between 1, where the classifier says the same of all samples, and the smaller of K and
    N, where it is sure of each and every class is as frequent as any other. It sees neither variety
    inside a class nor whether the samples look like data, and ten images can reach K = 10. With
    few samples it is too low, since entropy is concave.

    Slide: CycleGAN / Experiments I (I12).

    References:
        Salimans et al., Improved techniques for training GANs, 2016; Barratt and Sharma, A note on
        the inception score, 2018.

    Args:
        logits: what the classifier says of the samples, unnormalised log probabilities, shape
            (..., N, K). Of probabilities, pass the logarithms.

    Returns:
        The score, in [1, min(K, N)], shape (...).

    Raises:
        TypeError: if `logits` is not floating.
        ValueError: as for `class_shares`.

    Example:
        >>> sure = 50 * torch.eye(3)
        >>> print(f"{inception_score(sure):.3f}, {inception_score(sure[[0, 0, 0, 1]]):.3f}")
        3.000, 1.755
    """
    p = _softmax(logits)
    information = torch.special.entr(p.mean(-2)).sum(-1) - torch.special.entr(p).sum(-1).mean(-1)
    return information.clamp(min=0).exp().to(logits.dtype)


def segmentation_scores(predicted: Tensor, truth: Tensor, classes: int) -> Segmentation:
    r"""How well a map of classes agrees with the true one, by the four usual scores.

    .. math::

        \frac{\sum_i n_{ii}}{\sum_i t_i}, \qquad
        \frac1K \sum_i \frac{n_{ii}}{t_i}, \qquad
        \frac1K \sum_i \frac{n_{ii}}{t_i + \sum_j n_{ji} - n_{ii}}, \qquad
        \frac{1}{\sum_k t_k} \sum_i \frac{t_i\, n_{ii}}{t_i + \sum_j n_{ji} - n_{ii}}

    :math:`n_{ij}` is the number of pixels of class `i` that are called `j`, and :math:`t_i` their
    number. Means are over the `K` classes that occur in the truth.

    Slide: CycleGAN / Experiments I (I13).

    References:
        Long, Shelhamer and Darrell, Fully convolutional networks for semantic segmentation, 2015.

    Args:
        predicted: classes from 0 to `classes - 1`, of any integer type and any shape.
        truth: the true ones, of the same shape.
        classes: the number of classes.

    Returns:
        Accuracy per pixel, accuracy per class, mean intersection over union, and the same weighted
        by how often a class occurs.

    Raises:
        TypeError: if labels are not integers.
        ValueError: if the shapes differ, if there is no pixel, or if a class is out of range.

    Example:
        >>> truth = torch.tensor([0, 0, 0, 1])
        >>> segmentation_scores(torch.tensor([0, 0, 1, 1]), truth, 2).pixel_accuracy
        0.75
    """
    checks.count("classes", classes, 1, 10_000)
    truth = checks.classes("truth", truth, number=classes)
    predicted = checks.classes("predicted", predicted, number=classes)
    if predicted.shape != truth.shape:
        came = f"{tuple(predicted.shape)} and {tuple(truth.shape)}"
        raise ValueError(f"predicted, truth: expected equal shapes, got {came}")
    pairs = truth.flatten() * classes + predicted.flatten()
    n = torch.bincount(pairs, minlength=classes**2).reshape(classes, classes).double()
    t, called, right = n.sum(1), n.sum(0), n.diagonal()
    present = t > 0
    accuracy = right[present] / t[present]
    iou = right[present] / (t + called - right)[present]
    return Segmentation(
        float(right.sum() / t.sum()),
        float(accuracy.mean()),
        float(iou.mean()),
        float((t[present] * iou).sum() / t.sum()),
    )


def wasserstein_1d(x: Tensor, y: Tensor) -> Tensor:
    r"""Wasserstein-1 distance of two samples of the line, :math:`\int |F_x(t) - F_y(t)|\,dt`.

    .. math:: W_1 = \int_{-\infty}^{\infty} |F_x(t) - F_y(t)|\,dt
              \;\overset{N = M}{=}\; \frac1N \sum_i |x_{(i)} - y_{(i)}|

    Between two samples of the same density it is not 0 but of order :math:`N^{-1/2}`.

    Args:
        x: first sample, shape (..., N).
        y: second sample, shape (..., M); the leading dimensions (replicas) broadcast.

    Returns:
        Distances in the units of the data, shape (...).

    Raises:
        TypeError: if a sample is not floating.
        ValueError: if a sample is empty or holds a number that is not finite, or the leading
            dimensions do not broadcast.

    Example:
        >>> wasserstein_1d(torch.tensor([0.0, 1.0]), torch.tensor([3.0, 4.0])).item()
        3.0
    """
    for name, sample in (("x", x), ("y", y)):
        checks.floating(name, sample, "... N", finite=True)
    leading = checks.leading(x=x, y=y)
    dtype = torch.promote_types(x.dtype, y.dtype)
    x, y = x.to(dtype), y.to(dtype)
    x = x.expand(*leading, -1).sort(-1).values
    y = y.expand(*leading, -1).sort(-1).values
    t = torch.cat([x, y], -1).sort(-1).values
    left = t[..., :-1].contiguous()
    f_x = torch.searchsorted(x, left, right=True).to(t.dtype) / x.shape[-1]
    f_y = torch.searchsorted(y, left, right=True).to(t.dtype) / y.shape[-1]
    return ((f_x - f_y).abs() * t.diff(dim=-1)).sum(-1)


def rank_correlation(x: Tensor, y: Tensor) -> Tensor:
    r"""Spearman's correlation of each column of x with each of y, :math:`\mathrm{corr}(R_x, R_y)`.

    .. math:: \rho_{kj} = \frac{\sum_i (R_{ik} - \bar R)(S_{ij} - \bar R)}
              {\sqrt{\sum_i (R_{ik} - \bar R)^2 \sum_i (S_{ij} - \bar R)^2}}, \qquad
              R_{ik} = \text{rank of } x_{ik} \text{ in column } k, \quad
              S_{ij} = \text{rank of } y_{ij} \text{ in column } j

    Equal values share the average of their ranks. It is 1 or -1 if and only if one column is an
    increasing or decreasing function of the other, whatever its shape; it is 0 for independent
    columns, but also for a symmetric dependence such as y = x^2.

    Slide: beyond the deck (it measures what the columns of the InfoGAN figure, F04, show).

    References:
        Spearman, The proof and measurement of association between two things, 1904.

    Args:
        x: n values of K quantities, shape (..., N, K); leading dimensions are replicas.
        y: n values of J quantities, shape (..., N, J).

    Returns:
        Correlations in [-1, 1], shape (..., K, J), dtype of `x`.

    Raises:
        TypeError: if a value is not floating.
        ValueError: if the shapes do not fit, a value is not finite, or a column is constant.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [2.0, 5.0], [3.0, 4.0]])
        >>> rank_correlation(x, -x[:, :1].exp())
        tensor([[-1.0000],
                [-0.5000]])
    """
    _columns("x", x, "y", y)
    scores = []
    for name, values in (("x", x), ("y", y)):
        rank = _ranks(values)
        rank = rank - rank.mean(-2, keepdim=True)
        length = rank.norm(dim=-2, keepdim=True)
        if not (length > 0).all():
            raise ValueError(f"{name}: expected columns that vary, got a constant one")
        scores.append(rank / length)
    return (scores[0].mT @ scores[1]).to(x.dtype)


def mutual_information_gap(codes: Tensor, factors: Tensor, bins: int = 20) -> Tensor:
    r"""Does each factor have a code of its own? :math:`(I_{(1)} - I_{(2)}) / H`, on average.

    .. math:: \mathrm{MIG} = \frac1J \sum_{j=1}^J \frac{1}{H(v_j)}
              \Big( I(c_{k(j)}; v_j) - \max_{k \neq k(j)} I(c_k; v_j) \Big), \qquad
              k(j) = \arg\max_k I(c_k; v_j)

    Entropies and informations are those of the counts in `bins` classes of equally many values
    for each column, so that no monotone change of a code or a factor matters, and :math:`H(v_j) =
    \log \text{bins}` where all values differ. The score is 1 if each factor decides one code and is
    told by it, and no second code knows anything of it, in whichever order; it is about 0 if the
    codes are independent of the factors, and also if two codes know the same. One code that
    decides two factors is not punished.

    Slide: beyond the deck (evaluation of InfoGAN).

    References:
        Chen, Li, Grosse and Duvenaud, Isolating sources of disentanglement in variational
        autoencoders, 2018.

    Args:
        codes: what a model says of N data, shape (..., N, K), K at least 2; leading dimensions are
            replicas.
        factors: the truth, shape (..., N, J).
        bins: classes of a column. Informations are too large by about (bins - 1)^2 / 2N nats, the
            gap hardly.

    Returns:
        The score, in [0, 1], shape (...), dtype of `codes`.

    Raises:
        TypeError: if a value is not floating.
        ValueError: if the shapes do not fit, there is one code only, a value is not finite,
            `bins` is not in 2..N, or a factor is constant.

    Example:
        >>> factors = torch.rand(1000, 2, generator=torch.Generator().manual_seed(0))
        >>> codes = torch.stack([-factors[:, 1], factors[:, 0].exp(), factors.sum(1)], 1)
        >>> print(f"{mutual_information_gap(codes[:, [0, 0]], factors):.2f}")
        0.00
        >>> mutual_information_gap(codes[:, :2], factors) > mutual_information_gap(codes, factors)
        tensor(True)
    """
    _columns("codes", codes, "factors", factors)
    if codes.shape[-1] < 2:
        raise ValueError(f"codes: expected two columns or more, got shape {tuple(codes.shape)}")
    n = codes.shape[-2]
    checks.count("bins", bins, 2, n)
    c, v = (
        torch.nn.functional.one_hot(
            ((_ranks(part) - 0.5) * bins / n).long(), bins
        ).double()  # (..., N, K, bins)
        for part in (codes, factors)
    )
    joint = torch.einsum("...nka,...njb->...kjab", c, v) / n
    p_c, p_v = joint.sum(-1, keepdim=True), joint.sum(-2, keepdim=True)
    information = (torch.special.xlogy(joint, joint) - torch.special.xlogy(joint, p_c * p_v)).sum(
        (-2, -1)
    )  # (..., K, J)
    entropy = torch.special.entr(p_v[..., 0, :, 0, :]).sum(-1)
    if not (entropy > 0).all():
        raise ValueError("factors: expected columns that vary, got one without entropy")
    best = information.topk(2, -2).values
    gap = (best[..., 0, :] - best[..., 1, :]) / entropy
    return gap.mean(-1).to(codes.dtype)


def _kernel_density(samples: Tensor, x: Tensor, bandwidths: list[float]) -> Tensor:
    """Log densities under each bandwidth, float64, shape (B, N): one pass over the distances."""
    parts = [x.new_empty(len(bandwidths), 0, dtype=torch.float64)]
    for _, square in _square_distances(x, samples):
        parts.append(torch.stack([torch.logsumexp(square / (-2 * h * h), -1) for h in bandwidths]))
    h = torch.tensor(bandwidths, dtype=torch.float64, device=x.device).unsqueeze(-1)
    log_normaliser = math.log(len(samples)) + x.shape[-1] * (h.log() + 0.5 * math.log(2 * math.pi))
    return torch.cat(parts, -1) - log_normaliser


def _square_distances(x: Tensor, reference: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Squared distances (n, M) of slices of x, by a matrix product in float64 around the mean."""
    centre = reference.double().mean(0)
    y = reference.double() - centre
    y_square = y.square().sum(-1)
    rows = max(1, CHUNK // len(reference))
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        x_part = x[part].double() - centre
        x_square = x_part.square().sum(-1, keepdim=True)
        yield part, torch.addmm(y_square, x_part, y.T, alpha=-2).add_(x_square).clamp_(min=0)


def _ranks(x: Tensor) -> Tensor:
    """Ranks 1 to N along the last dimension but one, float64; equal values share their average."""
    values = x.mT.contiguous()
    ordered = values.sort(-1).values
    below = torch.searchsorted(ordered, values)
    not_above = torch.searchsorted(ordered, values, right=True)
    return ((below + not_above + 1).double() / 2).mT


def _columns(name_x: str, x: Tensor, name_y: str, y: Tensor) -> None:
    for name, values in ((name_x, x), (name_y, y)):
        checks.floating(name, values, "... N K", finite=True)
    if x.shape[:-1] != y.shape[:-1]:
        came = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise ValueError(f"{name_x}, {name_y}: expected the same (..., N), got shapes {came}")


def _two_point_sets(name_a: str, a: Tensor, name_b: str, b: Tensor) -> None:
    checks.floating(name_a, a, "n d", finite=True)
    checks.floating(name_b, b, f"n {a.shape[1]}", finite=True)


def _softmax(logits: Tensor) -> Tensor:
    """The probabilities of the classes, float64."""
    checks.floating("logits", logits, "... N K")
    p = logits.double().softmax(-1)
    if p.is_meta or bool(p.isnan().any()):
        raise ValueError("logits: expected rows with a softmax, got one with NaN, inf or only -inf")
    return p


def _candidates(bandwidths: Sequence[float] | Tensor) -> list[float]:
    """The bandwidths in order."""
    if isinstance(bandwidths, Tensor):
        bandwidths = checks.floating("bandwidths", bandwidths, "B").tolist()
    checks.kind("bandwidths", bandwidths, Sequence, wanted="a sequence of numbers")
    if not bandwidths:
        raise ValueError("bandwidths: expected at least one candidate, got none")
    return sorted(checks.number("bandwidths", h, *BANDWIDTHS) for h in bandwidths)


# Distances and shares of images that a classifier has turned into features.


class Frechet(NamedTuple):
    """What `frechet_distance` returns."""

    plug_in: float
    distance: float
    error: float


class Manifolds(NamedTuple):
    """What `precision_recall` returns: two shares, and the standard error of each."""

    precision: float
    recall: float
    precision_error: float
    recall_error: float


class Share(NamedTuple):
    """What `confident_share` returns."""

    share: float
    error: float


def gaussian_frechet(
    mean_p: Tensor, covariance_p: Tensor, mean_q: Tensor, covariance_q: Tensor
) -> Tensor:
    r"""The squared 2-Wasserstein distance of two Gaussians, :math:`W_2^2(p, q)`.

    .. math:: W_2^2 = \|\mu_p - \mu_q\|^2
              + \operatorname{tr}\big(\Sigma_p + \Sigma_q
              - 2\, (\Sigma_p^{1/2} \Sigma_q \Sigma_p^{1/2})^{1/2}\big)

    Slide: beyond the deck (evaluation).

    References:
        Dowson and Landau, The Fréchet distance between multivariate normal distributions, 1982.

    Args:
        mean_p: mean of p, shape (d,).
        covariance_p: its covariance, shape (d, d); a singular one will do.
        mean_q: mean of q.
        covariance_q: its covariance.

    Returns:
        A number, float64.

    Example:
        >>> one = torch.eye(2)
        >>> gaussian_frechet(torch.zeros(2), one, torch.tensor([3.0, 0.0]), 4 * one)
        tensor(11., dtype=torch.float64)
    """
    checks.floating("mean_p", mean_p, "d", finite=True)
    checks.floating("mean_q", mean_q, f"{len(mean_p)}", finite=True)
    for name, covariance in (("covariance_p", covariance_p), ("covariance_q", covariance_q)):
        checks.floating(name, covariance, f"{len(mean_p)} {len(mean_p)}", finite=True)
    A, C = covariance_p.double(), covariance_q.double()
    values, vectors = torch.linalg.eigh(A)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.mT
    common = torch.linalg.eigvalsh(root @ C @ root).clamp(min=0).sqrt().sum()
    gap = (mean_p.double() - mean_q.double()).square().sum()
    return (gap + A.trace() + C.trace() - 2 * common).clamp(min=0)


def frechet_distance(x: Tensor, y: Tensor, groups: int = 10) -> Frechet:
    r"""How far apart two clouds of features are, if both were Gaussian: :math:`W_2^2`.

    .. math:: \hat d = W_2^2\big(N(\bar x, S_x), N(\bar y, S_y)\big), \qquad
              \tilde d = G \hat d - \frac{G - 1}{G} \sum_{g=1}^G \hat d_{-g}, \qquad
              \mathrm{SE}^2 = \frac{G - 1}{G} \sum_g \big(\hat d_{-g} - \bar d_{-}\big)^2

    The plug-in value :math:`\hat d`, which is what the literature reports as FID, is too large by
    about :math:`c / N`, and the constant depends on the model: compare it at one N only. The
    jackknife over G groups of both samples, every G-th row a group, removes that term and says how
    far the N points leave the distance open. :math:`\tilde d` can be slightly negative where the
    two laws agree. Neither sees anything but means and covariances of the features: a model that
    repeats N training points scores as well as the data.

    Slide: beyond the deck (evaluation).

    References:
        Heusel et al., GANs trained by a two time-scale update rule converge to a local Nash
        equilibrium, 2017; Chong and Forsyth, Effectively unbiased FID and inception score and where
        to find them, 2020, who extrapolate in 1 / N; Efron and Stein, 1981, for the jackknife.

    Args:
        x: features of samples, shape (N, d), in random order.
        y: features of data, shape (M, d), in random order.
        groups: G, from 2 to half the smaller of N and M.

    Returns:
        `plug_in`, biased upwards; `distance`, without the first-order bias; and the standard
        `error` of either.

    Raises:
        ValueError: if the shapes do not fit, a value is not finite, or `groups` is out of range.

    Example:
        >>> x = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
        >>> found = frechet_distance(x[:1000], x[1000:] + torch.tensor([1.0, 0.0]))
        >>> print(f"{found.distance:.2f} +- {found.error:.2f}")
        0.96 +- 0.08
    """
    _two_point_sets("x", x, "y", y)
    checks.count("groups", groups, 2, min(len(x), len(y)) // 2)
    whole, without = zip(*(_moments(part, groups) for part in (x, y)), strict=True)
    plug_in = float(gaussian_frechet(*whole[0], *whole[1]))
    left = torch.stack([gaussian_frechet(*p, *q) for p, q in zip(*without, strict=True)])
    error = ((groups - 1) * left.var(correction=0)).sqrt()
    return Frechet(plug_in, groups * plug_in - (groups - 1) * float(left.mean()), float(error))


def _moments(x: Tensor, groups: int) -> tuple[tuple[Tensor, Tensor], list[tuple[Tensor, Tensor]]]:
    """Mean and covariance of all rows, and of all rows but those of a group, group by group."""
    x = x.double()
    centre = x.mean(0)
    parts = [x[g::groups] - centre for g in range(groups)]
    sums = torch.stack([part.sum(0) for part in parts])
    squares = torch.stack([part.mT @ part for part in parts])

    def moments(n: int, total: Tensor, square: Tensor) -> tuple[Tensor, Tensor]:
        mean = total / n
        return centre + mean, (square - n * torch.outer(mean, mean)) / (n - 1)

    total, square = sums.sum(0), squares.sum(0)
    without = [
        moments(len(x) - len(part), total - sums[g], square - squares[g])
        for g, part in enumerate(parts)
    ]
    return moments(len(x), total, square), without


def precision_recall(x: Tensor, y: Tensor, k: int = 3) -> Manifolds:
    r"""Precision and recall of a sampler: whose samples lie where data lie, and the reverse.

    .. math::

        \mathrm{precision} = \frac1N \sum_i 1\big[x_i \in M(y)\big], \qquad
        \mathrm{recall} = \frac1M \sum_j 1\big[y_j \in M(x)\big], \qquad
        M(y) = \bigcup_j \big\{u : \|u - y_j\| \le r_k(y_j)\big\}

    with :math:`r_k` the distance to the k-th nearest *other* point of the same cloud. Two clouds of
    one law do not reach 1, and what they reach depends on N, M, k and the features: put beside it
    what held-out data score. A single outlier makes a large ball, so precision can flatter; samples
    drawn closer to the centre gain precision and lose recall. The errors are those of shares, for
    given balls.

    Slide: beyond the deck (evaluation).

    References:
        Kynkäänniemi, Karras, Laine, Lehtinen and Aila, Improved precision and recall metric for
        assessing generative models, 2019.

    Args:
        x: features of samples, shape (N, d).
        y: features of data, shape (M, d); take M = N where the two shares are compared.
        k: the number of neighbours, less than N and M.

    Returns:
        Both shares, in [0, 1], and their standard errors.

    Raises:
        ValueError: if the shapes do not fit, a value is not finite, or k is not below N and M.

    Example:
        >>> y = torch.tensor([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
        >>> x = torch.tensor([[0.5], [1.5], [5.0], [5.5]])
        >>> found = precision_recall(x, y, k=1)
        >>> print(f"{found.precision:.2f}, {found.recall:.2f}")
        0.50, 0.50
    """
    _two_point_sets("x", x, "y", y)
    checks.count("k", k, 1, min(len(x), len(y)) - 1)
    precision, recall = (_inside(a, b, k) for a, b in ((x, y), (y, x)))
    errors = ((p * (1 - p) / len(a)) ** 0.5 for p, a in ((precision, x), (recall, y)))
    return Manifolds(precision, recall, *errors)


def _inside(points: Tensor, cloud: Tensor, k: int) -> float:
    """The share of points that lie in one of the balls around the points of a cloud."""
    cloud = cloud.double()
    radius = nearest_neighbours(cloud, cloud, k + 1)[0][:, -1].square()
    slack = 1e-12 * (cloud - cloud.mean(0)).square().sum(-1).max()  # of the matrix product
    hits = [(square <= radius + slack).any(-1) for _, square in _square_distances(points, cloud)]
    return float(torch.cat(hits).double().mean())


def confident_share(logits: Tensor, threshold: float = 0.95) -> Share:
    r"""The share of samples of which a classifier is sure, :math:`P(\max_k p(k | x) > c)`.

    .. math:: \hat P = \frac1N \sum_i 1\big[\max_k p(k \mid x_i) > c\big], \qquad
              \mathrm{SE} = \sqrt{\hat P (1 - \hat P) / N}

    Unlike the mean confidence it counts images. A classifier can be sure of what is no digit, and
    one good image, repeated, has a share of 1.

    Slide: beyond the deck (evaluation).

    Args:
        logits: unnormalised log probabilities of the classes, shape (N, K).
        threshold: c, from 0 to 1.

    Returns:
        The share and its standard error.

    Raises:
        ValueError: if the shape does not fit, a row has no softmax, or c is not in [0, 1].

    Example:
        >>> logits = torch.tensor([[0.0, 9.0], [0.0, 1.0], [8.0, 0.0], [0.0, 7.0]])
        >>> print("{:.2f} +- {:.2f}".format(*confident_share(logits)))
        0.75 +- 0.22
    """
    checks.floating("logits", logits, "N K")
    checks.number("threshold", threshold, 0, 1)
    sure = _softmax(logits).max(-1).values
    share = float((sure > threshold).double().mean())
    return Share(share, (share * (1 - share) / len(logits)) ** 0.5)
