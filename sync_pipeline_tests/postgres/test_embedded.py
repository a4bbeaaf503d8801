"""The embedded server: shared, stopped by the last, and alive again after any kill."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.embedded import ensure_embedded, leave_embedded, stop_embedded
from sync_pipeline.postgres.layout import Layout, is_locked
from sync_pipeline.postgres.server_errors import (
    DiskFullError,
    ServerStartError,
    ServerVersionError,
    UnusablePathError,
    from_output,
)
from sync_pipeline.settings import DatabaseSettings

CHECKOUT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def initialised(tmp_path_factory):
    """Data of a server that was stopped; copies of it spare the tests initdb."""
    local_dir = tmp_path_factory.mktemp("initialised")
    ensure_embedded(local_dir)
    leave_embedded(local_dir)
    wait_until(lambda: not runs(local_dir))
    return local_dir


@pytest.fixture
def local_dir(tmp_path, initialised):
    """A directory for a server, with a space in its path."""
    local_dir = tmp_path / "a b"
    copy_owned(initialised, local_dir)
    yield local_dir
    leave_embedded(local_dir)
    stop_embedded(local_dir)


@pytest.fixture
def start_client(local_dir):
    """Start a process that uses the server, and wait until it does."""
    clients = []

    def start():
        client = subprocess.Popen(
            [sys.executable, "-m", "sync_pipeline_tests.postgres.embedded_client", str(local_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
            start_new_session=True,
            # A shell starts what runs in the background with SIGINT ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        clients.append(client)
        word, client.url = client.stdout.readline().strip().split(" ", 1)
        assert word == "ready", client.url
        return client

    yield start
    for client in clients:
        end(client)


class TestMembership:
    def test_given_two_clients_when_one_leaves_then_the_server_stays_for_the_other(
        self, local_dir, start_client
    ):
        first, second = start_client(), start_client()
        server = postmaster_id(local_dir)

        end(first)
        time.sleep(0.6)

        assert query(second.url, "SELECT 1") == 1
        assert postmaster_id(local_dir) == server

    def test_given_the_last_client_leaves_then_the_server_stops_and_the_data_stays(
        self, local_dir, start_client
    ):
        client = start_client()
        query(client.url, "CREATE TABLE kept AS SELECT 42 AS answer", fetch=False)

        end(client)
        wait_until(lambda: not runs(local_dir))

        assert query(start_client().url, "SELECT answer FROM kept") == 42

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
    def test_given_the_last_client_is_killed_then_the_server_stops(
        self, how, local_dir, start_client
    ):
        client = start_client()

        client.send_signal(how)

        wait_until(lambda: not runs(local_dir))

    def test_given_ctrl_c_in_the_terminal_of_the_first_client_then_others_keep_the_server(
        self, local_dir, start_client
    ):
        first, second = start_client(), start_client()

        os.killpg(first.pid, signal.SIGINT)
        first.wait()
        time.sleep(0.6)

        assert query(second.url, "SELECT 1") == 1

    def test_given_clients_that_start_at_once_then_they_share_one_server(self, local_dir):
        command = [sys.executable, "-m", "sync_pipeline_tests.postgres.embedded_client"]
        clients = [
            subprocess.Popen(
                [*command, str(local_dir)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=CHECKOUT,
            )
            for _ in range(4)
        ]
        urls = [client.stdout.readline().removeprefix("ready ").strip() for client in clients]
        started = "SELECT pg_postmaster_start_time()"

        assert len({query(url, started) for url in urls}) == 1
        for client in clients:
            end(client)


class TestRecovery:
    def test_given_the_server_is_killed_then_it_is_back_with_its_data_for_running_clients(
        self, local_dir, start_client
    ):
        client = start_client()
        query(client.url, "CREATE TABLE kept AS SELECT 42 AS answer", fetch=False)

        os.kill(postmaster_id(local_dir), signal.SIGKILL)

        wait_until(lambda: answers(client.url))
        assert query(client.url, "SELECT answer FROM kept") == 42

    def test_given_the_keeper_is_killed_then_the_next_client_gets_the_server_a_new_one(
        self, local_dir, start_client
    ):
        first = start_client()
        server = postmaster_id(local_dir)
        os.kill(keeper_id(local_dir), signal.SIGKILL)

        second = start_client()
        assert postmaster_id(local_dir) == server
        end(first)
        end(second)

        wait_until(lambda: not runs(local_dir))

    def test_given_all_was_killed_and_the_old_process_id_is_in_use_then_it_starts(
        self, local_dir, start_client
    ):
        client = start_client()
        kill(keeper_id(local_dir), postmaster_id(local_dir), client.pid)
        wait_until(lambda: not is_locked(layout(local_dir).lock_file("server")))
        pid_file = layout(local_dir).data / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(os.getppid()), *lines[1:]]))

        assert query(start_client().url, "SELECT 1") == 1

    def test_given_an_open_database_when_server_and_keeper_are_killed_then_it_goes_on(
        self, local_dir
    ):
        settings = DatabaseSettings.model_validate(
            {"SYNC_LOCAL_DIR": local_dir, "SYNC_CONNECT_TIMEOUT_SECONDS": 2}
        )
        with Database.open(settings) as database:
            with database.owner() as connection:
                connection.execute("SELECT 1")
            kill(keeper_id(local_dir), postmaster_id(local_dir))
            wait_until(lambda: not runs(local_dir))

            with database.owner() as connection:
                assert connection.execute("SELECT 1 AS one").fetchone() == {"one": 1}

    def test_given_data_removed_under_a_running_server_then_a_new_one_is_made(
        self, local_dir, start_client
    ):
        start_client()

        stop_embedded(local_dir)
        shutil.rmtree(local_dir)

        assert query(start_client().url, "SELECT 1") == 1


class TestPaths:
    @pytest.mark.parametrize("name", ["x" * 120, "a, b", 'quo"te', "ünï"])
    def test_given_a_difficult_path_then_it_works(self, name, tmp_path, initialised):
        local_dir = tmp_path / name
        copy_owned(initialised, local_dir)

        url = ensure_embedded(local_dir)
        found = query(url, "SELECT current_database()")
        leave_embedded(local_dir)
        stop_embedded(local_dir)

        assert found == "sync"

    def test_given_a_path_through_a_file_then_the_error_says_what_to_set(self, tmp_path):
        (tmp_path / "file").write_text("")

        with pytest.raises(UnusablePathError, match="SYNC_LOCAL_DIR"):
            ensure_embedded(tmp_path / "file")


class TestFailures:
    def test_given_data_of_another_major_version_then_the_error_names_it(self, local_dir):
        (layout(local_dir).data / "PG_VERSION").write_text("17\n")

        with pytest.raises(ServerVersionError, match="of PostgreSQL 17"):
            ensure_embedded(local_dir)

    def test_given_a_full_disk_then_the_error_says_so_and_nothing_half_made_stays(self, tmp_path):
        small = tmp_path / "small"
        small.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(small)],
            capture_output=True,
            check=False,
        )
        if mounted.returncode != 0:
            pytest.skip("only root may mount the small file system this needs")
        try:
            with pytest.raises(DiskFullError, match="no room"):
                ensure_embedded(small)
            assert not (small / "postgres" / "data").exists()
            assert not (small / "postgres" / "data.new").exists()
        finally:
            leave_embedded(small)
            subprocess.run(["umount", str(small)], check=True)

    @pytest.mark.parametrize(
        ("output", "error"),
        [
            ('FATAL:  could not write to file "pg_wal/x": No space left on device', DiskFullError),
            ('FATAL:  data directory "x" has wrong ownership', UnusablePathError),
            ("initdb: error: could not access: Permission denied", UnusablePathError),
            ("FATAL:  could not map anonymous shared memory", ServerStartError),
            ("", ServerStartError),
        ],
    )
    def test_given_what_the_server_printed_then_the_error_is_of_its_kind(self, output, error):
        assert type(from_output(output)) is error


def layout(local_dir):
    return Layout(local_dir.resolve() / "postgres")


def runs(local_dir):
    return is_locked(layout(local_dir).lock_file("server"))


def postmaster_id(local_dir):
    return int((layout(local_dir).data / "postmaster.pid").read_text().splitlines()[0])


def keeper_id(local_dir):
    return int(layout(local_dir).lock_file("keeper").read_text())


def kill(*process_ids):
    for process_id in process_ids:
        os.kill(process_id, signal.SIGKILL)


def end(client):
    client.stdin.close()
    client.stdout.close()
    client.wait(timeout=60)


def query(url, text, *, fetch=True):
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(text)
        return cursor.fetchone()[0] if fetch else None


def answers(url):
    try:
        return query(url, "SELECT 1") == 1
    except psycopg.OperationalError:
        return False


def wait_until(holds, seconds=60):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.05)


def copy_owned(source, target):
    """Copy a stopped server, with the owner of its data."""
    shutil.copytree(source, target)
    owner = (source / "postgres" / "data").stat()
    data = target / "postgres" / "data"
    for path in (data, *data.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
