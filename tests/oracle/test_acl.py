"""Users, rules, refusals and their log, compared with the real server.

Descriptions of rules are compared with their words sorted: the real server lists single commands in the order of a hash
table that is seeded anew at each start.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvcore.acl.users import User, merge_selectors
from kvcore.acl.vocabulary import Vocabulary, categories_of
from kvcore.command import Command
from kvcore.errors import RuleError
from tests.oracle.conftest import Fleet
from tests.oracle.harness import Argument, Pair, Wire, check
from tests.oracle.users import same_rules, sorted_rules
from tests.oracle.wire import WireSession

PASSWORD_HASH = "a" * 64


# Rules


def rules_of(*lines: str) -> list[list[str]]:
    return [re.findall(r"'[^']*'|\S+", line) for line in lines]


RULES = rules_of(
    "+get +set",
    "+get -get",
    "+@string -set",
    "+@string -get -@string",
    "allcommands -get -@string",
    "+@all -get +get",
    "-@all +@all",
    "+GET +Set",
    "+config",
    "+config -config|get",
    "+config|get",
    "+config|get -config",
    "+config|get +config|set -config|get",
    "+@all -config +config|get",
    "+config|get +@admin -config|get",
    "+config|CONFIG",
    "+acl|WhoAmI",
    "+select|0",
    "+select|0 +select|1 +SELECT|0",
    "+select|0 -select",
    "+select|0 +@all",
    "+select|0 +@connection",
    "+@all -select +select|0",
    "-config|nosuch",
    "-select|0",
    "+select|",
    "+config|",
    "+config|get|x",
    "+select|0|x",
    "+nosuch",
    "-nosuch",
    "+@nosuch",
    "-@nosuch",
    "+@",
    "+",
    "-",
    "+multi +exec +discard +watch +unwatch",
    "%R",
    "%RW",
    "%",
    "%~a",
    "%RR~a",
    "%x~a",
    "%r~a",
    "%wR~a",
    "~",
    "&",
    "%R~a %W~a",
    "%RW~*",
    "%R~* ~a",
    "~a ~*",
    "~* ~a",
    "%R~*",
    "&* &a",
    "&a &*",
    "&a &a &b",
    "'~a b'",
    "'&a\tb'",
    "~[ab]* &[cd]?",
    "foo",
    "'on '",
    "> >a >a <a",
    "<x",
    "!x",
    "#x",
    "#" + "A" * 64,
    "#" + PASSWORD_HASH + " >a",
    "#" + PASSWORD_HASH + " !" + PASSWORD_HASH,
    "!" + PASSWORD_HASH,
    ">a nopass",
    "nopass >a",
    "nopass resetpass",
    "nopass <a",
    "(",
    ")",
    "()",
    "(+get",
    "(+get ~a",
    "(+get ~a)",
    "( +get ~a )",
    "'(+get ~a)'",
    "(on)",
    "(+nosuch)",
    "((+get))",
    "(+get (+set ~k)",
    "(+get (+set) ~k)",
    '(+get "~b)',
    '(+get "~bc")',
    '(+get "~b',
    "(~* ~a)",
    "(+get) clearselectors",
    "(+get) reset",
    "(allchannels allkeys +@all)",
    "(&a) (%R~x)",
    "on on off on",
    "ON OFF NoPass AllKeys ALLCHANNELS AllCommands",
    "sanitize-payload skip-sanitize-payload",
    "skip-sanitize-payload sanitize-payload",
    "on nopass allkeys allcommands allchannels reset",
    "~a resetkeys &a resetchannels",
)


@pytest.mark.parametrize("rules", RULES, ids=" ".join)
def test_rules(users: Pair, rules: list[str]) -> None:
    users.both("ACL", "SETUSER", "x", *(rule.strip("'") for rule in rules))
    same_rules(users, "ACL", "GETUSER", "x")
    same_rules(users, "ACL", "LIST")


def test_an_empty_rule_is_none(users: Pair) -> None:
    users.both("ACL", "SETUSER", "x", "", "on", "")
    same_rules(users, "ACL", "LIST")


def test_rules_apply_all_or_none(users: Pair) -> None:
    users.both("ACL", "SETUSER", "x", "on", "+get", "~a", "nosuch")
    users.both("ACL", "GETUSER", "x")
    users.both("ACL", "SETUSER", "x", "on", "+get")
    users.both("ACL", "SETUSER", "x", "off", "+set", "nosuch")
    same_rules(users, "ACL", "GETUSER", "x")


@pytest.mark.parametrize("default", ["allchannels", "resetchannels"])
def test_acl_pubsub_default(users: Pair, default: str) -> None:
    users.config("acl-pubsub-default", default)
    users.both("ACL", "SETUSER", "x", "(+get)")
    same_rules(users, "ACL", "GETUSER", "x")
    users.both("ACL", "SETUSER", "x", "resetchannels", "reset")
    same_rules(users, "ACL", "GETUSER", "x")


def ask(session: WireSession, *arguments: Argument) -> Wire:
    session.send(arguments)
    return session.read()


def records(oracle: WireSession) -> dict[bytes, Command]:
    """Return the oracle's own command table, so that rules on commands kvcore lacks are compared, too."""
    return {item.items[0].text: _record(item) for item in ask(oracle, "COMMAND").items}


