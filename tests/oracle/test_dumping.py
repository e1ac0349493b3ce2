"""DUMP, RESTORE and the digests beside the real server: bytes, both directions, and payloads that lie.

Where the real server writes a hash table, the order is its own and only the content is compared. A list is compared as
pushed at its tail: where its nodes end afterwards depends on its history, which kvcore does not keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from kvcore.engine import Engine
from kvcore.errors import CommandError
from kvcore.rdb import intset, listpack, types
from kvcore.rdb.payload import seal
from tests.engine_client import Client
from tests.oracle.conftest import Fleet
from tests.oracle.harness import Mismatch, Pair, check
from tests.oracle.servers import Server, find_oracle, start_oracle
from tests.oracle.wire import CLOSED, Argument, Wire, encode_command
from tests.rdb.samples import PAYLOADS, SCORED, TEXTS, blob, mutated, ziplist, zipmap

Words = tuple[Argument, ...]

BATCH = 50
SEEDS = 5
VALUES = 450
MANY_VALUES = 2000
MUTATIONS = 1200
MANY_MUTATIONS = 20_000


class Batch:
    """Runs many commands at once on a server, and the same ones on an engine."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.session = server.connect()
        self.engine = Engine(random=Random(1))
        self.engine.config.set("enable-debug-command", "yes")
        self.client = Client(self.engine)
        self.run([("FLUSHALL",)])

    def run(self, commands: list[Words]) -> list[tuple[Wire, object]]:
        """Return both replies to each command: the server's and the engine's."""
        return list(zip(self.theirs(commands), self.ours(commands), strict=True))

    def theirs(self, commands: list[Words]) -> list[Wire]:
        self.session.send_raw(b"".join(map(encode_command, commands)))
        return [self.session.read(20) for _ in commands]

    def ours(self, commands: list[Words]) -> list[object]:
        return [self.client(*words) for words in commands]

    def close(self) -> None:
        self.session.close()


def same(theirs: object, ours: object, what: object) -> None:
    """Insist on equality."""
    if theirs != ours:
        raise Mismatch(f"{what}\n  oracle: {theirs!r}\n  kvcore: {ours!r}")


@pytest.fixture(scope="module")
def victim(fleet: Fleet) -> Iterator[Server]:
    """Start a real server that may be given anything; it ends with the module."""
    binary = find_oracle()
    assert binary is not None, "the fleet would have skipped"
    server = start_oracle(binary)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def batch(victim: Server) -> Iterator[Batch]:
    found = Batch(victim)
    yield found
    found.close()


# Commands


def test_errors_and_their_order(pair: Pair) -> None:
    check(
        pair,
        r"""
        DUMP none
        DUMP
        DUMP a b
        SET busy x
        RESTORE k 0
        RESTORE k 0 x WHAT
        RESTORE busy x x WHAT
        RESTORE busy x x
        RESTORE busy x x REPLACE
        RESTORE k -1 x
        RESTORE k 9223372036854775808 x
        RESTORE k 0 x
        RESTORE k 0 ""
        RESTORE k 0 "\x0a\x00\x5d\x9b\x5c\x40\x0f\x7f\xa2\xda"
        RESTORE k 0 "\x00\x05hello\x0a\x00\x63\x72\xdf\x76\x65\x34\x20\x0a"
        RESTORE k 0 "\x00\x05hello\x0a\x00\x63\x72\xdf\x76\x65\x34\x20\x0b" REPLACE
        RESTORE k 0 x IDLETIME
        RESTORE k 0 x FREQ
        RESTORE k 0 x idletime 1 freq 1
        RESTORE k 0 x FREQ 1 IDLETIME 1
        RESTORE k 0 x IDLETIME x
        RESTORE k 0 x IDLETIME -1
        RESTORE k 0 x IDLETIME -1 WHAT
        RESTORE k 0 x WHAT IDLETIME -1
        RESTORE k 0 x FREQ -1
        RESTORE k 0 x FREQ 256
        RESTORE k 0 x FREQ 1.5
        RESTORE k 0 x FREQ 255 FREQ 3 ABSTTL REPLACE absttl
        RESTORE-ASKING k 0 x
        RESTORE-ASKING busy 0 x
        KEYS *
        """,
    )


HELLO = seal(b"\0\5hello")


