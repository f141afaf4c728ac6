"""What docs/security.md says of ports, caches and the page of `make ui`."""

import os
import re
from pathlib import Path

import psutil
import pytest

from forecast.cli.commands import ui
from forecast.data import fetch
from forecast.search import engine

ROOT = Path(__file__).parents[1]


@pytest.mark.processes
def test_the_own_cluster_listens_to_this_machine_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with engine.cluster(None, 1) as found:
        client = found._client
        told = client.sync(client.scheduler.identity, n_workers=-1)
        addresses = [told["address"], *told["workers"]]
        addresses += [worker["nanny"] for worker in told["workers"].values()]
        assert len(addresses) == 3
        assert all(address.startswith("tcp://127.0.0.1:") for address in addresses)
        me = psutil.Process()
        for process in (me, *me.children(recursive=True)):
            for one in process.net_connections("inet"):
                if one.status == psutil.CONN_LISTEN:
                    assert one.laddr.ip in ("127.0.0.1", "::1"), (process.cmdline(), one)


def test_the_page_of_make_ui_is_for_this_machine_alone():
    text = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(r"^ui:.*\n\t@\$\(BIN\)/forecast ui ", text, re.M)
    secret = "postgresql://me:secret@db/mlflow"
    server, environment = ui.server(secret, 5001)
    assert server[server.index("--host") + 1] == "127.0.0.1"
    hosts = server[server.index("--allowed-hosts") + 1].split(",")
    assert {host.partition(":")[0] for host in hosts} == {"localhost", "127.0.0.1"}
    assert server[server.index("--workers") + 1] == "1"
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert "secret" not in " ".join(server)  # others see it in the list of processes


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_compiled_programs_are_not_taken_from_where_others_write(tmp_path, monkeypatch, mode):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = fetch.private_cache_folder("xla")
    assert found.stat().st_mode & 0o777 == 0o700 and fetch.private_cache_folder("xla") == found
    for place in (found, found.parent):
        place.chmod(mode)
        with pytest.raises(PermissionError):
            fetch.private_cache_folder("xla")
        place.chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(PermissionError):
        fetch.private_cache_folder("xla")


def test_no_room_reads_a_pickle():
    """A reader of pickles runs whatever a file says."""
    readers = re.compile(
        r"\b(pickle|joblib|cloudpickle|dill|marshal|shelve)\b\.?\w*\(|import pickle"
    )
    loads = re.compile(r"allow_pickle=True|safe_mode=False|yaml\.load\(|enable_unsafe|\beval\(")
    for path in (ROOT / "forecast").rglob("*.py"):
        text = path.read_text("utf-8")
        code = "\n".join(line for line in text.splitlines() if re.match(r"\s*(import|from) ", line))
        assert not readers.search(code) and not loads.search(text), path


def test_an_array_file_with_a_pickle_in_it_is_refused(tmp_path):
    import numpy as np

    from forecast import gates
    from forecast.errors import InputError

    np.savez(tmp_path / "epoch_1.npz", a=np.array([{"b": 1}], object))
    with pytest.raises((InputError, ValueError), match="pickle|npz"):
        gates.load(tmp_path / "epoch_1.npz")
