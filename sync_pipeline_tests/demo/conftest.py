"""A small made store behind a server, and a way to ask it."""

import pytest
import requests

from sync_pipeline.demo import DEMO_KEY, DEMO_SECRET, DemoServer, made_store


class Client:
    """Asks a demo store; keeps one connection."""

    def __init__(self, server):
        self.server = server
        self.session = requests.Session()
        self.session.auth = (DEMO_KEY, DEMO_SECRET)
        self.session.headers["X-Forwarded-Proto"] = "https"

    def get(self, path, **query):
        return self.session.get(
            f"{self.server.url}/wp-json/wc/v3/{path}", params=query, timeout=query.pop("wait", 5)
        )

    def ids(self, path, **query):
        response = self.get(path, _fields="id", **query)
        response.raise_for_status()
        return [record["id"] for record in response.json()]

    def total(self, path, **query):
        return int(self.get(path, _fields="id", **query).headers["X-WP-Total"])


@pytest.fixture
def connect():
    """Makes a client of a server; its connection is closed after the test."""
    clients = []

    def connect(server):
        clients.append(Client(server))
        return clients[-1]

    yield connect
    for client in clients:
        client.session.close()


@pytest.fixture
def server():
    """250 made customers (ids 2 to 251) and 500 orders (ids 100 to 599)."""
    with DemoServer(made_store(250, 500)) as server:
        yield server


@pytest.fixture
def client(server, connect):
    return connect(server)