def test_times_to_live(pair: Pair) -> None:
    pair.both("RESTORE", "a", 100_000, HELLO)
    pair.both_ttl("PTTL", "a")
    pair.both("RESTORE", "b", 4_000_000_000_000, HELLO, "ABSTTL")
    pair.both("PEXPIRETIME", "b")
    pair.both("RESTORE", "c", 0, HELLO, "ABSTTL")
    pair.both("PTTL", "c")
    for ttl, options in ((1, ("ABSTTL",)), (9_223_372_036_854_775_807, ()), (1, ("ABSTTL", "REPLACE"))):
        pair.both("RESTORE", "d", ttl, HELLO, *options)
        pair.both("RESTORE", "a", ttl, HELLO, *options)
        pair.both("EXISTS", "a", "d")
    pair.both("RESTORE", "b", 0, HELLO, "REPLACE")
    pair.both("PTTL", "b")
    pair.both("GET", "b")


def test_frames(wire_pair: Pair) -> None:
    for payload in (
        seal(b"\0\1a", version=0),
        seal(b"\0\1a", version=13),
        seal(b"\0\1abehind the value"),
        seal(b"\0\5a"),  # the value goes on in the frame
        b"\0\1a\x0a\0" + bytes(8),
        seal(b"\x14" + blob(listpack.encode([b"a"]))),
        seal(b"\x15\0\0\0\0\0\0\0\0\0\0"),
        seal(b"\x06\x01"),
        seal(b"\x07\x01\x00"),
        seal(b"\x08\x01a"),
        seal(b"\0\xc3\x01\0\0"),
        seal(b"\x01\xc2\1a\1b"),  # an encoded string's mark as a count
    ):
        wire_pair.both("RESTORE", "k", 0, payload, "REPLACE")
        wire_pair.both("TYPE", "k")
        wire_pair.both("DEBUG", "DIGEST-VALUE", "k")
        wire_pair.both("DEL", "k")


@pytest.mark.parametrize("mode", ["yes", "clients"])
@pytest.mark.parametrize("name", PAYLOADS)
def test_every_type(wire_pair: Pair, name: str, mode: str) -> None:
    wire_pair.config("sanitize-dump-payload", mode)
    wire_pair.both("RESTORE", "k", 0, seal(PAYLOADS[name]))
    kind = wire_pair.both("TYPE", "k")
    encoding = wire_pair.both("OBJECT", "ENCODING", "k")
    assert kind
    wire_pair.both("DEBUG", "DIGEST-VALUE", "k")
    wire_pair.both("DEBUG", "DIGEST")
    if encoding != b"hashtable" and name != "quicklist_2" and name != "quicklist":
        wire_pair.both("DUMP", "k")


def test_limits_at_restoring(wire_pair: Pair) -> None:
    for name, value in (
        ("hash-max-listpack-entries", 3),
        ("hash-max-listpack-value", 5),
        ("zset-max-listpack-entries", 2),
        ("zset-max-listpack-value", 5),
        ("set-max-intset-entries", 3),
    ):
        wire_pair.config(name, value)
    bodies = [
        *PAYLOADS.values(),
        b"\x10" + blob(listpack.encode([b"f", b"a long value"])),
        b"\x0d" + blob(ziplist([b"f", b"a long value"])),
        b"\x09" + blob(zipmap((b"f", b"a long value", 0))),
        b"\x11" + blob(listpack.encode([b"a long member", b"1"])),
        b"\x0b" + blob(intset.encode([1, 2, 3])),
        b"\x04\x01\x06a long\x01v",
        b"\x03\x01\x06a long\x011",
        b"\x02\x03\x011\x012\x013",
    ]
    for body in bodies:
        wire_pair.both("RESTORE", "k", 0, seal(body), "REPLACE")
        wire_pair.both("OBJECT", "ENCODING", "k")
        wire_pair.both("DEBUG", "DIGEST-VALUE", "k")


REFUSED_EVEN_WITHOUT_SANITIZING = [
    b"\x0a" + blob(ziplist([1])[:-1]),
    b"\x0b" + blob(intset.encode([1, 2])[:-1]),
    b"\x0b\x08\x03\0\0\0\0\0\0\0",
    b"\x09\x02\x00\xff",
    b"\x0d" + blob(ziplist([b"a", 1, b"a", 2])),
    b"\x0c" + blob(ziplist([b"a"])),
    b"\x02\x02\x01a\x01a",
    b"\x05\x02\x01a" + bytes(8) + b"\x01a" + bytes(8),
    b"\x05\x01\x01a" + b"\xff" * 8,
    b"\x12\x01\x03\x01a",
    b"\x10" + blob(listpack.encode(SCORED)[:-1] + b"\0"),
    b"\x01\x00",
    b"\x01\x82",
    b"\0\xc4\0",
    b"\0\x80\xff\xff\xff\xff",
]


