r"""Numbers that judge models: modes, kernel density, neighbours, distances, codes, evidence.

Every function here returns a number that hides something; its docstring says what. Most take
samples; the estimates of :math:`\log p_\theta(x) = \log \int p_\theta(x, z)\, dz` take the
integrand, as a function of :math:`z`. An average over test points comes with its standard error,

.. math:: \bar v = \frac1N \sum_i v_i, \qquad
          \mathrm{SE} = \frac{1}{\sqrt N} \sqrt{\frac{1}{N-1} \sum_i (v_i - \bar v)^2},

which says how well the N points determine the average of *this* model, and nothing about another
training run.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Distribution

CHUNK = 1 << 20  # numbers in the largest temporary: 8 MiB of float64


class Coverage(NamedTuple):
    """What :func:`mode_coverage` returns, both of shape (...)."""

    captured: Tensor
    high_quality: Tensor


class ClassShares(NamedTuple):
    """What :func:`class_shares` returns: shape (..., K) and (...)."""

    share: Tensor
    mean_confidence: Tensor


class Segmentation(NamedTuple):
    """What `segmentation_scores` returns."""

    pixel_accuracy: float
    class_accuracy: float
    class_iou: float
    weighted_iou: float


class Annealed(NamedTuple):
    """What :func:`annealed_importance_sampling` returns; C chains, points of shape (...)."""

    log_p: Tensor
    log_weights: Tensor
    z: Tensor
    acceptance: Tensor


LogJoint = Callable[[Tensor], Tensor]


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
        radius: r, the largest distance in units of ``sd``.

    Returns:
        ``captured``, int64, and ``high_quality``, in [0, 1], both of shape (...).

    Raises:
        ValueError: if the shapes do not fit, or ``sd`` or ``radius`` is not positive.

    Example:
        >>> modes = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
        >>> x = torch.tensor([[0.0, 0.1], [0.2, 0.0], [0.6, 0.0], [0.0, 0.0]])
        >>> captured, high_quality = mode_coverage(x, modes, sd=0.1)
        >>> captured.item(), high_quality.item()
        (1, 0.75)
    """
    if modes.dim() != 2 or samples.dim() < 2 or samples.shape[-1] != modes.shape[-1]:
        raise ValueError(
            "samples must be (..., N, d) and modes (M, d), "
            f"got {tuple(samples.shape)} and {tuple(modes.shape)}"
        )
    if not samples.shape[-2] or not len(modes):
        raise ValueError(f"samples and modes must not be empty, got {tuple(samples.shape)}")
    _positive("sd", sd)
    _positive("radius", radius)
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

    The bandwidth must be chosen on validation points (:func:`select_bandwidth`), never on ``test``.
    In many dimensions the value depends more on h and on S than on the model: compare values of
    one protocol only, and put beside them the value that the training data themselves reach.
    Computed in float64 whatever the dtype, in slices of bounded memory.

    Slide: f-GAN / MNIST (T03, I11).

    References:
        Parzen (1962); Goodfellow et al. (2014) for the protocol; Theis et al. (2016) for what is
        wrong with it.

    Args:
        samples: samples of the model, shape (S, d).
        test: points x, shape (N, d), not among ``samples``.
        bandwidth: h, the standard deviation of a kernel per coordinate, in the units of the data.

    Returns:
        Log densities in nats, shape (N,), dtype of ``test``. Report their mean and
        :func:`standard_error`.

    Raises:
        ValueError: if the shapes do not fit or ``bandwidth`` is not positive.

    Example:
        >>> samples = torch.tensor([[0.0], [1.0], [3.0]])
        >>> kernel_density(samples, torch.tensor([[0.5], [2.0]]), bandwidth=0.5)
        tensor([-1.1313, -2.6300])
    """
    _two_point_sets("samples", samples, "test", test)
    _positive("bandwidth", bandwidth)
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
        One of ``bandwidths``.

    Raises:
        ValueError: if the shapes do not fit, a candidate is not positive, or ``strict`` and the
            winner is the smallest or the largest candidate.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> x = torch.randn(500, 1, generator=generator)
        >>> select_bandwidth(x[:250], x[250:], [0.01, 0.03, 0.1, 0.3, 1.0, 3.0])
        0.3
    """
    _two_point_sets("samples", samples, "validation", validation)
    candidates = sorted(float(h) for h in bandwidths)
    if not candidates:
        raise ValueError("bandwidths must hold at least one candidate, got none")
    for h in candidates:
        _positive("bandwidths", h)
    best = int(_kernel_density(samples, validation, candidates).mean(-1).argmax())
    if strict and best in (0, len(candidates) - 1):
        raise ValueError(
            f"bandwidths: the best, {candidates[best]:.4g}, is an end of the range "
            f"{candidates[0]:.4g} to {candidates[-1]:.4g}; widen it, or pass strict=False"
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
        ValueError: if there are fewer than two values.

    Example:
        >>> standard_error(torch.tensor([1.0, 3.0])).item()
        1.0
    """
    if values.dim() == 0 or values.shape[-1] < 2:
        raise ValueError(f"values must be (..., N) with N >= 2, got shape {tuple(values.shape)}")
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
        ``distance`` (dtype of ``x``) and ``index`` into ``reference`` (int64), both (N, k), the
        nearest first.

    Raises:
        ValueError: if the shapes do not fit or k is not in 1..M.

    Example:
        >>> reference = torch.tensor([[0.0], [1.0], [5.0]])
        >>> distance, index = nearest_neighbours(torch.tensor([[1.5]]), reference, k=2)
        >>> distance.tolist(), index.tolist()
        ([[0.5, 1.5]], [[1, 0]])
    """
    _two_point_sets("x", x, "reference", reference)
    if not isinstance(k, int) or not 1 <= k <= len(reference):
        raise ValueError(f"k must be an int from 1 to {len(reference)}, got {k!r}")
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

    Slide: beyond the deck.

    Args:
        logits: unnormalised log probabilities of the classes, shape (..., N, K).

    Returns:
        ``share``, shape (..., K), summing to 1, and ``mean_confidence``, shape (...).

    Raises:
        ValueError: if ``logits`` has fewer than two dimensions or is empty.

    Example:
        >>> share, confidence = class_shares(torch.tensor([[9.0, 0.0], [9.0, 0.0], [0.0, 9.0]]))
        >>> [round(s, 3) for s in share.tolist()], round(confidence.item(), 4)
        ([0.667, 0.333], 0.9999)
    """
    if logits.dim() < 2 or not logits.numel():
        raise ValueError(f"logits must be (..., N, K) and not empty, got {tuple(logits.shape)}")
    confidence, winner = logits.softmax(-1).max(-1)
    share = torch.nn.functional.one_hot(winner, logits.shape[-1]).to(logits.dtype).mean(-2)
    return ClassShares(share, confidence.mean(-1))


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
        ValueError: if ``logits`` has fewer than two dimensions, is empty, or holds a NaN.

    Example:
        >>> sure = 50 * torch.eye(3)
        >>> print(f"{inception_score(sure):.3f}, {inception_score(sure[[0, 0, 0, 1]]):.3f}")
        3.000, 1.755
    """
    if logits.dim() < 2 or not logits.numel():
        raise ValueError(f"logits must be (..., N, K) and not empty, got {tuple(logits.shape)}")
    p = logits.double().softmax(-1)
    if p.isnan().any():
        raise ValueError("logits must have a softmax, got a row with NaN")
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
        predicted: classes from 0 to `classes - 1`, int64, any shape.
        truth: the true ones, of the same shape.
        classes: the number of classes.

    Returns:
        Accuracy per pixel, accuracy per class, mean intersection over union, and the same weighted
        by how often a class occurs.

    Raises:
        ValueError: if the shapes differ, if there is no pixel, or if a class is out of range.

    Example:
        >>> truth = torch.tensor([0, 0, 0, 1])
        >>> segmentation_scores(torch.tensor([0, 0, 1, 1]), truth, 2).pixel_accuracy
        0.75
    """
    if predicted.shape != truth.shape or truth.numel() == 0:
        raise ValueError(
            f"predicted, truth: expected equal shapes with at least one pixel, got "
            f"{tuple(predicted.shape)} and {tuple(truth.shape)}"
        )
    for name, labels in (("predicted", predicted), ("truth", truth)):
        if not 0 <= int(labels.min()) <= int(labels.max()) < classes:
            raise ValueError(
                f"{name}: expected classes from 0 to {classes - 1}, got "
                f"{int(labels.min())} to {int(labels.max())}"
            )
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

    Slide: beyond the deck.

    Args:
        x: first sample, shape (..., N).
        y: second sample, shape (..., M); the leading dimensions (replicas) broadcast.

    Returns:
        Distances in the units of the data, shape (...).

    Raises:
        ValueError: if a sample is empty or the leading dimensions do not broadcast.

    Example:
        >>> wasserstein_1d(torch.tensor([0.0, 1.0]), torch.tensor([3.0, 4.0])).item()
        3.0
    """
    if x.dim() == 0 or y.dim() == 0 or not x.shape[-1] or not y.shape[-1]:
        shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise ValueError(f"x and y must be (..., N) and (..., M) and not empty, got {shapes}")
    try:
        leading = torch.broadcast_shapes(x.shape[:-1], y.shape[:-1])
    except RuntimeError:
        shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise ValueError(f"x and y: leading dimensions must broadcast, got {shapes}") from None
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
        x: N values of K quantities, shape (..., N, K); leading dimensions are replicas.
        y: N values of J quantities, shape (..., N, J).

    Returns:
        Correlations in [-1, 1], shape (..., K, J), dtype of ``x``.

    Raises:
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
            raise ValueError(f"{name}: a column is constant, and has no ranks")
        scores.append(rank / length)
    return (scores[0].mT @ scores[1]).to(x.dtype)


def mutual_information_gap(codes: Tensor, factors: Tensor, bins: int = 20) -> Tensor:
    r"""Does each factor have a code of its own? :math:`(I_{(1)} - I_{(2)}) / H`, on average.

    .. math:: \mathrm{MIG} = \frac1J \sum_{j=1}^J \frac{1}{H(v_j)}
              \Big( I(c_{k(j)}; v_j) - \max_{k \neq k(j)} I(c_k; v_j) \Big), \qquad
              k(j) = \arg\max_k I(c_k; v_j)

    Entropies and informations are those of the counts in ``bins`` classes of equally many values
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
        The score, in [0, 1], shape (...), dtype of ``codes``.

    Raises:
        ValueError: if the shapes do not fit, there is one code only, a value is not finite,
            ``bins`` is not in 2..N, or a factor is constant.

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
        raise ValueError(f"codes must have two columns or more, got {tuple(codes.shape)}")
    if isinstance(bins, bool) or not isinstance(bins, int) or not 2 <= bins <= codes.shape[-2]:
        raise ValueError(f"bins must be an integer from 2 to {codes.shape[-2]}, got {bins!r}")
    n = codes.shape[-2]
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
        raise ValueError("factors: a column is constant, and has no entropy")
    best = information.topk(2, -2).values
    gap = (best[..., 0, :] - best[..., 1, :]) / entropy
    return gap.mean(-1).to(codes.dtype)


def importance_weighted(
    log_joint: LogJoint, q: Distribution, samples: int = 5000, chunk: int = 100
) -> Tensor:
    r"""Log evidence from a proposal, :math:`\log \frac1J \sum_j p(x, z_j) / q(z_j \mid x)`.

    .. math:: \log \hat p(x) = \log \frac1J \sum_{j=1}^J \frac{p_\theta(x, z_j)}{q(z_j \mid x)},
              \quad z_j \sim q(z \mid x), \qquad E[\log \hat p(x)] \le \log p_\theta(x)

    The average is unbiased, its logarithm too low on average, the less the more samples there are.
    Where q misses a part of the posterior nothing shows it: the estimate is simply too low.

    Slide: AVB / MNIST (behind the log p(x) of T04); VAE (E55).

    References:
        Burda, Grosse and Salakhutdinov, Importance weighted autoencoders, 2016.

    Args:
        log_joint: maps z, shape (J, ..., k), to :math:`\log p_\theta(x, z)`, shape (J, ...); for a
            VAE ``lambda z: vae.log_joint(x, z)``.
        q: the proposal, batch shape (...), event shape (k,); for a VAE ``vae.encoder(x)``.
        samples: J, for each point x.
        chunk: how many of them are in memory at a time.

    Returns:
        Nats, shape (...): one per point. Report their mean and :func:`standard_error`.

    Raises:
        ValueError: if ``samples`` or ``chunk`` is not positive, or ``log_joint`` returns another
            shape.

    Example:
        For z ~ N(0, 1) and x | z ~ N(z, 1), and the posterior as proposal, one sample is enough:

        >>> from torch.distributions import Independent, Normal
        >>> x, p_0 = torch.tensor(1.0), Normal(0.0, 1.0)
        >>> def log_joint(z):
        ...     return (p_0.log_prob(z) + Normal(z, 1.0).log_prob(x)).sum(-1)
        >>> q = Independent(Normal(x.reshape(1) / 2, 0.5**0.5), 1)
        >>> log_p = importance_weighted(log_joint, q, samples=1)
        >>> print(f"{log_p:.4f}, exact {Normal(0.0, 2**0.5).log_prob(x):.4f}")
        -1.5155, exact -1.5155
    """
    _positive_int("samples", samples)
    _positive_int("chunk", chunk)
    parts = []
    with torch.no_grad():
        for start in range(0, samples, chunk):
            z = q.sample(torch.Size((min(chunk, samples - start),)))
            parts.append(torch.logsumexp(_values(log_joint, z) - q.log_prob(z), 0))
    return torch.stack(parts).logsumexp(0) - math.log(samples)


def annealed_importance_sampling(
    log_joint: LogJoint,
    q: Distribution,
    chains: int = 16,
    temperatures: int = 500,
    leapfrog: int = 10,
    pilots: int = 4,
) -> Annealed:
    r"""Log evidence from chains on their way to the posterior, :math:`\log \frac1C \sum_c w_c`.

    .. math:: \pi_t(z) \propto q(z)^{1 - \beta_t}\, p_\theta(x, z)^{\beta_t}, \qquad
              \log w = \sum_{t=0}^{T-1} (\beta_{t+1} - \beta_t)
              \big[\log p_\theta(x, z_t) - \log q(z_t)\big], \qquad
              \log \hat p(x) = \log \frac1C \sum_{c=1}^C w_c

    with linear :math:`\beta_t = t / T`, :math:`z_0 \sim q`, and :math:`z_t` made from
    :math:`z_{t-1}` by a Hamiltonian move that leaves :math:`\pi_t` invariant. Then :math:`E[\hat
    p(x)] = p_\theta(x)` exactly, for any number of temperatures, and :math:`E[\log \hat p(x)] \le
    \log p_\theta(x)`. With the base distribution as the proposal :math:`\pi_t` is :math:`p_0(z)\,
    p_\theta(x \mid z)^{\beta_t}`; a Gaussian fit of the posterior starts closer.

    The step sizes are tuned on pilot chains of their own, towards an acceptance of 0.65, for every
    point and temperature, and then frozen: chains that tuned themselves would be biased. All points
    and chains move together. A mode far from q that no chain finds is missing from the estimate,
    and only a larger spread of ``log_weights`` may tell.

    Slide: AVB / MNIST (I10, behind the log p(x) of T04).

    References:
        Neal, Annealed importance sampling, 2001; Wu et al., On the quantitative analysis of
        decoder-based generative models, 2017.

    Args:
        log_joint: maps z, shape (C, ..., k), to :math:`\log p_\theta(x, z)`, shape (C, ...),
            differentiably; for a VAE ``lambda z: vae.log_joint(x, z)``.
        q: the proposal, batch shape (...), event shape (k,), with a differentiable density that is
            positive everywhere: ``vae.encoder(x)``, ``distributions.gaussian_fit(z)``, or a
            Gaussian ``p_0.expand((N,))``.
        chains: C, for each point x.
        temperatures: T, of at least 1.
        leapfrog: leapfrog steps of a move, each a gradient of ``log_joint``.
        pilots: chains for each point that tune the step sizes.

    Returns:
        ``log_p``, nats, shape (...); ``log_weights``, (C, ...); the last ``z``, (C, ..., k), close
        to draws from the posterior; and the mean ``acceptance`` of the moves, (...). Trust the
        estimate where the log weights of a point differ by little more than 1.

    Raises:
        ValueError: if a count is not positive, the events of ``q`` are not vectors, or
            ``log_joint`` returns another shape.

    Example:
        For z ~ N(0, 1) and x | z ~ N(z, 1), from the base distribution:

        >>> from torch.distributions import Independent, Normal
        >>> _, x = torch.manual_seed(0), torch.tensor(1.0)
        >>> p_0 = Independent(Normal(torch.zeros(1), 1.0), 1)
        >>> def log_joint(z):
        ...     return p_0.log_prob(z) + Normal(z[..., 0], 1.0).log_prob(x)
        >>> found = annealed_importance_sampling(log_joint, p_0, temperatures=100)
        >>> print(f"{found.log_p:.1f}, exact {Normal(0.0, 2**0.5).log_prob(x):.1f}")
        -1.5, exact -1.5
    """
    counts = {"chains": chains, "temperatures": temperatures}
    for name, count in {**counts, "leapfrog": leapfrog, "pilots": pilots}.items():
        _positive_int(name, count)
    if len(q.event_shape) != 1:
        raise ValueError(f"q: expected vectors as events, (k,), got {tuple(q.event_shape)}")
    tuned = _anneal(log_joint, q, pilots, temperatures, leapfrog, None)[-1]
    log_w, z, acceptance, _ = _anneal(log_joint, q, chains, temperatures, leapfrog, tuned)
    return Annealed(log_w.logsumexp(0) - math.log(chains), log_w, z, acceptance)


class _Point(NamedTuple):
    """A state of the chains, with the two log densities there and their gradients."""

    z: Tensor
    log_q: Tensor
    log_joint: Tensor
    log_q_gradient: Tensor
    log_joint_gradient: Tensor

    def log_pi(self, beta: float) -> Tensor:
        return (1 - beta) * self.log_q + beta * self.log_joint

    def gradient(self, beta: float) -> Tensor:
        return (1 - beta) * self.log_q_gradient + beta * self.log_joint_gradient


def _anneal(
    log_joint: LogJoint,
    q: Distribution,
    chains: int,
    temperatures: int,
    leapfrog: int,
    tuned: list[Tensor] | None,
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """Move the chains along all temperatures; tune the log step sizes unless they are given."""
    with torch.no_grad():
        point = _point(log_joint, q, q.sample(torch.Size((chains,))))
        scale = q.stddev.detach()  # the moves see whitened coordinates
        log_w, accepted = torch.zeros_like(point.log_q), torch.zeros_like(point.log_q)
        log_step, used = torch.full_like(point.log_q[0], math.log(0.3)), []
        for t in range(1, temperatures + 1):
            log_w += (point.log_joint - point.log_q) / temperatures
            used.append(log_step if tuned is None else tuned[t - 1])
            point, a = _move(
                log_joint, q, point, t / temperatures, used[-1].exp()[..., None] * scale, leapfrog
            )
            accepted += a / temperatures
            log_step = log_step + 0.2 * (a.mean(0) - 0.65)
    return log_w, point.z, accepted.mean(0), used


def _move(
    log_joint: LogJoint, q: Distribution, start: _Point, beta: float, step: Tensor, leapfrog: int
) -> tuple[_Point, Tensor]:
    """One Hamiltonian move of every chain, accepted or not, and its probability of acceptance."""
    end, momentum = start, torch.randn_like(start.z)
    energy = momentum.square().sum(-1) / 2 - start.log_pi(beta)
    # A random length, or a trajectory may come back to where it began, again and again.
    step = step * (0.5 + torch.rand_like(energy)[..., None])
    log_ratio, lost = torch.zeros_like(energy), torch.zeros_like(energy, dtype=torch.bool)
    for _ in range(leapfrog):
        momentum = momentum + step / 2 * end.gradient(beta)
        z = end.z + step * momentum
        lost = lost | ~z.isfinite().all(-1) | ~(log_ratio > -1000)  # it diverges: to be rejected
        end = _point(log_joint, q, torch.where(lost[..., None], start.z, z))
        momentum = momentum + step / 2 * end.gradient(beta)
        log_ratio = energy - momentum.square().sum(-1) / 2 + end.log_pi(beta)
    probability = log_ratio.clamp(max=0).exp().nan_to_num(nan=0.0).masked_fill(lost, 0.0)
    accept = torch.rand_like(probability) < probability
    chosen = [
        torch.where(accept.reshape(accept.shape + (1,) * (new.dim() - accept.dim())), new, old)
        for new, old in zip(end, start, strict=True)
    ]
    return _Point(*chosen), probability


def _point(log_joint: LogJoint, q: Distribution, z: Tensor) -> _Point:
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        log_q, log_p = q.log_prob(z), _values(log_joint, z)
        (log_q_gradient,) = torch.autograd.grad(log_q.sum(), z)
        (log_p_gradient,) = torch.autograd.grad(log_p.sum(), z)
    return _Point(z.detach(), log_q.detach(), log_p.detach(), log_q_gradient, log_p_gradient)


def _values(log_joint: LogJoint, z: Tensor) -> Tensor:
    values = log_joint(z)
    if values.shape != z.shape[:-1]:
        raise ValueError(
            f"log_joint: expected one value per latent point, shape {tuple(z.shape[:-1])}, "
            f"got {tuple(values.shape)}"
        )
    return values


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
    if x.dim() < 2 or x.shape[:-1] != y.shape[:-1] or not x.numel() or not y.numel():
        raise ValueError(
            f"{name_x} and {name_y} must be (..., N, K) and (..., N, J) and not empty, "
            f"got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    for name, values in ((name_x, x), (name_y, y)):
        if not values.isfinite().all():
            raise ValueError(f"{name} must be finite, got {values[~values.isfinite()][0].item()}")


def _two_point_sets(name_a: str, a: Tensor, name_b: str, b: Tensor) -> None:
    if a.dim() != 2 or b.dim() != 2 or a.shape[-1] != b.shape[-1] or not len(a) or not len(b):
        raise ValueError(
            f"{name_a} and {name_b} must be (n, d) with the same d and not empty, "
            f"got {tuple(a.shape)} and {tuple(b.shape)}"
        )


def _positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value}")


def _positive_int(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}")


# Distances and shares of images that a classifier has turned into features.


class Frechet(NamedTuple):
    """What :func:`frechet_distance` returns."""

    plug_in: float
    distance: float
    error: float


class Manifolds(NamedTuple):
    """What :func:`precision_recall` returns: two shares, and the standard error of each."""

    precision: float
    recall: float
    precision_error: float
    recall_error: float


class Share(NamedTuple):
    """What :func:`confident_share` returns."""

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
        ``plug_in``, biased upwards; ``distance``, without the first-order bias; and the standard
        ``error`` of either.

    Raises:
        ValueError: if the shapes do not fit, a value is not finite, or ``groups`` is out of range.

    Example:
        >>> x = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
        >>> found = frechet_distance(x[:1000], x[1000:] + torch.tensor([1.0, 0.0]))
        >>> print(f"{found.distance:.2f} +- {found.error:.2f}")
        0.96 +- 0.08
    """
    _two_clouds(x, y)
    _integer("groups", groups, 2, min(len(x), len(y)) // 2)
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
    _two_clouds(x, y)
    _integer("k", k, 1, min(len(x), len(y)) - 1)
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
    if logits.dim() != 2 or not logits.numel():
        raise ValueError(f"logits: expected shape (N, K), not empty, got {tuple(logits.shape)}")
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold: expected a probability in [0, 1], got {threshold}")
    sure = logits.double().softmax(-1).max(-1).values
    if sure.isnan().any():
        raise ValueError("logits: expected rows with a softmax, got one with NaN")
    share = float((sure > threshold).double().mean())
    return Share(share, (share * (1 - share) / len(logits)) ** 0.5)


def _integer(name: str, value: int, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name}: expected an integer from {least} to {most}, got {value!r}")


def _two_clouds(x: Tensor, y: Tensor) -> None:
    for name, part in (("x", x), ("y", y)):
        if part.dim() != 2 or len(part) < 4 or part.shape[-1] != y.shape[-1]:
            raise ValueError(
                f"{name}: expected features (N, d), N at least 4, the same d for both, "
                f"got {tuple(x.shape)} and {tuple(y.shape)}"
            )
        if not part.isfinite().all():
            bad = part[~part.isfinite()][0].item()
            raise ValueError(f"{name}: expected finite features, got {bad}")
