"""What a log record says, in which form, and what it never says."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import ValidationError

from sync_pipeline import logs
from sync_pipeline.redaction import never_show, without_secrets
from sync_pipeline.settings import LogSettings

log = logs.get_logger("sync_pipeline.tests")
plain_log = logging.getLogger("sync_pipeline.tests.plain")


class Written:
    """What stderr got so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def getvalue(self) -> str:
        self._text += self._capsys.readouterr().err
        return self._text


@pytest.fixture(autouse=True)
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Written]:
    """What stderr gets; handlers and level are as before afterwards."""
    package = logging.getLogger("sync_pipeline")
    handlers, level = list(package.handlers), package.level
    package.handlers = []
    yield Written(capsys)
    package.handlers = handlers
    package.setLevel(level)
    logging.getLogger("sync_pipeline.postgres").setLevel(logging.NOTSET)


def configure(**settings: Any) -> None:
    logs.configure(LogSettings(**{"format": "json", "level": "info"} | settings))


def documents(written: Written) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


class TestForm:
    def test_given_json_when_something_is_logged_then_it_is_one_document_a_line(self, written):
        configure()

        log.info("batch taken over", batch=3)

        (document,) = documents(written)
        assert document.pop("timestamp").endswith("Z")
        assert document == {
            "event": "batch taken over",
            "batch": 3,
            "level": "info",
            "logger": "sync_pipeline.tests",
        }

    def test_given_the_console_when_something_is_logged_then_it_is_words_without_colours(
        self, written
    ):
        configure(format="console")

        log.warning("lease lost", batch=3)

        assert "lease lost" in written.getvalue()
        assert "batch=3" in written.getvalue()
        assert "\x1b" not in written.getvalue()

    def test_given_a_record_of_the_standard_library_when_logged_then_it_is_of_the_same_form(
        self, written
    ):
        configure()

        with logs.bound(queue="q1"):
            plain_log.warning("%s of %s", 1, 2)

        (document,) = documents(written)
        assert (document["event"], document["queue"]) == ("1 of 2", "q1")
        assert (document["level"], document["logger"]) == ("warning", "sync_pipeline.tests.plain")

    def test_given_an_exception_when_logged_then_its_traceback_is_one_field(self, written):
        configure()

        try:
            raise ValueError("no such page")
        except ValueError:
            log.exception("stage failed")

        (document,) = documents(written)
        assert "ValueError: no such page" in document["exception"]

    def test_given_control_characters_when_logged_then_they_move_no_cursor(self, written):
        configure(format="console")

        log.warning("store said", answer="\x1b[2Jgone\r")

        assert "\x1b" not in written.getvalue()
        assert "\r" not in written.getvalue()

    def test_given_a_replaced_stderr_when_logged_then_it_goes_to_the_new_one(
        self, written, monkeypatch
    ):
        configure()
        bar = io.StringIO()
        monkeypatch.setattr(sys, "stderr", bar)

        log.warning("retry planned")

        assert (written.getvalue(), "retry planned" in bar.getvalue()) == ("", True)


class TestLevel:
    def test_given_no_settings_when_a_stage_tells_then_it_is_quiet(self, written):
        logs.configure(LogSettings())

        log.info("stage began")
        log.warning("circuit opened")

        assert "stage began" not in written.getvalue()
        assert "circuit opened" in written.getvalue()

    def test_given_a_level_in_capitals_when_read_then_it_is_meant(self, monkeypatch):
        monkeypatch.setenv("SYNC_LOG_LEVEL", "INFO")

        assert LogSettings().level == "info"

    def test_given_a_level_that_is_none_when_read_then_it_is_refused(self, monkeypatch):
        monkeypatch.setenv("SYNC_LOG_LEVEL", "loud")

        with pytest.raises(ValidationError):
            LogSettings()

    def test_given_a_command_configured_when_a_dagster_process_part_begins_then_it_is_left_alone(
        self, written
    ):
        configure(level="error")

        logs.configure(LogSettings(level="debug"), is_forced=False)
        log.warning("not this")

        assert written.getvalue() == ""

    def test_given_it_was_configured_twice_when_logged_then_it_is_written_once(self, written):
        configure()
        configure()

        log.info("once")

        assert len(documents(written)) == 1

    def test_given_logs_when_configured_then_the_configuration_of_dagster_is_not_touched(self):
        before = structlog.get_config()

        configure()

        assert structlog.get_config() == before
        assert logging.getLogger("sync_pipeline").propagate


