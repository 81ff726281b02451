r"""The long runs behind the weights that the book shows: one function each, one command each.

    python -m gannotes list
    python -m gannotes run mnist_gan --out runs --device cpu

A recipe takes an output folder, a seed and a device, trains with `fit` and a checkpoint (so that a
killed run goes on where it was), and leaves there the weights and a card: what was trained, from
which seed, how long it took, and what it scored. The files in `gannotes/weights/` and
`gannotes/results/` are copies of such folders' files.
"""

from collections.abc import Callable

from gannotes.divergences import F_DIVERGENCES
from gannotes.recipes.ali import (
    GridScores,
    Waves,
    ali_grid,
    ali_grid_plain,
    ali_grid_remedied,
    clouds,
    grid_ali,
    grid_ali_plain,
    grid_scores,
    grid_step,
    samplers,
)
from gannotes.recipes.ali_mnist import (
    NoisyPair,
    ali_critic,
    ali_decoder,
    ali_encoder,
    ali_mnist_baselines,
    ali_mnist_one,
    ali_scores,
    nearest_class_accuracy,
)
from gannotes.recipes.avb import adaptive, avb_mnist, avb_mnist_one, digit_avb, quick_avb
from gannotes.recipes.fgan import (
    fgan_generator,
    fgan_mnist,
    fgan_mnist_one,
    fgan_mnist_single,
    kde_protocol,
    kde_references,
)
from gannotes.recipes.four_points import (
    four_points,
    four_points_avb,
    four_points_data,
    four_points_scores,
    four_points_vae,
)
from gannotes.recipes.gan import (
    gan_parzen,
    mnist_classifier,
    mnist_gan,
    ring,
    ring_generator,
    ring_penalised,
    ring_plain,
    ring_remedied,
)
from gannotes.recipes.mixture import Univariate, fgan_univariate, univariate, univariate_grid
from gannotes.recipes.vae import (
    PANELS,
    TABLE,
    digit_decoder,
    digit_vae,
    quick_vae,
    vae_kde,
    vae_mnist_one,
    vae_mnist_single,
)

__all__ = [
    "RECIPES",
    "GridScores",
    "NoisyPair",
    "Univariate",
    "Waves",
    "adaptive",
    "ali_critic",
    "ali_decoder",
    "ali_encoder",
    "ali_grid",
    "ali_grid_plain",
    "ali_grid_remedied",
    "ali_mnist_baselines",
    "ali_mnist_one",
    "ali_scores",
    "avb_mnist",
    "avb_mnist_one",
    "clouds",
    "digit_avb",
    "digit_decoder",
    "digit_vae",
    "fgan_generator",
    "fgan_mnist",
    "fgan_mnist_one",
    "fgan_mnist_single",
    "fgan_univariate",
    "four_points",
    "four_points_avb",
    "four_points_data",
    "four_points_scores",
    "four_points_vae",
    "gan_parzen",
    "grid_ali",
    "grid_ali_plain",
    "grid_scores",
    "grid_step",
    "kde_protocol",
    "kde_references",
    "mnist_classifier",
    "mnist_gan",
    "nearest_class_accuracy",
    "quick_avb",
    "quick_vae",
    "ring",
    "ring_generator",
    "ring_penalised",
    "ring_plain",
    "ring_remedied",
    "samplers",
    "univariate",
    "univariate_grid",
    "vae_kde",
    "vae_mnist_one",
    "vae_mnist_single",
]

RECIPES: dict[str, Callable[..., None]] = {
    recipe.__name__: recipe
    for recipe in (
        mnist_classifier,
        mnist_gan,
        gan_parzen,
        ring,
        fgan_univariate,
        fgan_mnist,
        *(fgan_mnist_single(name) for name in F_DIVERGENCES),
        kde_references,
        *(vae_mnist_single(k) for k in (*PANELS, *TABLE)),
        vae_kde,
        ali_grid,
        ali_mnist_one,
        ali_mnist_baselines,
        avb_mnist,
        four_points,
    )
}
