"""Widgets of the pages: they run in the reader's browser, with or without a kernel.

Each widget is an `anywidget.AnyWidget`: a Python file that packs what is shown into a few bytes,
and an ES module that draws it. In Jupyter the traits follow in both directions; in the built book
the saved state is enough. The numbers travel as half-precision floats, so a page stays small.
"""

from gannotes.widgets.alpha_dial import AlphaDial
from gannotes.widgets.code_interpolator import CodeInterpolator
from gannotes.widgets.critic_explorer import CriticExplorer
from gannotes.widgets.digit_pad import DigitPad
from gannotes.widgets.dirac_explorer import DiracExplorer
from gannotes.widgets.divergence_explorer import DivergenceExplorer
from gannotes.widgets.domain_translator import DomainTranslator
from gannotes.widgets.film_player import FilmPlayer
from gannotes.widgets.generator_bender import GeneratorBender
from gannotes.widgets.late_critic import LateCritic
from gannotes.widgets.latent_explorer import LatentExplorer
from gannotes.widgets.latent_map import LatentMap
from gannotes.widgets.live_training import LiveTraining
from gannotes.widgets.point_player import PointPlayer

__all__ = [
    "AlphaDial",
    "CodeInterpolator",
    "CriticExplorer",
    "DigitPad",
    "DiracExplorer",
    "DivergenceExplorer",
    "DomainTranslator",
    "FilmPlayer",
    "GeneratorBender",
    "LateCritic",
    "LatentExplorer",
    "LatentMap",
    "LiveTraining",
    "PointPlayer",
]
