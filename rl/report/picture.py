"""A training run's reward as one picture that stands alone: for places that show images, not pages."""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path

from memory_r1.rl.report import curves
from memory_r1.rl.report.page import read_template
from memory_r1.rl.report.runs import read_runs

_COLOUR = re.compile(r"--([\w-]+):\s*(#[0-9a-f]{3,6})")
_MARGIN = 12


def reward_picture(folder: Path) -> str:
    """The curve of the run's reward, of training or of validation where there is one, as a `data:` URL of an SVG image.

    "" where the run has logged no reward (supervised training). Raises as `read_runs`; MissingExtraError.
    """
    charts = [chart for chart in curves.reward(read_runs([folder])) if chart.svg]
    return image(charts[-1].svg) if charts else ""


def image(svg: str) -> str:
    """`svg`, whose colours are the page's variables, as a `data:` URL in the page's light colours on white."""
    light = read_template("style.css").partition("@media")[0]
    colours = dict(_COLOUR.findall(light))
    painted = re.sub(r"var\(--([\w-]+)\)", lambda match: colours[match[1]], svg)
    view = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', painted)
    assert view is not None, "a chart has a viewBox"
    width, height = float(view[1]), float(view[2])
    box = f"{-_MARGIN} {-_MARGIN} {width + 2 * _MARGIN:g} {height + 2 * _MARGIN:g}"
    size = f'width="{2 * width:g}" height="{2 * height:g}" font-family="sans-serif"'
    paper = f'<rect x="{-_MARGIN}" y="{-_MARGIN}" width="100%" height="100%" fill="#ffffff"/>'
    painted = painted.replace(view[0], f'viewBox="{box}" {size}', 1)
    painted = re.sub(r"(<svg[^>]*>)", rf"\1{paper}", painted, count=1)
    return "data:image/svg+xml;base64," + b64encode(painted.encode()).decode()
