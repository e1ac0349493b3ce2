"""Every error text, once, and the exception tree.

    KvcoreError
    ├── CommandError            a command answers an error; the text is Redis's own, code first
    │   └── WrongTypeError      the key holds another type
    ├── ProtocolError           a peer's bytes are not RESP; the connection closes after the error is sent
    ├── ConfigError             a directive or a config file is wrong
    ├── RdbError                a payload or an RDB file is not well formed
    └── ClosedError             the store or engine was closed

Texts carry bytes of clients: they are ``str`` with ``surrogateescape`` so that any byte survives the round trip.
The constants are the texts themselves; the functions build the ones that quote something.
"""

from __future__ import annotations

from typing import Final


class KvcoreError(Exception):
    """Base of everything kvcore raises on purpose."""


class CommandError(KvcoreError):
    """A command's error reply. ``str(error)`` is the whole text, its code first (``ERR syntax error``)."""

    @property
    def code(self) -> str:
        """The first word of the text: ``ERR``, ``WRONGTYPE``, ``NOSCRIPT`` ..."""
        return str(self).split(" ", 1)[0]


class WrongTypeError(CommandError):
    """The key holds a value of another type than the command wants."""

    def __init__(self, text: str = "WRONGTYPE Operation against a key holding the wrong kind of value") -> None:
        super().__init__(text)


class ProtocolError(KvcoreError):
    """A peer sent bytes that are not a RESP request. The text lacks the leading ``ERR``: the connection adds it."""


class ConfigError(KvcoreError):
    """A directive has no such name, or its value is not allowed."""


class RdbError(KvcoreError):
    """A payload or an RDB file is not well formed. ``offset`` is the byte where that showed, ``reason`` what it was."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} (at byte {offset})")
        self.reason = reason
        self.offset = offset


class ClosedError(KvcoreError):
    """The store was closed; open it again to use it."""


def text(value: bytes) -> str:
    """Decode a client's bytes for an error text, keeping every byte."""
    return value.decode("utf-8", "surrogateescape")


