"""What config lines and the `aclfile` declare: users and renamed commands.

Here: checks while a config file is read, so that the message names the line, and opening the `aclfile`. Not here: rules
(:mod:`kvcore.acl`), and reading config text (:mod:`kvcore.config`). The rule: this only asks earlier; the engine
refuses the same things by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvcore.acl.control import check_declaration
from kvcore.acl.vocabulary import Vocabulary
from kvcore.dispatch import declared_commands, rename
from kvcore.frontends.text_file import LocalFile

if TYPE_CHECKING:
    from kvcore.config import Config
    from kvcore.engine import Engine


class Declarations:
    """The declarations of one configuration so far."""

    __slots__ = ("_commands", "_vocabulary")

    def __init__(self) -> None:
        self._commands = declared_commands()
        self._vocabulary = Vocabulary(dict(self._commands))

    def check_user(self, users: list[list[bytes]], words: list[bytes]) -> None:
        """Check a ``user`` line after those that declared ``users``; raise ConfigError."""
        check_declaration(self._vocabulary, users, words)

    def check_rename(self, name: bytes, new: bytes) -> None:
        """Check a ``rename-command`` line after those checked before; raise ConfigError."""
        rename(self._commands, name, new)


def check_while_reading(config: Config) -> None:
    """Have ``user`` and ``rename-command`` lines of a config file checked as they are read."""
    declarations = Declarations()
    config.check_user = declarations.check_user
    config.check_rename = declarations.check_rename


def open_acl_file(engine: Engine) -> None:
    """Load the users of the `aclfile`, if there is one; raise ConfigError."""
    path = engine.config.string("aclfile")
    if path:
        engine.acl.file = LocalFile(path)
        engine.acl.load_at_start()