def test_what_is_refused_either_way(pair: Pair) -> None:
    for mode in ("no", "yes"):
        pair.config("sanitize-dump-payload", mode)
        for body in REFUSED_EVEN_WITHOUT_SANITIZING:
            pair.both("RESTORE", "k", 0, seal(body))
    pair.both("EXISTS", "k")


def test_what_only_sanitizing_refuses(pair: Pair) -> None:
    bad_count = bytearray(listpack.encode(TEXTS))
    bad_count[4] = 200
    bad_backlen = bytearray(listpack.encode([b"a", b"b"]))
    bad_backlen[-2] = 9
    bodies = [b"\x12\x01\x02" + blob(bytes(bad)) for bad in (bad_count, bad_backlen)]
    bodies.append(b"\x0b" + blob(intset.encode([2, 1])))
    for mode in ("no", "yes"):
        pair.config("sanitize-dump-payload", mode)
        for body in bodies:
            pair.both("RESTORE", "k", 0, seal(body), "REPLACE")
            pair.both("DEL", "k")


@pytest.mark.parametrize("fill", [-5, -4, -3, -2, -1, 0, 1, 3, 100, 40_000])
def test_nodes_of_lists(pair: Pair, fill: int) -> None:
    pair.config("list-max-listpack-size", fill)
    random = Random(fill)
    for size in (3, 60, 300, 3000):
        pair.both("DEL", "k")
        pair.both("RPUSH", "k", *(b"%d" % random.randrange(10 ** random.randrange(1, 9)) * size for _ in range(60)))
        pair.both("DUMP", "k")
        pair.both("RPUSH", "k", *range(50))
        pair.both("DUMP", "k")


def test_compression_is_a_choice(pair: Pair) -> None:
    for flag in ("no", "yes"):
        pair.config("rdbcompression", flag)
        for size in (19, 20, 21, 22, 100, 10_000):
            pair.both("SET", "k", "ab" * size)
            pair.both("DUMP", "k")
            pair.both("SET", "k", "a" * size)
            pair.both("DUMP", "k")


def test_usage(pair: Pair) -> None:
    pair.config("maxmemory-policy", "allkeys-lru")
    pair.both("RESTORE", "k", 0, HELLO, "IDLETIME", 1000)
    pair.both_ttl("OBJECT", "IDLETIME", "k", tolerance=1)
    pair.config("maxmemory-policy", "allkeys-lfu")
    pair.both("RESTORE", "j", 0, HELLO, "FREQ", 100)
    pair.both("OBJECT", "FREQ", "j")


def test_streams_with_groups(wire_pair: Pair) -> None:
    check(
        wire_pair,
        """
        XADD s 1-1 f v
        XADD s 1-2 f w g x
        XADD s 2-1 f v
        XADD s 3-1 f v
        XDEL s 2-1
        XGROUP CREATE s group 0
        XGROUP CREATE s other 1-2 ENTRIESREAD 2
        XREADGROUP GROUP group bob COUNT 2 STREAMS s >
        XREADGROUP GROUP group alice COUNT 1 STREAMS s >
        XACK s group 1-1
        """,
    )
    theirs, ours = wire_pair.ask("DUMP", "s")
    for payload in (theirs.text, ours.text):
        wire_pair.both("RESTORE", "copy", 0, payload, "REPLACE")
        wire_pair.both("XRANGE", "copy", "-", "+")
        wire_pair.both("XPENDING", "copy", "group")
        wire_pair.both("XINFO", "GROUPS", "copy")
        wire_pair.both("XADD", "copy", "3-*", "f", "v")
        wire_pair.both("XREADGROUP", "GROUP", "group", "bob", "STREAMS", "copy", "0")
        wire_pair.both("DEBUG", "DIGEST-VALUE", "copy", "s")