SYNTAX: Final = "ERR syntax error"
NOT_AN_INTEGER: Final = "ERR value is not an integer or out of range"
NOT_A_FLOAT: Final = "ERR value is not a valid float"
OUT_OF_RANGE: Final = "ERR value is out of range"
POSITIVE_OUT_OF_RANGE: Final = "ERR value is out of range, must be positive"
NO_SUCH_KEY: Final = "ERR no such key"
INDEX_OUT_OF_RANGE: Final = "ERR index out of range"
DB_INDEX_OUT_OF_RANGE: Final = "ERR DB index is out of range"
INVALID_CURSOR: Final = "ERR invalid cursor"
SORT_NOT_A_NUMBER: Final = "ERR One or more scores can't be converted into double"
LCS_NOT_STRINGS: Final = "ERR The specified keys must contain string values"
LCS_LEN_AND_IDX: Final = "ERR If you want both the length and indexes, please just use IDX."
LCS_TOO_LARGE: Final = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
BUSY_KEY: Final = "BUSYKEY Target key name already exists."
INVALID_TTL: Final = "ERR Invalid TTL value, must be >= 0"
INVALID_IDLETIME: Final = "ERR Invalid IDLETIME value, must be >= 0"
INVALID_FREQ: Final = "ERR Invalid FREQ value, must be >= 0 and <= 255"
DUMP_FOOTER: Final = "ERR DUMP payload version or checksum are wrong"
DUMP_DATA: Final = "ERR Bad data format"
SAME_OBJECT: Final = "ERR source and destination objects are the same"
EXPIRE_NX_CONFLICT: Final = "ERR NX and XX, GT or LT options at the same time are not compatible"
EXPIRE_GT_LT_CONFLICT: Final = "ERR GT and LT options at the same time are not compatible"
NUMFIELDS_MISMATCH: Final = "ERR numfields should be greater than 0 and match the provided number of fields"
INVALID_ARGUMENTS: Final = "ERR Invalid arguments"
INVALID_ARGUMENT_NUMBER: Final = "ERR Invalid number of arguments"
INVALID_TIME_UNIT: Final = "ERR Invalid unit arg"
TYPE_WITHOUT_MEMBERS: Final = "ERR object type is unsupported"
NO_SUCH_HASH_FIELD: Final = "ERR hash key doesn't exist"
INVALID_FIRST_DB: Final = "ERR invalid first DB index"
INVALID_SECOND_DB: Final = "ERR invalid second DB index"
LFU_NOT_SELECTED: Final = (
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
    "Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
)
OUT_OF_MEMORY: Final = "OOM command not allowed when used memory > 'maxmemory'."
LFU_SELECTED: Final = (
    "ERR An LFU maxmemory policy is selected, idle time not tracked. "
    "Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
)
NAN_OR_INFINITY: Final = "ERR increment would produce NaN or Infinity"
DECREMENT_OVERFLOW: Final = "ERR decrement would overflow"
INCREMENT_OVERFLOW: Final = "ERR increment or decrement would overflow"
STRING_TOO_LONG: Final = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
OFFSET_OUT_OF_RANGE: Final = "ERR offset is out of range"
NUMKEYS_NOT_POSITIVE: Final = "ERR numkeys should be greater than 0"
COUNT_NOT_POSITIVE: Final = "ERR count should be greater than 0"
COUNT_NEGATIVE: Final = "ERR COUNT can't be negative"
MAXLEN_NEGATIVE: Final = "ERR MAXLEN can't be negative"
RANK_ZERO: Final = (
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
    "or use negative to start from the end of the list"
)
TIMEOUT_NOT_A_FLOAT: Final = "ERR timeout is not a float or out of range"
TIMEOUT_NEGATIVE: Final = "ERR timeout is negative"
VALUE_NAN_OR_INFINITY: Final = "ERR value is NaN or Infinity"
HASH_VALUE_NOT_AN_INTEGER: Final = "ERR hash value is not an integer"
HASH_VALUE_NOT_A_FLOAT: Final = "ERR hash value is not a float"
TOO_MANY_KEYS: Final = "ERR Number of keys can't be greater than number of args"
LIMIT_NEGATIVE: Final = "ERR LIMIT can't be negative"
XX_AND_NX: Final = "ERR XX and NX options at the same time are not compatible"
GT_LT_NX: Final = "ERR GT, LT, and/or NX options at the same time are not compatible"
INCR_SINGLE_PAIR: Final = "ERR INCR option supports a single increment-element pair"
SCORE_NAN: Final = "ERR resulting score is not a number (NaN)"
BOUND_NOT_A_FLOAT: Final = "ERR min or max is not a float"
BOUND_NOT_A_STRING: Final = "ERR min or max not valid string range item"
LIMIT_NEEDS_BY: Final = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
WITHSCORES_BYLEX: Final = "ERR syntax error, WITHSCORES not supported in combination with BYLEX"
WEIGHT_NOT_A_FLOAT: Final = "ERR weight value is not a float"
GEO_UNIT: Final = "ERR unsupported unit provided. please use M, KM, FT, MI"
GEO_RADIUS_NOT_NUMERIC: Final = "ERR need numeric radius"
GEO_RADIUS_NEGATIVE: Final = "ERR radius cannot be negative"
GEO_WIDTH_NOT_NUMERIC: Final = "ERR need numeric width"
GEO_HEIGHT_NOT_NUMERIC: Final = "ERR need numeric height"
GEO_BOX_NEGATIVE: Final = "ERR height or width cannot be negative"
GEO_NO_SUCH_MEMBER: Final = "ERR could not decode requested zset member"
GEO_ANY_WITHOUT_COUNT: Final = "ERR the ANY argument requires COUNT argument"
GEO_COUNT_NOT_POSITIVE: Final = "ERR COUNT must be > 0"
COUNT_BEYOND_LONG: Final = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
NO_AUTH: Final = "NOAUTH Authentication required."
WRONG_PASS: Final = "WRONGPASS invalid username-password pair or user is disabled."
EXEC_WITHOUT_MULTI: Final = "ERR EXEC without MULTI"
DISCARD_WITHOUT_MULTI: Final = "ERR DISCARD without MULTI"
NESTED_MULTI: Final = "ERR MULTI calls can not be nested"
WATCH_IN_MULTI: Final = "ERR WATCH inside MULTI is not allowed"
EXEC_ABORT: Final = "EXECABORT Transaction discarded because of previous errors."
OBSERVER_IN_KEYSPACE: Final = "ERR Replica can't interact with the keyspace"
NOT_ALLOWED_IN_MULTI: Final = "ERR Command not allowed inside a transaction"
PROTECTED_MODE: Final = (
    "DENIED kvcore is in protected mode: no password is set, so only clients of this machine are served. Set "
    "`requirepass`, or turn `protected-mode` off if the network is trusted."
)
MAX_CLIENTS: Final = "ERR max number of clients reached"
NO_PASSWORD_SET: Final = (
    "ERR AUTH <password> called without any password configured for the default user. "
    "Are you sure your configuration is correct?"
)
NO_AUTH_HELLO: Final = (
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> "
    "option can be used to authenticate the client and select the RESP protocol version at the same time"
)
NO_PROTO: Final = "NOPROTO unsupported protocol version"
PROTOCOL_NOT_AN_INTEGER: Final = "ERR Protocol version is not an integer or out of range"
INT_OUT_OF_RANGE: Final = "ERR value is out of range, value must between -2147483648 and 2147483647"
INVALID_CLIENT_NAME: Final = "ERR Client names cannot contain spaces, newlines or special characters."
INVALID_LIBRARY_NAME: Final = "ERR lib-name cannot contain spaces, newlines or special characters."
INVALID_LIBRARY_VERSION: Final = "ERR lib-ver cannot contain spaces, newlines or special characters."
INVALID_CLIENT_ID: Final = "ERR Invalid client ID"
CLIENT_ID_NOT_POSITIVE: Final = "ERR client-id should be greater than 0"
NO_SUCH_CLIENT: Final = "ERR No such client"
PAUSE_MODE: Final = "ERR CLIENT PAUSE mode must be WRITE or ALL"
UNBLOCK_REASON: Final = "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"
TIMEOUT_NOT_AN_INTEGER: Final = "ERR timeout is not an integer or out of range"
RESET_NOT_ALLOWED: Final = "ERR can only reset normal client connections"
NO_CONFIG_FILE: Final = "ERR The server is running without a config file"
SLOWLOG_COUNT: Final = "ERR count should be greater than or equal to -1"
NO_SHUTDOWN: Final = "ERR No shutdown in progress."
SHUTDOWN_FAILED: Final = "ERR Errors trying to SHUTDOWN. Check logs."
MONITOR_DENIED: Final = "ERR MONITOR isn't allowed for DENY BLOCKING client"
RESP2_UNSUPPORTED: Final = "ERR RESP2 is not supported by this command"
PROTOCOL_TYPES: Final = (
    "ERR Wrong protocol type name. Please use one of the following: "
    "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false"
)
INVALID_COMMAND: Final = "ERR Invalid command specified"
NO_KEY_ARGUMENTS: Final = "ERR The command has no key arguments"
INVALID_ARGUMENT_COUNT: Final = "ERR Invalid number of arguments specified for command"
INVALID_COMMAND_ARGUMENTS: Final = "ERR Invalid arguments specified for command"
BIT_OFFSET: Final = "ERR bit offset is not an integer or out of range"
BIT_VALUE: Final = "ERR bit is not an integer or out of range"
BIT_ARGUMENT: Final = "ERR The bit argument must be 1 or 0."
BITOP_NOT: Final = "ERR BITOP NOT must be called with a single source key."
SHIFT_ARGUMENTS: Final = "ERR BITOP SHIFT must be called with a single source key and an integer shift."
SHIFT_NOT_AN_INTEGER: Final = "ERR BITOP SHIFT's last parameter must be an integer"
SHIFT_TOO_LARGE: Final = "ERR BITOP SHIFT value is too large."
BITFIELD_TYPE: Final = (
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
)
BITFIELD_OVERFLOW: Final = "ERR Invalid OVERFLOW type specified"
BITFIELD_READ_ONLY: Final = "ERR BITFIELD_RO only supports the GET subcommand"
STREAM_ID: Final = "ERR Invalid stream ID specified as stream command argument"
STREAM_ID_ZERO: Final = "ERR The ID specified in XADD must be greater than 0-0"
STREAM_ID_NOT_ABOVE: Final = "ERR The ID specified in XADD is equal or smaller than the target stream top item"
STREAM_EXHAUSTED: Final = "ERR The stream has exhausted the last possible ID, unable to add more items"
STREAM_ENTRY_TOO_LARGE: Final = "ERR Elements are too large to be stored"
STREAM_START: Final = "ERR invalid start ID for the interval"
STREAM_END: Final = "ERR invalid end ID for the interval"
STREAM_MAXLEN_NEGATIVE: Final = "ERR The MAXLEN argument must be >= 0."
STREAM_LIMIT_NEGATIVE: Final = "ERR The LIMIT argument must be >= 0."
MAXLEN_AND_MINID: Final = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"
LIMIT_WITHOUT_TRIM: Final = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
LIMIT_NOT_APPROXIMATE: Final = "ERR syntax error, LIMIT cannot be used without the special ~ option"
XTRIM_WITHOUT_STRATEGY: Final = "ERR syntax error, XTRIM must be called with a trimming strategy"
ENTRIES_ADDED_NEGATIVE: Final = "ERR entries_added must be positive"
ENTRIES_ADDED_BELOW_LENGTH: Final = "ERR The entries_added specified in XSETID is smaller than the target stream length"
XSETID_BELOW_GIVEN_DELETED: Final = "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id"
XSETID_BELOW_TOP: Final = "ERR The ID specified in XSETID is smaller than the target stream top item"
STREAMS_UNBALANCED: Final = "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified."
GROUP_IN_XREAD: Final = "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead."
NOACK_IN_XREAD: Final = "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."
GROUP_MISSING: Final = "ERR Missing GROUP option for XREADGROUP"
LAST_ID_IN_GROUP: Final = (
    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by "
    "specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set."
)
NEW_ID_IN_XREAD: Final = (
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
)
STREAM_GONE: Final = "UNBLOCKED the stream key no longer exists"
GROUP_GONE: Final = "NOGROUP the consumer group this client was blocked on no longer exists"
BUSY_GROUP: Final = "BUSYGROUP Consumer Group name already exists"
ENTRIES_READ_NEGATIVE: Final = "ERR value for ENTRIESREAD must be positive or -1"
XGROUP_WITHOUT_KEY: Final = (
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM "
    "option to create an empty stream automatically."
)
HLL_INVALID: Final = "WRONGTYPE Key is not a valid HyperLogLog string value."
HLL_CORRUPTED: Final = "INVALIDOBJ Corrupted HLL object detected"
HLL_NOT_SPARSE: Final = "ERR HLL encoding is not sparse"
HLL_TEST_FAILED: Final = "ERR TESTFAILED the HyperLogLog code is wrong on this machine"
KEY_DOES_NOT_EXIST: Final = "ERR The specified key does not exist"


