"""`orchestrate`, `orchestrations …`, and `sync` without an entity, up to where Dagster begins."""

import pytest

from sync_pipeline.cli import orchestration_following
from sync_pipeline.orchestration import launch
from sync_pipeline.orchestration.reports import SyncReport
from sync_pipeline.queue.actions import pause
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.orchestrations import items_of
from sync_pipeline_tests.factories import make_connection, rows
from sync_pipeline_tests.queue.orchestrations.making import SETTINGS, put, queue_numbers, start

ALL = ["customers", "products", "orders", "inventory", "payments"]
KEYS = {"SHOP_KEY": "ck_test", "SHOP_SECRET": "cs_test"}


@pytest.fixture
def shop(database):
    return make_connection(database, "acme", name="shop")


class TestOrchestrate:
    def test_given_an_organization_then_its_queues_are_open_and_named(self, cli, database, shop):
        ran = cli("orchestrate", "--org", "acme")

        queues = rows(database, "SELECT entity, id, created_by FROM sync_queue")
        assert ran.exit_code == 0
        assert {one["entity"] for one in queues} == set(ALL)
        assert all(f"shop {one['entity']} {one['id']}" in ran.stdout for one in queues)

    def test_given_names_with_commas_then_only_those_are_opened(self, cli, database, shop):
        make_connection(database, "acme", name="store")

        document = cli(
            "orchestrate", "--org", "acme", "--connections", "shop", "--systems", "woocommerce",
            "--entities", "orders, products", "--full", "--json",
        ).document  # fmt: skip

        assert (document["success"], document["is_new"]) == (True, True)
        assert [(one["connection"], one["entity"]) for one in document["items"]] == [
            ("shop", "products"),
            ("shop", "orders"),
        ]
        assert document["is_full"]

    def test_given_the_key_again_then_it_is_the_same_and_with_another_request_refused(
        self, cli, shop
    ):
        def asked(*options):
            return cli(
                "orchestrate", "--org", "acme", "--idempotency-key", "monday", "--json", *options
            )

        first, again = asked().document, asked().document
        other = asked("--full")

        assert (again["id"], again["is_new"]) == (first["id"], False)
        assert (other.exit_code, other.error["code"]) == (2, "orchestration.key_reused")

    def test_given_what_cannot_be_opened_then_it_is_said_and_the_rest_is_open(
        self, cli, database, shop
    ):
        open_queue(database, shop, "orders", settings=SETTINGS, filters=Filters(limit=1))

        ran = cli("orchestrate", "--org", "acme")

        assert ran.exit_code == 0
        assert "shop orders: A sync of shop orders is open with other settings" in ran.stdout

    @pytest.mark.parametrize(
        "command", [("orchestrate", "--org", "acme"), ("sync", "shop", "--no-wait")]
    )
    def test_given_that_nothing_can_be_opened_then_it_is_a_failure(
        self, cli, database, shop, command
    ):
        open_queue(database, shop, "orders", settings=SETTINGS, filters=Filters(limit=1))

        ran = cli(*command, "--entities", "orders")
        in_json = cli(*command, "--entities", "orders", "--json")

        assert (ran.exit_code, in_json.exit_code) == (1, 1)
        assert ran.stdout.startswith("No queue could be opened")
        assert "Watch it" not in ran.stdout
        assert "shop orders: A sync of shop orders is open" in in_json.error["message"]

    def test_given_one_that_is_paused_then_nobody_is_told_that_it_starts(self, cli, database, shop):
        made = start(database)
        cli("orchestrations", "pause", made.id)

        ran = cli("orchestrate", "--org", "acme")

        assert ran.exit_code == 0
        assert f"sync-pipeline orchestrations resume {made.id}" in ran.stdout
        assert "within seconds" not in ran.stdout

    @pytest.mark.parametrize(
        ("end", "exit_code", "said"),
        [("done", 0, "of 1 queues 1 done"), ("failed", 1, "of 1 queues 1 failed")],
    )
    def test_given_wait_then_it_is_followed_to_its_end(
        self, cli, database, shop, monkeypatch, end, exit_code, said
    ):
        def one_step(_):
            for number in rows(database, "SELECT queue_no, stage FROM sync_queue"):
                if number["stage"] != "finished":
                    put(database, number["queue_no"], end)

        monkeypatch.setattr(orchestration_following.time, "sleep", one_step)

        ran = cli("orchestrate", "--org", "acme", "--entities", "products", "--wait")

        assert ran.exit_code == exit_code
        assert ran.stdout.startswith("draft: 0 of 1 queues ended, 0.00 %, 0 lines failed\n")
        assert said in ran.stdout

    def test_given_wait_and_that_all_of_it_waits_for_a_person_then_it_ends_as_a_failure(
        self, cli, database, shop
    ):
        queue, _ = open_queue(database, shop, "products", settings=SETTINGS)
        pause(database, str(queue.id), by="ann")

        ran = cli(
            "orchestrate", "--org", "acme", "--entities", "products", "--wait", "--json"
        )  # fmt: skip

        assert ran.exit_code == 1
        assert ran.error["code"] == "orchestration.draft"
        assert "(paused)" in ran.error["message"]


