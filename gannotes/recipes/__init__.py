r"""The long runs behind the weights that the book shows: one function each, one command each::

    python -m gannotes list
    python -m gannotes run mnist_gan

A recipe takes an output folder, a seed and a device, trains with `fit` and a checkpoint (so that a
killed run goes on where it was), and leaves there the weights and a card: what was trained, from
which seed, how long it took, and what it scored. A sweep is a table of several such runs: a
function says which ones, another gathers what they leave. The files in `gannotes/weights/` and
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
    ali_grid_runs,
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
from gannotes.recipes.avb import (
    MODELS,
    adaptive,
    avb_mnist,
    avb_mnist_one,
    avb_mnist_runs,
    avb_mnist_single,
    digit_avb,
    quick_avb,
)
from gannotes.recipes.fgan import (
    fgan_generator,
    fgan_mnist,
    fgan_mnist_one,
    fgan_mnist_runs,
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
    ring_runs,
)
from gannotes.recipes.infogan import (
    Reader,
    digit_infogan,
    infogan_code,
    infogan_generator,
    infogan_mnist,
    infogan_mnist_plain,
    infogan_mnist_published,
    infogan_mnist_redrawn,
    infogan_mnist_runs,
    infogan_reader,
    infogan_scores,
    infogan_trunk,
    shape_of,
)
from gannotes.recipes.mixture import Univariate, fgan_univariate, univariate, univariate_grid
from gannotes.recipes.redraw import distort, keep, kept, looks, start_classes
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
from gannotes.runs import Sweep

__all__ = [
    "GridScores",
    "NoisyPair",
    "PANELS",
    "RECIPES",
    "Reader",
    "SWEEPS",
    "Univariate",
    "Waves",
    "adaptive",
    "ali_critic",
    "ali_decoder",
    "ali_encoder",
    "ali_grid",
    "ali_grid_plain",
    "ali_grid_remedied",
    "ali_grid_runs",
    "ali_mnist_baselines",
    "ali_mnist_one",
    "ali_scores",
    "avb_mnist",
    "avb_mnist_one",
    "avb_mnist_runs",
    "avb_mnist_single",
    "clouds",
    "digit_avb",
    "digit_decoder",
    "digit_infogan",
    "digit_vae",
    "distort",
    "fgan_generator",
    "fgan_mnist",
    "fgan_mnist_one",
    "fgan_mnist_runs",
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
    "infogan_code",
    "infogan_generator",
    "infogan_mnist",
    "infogan_mnist_plain",
    "infogan_mnist_published",
    "infogan_mnist_redrawn",
    "infogan_mnist_runs",
    "infogan_reader",
    "infogan_scores",
    "infogan_trunk",
    "kde_protocol",
    "kde_references",
    "keep",
    "kept",
    "looks",
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
    "ring_runs",
    "samplers",
    "shape_of",
    "start_classes",
    "univariate",
    "univariate_grid",
    "vae_kde",
    "vae_mnist_one",
    "vae_mnist_single",
]

RECIPES: dict[str, Callable[..., object]] = {
    recipe.__name__: recipe  # type: ignore[misc]
    for recipe in (
        mnist_classifier,
        mnist_gan,
        gan_parzen,
        ring_plain,
        ring_penalised,
        ring_remedied,
        infogan_mnist_redrawn,
        infogan_mnist_published,
        infogan_mnist_plain,
        fgan_univariate,
        *(fgan_mnist_single(name) for name in F_DIVERGENCES),
        kde_references,
        *(vae_mnist_single(k) for k in (*PANELS, *TABLE)),
        vae_kde,
        ali_grid_remedied,
        ali_grid_plain,
        ali_mnist_one,
        ali_mnist_baselines,
        *(avb_mnist_single(model, k) for k in TABLE for model in MODELS),
        four_points,
    )
}

SWEEPS: dict[str, Sweep] = {
    "ring": Sweep(ring_runs, ring),
    "infogan_mnist": Sweep(infogan_mnist_runs, infogan_mnist),
    "fgan_mnist": Sweep(fgan_mnist_runs, fgan_mnist),
    "ali_grid": Sweep(ali_grid_runs, ali_grid),
    "avb_mnist": Sweep(avb_mnist_runs, avb_mnist),
}
