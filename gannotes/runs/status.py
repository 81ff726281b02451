"""How far all runs are, read from their folders alone."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from gannotes import checkpoint
from gannotes.runs.folder import Run, State, state

FAR = 2e10  # seconds: the year 2603
OVER = ("done", "damaged")


def table(runs: Sequence[Run], minutes: Mapping[str, float] | None = None) -> str:
    """A line for each run: state, step, time spent, estimated time left, who has it.

    Args:
        runs: what `find` returns.
        minutes: what a run of a recipe takes, by the recipe's name, where nothing of it is done.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from gannotes.runs import find, lay_out
        >>> with tempfile.TemporaryDirectory() as out:
        ...     _ = lay_out(Path(out), "ring_plain", 4)
        ...     print(table(find(Path(out)), {"ring_plain": 3.0}))
        run                state    step  spent   left
        ring_plain/seed-4  waiting           -  3 min
        1 waiting; 3 min of computing left
    """
    left = estimates(runs, minutes or {})
    states = [state(run) for run in runs]
    rows = [("run", "state", "step", "spent", "left", "")]
    for run, now, seconds in zip(runs, states, left, strict=True):
        spent = "-" if not run.sittings else span(run.seconds) if run.seconds else "< 10 s"
        ahead = "" if now in OVER else "?" if seconds is None else span(seconds)
        rows.append((run.name, now, _step(run), spent, ahead, _remark(run, now)))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = [
        f"{name:{widths[0]}}  {now:{widths[1]}}  {step:>{widths[2]}}  {spent:>{widths[3]}}  "
        f"{ahead:>{widths[4]}}  {remark}".rstrip()
        for name, now, step, spent, ahead, remark in rows
    ]
    counts = ", ".join(f"{states.count(now)} {now}" for now in dict.fromkeys(states))
    open_ = [seconds for now, seconds in zip(states, left, strict=True) if now not in OVER]
    known = sum(seconds for seconds in open_ if seconds is not None)
    if open_ and None in open_:
        counts += f"; more than {span(known)} of computing left" if known else ""
    elif open_:
        counts += f"; {span(known)} of computing left"
    return "\n".join([*lines, counts])


def estimates(runs: Sequence[Run], minutes: Mapping[str, float]) -> list[float | None]:
    """Seconds of computing left of each run: by its own pace, by its siblings', or by its card.

    Args:
        runs: what `find` returns.
        minutes: what a run of a recipe takes, by the recipe's name, where nothing of it is done.

    Returns:
        A number for each run, None where nothing is known.
    """
    taken: dict[str, list[float]] = {}
    for run in runs:
        if state(run) == "done":
            taken.setdefault(run.configuration["recipe"], []).append(run.seconds)
    whole = {name: 60 * value for name, value in minutes.items()}
    whole |= {name: sum(values) / len(values) for name, values in taken.items()}
    return [_left(run, whole.get(run.configuration["recipe"])) for run in runs]


def span(seconds: float) -> str:
    """A duration for people.

    Args:
        seconds: at least 0.

    Example:
        >>> span(7.4), span(90), span(3_900)
        ('7 s', '2 min', '1 h 05 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _left(run: Run, whole: float | None) -> float | None:
    """By the pace until the last checkpoint, which counts what was computed twice, too."""
    if state(run) == "done":
        return 0.0
    steps, total, saved = _progress(run)
    if steps and total and run.seconds:
        since = run.sittings[-1]["beat"] - saved
        return max(run.seconds - max(since, 0.0), 0.0) * (total - steps) / steps
    if whole is None:
        return None
    return whole * (1 - steps / total) if total else max(whole - run.seconds, 0.0)


def _progress(run: Run) -> tuple[int, int | None, float]:
    """Steps, of how many, and when that was saved; zeros if nothing was that can be read."""
    with suppress(ValueError, OSError):
        paths = list(run.folder.glob("*.checkpoint"))  # a recipe may train several things in turn
        saved, path = max(((path.stat().st_mtime, path) for path in paths), default=(0.0, None))
        if path is not None:
            return *checkpoint.progress(path), saved
    return 0, None, 0.0


def _step(run: Run) -> str:
    steps, total, saved = _progress(run)
    if not saved or state(run) in OVER:
        return ""
    return f"{steps}/{'?' if total is None else total}"


def _remark(run: Run, now: State) -> str:
    last = run.sittings[-1] if run.sittings else {}
    if now == "damaged":
        return _printable(run.damage)
    if now == "failed":
        return f"{_reason(run)} (traceback.txt)"
    if now == "queued":
        return f"job {run.job}"
    if now == "running":
        began = time.strftime("%d %b %H:%M", time.localtime(min(last["began"], FAR)))
        return _printable(f"{last['host']}:{last['pid']} since {began}")
    return ""


def _reason(run: Run) -> str:
    """The last line of what went wrong, as far as it was kept."""
    with suppress(OSError):
        text = (run.folder / "traceback.txt").read_text(encoding="utf-8", errors="replace")
        return _printable((text.strip().splitlines() or ["?"])[-1])
    return "?"


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
