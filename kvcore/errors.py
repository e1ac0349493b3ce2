"""Every error text, once. The exceptions that carry them are those of :mod:`kvcore.exceptions`.

Texts carry bytes of clients: they are ``str`` with ``surrogateescape`` so that any byte survives the round trip.
The constants are the texts themselves; the functions build the ones that quote something.
"""

from __future__ import annotations

from typing import Final

from kvcore.exceptions import AofError as AofError
from kvcore.exceptions import ClosedError as ClosedError
from kvcore.exceptions import CommandError as CommandError
from kvcore.exceptions import ConfigError as ConfigError
from kvcore.exceptions import ConnectionLostError as ConnectionLostError
from kvcore.exceptions import KvcoreError as KvcoreError
from kvcore.exceptions import LockedError as LockedError
from kvcore.exceptions import NotDurableError as NotDurableError
from kvcore.exceptions import ProtocolError as ProtocolError
from kvcore.exceptions import RdbEmptyError as RdbEmptyError
from kvcore.exceptions import RdbError as RdbError
from kvcore.exceptions import RdbShortError as RdbShortError
from kvcore.exceptions import ReplyTimeoutError as ReplyTimeoutError
from kvcore.exceptions import RuleError as RuleError
from kvcore.exceptions import UnsupportedError as UnsupportedError
from kvcore.exceptions import WrongTypeError as WrongTypeError


def cannot_append(reason: str) -> str:
    """Return the text for writes while the append-only file cannot take them."""
    return f"MISCONF Errors writing to the AOF file: {reason}"


class AclReasons:
    """Why a rule, a line or a file about users was refused: parts of other texts, and lines in the log; no code."""

    SYNTAX: Final = "Syntax error"
    UNKNOWN: Final = "Unknown command or category name in ACL"
    SUBCOMMAND_ARGUMENT: Final = "Allowing first-arg of a subcommand is not supported"
    PATTERN_AFTER_ALL: Final = (
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. "
        "Try 'resetkeys' to start with an empty list of patterns"
    )
    CHANNEL_AFTER_ALL: Final = (
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. "
        "Try 'resetchannels' to start with an empty list of channels"
    )
    NO_SUCH_PASSWORD: Final = "The password you are trying to remove from the user does not exist"
    BAD_HASH: Final = (
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    )
    DUPLICATE: Final = "Duplicate user found. A user can only be defined once in config files"
    UNMATCHED: Final = "Unmatched parenthesis in selector definition"
    UNCHANGED: Final = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
    USERNAME: Final = "Spaces not allowed in ACL usernames"
    FILE_AND_USERS: Final = (
        "Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. "
        "This setup is very likely to lead to configuration errors and security holes, please define either an ACL "
        "file or declare users directly in your redis.conf, but not both."
    )
    RENAME_UNKNOWN: Final = "No such command in rename-command"
    RENAME_TAKEN: Final = "Target command name already exists"


def text(value: bytes) -> str:
    """Decode a client's bytes for an error text, keeping every byte."""
    return value.decode("utf-8", "surrogateescape")


def printable(value: bytes) -> str:
    """Decode a client's bytes for a line of a log, which any handler can write."""
    return value.decode("utf-8", "backslashreplace")