def test_serialized_length_and_nodes(wire_pair: Pair) -> None:
    wire_pair.both("RPUSH", "l", *range(3000))
    wire_pair.both("SET", "s", "text " * 20)
    wire_pair.both("ZADD", "z", 1.5, "a", 2, "b")
    for key, rest in (("l", r"lru.* (ql_nodes:\d+ .*)$"), ("s", ""), ("z", "")):
        texts = [reply.text.decode() for reply in wire_pair.ask("DEBUG", "OBJECT", key)]
        pattern = rf"encoding:\w+ serializedlength:\d+ {rest}"
        wire_pair.matches(pattern, "DEBUG", "OBJECT", key)
        assert len({text.partition("encoding:")[2].partition(" lru:")[0] for text in texts}) == 1
        assert len({text.partition(" ql_")[2] for text in texts}) == 1


def test_events(wire_pair: Pair) -> None:
    wire_pair.config("notify-keyspace-events", "KEAn")
    listener = wire_pair.client(2)
    listener.both("PSUBSCRIBE", "__keyevent@0__:*")
    wire_pair.both("RESTORE", "k", 0, HELLO)
    wire_pair.both("RESTORE", "k", 100_000, HELLO, "REPLACE")
    wire_pair.both("RESTORE", "k", 1, HELLO, "REPLACE", "ABSTTL")
    wire_pair.both("RESTORE", "none", 1, HELLO, "REPLACE", "ABSTTL")
    wire_pair.both("SET", "end", "of test")
    message = listener.read()
    while message[-1] != b"end":
        message = listener.read()


# Random values


class Values:
    """Commands that make a value of a random type and form."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def text(self) -> bytes:
        """Return a text of the kinds that encodings treat differently."""
        random = self.random
        match random.randrange(8):
            case 0:
                return random.choice((b"", b"a", b"x" * 63, b"y" * 64, b"z" * 65, b"0", b"-0", b"007", b"+1", b"-1"))
            case 1 | 2 | 3:
                bound = random.choice((200, 5000, 40_000, 9_000_000, 2**32, 2**63))
                return b"%d" % random.randrange(-bound, bound)
            case 4:
                return random.randbytes(random.choice((1, 3, 11, 12, 20, 21, 40, 63, 64)))
            case 5:
                return bytes(random.choices(b"ab cd", k=random.choice((5, 20, 21, 22, 30, 64, 150))))
            case 6:
                return random.randbytes(3) * random.randrange(30)
            case _:
                length = random.choice((10, 20, 100, 100, 500, 17_000 if random.random() < 0.02 else 30))
                return bytes(random.choices(b"abcdefgh", k=length))

    def score(self) -> str:
        """Return a score as text."""
        random = self.random
        simple = ("0", "-0", "inf", "-inf", "4611686018427387904", "9223372036854775808", "5e-324", "1e300", "0.1")
        match random.randrange(3):
            case 0:
                return random.choice(simple)
            case 1:
                return str(random.randrange(-(10**6), 10**6))
            case _:
                return repr(random.uniform(-1e20, 1e20) * random.random() ** 9)

    def commands(self, key: str) -> list[Words]:
        """Return the commands that make one value."""
        random = self.random
        count = random.choice((1, 2, 5, 20, 60, 60 if random.random() < 0.9 else 600))
        texts = [self.text() for _ in range(2 * count)]
        match random.randrange(9):
            case 0:
                return [("SET", key, texts[0])]
            case 1:
                return [("APPEND", key, texts[0]), ("APPEND", key, texts[1] or b"x")]
            case 2:
                return [("RPUSH", key, *texts)]
            case 3:
                bound = random.choice((100, 40_000, 2**40))
                return [("SADD", key, *(random.randrange(-bound, bound) for _ in range(count)))]
            case 4:
                return [("SADD", key, *texts)]
            case 5:
                longest = random.choice((64, 64, 1000))
                return [("HSET", key, *(text[:longest] for text in texts))]
            case 6 | 7:
                longest = random.choice((64, 64, 1000))
                words = [word for text in texts[:count] for word in (self.score(), text[:longest])]
                return [("ZADD", key, *words)]
            case _:
                return self.stream(key, texts)

    def stream(self, key: str, texts: list[bytes]) -> list[Words]:
        """Return the commands that make a stream, some entries of which are deleted."""
        random = self.random
        commands: list[Words] = []
        at = random.choice((1, 1_700_000_000_000))
        ids: list[str] = []
        for sequence, text in enumerate(texts, 1):
            at += random.choice((0, 0, 1, 100_000))
            ids.append(f"{at}-{sequence}")
            names = random.choice((("f",), ("f",), ("g", "h")))
            commands.append(("XADD", key, ids[-1], *(word for name in names for word in (name, text))))
            if random.random() < 0.1:
                commands.append(("XDEL", key, random.choice(ids)))
        if random.random() < 0.3:
            commands.append(("XTRIM", key, "MAXLEN", random.randrange(len(ids) + 1)))
        if random.random() < 0.3:
            commands.append(("XGROUP", "CREATE", key, "group", random.choice(("0", "$", ids[0]))))
        return commands


def compare_values(batch: Batch, values: Values, count: int) -> None:
    """Make ``count`` values on both sides; insist on equal bytes, and let each side read the other's."""
    for first in range(0, count, BATCH):
        keys = [f"k{number}" for number in range(first, min(first + BATCH, count))]
        made = {key: values.commands(key) for key in keys}
        batch.run([("FLUSHALL",), *(command for commands in made.values() for command in commands)])
        dumps = batch.run([("DUMP", key) for key in keys])
        encodings = batch.run([("OBJECT", "ENCODING", key) for key in keys])
        expected = digests(batch, keys)
        for key, (theirs, ours), (their_encoding, our_encoding) in zip(keys, dumps, encodings, strict=True):
            same(their_encoding.text, our_encoding, made[key][:3])
            if our_encoding != b"hashtable":
                same(theirs.text, ours, made[key][:3])
        pairs = list(zip(keys, dumps, strict=True))
        taken = batch.theirs([("RESTORE", key, 0, ours, "REPLACE") for key, (_, ours) in pairs])
        same([b"OK"] * len(keys), [reply.text for reply in taken], "RESTORE of kvcore's payloads")
        answers = batch.ours([("RESTORE", key, 0, theirs.text, "REPLACE") for key, (theirs, _) in pairs])
        same(["OK"] * len(keys), answers, "RESTORE of the real server's payloads")
        same(expected, digests(batch, keys), "digests of what was restored")
        for theirs, ours in batch.run([("OBJECT", "ENCODING", key) for key in keys]):
            same(theirs.text, ours, "encoding of what was restored")


