import pytest

from sync_pipeline.errors import InputError
from sync_pipeline.orchestration.config import SyncConfig
from sync_pipeline.queue.filters import Filters
from sync_pipeline.settings import QueueSettings
from sync_pipeline_tests.orchestration.conftest import failure_of, materialize, newest_queue


def test_given_nothing_when_asked_then_everything_is_synced_as_configured():
    configured = QueueSettings(batch_size=7)

    assert SyncConfig().filters() == Filters()
    assert SyncConfig().queue_settings(configured) == configured


def test_given_numbers_when_asked_then_they_stand_in_for_the_configured_ones():
    chosen = SyncConfig(batch_size=9, max_retries=0).queue_settings(QueueSettings(batch_delay_ms=3))

    assert (chosen.batch_size, chosen.max_retries, chosen.batch_delay_ms) == (9, 0, 3)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"batch_size": 0}, "batch_size: Input should be greater than 0"),
        ({"max_retries": -1}, "max_retries: Input should be greater than or equal to 0"),
        ({"initial_backoff_ms": 20_000}, "MAX_BACKOFF_MS is below SYNC_QUEUE_INITIAL_BACKOFF_MS"),
    ],
)
def test_given_a_number_that_cannot_be_when_asked_then_it_is_named(config, said):
    with pytest.raises(InputError, match=said):
        SyncConfig(**config).queue_settings(QueueSettings())


def test_given_a_filter_that_selects_nothing_when_synced_then_the_run_says_so(
    instance, database, connection
):
    failure = failure_of(materialize(instance, database, ["pages"], config={"limit": -5}))

    assert failure.description == "limit is -5. Use 1 or more, or leave it out."


def test_given_a_limit_and_a_batch_size_when_synced_then_the_queue_has_them(
    instance, database, connection
):
    result = materialize(instance, database, ["pages"], config={"limit": 3, "batch_size": 2})

    queue = newest_queue(database)
    assert result.success
    assert queue.filters == Filters(limit=3)
    assert queue.batch_size == 2
