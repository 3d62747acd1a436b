"""The chart: a group of bars a scenario, each group on its own scale; readable on light and on dark ground."""

from xml.sax.saxutils import escape

from bench.entries import LIBRARY, LIMIT
from bench.measure import Figures

WIDTH, LABELS, FIGURES = 860, 270, 170
BAR, STEP, TITLE, GAP = 14, 20, 30, 18

_STYLE = """
  svg { font: 12px system-ui, sans-serif; }
  .ground { fill: #ffffff; } text { fill: #1c2430; } .quiet { fill: #5a6675; } .title { font-weight: 600; }
  .ours { fill: #1769c2; } .baseline { fill: #98a2ae; } .library { fill: #b9770e; } .limit { fill: #d5dae0; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #12171e; } text { fill: #e6eaf0; } .quiet { fill: #9aa6b5; }
    .ours { fill: #5aa9f8; } .baseline { fill: #6d7886; } .library { fill: #e0a43f; } .limit { fill: #3a4450; }
  }
"""


def draw(figures: list[Figures]) -> str:
    """Draw the medians of the rounds."""
    parts, top = [], GAP
    for figure in figures:
        parts.append(_group(figure, top))
        top += TITLE + STEP * len(figure.turns) + GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img">',
            "<title>A second, by scenario and contestant; median of the rounds</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{top}"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _group(figure: Figures, top: int) -> str:
    rates = {name: figure.median(name) for name in figure.turns}
    longest = max(rates.values()) or 1
    lines = [f'<text class="title" x="16" y="{top + 14}">{escape(figure.scenario.title)}</text>']
    for place, (name, rate) in enumerate(rates.items()):
        y = top + TITLE + place * STEP
        length = max(1.0, (WIDTH - LABELS - FIGURES) * rate / longest)
        lines.append(f'<text x="{LABELS - 8}" y="{y + 11}" text-anchor="end">{escape(name)}</text>')
        lines.append(f'<rect class="{_kind(name)}" x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>')
        lines.append(
            f'<text x="{LABELS + length + 6:.1f}" y="{y + 11}">{rate:,.{0 if rate >= 100 else 1}f}'
            f'<tspan class="quiet">{escape(_beside(figure, name))}</tspan></text>'
        )
    return "\n".join(lines)


def _kind(name: str) -> str:
    if name == LIMIT:
        return "limit"
    if name.startswith(LIBRARY):
        return "library"
    return "baseline" if name.startswith("baseline") else "ours"


def _beside(figure: Figures, name: str) -> str:
    ratio = figure.ratio(name, figure.published)
    return "" if ratio is None or name in (figure.published, LIMIT) else f"  {ratio:.1f} × as published"
