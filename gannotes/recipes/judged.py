"""Real digits and those of all shipped generators, judged alike."""

from gannotes.recipes import protocols, samplers
from gannotes.recipes.frame import Desk, Row


def digits_judged(desk: Desk) -> list[Row]:
    """Judge real digits, and those of every shipped generator of the book's chapters.

    Slide: beyond the deck (evaluation).

    Args:
        desk: whose seed is that of the noise, and of the choice of the real digits.
    """
    rows = [{"source": "real digits", **protocols.judge_digits(protocols.real_digits())}]
    for name, source in samplers.SOURCES.items():
        if source.side == 28 and not name.startswith("summary_digits"):
            drawn = samplers.sample(name, protocols.JUDGED, desk.seed)
            rows.append({"source": name, **protocols.judge_digits(drawn[:, None])})
    return rows
