"""Figures as inline SVG that takes its colours and its font from the page: text stays text, light and dark alike.

The same figure gives the same bytes: no date, no random ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

from memory_r1.memory.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 340
"""Points that a figure is wide; the page scales it."""

INK, MUTED, RULE = "#010101", "#020202", "#030303"
SERIES = 12
"""Colours of series that the page has; more come round again with the same."""

_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", RULE: "var(--rule)"}
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
_CHAR = 5.6


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure. `missing`: why there is none, "" if there is; `columns` and `rows`: its figures as a table."""

    key: str
    title: str
    about: str
    svg: str = ""
    missing: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def series(at: int) -> str:
    """The colour that stands for the page's series number `at`."""
    return f"#0404{at % SERIES:02x}"


def marker(at: int) -> str:
    """The marker of series number `at`, so that colour isn't all that tells it."""
    return _MARKERS[at % len(_MARKERS)]


@contextmanager
def drawing(height: float, left: float = 46, bottom: float = 40, right: float = 14) -> Iterator[tuple[Figure, Axes]]:
    """An empty figure of `WIDTH` by `height` points with one pair of axes. Raises MissingExtraError."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError.of("rl", "matplotlib") from error
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH / 72, height / 72))
        box = (left / WIDTH, bottom / height, 1 - (left + right) / WIDTH, 1 - (bottom + 12) / height)
        axes = figure.add_axes(box)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(visible=True, axis="y")
        axes.set_axisbelow(True)
        yield figure, axes


_STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "memory-r1", "text.parse_math": False, "font.size": 10,
    "font.family": "DejaVu Sans", "text.color": INK, "axes.labelcolor": MUTED, "axes.edgecolor": RULE,
    "xtick.color": RULE, "ytick.color": RULE, "xtick.labelcolor": MUTED, "ytick.labelcolor": MUTED,
    "grid.color": RULE, "grid.linewidth": 0.6, "axes.linewidth": 0.8, "xtick.major.size": 3, "ytick.major.size": 0,
    "xtick.minor.size": 0, "ytick.minor.size": 0, "axes.labelsize": 10, "xtick.labelsize": 9.5, "ytick.labelsize": 9.5,
    "lines.linewidth": 1.8, "lines.markersize": 5.5,
}  # fmt: skip


def margin(names: list[str]) -> float:
    """Points that the longest of `names` takes to the left of the axes."""
    return min(30 + _CHAR * max((len(name) for name in names), default=0), WIDTH * 0.42)


def clipped(name: str, chars: int = 24) -> str:
    """`name`, at most `chars` long."""
    return name if len(name) <= chars else f"{name[: chars - 1]}…"


def svg(figure: Figure, chart: str, title: str, about: str) -> str:
    """The figure as an SVG element, with a title and a description for those who don't see it."""
    import matplotlib as mpl

    out = StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<style[^>]*>.*?</style>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r'font: ([\d.]+px) [^;"]*', r"font-size: \1", text)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{chart}-\1"', text)
    text = re.sub(r"url\(#", f"url(#{chart}-", text)
    text = re.sub(r'xlink:href="#', f'xlink:href="#{chart}-', text)
    text = re.sub(r"#0404([0-9a-f]{2})", lambda match: f"var(--s{int(match[1], 16)})", text)
    for sentinel, variable in _VARIABLES.items():
        text = text.replace(sentinel, variable)
    words = f'<title id="{chart}-t">{escape(title)}</title><desc id="{chart}-d">{escape(about)}</desc>'
    view = re.search(r'viewBox="([^"]+)"', text)
    assert view is not None, "matplotlib's SVG has a viewBox"
    opening = (
        f'<svg viewBox="{view[1]}" role="img" aria-labelledby="{chart}-t {chart}-d" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return re.sub(r"^<svg[^>]*>", lambda _: opening + words, text)