def _record(item: Wire) -> Command:
    def words(part: Wire) -> list[str]:
        return [word.text.decode() for word in part.items]

    name, arity, flags, categories = item.items[0].text.decode(), item.items[1], item.items[2], item.items[6]
    declared = [category[1:] for category in words(categories)]
    record = Command(name, print, arity=int(arity.text), flags=" ".join(words(flags)), acl=" ".join(declared))
    assert sorted(categories_of(record)) == sorted(declared)
    if item.items[9].items:
        record.subcommands = {sub.items[0].text.split(b"|")[1]: _record(sub) for sub in item.items[9].items}
    return record


COMMANDS = st.sampled_from(
    """
    get set mget del hget hset config config|get config|set select acl|whoami client client|kill xgroup|create xgroup
    eval cluster cluster|nodes debug script|load bgsave publish auth multi exec object keys ping nosuch
    """.split()  # noqa: SIM905
)
CATEGORIES = st.sampled_from(
    """
    read write string hash keyspace admin dangerous fast slow connection pubsub transaction scripting all nosuch
    """.split()  # noqa: SIM905
)
PATTERNS = st.sampled_from(["a", "b*", "*", "", "[ab]", "a b"])
PERMISSION_RULES = st.one_of(
    st.builds(lambda sign, name: sign + name, st.sampled_from("+-"), COMMANDS),
    st.builds(lambda sign, name: f"{sign}@{name}", st.sampled_from("+-"), CATEGORIES),
    st.builds(
        lambda kind, pattern: kind + pattern,
        st.sampled_from(["~", "%R~", "%W~", "%RW~", "%r~", "%X~", "%", "&"]),
        PATTERNS,
    ),
    st.sampled_from(["+select|0", "+get|a", "+config|x", "+config|", "+debug|object", "+acl|x|y"]),
    st.sampled_from(["allkeys", "resetkeys", "allchannels", "resetchannels", "allcommands", "nocommands"]),
)
USER_RULES = st.one_of(
    PERMISSION_RULES,
    st.sampled_from(["on", "off", "nopass", "resetpass", ">a", ">b", "<a", "!x", "reset", "clearselectors", "", "foo"]),
    st.builds(
        lambda rules, end: f"({' '.join(rules)}{end}",
        st.lists(PERMISSION_RULES, max_size=4),
        st.sampled_from([")", ")", ")", ""]),
    ),
)


@settings(max_examples=100)
@given(st.lists(st.lists(USER_RULES, max_size=4), min_size=1, max_size=5))
def test_random_rules_with_the_oracles_commands(fleet: Fleet, batches: list[list[str]]) -> None:
    """The rules by themselves: what they accept, refuse, and come to, with every command the oracle has."""
    oracle = fleet.oracle.connect(2)
    user = User(b"random", Vocabulary(records(oracle)))
    ask(oracle, "ACL", "DELUSER", "random")
    for batch in batches:
        changed = user.copy()
        reply = ask(oracle, "ACL", "SETUSER", "random", *batch)
        assert (reply.kind == "+") == _applies(changed, batch), (batches, reply)
        if reply.kind == "+":
            user = changed
            lines = [item for item in ask(oracle, "ACL", "LIST").items if item.text.startswith(b"user random ")]
            assert sorted_rules(lines[0]) == sorted_rules(Wire(lines[0].kind, user.line())), batches
    ask(oracle, "ACL", "DELUSER", "random")
    oracle.close()


def _applies(user: User, rules: list[str]) -> bool:
    try:
        for rule in merge_selectors([rule.encode() for rule in rules]):
            user.apply(rule)
    except RuleError:
        return False
    return True


