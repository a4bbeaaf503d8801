"""One cheap question to each store, to Redis and to the disk."""

import shutil
from collections import namedtuple

import fakeredis
import pytest
from pydantic import SecretStr

from sync_pipeline.demo import DEMO_KEY, DEMO_SECRET, DemoServer, Fault, made_store
from sync_pipeline.queue.health import Status
from sync_pipeline.sources.connections import Connection
from sync_pipeline.stages.probing import disk_check, redis_check, store_check
from sync_pipeline_tests.factories import quick_source_settings

Usage = namedtuple("Usage", ["total", "used", "free"])


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("SHOP_KEY", DEMO_KEY)
    monkeypatch.setenv("SHOP_SECRET", DEMO_SECRET)


def connection(base_url, **changes):
    values = {
        "connection_id": 1,
        "org_id": "acme",
        "name": "shop",
        "system": "woocommerce",
        "base_url": base_url,
        "key_env": "SHOP_KEY",
        "secret_env": "SHOP_SECRET",
        "options": {},
        "page_records": 100,
    }
    known = {
        name: value for name, value in values.items() if name in Connection.__dataclass_fields__
    }
    return Connection(**known | changes)


class TestStore:
    def test_given_a_store_that_answers_then_one_request_was_enough(self):
        with DemoServer(made_store(3, 0)) as server:
            found = store_check(connection(server.url), quick_source_settings())

            assert (found.name, found.status) == ("store shop", Status.OK)
            assert len(server.requests) == 1

    @pytest.mark.parametrize("fault", ["unavailable", "captcha", "cut_connection"])
    def test_given_a_store_in_trouble_then_it_fails_with_what_to_do_and_is_asked_once(self, fault):
        with DemoServer(made_store(3, 0)) as server:
            server.faults = [Fault(fault)]
            found = store_check(connection(server.url), quick_source_settings())

            assert found.status is Status.FAIL
            assert found.remedy
            assert len(server.requests) == 1

    def test_given_nobody_listens_then_it_fails(self):
        found = store_check(connection("http://127.0.0.1:9"), quick_source_settings())

        assert found.status is Status.FAIL

    def test_given_keys_that_the_store_refuses_then_no_text_holds_them(self, monkeypatch):
        monkeypatch.setenv("SHOP_SECRET", "cs_hunter2")
        with DemoServer(made_store(3, 0)) as server:
            found = store_check(connection(server.url), quick_source_settings())

        assert found.status is Status.FAIL
        assert "hunter2" not in repr(found)

    def test_given_keys_that_are_not_set_then_the_variable_is_named(self, monkeypatch):
        monkeypatch.delenv("SHOP_SECRET")

        found = store_check(connection("http://127.0.0.1:9"), quick_source_settings())

        assert found.status is Status.FAIL
        assert "SHOP_SECRET" in found.seen

    def test_given_the_demo_store_then_it_is_not_served_for_a_probe(self):
        assert store_check(connection("demo:recorded"), quick_source_settings()).status is Status.OK

    def test_given_a_system_without_probe_then_that_is_said(self):
        found = store_check(connection("https://erp", system="odoo"), quick_source_settings())

        assert found.status is Status.WARN


class TestRedis:
    def test_given_a_redis_then_it_answers(self, monkeypatch):
        monkeypatch.setattr("redis.Redis", fakeredis.FakeRedis)

        assert redis_check(SecretStr("redis://:hunter2@cache/0")).status is Status.OK

    def test_given_a_redis_that_went_away_then_it_warns_for_limits_are_kept_elsewhere(
        self, monkeypatch
    ):
        server = fakeredis.FakeServer()
        server.connected = False
        monkeypatch.setattr(
            "redis.Redis.from_url", lambda *_, **__: fakeredis.FakeRedis(server=server)
        )

        found = redis_check(SecretStr("redis://:hunter2@cache/0"))

        assert found.status is Status.WARN
        assert "hunter2" not in repr(found)

    @pytest.mark.parametrize("url", ["redis://:hunter2@127.0.0.1:9/0", "cache:hunter2"])
    def test_given_an_address_where_none_is_then_it_warns_without_quoting_it(self, url):
        found = redis_check(SecretStr(url))

        assert found.status is Status.WARN
        assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("free_gigabytes", "status"), [(50, Status.OK), (1, Status.WARN), (0.1, Status.FAIL)]
)
def test_given_less_and_less_room_then_it_warns_and_fails(
    tmp_path, monkeypatch, free_gigabytes, status
):
    free = int(free_gigabytes * 1024**3)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free, 0, free))

    assert disk_check(tmp_path).status is status
