"""What the shipped classifier says of drawn digits, and of real ones: a row of the table."""

from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from gannotes import data, metrics, nets, results, weights

DRAWN = 10_000  # digits that are judged, as many as there are to compare them with
FEATURES = 10  # layers of the classifier up to its 64 features


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
    judge = weights.load(nets.image_classifier(), "mnist_classifier")
    features = torch.cat([judge[:FEATURES](part) for part in x.split(500)])  # type: ignore[index]
    return features, judge[FEATURES:](features)  # type: ignore[index]


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


def real_digits(count: int = DRAWN, seed: int = 0) -> Tensor:
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


def digits_judged(out: Path, seed: int = 0, device: str = "cpu") -> None:
    """Judge real digits, and those of every shipped generator of the book's chapters.

    Slide: beyond the deck (evaluation).

    Args:
        out: the folder for the table.
        seed: of the noise, and of the choice of the real digits.
        device: not used; the classifier runs on the processor.
    """
    from gannotes import samplers  # which draws with the networks of the recipes

    out.mkdir(parents=True, exist_ok=True)
    rows = [{"source": "real digits", **judge_digits(real_digits(seed=seed))}]
    for name, source in samplers.SOURCES.items():
        if source.side == 28 and not name.startswith("summary_digits"):
            drawn = torch.cat(list(samplers.draw(name, DRAWN, seed)))[:, None]
            rows.append({"source": name, **judge_digits(drawn)})
    results.write(out / "digits_judged.csv", rows)


@cache
def _truth() -> Tensor:
    return digit_features(data.mnist("test")[0])[0]
