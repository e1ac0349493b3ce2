"""What clients see of a load, told by one who has the engine whenever the loader waits for its file."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kvcore.clock import ManualClock
from kvcore.config import Config
from kvcore.engine import Engine
from kvcore.errors import CommandError
from kvcore.replies import NO_REPLY
from kvcore.storage.durable import Durable
from kvcore.storage.middleware import MemoryFiles
from kvcore.storage.progress import StoppedError
from tests.commands.conftest import Client

KEYS = 2000


class Observer:
    """Others, who have the engine while the loader reads."""

    def __init__(self, look: Callable[[], None]) -> None:
        self.look = look
        self.pauses: list[float] = []

    def leave(self) -> None:
        self.look()

    def come_back(self, pause_s: float) -> None:
        self.pauses.append(pause_s)


def server(files: MemoryFiles, **directives: str) -> tuple[Engine, Durable]:
    config = Config()
    config.assign("dir", ".")
    for name, value in {"save": "", **directives}.items():
        config.set(name.replace("_", "-"), value)
    engine = Engine(config, clock=ManualClock())
    engine.on_shutdown = lambda: None
    return engine, Durable(engine, files=files, threaded=False)


@pytest.fixture(params=["rdb", "log", "text"])
def files(request: pytest.FixtureRequest) -> MemoryFiles:
    """The same keys in a snapshot, in a log, and in a log whose base is commands."""
    found = MemoryFiles()
    logged = {"rdb": "no", "log": "yes", "text": "yes"}[request.param]
    engine, durable = server(found, appendonly=logged, aof_use_rdb_preamble="no" if request.param == "text" else "yes")
    durable.load()
    client = Client(engine)
    for number in range(KEYS):
        client("SET", f"k{number}", "v" * 10)
    if logged == "no":
        client("SAVE")
    else:
        assert engine.persistence.commit()
        client("BGREWRITEAOF")
        while engine.background.busy:
            engine.tick()
    assert durable.close()
    found.logged = logged  # type: ignore[attr-defined]
    return found


def reopened(files: MemoryFiles, **directives: str) -> tuple[Engine, Durable]:
    return server(files, appendonly=files.logged, loading_process_events_interval_bytes="1024", **directives)  # type: ignore[attr-defined]


def fields(client: Client) -> dict[str, str]:
    info = client("INFO", "persistence")
    assert isinstance(info, bytes | str) or hasattr(info, "text")
    raw = info if isinstance(info, str | bytes) else info.text
    shown = raw.decode() if isinstance(raw, bytes) else raw
    return dict(line.split(":", 1) for line in shown.splitlines() if ":" in line)


def test_clients_hear_that_it_loads(files: MemoryFiles) -> None:
    engine, durable = reopened(files)
    client = Client(engine)
    seen: list[dict[str, str]] = []

    def look() -> None:
        engine.tick()
        assert client.error("GET", "k1") == "LOADING Redis is loading the dataset in memory"
        assert client.error("PING") == "LOADING Redis is loading the dataset in memory"
        assert client("CONFIG", "SET", "slowlog-max-len", 7) == "OK"
        seen.append(fields(client))

    observer = Observer(look)
    assert durable.load(observer)
    assert [each["loading"] for each in seen] == ["1"] * len(seen)
    loaded = [int(each["loading_loaded_bytes"]) for each in seen]
    assert loaded == sorted(loaded)
    assert loaded[0] == 0 < loaded[-1] <= int(seen[-1]["loading_total_bytes"])
    assert float(seen[-1]["loading_loaded_perc"]) > 90
    assert len(seen) > 20
    assert set(observer.pauses) == {0.0}
    after = fields(client)
    assert after["loading"] == "0"
    assert "loading_eta_seconds" not in after
    assert client("GET", "k1") == b"v" * 10
    assert client("DBSIZE") == KEYS


def test_what_is_replayed_is_nobodys_command(files: MemoryFiles) -> None:
    engine, durable = reopened(files)
    watcher, client = Client(engine), Client(engine)
    watcher("MONITOR")
    engine.statistics.connections = 2
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        assert client.error("GET", "k1").startswith("LOADING")
        assert client("CLIENT", "ID")
        assert engine.commands[b"set"].calls == 0

    durable.load(Observer(look))
    assert watcher.session.outbox == [], "MONITOR is silent while the server loads"
    assert engine.commands[b"set"].calls == 0
    assert (engine.commands[b"get"].rejected, engine.commands[b"client"].subcommands[b"id"].calls) == (looks, looks)  # type: ignore[index]
    assert engine.statistics.errors == {"LOADING": looks}
    assert engine.statistics.connections == 2
    client("SET", "k", "v")
    assert len(watcher.session.outbox) == 1


def test_a_limit_set_meanwhile_holds_afterwards(files: MemoryFiles) -> None:
    """What is loaded passes gates that are shut for clients, and what clients do to the gates stays done."""
    engine, durable = reopened(files)
    client = Client(engine)
    durable.load(Observer(lambda: client("CONFIG", "SET", "maxmemory", 1, "slowlog-log-slower-than", 77)))
    assert client.error("SET", "k", "v").startswith("OOM ")
    assert engine.slow_ns == 77_000
    assert client("DBSIZE") == KEYS


def test_stopping_keeps_the_files_as_they_are(files: MemoryFiles) -> None:
    engine, durable = reopened(files, save="1 1")
    before = {name: files.open(name).read(1 << 24) for name in names(files)}
    client = Client(engine)
    answers: list[object] = []

    def look() -> None:
        if len(answers) < 5:
            answers.append(client("CONFIG", "GET", "dir"))
        elif not engine.shutdown.ended:
            answers.append(client("SHUTDOWN"))

    with pytest.raises(StoppedError):
        durable.load(Observer(look))
    assert answers[-1] is NO_REPLY
    assert durable.close()
    assert {name: files.open(name).read(1 << 24) for name in names(files)} == before


def names(files: MemoryFiles) -> list[str]:
    top = [name for name in files.list(".") if name.endswith(".rdb")]
    return top or [f"appendonlydir/{name}" for name in files.list("appendonlydir")]


def test_a_signal_stops_it_with_the_next_tick(files: MemoryFiles) -> None:
    engine, durable = reopened(files)
    engine.shutdown.ask(True, force=False)
    with pytest.raises(StoppedError):
        durable.load(Observer(engine.tick))


@pytest.mark.parametrize(("delay", "wanted_s"), [("500", KEYS * 500e-6), ("-50", KEYS * 1e-6 / 50), ("0", 0)])
def test_a_delay_for_each_key(files: MemoryFiles, delay: str, wanted_s: float) -> None:
    _engine, durable = reopened(files, key_load_delay=delay)
    observer = Observer(lambda: None)
    durable.load(observer)
    if not any(name.endswith(".rdb") for name in names(files)):
        wanted_s = 0  # commands are no keys
    assert sum(observer.pauses) == pytest.approx(wanted_s, rel=0.05)


def test_the_delay_may_change_on_the_way(files: MemoryFiles) -> None:
    has_keys = any(name.endswith(".rdb") for name in names(files))  # a log of commands has none
    engine, durable = reopened(files, key_load_delay="1000")
    client = Client(engine)
    observer = Observer(lambda: None)
    observer.look = lambda: len(observer.pauses) == 3 and bool(client("CONFIG", "SET", "key-load-delay", 0))  # type: ignore[assignment,func-returns-value,return-value]
    durable.load(observer)
    assert any(observer.pauses[:3]) == has_keys
    assert not any(observer.pauses[4:])


def test_nobody_else_needs_no_turns(files: MemoryFiles) -> None:
    engine, durable = reopened(files)
    assert durable.load()
    assert not engine.loading
    assert not isinstance(Client(engine)("GET", "k1"), CommandError)
