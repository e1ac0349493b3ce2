"""What a URL says of a server: ``redis://``, ``rediss://`` (TLS) and ``unix://``, and the options behind the ``?``.

What lives here: reading the URL. What must not: sockets (remote_link.py). The rule: nothing that is refused shows a
password, and whatever is wrong with a URL is said in one line before anything is connected.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from copy import copy
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from kvcore.errors import ConfigError

SCHEMES: Final = ("redis", "rediss", "unix")

OPTIONS: Final = (
    "client_name",
    "connect_timeout",
    "db",
    "max_connections",
    "password",
    "ssl_ca_certs",
    "ssl_cert_reqs",
    "ssl_certfile",
    "ssl_check_hostname",
    "ssl_keyfile",
    "timeout",
    "username",
)
"""Options of a remote store; those of TLS are spelled as in redis-py's URLs."""

Option = bool | int | float | str

_PASSWORD: Final = re.compile(r"(?<=[?&]password=)[^&#]*")
_UNREADABLE: Final = "the URL of the server cannot be read: redis://user:password@host:port/0, with / ? # @ as %2F ..."

_PORT: Final = 6379
_CONNECT_S: Final = 10.0
_CONNECTIONS: Final = 100
_YES: Final = ("1", "true", "yes", "on")
_NO: Final = ("0", "false", "no", "off")


def hidden(url: str) -> str:
    """Return a URL as it may be shown and kept: without what may be a password."""
    before, at, behind = url.rpartition("@")
    scheme, mark, _ = before.partition("://")
    return _PASSWORD.sub("...", f"{scheme + mark if mark else ''}...@{behind}" if at else url)


class Address:
    """A server, how to get to it, and as whom. ``str()`` of it is fit to be shown."""

    __slots__ = (
        "client_name",
        "connect_timeout_s",
        "context",
        "db",
        "host",
        "max_connections",
        "names_db",
        "password",
        "path",
        "port",
        "timeout_s",
        "username",
    )

    def __init__(self, url: str, given: Mapping[str, Option] | None = None) -> None:
        """Read a URL; options that are ``given`` go before its own. Raises ConfigError."""
        try:
            parts = urlsplit(url)
            if parts.fragment:
                raise ConfigError("the URL of the server has a #: spell it %23 in a password")
            self.port = parts.port or _PORT
        except ValueError:
            raise ConfigError(_UNREADABLE) from None  # what urllib says may quote a piece of the password
        if parts.scheme not in SCHEMES:
            raise ConfigError(
                f"{parts.scheme or 'nothing'}:// is none of {', '.join(f'{name}://' for name in SCHEMES)}"
            )
        asked = parse_qsl(parts.query, keep_blank_values=True)
        options = _Options(dict(asked))
        options.add(given or {})
        self.host, self.path = _place(parts)
        named = _database(parts, options)
        self.names_db = named is not None
        """Whether the URL says which database."""
        self.db = named or 0
        self.username = options.text("username", unquote(parts.username or ""))
        self.password = options.text("password", unquote(parts.password or ""))
        self.client_name = options.text("client_name", "")
        if any(character <= " " or character > "~" for character in self.client_name):
            raise ConfigError("client_name has no spaces, and nothing but ASCII")
        if self.username and not self.password:
            raise ConfigError("the URL of the server has a user and no password: redis://user:password@host")
        self.connect_timeout_s = options.seconds("connect_timeout", _CONNECT_S) or _CONNECT_S
        self.timeout_s = options.seconds("timeout", None)
        self.max_connections = options.count("max_connections", _CONNECTIONS)
        self.context = _tls(options) if parts.scheme == "rediss" else None
        options.check_all_taken()

    def with_limit(self, timeout_s: float) -> Address:
        """Return the same with a limit to the time of a reply, if there is none."""
        limited = copy(self)
        limited.timeout_s = timeout_s if self.timeout_s is None else self.timeout_s
        return limited

    def greeting(self, database: int) -> list[list[bytes]]:
        """Return what a connection begins with in RESP2, which every server speaks, however old."""
        commands = []
        if self.password:
            commands.append([b"AUTH", *([self.username.encode()] if self.username else []), self.password.encode()])
        if database:
            commands.append([b"SELECT", b"%d" % database])
        if self.client_name:
            commands.append([b"CLIENT", b"SETNAME", self.client_name.encode()])
        return commands

    def __str__(self) -> str:
        if self.path:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _place(parts: SplitResult) -> tuple[str, str]:
    """Return the host, or the path of a Unix socket."""
    if parts.scheme != "unix":
        return unquote(parts.hostname or "localhost"), ""
    path = unquote(parts.path)
    if not path.strip("/") or parts.hostname:
        raise ConfigError("the URL names no socket: write unix:///absolute/path?db=0")
    return "", path


def _database(parts: SplitResult, options: _Options) -> int | None:
    named = "" if parts.scheme == "unix" else unquote(parts.path).strip("/")
    text = options.text("db", named)
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise _refusal("a database is a number", text)
    return int(text)


def _refusal(rule: str, text: str) -> ConfigError:
    """Return what to raise for a text that breaks a rule: with an @ it may be a piece of the password."""
    return ConfigError(_UNREADABLE if "@" in text else f"{rule}, not {text!r}")


class _Options:
    """Options that are taken one by one."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def add(self, given: Mapping[str, Option | None]) -> None:
        """Let what is given go before what is there; None is not given."""
        self._values.update({name: str(value) for name, value in given.items() if value is not None})

    def text(self, name: str, default: str) -> str:
        return self._values.pop(name, default)

    def seconds(self, name: str, default: float | None) -> float | None:
        text = self._values.pop(name, "")
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value < 1e9:
            raise _refusal(f"{name} is a number of seconds above 0", text)
        return value

    def count(self, name: str, default: int) -> int:
        text = self._values.pop(name, str(default))
        if not (text.isascii() and text.isdecimal() and int(text)):
            raise _refusal(f"{name} is a number above 0", text)
        return int(text)

    def yes(self, name: str, default: bool) -> bool:
        text = self._values.pop(name, "yes" if default else "no").lower()
        if text not in _YES + _NO:
            raise _refusal(f"{name} is yes or no", text)
        return text in _YES

    def check_all_taken(self) -> None:
        for name in sorted(self._values):
            if "@" in name:
                raise ConfigError(_UNREADABLE)
            if name.startswith("ssl_") and name in OPTIONS:
                raise ConfigError(f"{name} is for TLS: write rediss:// instead of redis://")
            raise ConfigError(f"{name} is no option of a remote store: one of {', '.join(OPTIONS)}")


def _tls(options: _Options) -> ssl.SSLContext:
    """Return the context that the options ask for."""
    requirement = options.text("ssl_cert_reqs", "required")
    if requirement not in ("required", "none"):
        raise ConfigError(f"ssl_cert_reqs is required or none, not {requirement!r}")
    names = options.yes("ssl_check_hostname", True)
    authorities, certificate = options.text("ssl_ca_certs", ""), options.text("ssl_certfile", "")
    key = options.text("ssl_keyfile", "")
    if key and not certificate:
        raise ConfigError("ssl_keyfile goes with ssl_certfile")
    try:
        context = ssl.create_default_context(cafile=authorities or None)
        if certificate:
            context.load_cert_chain(certificate, key or None)
    except OSError as error:
        raise ConfigError(f"the certificates cannot be used: {error.strerror or error}") from None
    context.check_hostname = names and requirement == "required"
    if requirement == "none":
        context.verify_mode = ssl.CERT_NONE
    return context