def unknown_command(argv: list[bytes]) -> str:
    """Quote an unknown command and the start of its arguments: 128 bytes of each, and up to a NUL."""
    quoted = b""
    for argument in argv[1:]:
        if len(quoted) >= 128:
            break
        quoted += b"'%b' " % _shown(argument, 128 - len(quoted))
    return f"ERR unknown command '{text(_shown(argv[0], 128))}', with args beginning with: {text(quoted)}"


def _shown(argument: bytes, limit: int) -> bytes:
    """Cut an argument as the real server's ``%.128s`` does."""
    return argument[:limit].partition(b"\0")[0]


def exec_refused(reason: str) -> str:
    """EXEC itself was refused, for the error text ``reason``."""
    return f"EXECABORT Transaction discarded because of: {reason.removeprefix('ERR ')}"


def wrong_arity(full_name: str) -> str:
    """``full_name`` is lower case, ``config|get`` for a subcommand."""
    return f"ERR wrong number of arguments for '{full_name}' command"


def unknown_subcommand(container: str, subcommand: bytes) -> str:
    """``container`` is the command's name in upper case."""
    return f"ERR unknown subcommand '{text(_shown(subcommand, 128))}'. Try {container} HELP."


def invalid_expire(full_name: str) -> str:
    """The time to live of SET, EXPIRE, GETEX ... is zero, negative or overflows."""
    return f"ERR invalid expire time in '{full_name}' command"