def digests(batch: Batch, keys: list[str]) -> list[str]:
    """Return the digests of ``keys``, on which both sides must agree."""
    replies = batch.run([("DEBUG", "DIGEST"), ("DEBUG", "DIGEST-VALUE", *keys)])
    same(replies[0][0].text.decode(), replies[0][1], "DEBUG DIGEST")
    found = [item.text.decode() for item in replies[1][0].items]
    same(found, replies[1][1], keys)
    return found


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_values(batch: Batch, seed: int) -> None:
    compare_values(batch, Values(Random(seed)), VALUES)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(100, 100 + SEEDS))
def test_many_random_values(batch: Batch, seed: int) -> None:
    compare_values(batch, Values(Random(seed)), MANY_VALUES)


# Payloads that lie


STRICTER = ("not in order", "not its group's alone", "score is not a number")
"""What kvcore refuses and the real server takes even when sanitizing: it cannot be held, or not be searched."""


def bodies_of(batch: Batch, random: Random) -> list[bytes]:
    """Return the bodies to mutate: each type by hand, and what the real server writes with and without LZF."""
    values = Values(random)
    batch.theirs([("FLUSHALL",)])
    bodies = list(PAYLOADS.values())
    for flag in ("no", "yes"):
        keys = [f"{flag}{number}" for number in range(20)]
        batch.theirs([("CONFIG", "SET", "rdbcompression", flag)])
        batch.theirs([command for key in keys for command in values.commands(key)])
        written = [reply.text[:-10] for reply in batch.theirs([("DUMP", key) for key in keys])]
        # A hash table is never in the same order twice: the one written by hand has to do.
        bodies += [body for body in written if len(body) < 20_000 and body[0] not in (types.SET, types.HASH)]
    return bodies


def mutation(bodies: list[bytes], random: Random) -> bytes:
    """Return a mutated payload of a type both know, which makes no server reserve a table of billions of entries."""
    while True:
        body = mutated(random.choice(bodies), random)
        if body and body[0] == types.CRON_JOB:
            continue  # KeyDB's
        if body[:1] not in (b"\2", b"\3", b"\4", b"\5") or body[1:2] not in (b"\x80", b"\x81"):
            return seal(body)


