"""kvcore.config: typed reads, CONFIG GET and SET, subscribers, the reader; and all of it beside a live server."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore import glob
from kvcore.config import Config, ConfigFileError, ConfigReadError, parse_config, quote
from kvcore.directives import BY_NAME, TABLE
from kvcore.errors import CommandError, ConfigError

OWN_DEFAULTS = {"bind", "dir", "port"}
OWN_NAMES = {row.name for row in TABLE if row.own} - OWN_DEFAULTS
REFUSED = {"activedefrag"}


def refusal(config: Config, *pairs: tuple[bytes, bytes]) -> str:
    with pytest.raises(CommandError) as error:
        config.config_set(list(pairs))
    return str(error.value)


# Reading


def test_typed_reads() -> None:
    config = Config()
    assert config.integer("maxclients") == 10000
    assert config.flag("protected-mode") is True
    assert config.string("loglevel") == "notice"
    assert config.strings("bind") == ("127.0.0.1", "-::1")
    assert config.output_limit("slave") == (268435456, 67108864, 60)
    assert config.output_limit("replica") == config.output_limit("slave")
    assert config.save_points() == [(3600, 1), (300, 100), (60, 10000)]
    assert config.integer("slave-priority") == config.integer("replica-priority") == 100


def test_unknown_names_suggest() -> None:
    with pytest.raises(ConfigError, match=r"unknown directive 'maxclient'; did you mean 'maxclients'"):
        Config().get("maxclient")
    with pytest.raises(ConfigError, match=r"unknown directive 'qqq'$"):
        Config().set("qqq", "1")


def test_config_get_patterns_and_aliases() -> None:
    config = Config()
    assert config.config_get([b"SLAVE-Pri*", b"replica-pri*"]) == {
        b"slave-priority": b"100",
        b"replica-priority": b"100",
    }
    assert config.config_get([b"MaxClients", b"maxclients"]) == {b"MaxClients": b"10000"}
    assert config.config_get([b"max\\clients", b"nosuch"]) == {}
    assert config.config_get([b"key-load*"]) == {}
    assert config.config_get([b"key-load-delay"]) == {b"key-load-delay": b"0"}


def test_bytes_survive() -> None:
    config = Config()
    config.config_set([(b"requirepass", b"\xff\x00\xc3\xa9")])
    assert config.config_get([b"requirepass"]) == {b"requirepass": b"\xff\x00\xc3\xa9"}


# CONFIG SET


def test_config_set_error_texts() -> None:
    config = Config()
    failed = "ERR CONFIG SET failed (possibly related to argument '%s') - %s"
    assert refusal(config, (b"nosuch\0x", b"1")) == (
        "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'"
    )
    assert refusal(config, (b"daemonize", b"yes"), (b"nosuch", b"1")) == failed % (
        "daemonize",
        "can't set immutable config",
    )
    assert refusal(config, (b"MAXCLIENTS", b"1"), (b"maxclients", b"2")) == failed % (
        "maxclients",
        "duplicate parameter",
    )
    assert refusal(config, (b"Timeout", b"x")) == failed % ("timeout", "argument couldn't be parsed into an integer")
    assert refusal(config, (b"dir", b"/")) == failed % ("dir", "can't set protected config")


def test_config_set_is_all_or_nothing() -> None:
    config = Config()
    refusal(config, (b"hz", b"50"), (b"timeout", b"abc"))
    assert config.integer("hz") == 10
    config.config_set([(b"slave-priority", b"5"), (b"replica-priority", b"6"), (b"hz", b"50")])
    assert (config.integer("replica-priority"), config.integer("hz")) == (6, 50)


def test_protected_directives_open_up() -> None:
    config = Config()
    config.set("enable-protected-configs", "local")
    refusal(config, (b"dbfilename", b"x"))
    config.config_set([(b"dbfilename", b"x")], local=True)
    assert config.string("dbfilename") == "x"


def test_output_limits_keep_classes_not_named() -> None:
    config = Config()
    config.config_set([(b"client-output-buffer-limit", b"replica 1mb 1kb 10")])
    config.config_set([(b"client-output-buffer-limit", b"")])
    assert config.shown("client-output-buffer-limit") == (
        "normal 0 0 0 slave 1048576 1024 10 pubsub 33554432 8388608 60"
    )


# Subscribers


def test_subscribers_hear_changes_only() -> None:
    config, heard = Config(), []
    config.on_change("slave-priority", lambda: heard.append(config.integer("replica-priority")))
    config.set("replica-priority", "100")
    config.set("replica-priority", "7")
    config.assign("replica-priority", 8)
    assert heard == [7]


def test_a_veto_undoes_the_whole_change() -> None:
    config, heard = Config(), []

    def refuse() -> None:
        if config.integer("port") == 80:
            raise ConfigError("Unable to listen on this port.")

    config.on_change("hz", lambda: heard.append(config.integer("hz")))
    config.on_change("port", refuse)
    assert refusal(config, (b"hz", b"50"), (b"port", b"80")) == (
        "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port."
    )
    assert (config.integer("hz"), config.integer("port"), heard) == (10, 6379, [50, 10])


# Text


def test_parse_config() -> None:
    source = ' # comment\n\n\tPort  7777 \r\nrequirepass "a\\x41 \\"" \nbind \'::1\' 127.0.0.1\0 ignored\n'
    assert list(parse_config(source, 5)) == [
        (7, "Port  7777", "port", ["7777"]),
        (8, 'requirepass "a\\x41 \\""', "requirepass", ['aA "']),
        (9, "bind '::1' 127.0.0.1", "bind", ["::1", "127.0.0.1"]),
    ]


@given(st.binary(max_size=20))
def test_quoted_words_read_back(word: bytes) -> None:
    written = word.decode("utf-8", "surrogateescape")
    ((_, _, _, words),) = parse_config(f"requirepass {quote(written)}")
    assert words[0].encode("utf-8", "surrogateescape") == word


@pytest.mark.parametrize(
    ("source", "number", "line", "reason"),
    [
        ("timeout 1\n timeout x \n'", 2, "timeout x", "argument couldn't be parsed into an integer"),
        ("timeout '1", 1, "timeout '1", "Unbalanced quotes in configuration line"),
        ("timeout 5 # no comment", 1, "timeout 5 # no comment", "wrong number of arguments"),
        ("zzz 1", 1, "zzz 1", "Bad directive or wrong number of arguments"),
        ("include", 1, "include", "Bad directive or wrong number of arguments"),
        ("include a", 1, "include a", "include is not possible here"),
        ("sentinel monitor", 1, "sentinel monitor", "sentinel directive while not in sentinel mode"),
    ],
)
def test_a_wrong_line_is_shown(source: str, number: int, line: str, reason: str) -> None:
    with pytest.raises(ConfigFileError) as error:
        Config().load(source)
    assert error.value.block() == (
        "\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\n"
        f"Reading the configuration file, at line {number}\n>>> '{line}'\n{reason}\n"
    )


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("", "3600 1 300 100 60 10000"),
        ("save", ""),
        ("save 900 1", "900 1"),
        ("save 900 1\nsave 60 2", "900 1 60 2"),
        ('save 900 1 60 2\nsave ""', ""),
        ('save ""\nsave 60 2', "60 2"),
        ("save 60 2\nsave", "60 2"),
        ('save "60 2"', "60 2"),
    ],
)
def test_save_lines_add_up(source: str, shown: str) -> None:
    config = Config()
    config.load(source)
    assert config.shown("save") == shown


def test_includes_are_read_where_they_stand() -> None:
    texts = {"one": ["timeout 1\ninclude two", "hz 20"], "two": ["timeout 2"]}
    config = Config()
    config.load("timeout 9\ninclude one\ndatabases 3\nlist-max-ziplist-value 3", texts.__getitem__)
    assert [config.integer(name) for name in ("timeout", "hz", "databases")] == [2, 20, 3]
    with pytest.raises(ConfigFileError, match="Bad directive") as error:
        config.load("\n\ninclude x", lambda _: ["\nzzz"])
    assert error.value.where.endswith("line 2")
    with pytest.raises(ConfigFileError, match="include is not possible here"):
        config.load("include x", lambda _: ["include x"])

    def missing(_path: str) -> list[str]:
        raise ConfigReadError("Fatal error, can't open config file")

    with pytest.raises(ConfigReadError):
        config.load("include x", missing)


def test_environment() -> None:
    config = Config()
    config.load("timeout 1\nsave 1 1")
    config.load_environment({"KVCORE_TIMEOUT": "5", "KVCORE_SAVE": "900 1", "PATH": "x", "KVCORE_SERVER_CPULIST": "0"})
    assert (config.integer("timeout"), config.shown("save"), config.shown("server_cpulist")) == (5, "900 1", "0")
    for name, reason in (("KVCORE_FOO", "Bad directive"), ("KVCORE_PORT", "couldn't be parsed")):
        with pytest.raises(ConfigFileError, match=reason) as error:
            config.load_environment({name: "x"})
        assert f"Reading the environment variable {name}\n>>> '{name}=x'\n" in error.value.block()


def test_without_effect_names_what_was_changed() -> None:
    config = Config()
    config.load("repl-disable-tcp-nodelay yes\ncluster-enabled no\nport 7777")
    assert [row.name for row in config.without_effect()] == ["repl-disable-tcp-nodelay"]


# Beside the live server


class Real:
    """A redis-server on a unix socket and a connection to it."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "s")
        options = ["--port", "0", "--unixsocket", self.path, "--save", "", "--dir", str(folder)]
        self.process = subprocess.Popen(
            ["redis-server", *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "ready to accept connections at" in line:
                break
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(self.path)
        self.file = self.socket.makefile("rb")

    def send(self, *words: bytes) -> None:
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words))

    def read(self) -> bytes | list[bytes]:
        line = self.file.readline().rstrip(b"\r\n")
        if line[:1] == b"$":
            return self.file.read(int(line[1:]) + 2)[:-2]
        if line[:1] == b"*":
            return [self.read() for _ in range(int(line[1:]))]
        return line[1:]

    def __call__(self, *words: bytes) -> bytes | list[bytes]:
        self.send(*words)
        return self.read()

    def config_get(self, pattern: bytes) -> dict[bytes, bytes]:
        items = self(b"CONFIG", b"GET", pattern)
        return dict(zip(items[::2], items[1::2], strict=True))

    def close(self) -> None:
        self.file.close()
        self.socket.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def start(folder: Path) -> Real:
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server to compare with")
    server = Real(folder)
    if not server(b"INFO", b"server").count(b"redis_version:7.0."):
        server.close()
        pytest.skip("the redis-server here is not 7.0")
    return server


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    server = start(tmp_path_factory.mktemp("real"))
    yield server
    server.close()