def not_while_subscribed(full_name: str) -> str:
    """A RESP2 client in subscriber mode sent another command."""
    return (
        f"ERR Can't execute '{full_name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed "
        "in this context"
    )


def no_input_keys(full_name: str) -> str:
    """ZUNION and its relatives were given no key."""
    return f"ERR at least 1 input key is needed for '{full_name}' command"


def hello_option(option: bytes) -> str:
    """HELLO does not know an option, or it lacks its arguments."""
    return f"ERR Syntax error in HELLO option '{text(option)}'"


def unknown_client_type(name: bytes) -> str:
    """CLIENT LIST or CLIENT KILL was given a TYPE that is none."""
    return f"ERR Unknown client type '{text(name)}'"


def no_such_user(name: bytes) -> str:
    """CLIENT KILL was given a USER that does not exist."""
    return f"ERR No such user '{text(name)}'"


def wrong_subcommand(container: str, subcommand: bytes) -> str:
    """A subcommand that counts its own arguments does not like them, or there is none of that name."""
    quoted = text(_shown(subcommand, 128))
    return f"ERR unknown subcommand or wrong number of arguments for '{quoted}'. Try {container} HELP."


def protected_command(name: str, directive: str) -> str:
    """``name`` may run only where ``directive`` allows it."""
    return (
        f'ERR {name} command not allowed. If the {directive} option is set to "local", you can run it from a local '
        "connection, otherwise you need to set this option in the configuration file, and then restart the server."
    )


