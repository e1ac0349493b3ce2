"""Data sets as JSON lines: every type both ways, text that is not UTF-8, and lines that are no records."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvcore.digest import dataset_digest
from kvcore.engine import Engine
from kvcore.storage.json_lines import RecordError, commands, line, parse
from tests.engine_client import Client


def lines(client: Client) -> list[str]:
    return [
        line(db.index, key, value, db.expiry(key))
        for db in client.engine.keyspace.databases
        for key, value in sorted(db.items())
    ]


def load(client: Client, texts: list[str]) -> None:
    for text in texts:
        found = parse(text)
        assert client("SELECT", found.get("db", 0)) == "OK"
        for argv in commands(found):
            reply = client(*argv)
            assert not isinstance(reply, Exception), (argv, reply)


def reloaded(source: Client) -> Client:
    """Return a client of a new engine that holds what ``source`` does, and check that it does."""
    target = Client(Engine())
    texts = lines(source)
    load(target, texts)
    assert lines(target) == texts
    assert dataset_digest(target.engine.keyspace.databases) == dataset_digest(source.engine.keyspace.databases)
    return target


def test_it_reads_well() -> None:
    client = Client(Engine())
    client("SET", "greeting", "héllo")
    client("HSET", "user", "name", "Ada", "age", 36)
    client("ZADD", "z", 1, "one", 1.5, "more", "inf", "most", "-inf", "least")
    client("SELECT", 2)
    client("SADD", "s", "b", "a")
    client("RPUSH", "l", "2", "1")
    client("PEXPIREAT", "l", 99999999999999)
    assert lines(client) == [
        '{"key": "greeting", "type": "string", "value": "héllo"}',
        '{"key": "user", "type": "hash", "value": {"age": "36", "name": "Ada"}}',
        '{"key": "z", "type": "zset", "value": [["least", "-inf"], ["one", 1], ["more", 1.5], ["most", "inf"]]}',
        '{"db": 2, "key": "l", "type": "list", "value": ["2", "1"], "expires_ms": 99999999999999}',
        '{"db": 2, "key": "s", "type": "set", "value": ["a", "b"]}',
    ]
    reloaded(client)


words = st.binary(max_size=12) | st.text(max_size=5).map(str.encode)
scores = st.floats(allow_nan=False).filter(lambda score: str(score) != "-0.0")


@given(
    st.dictionaries(words, words, max_size=5),
    st.lists(words, min_size=1, max_size=150),
    st.dictionaries(words, scores, min_size=1, max_size=5),
)
def test_any_bytes_come_back(pairs: dict[bytes, bytes], items: list[bytes], scored: dict[bytes, float]) -> None:
    client = Client(Engine())
    for key, value in pairs.items():
        client("SET", b"string:" + key, value)
        client("HSET", b"hash", key, value)
    client("RPUSH", "list", *items)
    client("SADD", "set", *items)
    for member, score in scored.items():
        client("ZADD", "zset", score, member)
    reloaded(client)


def test_streams_come_back_with_groups_and_what_is_pending() -> None:
    client = Client(Engine())
    script = (
        "XADD s 1-1 f v g w|XADD s 2-1 f v|XADD s 3-1 other x|XDEL s 2-1|XGROUP CREATE s g 0|XGROUP CREATE s idle $"
        "|XREADGROUP GROUP g alice COUNT 1 STREAMS s >|XREADGROUP GROUP g bob STREAMS s >|XGROUP CREATECONSUMER s g zoe"
        "|XADD empty 5-5 f v|XDEL empty 5-5|XGROUP CREATE never g 0 MKSTREAM"
    )
    for text in script.split("|"):
        assert not isinstance(client(*text.split()), Exception)
    reloaded(client)


def test_what_is_pending_comes_back_when_its_entry_is_deleted() -> None:
    client = Client(Engine())
    script = (
        "XADD s 1-1 f v|XADD s 2-1 f v|XADD s 3-1 f v|XGROUP CREATE s g 0|XREADGROUP GROUP g alice STREAMS s >"
        "|XGROUP CREATE s h 2-1 ENTRIESREAD 2|XREADGROUP GROUP h bob STREAMS s >|XDEL s 1-1 3-1"
        "|XADD gone 5-5 f v|XADD gone 6-0 f v|XGROUP CREATE gone g 0|XREADGROUP GROUP g alice COUNT 1 STREAMS gone >"
        "|XTRIM gone MAXLEN 0"
    )
    for text in script.split("|"):
        assert not isinstance(client(*text.split()), Exception)
    reloaded(client)
    assert client("XPENDING", "gone", "g")[0] == 1
    torn = next(text for text in lines(client) if '"s"' in text).replace('[["1-1", ', '[["1", ')
    with pytest.raises(RecordError, match="malformed"):
        list(commands(parse(torn)))


def test_members_times_come_back() -> None:
    client = Client(Engine())
    client("HSET", "hash", "f", 1, "g", 2)
    client("HPEXPIREAT", "hash", 99999999999999, "FIELDS", 1, "f")
    client("ZADD", "zset", 1, "m")
    client("EXPIREMEMBERAT", "zset", "m", 9999999999)
    assert '"member_expires_ms": [["f", 99999999999999]]' in lines(client)[0]
    reloaded(client)


def test_loading_replaces_what_is_there() -> None:
    client = Client(Engine())
    client("RPUSH", "k", "old")
    load(client, ['{"key": "k", "type": "list", "value": ["new"]}'])
    assert client("LRANGE", "k", 0, -1) == [b"new"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", "not JSON"),
        ("[]", "not a record of a key"),
        ('{"type": "string", "value": ""}', "not a record of a key"),
        ('{"key": "k", "type": "graph", "value": ""}', "not a record of a key"),
        ('{"key": "k", "type": "string", "value": "", "db": "x"}', "no number of a database"),
        ('{"key": "k", "type": "string", "value": "", "db": true}', "no number of a database"),
        ('{"key": "k", "type": "string"}', "malformed: KeyError"),
        ('{"key": 1, "type": "string", "value": ""}', "malformed: TypeError"),
        ('{"key": "k", "type": "string", "value": {"base64": "?"}}', "malformed: ValueError"),
        ('{"key": "k", "type": "zset", "value": [["m", "x"]]}', "malformed: ValueError"),
        ('{"key": "k", "type": "stream", "value": {"entries": []}}', "malformed: KeyError"),
        ('{"key": "k", "type": "string", "value": "", "expires_ms": "soon"}', "malformed: TypeError"),
    ],
)
def test_what_is_no_record_is_refused(text: str, error: str) -> None:
    with pytest.raises(RecordError, match=error):
        list(commands(parse(text)))


def test_every_line_is_json_of_its_own() -> None:
    client = Client(Engine())
    client("SET", b"line\nbreak\xff", "\u2028")
    [text] = lines(client)
    assert "\n" not in text
    assert json.loads(text)["key"] == {"base64": "bGluZQpicmVha/8="}


def test_jobs() -> None:
    client = Client(Engine())
    client("SELECT", 4)
    client("KEYDB.CRON", "j", "repeat", 5, 10**15, "return 1", 2, "k", b"\xff", "argument")
    client("KEYDB.CRON", "once", "single", 10**12, "42")
    client("PEXPIREMEMBERAT", "j", "j", 4 * 10**12)
    client("PEXPIREAT", "j", 5 * 10**12)
    assert lines(client)[0] == (
        '{"db": 4, "key": "j", "type": "cron", "value": {"mode": "repeat", "start_ms": 5, '
        '"delay_ms": 1000000000000000, "next_ms": 4000000000000, "script": "return 1", '
        '"keys": ["k", {"base64": "/w=="}], "arguments": ["argument"]}, "expires_ms": 5000000000000}'
    )
    reloaded(client)
    assert "malformed" in str(_failure('{"key": "j", "type": "cron", "value": {"mode": "single"}}'))


def test_what_a_terminal_obeys_is_escaped() -> None:
    client = Client(Engine())
    client("SET", "\x1b[1m\x7f", "\x9b1m\u2028\u202e\u00e9")
    [text] = lines(client)
    assert text == '{"key": "\\u001b[1m\\u007f", "type": "string", "value": "\\u009b1m\\u2028\\u202e\u00e9"}'
    reloaded(client)


@pytest.mark.parametrize(
    "text",
    [
        '{"key": "k", "type": "string", "value": "v", "expires_ms": 1e999}',
        '{"key": "k", "type": "zset", "value": [["m", 1%s]]}' % ("0" * 400),
        '{"key": "k", "type": "set", "member_expires_ms": [["m", Infinity]], "value": ["m"]}',
    ],
)
def test_numbers_that_are_too_large_are_malformed(text: str) -> None:
    assert "malformed: OverflowError" in str(_failure(text))


def test_json_that_is_too_deep_is_none() -> None:
    assert "not JSON" in str(_failure("[" * 100_000))


def _failure(text: str) -> RecordError:
    with pytest.raises(RecordError) as caught:
        list(commands(parse(text)))
    return caught.value
