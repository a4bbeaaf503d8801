"""Every subject runs, at sizes that take no time. Nothing here says how fast."""

import pytest

from benchmarks import (
    calls,
    deciding,
    flatness,
    memory,
    old_design,
    orders,
    previewing,
    progress,
    proof,
    purge,
    tuning,
    undo,
    upsert,
)
from benchmarks.throwaway import Server
from sync_pipeline.entities.woocommerce_orders import ORDERS


@pytest.fixture
def server(server_url):
    return Server(server_url)


def values(subject):
    return {figure.name: figure.value for figure in subject.figures}


class TestUpsert:
    def test_given_pages_when_measured_then_both_ratios_are_there_and_judged(self, server):
        subject = upsert.run(server, lines=120, rounds=1)

        judged = [figure for figure in subject.figures if figure.target]
        assert [str(figure.target) for figure in judged] == ["≥ 0.9", "≥ 0.4", "≥ 0.4"]
        assert all(figure.value > 0 for figure in subject.figures if figure.unit == "x")


class TestOldDesign:
    def test_given_few_lines_when_measured_then_the_target_is_not_judged(self, server):
        subject = old_design.run(server, lines=60, rounds=1)

        assert [figure.target for figure in subject.figures] == [None, None, None]


class TestFlatness:
    def test_given_two_sizes_when_measured_then_each_has_a_rate(self, server):
        subject = flatness.run(server, sizes=(60, 120), rounds=1)

        assert {"60 lines", "120 lines"} < values(subject).keys()


class TestOrders:
    def test_given_two_sizes_when_measured_then_the_ratios_and_the_flatness_are_judged(
        self, server
    ):
        subject = orders.run(server, sizes=(60, 120), rounds=1)

        judged = [str(figure.target) for figure in subject.figures if figure.target]
        assert judged == ["≥ 0.7", "≥ 0.7", "≥ 0.9"]
        assert {"60 orders applied", "120 orders applied"} < values(subject).keys()


class TestTuning:
    def test_given_two_isolations_when_measured_then_read_committed_tries_nothing_again(
        self, server
    ):
        subject = tuning.run_isolation(server, lines=60, rounds=1)

        notes = {figure.name: figure.note for figure in subject.figures}
        assert notes["read committed"].startswith("0 batches tried again")

    def test_given_two_batch_sizes_when_measured_then_both_have_a_rate(self, server):
        subject = tuning.run_batch_size(server, lines=60, rounds=1)

        assert {"500 lines a batch", "50 lines a batch"} < values(subject).keys()


class TestCalls:
    def test_given_the_recorded_store_when_synced_twice_then_calls_stay_under_their_bounds(
        self, server
    ):
        subject = calls.run(server)

        assert [figure.is_met for figure in subject.figures] == [True, True]


class TestProgress:
    def test_given_a_queue_when_looked_at_then_every_stage_has_its_time(self, server):
        subject = progress.run(server, lines=20_000)

        assert [figure.name for figure in subject.figures] == [
            "2,000 lines, applying",
            "20,000 lines, applying",
            "20,000 records, reading",
        ]
        assert all(0 < figure.value < 500 for figure in subject.figures)


class TestPreview:
    def test_given_one_per_cent_changed_when_previewed_apart_then_memory_is_judged(self, server):
        subject = previewing.run(server, records=200)

        assert [figure.is_met for figure in subject.figures if figure.target] == [True]


class TestDeciding:
    def test_given_conflicts_when_decided_apart_then_memory_is_judged(self, server):
        subject = deciding.run(server, records=120)

        assert [figure.is_met for figure in subject.figures if figure.target] == [True]


class TestUndo:
    def test_given_a_sync_when_taken_back_apart_then_memory_is_judged(self, server):
        subject = undo.run(server, records=200)

        assert [figure.is_met for figure in subject.figures if figure.target] == [True]


class TestProof:
    def test_given_rows_edited_by_hand_when_verified_apart_then_memory_is_judged(self, server):
        subject = proof.run(server, sizes=(120,), rounds=1)

        assert [figure.is_met for figure in subject.figures if figure.target] == [True]
        assert values(subject)["120 customers verified"] > 0


class TestPurge:
    def test_given_old_lines_when_purged_then_within_a_second_and_nothing_is_left(self, server):
        subject = purge.run(server, lines=20_000, rounds=1)

        assert [figure.is_met for figure in subject.figures] == [True, True], subject.figures


class TestMemory:
    def test_given_orders_when_synced_apart_then_every_stage_has_its_time(self, server):
        said = memory.sync_apart(server, 20, ORDERS)

        assert list(said.seconds) == ["extract", "enqueue", "upsert", "reconcile"]

    def test_given_a_sync_in_its_own_process_when_measured_then_it_is_a_plausible_peak(
        self, server
    ):
        # Python with psycopg and requests alone takes 30 MB; a server's share would be far more.
        assert 10 < memory.sync_apart(server, 20).peak_mb < 400
