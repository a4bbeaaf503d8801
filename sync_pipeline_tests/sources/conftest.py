"""Scripted stores over http and https."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from sync_pipeline_tests.sources.scripted_store import ScriptedStore


@pytest.fixture
def store() -> Iterator[ScriptedStore]:
    """Over plain http."""
    scripted = ScriptedStore()
    yield scripted
    scripted.stop()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority that signs the certificate of `tls_store`."""
    path = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def tls_store(authority: trustme.CA) -> Iterator[ScriptedStore]:
    """Over https, as localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    scripted = ScriptedStore(context)
    yield scripted
    scripted.stop()
