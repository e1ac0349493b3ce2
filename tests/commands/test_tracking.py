"""CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR: arguments, conflicts, answers."""

from __future__ import annotations

import pytest

from tests.commands.conftest import Client

SWITCH_BCAST = (
    "ERR You can't switch BCAST mode on/off before disabling tracking for this client, "
    "and then re-enabling it with a different mode."
)


def info(client: Client) -> tuple[list[bytes], int, list[bytes]]:
    """Return flags, redirection and prefixes."""
    reply = client("CLIENT", "TRACKINGINFO")
    return list(reply[b"flags"]), reply[b"redirect"], reply[b"prefixes"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("maybe", "ERR syntax error"),
        ("on nosuch", "ERR syntax error"),
        ("on REDIRECT", "ERR syntax error"),
        ("on REDIRECT x", "ERR value is not an integer or out of range"),
        ("on REDIRECT 0", "ERR The client ID you want redirect to does not exist"),
        ("off REDIRECT 999", "ERR The client ID you want redirect to does not exist"),
        ("on REDIRECT 1 REDIRECT 1", "ERR A client can only redirect to a single other client"),
        ("on PREFIX a", "ERR PREFIX option requires BCAST mode to be enabled"),
        ("on BCAST OPTIN", "ERR OPTIN and OPTOUT are not compatible with BCAST"),
        ("on OPTIN OPTOUT", "ERR You can't specify both OPTIN mode and OPTOUT mode"),
    ],
)
def test_refused_options_change_nothing(client: Client, options: str, error: str) -> None:
    assert client.error("CLIENT", "TRACKING", *options.split()) == error
    assert info(client) == ([b"off"], -1, [])
    assert client("CLIENT", "GETREDIR") == -1


def test_modes_and_their_flags(client: Client, other: Client) -> None:
    client("CLIENT", "TRACKING", "on", "OPTIN", "NOLOOP", "REDIRECT", str(other.session.id))
    assert info(client) == ([b"on", b"optin", b"noloop"], other.session.id, [])
    assert client("CLIENT", "GETREDIR") == other.session.id
    client("CLIENT", "CACHING", "yes")
    assert info(client)[0] == [b"on", b"optin", b"caching-yes", b"noloop"]
    assert client.error("CLIENT", "TRACKING", "on", "BCAST") == SWITCH_BCAST
    assert "OPTIN/OPTOUT" in client.error("CLIENT", "TRACKING", "on", "OPTOUT")
    assert client("CLIENT", "TRACKING", "on") == "OK"
    assert info(client) == ([b"on"], 0, [])
    assert client("CLIENT", "TRACKING", "OFF") == "OK"
    assert info(client) == ([b"off"], -1, [])


def test_prefixes_add_up_and_never_overlap(client: Client) -> None:
    client("CLIENT", "TRACKING", "on", "BCAST", "PREFIX", "b", "PREFIX", "a")
    assert info(client) == ([b"on", b"bcast"], 0, [b"a", b"b"])
    client("CLIENT", "TRACKING", "on", "BCAST", "PREFIX", "c")
    assert info(client)[2] == [b"a", b"b", b"c"]
    assert client.error("CLIENT", "TRACKING", "on", "BCAST", "PREFIX", "cd") == (
        "ERR Prefix 'cd' overlaps with an existing prefix 'c'. Prefixes for a single client must not overlap."
    )
    overlap = client.error("CLIENT", "TRACKING", "on", "BCAST", "PREFIX", "d", "PREFIX", "e", "PREFIX", "ef")
    assert overlap.startswith("ERR Prefix 'e' overlaps with another provided prefix 'ef'.")
    assert info(client)[2] == [b"a", b"b", b"c"]
    client("CLIENT", "TRACKING", "off")
    client("CLIENT", "TRACKING", "on", "BCAST")
    assert info(client)[2] == [b""]


def test_caching_needs_its_mode(client: Client) -> None:
    assert "only when the client is in tracking mode" in client.error("CLIENT", "CACHING", "yes")
    client("CLIENT", "TRACKING", "on", "OPTOUT")
    assert client.error("CLIENT", "CACHING", "yes").endswith("in OPTIN mode.")
    assert client.error("CLIENT", "CACHING", "maybe") == "ERR syntax error"
    assert client("CLIENT", "CACHING", "no") == "OK"
    assert info(client)[0] == [b"on", b"optout", b"caching-no"]
    client("CLIENT", "TRACKING", "off")
    client("CLIENT", "TRACKING", "on", "OPTIN")
    assert client.error("CLIENT", "CACHING", "no").endswith("in OPTOUT mode.")


def test_client_list_shows_it(client: Client, other: Client) -> None:
    client("CLIENT", "TRACKING", "on", "BCAST", "REDIRECT", str(other.session.id))
    line = client("CLIENT", "INFO").text.decode()
    assert " flags=tB " in line
    assert f" redir={other.session.id} " in line


def test_info_counts(client: Client, other: Client) -> None:
    client("CLIENT", "TRACKING", "on")
    other("CLIENT", "TRACKING", "on")
    client("MGET", "a", "b")
    other("GET", "a")
    text = client("INFO", "everything").text.decode()
    for line in ("tracking_clients:2", "tracking_total_keys:2", "tracking_total_items:3", "tracking_total_prefixes:0"):
        assert f"\r\n{line}\r\n" in text
