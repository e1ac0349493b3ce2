"""LCS against a table of lengths filled the plain way."""

from __future__ import annotations

import random

from kvcore.engine import Engine
from kvcore.replies import Reply
from tests.commands.conftest import Client


def expected(first: bytes, second: bytes) -> tuple[bytes, list[list[list[int]]]]:
    """Return the subsequence and its runs, last first, by the textbook's quadratic table."""
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, left in enumerate(first, 1):
        for j, right in enumerate(second, 1):
            same = left == right
            table[i][j] = table[i - 1][j - 1] + 1 if same else max(table[i - 1][j], table[i][j - 1])
    result = b""
    runs: list[list[list[int]]] = []
    i, j = len(first), len(second)
    while i and j:
        if first[i - 1] == second[j - 1]:
            i, j = i - 1, j - 1
            result = first[i : i + 1] + result
            if runs and runs[-1][0][0] == i + 1 and runs[-1][1][0] == j + 1:
                runs[-1][0][0], runs[-1][1][0] = i, j
            else:
                runs.append([[i, i], [j, j]])
        elif table[i - 1][j] > table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return result, runs


def test_agrees_with_the_table(client: Client) -> None:
    source = random.Random(5)
    for _ in range(300):
        letters = b"ab\x00\xffcdefgh"[: source.choice((2, 4, 10))]
        first = bytes(source.choices(letters, k=source.randrange(40)))
        second = bytes(source.choices(letters, k=source.randrange(40)))
        client("MSET", "a", first, "b", second)
        text, runs = expected(first, second)
        assert client("LCS", "a", "b") == text, (first, second)
        assert client("LCS", "a", "b", "LEN") == len(text)
        assert client("LCS", "a", "b", "IDX") == {b"matches": runs, b"len": len(text)}


def test_index_options(client: Client) -> None:
    client("MSET", "a", "ohmytext", "b", "mynewtext")
    long: Reply = [[4, 7], [5, 8], 4]
    short: Reply = [[2, 3], [0, 1], 2]
    assert client("LCS", "a", "b", "IDX", "WITHMATCHLEN") == {b"matches": [long, short], b"len": 6}
    assert client("LCS", "a", "b", "IDX", "WITHMATCHLEN", "MINMATCHLEN", 4) == {b"matches": [long], b"len": 6}
    assert client("LCS", "a", "b", "IDX", "MINMATCHLEN", -1) == {b"matches": [long[:2], short[:2]], b"len": 6}


def test_an_absent_key_is_an_empty_string(client: Client) -> None:
    client("SET", "a", "x")
    assert client("LCS", "a", "absent") == b""
    assert client("LCS", "absent", "a", "LEN") == 0
    assert client("LCS", "absent", "absent", "IDX") == {b"matches": [], b"len": 0}


def test_errors(client: Client, engine: Engine) -> None:
    client("RPUSH", "l", "x")
    client("MSET", "a", "x" * 600, "b", "x" * 600)
    assert client.error("LCS", "a", "l", "BAD") == "ERR The specified keys must contain string values"
    assert client.error("LCS", "a", "b", "BAD") == "ERR syntax error"
    assert client.error("LCS", "a", "b", "MINMATCHLEN") == "ERR syntax error"
    both = "ERR If you want both the length and indexes, please just use IDX."
    assert client.error("LCS", "a", "b", "IDX", "LEN") == both
    engine.limits.string_bytes = 1 << 20
    too_large = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
    assert client.error("LCS", "a", "b") == too_large


def test_works_on_strings_changed_in_place(client: Client) -> None:
    client("MSET", "a", "abc", "b", "abd")
    client("APPEND", "a", "x")
    client("APPEND", "b", "x")
    assert client("LCS", "a", "b") == b"abx"
