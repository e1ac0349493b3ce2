"""Talking to the target of a MIGRATE: what is sent, which answers count, and targets that lie."""

from __future__ import annotations

import pytest

from kvcore import errors
from kvcore.clock import ManualClock
from kvcore.engine import Engine
from kvcore.migration import IDLE_MS, LINE_MAX, LINKS_MAX, OpenLink, Transfer, request


class FakeLink:
    """The other end as a script: what it answers, piece by piece."""

    def __init__(self, *answers: bytes | OSError) -> None:
        self.answers = list(answers)
        self.sent = b""
        self.closed = False
        self.broken = False

    def send(self, data: bytes, _timeout_s: float) -> None:
        if self.broken:
            raise BrokenPipeError
        self.sent += data

    def receive(self, _timeout_s: float) -> bytes:
        answer = self.answers.pop(0) if self.answers else b""
        if isinstance(answer, OSError):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True


class FakeNetwork:
    """Hands out the links it was given, or raises."""

    def __init__(self, *links: FakeLink | OSError) -> None:
        self.links = list(links)

    def connect(self, _host: bytes, _port: int, _timeout_s: float) -> FakeLink:
        link = self.links.pop(0)
        if isinstance(link, OSError):
            raise link
        return link

    def background(self, _work: object, _done: object) -> bool:
        return False


def transfer(*links: FakeLink | OSError, keys: int = 2, password: bytes = b"") -> Transfer:
    items = [(b"k%d" % number, b"v", b"<%d>" % number) for number in range(keys)]
    target = (b"host", 6379, (password,) if password else ())
    return Transfer(FakeNetwork(*links), ManualClock(), target, 3, 1000, list(items))


def test_one_write_and_an_answer_for_each_key() -> None:
    link = FakeLink(b"+OK\r\n+O", b"K\r\n+OK\r\n")
    made = transfer(link)
    made.run()
    assert link.sent == request(b"SELECT", b"3") + b"<0><1>"
    assert (made.acknowledged, made.error, made.finished) == ([0, 1], "", True)
    assert made.open_link is not None
    assert made.open_link.database == 3
    assert not link.closed


def test_a_known_database_is_not_selected_again_and_credentials_are_always_sent() -> None:
    link = FakeLink(b"+OK\r\n" * 3)
    made = transfer(password=b"pw")
    made.open_link = OpenLink(link)
    made.open_link.database = 3
    made.run()
    assert link.sent == request(b"AUTH", b"pw") + b"<0><1>"
    assert made.acknowledged == [0, 1]


@pytest.mark.parametrize(
    ("answers", "acknowledged", "error"),
    [
        (b"+OK\r\n-BUSYKEY no\r\n+OK\r\n", [1], "BUSYKEY no"),
        (b"+OK\r\n-E one\r\n-E two\r\n", [], "E one"),
        (b"-ERR db\r\n+OK\r\n+OK\r\n", [], "ERR db"),
    ],
)
def test_only_what_was_restored_where_it_should_be_counts(answers: bytes, acknowledged: list[int], error: str) -> None:
    made = transfer(FakeLink(answers))
    made.run()
    assert made.acknowledged == acknowledged
    assert made.error == "ERR Target instance replied with error: " + error
    assert made.open_link is not None
    assert made.open_link.database == -1


def test_a_refused_password_counts_for_every_key() -> None:
    made = transfer(FakeLink(b"-WRONGPASS x\r\n+OK\r\n+OK\r\n+OK\r\n"), password=b"pw")
    made.run()
    assert (made.acknowledged, made.error) == ([], "ERR Target instance replied with error: WRONGPASS x")


@pytest.mark.parametrize(
    "answers",
    [
        (b"+OK\r\n+OK\r\n",),  # closes before the last
        (b"+OK\r\n+OK\r\n", TimeoutError()),
        (b"+OK\r\n+OK\r\n", ConnectionResetError()),
        (b"+OK\r\n+OK\r\n:1\r\n",),
        (b"+OK\r\n+OK\r\n$-1\r\n",),
        (b"+OK\r\n+OK\r\n\r\n",),
        (b"+OK\r\n+OK\r\n+", *[b"x" * 4096] * 100),  # no end to it
    ],
)
def test_what_is_no_answer_ends_it_and_what_was_acknowledged_stands(answers: tuple[bytes | OSError, ...]) -> None:
    link = FakeLink(*answers)
    made = transfer(link)
    made.run()
    assert (made.acknowledged, made.error) == ([0], errors.MIGRATE_READING)
    assert made.open_link is None
    assert link.closed
    assert len(link.answers) >= 100 - LINE_MAX // 4096 - 2 or not link.answers


def test_a_target_that_dribbles_runs_out_of_time() -> None:
    clock = ManualClock()

    class Dribbling(FakeLink):
        def receive(self, timeout_s: float) -> bytes:
            assert 0 < timeout_s <= 1
            clock.advance(400)
            return b"+"

    made = Transfer(FakeNetwork(Dribbling()), clock, (b"h", 1, ()), 0, 1000, [(b"k", b"v", b"<>")])
    made.run()
    assert made.error == errors.MIGRATE_READING


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (ConnectionRefusedError(), errors.MIGRATE_WRITING),
        (TimeoutError(), errors.MIGRATE_CONNECTING),
        (OSError("no such host"), errors.MIGRATE_CONNECTING),
    ],
)
def test_no_connection(failure: OSError, error: str) -> None:
    made = transfer(failure)
    made.run()
    assert (made.acknowledged, made.error, made.finished) == ([], error, True)


@pytest.mark.parametrize("broken", [True, False])
def test_a_kept_link_that_had_ended_is_made_anew(broken: bool) -> None:
    old, new = FakeLink(), FakeLink(b"+OK\r\n" * 3)
    old.broken = broken
    made = transfer(new)
    made.open_link = OpenLink(old)
    made.open_link.database = 3
    made.run()
    assert old.closed
    assert (made.acknowledged, made.error) == ([0, 1], "")
    assert new.sent.startswith(request(b"SELECT", b"3"))


def test_a_new_link_that_fails_is_not_tried_again() -> None:
    made = transfer(FakeLink(), FakeLink(b"+OK\r\n" * 3))
    made.run()
    assert made.error == errors.MIGRATE_READING


def test_links_are_kept_for_a_while_and_not_without_end(engine: Engine, clock: ManualClock) -> None:
    links = [FakeLink() for _ in range(LINKS_MAX + 1)]
    db = engine.keyspace.databases[0]
    for port, link in enumerate(links):
        made = Transfer(engine.network, clock, (b"h", port, ()), 0, 1000, [])
        made.open_link = OpenLink(link)
        made.finished = True
        assert engine.migrations.end(made, db, copy=False) == "OK"
    assert [link.closed for link in links] == [True] + [False] * LINKS_MAX
    again = Transfer(engine.network, clock, (b"h", 1, ()), 0, 1000, [])
    engine.migrations.begin(again, aside=False)
    assert again.open_link is not None
    assert again.open_link.link is links[1]
    clock.advance(IDLE_MS)
    engine.tick()
    assert all(link.closed for link in links[2:])
    assert not links[1].closed


def test_an_unexpected_failure_is_no_success(engine: Engine, clock: ManualClock) -> None:
    made = Transfer(engine.network, clock, (b"h", 1, ()), 0, 1000, [])
    engine.migrations.begin(made, aside=False)
    assert str(engine.migrations.end(made, engine.keyspace.databases[0], copy=False)) == errors.INTERNAL