SYNTAX: Final = "ERR syntax error"
NOT_AN_INTEGER: Final = "ERR value is not an integer or out of range"
INTERNAL: Final = "ERR internal error, see the server's log"
MIGRATE_KEY_AND_KEYS: Final = "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
MIGRATE_CONNECTING: Final = "IOERR error or timeout connecting to the client"
MIGRATE_WRITING: Final = "IOERR error or timeout writing to target instance"
MIGRATE_READING: Final = "IOERR error or timeout reading to target instance"
NOT_A_FLOAT: Final = "ERR value is not a valid float"
NOT_UTF_8: Final = "ERR value is not valid UTF-8"
NOT_INSIDE_A_COMMAND: Final = "ERR This command is not allowed inside another one"
WRITE_INSIDE_READER: Final = "ERR a command that is not declared as write called one that is"
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
LIBRARY_NO_METADATA: Final = "ERR Missing library metadata"
LIBRARY_BAD_METADATA: Final = "ERR Invalid library metadata"
LIBRARY_NAME_TWICE: Final = "ERR Invalid metadata value, name argument was given multiple times"
LIBRARY_NAME_MISSING: Final = "ERR Library name was not given"
LIBRARY_NAME: Final = (
    "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"
)
LIBRARY_EMPTY: Final = "ERR No functions registered"
LIBRARY_NOT_FOUND: Final = "ERR Library not found"
LIBRARY_NAME_ARGUMENT: Final = "ERR library name argument was not given"
FUNCTION_NOT_FOUND: Final = "ERR Function not found"
FUNCTION_EXISTS_IN_LIBRARY: Final = "ERR Function already exists in the library"
FUNCTION_FLUSH_MODE: Final = "ERR FUNCTION FLUSH only supports SYNC|ASYNC option"
FUNCTION_LOAD_TIMEOUT: Final = "ERR FUNCTION LOAD timeout"
FUNCTION_RESTORE_POLICY: Final = "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE."
FUNCTIONS_WRONG_TYPE: Final = "ERR given type is not a function"
FUNCTIONS_BAD_PAYLOAD: Final = "ERR Failed loading library payload"
SAME_OBJECT: Final = "ERR source and destination objects are the same"
EXPIRE_NX_CONFLICT: Final = "ERR NX and XX, GT or LT options at the same time are not compatible"
EXPIRE_GT_LT_CONFLICT: Final = "ERR GT and LT options at the same time are not compatible"
NUMFIELDS_MISMATCH: Final = "ERR numfields should be greater than 0 and match the provided number of fields"
INVALID_ARGUMENTS: Final = "ERR Invalid arguments"
INVALID_ARGUMENT_NUMBER: Final = "ERR Invalid number of arguments"
INVALID_TIME_UNIT: Final = "ERR Invalid unit arg"
TYPE_WITHOUT_MEMBERS: Final = "ERR object type is unsupported"
UNKNOWN_TYPE: Final = "ERR unknown type object"
EXPIRE_TIME_MISSING: Final = "ERR missing expire time"
INTERVAL_NOT_POSITIVE: Final = "ERR interval must be positive"
MISSING_ARGUMENTS: Final = "ERR Missing arguments or numkeys is too big"
NO_SUCH_HASH_FIELD: Final = "ERR hash key doesn't exist"
INVALID_FIRST_DB: Final = "ERR invalid first DB index"
INVALID_SECOND_DB: Final = "ERR invalid second DB index"
LFU_NOT_SELECTED: Final = (
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
    "Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
)
NO_MODIFICATION_TIMES: Final = (
    "ERR Modification times of keys are not kept. They are from the moment on when key-modification-times is yes."
)
INJECTED_DOWN: Final = "ERR Connection refused: the server is down, as the test asked"
LOADING: Final = "LOADING Redis is loading the dataset in memory"
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
BAD_KEY_COUNT: Final = "ERR Bad number of keys provided"
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
ACL_BAD_USERNAME: Final = "ERR Usernames can't contain spaces or null characters"
ACL_DEFAULT_STAYS: Final = "ERR The 'default' user cannot be removed"
ACL_GENPASS_BITS: Final = (
    "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096"
)
ACL_NO_FILE: Final = (
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the "
    "ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) "
    "in order to store users in the Redis configuration."
)
ACL_NOT_SAVED: Final = (
    "ERR There was an error trying to save the ACLs. Please check the server logs for more information"
)
SORT_BY_DENIED: Final = "ERR BY option of SORT denied due to insufficient ACL permissions."
SORT_GET_DENIED: Final = "ERR GET option of SORT denied due to insufficient ACL permissions."
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
ZERO_OR_ONE: Final = "ERR value is out of range, value must between 0 and 1"
CLUSTER_DISABLED: Final = "ERR This instance has cluster support disabled"
WAITAOF_WITHOUT_AOF: Final = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
INT_OUT_OF_RANGE: Final = "ERR value is out of range, value must between -2147483648 and 2147483647"
INVALID_CLIENT_NAME: Final = "ERR Client names cannot contain spaces, newlines or special characters."
INVALID_LIBRARY_NAME: Final = "ERR lib-name cannot contain spaces, newlines or special characters."
INVALID_LIBRARY_VERSION: Final = "ERR lib-ver cannot contain spaces, newlines or special characters."
INVALID_CLIENT_ID: Final = "ERR Invalid client ID"
CLIENT_ID_NOT_POSITIVE: Final = "ERR client-id should be greater than 0"
NO_SUCH_CLIENT: Final = "ERR No such client"
PAUSE_MODE: Final = "ERR CLIENT PAUSE mode must be WRITE or ALL"
UNBLOCK_REASON: Final = "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"
SSUBSCRIBE_DENIED: Final = "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"
TRACKING_ONE_REDIRECT: Final = "ERR A client can only redirect to a single other client"
TRACKING_NO_SUCH_REDIRECT: Final = "ERR The client ID you want redirect to does not exist"
TRACKING_PREFIX_WITHOUT_BCAST: Final = "ERR PREFIX option requires BCAST mode to be enabled"
TRACKING_SWITCH_BCAST: Final = (
    "ERR You can't switch BCAST mode on/off before disabling tracking for this client, "
    "and then re-enabling it with a different mode."
)
TRACKING_BCAST_WITH_OPT: Final = "ERR OPTIN and OPTOUT are not compatible with BCAST"
TRACKING_OPTIN_AND_OPTOUT: Final = "ERR You can't specify both OPTIN mode and OPTOUT mode"
TRACKING_SWITCH_OPT: Final = (
    "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, "
    "and then re-enabling it with a different mode."
)
CACHING_WITHOUT_TRACKING: Final = (
    "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"
)
CACHING_YES_WITHOUT_OPTIN: Final = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."
CACHING_NO_WITHOUT_OPTOUT: Final = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."
TIMEOUT_NOT_AN_INTEGER: Final = "ERR timeout is not an integer or out of range"
RESET_NOT_ALLOWED: Final = "ERR can only reset normal client connections"
NO_CONFIG_FILE: Final = "ERR The server is running without a config file"
NOT_AN_SDS: Final = "ERR Not an sds encoded string."
NOT_A_LISTPACK: Final = "ERR Not a listpack encoded object."
NOT_A_QUICKLIST: Final = "ERR Not a quicklist encoded object."
NOT_A_HASH_TABLE: Final = "ERR The value stored at the specified key is not represented using an hash table"
DATABASE_OUT_OF_RANGE: Final = "ERR Out of range database"
PACKED_THRESHOLD: Final = "ERR argument must be a memory value bigger than 1 and smaller than 4gb"
CRASH_REFUSED: Final = "ERR This store lives inside another program, which a command must not end"
MODULE_NOT_LOADED: Final = "ERR Error loading the extension. Please check the server logs."
MODULE_UNKNOWN: Final = "ERR Error unloading module: no such module with that name"
SLOWLOG_COUNT: Final = "ERR count should be greater than or equal to -1"
BGSAVE_RUNS: Final = "ERR Background save already in progress"
CLOSED_STORE: Final = "ERR the store is closed"
FORKED_STORE: Final = "READONLY You can't write against a store that belongs to the parent process."
READ_ONLY_STORE: Final = "READONLY You can't write against a store that was opened with readonly=True."
REWRITE_RUNS: Final = "ERR Background append only file rewriting already in progress"
LOAD_AOF_FAILED: Final = "ERR Error trying to load the AOF files, check server logs."
REWRITE_FAILED: Final = (
    "ERR Can't execute an AOF background rewriting. Please check the server logs for more information."
)
OTHER_SNAPSHOT_RUNS: Final = (
    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a "
    "BGSAVE whenever possible."
)
SAVE_FAILED: Final = "ERR"
"""All that the real server answers; its log says why."""
RELOAD_OPTIONS: Final = "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."
RELOAD_FAILED: Final = "ERR Error trying to load the RDB dump"
NOTHING_ON_DISK: Final = "ERR this data set lives in memory only: there is no directory to save it in"
CANNOT_PERSIST: Final = (
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that "
    "may modify the data set are disabled, because this instance is configured to report errors during writes if RDB "
    "snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB "
    "error."
)
READ_ONLY_REPLICA: Final = "READONLY You can't write against a read only replica."
SCRIPT_STALE: Final = "ERR Can not execute the command on a stale replica"
STALE_REPLICA: Final = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
NO_LINK_TO_PRIMARY: Final = "NOMASTERLINK Can't SYNC while not connected with my master"
UNBLOCKED: Final = "UNBLOCKED client unblocked via CLIENT UNBLOCK"
ROLE_CHANGED: Final = "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
WAIT_ON_REPLICA: Final = (
    "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured "
    "to be writable (which is not the default) writes to replicas are just local and are not propagated."
)
INVALID_PRIMARY_PORT: Final = "ERR Invalid master port"
NOT_ENOUGH_REPLICAS: Final = "NOREPLICAS Not enough good replicas to write."
SYNC_WITH_PENDING_OUTPUT: Final = "ERR SYNC and PSYNC are invalid with pending output"
FILTER_MISSING: Final = "ERR Missing rdb-filter-only values"
FILTER_NEEDS_EOF: Final = "ERR Filtered replica requires EOF capability"
FAILOVER_TO_PRIMARY: Final = "ERR PSYNC FAILOVER can't be sent to a master."
FAILOVER_WRONG_HISTORY: Final = "ERR PSYNC FAILOVER replid must match my replid."
FAILOVER_ON_REPLICA: Final = "ERR FAILOVER is not valid when server is a replica."
FAILOVER_WITHOUT_REPLICAS: Final = "ERR FAILOVER requires connected replicas."
FAILOVER_FORCE_NEEDS: Final = "ERR FAILOVER with force option requires both a timeout and target HOST and IP."
FAILOVER_TARGET_UNKNOWN: Final = "ERR FAILOVER target HOST and PORT is not a replica."
FAILOVER_TARGET_OFFLINE: Final = "ERR FAILOVER target replica is not online."
FAILOVER_TIMEOUT: Final = "ERR FAILOVER timeout must be greater than 0"
FAILOVER_RUNS: Final = "ERR FAILOVER already in progress."
NO_FAILOVER: Final = "ERR No failover in progress."
FAILING_OVER: Final = "NOMASTERLINK Can't SYNC while failing over"
REPLICAOF_WHILE_FAILING_OVER: Final = "ERR REPLICAOF not allowed while failing over."
NO_REPLICAS_HERE: Final = "ERR this store takes no replicas; kvcore-server does"
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
LUA_MISSING: Final = "ERR scripts need a Lua interpreter, which `pip install kvcore[server]` brings"
LUA_MEMORY: Final = "ERR not enough memory: scripts have reached `lua-max-memory`"
NOT_BUSY: Final = "NOTBUSY No scripts in execution right now."
UNKILLABLE: Final = (
    "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script "
    "termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
)
NO_SCRIPT: Final = "NOSCRIPT No matching script. Please use EVAL."
NUMKEYS_NEGATIVE: Final = "ERR Number of keys can't be negative"
SCRIPT_WITHOUT_ARGUMENT: Final = "ERR Please specify at least one argument for this redis lib call"
SCRIPT_ARGUMENT_TYPE: Final = "ERR Lua redis lib command arguments must be strings or integers"
SCRIPT_UNKNOWN_COMMAND: Final = "ERR Unknown Redis command called from script"
SCRIPT_ARITY: Final = "ERR Wrong number of args calling Redis command from script"
SCRIPT_COMMAND_FORBIDDEN: Final = "ERR This Redis command is not allowed from script"
SCRIPT_READ_ONLY: Final = "ERR Write commands are not allowed from read-only scripts."
SCRIPT_WRITES_IN_READ_ONLY: Final = "ERR Can not execute a script with write flag using *_ro command."
SCRIPT_ACL_UNKNOWN_COMMAND: Final = "ERR Invalid command passed to redis.acl_check_cmd()"
SHEBANG_SPLIT: Final = "ERR Invalid engine in script shebang"
SHEBANG_INVALID: Final = "ERR Invalid script shebang"
SCRIPT_FLUSH_MODE: Final = "ERR SCRIPT FLUSH only support SYNC|ASYNC option"
SCRIPT_DEBUG_MODE: Final = "ERR Use SCRIPT DEBUG YES/SYNC/NO"
SCRIPT_NO_DEBUGGER: Final = "ERR kvcore has no Lua debugger"
BUSY_FUNCTION: Final = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
BUSY_SCRIPT: Final = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
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