class TestOrchestrations:
    def test_given_none_then_the_list_says_how_to_start_one(self, cli, shop):
        assert "sync-pipeline orchestrate --org" in cli("orchestrations", "list").stdout

    def test_given_some_then_the_newest_comes_first(self, cli, database, shop):
        first = start(database, entities=["products"])
        second = start(database, entities=["orders"])
        make_connection(database, "globex", name="other")
        start(database, "globex")

        listed = cli("orchestrations", "list", "--org", "acme", "--json").document
        text = cli("orchestrations", "list").stdout

        assert [one["id"] for one in listed["orchestrations"]] == [second.id, first.id]
        assert text.index(second.id) < text.index(first.id)
        assert "globex" in text

    def test_given_one_then_its_status_shows_each_entity_and_why_it_waits(
        self, cli, database, shop
    ):
        made = start(database)
        put(database, queue_numbers(database, made)["products"], "done")

        ran = cli("orchestrations", "status", made.id[:8])

        lines = [line.split() for line in ran.stdout.splitlines()]
        (orders,) = [line for line in lines if line[:2] == ["shop", "orders"]]
        (inventory,) = [line for line in lines if line[:2] == ["shop", "inventory"]]
        assert orders[-2:] == ["after", "customers"]
        assert inventory[-4:] == ["waits", "for", "its", "run"]
        assert "orchestration started" in ran.stdout

    def test_given_actions_then_they_are_done_and_audited_and_told(self, cli, database, shop):
        made = start(database)

        paused = cli("orchestrations", "pause", made.id, "--by", "ann", "--reason", "shop moves")
        again = cli("orchestrations", "pause", made.id)
        resumed = cli("orchestrations", "resume", made.id, "--json").document
        cancelled = cli("orchestrations", "cancel", made.id, "--json").document
        retried = cli("orchestrations", "retry", made.id)

        assert "Paused: 5 queues." in paused.stdout
        assert "Nothing to do" in again.stdout
        assert (resumed["success"], resumed["changed_queues"]) == (True, 5)
        assert (cancelled["state"], cancelled["changed"]) == ("cancelled", True)
        assert (retried.exit_code, "Nothing to do" in retried.stdout) == (0, True)
        told = cli("orchestrations", "status", made.id).stdout
        assert "orchestration paused by ann: shop moves" in told

    def test_given_a_connection_that_was_disconnected_then_its_status_says_so(
        self, cli, database, shop
    ):
        made = start(database, entities=["products"])
        with database.owner() as conn:
            conn.execute("UPDATE sync_connection SET is_active = false")

        ran = cli("orchestrations", "status", made.id, "--watch")

        assert "its connection was disconnected" in " ".join(ran.stdout.split())

    @pytest.mark.parametrize("action", ["status", "pause"])
    def test_given_an_unknown_one_then_it_is_wrong_input(self, cli, shop, action):
        ran = cli("orchestrations", action, "0" * 8)

        assert ran.exit_code == 2
        assert "There is no orchestration" in ran.stderr


