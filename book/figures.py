"""The figures of a chapter as small vector graphics: what the kernel is told, and what is kept.

While a chapter is executed, matplotlib writes SVG with real text. What it writes is longer than
what can be seen: coordinates with six decimals, points closer than half a pixel, a dozen font names
on every label. `slim` leaves that out, and nothing that a reader could miss.
"""

import base64
import io
import re
from pathlib import Path

from PIL import Image

KERNEL = """
c.InlineBackend.figure_formats = {"svg"}
c.InlineBackend.print_figure_kwargs = {
    "bbox_inches": None,
    "metadata": {"Date": None, "Creator": None, "Format": None, "Type": None},
}
"""
# A cloud of more than so many marks is a picture within the drawing.
START_UP = """
def _rasterise_crowds():
    import functools

    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.collections import PathCollection

    draw = FigureCanvasSVG.print_svg

    @functools.wraps(draw)
    def print_svg(canvas, *args, **kwargs):
        for marks in canvas.figure.findobj(PathCollection):
            marks.set_rasterized(len(marks.get_offsets()) > 150)
        return draw(canvas, *args, **kwargs)

    FigureCanvasSVG.print_svg = print_svg

_rasterise_crowds()
del _rasterise_crowds
"""
LARGEST = 400_000  # bytes
NEAR = 0.3  # points of a printer: nearer than this, a vertex of a line is left out

TEXT_BEFORE = re.compile(r"^.*?(?=<svg )", re.DOTALL)
METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
FONTS = re.compile(r"'DejaVu (Sans|Serif)'(?:, (?:'[^']*'|[a-z-]+))*")
UPRIGHT = re.compile(r' transform="rotate\(-?0 [^)]*\)"')
TAG = re.compile(r"<[^>]*>")  # what stands between two of them is text
NUMBER = re.compile(r"-?\d+\.\d{2,}")
DATA = re.compile(r' d="([^"]*)"')
PIXELS = re.compile(r"data:image/png;base64,([^\"]+)")
VERTEX = re.compile(r"([ML]) (-?[\d.]+) (-?[\d.]+)")


class FigureError(Exception):
    """A figure is too large for a page; the message says what to do."""


def configure(profile: Path) -> None:
    """Let the kernels that start with this IPython profile draw SVG."""
    folder = profile / "profile_default"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ipython_kernel_config.py").write_text(KERNEL)
    (folder / "startup").mkdir(exist_ok=True)
    (folder / "startup" / "figures.py").write_text(START_UP)


def slim(svg: str) -> str:
    """The same picture in a fraction of the bytes."""
    svg = METADATA.sub("", TEXT_BEFORE.sub("", svg))
    svg = PIXELS.sub(lambda match: _webp(match[1]), svg)
    svg = FONTS.sub(lambda match: "sans-serif" if match[1] == "Sans" else "serif", svg)
    svg = UPRIGHT.sub("", svg)
    svg = DATA.sub(lambda match: f' d="{_path(match[1])}"', svg)
    svg = TAG.sub(lambda match: NUMBER.sub(_short, match[0]), svg)
    svg = re.sub(r">\s*\n\s*<", ">\n<", svg)
    if len(svg) > LARGEST:
        size = f"{len(svg) // 1000} kB, wanted at most {LARGEST // 1000}"
        raise FigureError(f"a figure has {size}: draw its marks with `rasterized=True`")
    return svg


def _short(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")


def _webp(png: str) -> str:
    """Pixels as WebP: of images exact, of a large cloud of marks as good as."""
    picture, file = Image.open(io.BytesIO(base64.b64decode(png))), io.BytesIO()
    picture.save(file, "WebP", lossless=True)
    if file.tell() > 40_000:
        file = io.BytesIO()
        picture.save(file, "WebP", quality=75)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def _path(data: str) -> str:
    """A path without the vertices that lie on the one before, to the eye."""
    kept: list[str] = []
    last: tuple[float, float] | None = None
    commands = " ".join(data.split())
    if not re.fullmatch(r"(?:[ML] -?[\d.]+ -?[\d.]+ ?|z ?)*", commands):
        return commands  # curves are short
    pieces = re.findall(r"[ML] -?[\d.]+ -?[\d.]+|z", commands)
    for i, piece in enumerate(pieces):
        match = VERTEX.fullmatch(piece)
        if match is None:  # the end of a ring
            kept.append(piece)
            last = None
            continue
        x, y = float(match[2]), float(match[3])
        inner = match[1] == "L" and i + 1 < len(pieces) and pieces[i + 1][0] == "L"
        if inner and last and abs(x - last[0]) + abs(y - last[1]) < NEAR:
            continue
        kept.append(f"{match[1]} {x:.2f} {y:.2f}")
        last = (x, y)
    return " ".join(kept)