def replica_ip_too_long(length: int) -> str:
    """A replica announced an address of ``length`` bytes."""
    return f"ERR REPLCONF ip-address provided by replica instance is too long: {length} bytes"


def unsupported_filter(word: str) -> str:
    """A replica asked for a part of the data set that cannot be sent alone."""
    return f"ERR Unsupported rdb-filter-only option: {word}"


def unrecognized_replconf(option: bytes) -> str:
    """REPLCONF does not know an option."""
    return f"ERR Unrecognized REPLCONF option: {text(option)}"


def target_replied(reply: bytes) -> str:
    """Say what the target of a MIGRATE answered."""
    return f"ERR Target instance replied with error: {text(reply)}"


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


def tracking_prefix_overlap(prefix: bytes, which: str, other: bytes) -> str:
    """``which`` is ``an existing`` or ``another provided``."""
    return (
        f"ERR Prefix '{text(prefix)}' overlaps with {which} prefix '{text(other)}'. "
        "Prefixes for a single client must not overlap."
    )


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


def no_latency_samples(event: bytes) -> str:
    """LATENCY GRAPH was asked for an event that did not happen."""
    return f"ERR No samples available for event '{_cut(event)}'"


def config_not_forced(reason: str) -> str:
    """DEBUG CONFIG-REWRITE-FORCE-ALL could not read or replace the file."""
    return f"ERR CONFIG-REWRITE-FORCE-ALL failed: {reason}"


