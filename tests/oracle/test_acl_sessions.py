"""Logging in, refusals and what becomes of open sessions, compared with the real server."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.harness import Pair, check
from tests.oracle.users import ended, log_in, log_of, same_rules, unlock

# Sessions of users


def test_logging_in(users: Pair) -> None:
    check(
        users,
        """
        ACL SETUSER u on >p +@all ~*
        AUTH u bad
        AUTH nobody bad
        AUTH u
        AUTH
        AUTH a b c
        AUTH default anything
        AUTH u p
        ACL WHOAMI
        AUTH u bad
        ACL WHOAMI
        ACL SETUSER u nopass
        AUTH u anything
        ACL SETUSER u off
        AUTH u anything
        ACL WHOAMI
        RESET
        ACL WHOAMI
        """,
    )


def test_protected_commands_are_refused_before_anything_else(users: Pair) -> None:
    check(
        users,
        """
        ACL SETUSER u on >p +get +multi +exec ~*
        AUTH u p
        MODULE LOAD x
        MODULE LOADEX x
        MODULE UNLOAD x
        MODULE LIST
        MULTI
        MODULE LOAD x
        EXEC
        """,
    )


def test_hello_logs_in(users: Pair) -> None:
    check(
        users,
        """
        ACL SETUSER u on >p +@all ~*
        HELLO 2 AUTH u bad
        ACL WHOAMI
        HELLO 2 AUTH u p SETNAME "b b"
        ACL WHOAMI
        HELLO 2 AUTH default
        HELLO 9 AUTH default x
        ACL WHOAMI
        HELLO 2 SETNAME n AUTH default x NOSUCH
        ACL WHOAMI
        CLIENT GETNAME
        """,
    )


def test_who_must_log_in(wire_users: Pair) -> None:
    wire_users.both("ACL", "SETUSER", "u", "on", ">p", "+@all", "~*")
    wire_users.both("ACL", "SETUSER", "default", "resetpass", ">secret")
    stranger = wire_users.client(protocol=2)
    check(
        stranger,
        """
        PING
        GET
        NOSUCH
        HELLO
        HELLO 3
        AUTH wrong
        MULTI
        ECHO x
        EXEC
        RESET
        PING
        AUTH u p
        PING
        RESET
        PING
        AUTH secret
        PING
        ACL WHOAMI
        """,
    )
    wire_users.both("PING")
    wire_users.both("ACL", "SETUSER", "default", "off")
    check(
        wire_users.client(protocol=2),
        """
        PING
        AUTH secret
        AUTH default secret
        AUTH u p
        ACL WHOAMI
        RESET
        PING
        """,
    )
    wire_users.both("PING")
    unlock(wire_users)
    wire_users.client(protocol=2).both("PING")


def test_a_session_may_run_once_nobody_must_log_in(wire_users: Pair) -> None:
    wire_users.both("ACL", "SETUSER", "default", "resetpass", ">secret")
    stranger = wire_users.client(protocol=2)
    stranger.both("PING")
    wire_users.both("ACL", "SETUSER", "default", "nopass")
    stranger.both("PING")
    stranger.both("HELLO", "2")
    wire_users.both("ACL", "SETUSER", "default", "resetpass", ">secret")
    stranger.both("PING")
    unlock(wire_users)


def test_requirepass_and_the_default_user(users: Pair) -> None:
    users.config("requirepass", "one")
    same_rules(users, "ACL", "LIST")
    check(
        users,
        """
        CONFIG GET requirepass
        AUTH one
        AUTH two
        ACL SETUSER default >two
        CONFIG GET requirepass
        AUTH two
        CONFIG SET requirepass three
        AUTH two
        AUTH one
        AUTH three
        ACL SETUSER default nopass
        CONFIG GET requirepass
        AUTH three
        CONFIG SET requirepass three
        ACL SETUSER default <three
        CONFIG SET requirepass ""
        CONFIG GET requirepass
        AUTH ""
        """,
    )
    same_rules(users, "ACL", "LIST")


def test_refusals(users: Pair) -> None:
    session = log_in(users, "+get", "+multi", "+exec", "+publish", "+psubscribe", "+select|1", "~a*", "&ch*")
    check(
        session,
        """
        GET a1
        GET b1
        SET b1 x
        GET
        NOSUCH x
        CONFIG GET x
        CONFIG nosuch
        CONFIG
        SELECT 1
        SELECT 0
        select 01
        PUBLISH ch1 m
        PUBLISH other m
        PSUBSCRIBE ch1*
        PSUBSCRIBE ch* c
        PING
        ACL WHOAMI
        MULTI
        GET a
        GET b
        EXEC
        MULTI
        GET a
        INCR a
        EXEC
        MULTI
        GET a
        EXEC
        DISCARD
        """,
    )
    users.both("ACL", "SETUSER", "u", "-exec", "-multi")
    check(session, "MULTI\nEXEC\nGET a")
    users.both("ACL", "SETUSER", "u", "+multi")
    check(session, "MULTI\nGET a\nEXEC\nGET a\nEXEC")


def test_permission_is_checked_again_at_exec(users: Pair) -> None:
    session = log_in(users, "+@all", "~a", "&ch")
    for words in (["MULTI"], ["GET", "a"], ["SET", "a", "1"], ["PUBLISH", "ch", "x"], ["PING"], ["GET", "a"]):
        session.both(*words)
    users.both("ACL", "SETUSER", "u", "-get", "resetkeys", "~b", "resetchannels")
    session.both("EXEC")
    session.both("GET", "b")


def test_the_user_changes_inside_a_transaction(users: Pair) -> None:
    users.both("ACL", "SETUSER", "v", "on", "nopass", "+@all", "~b")
    session = log_in(users, "+@all", "~a")
    for words in (["MULTI"], ["SET", "a", "1"], ["AUTH", "v", "x"], ["GET", "a"], ["ACL", "WHOAMI"]):
        session.both(*words)
    session.both("EXEC")
    session.both("GET", "b")
    session.both("GET", "a")


def test_sort_reads_other_keys_only_where_all_may_be_read(users: Pair) -> None:
    session = log_in(users, "+sort", "+sort_ro", "~a")
    users.both("RPUSH", "a", "1", "2")
    lines = (
        "SORT a BY w_*\nSORT a BY nosort\nSORT a GET #\nSORT a GET x*\nSORT a BY w_* GET #\nSORT_RO a BY w_*\n"
        "SORT a BY w_* NOSUCH\nSORT a NOSUCH BY w_*\nSORT a STORE b"
    )
    for rules in (["%R~*"], ["resetkeys", "%W~*"], ["resetkeys", "~a", "(~* +get)"], ["clearselectors", "(~* +sort)"]):
        check(session, lines)
        users.both("ACL", "SETUSER", "u", *rules)
    check(session, lines)
    session.both("MULTI")
    session.both("SORT", "a", "BY", "w_*")
    users.both("ACL", "SETUSER", "u", "reset", "on", "+sort", "+exec", "~a")
    session.both("EXEC")


def test_the_log(users: Pair) -> None:
    session = log_in(users, "+get", "+multi", "+exec", "+publish", "+psubscribe", "~a*", "&ch*")
    for line in ("AUTH u\r\nx bad", "AUTH nobody bad", "auth nobody bad", "HELLO 2 AUTH nobody bad"):
        session.ask(*line.split(" "))
    assert len(log_of(users)) == 4
    for line in ("GET b", "GET b", "GET c", "SET a 1", "set a 1", "CONFIG GET x", "PUBLISH x y", "PSUBSCRIBE ch? x"):
        session.both(*line.split())
    log_of(users)
    check(session, "MULTI\nGET b\nSET a 1\nEXEC\nMULTI\nGET a\nPUBLISH ch x\nEXEC")
    log_of(users)
    check(session, "MULTI\nGET a\nPUBLISH ch x")
    users.both("ACL", "SETUSER", "u", "-get", "resetchannels")
    session.both("EXEC")
    entries = log_of(users)
    assert {entry["context"] for entry in entries} == {b"toplevel", b"multi"}
    log_of(users, 100)
    log_of(users, 3)
    users.both("ACL", "LOG", 0)
    # An equal one is looked for among the newest ten only.
    for number in range(12):
        session.both("PUBLISH", f"x{number}", "y")
    session.both("PUBLISH", "x5", "y")
    session.both("PUBLISH", "x0", "y")
    log_of(users, 100)
    users.config("acllog-max-len", "2")
    log_of(users, 100)
    session.both("PUBLISH", "x11", "y")
    log_of(users, 100)
    session.both("PUBLISH", "new", "y")
    assert len(log_of(users, 100)) == 2
    users.config("acllog-max-len", "0")
    session.both("PUBLISH", "newer", "y")
    assert log_of(users, 100) == []


def test_errors_are_counted(users: Pair) -> None:
    users.both("CONFIG", "RESETSTAT")
    session = log_in(users, "+get", "~a")
    check(session, "GET b\nSET a 1\nMULTI\nAUTH u\nGET a")
    for section, pattern in (
        ("errorstats", r"errorstat_NOPERM:count=3\r"),
        ("commandstats", r"cmdstat_get:calls=1,.*rejected_calls=1,"),
    ):
        users.matches(pattern, "INFO", section)


# What happens to sessions whose user changes


def test_deleting_a_user_closes_its_connections(wire_users: Pair) -> None:
    sessions = [log_in(wire_users, "+@all", "~*"), log_in(wire_users, "+@all", "~*")]
    assert [ended(session) for session in sessions] == [(False, False)] * 2
    wire_users.both("ACL", "DELUSER", "u")
    time.sleep(0.05)
    assert [ended(session) for session in sessions] == [(True, True)] * 2
    assert ended(wire_users) == (False, False)


def test_who_deletes_itself_gets_the_reply_and_no_more(wire_users: Pair) -> None:
    session = log_in(wire_users, "+@all", "~*")
    session.send_raw(b"*3\r\n$3\r\nACL\r\n$7\r\nDELUSER\r\n$1\r\nu\r\n*1\r\n$4\r\nPING\r\n")
    assert session.read() == 1
    assert ended(session) == (True, True)


def test_a_parked_session_of_a_deleted_user_is_closed(wire_users: Pair) -> None:
    session = log_in(wire_users, "+@all", "~*")
    session.send("BLPOP", "k", 0)
    wire_users.wait_blocked(1)
    wire_users.both("ACL", "DELUSER", "u")
    wire_users.wait_blocked(0)
    wire_users.both("RPUSH", "k", "v")
    wire_users.both("LLEN", "k")


def test_a_parked_session_is_served_whatever_its_user_may_do_now(users: Pair) -> None:
    session = log_in(users, "+@all", "~*")
    session.send("BLPOP", "k", 0)
    users.wait_blocked(1)
    users.both("ACL", "SETUSER", "u", "-@all", "resetkeys")
    users.both("RPUSH", "k", "v")
    assert session.read() == [b"k", b"v"]
    session.both("BLPOP", "k", 0)


def test_a_disabled_user_stays_logged_in(users: Pair) -> None:
    session = log_in(users, "+@all", "~*")
    users.both("ACL", "SETUSER", "u", "off", "resetpass")
    session.both("PING")
    session.both("AUTH", "u", "x")
    session.both("PING")


LISTENING = (("SUBSCRIBE", "a"), ("PSUBSCRIBE", "a*"), ("SSUBSCRIBE", "b"), ("PSUBSCRIBE", "a"), ("SUBSCRIBE", "ab"))


@pytest.mark.parametrize(
    "rules", ["&a", "&a*", "&b &a*", "&a*|&a", "&a* &b|&b &a*", "(&a)|&a", "-@all", "&*", "reset on", "(&a* &b +@all)"]
)
def test_listening_ends_where_it_is_not_allowed_any_more(wire_users: Pair, rules: str) -> None:
    first, *later = rules.split("|")
    sessions = []
    for words in LISTENING:
        session = log_in(wire_users, "+@all", "~*", "&*")
        session.both(*words)
        sessions.append(session)
    for step in (first, *later):
        wire_users.both("ACL", "SETUSER", "u", "resetchannels", *step.split())
    time.sleep(0.05)
    left = [ended(session) for session in sessions]
    assert all(oracle == kvcore for oracle, kvcore in left), left


def test_renewed_permissions_reach_open_sessions(users: Pair) -> None:
    session = log_in(users, "+@all", "~*", "&*")
    session.both("SET", "a", "1")
    users.both("ACL", "SETUSER", "u", "-set")
    session.both("SET", "a", "1")
    session.both("GET", "a")
    users.both("ACL", "SETUSER", "u", "resetkeys", "%R~b")
    session.both("GET", "a")
    users.both("ACL", "SETUSER", "u", "allkeys", "+@all")
    session.both("SET", "a", "1")


def test_the_default_user_can_be_restricted(users: Pair) -> None:
    admin = log_in(users, "+@all", "~*", "&*", name="admin")
    users.both("ACL", "SETUSER", "default", "-@all", "+get", "+reset", "resetkeys", "~a")
    other = users.client()
    for session in (users, other):
        check(session, "GET a\nGET b\nSET a 1")
    admin.both("ACL", "SETUSER", "default", "+@all", "~*")
    check(other, "GET b\nSET a 1")


# Attempts to get round it


ATTEMPTS = """
    get b | GeT b | GET a b | SET a 1 GET | MGET a b | MGET b | MSET a 1 b 2 | MSET a 1 | COPY a b | COPY b a |
    RENAME a b | RENAMENX b a | OBJECT ENCODING b | object encoding b | DEBUG OBJECT b | MEMORY USAGE b |
    EXISTS a b | TOUCH b | DEL a b | XGROUP CREATE b g $ MKSTREAM | xgroup create b g 0 | XINFO STREAM b |
    XREAD STREAMS b 0 | XREAD COUNT 1 STREAMS STREAMS b 0 0 | XREAD STREAMS a b 0 0 |
    XREADGROUP GROUP STREAMS x STREAMS b 0 | SINTERCARD 1 b | SINTERCARD 2 a b | SINTERCARD 1 a b |
    SINTERCARD +1 b | SINTERCARD 001 b | LMPOP 1 b LEFT | LMPOP 01 b LEFT | LMPOP 2 a b LEFT | ZMPOP 1 b MIN |
    BITOP NOT b a | BITOP NOT a b | BITOP AND a a b | GETEX b | GETEX a | GETDEL b | SORT a STORE b |
    SORT a STORE a STORE b | SORT a STORE b STORE a | SORT a BY STORE STORE b | SORT a GET STORE STORE b |
    SORT a LIMIT 0 1 STORE b | SORT b | ZUNIONSTORE b 1 a | ZUNIONSTORE a 1 b | ZUNIONSTORE a 01 b |
    ZUNIONSTORE a 2 a b WEIGHTS 1 1 | ZUNION 01 b | ZDIFF 2 a b | GEORADIUS a 0 0 1 m STORE b |
    GEORADIUS a 0 0 1 m STORE a STOREDIST b | GEORADIUS a 0 0 1 m STOREDIST b STORE a |
    GEOSEARCHSTORE b a FROMLONLAT 0 0 BYRADIUS 1 m | PFCOUNT a b | PFMERGE b a | PFMERGE a b |
    LMOVE a b LEFT LEFT | LMOVE b a LEFT LEFT | SMOVE a b x | MOVE b 1 | DUMP b | RESTORE b 0 x | WATCH b |
    WATCH a b | APPEND b x | STRLEN b | LCS a b | LCS a b LEN | BITFIELD b GET u8 0 | BITFIELD a SET u8 0 1 |
    EXPIRE b 1 | TTL b | TYPE b | ZRANGESTORE b a 0 1 | ZRANGESTORE a b 0 1 | HRANDFIELD b | SUNIONSTORE b a |
    SDIFFSTORE a b | LPUSH b x | BLMPOP 0.01 1 b LEFT | BLPOP a b 0.01 | MIGRATE 127.0.0.1 1 b 0 1 |
    SPUBLISH b x | PUBLISH b x | SUBSCRIBE a b | FLUSHALL | CONFIG SET requirepass x | ACL SETUSER u +@all |
    ACL LIST | CLIENT KILL ID 0 | SHUTDOWN NOSAVE
