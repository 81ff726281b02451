"""How results are judged: bounds and evidence, kernel densities, neighbours, a shipped classifier.

Sizes are constants of this module, so that a test can judge less and still call every part.
"""

from functools import cache, partial

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from gannotes import data, evidence, metrics, nets, weights
from gannotes.distributions import gaussian_fit
from gannotes.models.avb import AVB
from gannotes.models.vae import VAE

ANNEALED = 400  # test digits; the bound takes all 10,000
CHAINS, PILOTS, TEMPERATURES, LEAPFROG = 4, 2, 100, 5
FITTED = 400  # samples of the encoder, to which the start of the annealing is fitted
KERNELS = 16_384  # samples of a model
BANDWIDTHS = torch.logspace(-1, 0, 25).tolist()
REFERENCES, QUERIES = 55_000, 10_000  # training and test digits of the nearest-neighbour scores
JUDGED = 10_000  # samples that the classifier sees
FEATURES = 10  # layers of the classifier up to its 64 features


def binary_digits() -> Tensor:
    """The test digits, binarised once and for all: `(10000, 1, 28, 28)`, zeros and ones.

    Slide: AVB / MNIST (T04).
    """
    return data.binarise(data.mnist("test")[0], torch.Generator().manual_seed(0))


@torch.no_grad()
def bound(model: VAE | AVB, x: Tensor, N_z: int = 8) -> tuple[Tensor, Tensor]:
    """The two terms of the ELBO of every image, the second learnt in the case of AVB.

    Slide: VAE / Experiments (E65); AVB (E71).

    Args:
        model: the model.
        x: images `(N, 1, 28, 28)`, zeros and ones.
        N_z: the number of latent samples for each.

    Returns:
        Log likelihood and divergence, nats, `(N,)` each.
    """
    parts = zip(*[model.terms(part, N_z) for part in x.split(100)], strict=True)
    log_likelihood, kl = (torch.cat(part) for part in parts)
    return log_likelihood, kl


def fitted(model: VAE | AVB, x: Tensor) -> Distribution:
    """The Gaussian with the moments of the encoder's samples, for both kinds of model alike.

    Slide: AVB / MNIST (I09, I10).

    Args:
        model: the model.
        x: images `(N, 1, 28, 28)`.

    Returns:
        A distribution of batch shape `(N,)`.
    """
    with torch.no_grad():
        return gaussian_fit(model.encoder(x).sample(torch.Size((FITTED,))))


def annealed(model: VAE | AVB, x: Tensor) -> evidence.Annealed:
    """Log p(x) by annealing from the Gaussian fit of the encoder's samples.

    Slide: AVB / MNIST (I10, behind T04).

    Args:
        model: the model.
        x: images `(N, 1, 28, 28)`, zeros and ones.

    Returns:
        As `evidence.annealed_importance_sampling`, for all images.
    """
    parts = [
        evidence.annealed_importance_sampling(
            partial(model.log_joint, part),
            fitted(model, part),
            CHAINS,
            TEMPERATURES,
            LEAPFROG,
            PILOTS,
        )
        for part in x.split(50)
    ]
    log_p, acceptance = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("log_p", "acceptance")
    )
    log_weights, z = (
        torch.cat([getattr(part, name) for part in parts], 1) for name in ("log_weights", "z")
    )
    return evidence.Annealed(log_p, log_weights, z, acceptance)


def kde_protocol(samples: Tensor) -> tuple[float, Tensor]:
    r"""Kernel density of samples of a model, judged on the 10,000 test digits.

    The bandwidth is the best of 25 on 2,000 digits held out of the training file; the test digits
    are used once.

    Slide: f-GAN / MNIST (T03, I11).

    Args:
        samples: digits `(S, 1, 28, 28)` with values in [0, 1].

    Returns:
        The bandwidth, and the log density of every test digit in nats, `(10000,)`.
    """
    validation, test = (data.mnist(split)[0].flatten(1) for split in ("validation", "test"))
    x = samples.flatten(1)
    bandwidth = metrics.select_bandwidth(x, validation[:2000], BANDWIDTHS)
    return bandwidth, metrics.kernel_density(x, test, bandwidth)


def kde_scores(samples: Tensor) -> dict[str, float]:
    """What `kde_protocol` comes to: `kde` and `sem`, the mean and its standard error, `bandwidth`.

    Slide: f-GAN / MNIST (T03).
    """
    bandwidth, values = kde_protocol(samples)
    sem = float(metrics.standard_error(values))
    return {"kde": float(values.mean()), "sem": sem, "bandwidth": bandwidth}