class TestSyncAll:
    def test_given_no_wait_then_all_entities_are_open_as_one(self, cli, database, shop):
        ran = cli("sync", "shop", "--no-wait")

        numbered = rows(database, "SELECT DISTINCT orchestration_no FROM sync_queue")
        assert ran.exit_code == 0
        assert len(numbered) == 1
        assert ran.stdout.count("shop ") == len(ALL)

    def test_given_entities_then_only_those(self, cli, database, shop):
        document = cli(
            "sync", "shop", "--entities", "payments,orders", "--no-wait", "--json"
        ).document

        assert [one["entity"] for one in document["items"]] == ["orders", "payments"]

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--limit", "3"), "--limit 3 chooses among the records of one entity"),
            (("--external-id", "3", "--no-wait"), "Name it: --entity"),
            (("--entity", "orders", "--entities", "orders"), "two answers"),
            (("--entities", "cats"), "no entity 'cats'"),
            (("--entities", ","), "No entities are named"),
        ],
    )
    def test_given_what_does_not_go_together_then_it_is_refused_and_nothing_opened(
        self, cli, database, shop, options, said
    ):
        ran = cli("sync", "shop", *options, **KEYS)

        assert ran.exit_code == 2
        assert said in ran.stderr
        assert rows(database, "SELECT FROM sync_queue") == []

    def test_given_that_it_is_paused_then_it_is_not_started(self, cli, database, shop):
        made = start(database, connections=["shop"])
        cli("orchestrations", "pause", made.id)

        ran = cli("sync", "shop", **KEYS)

        assert ran.exit_code == 2
        assert f"sync-pipeline orchestrations resume {made.id}" in ran.stderr


class TestSummary:
    @pytest.fixture
    def launched(self, database, shop, monkeypatch, tmp_path):
        """Dagster left out: each queue ends as it is told to."""
        ends = {}

        def launch_orchestration(instance, database, made, connection, *, on_progress=None):
            reports = []
            for item in items_of(database, made):
                if item.queue_no is None:
                    continue
                end = ends.get(item.entity, "done")
                put(database, item.queue_no, end)
                status = rows(
                    database, "SELECT * FROM sync_queue_status WHERE queue_no = %s", item.queue_no
                )[0]
                reports.append(report_of(item, status))
            return reports

        monkeypatch.setattr(launch, "launch_orchestration", launch_orchestration)
        monkeypatch.setattr(
            "sync_pipeline.orchestration.instance.ensure_instance", lambda *_: NoInstance()
        )
        return ends

    def test_given_that_all_is_done_then_each_is_told_in_brief_and_all_in_a_line(
        self, cli, launched
    ):
        ran = cli("sync", "shop", **KEYS)

        assert ran.exit_code == 0
        assert [line.split()[:2] for line in ran.stdout.splitlines()[1:6]] == [
            [entity, "done"] for entity in ALL
        ]
        assert "5 of 5 entities are in step: 15 records read, 10 changed here" in ran.stdout

    def test_given_one_that_failed_then_its_reason_is_told_and_it_is_a_failure(self, cli, launched):
        launched["orders"] = "failed"

        ran = cli("sync", "shop", **KEYS)
        document = cli("sync", "shop", "--json", **KEYS).document

        assert ran.exit_code == 1
        assert "orders: The sync ended as failed." in ran.stdout
        assert "4 of 5 entities are in step" in ran.stdout
        assert (document["success"], document["error"]["code"]) == (
            False,
            "orchestration.partial",
        )
        assert [one["entity"] for one in document["entities"]] == ALL

    def test_given_one_that_was_left_out_then_it_is_told_and_it_is_a_failure(
        self, cli, database, shop, launched
    ):
        open_queue(database, shop, "orders", settings=SETTINGS, filters=Filters(limit=1))

        ran = cli("sync", "shop", **KEYS)

        assert ran.exit_code == 1
        assert "shop orders: A sync of shop orders is open with other settings" in ran.stdout
        assert "4 of 5 entities are in step" in ran.stdout

    def test_given_ctrl_c_then_it_ends_as_one(self, cli, launched, monkeypatch):
        def interrupted(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr(launch, "launch_orchestration", interrupted)

        assert cli("sync", "shop", **KEYS).exit_code == 130


class NoInstance:
    """Stands where Dagster's instance would."""

    def __enter__(self):
        return None

    def __exit__(self, *_):
        return None


def report_of(item, status):
    return SyncReport(
        queue_id=item.queue_id, run_id="run", is_new=True, state=status["state"], read=3, lines=2,
        created=status["created_count"], updated=0, unchanged=1, failed=status["failed_count"],
        stage_seconds={"pages": 1.0}, verdict=None, success=True, error=None, error_code=None,
        status=status,
    )  # fmt: skip
