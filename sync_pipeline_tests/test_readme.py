"""The README says what is so: every setting with its default, every command, no dead link."""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings
from typer.testing import CliRunner

from sync_pipeline import settings as all_settings
from sync_pipeline.cli.app import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)


def settings_classes():
    classes = [one for one in vars(all_settings).values() if isinstance(one, type)]
    return [one for one in classes if issubclass(one, BaseSettings) and one is not BaseSettings]


def settings_in_code():
    """Variable -> default as the table writes it."""
    found = {}
    for settings in settings_classes():
        for name, field in settings.model_fields.items():
            default = field.default
            shown = str(default).lower() if isinstance(default, bool) else str(default)
            variable = all_settings.variable_of(settings, name)
            found[variable] = "not set" if default is None else f"`{shown}`"
    return found


def settings_in_readme():
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\S.*?) \|", README, flags=re.MULTILINE)
    return dict(rows)


def test_given_the_settings_then_the_table_names_each_with_its_default():
    assert settings_in_readme() == settings_in_code()


def test_given_the_commands_then_the_table_names_each():
    listed = CliRunner().invoke(app, ["--help"]).output
    commands = re.findall(r"^│ ([a-z][a-z-]*) {2,}", listed, flags=re.MULTILINE)

    table = README.split("## The commands")[1].split("```")[0]

    assert "force-done" in commands
    assert [name for name in commands if f"`{name}" not in table] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_given_a_page_then_its_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)

    dead = [
        link for link in links if not link.startswith("http") and not (page.parent / link).exists()
    ]

    assert dead == []


def test_given_the_tests_that_the_readme_points_to_then_they_are_there():
    named = set(re.findall(r"`(?:sync_pipeline_tests/)?([a-z_]+/test_[a-z_]+\.py)`", README))

    assert named
    assert [
        name for name in sorted(named) if not (ROOT / "sync_pipeline_tests" / name).exists()
    ] == []
