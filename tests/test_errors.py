"""Error texts that quote what a client sent, and the tree of exceptions."""

from __future__ import annotations

import pytest

import kvcore
from kvcore import errors
from kvcore.errors import ClosedError, CommandError, ConfigError, KvcoreError, ProtocolError, WrongTypeError


def test_the_tree() -> None:
    for kind in (CommandError, ProtocolError, ConfigError, ClosedError):
        assert kind.__base__ is KvcoreError
    assert WrongTypeError.__base__ is CommandError
    assert kvcore.CommandError is CommandError


@pytest.mark.parametrize(
    ("text", "code"),
    [("ERR syntax error", "ERR"), ("NOSCRIPT No matching script.", "NOSCRIPT"), ("BARE", "BARE")],
)
def test_the_code_is_the_first_word(text: str, code: str) -> None:
    assert CommandError(text).code == code
    assert WrongTypeError().code == "WRONGTYPE"


def test_any_byte_survives_a_text() -> None:
    every = bytes(range(256))
    assert errors.text(every).encode("utf-8", "surrogateescape") == every


def test_any_byte_of_a_line_of_the_log_can_be_written() -> None:
    every = bytes(range(256))
    assert errors.printable(every).encode() == every[:128] + b"".join(b"\\x%02x" % byte for byte in every[128:])
    assert errors.printable("é".encode()) == "é"


def test_unknown_commands_are_quoted_up_to_a_limit() -> None:
    assert errors.unknown_command([b"NOSUCH"]) == "ERR unknown command 'NOSUCH', with args beginning with: "
    assert errors.unknown_command([b"No", b"a", b"b c"]).endswith("'No', with args beginning with: 'a' 'b c' ")
    assert f"'{'x' * 128}'," in errors.unknown_command([b"x" * 1000])
    assert "'a'," in errors.unknown_command([b"a\0b"])
    quoted = errors.unknown_command([b"c", *[b"y" * 50] * 1000]).partition("with: ")[2]
    assert quoted == f"'{'y' * 50}' '{'y' * 50}' '{'y' * 22}' "


def test_exec_repeats_the_reason_without_its_code() -> None:
    assert errors.exec_refused("ERR no") == "EXECABORT Transaction discarded because of: no"
    assert errors.exec_refused("NOAUTH no") == "EXECABORT Transaction discarded because of: NOAUTH no"


def test_constants_begin_with_a_code() -> None:
    texts = {name: value for name, value in vars(errors).items() if name.isupper() and isinstance(value, str)}
    assert len(texts) > 50
    wrong = [name for name, value in texts.items() if not value.split(" ", 1)[0].isupper() or "\n" in value]
    assert wrong == []


def test_every_text_stands_once() -> None:
    texts = [value for name, value in vars(errors).items() if name.isupper() and isinstance(value, str)]
    assert sorted(texts) == sorted(set(texts))