# The commands


def test_acl_commands(users: Pair) -> None:
    check(
        users,
        """
        ACL
        ACL nosuch
        ACL WHOAMI
        ACL WHOAMI x
        ACL USERS
        ACL LIST
        ACL SETUSER
        ACL SETUSER "a b" on
        ACL SETUSER "a\\x00b" on
        ACL SETUSER "" on
        ACL LIST
        ACL DELUSER ""
        ACL SETUSER zoe on
        ACL SETUSER Adam off
        ACL SETUSER "\\xff\\xfe" off
        ACL USERS
        ACL DELUSER
        ACL DELUSER nosuch zoe zoe
        ACL DELUSER Adam default "\\xff\\xfe"
        ACL USERS
        ACL GETUSER nosuch
        ACL GETUSER default
        ACL GETUSER a b
        ACL CAT
        ACL CAT nosuch
        ACL CAT a b
        ~ ACL CAT transaction
        ~ ACL CAT BITMAP
        ACL GENPASS a
        ACL GENPASS 0
        ACL GENPASS -1
        ACL GENPASS 4097
        ACL GENPASS 1 2
        ACL LOAD
        ACL SAVE
        ACL LOG nosuch
        ACL LOG -1
        ACL LOG 1 2
        ACL LOG reset
        ACL LOG
        """,
    )
    for bits, digits in ((1, 1), (4, 1), (5, 2), (255, 64), (4096, 1024)):
        users.matches(f"^[0-9a-f]{{{digits}}}$", "ACL", "GENPASS", bits)
    users.matches("^[0-9a-f]{64}$", "ACL", "GENPASS")


LINES = """
    GET b | SET a 1 | SET b 1 | SET b 1 GET | SET a 1 GET | COPY a b | COPY b a | RENAME a b | OBJECT ENCODING b |
    OBJECT FREQ a | MEMORY USAGE b | XGROUP CREATE b g $ MKSTREAM | xgroup CREATE a g $ | XREAD STREAMS b 0 |
    XREAD COUNT 1 STREAMS a b 0 0 | XREADGROUP GROUP g c STREAMS b 0 | GETEX b | GETEX a EX 1 | EXISTS b |
    TYPE b | TTL b | STRLEN b | APPEND b x | GETSET b x | GETDEL b | INCR b | DEL b | UNLINK b | EXPIRE b 1 |
    PERSIST b | TOUCH b | KEYS * | SCAN 0 | RANDOMKEY | DBSIZE | LMPOP 1 b LEFT | LMPOP 2 b LEFT |
    LMPOP 1 a b LEFT | LMPOP nan b LEFT | SINTERCARD 1 b | SINTERCARD 01 b | SINTERCARD 2 a b | SINTERCARD 1 a b |
    ZINTERCARD 99 b | BITOP NOT b a | BITOP NOT a b | BITOP AND b b b | BITFIELD a GET u8 0 |
    BITFIELD b GET u8 0 | BITFIELD a SET u8 0 1 | BITFIELD b SET u8 0 1 | BITFIELD b GET u8 0 SET u8 0 1 |
    BITFIELD_RO b GET u8 0 | SORT a | SORT b | SORT a STORE b | SORT a STORE b STORE c | SORT a STORE c STORE b |
    SORT a store a | SORT a BY STORE STORE b | SORT a LIMIT 0 STORE STORE c | SORT_RO b | ZUNIONSTORE b 1 a |
    ZUNIONSTORE b 2 a | ZUNIONSTORE a 1 a | ZUNIONSTORE c 01 a | ZUNION 1 b | ZDIFF -1 b | ZRANGESTORE b a 0 1 |
    GEORADIUS a 0 0 1 m STORE b | GEORADIUS a 0 0 1 m STORE c | GEORADIUS b 0 0 1 m |
    GEORADIUS a 0 0 1 m STORE b STOREDIST c | GEORADIUSBYMEMBER a m 1 m STORE b |
    GEOSEARCHSTORE b a FROMMEMBER x BYRADIUS 1 m | MIGRATE h 1 b 0 1 | MIGRATE h 1 a 0 1 |
    MIGRATE h 1 '' 0 1 KEYS a b | MIGRATE h 1 '' 0 1 AUTH KEYS KEYS b | MIGRATE h 1 a 0 1 KEYS b | MSET b 1 a 2 |
    MSET a 1 b | MSETNX b 1 b | LINSERT b before a b | LMOVE a b LEFT LEFT | BLMOVE b a LEFT LEFT 0 |
    SUBSCRIBE x | SUBSCRIBE y | SUBSCRIBE x y | PSUBSCRIBE x | PSUBSCRIBE x* | PSUBSCRIBE * | UNSUBSCRIBE y |
    PUNSUBSCRIBE y | SPUBLISH y 1 | SPUBLISH x 1 | PUBLISH xx 1 | PUBLISH y 1 | SSUBSCRIBE y | SSUBSCRIBE xx |
    SUNSUBSCRIBE y | PUBSUB NUMSUB y | XADD b * a b | XADD a * a b | PFCOUNT b | PFMERGE b a | PFMERGE a b |
    PFMERGE b | DUMP b | RESTORE b 0 x | SWAPDB 0 1 | MOVE a 1 | MOVE b 1 | WATCH b | WATCH a | BLPOP b 0 |
    BLPOP a b 0 | BRPOPLPUSH a b 0 | LCS a b | GETRANGE b 0 1 | SUBSTR b 0 1 | SETRANGE b 0 x | HGET b f |
    HSET b f v | SMEMBERS b | SADD b x | SMOVE a b x | ZADD b 1 1 | ZADD a 1 1 | LPOP b | FLUSHALL | FLUSHDB |
    SELECT 0 | SELECT 1 | AUTH x | PING | ECHO x | QUIT | RESET | HELLO | CONFIG GET x | config set x y | CONFIG |
    CONFIG nosuch | CLIENT ID | CLIENT KILL a | ACL WHOAMI | ACL SETUSER x | MULTI | EXEC | INFO | COMMAND |
    COMMAND COUNT | NOSUCH | GET | GET a b | DEBUG OBJECT b
"""

