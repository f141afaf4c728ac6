"""Fetching against a real server on this machine."""

import hashlib
import http.server
import threading
from functools import partial

import pytest

from forecast.data.fetch import download
from forecast.errors import InputError

CONTENT = b"ts,load\n2024-01-01,1\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that counts what it was asked for."""

    asked: list[str] = []

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def address(tmp_path, monkeypatch):
    """Of a served file; the cache is a folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    served = tmp_path / "served"
    served.mkdir()
    (served / "load.csv").write_bytes(CONTENT)
    Quiet.asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=served))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/load.csv"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_fetched_once_and_kept(address, tmp_path, capfd):
    found = download(address, SHA256)
    assert found.read_bytes() == CONTENT and found.is_relative_to(tmp_path / "cache")
    assert download(address, SHA256) == found and Quiet.asked == ["/load.csv"]
    assert capfd.readouterr() == ("", "")


def test_a_file_without_a_hash_is_taken_as_it_is(address, capfd):
    assert download(address).read_bytes() == CONTENT
    assert capfd.readouterr() == ("", "")


def test_another_file_than_the_hash_says_is_refused(address):
    with pytest.raises(InputError, match="data.sha256 must be the hash of .*load.csv"):
        download(address, "0" * 64)


def test_without_a_network_the_error_names_the_place_for_the_file(address, tmp_path):
    elsewhere = "http://127.0.0.1:9/load.csv"
    place = tmp_path / "cache" / "forecast" / "data" / "load.csv"
    with pytest.raises(InputError, match=f"without a network, put the file at {place}"):
        download(elsewhere, SHA256)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(CONTENT)
    assert download(elsewhere, SHA256) == place


def test_an_address_that_serves_no_file_is_an_input_error(address):
    with pytest.raises(InputError, match="must be an address that can be reached"):
        download(address.replace("load", "lead"), SHA256)


def test_two_files_of_one_name_are_kept_apart_without_a_hash(address, tmp_path):
    other = tmp_path / "served" / "other"
    other.mkdir()
    (other / "load.csv").write_bytes(b"another file")
    assert download(address).read_bytes() == CONTENT
    assert download(address.replace("load.csv", "other/load.csv")).read_bytes() == b"another file"