def no_group(key: bytes, group: bytes) -> str:
    """A consumer group, or its stream, does not exist."""
    return f"NOGROUP No such key '{_cut(key)}' or consumer group '{_cut(group)}'"


def no_group_to_read(key: bytes, group: bytes) -> str:
    """XREADGROUP was given a group that does not exist."""
    return f"{no_group(key, group)} in XREADGROUP with GROUP option"


def no_group_at_key(key: bytes, group: bytes) -> str:
    """XGROUP or XINFO was given a group that the stream does not have."""
    return f"NOGROUP No such consumer group '{_cut(group)}' for key name '{_cut(key)}'"


def xclaim_option(option: bytes) -> str:
    """XCLAIM does not know an option, or it lacks its argument."""
    return f"ERR Unrecognized XCLAIM option '{_cut(option)}'"


def invalid_claim_number(what: str, command_name: str) -> str:
    """XCLAIM or XAUTOCLAIM was given no integer; ``what`` says where."""
    return f"ERR Invalid {what} argument for {command_name}"


def _cut(argument: bytes) -> str:
    """Cut an argument as the real server's ``%s`` does."""
    return text(argument.partition(b"\0")[0])


def unrecognized_option(option: bytes) -> str:
    """CLIENT SETINFO got a word that is no attribute."""
    return f"ERR Unrecognized option '{text(option)}'"


def unsupported_option(option: bytes) -> str:
    """EXPIRE and its relatives got a word that is no condition."""
    return f"ERR Unsupported option {text(option)}"


def unknown_pfdebug(subcommand: bytes) -> str:
    """PFDEBUG has no such subcommand."""
    return f"ERR Unknown PFDEBUG subcommand '{text(subcommand.partition(bytes(1))[0])}'"


def invalid_position(longitude: float, latitude: float) -> str:
    """A longitude or latitude is beyond the limits."""
    return f"ERR invalid longitude,latitude pair {longitude:f},{latitude:f}"


def geo_needs_one_of(options: str, name: bytes) -> str:
    """GEOSEARCH, called by ``name``, was not told where, or not told how far; ``options`` are those it takes."""
    return f"ERR exactly one of {options} can be specified for {text(name)}"


def geo_store_with(what: str) -> str:
    """``what`` stores a result, and was asked to return details of it as well."""
    return f"ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