RULE_SETS = (
    "%R~a %W~b +@all &x",
    "+@read ~a",
    "+@write %W~*",
    "~a +@all (~b +@read)",
    "(+get ~a) (+set ~b) +del",
    "%RW~a +@all &x*",
    "allkeys allchannels +@all -@dangerous",
    "+@all",
    "+@all ~*",
    "%R~* (%W~* +@all) +@fast &y (&x +@pubsub ~zz)",
    "+select|0 +config|get +ACL|whoami -@all +config|get +select|0 ~[ab]",
    "(+mset %W~a) (+mset %W~b) (+sort ~a &x) (+@read %R~b &y)",
    "+@all -config -client|kill ~a* %W~b &x %R~c",
    "",
    "nocommands allkeys",
)


@pytest.mark.parametrize("rules", RULE_SETS)
def test_dry_runs(users: Pair, rules: str) -> None:
    users.both("ACL", "SETUSER", "u", "reset", *rules.split())
    commands = [[word.strip("'") for word in line.split()] for line in LINES.split(" |")]
    users.pipeline([("ACL", "DRYRUN", "u", *words) for words in commands])
    users.both("ACL", "DRYRUN", "nobody", "GET", "a")
    users.both("ACL", "DRYRUN", "u")
    users.both("ACL", "DRYRUN", "u", "get\0x")


WORDS = st.sampled_from(
    ["a", "b", "c", "x", "0", "1", "2", "-1", "99", "STORE", "KEYS", "GET", "BY", "STREAMS", "", "m"]
)
COMMAND_LINES = st.lists(WORDS, max_size=7).flatmap(
    lambda words: st.sampled_from(
        """
        GET SET MGET SORT SORT_RO ZUNIONSTORE ZINTER SINTERCARD LMPOP BLMPOP XREAD XREADGROUP GEORADIUS MIGRATE COPY
        BITFIELD RENAME BITOP ZDIFFSTORE ZMPOP SUBSCRIBE PSUBSCRIBE PUBLISH MSETNX LCS SELECT PFMERGE SMOVE GETEX
        """.split()  # noqa: SIM905
    ).map(lambda name: [name, *words])
)


@settings(max_examples=40)
@given(st.lists(USER_RULES, max_size=6), st.lists(COMMAND_LINES, min_size=10, max_size=30))
def test_random_dry_runs(users: Pair, rules: list[str], lines: list[list[str]]) -> None:
    users.both("ACL", "SETUSER", "u", "reset")
    users.both("ACL", "SETUSER", "u", *rules)
    users.pipeline([("ACL", "DRYRUN", "u", *line) for line in lines])
