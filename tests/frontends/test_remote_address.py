"""What a URL says of a server, and that no complaint shows a password."""

from __future__ import annotations

import ssl

import pytest

import kvcore
from kvcore.frontends.remote_address import Address, hidden
from tests.certificates import Certificates


def test_what_is_not_said_has_the_usual_values() -> None:
    address = Address("redis://")
    assert (address.host, address.port, address.db, address.username, address.password) == (
        "localhost",
        6379,
        0,
        "",
        "",
    )
    assert (address.connect_timeout_s, address.timeout_s, address.context, str(address)) == (
        10.0,
        None,
        None,
        "localhost:6379",
    )


def test_everything_can_be_said() -> None:
    address = Address(
        "redis://us%40er:p%2Fw@[::1]:7000/3?client_name=me&timeout=1.5&connect_timeout=2&max_connections=5"
    )
    assert (address.host, address.port, address.db) == ("::1", 7000, 3)
    assert (address.username, address.password, address.client_name) == ("us@er", "p/w", "me")
    assert (address.timeout_s, address.connect_timeout_s, address.max_connections) == (1.5, 2.0, 5)
    assert str(address) == "[::1]:7000"


def test_keywords_go_before_the_urls_own_options() -> None:
    address = Address("redis://:secret@host/1?db=2&timeout=1", {"timeout": 9, "password": "other"})
    assert (address.db, address.timeout_s, address.password) == (2, 9.0, "other")


def test_unix_sockets_are_paths() -> None:
    address = Address("unix:///tmp/a%20b.sock?db=4")
    assert (address.path, address.db, str(address)) == ("/tmp/a b.sock", 4, "/tmp/a b.sock")


def test_a_limit_is_added_where_there_is_none() -> None:
    address = Address("redis://h")
    assert (address.with_limit(3).timeout_s, address.timeout_s) == (3, None)
    assert Address("redis://h?timeout=1").with_limit(3).timeout_s == 1


def test_tls_is_checked_unless_it_is_said_otherwise(certificates: Certificates) -> None:
    checked = Address("rediss://h", {"ssl_ca_certs": str(certificates.ca)}).context
    assert checked is not None
    assert (checked.verify_mode, checked.check_hostname) == (ssl.CERT_REQUIRED, True)
    unchecked = Address("rediss://h?ssl_cert_reqs=none").context
    assert unchecked is not None
    assert (unchecked.verify_mode, unchecked.check_hostname) == (ssl.CERT_NONE, False)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis://:secret@host:port", "cannot be read"),
        ("redis://:secret@host:99999", "cannot be read"),
        ("redis://[::1", "cannot be read"),
        ("redis://:se/cret@host", "%2F"),
        ("redis://:secret@host/x", "a database is a number"),
        ("redis://:secret@host/-1", "a database is a number"),
        ("redis://:secret@host?db=one", "a database is a number"),
        ("redis://:secret@host?timeout=0", "timeout is a number of seconds"),
        ("redis://:secret@host?timeout=nan", "timeout is a number of seconds"),
        ("redis://:secret@host?max_connections=0", "max_connections is a number"),
        ("redis://:secret@host?maxmemory=1", "maxmemory is no option"),
        ("redis://:secret@host?ssl_certfile=x", "rediss://"),
        ("redis://:secret#x@host", "%23"),
        ("redis://user@host", "no password"),
        ("redis://host?client_name=a%20b", "client_name"),
        ("unix://", "names no socket"),
        ("unix://host/path", "names no socket"),
        ("rediss://:secret@host?ssl_cert_reqs=perhaps", "ssl_cert_reqs"),
        ("rediss://:secret@host?ssl_check_hostname=perhaps", "ssl_check_hostname"),
        ("rediss://:secret@host?ssl_keyfile=x", "ssl_certfile"),
        ("rediss://:secret@host?ssl_ca_certs=/no/such/file", "certificates"),
        ("http://:secret@host", "none of redis://"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_without_the_password(url: str, says: str) -> None:
    with pytest.raises(kvcore.ConfigError) as caught:
        Address(url)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_urls_are_shown_without_passwords() -> None:
    assert hidden("http://user:secret@host/x") == "http://...@host/x"
    assert hidden("nonsense") == "nonsense"
    assert hidden("user:secret@host:1") == "...@host:1"
    assert hidden("redis://h/1?password=secret&db=1") == "redis://h/1?password=...&db=1"


@pytest.mark.parametrize(
    ("url", "greeting", "names_db"),
    [
        ("redis://h", [], False),
        ("redis://h:1/0", [], True),
        ("redis://:p%40@h/3", [[b"AUTH", b"p@"], [b"SELECT", b"3"]], True),
        ("rediss://user:p@h?ssl_cert_reqs=none", [[b"AUTH", b"user", b"p"]], False),
        ("unix:///tmp/s?db=2", [[b"SELECT", b"2"]], True),
        ("redis://h/?client_name=me", [[b"CLIENT", b"SETNAME", b"me"]], False),
    ],
)
def test_what_a_connection_in_resp2_begins_with(url: str, greeting: list[list[bytes]], names_db: bool) -> None:
    address = Address(url)
    assert (address.greeting(address.db), address.names_db) == (greeting, names_db)


@pytest.mark.parametrize(
    "url", ["redis://u:12/secret@h", "redis://:12?secret@h", "redis://:12?timeout=secret@h", "redis://:1?db=secret@h"]
)
def test_a_password_with_what_ends_a_host_is_not_shown(url: str) -> None:
    with pytest.raises(kvcore.ConfigError, match="cannot be read") as caught:
        Address(url)
    assert "secret" not in str(caught.value)


def test_none_is_not_given() -> None:
    address = Address("redis://:pw@h/3?timeout=2", dict.fromkeys(("password", "db", "timeout", "client_name")))
    assert (address.password, address.db, address.timeout_s, address.client_name) == ("pw", 3, 2.0, "")
