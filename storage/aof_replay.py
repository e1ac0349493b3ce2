"""Running the commands of an append-only file on an engine that is not serving yet.

What lives here: execution, and what of a file counts as whole: a transaction whose EXEC is missing never began. What
must not: files, and the RDB part of a base. The rule: commands run as a primary's do on a replica, so that no gate made
for clients (passwords, memory, read-only) can refuse what was accepted once.
"""

from __future__ import annotations

import logging

from kvcore.engine import Engine
from kvcore.errors import AofError, CommandError
from kvcore.replies import Reply

logger = logging.getLogger("kvcore.aof")

_MULTI = b"multi"
_EXEC = b"exec"


class Replay:
    """One file's commands on an engine."""

    __slots__ = ("_commands", "_engine", "_multi_offset", "_name", "_session", "offset")

    def __init__(self, engine: Engine, name: str, offset: int = 0) -> None:
        self._engine = engine
        self._name = name
        self._session = engine.session(trusted=True)
        self._session.kind = "master"
        self._multi_offset = -1
        self._commands = 0
        self.offset = offset
        """Up to where the file is whole."""

    @property
    def commands(self) -> int:
        """How many commands ran."""
        return self._commands

    @property
    def in_transaction(self) -> bool:
        """Whether a MULTI has no EXEC yet."""
        return self._multi_offset >= 0

    def run(self, commands: list[tuple[list[bytes], int]]) -> None:
        """Run commands, each given with the offset of its end; raise AofError for one that does not exist."""
        if not commands:
            return
        replies: list[Reply] = []
        batch = [argv for argv, _ in commands]
        names = {argv[0] for argv in batch}
        if self._multi_offset < 0 and not any(name.lower() in (_MULTI, _EXEC) for name in names):
            self.offset = commands[-1][1]
        else:
            self._follow_transactions(commands)
        ran = 0
        while ran < len(batch):
            ran += self._engine.execute_many(self._session, batch[ran:] if ran else batch, replies)
            self._session.interrupt = 0
        self._commands += ran
        self._session.outbox.clear()
        for argv, reply in zip(batch, replies, strict=True):
            for each in reply if isinstance(reply, list) else [reply]:
                if isinstance(each, CommandError):
                    self._report(argv, str(each))

    def _follow_transactions(self, commands: list[tuple[list[bytes], int]]) -> None:
        start = self.offset if self._multi_offset < 0 else self._multi_offset
        for argv, end in commands:
            name = argv[0].lower()
            if name == _MULTI:
                self._multi_offset = start
            elif name == _EXEC:
                self._multi_offset = -1
            if self._multi_offset < 0:
                start = end
        self.offset = start

    def _report(self, argv: list[bytes], text: str) -> None:
        if text.startswith(("ERR unknown command", "ERR unknown subcommand")):
            name = argv[0].decode("utf-8", "replace")
            raise AofError(f"Unknown command '{name}' reading the append only file {self._name}")
        self._engine.statistics.unexpected_errors += 1
        name = argv[0].decode("utf-8", "replace")
        logger.critical(
            "== CRITICAL == This server is sending an error to its AOF-loading-client: '%s' after processing the "
            "command '%s'",
            text,
            name,
        )
        if self._engine.config.string("propagation-error-behavior") == "panic":
            raise AofError(
                f"This server panicked sending an error to its AOF-loading-client after processing the command '{name}'"
            )

    def close(self) -> None:
        """Forget what a transaction without EXEC queued, and end the session."""
        self._engine.drop(self._session)
