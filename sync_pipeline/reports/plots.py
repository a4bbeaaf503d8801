"""Column plots as SVG, drawn here: five plots do not pay for a plotting library.

Belongs here: scales, columns, labels. Does not: which figures are plotted (page.py).

Elements, not text: whatever a label says, it is escaped when the tree is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, floor, log10
from typing import Final
from xml.etree import ElementTree as ET

_WIDTH: Final = 760
_HEIGHT: Final = 240
_LEFT: Final = 80
_RIGHT: Final = 10
_TOP: Final = 14
_BOTTOM: Final = 44
_MOST_TICKS: Final = 5
# Below it, ten digits show a tick whole.
_EXACT: Final = 1e9
# So many labels of a dozen characters stand beside each other.
_MOST_LABELS: Final = 8
_LONGEST_LABEL: Final = 14


@dataclass(frozen=True)
class Series:
    """One row of columns, one value per label; later series stand before earlier ones."""

    name: str
    values: Sequence[int | Decimal]


def column_plot(title: str, labels: Sequence[str], series: Sequence[Series]) -> ET.Element:
    """An SVG with a column per label and series, around a line at zero.

    Args:
        labels: at least one; when there are many, not every one is written.
        series: at least one, each as long as the labels.
    """
    svg = ET.Element("svg", viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img")
    ET.SubElement(svg, "title").text = title
    scale = _Scale.of([float(value) for one in series for value in one.values])
    _draw_ticks(svg, scale)
    step = (_WIDTH - _LEFT - _RIGHT) / len(labels)
    for place, one in enumerate(series):
        _draw_columns(svg, scale, labels, one, step=step, place=place)
    _draw_labels(svg, labels, step)
    return svg


@dataclass(frozen=True)
class _Scale:
    """From values to heights; zero is always on it."""

    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "_Scale":
        lowest, highest = min(0.0, *values), max(0.0, *values)
        return cls(lowest, highest if highest > lowest else lowest + 1.0)

    def y(self, value: float) -> float:
        share = (value - self.lowest) / (self.highest - self.lowest)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _draw_ticks(svg: ET.Element, scale: _Scale) -> None:
    for value in ticks(scale.lowest, scale.highest):
        y = f"{scale.y(value):.1f}"
        kind = "grid" if value else "zero"
        right = str(_WIDTH - _RIGHT)
        ET.SubElement(svg, "line", x1=str(_LEFT), x2=right, y1=y, y2=y, attrib={"class": kind})
        text = ET.SubElement(svg, "text", x=str(_LEFT - 6), y=y, attrib={"class": "tick"})
        text.text = f"{value:,.10g}" if abs(value) < _EXACT else f"{value:,.0f}"


def ticks(lowest: float, highest: float) -> list[float]:
    """Round values from the lowest to the highest, zero among them: 1, 2 or 5 times a power of 10.

    Args:
        lowest: at most 0.
        highest: at least 0, and above the lowest.
    """
    least = (highest - lowest) / _MOST_TICKS
    power = 10.0 ** floor(log10(least))
    step = next(one * power for one in (1, 2, 5, 10) if one * power >= least)
    return [n * step for n in range(ceil(lowest / step), floor(highest / step) + 1)]


def _draw_columns(
    svg: ET.Element,
    scale: _Scale,
    labels: Sequence[str],
    series: Series,
    *,
    step: float,
    place: int,
) -> None:
    width = step * (0.8 - 0.3 * place)
    for n, (label, value) in enumerate(zip(labels, series.values, strict=True)):
        begin, end = sorted((scale.y(0), scale.y(float(value))))
        column = ET.SubElement(
            svg,
            "rect",
            x=f"{_LEFT + step * (n + 0.5) - width / 2:.1f}",
            y=f"{begin:.1f}",
            width=f"{width:.1f}",
            height=f"{end - begin:.1f}",
            attrib={"class": f"series-{place}"},
        )
        ET.SubElement(column, "title").text = f"{label}, {series.name}: {value:,}"


def _draw_labels(svg: ET.Element, labels: Sequence[str], step: float) -> None:
    every = -(-len(labels) // _MOST_LABELS)
    for n in range(0, len(labels), every):
        x, y = f"{_LEFT + step * (n + 0.5):.1f}", str(_HEIGHT - _BOTTOM + 18)
        text = ET.SubElement(svg, "text", x=x, y=y, attrib={"class": "label"})
        text.text = _short(labels[n])


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"
