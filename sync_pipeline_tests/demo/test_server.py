import os
import signal
import subprocess
import sys
import time

import pytest
import requests

from sync_pipeline.demo import DEMO_KEY, DEMO_SECRET, DemoServer, made_store, recorded_store
from sync_pipeline.demo.__main__ import main
from sync_pipeline.errors import InputError

AUTH = {"auth": (DEMO_KEY, DEMO_SECRET), "headers": {"X-Forwarded-Proto": "https"}, "timeout": 5}


class TestServing:
    def test_given_one_connection_when_asked_twice_then_it_is_kept(self, server, client):
        client.get("customers")
        (pool,) = client.session.get_adapter(server.url).poolmanager.pools._container.values()
        client.get("customers")

        assert (pool.num_connections, pool.num_requests) == (1, 2)

    def test_given_a_port_in_use_when_started_then_it_says_so(self, server):
        port = int(server.url.rsplit(":", 1)[1])

        with pytest.raises(InputError, match=f"Port {port} is in use"):
            DemoServer(made_store(1), port=port).start()

    def test_given_an_unknown_time_zone_when_made_then_it_says_so(self):
        with pytest.raises(InputError, match="Mars/Phobos"):
            DemoServer(made_store(1), timezone="Mars/Phobos")

    def test_given_a_stopped_server_when_asked_for_its_url_then_it_says_so(self):
        with pytest.raises(InputError, match="not started"):
            _ = DemoServer(made_store(1)).url

    def test_given_another_zone_when_records_are_read_then_their_local_times_are_of_it(
        self, connect
    ):
        with DemoServer(made_store(10), timezone="Europe/Berlin") as server:
            client = connect(server)
            record = client.get("customers/2").json()
            index = requests.get(f"{server.url}/wp-json/", timeout=60).json()

        assert record["date_created_gmt"] == "2024-01-01T00:01:00"
        assert record["date_created"] == "2024-01-01T01:01:00"
        assert index["timezone_string"] == "Europe/Berlin"

    def test_given_a_write_when_asked_then_there_is_no_such_route(self, server):
        response = requests.post(f"{server.url}/wp-json/wc/v3/customers", json={}, **AUTH)

        assert response.json()["code"] == "rest_no_route"

    def test_given_an_index_when_nobody_asks_then_it_names_this_store(self, server):
        index = requests.get(f"{server.url}/wp-json/", timeout=60).json()
        routes = requests.get(f"{server.url}/wp-json/wc/v3", timeout=60).json()["routes"]

        assert index["url"] == server.url
        assert "wc/v3" in index["namespaces"]
        assert "/wc/v3/customers" in routes

    def test_given_a_latency_when_asked_then_every_answer_takes_it(self, connect):
        with DemoServer(made_store(1), latency_seconds=0.05) as server:
            connect(server).get("customers")

            assert server.requests[0].elapsed_seconds >= 0.05

    def test_given_a_hundred_customers_when_served_then_it_takes_milliseconds(self, connect):
        fields = "id,email,first_name,last_name,billing,date_created_gmt"
        with DemoServer(recorded_store()) as server:
            client = connect(server)
            for page in range(1, 11):
                client.get("customers", per_page=100, page=page, orderby="id", _fields=fields)

            # The quickest, and forty times the 5 ms it may take: the machine may be busy.
            assert min(entry.elapsed_seconds for entry in server.requests) < 0.2


class TestOwnProcess:
    @pytest.fixture
    def serve(self):
        """Starts the module; what still runs after the test is ended."""
        started = []

        def serve(*arguments):
            process = subprocess.Popen(
                [sys.executable, "-m", "sync_pipeline.demo", "--port", "0", *arguments],
                stdout=subprocess.PIPE,
                text=True,
            )
            started.append(process)
            return process, process.stdout.readline().strip()

        yield serve
        for process in started:
            process.kill()
            process.wait()
            process.stdout.close()

    def test_given_made_numbers_when_served_then_the_first_line_is_its_url(self, serve, tmp_path):
        faults = tmp_path / "faults.json"
        faults.write_text('[{"action": "rate_limited", "times": 1}]')

        process, url = serve("--customers", "7", "--orders", "3", "--faults", str(faults))
        first = requests.get(f"{url}/wp-json/wc/v3/customers", **AUTH)
        second = requests.get(f"{url}/wp-json/wc/v3/customers", **AUTH)
        process.send_signal(signal.SIGTERM)

        assert (first.status_code, second.headers["X-WP-Total"]) == (429, "7")
        assert process.wait(5) == 0

    def test_given_a_parent_when_it_is_gone_then_the_store_ends(self, serve):
        parent = subprocess.Popen(["sleep", "60"])
        process, url = serve("--customers", "1", "--parent-pid", str(parent.pid))
        assert requests.get(f"{url}/wp-json/wc/v3/customers", **AUTH).ok

        parent.kill()
        parent.wait()

        assert process.wait(5) == 0

    def test_given_an_unread_parent_of_its_own_when_it_is_killed_then_the_store_ends(self):
        # The parent stays a zombie: its pid still answers, but the store has another parent now.
        starter = subprocess.Popen(
            [sys.executable, "-c", _START_A_STORE], stdout=subprocess.PIPE, text=True
        )
        store_pid = int(starter.stdout.readline())
        starter.stdout.readline()

        os.kill(starter.pid, signal.SIGKILL)

        assert _ends(store_pid)
        starter.wait()
        starter.stdout.close()


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["--customers", "-1"], "fewer than 0"),
            (["--customers", "1", "--timezone", "Nowhere"], "no time zone"),
            (["--customers", "1", "--faults", "/no/such/file"], "Cannot read the faults"),
        ],
    )
    def test_given_bad_input_when_served_then_it_is_told_with_exit_code_2(
        self, arguments, told, capsys, monkeypatch
    ):
        monkeypatch.setattr(signal, "signal", lambda *_: None)

        assert main(arguments) == 2
        assert told in capsys.readouterr().err


_START_A_STORE = """
import os, subprocess, sys, time
store = subprocess.Popen(
    [sys.executable, "-m", "sync_pipeline.demo", "--customers", "1",
     "--parent-pid", str(os.getpid())],
    stdout=subprocess.PIPE, text=True)
url = store.stdout.readline()
sys.stdout.write(f"{store.pid}\\n{url}")
sys.stdout.flush()
time.sleep(60)
"""


def _ends(pid, within_seconds=60):
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - a process, not a path
                if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False
