"""A client for tests of the engine: no socket, no RESP, native replies."""

from __future__ import annotations

from kvcore.engine import Engine
from kvcore.replies import Reply
from kvcore.session import Session

Argument = bytes | str | int | float


def encode(argument: Argument) -> bytes:
    """Turn a test's argument into the bytes a client would send."""
    if isinstance(argument, bytes):
        return argument
    if isinstance(argument, str):
        return argument.encode()
    return repr(argument).encode()


class Client:
    """A session that is called with the words of a command and returns the native reply; errors are returned."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.session: Session = engine.session()
        self.delivered: list[Reply] = []
        self.session.deliver = self.delivered.append

    def __call__(self, *words: Argument) -> Reply:
        return self.engine.execute(self.session, [encode(word) for word in words])

    def error(self, *words: Argument) -> str:
        """Run a command that must fail; return the error text."""
        reply = self(*words)
        assert isinstance(reply, Exception), reply
        return str(reply)