def classifier() -> nn.Module:
    """The shipped classifier of digits.

    Slide: beyond the deck (evaluation).
    """
    return weights.load(nets.image_classifier(), "mnist_classifier")


def class_scores(samples: Tensor) -> dict[str, float]:
    """What the classifier says of samples: mean `confidence`, `share_0` to `share_9`.

    Slide: beyond the deck (evaluation).

    Args:
        samples: digits `(S, 1, 28, 28)`.
    """
    share, confidence = metrics.class_shares(classifier()(samples))
    return {
        "confidence": float(confidence),
        **{f"share_{digit}": float(part) for digit, part in enumerate(share)},
    }


@torch.no_grad()
def in_parts(net: nn.Module, x: Tensor, size: int = 500) -> Tensor:
    """`net(x)`, computed a few images at a time.

    Slide: beyond the deck (evaluation).

    Example:
        >>> in_parts(nn.Flatten(), torch.zeros(3, 1, 2, 2), 2).shape
        torch.Size([3, 4])
    """
    return torch.cat([net(part) for part in x.split(size)])


def nearest_class_accuracy(features: nn.Module) -> float:
    r"""How often the nearest training digit is of a test digit's class, by distance of features.

    Slide: beyond the deck (evaluation).

    References:
        Donahue, Krähenbühl and Darrell, Adversarial feature learning, 2017, table 1.

    Args:
        features: maps images `(N, 1, 28, 28)` to vectors `(N, d)`.
    """
    (x, y), (queries, labels) = data.mnist("train"), data.mnist("test")
    reference, codes = in_parts(features, x[:REFERENCES]), in_parts(features, queries[:QUERIES])
    nearest = metrics.nearest_neighbours(codes, reference)[1][:, 0]
    return float((y[nearest] == labels[:QUERIES]).double().mean())


@torch.no_grad()
def digit_features(x: Tensor) -> tuple[Tensor, Tensor]:
    """What the shipped classifier sees in digits: 64 features behind its last ReLU, and its logits.

    Slide: beyond the deck (evaluation).

    Args:
        x: digits `(N, 1, 28, 28)`, values in [0, 1].

    Returns:
        Features `(N, 64)` and logits `(N, 10)`.

    Example:
        >>> [part.shape for part in digit_features(torch.zeros(2, 1, 28, 28))]
        [torch.Size([2, 64]), torch.Size([2, 10])]
    """
    layers = list(classifier().children())
    features = in_parts(nn.Sequential(*layers[:FEATURES]), x)
    return features, nn.Sequential(*layers[FEATURES:])(features)


def judge_digits(x: Tensor) -> dict[str, float]:
    r"""Judge drawn digits beside the 10,000 test digits, by the shipped classifier.

    The row to reach is that of digits which nobody drew, `judge_digits(real_digits())`. A Fréchet
    distance of another number of samples is another number; its bias is removed here.

    Slide: beyond the deck (evaluation).

    Args:
        x: digits `(N, 1, 28, 28)` in random order, values in [0, 1]; 10,000 for the tables.

    Returns:
        `frechet`, the plug-in value that is usually reported, `frechet_corrected` and
        `frechet_se`; `precision` and `recall` on features, with `precision_se` and `recall_se`;
        `confidence`, its mean; `sure`, the share above .95, and `sure_se`; `inception`; `rarest`
        and `commonest`, the shares of the two digits.
    """
    features, logits = digit_features(x)
    truth = _truth()
    frechet = metrics.frechet_distance(features, truth)
    manifolds = metrics.precision_recall(features, truth)
    sure = metrics.confident_share(logits)
    share, confidence = metrics.class_shares(logits)
    return {
        "frechet": frechet.plug_in,
        "frechet_corrected": frechet.distance,
        "frechet_se": frechet.error,
        "precision": manifolds.precision,
        "precision_se": manifolds.precision_error,
        "recall": manifolds.recall,
        "recall_se": manifolds.recall_error,
        "confidence": float(confidence),
        "sure": sure.share,
        "sure_se": sure.error,
        "inception": float(metrics.inception_score(logits)),
        "rarest": float(share.min()),
        "commonest": float(share.max()),
    }


def real_digits(count: int = JUDGED, seed: int = 0) -> Tensor:
    """Training digits as if somebody had drawn them: the row that a generator has to reach.

    Slide: beyond the deck (evaluation).

    Args:
        count: how many.
        seed: of the choice.

    Example:
        >>> real_digits(5).shape
        torch.Size([5, 1, 28, 28])
    """
    images = data.mnist("train")[0]
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return images[chosen[:count]]


@cache
def _truth() -> Tensor:
    return digit_features(data.mnist("test")[0])[0]