@pytest.fixture
def disposable(tmp_path: Path) -> Iterator[Real]:
    """One that may be left misconfigured."""
    server = start(tmp_path)
    yield server
    server.close()


def test_names_and_defaults_are_the_real_ones(real: Real) -> None:
    ours = {name.decode(): value for name, value in Config().config_get([b"*"]).items()}
    theirs = {name.decode(): value for name, value in real.config_get(b"*").items()}
    assert set(ours) - OWN_NAMES == set(theirs)
    differ = {name for name in theirs if ours[name] != theirs[name]}
    assert differ == {"bind", "dir", "port", "save", "unixsocket"}  # save and unixsocket: our options to it


CHANGES = [b"", b"yes", b"No", b"x", b"-1", b"0", b"1", b"07", b"99", b"1mb", b"5%", b"3000000000"]
CHANGES += [b"1 2", b"1 2 3", b"normal 1 2 3", b"-99999999999999999999", b"9223372036854775807", b"KEA"]
UNSETTLED = OWN_DEFAULTS | OWN_NAMES | REFUSED | {"maxclients", "requirepass", "oom-score-adj", "watchdog-period"}
"""Left alone: they would cut the line to the server, or depend on the machine."""


def test_every_directive_answers_config_set_alike(disposable: Real) -> None:
    config = Config()
    for name in sorted(name for name in set(BY_NAME) - UNSETTLED if not name.startswith("tls-")):
        raw = name.encode()
        for value in CHANGES:
            theirs = disposable(b"CONFIG", b"SET", raw, value)
            try:
                config.config_set([(raw, value)])
                ours = b"OK"
            except CommandError as error:
                ours = str(error).encode()
            assert ours == theirs, (name, value)
            if not BY_NAME[name].immutable and not BY_NAME[name].protected:
                assert config.config_get([raw]) == disposable.config_get(raw), (name, value)


@given(data=st.data())
def test_patterns_match_the_keys_the_real_server_matches(real: Real, data: st.DataObject) -> None:
    letters = st.sampled_from(b"abcAZ]-^\\*[\xff")
    keys = data.draw(st.lists(st.binary(max_size=0) | st.lists(letters, max_size=5).map(bytes), max_size=8))
    pattern = bytes(data.draw(st.lists(st.sampled_from(b"aabc*?[]^-\\AZ\xff"), max_size=8)))
    real(b"FLUSHALL")
    for key in keys:
        real(b"SET", key, b"1")
    assert sorted(real(b"KEYS", pattern)) == sorted(key for key in set(keys) if glob.match(pattern, key))


def test_loadmodule_names_python_modules_and_no_others() -> None:
    config = Config()
    config.load("loadmodule shop.commands\nloadmodule /srv/limits.py\n")
    assert config.modules == ["shop.commands", "/srv/limits.py"]
    for line in ("loadmodule /usr/lib/redisearch.so", "loadmodule shop.commands fast"):
        with pytest.raises(ConfigFileError, match="one Python module"):
            Config().load(line)