class TestContext:
    def test_given_a_context_when_logged_inside_then_every_record_names_it(self, written):
        configure()

        with logs.bound(queue="q1", connection="shop", run=None):
            log.info("inside", lines=5)
        log.info("outside")

        inside, outside = documents(written)
        assert (inside["queue"], inside["connection"], inside["lines"]) == ("q1", "shop", 5)
        assert "run" not in inside
        assert "queue" not in outside

    def test_given_two_contexts_when_their_pool_threads_log_then_each_names_its_own(self, written):
        configure()

        with logs.Workers(2) as pool:
            futures = []
            for queue in ("q1", "q2"):
                with logs.bound(queue=queue):
                    futures += [pool.submit(log.info, "batch done", of=queue) for _ in range(20)]
            for future in futures:
                future.result()

        found = documents(written)
        assert len(found) == 40
        assert all(one["queue"] == one["of"] for one in found)

    def test_given_a_pool_when_a_call_fails_then_its_error_comes_out_as_ever(self):
        with logs.Workers(1) as pool, pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result()


SECRETS = {
    "key": "ck_1234567890abcdef",
    "query": "https://shop.example/wp-json?consumer_key=k1234567&consumer_secret=s1234567",
    "header": "Authorization: Basic czEyMzQ1Njc6azEyMzQ1Njc=",
    "url": "postgresql://sync:hunter2@db.example/sync",
    "conninfo": "host=db password=hunter2 user=sync",
}
LEAKS = ("1234567", "hunter2", "czEyMzQ1")


class TestSecrets:
    @pytest.mark.parametrize("form", ["json", "console"])
    @pytest.mark.parametrize("what", SECRETS)
    def test_given_a_secret_when_it_is_in_any_part_of_a_record_then_it_is_not_written(
        self, written, what, form
    ):
        configure(format=form)
        secret = SECRETS[what]

        log.info(secret, said=secret, nested={"list": [secret]})
        plain_log.warning("it said %s", secret)
        try:
            raise ValueError(secret) from KeyError(secret)
        except ValueError as error:
            log.exception("failed", error=error)
            plain_log.exception("failed")

        assert written.getvalue()
        assert [leak for leak in LEAKS if leak in written.getvalue()] == []

    def test_given_a_key_that_looks_like_nothing_when_it_is_known_then_it_is_not_written(
        self, written
    ):
        configure()
        never_show("keyOfTheStore4711")

        log.warning("it said keyOfTheStore4711!", url="/?k=keyOfTheStore4711")

        assert "4711" not in written.getvalue()

    def test_given_short_words_when_they_are_called_secret_then_texts_stay_readable(self):
        never_show("", "a")

        assert without_secrets("a batch") == "a batch"

    def test_given_numbers_when_logged_then_they_stay_numbers(self, written):
        configure()

        log.info("batch done", lines=500, seconds=0.25, is_last=True, reason=None)

        (document,) = documents(written)
        assert (document["lines"], document["seconds"]) == (500, 0.25)
        assert (document["is_last"], document["reason"]) == (True, None)


class TestCommand:
    """A command says itself what it did; what it writes besides must not be a surprise."""

    def test_given_no_level_when_a_command_runs_then_only_the_database_warns(self, written):
        logs.configure(LogSettings(), is_command=True)

        log.error("stage failed")
        logging.getLogger("sync_pipeline.postgres.migrations").warning("not unique")

        assert "stage failed" not in written.getvalue()
        assert "not unique" in written.getvalue()

    def test_given_a_level_when_a_command_runs_then_it_is_kept_to(self, written):
        logs.configure(LogSettings(level="info"), is_command=True)

        log.info("stage began")

        assert "stage began" in written.getvalue()
