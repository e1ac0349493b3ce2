"""kvcore.frontends.cli: redis-server's argument rules, sources in order, messages, a server's life as a process."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kvcore.config import Config, ConfigFileError
from kvcore.directives import BY_NAME
from kvcore.errors import ConfigError
from kvcore.frontends import cli
from kvcore.frontends.logs import Log
from kvcore.frontends.service import Supervisor


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder, without variables of the caller's."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("KVCORE_")]:
        monkeypatch.delenv(name)
    return tmp_path


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kvcore", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )


# Arguments


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["--port", "7777", "--bind", "1.2.3.4", "::1"], 'port "7777" \nbind "1.2.3.4" "::1" '),
        (["--port", "--bind", "1.2.3.4"], 'port "--bind" "1.2.3.4" '),
        (["--port=7777"], "port=7777 "),
        (["--timeout 9", "--hz 20"], "timeout 9 \nhz 20 "),
        (["--port"], "port "),
        (["--save", "", "--hz", "1"], 'save "" \nhz "1" '),
        (["--save", "--hz", "1"], 'save ""\nhz "1" '),
        (["--save"], 'save ""'),
        (["-x"], '"-x" '),
        (["--requirepass", 'a "b\n\\'], 'requirepass "a \\"b\\n\\\\" '),
        (["--port", "--check-config"], 'port "--check-config" '),
        (["--timeout", "-v"], 'timeout "-v" '),
    ],
)
def test_options_become_lines(words: list[str], options: str) -> None:
    assert cli.parse_arguments(words).options == options


def test_file_and_standard_input() -> None:
    taken = cli.parse_arguments(["a.conf", "--port", "1", "-"])
    assert (taken.file, taken.stdin, taken.options) == ("a.conf", True, 'port "1" ')
    assert cli.parse_arguments(["-", "--port", "1"]).stdin
    middle = cli.parse_arguments(["--bind", "-", "x"])
    assert (middle.stdin, middle.options) == (False, 'bind "-" "x" ')


def test_what_makes_no_sense_says_so() -> None:
    for word in ("--sentinel", "--test-memory", "--check-system"):
        with pytest.raises(ConfigError, match=f"^{word} is not possible here: "):
            cli.parse_arguments(["--port", "1", word])


# Sources


def load(*words: str, **environment: str) -> Config:
    return cli.load_config(cli.parse_arguments(words), environment)


def test_later_sources_win(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.conf").write_text("timeout 1\nhz 11\ndatabases 3\nmaxclients 7\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"hz 12\ndatabases 4\ntimeout 2\n")))
    config = load("a.conf", "--timeout", "4", "-", KVCORE_TIMEOUT="3", KVCORE_DATABASES="5")
    assert [config.integer(name) for name in ("maxclients", "hz", "databases", "timeout")] == [7, 12, 5, 4]
    assert config.file == str(folder / "a.conf")


def test_options_are_numbered_behind_the_file(folder: Path) -> None:
    (folder / "a.conf").write_text("timeout 1\nhz 11\n")
    for words, number in ((["--zzz"], 2), (["--hz", "1", "--zzz"], 3), (["a.conf", "--zzz"], 4)):
        with pytest.raises(ConfigFileError) as error:
            load(*words)
        assert error.value.where.endswith(f"at line {number}")


def test_includes_by_pattern(folder: Path) -> None:
    (folder / "b1.conf").write_text("timeout 1\n")
    (folder / "b2.conf").write_text("timeout 2\n")
    assert load("--include", "b[12].conf").integer("timeout") == 2
    assert load("--include", "none*.conf").integer("timeout") == 0
    with pytest.raises(ConfigError, match=r"can't open config file 'none.conf': No such file or directory"):
        load("--include", "none.conf")


def test_dir_is_entered_where_it_stands(folder: Path) -> None:
    (folder / "sub").mkdir()
    config = load("--dir", "sub")
    assert config.string("dir") == os.getcwd() == str(folder / "sub")
    with pytest.raises(ConfigFileError, match="No such file or directory"):
        load("--dir", "none")


def test_more_threads_are_the_threaded_front_end() -> None:
    assert cli.frontend_name(load()) == "asyncio"
    assert cli.frontend_name(load("--server-threads", "2")) == "threaded"
    assert cli.frontend_name(load("--frontend", "other", "--server-threads", "2")) == "other"


# Output


def test_own_options(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["-h"]):
        assert cli.main(words) == 0
        out, err = capsys.readouterr()
        assert "Usage: kvcore-server [/path/redis.conf]" in out
        assert "Examples:" in out
        assert err == ""
    assert cli.main(["-v", "--zzz"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("kvcore server v=")
    assert out.count("\n") == 1
    assert f"python=CPython-{sys.version_info.major}.{sys.version_info.minor}" in out or "PyPy" in out


def test_check_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--check-config", "--port", "1"]) == 0
    assert capsys.readouterr().out == "Configuration is valid\n"
    assert cli.main(["--port", "x", "--check-config"]) == 1
    assert ">>> 'port \"x\"'\nargument couldn't be parsed into an integer\n" in capsys.readouterr().err


def test_print_config_can_be_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--requirepass", 'a "b\xe9', "--save", "900", "1", "--bind", "::1", "--maxmemory-clients", "5%"]
    assert cli.main(["--print-config", *words]) == 0
    printed = Config()
    printed.load(capsys.readouterr().out)
    assert printed.config_get([b"*"]) == load(*words).config_get([b"*"])


def test_errors_are_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--activedefrag", "yes"]) == 1
    assert capsys.readouterr().err == (
        "\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the configuration file, at line 2\n"
        ">>> 'activedefrag \"yes\"'\nActive defragmentation cannot be enabled: it requires a Redis server compiled "
        "with a modified Jemalloc like the one shipped by default with the Redis source distribution\n"
    )
    assert cli.main(["none.conf"]) == 1
    assert "# Fatal error, can't open config file 'none.conf': No such file or directory\n" in capsys.readouterr().out
    assert cli.main(["--logfile", "none/log"]) == 1
    assert capsys.readouterr().err.endswith(" ***\nCan't open the log file: No such file or directory\n")
    assert cli.main(["--sentinel"]) == 1
    assert capsys.readouterr().err == "--sentinel is not possible here: this release has no Sentinel mode\n"


def test_without_the_extra_one_line_names_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda _name: None)
    assert cli.main(["--port", "0"]) == 1
    assert capsys.readouterr().err == "kvcore-server needs the [server] extra: pip install 'kvcore[server]'\n"


@pytest.mark.parametrize(("level", "shown"), [("notice", False), ("debug", True)])
def test_an_unexpected_error_is_a_line(
    level: str, shown: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_config: Config, _log: Log, _supervisor: Supervisor) -> int:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(cli, "_serve", fail)
    assert cli.main(["--port", "1", "--loglevel", level]) == 1
    out = capsys.readouterr().out
    assert "# Stopped by ZeroDivisionError: odd" in out
    assert ("Traceback" in out) is shown


def test_start_lines_and_pid_file(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def serve(config: Config, _log: Log, _supervisor: Supervisor) -> int:
        seen.append((folder / "pid").read_text())
        return config.integer("timeout")

    monkeypatch.setattr(cli, "_serve", serve)
    assert cli.main(["--pidfile", "pid", "--timeout", "3", "--port", "7777", "--disable-thp", "no"]) == 3
    assert seen == [f"{os.getpid()}\n"]
    assert not (folder / "pid").exists()
    lines = [line.split(" ", 6)[-1] for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "oO0OoO0OoO0Oo kvcore is starting oO0OoO0OoO0Oo"
    assert lines[2:] == [
        "Configuration loaded",
        f"'disable-thp' is accepted. {BY_NAME['disable-thp'].status}",
        "Removing the pid file.",
    ]


# As a process


def test_a_server_lives_and_ends() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "kvcore", "--bind", "127.0.0.1", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        port = 0
        for line in process.stdout:
            if "Running mode=standalone, port=" in line:
                port = int(line.rsplit("=", 1)[1].rstrip(".\n"))
            if "Ready to accept connections" in line:
                break
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            client.sendall(b"PING\r\n")
            assert client.recv(64) == b"+PONG\r\n"
        taken = run("--bind", "127.0.0.1", "--port", str(port))
        assert taken.returncode == 1
        assert f"Failed listening on port {port}" in taken.stdout
        assert taken.stderr == ""
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe with a name holds the loading up")
def test_a_server_may_be_ended_while_it_loads(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "dump.rdb")
    command = [sys.executable, "-m", "kvcore", "--port", "0", "--dir", str(tmp_path), "--pidfile", "pid"]
    process = subprocess.Popen([*command, "--daemonize", "no"], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        writer = os.open(tmp_path / "dump.rdb", os.O_WRONLY)  # returns when the server has it open
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
        os.close(writer)
        assert process.returncode == 0
        assert "Received shutdown signal during loading, scheduling shutdown." in output
        assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"], "the pid file is gone"
    finally:
        process.kill()
        process.communicate()


def test_environment_of_the_process() -> None:
    wrong = run("--check-config", KVCORE_NOSUCH="1")
    assert wrong.returncode == 1
    assert wrong.stderr.endswith(">>> 'KVCORE_NOSUCH=1'\nBad directive or wrong number of arguments\n")
    assert run("--check-config", KVCORE_PORT="1").stdout == "Configuration is valid\n"
