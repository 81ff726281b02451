r"""The data of the book: known densities, digits, heads, streets, and batches of them.

A toy density is a `torch.distributions.Distribution`: `p.sample((n,))` has shape (n, d),
`p.sample((S, n))` serves S replicas, and `p.log_prob(x)` is the truth to compare with. Of MNIST
only samples are known, which is the situation of the deck:

.. math:: x \sim \hat p(x) = \frac1S \sum_s \delta(x - x_s).

Slide: Supervised and unsupervised learning (E02); Constraint on training (E06).
"""

from gannotes.data.batches import Batches
from gannotes.data.digits import binarise, mnist
from gannotes.data.heads import FACTORS, heads, render_heads
from gannotes.data.outlines import outline
from gannotes.data.scapes import PALETTE, nearest_class, paint, scapes
from gannotes.data.toys import (
    dirac,
    grid,
    mixture_1d,
    ring,
    two_moons,
    univariate_mixture,
)

__all__ = [
    "FACTORS",
    "PALETTE",
    "Batches",
    "binarise",
    "dirac",
    "grid",
    "heads",
    "mixture_1d",
    "mnist",
    "outline",
    "nearest_class",
    "paint",
    "render_heads",
    "ring",
    "scapes",
    "two_moons",
    "univariate_mixture",
]