def config_not_rewritten(reason: str) -> str:
    """CONFIG REWRITE could not read or replace the file."""
    return f"ERR Rewriting config file: {reason}"


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


def no_permission(command: bool, key: bool, full_name: str) -> str:
    """The user may not run a command, or not with this key or channel."""
    if command:
        return f"NOPERM this user has no permissions to run the '{full_name}' command"
    return f"NOPERM this user has no permissions to access one of the {'keys' if key else 'channels'} used as arguments"


def no_longer_permitted(command: bool, key: bool) -> str:
    """The user might queue a command, and may not run it any more."""
    reason = "no permission to access one of the channels used as arguments"
    if command:
        reason = "no permission to execute the command or subcommand"
    elif key:
        reason = "no permission to touch the specified keys"
    return (
        "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. "
        f"This command is no longer allowed for the following reason: {reason}"
    )


def script_not_permitted(command: bool, key: bool) -> str:
    """A script called what its user may not do."""
    what = "publish to the channel mentioned in the command"
    if command:
        what = "run this command or subcommand"
    elif key:
        what = "access at least one of the keys mentioned in the command arguments"
    return f"ERR The user executing the script can't {what}"


def library_metadata_value(word: bytes) -> str:
    """The first line of a library has an argument that nobody knows."""
    return f"ERR Invalid metadata value given: {text(word)}"