def verdicts(batch: Batch, payloads: list[bytes]) -> list[tuple[Wire, Wire]]:
    """Return what the real server says of each payload, and the digest of what it made of it."""
    commands: list[Words] = [("FLUSHALL",)]
    for number, payload in enumerate(payloads):
        commands.append(("RESTORE", f"k{number}", 0, payload))
        commands.append(("DEBUG", "DIGEST-VALUE", f"k{number}"))
    replies = batch.theirs(commands)[1:]
    return list(zip(replies[::2], replies[1::2], strict=True))


def compare_mutations(victim: Server, seed: int, count: int) -> None:
    """Restore mutated payloads on both sides: the same are taken, as the same values, and nothing else changes."""
    random = Random(seed)
    batch = Batch(victim)
    batch.theirs([("CONFIG", "SET", "sanitize-dump-payload", "yes")])
    batch.engine.config.set("sanitize-dump-payload", "yes")
    bodies = bodies_of(batch, random)
    batch.client("SET", "k", "untouched", "EX", 1000)
    before = batch.client("DEBUG", "DIGEST")
    taken = stricter = 0
    for _ in range(0, count, BATCH):
        payloads = [mutation(bodies, random) for _ in range(BATCH)]
        for payload, (verdict, digest) in zip(payloads, verdicts(batch, payloads), strict=True):
            assert CLOSED not in (verdict, digest), f"the real server died of {payload.hex()}"
            reply = batch.client("RESTORE", "k", 0, payload, "REPLACE")
            if reply == "OK":
                same(verdict.text, b"OK", payload.hex())
                same([digest.items[0].text.decode()], batch.client("DEBUG", "DIGEST-VALUE", "k"), payload.hex())
                batch.client("SET", "k", "untouched", "EX", 1000)
                taken += 1
            elif verdict.text == b"OK":
                cause = reply.__cause__ if isinstance(reply, CommandError) else None
                same(True, any(why in str(cause) for why in STRICTER), f"{payload.hex()}: {cause!r}")
                stricter += 1
            else:
                same(verdict.text.decode(), str(reply), payload.hex())
            assert batch.client("DEBUG", "DIGEST") == before
    batch.close()
    assert count / 10 < taken < count * 9 / 10
    assert stricter < count / 50


@pytest.mark.parametrize("seed", range(SEEDS))
def test_mutated_payloads(victim: Server, seed: int) -> None:
    compare_mutations(victim, seed, MUTATIONS)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(100, 100 + SEEDS))
def test_many_mutated_payloads(victim: Server, seed: int) -> None:
    compare_mutations(victim, seed, MANY_MUTATIONS)


# Members that expire


PERISHABLE: tuple[tuple[Words, Words], ...] = (
    (("HSET", "k", "a", "1", "b", "2"), ("EXPIREMEMBER", "k", "a", "100")),
    (("SADD", "k", "1", "2", "3"), ("EXPIREMEMBER", "k", "2", "100")),
    (("ZADD", "k", "1", "a", "2", "b"), ("EXPIREMEMBER", "k", "b", "100")),
)


@pytest.mark.parametrize(("fill", "expire"), PERISHABLE)
def test_the_real_server_restores_a_value_whose_members_expire(batch: Batch, fill: Words, expire: Words) -> None:
    (plain,) = (theirs.text for theirs, _ in batch.run([fill, ("DUMP", "k")])[1:])
    batch.client(*expire)
    payload = batch.client("DUMP", "k")
    assert isinstance(payload, bytes)
    assert payload != plain
    restored = batch.run([("RESTORE", "k2", "0", payload), ("DUMP", "k2")])
    assert [theirs.text for theirs, _ in restored] == [b"OK", plain]
    assert restored[1][1] == payload


def test_a_valkey_hash_whose_fields_expire_is_restored(batch: Batch) -> None:
    payload = bytes.fromhex(
        "16030161c001ffffffffffffffff0162c0027b38d360ba0100000163c003ffffffffffffffff5000ea6fac37c312b88d"
    )
    assert batch.client("RESTORE", "k", 0, payload) == "OK"
    assert batch.client("HGETALL", "k") == {b"a": b"1", b"b": b"2", b"c": b"3"}
    assert batch.client("HPEXPIRETIME", "k", "FIELDS", 2, "a", "b") == [-1, 1900000000123]