"""


@pytest.mark.parametrize("rules", ["+@all -@admin -@dangerous ~a &a", "+@all -@admin %R~a %W~c &a (%R~b +get)"])
def test_attempts_to_reach_other_keys(users: Pair, rules: str) -> None:
    session = log_in(users, *rules.split())
    users.both("SET", "b", "secret")
    for line in ATTEMPTS.split(" |"):
        oracle, kvcore = session.ask(*line.split())
        assert oracle == kvcore, (line, oracle, kvcore)
    users.both("GET", "b")
    users.both_sorted("KEYS", "*")
    log_of(users, 1000)


@pytest.mark.parametrize("change", ["SETUSER u resetchannels", "SETUSER u resetchannels &a &b", "DELUSER u"])
def test_who_may_listen_no_longer_is_gone_at_once(users: Pair, change: str) -> None:
    if users.frontend == "inprocess":
        return  # a session in the process has no connection to close
    listener = log_in(users, "+@all", "~*", "&*")
    listener.both("CLIENT", "SETNAME", "listener")
    listener.both("SUBSCRIBE", "a", "c")
    users.both("ACL", *change.split())
    for side in users.ask("CLIENT", "LIST"):
        assert b"listener" not in side.native()
    assert users.both("PUBLISH", "a", "m") == 0


NAMES = st.sampled_from(
    """
    GET SET MGET MSET DEL COPY RENAME INCR APPEND LPUSH LRANGE LMPOP SORT SINTERCARD SADD SINTERSTORE ZADD ZUNIONSTORE
    ZINTER HSET HGET XLEN PFADD PFMERGE BITOP BITFIELD GETEX PUBLISH SPUBLISH MULTI EXEC DISCARD WATCH SELECT PING TYPE
    """.split()  # noqa: SIM905
)
ARGUMENTS = st.sampled_from(["a", "b", "c", "x", "0", "1", "2", "-1", "STORE", "GET", "LEFT", "NOT"])
CALLS = st.builds(lambda name, words: [name, *words], NAMES, st.lists(ARGUMENTS, max_size=5))
GRANTS = st.one_of(
    st.builds(lambda sign, name: sign + name.lower(), st.sampled_from("++-"), NAMES),
    st.builds(
        lambda sign, category: f"{sign}@{category}",
        st.sampled_from("++-"),
        st.sampled_from(["all", "read", "write", "string", "set", "fast", "transaction", "keyspace", "pubsub"]),
    ),
    st.builds(
        lambda kind, pattern: kind + pattern, st.sampled_from(["~", "%R~", "%W~", "&"]), st.sampled_from("abcx*")
    ),
    st.sampled_from(
        ["resetkeys", "resetchannels", "(+@all ~a)", "(+@read %R~*)", "(+@write %W~b &x)", "clearselectors"]
    ),
)


@settings(max_examples=30)
@given(
    st.lists(GRANTS, min_size=1, max_size=8), st.lists(CALLS, min_size=10, max_size=40), st.lists(GRANTS, max_size=3)
)
def test_random_calls(users: Pair, rules: list[str], calls: list[list[str]], later: list[str]) -> None:
    """A user with random rules, which change half way, runs random commands; replies and the log are the same."""
    users.flush()
    users.forget()
    users.both("ACL", "LOG", "RESET")
    users.both("ACL", "SETUSER", "u", "reset", "on", "nopass")
    for rule in rules:
        users.both("ACL", "SETUSER", "u", rule)
    session = users.client()
    session.both("AUTH", "u", "")
    session.pipeline(calls[::2])
    for rule in later:
        users.both("ACL", "SETUSER", "u", rule)
    session.pipeline(calls[1::2])
    session.both("RESET")
    log_of(users, 1000)


SCRIPTS = (
    "return redis.call('get', KEYS[1])",
    "return redis.call('get', 'b')",
    "return redis.pcall('get', 'b')",
    "return redis.call('GET', 'a')",
    "return redis.call('del', 'a')",
    "return redis.call('publish', 'other', 'a')",
    "return redis.call('config', 'get', 'a')",
    "return redis.call('acl', 'whoami')",
    "return redis.call('auth', 'default', 'x')",
    "return redis.call('sort', 'a', 'by', 'b*')",
    "return redis.call('sort', 'a', 'store', 'b')",
    "return redis.call('eval', 'return 1', 0)",
    "return redis.call('get')",
    "return {redis.acl_check_cmd('get', 'a'), redis.acl_check_cmd('get', 'b'), redis.acl_check_cmd('del', 'a')}",
    "return {redis.acl_check_cmd('publish', 'c', 'x'), redis.acl_check_cmd('config', 'get', 'x')}",
    "return redis.acl_check_cmd('nosuch')",
    "return redis.acl_check_cmd()",
)


def test_scripts_have_the_permissions_of_their_user(users: Pair) -> None:
    session = log_in(users, "+eval", "+evalsha", "+script", "+fcall", "+get", "+sort", "+publish", "~a", "&ch")
    users.both("SET", "b", "secret")
    for script in SCRIPTS:
        session.both("EVAL", script, 0)
        session.both("EVAL", script, 1, "a")
        session.both("EVAL", script, 1, "b")
    log_of(users, 1000)
    for words in (
        ["1", "b"],
        ["2", "a", "b"],
        ["01", "b"],
        ["+1", "b"],
        [" 1", "b"],
        ["-1", "b"],
        ["x", "b"],
        ["3", "b"],
    ):
        session.both("EVAL", "return 1", *words)
        session.both("EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", *words)
        session.both("FCALL", "nosuch", *words)
    users.both("ACL", "SETUSER", "u", "-eval")
    session.both("EVAL", "return 1", 0)
    log_of(users, 1000)


def test_a_script_in_a_transaction(users: Pair) -> None:
    session = log_in(users, "+eval", "+get", "+multi", "+exec", "~a")
    session.both("MULTI")
    session.both("EVAL", "return redis.pcall('get', 'b')", 0)
    session.both("GET", "a")
    session.both("EXEC")
    log_of(users, 1000)


def test_a_pipeline_before_auth_runs_nothing(wire_users: Pair) -> None:
    wire_users.both("ACL", "SETUSER", "default", ">secret")
    stranger = wire_users.client(protocol=2)
    stranger.pipeline([("SET", "a", "1"), ("AUTH", "wrong"), ("GET", "a"), ("MULTI",), ("SET", "a", "1"), ("EXEC",)])
    stranger.pipeline([("GET", "a"), ("AUTH", "secret"), ("GET", "a")])
    unlock(wire_users)