def no_function_engine(name: bytes) -> str:
    """A library is written for an engine that there is not."""
    return f"ERR Engine '{text(name)}' not found"


def library_exists(name: bytes) -> str:
    """FUNCTION LOAD would replace a library and was not told to."""
    return f"ERR Library '{text(name)}' already exists"


def library_exists_restoring(name: bytes) -> str:
    """FUNCTION RESTORE would replace a library and was not told to; the real server quotes no name here."""
    return f"ERR Library {text(name)} already exists"


def function_exists(name: bytes) -> str:
    """A library registers a function whose name one of another library has."""
    return f"ERR Function {text(name)} already exists"


def function_list_argument(word: bytes) -> str:
    """FUNCTION LIST was given an option that it has not, or has once."""
    return f"ERR Unknown argument {text(word)}"


def function_load_option(word: bytes) -> str:
    """FUNCTION LOAD was given an option that it has not."""
    return f"ERR Unknown option given: {text(word)}"


def function_not_compiled(reason: str) -> str:
    """The source of a library is not Lua."""
    return f"ERR Error compiling function: {reason}"


def function_not_registered(reason: str) -> str:
    """The source of a library raised an error."""
    return f"ERR Error registering functions: {reason}"


def acl_modifier(rule: bytes, reason: str) -> str:
    """ACL SETUSER was given a rule that cannot be applied."""
    return f"ERR Error in ACL SETUSER modifier '{_until_nul(rule)}': {reason}"


