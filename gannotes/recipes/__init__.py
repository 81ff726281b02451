r"""The long runs behind the weights that the book shows, each by its name::

    python -m gannotes list
    python -m gannotes run mnist_gan

A recipe trains at a desk (`recipes.frame`), which leaves in a folder the weights and a card: what
was trained, from which seed, how long it took, and what it scored. A killed run goes on where it
was. A sweep is a table of several runs. The files in `gannotes/weights/` and `gannotes/results/`
are copies of such folders' files, made by `python -m gannotes ship`.

Here they are listed, and nothing else: the parts are named where they stand, as in
`recipes.vae.digit_vae`.
"""

from gannotes.recipes import (
    ali,
    ali_mnist,
    avb,
    digit_outlines,
    fgan,
    four_points,
    gan,
    heads,
    infogan,
    iwae,
    judged,
    mixture,
    refined,
    scapes,
    summary,
    vae,
)
from gannotes.recipes.frame import Recipe, Sweep

SWEEPS: dict[str, Sweep] = {
    sweep.train.__name__: sweep
    for sweep in (
        gan.RING,
        infogan.INFOGAN_MNIST,
        heads.INFOGAN_HEADS,
        digit_outlines.OUTLINES,
        scapes.SCAPES,
        fgan.FGAN_MNIST,
        fgan.FGAN_MNIST_CALM,
        vae.VAE_MNIST,
        iwae.IWAE_MNIST,
        ali.ALI_GRID,
        avb.AVB_MNIST,
        refined.VAE_MNIST_REFINED,
        four_points.FOUR_POINTS,
        summary.SUMMARY_PLANE,
        summary.SUMMARY_DIGITS,
    )
}

SINGLE = (
    ali_mnist.ALI_MNIST,
    *(
        Recipe(train, seeded=False)
        for train in (
            gan.mnist_classifier,
            gan.mnist_gan,
            gan.mnist_gan_plain,
            gan.gan_parzen,
            heads.heads_judge,
            scapes.scapes_segmenter,
            mixture.fgan_univariate,
            fgan.kde_references,
            judged.digits_judged,
            vae.vae_kde,
            ali_mnist.ali_mnist_baselines,
        )
    ),
)

RECIPES: dict[str, Recipe] = {recipe.__name__: recipe for recipe in SINGLE}
for _sweep in SWEEPS.values():
    RECIPES |= _sweep.recipes
