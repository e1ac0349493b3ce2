"""Nanoseconds a command for the request decoder and the reply encoder.

Run ``python benchmarks/codec.py``. Rows are what the commands look like, columns how many one read brings;
each figure is the best of several runs, feed and take included. The last rows of the first table are a C
parser of replies (`hiredis`, if installed) turned into a request parser: its bare speed, and with the checks
without which it would take for commands what the real server refuses. They stand here because they are the
reason why the decoder is not built on it.
"""

from __future__ import annotations

import re
import timeit
from collections.abc import Callable
from itertools import chain
from typing import Any

from kvcore.resp.decoder import Decoder, PythonDecoder
from kvcore.resp.encoder import encode_many

try:
    import hiredis
except ImportError:
    hiredis = None

BATCHES = (1, 4, 16, 500)
Commands = list[list[bytes]]
Parse = Callable[[bytes], Commands]


def request(*argv: bytes) -> bytes:
    """Encode one command as a client does."""
    return b"*%d\r\n" % len(argv) + b"".join(b"$%d\r\n%b\r\n" % (len(item), item) for item in argv)


WORKLOADS: dict[str, Callable[[int], bytes]] = {
    "SET key:<12> xxx": lambda i: request(b"SET", b"key:%012d" % i, b"xxx"),
    "GET key:<12>": lambda i: request(b"GET", b"key:%012d" % i),
    "HSET": lambda i: request(b"HSET", b"myhash", b"element:%012d" % i, b"xxx"),
    "SET with EX": lambda i: request(b"SET", b"key:%012d" % i, b"xxx", b"EX", b"100"),
    "SET 1 KB": lambda i: request(b"SET", b"key:%012d" % i, b"x" * 1024),
    "SET with CRLF inside": lambda i: request(b"SET", b"key:%012d" % i, b"a\r\nb"),
    "MSET of 10": lambda i: request(b"MSET", *[b"key:%012d" % i] * 20),
    "PING, inline": lambda _: b"PING\r\n",
}

REPLIES: dict[str, Any] = {
    "OK": "OK",
    "small int": 7,
    "bulk of 3": b"xxx",
    "bulk of 10 KB": b"x" * 10240,
    "null": None,
    "double": 3.25,
    "status": "PONG",
    "array of 10 bulks": [b"element"] * 10,
}


def best(work: Callable[[], object], commands: int) -> float:
    """Return nanoseconds a command of the fastest run."""
    number = max(1, 4000 // commands)
    return min(timeit.repeat(work, number=number, repeat=7)) / number / commands * 1e9


def through(decoder: PythonDecoder) -> Parse:
    """Return a function that decodes one read."""

    def parse(data: bytes) -> Commands:
        decoder.feed(data)
        return decoder.take()

    return parse


def reply_parser() -> Parse:
    """Return the C parser as it is."""
    reader = hiredis.Reader()

    def parse(data: bytes) -> Commands:
        reader.feed(data)
        return list(iter(reader.gets, False))

    return parse


def guarded_reply_parser() -> Parse:
    """Return the C parser with the cheapest checks that prove a read to be nothing but canonical requests."""
    more = object()
    reader = hiredis.Reader(notEnoughData=more)
    big_claim = re.compile(rb"\*\d{5}").search

    def parse(data: bytes) -> Commands:
        # Arrays are allocated as claimed; sets, pushes, maps and verbatim strings look like requests.
        if big_claim(data) or any(mark in data for mark in (b"=", b"~", b">", b"|", b"%")):
            return []
        reader.feed(data)
        commands = list(iter(reader.gets, more))
        reader.feed(b"+.\r\n")  # an answer other than this one: something incomplete was pending
        if reader.gets() != b"." or not all(commands):
            return []
        flat = list(chain.from_iterable(commands))
        if b"\r" in b"".join(flat) or data.count(b"\r\n") != len(commands) + 2 * len(flat):
            return []
        return commands

    return parse


def main() -> None:
    """Print both tables."""
    print(f"{'decode, ns/command':34}" + "".join(f"{batch:>9}" for batch in BATCHES))
    parsers: dict[str, Parse] = {"": through(Decoder()), "reference": through(PythonDecoder())}
    if hiredis is not None:
        parsers |= {"C replies, bare": reply_parser(), "C replies, checked": guarded_reply_parser()}
    for label, parse in parsers.items():
        for name, build in WORKLOADS.items():
            if label.startswith("C") and not name.startswith(("SET k", "GET", "HSET")):
                continue
            figures = []
            for batch in BATCHES:
                data = b"".join(map(build, range(batch)))
                assert len(parse(data)) == batch
                figures.append(best(lambda parse=parse, data=data: parse(data), batch))
            print(f"{name + (label and f' ({label})'):34}" + "".join(f"{ns:9.0f}" for ns in figures))
    print(f"\n{'encode, ns/reply':34}" + "".join(f"{batch:>9}" for batch in BATCHES))
    for name, reply in REPLIES.items():
        figures = [best(lambda replies=[reply] * batch: encode_many(replies, 2), batch) for batch in BATCHES]
        print(f"{name:34}" + "".join(f"{ns:9.0f}" for ns in figures))


if __name__ == "__main__":
    main()