def acl_unmatched(rule: bytes) -> str:
    """ACL SETUSER was given a parenthesis that is not closed."""
    return f"ERR Unmatched parenthesis in acl selector starting at '{_until_nul(rule)}'."


def acl_category(name: bytes) -> str:
    """ACL CAT was given a category that nobody declared."""
    return f"ERR Unknown category '{_until_nul(name)}'"


def acl_no_user(name: bytes) -> str:
    """ACL DRYRUN was given a user that does not exist."""
    return f"ERR User '{_until_nul(name)}' not found"


def acl_no_command(name: bytes) -> str:
    """ACL DRYRUN was given a command that does not exist."""
    return f"ERR Command '{_until_nul(name)}' not found"


def acl_unreadable(path: str, reason: str) -> str:
    """The ACL file cannot be opened."""
    return f"ERR Error loading ACLs, opening file '{path}': {reason}"


def acl_file_keyword(path: str, line: int) -> str:
    """A line of the ACL file declares no user."""
    return f"{path}:{line} should start with user keyword followed by the username. "


def acl_file_username(path: str, line: int, name: bytes) -> str:
    """A line of the ACL file declares a user with white space in its name."""
    return f"'{path}:{line}: username '{_until_nul(name)}' contains invalid characters. "


def acl_file_duplicate(name: bytes, line: int) -> str:
    """A line of the ACL file declares a user again."""
    return f"WARNING: Duplicate user '{text(name)}' found on line {line}. "


def acl_file_unmatched(path: str, line: int) -> str:
    """A line of the ACL file leaves a parenthesis open."""
    return f"{path}:{line}: {AclReasons.UNMATCHED}."


def acl_file_operation(path: str, line: int, rule: bytes, reason: str) -> str:
    """A rule of the ACL file names what nobody knows."""
    return f"{path}:{line}: Error in applying operation '{_until_nul(rule)}': {reason}. "


def acl_file_rule(path: str, line: int, reason: str) -> str:
    """A rule of the ACL file is malformed."""
    return f"{path}:{line}: {reason}. "


def acl_config_rule(rule: bytes, name: bytes, reason: str) -> str:
    """A user that a config line declares cannot be created."""
    return f"Error loading ACL rule '{_until_nul(rule)}' for the user named '{text(name)}': {reason}"


def acl_declaration(rule: bytes, reason: str) -> str:
    """A config line that declares a user is malformed."""
    return f"Error in user declaration '{_until_nul(rule)}': {reason}"


def acl_disabled_user(name: bytes) -> str:
    """A declared user cannot log in: worth a line in the log, and no error."""
    return (
        f"The user '{text(name)}' is disabled (there is no 'on' modifier in the user description). "
        "Make sure this is not a configuration error."
    )


def _until_nul(value: bytes) -> str:
    return text(value.partition(b"\0")[0])


def script_does_not_compile(message: str) -> str:
    """``message`` is the Lua compiler's."""
    return f"ERR Error compiling script (new function): {message}"


def shebang_engine(word: bytes) -> str:
    """A script's first line names another language."""
    return f"ERR Unexpected engine in script shebang: {_cut(word)}"


def shebang_option(word: bytes) -> str:
    """A script's first line has an option that is none."""
    return f"ERR Unknown lua shebang option: {_cut(word)}"


def shebang_flag(name: bytes) -> str:
    """A script's first line has a flag that is none."""
    return f"ERR Unexpected flag in script shebang: {_cut(name)}"


def script_disk_error(disk_errors: dict[str, str]) -> str:
    """A script that may write was called while what is written cannot be kept; ``disk_errors`` says why by file."""
    if "rdb" in disk_errors:
        return (
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. "
            "Writable scripts are blocked. Use 'no-writes' flag for read only scripts."
        )
    if "aof" not in disk_errors:
        return next(iter(disk_errors.values()))
    reason = disk_errors["aof"].rpartition(": ")[2]
    return (
        "MISCONF Redis is configured to persist data to AOF, but it's currently unable to persist to disk. "
        f"Writable scripts are blocked. Use 'no-writes' flag for read only scripts. AOF error: {reason}"
    )


def block_in_script(name: bytes) -> str:
    """XREAD or XREADGROUP, called by ``name`` in a script, was told to wait."""
    return f"ERR {_cut(name)} command is not allowed with BLOCK option from scripts"
