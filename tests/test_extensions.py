"""Commands of users: what a signature declares, what they may call, what propagates, and the documented example."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

import kvcore
from kvcore import plugins
from kvcore.call import Call
from kvcore.command import EXTENSIONS
from kvcore.effects import Effect
from kvcore.engine import Engine
from kvcore.errors import CommandError, ConfigError
from kvcore.extensions import command
from kvcore.replies import Reply
from tests.engine_client import Client
from tests.oracle.servers import start_kvcore

DOCUMENT = Path(__file__).parent.parent / "docs" / "extending.md"
EXAMPLE, PROGRAM = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.S)


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    """Forget what a test declares."""
    before = set(EXTENSIONS.bind())
    yield
    for name in set(EXTENSIONS.bind()) - before:
        EXTENSIONS.discard(name.decode())


def client() -> Client:
    """Return a client of a store opened now, after the test's declarations."""
    return Client(Engine())


@pytest.fixture
def rate_limiter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Save the documented example."""
    path = tmp_path / "rate_limiter.py"
    path.write_text(EXAMPLE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "rate_limiter", raising=False)
    return path


# The signature


def test_arguments_come_as_annotated() -> None:
    @command("T.ECHO")
    def echo(call: Call, a: bytes, b: int, c: float, d: str, *rest: int) -> list[Reply]:
        return [a, b, c, d.encode(), *rest]

    call = client()
    assert call("T.ECHO", b"\xff", "7", "0.5", "é") == [b"\xff", 7, 0.5, "é".encode()]
    assert call("t.echo", "a", "-1", "inf", "", "1", "2") == [b"a", -1, float("inf"), b"", 1, 2]
    assert call.error("T.ECHO", "a", "1.5", "1", "d") == "ERR value is not an integer or out of range"
    assert call.error("T.ECHO", "a", "1", "nan", "d") == "ERR value is not a valid float"
    assert call.error("T.ECHO", "a", "1", "1", b"\xff") == "ERR value is not valid UTF-8"
    assert call.error("T.ECHO", "a", "1", "1", "d", "x") == "ERR value is not an integer or out of range"
    assert call.error("T.ECHO", "a", "1", "1") == "ERR wrong number of arguments for 't.echo' command"


def test_defaults_make_arguments_optional() -> None:
    @command("T.OPT")
    def opt(call: Call, a: bytes, b: bytes = b"-", c: int = 3) -> list[Reply]:
        return [a, b, c]

    call = client()
    assert call("T.OPT", "1") == [b"1", b"-", 3]
    assert call("T.OPT", "1", "2", "4") == [b"1", b"2", 4]
    wrong = "ERR wrong number of arguments for 't.opt' command"
    assert call.error("T.OPT") == wrong
    assert call.error("T.OPT", "1", "2", "3", "4") == wrong


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("GET", {}, "of its own"),
        ("get", {}, "of its own"),
        ("two words", {}, "not a command name"),
        ("", {}, "not a command name"),
        ("a|b", {}, "not a command name"),
        ("T.X", {"flags": "wirte"}, "unknown flags of command T.X: wirte"),
        ("T.X", {"flags": "write readonly"}, "cannot be write and readonly"),
        ("T.X", {"keys": "first"}, "not a key specification"),
    ],
)
def test_a_wrong_declaration_is_refused(name: str, options: dict[str, str], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        command(name, **options)(lambda call: None)  # type: ignore[arg-type]
    assert name.encode() not in EXTENSIONS.bind()


def test_a_signature_no_client_can_call_is_refused() -> None:
    def keyword(call: Call, *, a: bytes) -> None: ...
    def annotated(call: Call, a: list[bytes]) -> None: ...
    def nothing() -> None: ...

    for function in (keyword, annotated, nothing):
        with pytest.raises(TypeError):
            command("T.X")(function)


def test_what_is_no_plain_function_is_refused() -> None:
    async def later(call: Call) -> int:
        return call.session.id

    def pieces(call: Call) -> Iterator[int]:
        yield call.session.id

    for function in (later, pieces):
        with pytest.raises(TypeError, match="must be a plain function"):
            command("X.LATER")(function)
    with pytest.raises(TypeError, match="a command needs a name"):
        command(pieces)  # type: ignore[arg-type]


def test_declaring_again_replaces_only_the_same_function() -> None:
    def declare(answer: int) -> None:
        @command("T.AGAIN")
        def again(call: Call) -> int:
            return answer

    declare(1)
    old = client()
    declare(2)
    assert (old("T.AGAIN"), client()("T.AGAIN")) == (1, 2)
    with pytest.raises(ValueError, match="declared twice"):
        command("T.AGAIN")(lambda call: 3)


def test_the_record_shows_in_command_info_and_docs() -> None:
    @command("T.INFO", flags="write fast", keys="RW@1", acl="mine")
    def info(call: Call, key: bytes, n: int = 1) -> None:
        """Do something.

        More of it.
        """

    call = client()
    [record] = call("COMMAND", "INFO", "t.info")
    assert record[:6] == [b"t.info", -2, record[2], 1, 1, 1]
    assert call("COMMAND", "DOCS", "t.info")[b"t.info"][b"summary"] == b"Do something."
    assert call("COMMAND", "GETKEYS", "T.INFO", "k", "1") == [b"k"]


# Calling other commands


def test_what_it_calls_propagates_in_its_place_as_one_unit() -> None:
    @command("T.TWICE", flags="write", keys="RW@1")
    def twice(call: Call, key: bytes) -> int:
        call.execute("SET", key, 1)
        call.execute("GET", key)
        return int(call.execute("INCRBYFLOAT", key, 1.5) == b"2.5")

    call = client()
    units: list[list[Effect]] = []
    call.engine.subscribe(lambda unit: units.append(list(unit)))
    assert call("T.TWICE", "k") == 1
    assert [argv for _, argv in units[0]] == [
        [b"MULTI"],
        [b"SET", b"k", b"1"],
        [b"SET", b"k", b"2.5", b"KEEPTTL"],
        [b"EXEC"],
    ]
    assert len(units) == 1


def test_it_runs_in_a_transaction() -> None:
    @command("T.SET", flags="write", keys="RW@1")
    def set_(call: Call, key: bytes) -> Reply:
        return call.execute("SET", key, "v")

    call = client()
    units: list[list[Effect]] = []
    call.engine.subscribe(lambda unit: units.append(list(unit)))
    for line in (["MULTI"], ["T.SET", "a"], ["T.SET", "b"]):
        call(*line)
    assert call("EXEC") == ["OK", "OK"]
    assert [[argv[0] for _, argv in unit] for unit in units] == [[b"MULTI", b"SET", b"SET", b"EXEC"]]


def test_errors_of_what_it_calls_are_raised_and_answered() -> None:
    @command("T.PUSH", flags="write", keys="RW@1")
    def push(call: Call, key: bytes) -> Reply:
        return call.execute("LPUSH", key, "x")

    call = client()
    call("SET", "k", "v")
    assert call.error("T.PUSH", "k").startswith("WRONGTYPE ")
    assert call("T.PUSH", "list") == 1


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (["MULTI"], "ERR This command is not allowed inside another one"),
        (["SUBSCRIBE", "c"], "ERR This command is not allowed inside another one"),
        (["CONFIG", "SET", "maxclients", "1"], "ERR This command is not allowed inside another one"),
        (["SET", "k", "v"], "ERR a command that is not declared as write called one that is"),
        (["NOSUCH"], "ERR unknown command 'NOSUCH', with args beginning with: "),
    ],
)
def test_what_a_reading_command_cannot_call(line: list[str], text: str) -> None:
    @command("T.CALL", flags="readonly")
    def call_(call: Call) -> Reply:
        return call.execute(*line)

    call = client()
    assert call.error("T.CALL") == text
    assert call("GET", "k") is None


def test_a_blocking_command_inside_answers_as_if_timed_out() -> None:
    @command("T.WAIT", flags="write", keys="RW@1")
    def wait(call: Call, key: bytes) -> Reply:
        return [call.execute("BLPOP", key, 0), call.execute("LPUSH", key, "x"), call.execute("BLPOP", key, 0)]

    call = client()
    assert call("T.WAIT", "k") == [None, 1, [b"k", b"x"]]
    assert call.session.blocked is None


def test_replies_inside_have_one_shape_whatever_the_client_speaks() -> None:
    seen: list[Reply] = []

    @command("T.SHAPE", flags="readonly")
    def shape(call: Call) -> None:
        seen.append(call.execute("ZRANGE", "z", 0, -1, "WITHSCORES"))
        assert call.argv == [b"T.SHAPE"]

    call = client()
    call("ZADD", "z", 1, "m")
    call("T.SHAPE")
    call("HELLO", 3)
    call("T.SHAPE")
    assert seen[0] == seen[1] == [[b"m", 1.0]]
    assert call.session.protocol == 3


def test_a_bug_answers_an_error_and_the_next_command_runs(caplog: pytest.LogCaptureFixture) -> None:
    @command("T.BUG", flags="write", keys="RW@1")
    def bug(call: Call, key: bytes) -> None:
        call.execute("SET", key, "v")
        raise ZeroDivisionError

    call = client()
    with caplog.at_level(logging.ERROR):
        assert call.error("T.BUG", "k").startswith("ERR internal error")
    assert "ZeroDivisionError" in caplog.text
    assert call("GET", "k") == b"v"
    assert call("SET", "k", "w") == "OK"


def test_a_readers_error_answer() -> None:
    @command("T.NO")
    def no(call: Call) -> None:
        raise CommandError("NOPE not today")

    assert client().error("T.NO") == "NOPE not today"


# The example, and where commands come from


def test_the_documented_example(rate_limiter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(PROGRAM, "program", "exec"), {})  # what the document tells a reader to run
    assert capsys.readouterr().out == "[1, 1, 60000]\n0\n"
    with kvcore.open() as store:
        assert store.execute("RATE.LIMIT", "u", 1, 100)[:2] == [1, 0]
        with pytest.raises(CommandError, match="ERR limit, window and cost must be positive"):
            store.execute("RATE.LIMIT", "u", 0, 100)


def test_loadmodule_takes_a_name_or_a_path(rate_limiter: Path) -> None:
    plugins.load_module(str(rate_limiter))
    assert client()("RATE.LIMIT", "u", "2", "100") == [1, 1, 100]
    plugins.load_module("rate_limiter")
    with pytest.raises(ConfigError, match="Can't load module from no_such_module"):
        plugins.load_module("no_such_module")
    broken = rate_limiter.with_name("broken.py")
    broken.write_text("1 / 0\n")
    with pytest.raises(ConfigError, match=r"broken\.py: division by zero"):
        plugins.load_module(str(broken))


def test_installed_packages_bring_commands(tmp_path: Path, rate_limiter: Path) -> None:
    information = tmp_path / "rate_limiter-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: rate-limiter\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[kvcore.commands]\nlimiter = rate_limiter\n")
    plugins.load_commands.cache_clear()
    try:
        with kvcore.open() as store:
            assert store.execute("RATE.LIMIT", "u", 2, 100)[0] == 1
        rate_limiter.write_text("raise RuntimeError('no licence')\n")
        del sys.modules["rate_limiter"]
        plugins.load_commands.cache_clear()
        with pytest.raises(ConfigError, match="the commands of plug-in 'limiter' fail to load: no licence"):
            kvcore.open()
    finally:
        plugins.load_commands.cache_clear()


@pytest.mark.parametrize("frontend", ["asyncio", "threaded"])
def test_a_server_with_loadmodule_serves_it_to_any_client(rate_limiter: Path, frontend: str) -> None:
    server = start_kvcore(frontend, "--loadmodule", str(rate_limiter))
    try:
        with redis.Redis(port=server.port) as client:
            assert client.execute_command("RATE.LIMIT", "u", 2, 60_000)[:2] == [1, 1]
            with client.pipeline(transaction=True) as pipeline:
                pipeline.execute_command("RATE.LIMIT", "u", 2, 60_000)
                pipeline.execute_command("RATE.LIMIT", "u", 2, 60_000)
                assert [reply[:2] for reply in pipeline.execute()] == [[1, 0], [0, 0]]
    finally:
        server.stop()
