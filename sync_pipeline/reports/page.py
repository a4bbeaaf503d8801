"""A report as one HTML file that needs nothing else: style and plots are in it, no script.

Belongs here: the page. Does not: which figures are plotted (charts.py), where it is written.

Elements, not text: names come from shops, and are escaped when the tree is written.
"""

from typing import Final
from xml.etree import ElementTree as ET

from sync_pipeline.reports.charts import plots_of
from sync_pipeline.reports.tables import Report, Section
from sync_pipeline.reports.words import cell, heading

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
h2 { margin: 2.4rem 0 .4rem; } .note { color: #555; margin: 0 0 .8rem; }
table { border-collapse: collapse; } th { color: #555; font-weight: 600; }
th, td { text-align: left; padding: .15rem 1.2rem .15rem 0; border-bottom: 1px solid #e4e4e4; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 1rem 0; } figcaption { color: #555; } svg { width: 100%; height: auto; }
svg text { font-size: 11px; fill: #555; } .tick { text-anchor: end; dominant-baseline: middle; }
.label { text-anchor: middle; } .grid { stroke: #e4e4e4; } .zero { stroke: #888; }
.series-0 { fill: #9dbbd8; } .series-1 { fill: #23598f; }
"""
# Nothing is loaded and nothing runs, whatever a name says.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def page_of(report: Report) -> str:
    """The whole document."""
    html = ET.Element("html", lang="en")
    head = ET.SubElement(html, "head")
    ET.SubElement(head, "meta", charset="utf-8")
    ET.SubElement(
        head, "meta", attrib={"http-equiv": "Content-Security-Policy", "content": _POLICY}
    )
    ET.SubElement(head, "title").text = f"{report.connection}: report"
    ET.SubElement(head, "style").text = _STYLE
    body = ET.SubElement(html, "body")
    ET.SubElement(body, "h1").text = report.connection
    made = f"Of {report.org_id}, made {report.made_at:%Y-%m-%d %H:%M} UTC."
    ET.SubElement(body, "p", attrib={"class": "note"}).text = made
    for section in report.sections:
        _add_section(body, section)
    return "<!DOCTYPE html>\n" + ET.tostring(html, encoding="unicode", method="html") + "\n"


def _add_section(body: ET.Element, section: Section) -> None:
    part = ET.SubElement(body, "section", id=section.name)
    ET.SubElement(part, "h2").text = section.title
    synced = f"Synced {section.synced_at:%Y-%m-%d %H:%M} UTC. " if section.synced_at else ""
    ET.SubElement(part, "p", attrib={"class": "note"}).text = f"{synced}{section.note}"
    for caption, svg in plots_of(section):
        figure = ET.SubElement(part, "figure")
        ET.SubElement(figure, "figcaption").text = caption
        figure.append(svg)
    if not section.frame.empty:
        _add_table(part, section)


def _add_table(part: ET.Element, section: Section) -> None:
    table = ET.SubElement(part, "table")
    numbers = {name for name in section.columns if section.is_number(name)}
    headings = ET.SubElement(ET.SubElement(table, "thead"), "tr")
    for name in section.columns:
        _add_cell(headings, "th", heading(name), is_number=name in numbers)
    rows = ET.SubElement(table, "tbody")
    for row in section.rows():
        line = ET.SubElement(rows, "tr")
        for name, value in row.items():
            _add_cell(line, "td", cell(value), is_number=name in numbers)


def _add_cell(row: ET.Element, tag: str, text: str, *, is_number: bool) -> None:
    made = ET.SubElement(row, tag, attrib={"class": "number"} if is_number else {})
    made.text = text
