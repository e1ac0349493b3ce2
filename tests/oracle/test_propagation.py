"""What replicas, listeners of keyspace events and save points hear of each command, beside the real server.

A link that says what a replica says is attached to both servers, a client listens to all events. After each command or
transaction both sides must have sent the same down the link, published the same events, and counted as many changes
since the last save. What chance decides is left out; times may differ by as much as a test takes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest

from tests.oracle.harness import Mismatch, show, split_line
from tests.oracle.links import SECONDS, Member, Talk, masked, open_group, settle, wait_until
from tests.oracle.test_notifications import SOIL, EventGrammar
from tests.oracle.test_streams_propagation import parse
from tests.oracle.wire import WireSession
from tests.oracle.wire import encode_command as c

UNITS = 400
TIMES = re.compile(rb"(?<!\d)\d{13,}(?!\d)")
STEP_MS = 60_000
"""Times that are equal but for the time a test takes are equal in this unit."""

OPTIONS = ("--notify-keyspace-events", "KEAmn", "--save", "1000000 1000000")

# One command after the other, ` ; ` between them; `!` lets a few milliseconds pass, `cycle` lets keys expire.
SCRIPTS: dict[str, str] = {
    "strings": r"""
        SET k v ; SET k v EX 1000 ; SET k v PX 1000000 ; SET k v EXAT 99999999999 ; SET k v PXAT 9999999999999
        SET k v KEEPTTL ; SET k w XX ; SET k w XX GET ; SET k w NX ; SET k w NX GET ; SET n w NX GET
        SET n w GET EX 100 ; SET n w GET KEEPTTL ; SET n w EXAT 1 ; EXISTS n ; SET n w PXAT 1000 NX
        SET n w EX 0 ; SET n w GET EXAT 1 ; GET n ; SET k v EX 1000 NX ; SET none v XX EX 10 ; SETNX k v
        SETNX k2 v ; SETEX k 100 v ; PSETEX k 100000 v ; SETEX k 0 v ; SETEX k x v ; GETSET k q ; GETSET nn q
        GETDEL nn ; GETDEL nn ; GETEX k ; GETEX k EX 100 ; GETEX k PX 100000 ; GETEX k EXAT 99999999999
        GETEX k PXAT 9999999999999 ; GETEX k PERSIST ; GETEX k PERSIST ; GETEX k EXAT 1 ; EXISTS k
        GETEX none EX 100 ; SETRANGE k 0 "" ; SETRANGE k 3 abc ; SETRANGE k 3 abc ; APPEND k "" ; APPEND k x
        APPEND new x ; APPEND new2 "" ; MSET a 1 b 2 a 3 ; MSETNX a 1 z 2 ; MSETNX y 1 z 2 y 3 ; INCR a ; DECR a
        INCRBY a 5 ; DECRBY a 5 ; INCRBY a 0 ; INCRBY s9 0 ; INCRBYFLOAT a 1.5 ; INCRBYFLOAT a 0
        INCRBYFLOAT nf 1e2 ; INCRBYFLOAT nf x ; SETEX t 1000 1 ; INCRBYFLOAT t 1.25 ; INCR t ; APPEND t 5
        SETBIT k 7 1 ; SETBIT k 7 1 ; SETBIT kb 7 0 ; BITOP AND dst k kb ; BITOP NOT dst k
        BITOP OR dst none none2 ; BITOP OR dst none none2 ; BITFIELD bf SET u8 0 1 GET u8 0
        BITFIELD bf GET u8 0 ; BITFIELD bf INCRBY u8 0 0 ; BITFIELD bf OVERFLOW FAIL INCRBY u8 0 255 SET u8 8 1
        BITFIELD bf OVERFLOW FAIL INCRBY u8 0 255 ; BITFIELD_RO bf GET u8 0
    """,
    "keys": r"""
        MSET a 1 b 2 c 3 d 4 ; DEL a none ; DEL a ; DEL b c none ; UNLINK d d ; UNLINK d ; SET a 1 ; RENAME a b
        RENAME b b ; RENAMENX b b ; RENAMENX b c ; SET a 1 ; RENAMENX a c ; RENAME a c ; RENAME none c
        SET e v EX 100 ; RENAME e c ; TTL c ; COPY c d ; COPY c d ; COPY c d REPLACE ; COPY c c2 DB 3
        COPY c c2 DB 3 ; COPY c c2 DB 3 REPLACE ; COPY none c2 ; COPY c d DB 0 REPLACE ; MOVE c 5 ; MOVE c 5
        SET c 1 ; MOVE c 5 ; MOVE c 0 ; TOUCH c ; TOUCH none c ; EXPIRE c 100 ; EXPIRE c 100 NX
        EXPIRE c 200 GT ; EXPIRE c 100 GT ; EXPIRE c 50 LT ; EXPIRE c 50 XX ; EXPIRE none 50 ; PEXPIRE c 50000
        PEXPIREAT c 9999999999999 ; EXPIREAT c 9999999999 ; EXPIREAT c 9999999999 GT ; PERSIST c ; PERSIST c
        EXPIRE c -1 ; EXISTS c ; SET c 1 ; EXPIRE c 0 ; SET c 1 ; PEXPIRE c -5 ; SET c 1 ; EXPIREAT c 1
        SET c 1 ; PEXPIREAT c 1 ; SET c 1 ; EXPIRE c -1 NX ; SET c 1 ; EXPIRE c -1 XX ; EXPIRE c -1 LT ; SET c 1
        PEXPIRE c x ; EXPIRE c 99999999999999999 ; SORT none
    """,
    "sorting": r"""
        RPUSH l 3 1 2 ; SORT l ; SORT l STORE dst ; SORT l STORE dst ; SORT l LIMIT 0 0 STORE dst
        SORT l LIMIT 0 0 STORE dst ; SORT none STORE dst ; SORT l BY nosort STORE dst
        SORT l GET # GET w_* STORE dst ; SET str 1 ; SORT l STORE str
    """,
    "restoring": r"""
        DEBUG SET-SKIP-CHECKSUM-VALIDATION 1
        SET k v ; RESTORE r 0 "\x00\x01v\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00"
        RESTORE r 1000000 "\x00\x01v\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00"
        RESTORE r 1000000 "\x00\x01v\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00" REPLACE
        RESTORE r 9999999999999 "\x00\x01v\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00" REPLACE ABSTTL IDLETIME 5
        RESTORE r 1000 "\x00\x01v\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00" REPLACE ABSTTL ; EXISTS r
        RESTORE r 1000 "\x00\x01v\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00" REPLACE ABSTTL
        RESTORE r2 0 "\x00\x01v\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00" REPLACE FREQ 3
        RESTORE r3 1000000 "\x00\x01v\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00" replace
        RESTORE r4 1000000 "\x00\x01v\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00" idletime 3 replace
        RESTORE r4 -1 "\x00\x01v" ; RESTORE r4 0 "\x00\x01v" REPLACE
    """,
    "lists": r"""
        RPUSH l a b c d e f ; LPUSH l z ; LPUSHX l y ; LPUSHX none y ; RPUSHX l y x ; RPUSHX none y ; LPOP l
        LPOP l 2 ; LPOP l 0 ; LPOP none ; LPOP none 3 ; RPOP l ; RPOP l 100 ; RPOP l ; RPUSH l a b c d e f
        LINSERT l BEFORE a x ; LINSERT l AFTER none x ; LINSERT none AFTER none x ; LSET l 0 q ; LSET l 0 q
        LSET l 99 q ; LREM l 0 q ; LREM l 0 q ; LTRIM l 0 -1 ; LTRIM l 1 2 ; LTRIM l 5 2 ; LTRIM l 5 2
        RPUSH l a b c ; LMOVE l m LEFT RIGHT ; LMOVE l l LEFT RIGHT ; LMOVE none m LEFT LEFT ; RPOPLPUSH l m
        RPOPLPUSH l m ; RPOPLPUSH m m ; LMPOP 2 none m LEFT ; LMPOP 2 none m RIGHT COUNT 10
        LMPOP 2 none m RIGHT COUNT 10 ; RPUSH l a b c ; lmpop 1 l left count 1 ; BLMPOP 0 1 l LEFT
        BLMPOP 0.01 1 none LEFT ; BLPOP none l 0 ; RPUSH l a b c ; BRPOP none l 0 ; BLMOVE l m LEFT RIGHT 0
        BRPOPLPUSH l m 0 ; BRPOPLPUSH l m 0.01 ; LREM m 0 a ; LREM m 0 b ; LREM m 0 c ; EXISTS m
    """,
    "sets": r"""
        SADD s a b c ; SADD s a ; SADD s a d ; SADD s ; SREM s a none ; SREM s none ; SREM none x ; SMOVE s t b
        SMOVE s t b ; SMOVE s s c ; SMOVE none t b ; SADD s b ; SMOVE s t b ; SINTERSTORE d s t
        SINTERSTORE d s none ; SINTERSTORE d s none ; SUNIONSTORE d s t ; SDIFFSTORE d s t ; SDIFFSTORE d s s
        SDIFFSTORE d none s ; SADD one x ; SPOP one ; SPOP one ; SADD one x ; SPOP one 1 ; SADD one x
        SPOP one 10 ; SPOP one 10 ; SADD one x y z ; SPOP one 0 ; SADD many 1 2 3 4 5 6 7 8 9
        SADD big 1 2 3 4 5 6 7 8 9 10 ; SREM s c d ; EXISTS s ; SREM s a b c d ; SCARD s ; SADD s 1 ; SREM s 1 2
    """,
    "hashes": r"""
        HSET h a 1 b 2 ; HSET h a 1 ; HSET h a 1 c 1 ; HSETNX h a 1 ; HSETNX h z 1 ; HMSET h a 1 b 2
        HINCRBY h a 5 ; HINCRBY h a 0 ; HINCRBYFLOAT h a 1.5 ; HINCRBYFLOAT h nf 0 ; HINCRBYFLOAT h nf x
        HINCRBYFLOAT new nf 1e3 ; HDEL h a none ; HDEL h none ; HDEL none x ; HDEL h b c z nf ; HDEL h b
        HSET h ; HSET h a ; HGETALL h
    """,
    "sorted sets": r"""
        ZADD z 1 a 2 b ; ZADD z 1 a ; ZADD z 2 a ; ZADD z CH 3 a 1 q ; ZADD z NX 3 a ; ZADD z XX 3 none
        ZADD none XX 3 none ; ZADD z XX CH 9 a ; ZADD z GT 1 a ; ZADD z LT 1 a ; ZADD z INCR 1 a
        ZADD z INCR 0 a ; ZADD z NX INCR 1 a ; ZADD z INCR nan a ; ZINCRBY z 1 a ; ZINCRBY z 0 a
        ZINCRBY z 2.5 new ; ZREM z none ; ZREM z new none ; ZPOPMIN z ; ZPOPMAX z ; ZPOPMIN none ; ZPOPMIN z 0
        ZADD z 1 a 2 b 3 c 4 d ; ZPOPMIN z 2 ; ZPOPMAX z 100 ; ZADD z 1 a 2 b 3 c 4 d ; BZPOPMIN none z 0
        BZPOPMAX none z 0 ; BZMPOP 0 2 none z MIN ; BZMPOP 0.01 1 none MIN ; ZMPOP 2 none z MAX COUNT 5
        ZMPOP 2 none z MAX COUNT 5 ; ZADD z 1 a 2 b 3 c 4 d ; ZMPOP 2 none z MAX COUNT 2 ; zmpop 1 z min
        ZADD z 1 a 2 b 3 c 4 d ; ZREMRANGEBYSCORE z 1 1 ; ZREMRANGEBYSCORE z 1 1 ; ZREMRANGEBYRANK z 0 0
        ZREMRANGEBYLEX z - (a ; ZREMRANGEBYRANK z 0 -1 ; ZADD z 1 a 2 b 3 c 4 d ; ZADD y 1 a 2 b
        ZRANGESTORE d z 0 1 ; ZRANGESTORE d z 9 10 ; ZRANGESTORE d z 9 10 ; ZRANGESTORE d none 0 -1
        ZUNIONSTORE d 2 z y WEIGHTS 1 2 ; ZINTERSTORE d 2 z y AGGREGATE MIN ; ZINTERSTORE d 2 z none
        ZINTERSTORE d 2 z none ; ZDIFFSTORE d 2 z y ; ZDIFFSTORE d 2 z z ; ZADD z inf i ; ZADD z INCR -inf i
        ZINCRBY z -inf i ; ZREM z a b c d i ; EXISTS z
    """,
    "geo": r"""
        GEOADD g 13.361389 38.115556 P 15.087269 37.502669 C ; GEOADD g 13.361389 38.115556 P
        GEOADD g CH 13.361389 39 P ; GEOADD g NX 13.361389 38 P ; GEOADD g XX 1 2 none
        GEORADIUS g 15 37 200 km ; GEORADIUS g 15 37 200 km STORE d ; GEORADIUS g 15 37 200 km STOREDIST d
        GEORADIUS g 80 37 1 km STORE d ; GEORADIUS g 80 37 1 km STORE d ; GEORADIUS none 80 37 1 km STORE d
        GEORADIUSBYMEMBER g P 200 km STORE d ; GEORADIUSBYMEMBER none P 200 km STORE d
        GEORADIUSBYMEMBER none P 200 km STORE d ; GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km
        GEOSEARCHSTORE d g FROMLONLAT 15 37 BYBOX 400 400 km STOREDIST
        GEOSEARCHSTORE d g FROMLONLAT 80 37 BYBOX 1 1 km ; GEOSEARCHSTORE d none FROMLONLAT 80 37 BYBOX 1 1 km
    """,
    "hyperloglogs": r"""
        PFADD p a b c ; PFADD p a ; PFADD p ; PFADD q ; PFADD q ; PFCOUNT p ; PFCOUNT p ; PFADD p d ; PFCOUNT p
        PFCOUNT p q ; PFMERGE m p q ; PFMERGE m p q ; PFMERGE m ; PFMERGE m2 ; PFCOUNT m ; PFCOUNT m
        PFCOUNT none ; PFDEBUG ENCODING p ; PFDEBUG TODENSE p ; PFDEBUG TODENSE p ; PFDEBUG DECODE q
    """,
    "streams": r"""
        XADD s * a 1 ; XADD s 9999999999999-1 a 1 ; XADD s 9999999999999-* a 1 ; XADD s 9999999999999-1 a 1
        XADD s NOMKSTREAM 9999999999999-9 a 1 ; XADD none NOMKSTREAM * a 1 ; XADD s MAXLEN 2 10000000000000 a 1
        XADD s MAXLEN ~ 2 10000000000001 a 1 ; XADD s MAXLEN = 100 10000000000002 a 1
        XADD s MINID 10000000000001 10000000000003 a 1 ; XADD s MINID ~ 5 LIMIT 10 10000000000004 a 1
        XTRIM s MAXLEN 2 ; XTRIM s MAXLEN 2 ; XTRIM s MAXLEN ~ 1 ; XTRIM s MINID 99999999999999
        XTRIM none MAXLEN 1 ; XADD s 10000000000005 a 1 ; XDEL s 10000000000005 1 ; XDEL s 10000000000005
        XDEL none 1 ; XSETID s 10000000000006 ; XSETID s 10000000000006 ENTRIESADDED 100 MAXDELETEDID 5-5
        XSETID s 1 ; XADD t 1 a b ; XADD t 2 a b ; XADD t 3 a b ; XADD t 4 a b ; XADD t 5 a b
        XGROUP CREATE t g 0 ; XGROUP CREATE t g 0 ; XGROUP CREATE t2 g 0 ; XGROUP CREATE t2 g $ MKSTREAM
        XGROUP CREATE t3 g $ MKSTREAM ENTRIESREAD 5 ; XGROUP SETID t g 0 ; XGROUP SETID t g 0 ENTRIESREAD 1
        XGROUP CREATECONSUMER t g c0 ; XGROUP CREATECONSUMER t g c0 ; XREADGROUP GROUP g c1 COUNT 2 STREAMS t >
        XREADGROUP GROUP g c1 STREAMS t 0 ; XREADGROUP GROUP g c9 STREAMS t 0
        XREADGROUP GROUP g c2 NOACK COUNT 1 STREAMS t > ; XREADGROUP GROUP g c3 STREAMS t >
        XREADGROUP GROUP g c4 STREAMS t > ; XREADGROUP GROUP g c4 STREAMS t > ; XREAD STREAMS t 0 ; XPENDING t g
        XACK t g 1 ; XACK t g 1 ; XCLAIM t g c5 0 2 ; XCLAIM t g c5 0 2 JUSTID ; XCLAIM t g c5 999999999 2
        XCLAIM t g c6 0 2 IDLE 50 RETRYCOUNT 9 ; XCLAIM t g c6 0 2 TIME 9999999999999 ; XCLAIM t g c7 0 99 FORCE
        XCLAIM t g c7 0 1 FORCE JUSTID ; XCLAIM t g c7 0 1 LASTID 9-9 ; XCLAIM t g c7 0 99 LASTID 10-9
        XAUTOCLAIM t g c8 0 0 COUNT 1 ; XAUTOCLAIM t g c8 0 0 ; XAUTOCLAIM t g c8 0 0 JUSTID
        XAUTOCLAIM t g c10 99999999 0 ; XDEL t 4 5 ; XCLAIM t g c7 0 4 5 ; XAUTOCLAIM t g c8 0 0
        XAUTOCLAIM t g c8 0 0 ; XGROUP DELCONSUMER t g c8 ; XGROUP DELCONSUMER t g c8 ; XGROUP DESTROY t g
        XGROUP DESTROY t g
    """,
    "databases and libraries": r"""
        SELECT 3 ; SET a 1 ; SELECT 0 ; SET a 1 ; SWAPDB 0 3 ; SWAPDB 0 0 ; SWAPDB 5 6 ; FLUSHDB ; FLUSHDB
        FLUSHDB ASYNC ; SET a 1 ; flushdb sync ; FLUSHALL ; FLUSHALL ; FLUSHALL ASYNC ; SELECT 2 ; SET a 1
        SELECT 0 ; FLUSHDB ; FLUSHALL ; SET a 1 ; DEBUG RELOAD ; SET b 1 ; SET b 1 ; SCRIPT LOAD "return 1"
        SCRIPT LOAD "return 1" ; SCRIPT FLUSH ; SCRIPT FLUSH ASYNC
        FUNCTION LOAD "#!lua name=l\nredis.register_function('f', function(k) redis.call('set', k[1], 1) end)"
        FUNCTION LOAD "#!lua name=l\nredis.register_function('f', function(k) redis.call('set', k[1], 1) end)"
        FUNCTION LOAD REPLACE "#!lua name=l\nredis.register_function('f', function(k) redis.call('set', k[1], 1) end)"
        FCALL f 1 k ; FCALL f 1 "" ; FUNCTION DELETE l ; FUNCTION DELETE l ; FUNCTION FLUSH
        FUNCTION FLUSH ASYNC ; FUNCTION FLUSH ; FUNCTION RESTORE x ; PUBLISH ch x ; SPUBLISH ch x
    """,
    "transactions": r"""
        MULTI ; EXEC ; MULTI ; GET a ; EXEC ; MULTI ; SET a 1 ; EXEC ; MULTI ; SET a 1 ; SET b 1 ; EXEC ; MULTI
        SET a 1 ; GET a ; DEL nosuch ; EXEC ; MULTI ; SET a 1 ; LPUSH a 1 ; INCR a ; EXEC ; MULTI ; SET a 1
        DISCARD ; MULTI ; SELECT 2 ; SET a 1 ; SELECT 0 ; SET a 1 ; SELECT 2 ; EXEC ; SET x y ; SELECT 0 ; MULTI
        FLUSHALL ; EXEC ; MULTI ; FLUSHALL ; SET a 1 ; EXEC ; MULTI ; PUBLISH a b ; EXEC ; MULTI ; PUBLISH a b
        PUBLISH a b ; SPUBLISH a b ; EXEC ; MULTI ; SCRIPT LOAD "return 1" ; EXEC ; MULTI
        EVAL "redis.call('set','a',1) redis.call('set','a',1)" 0 ; EXEC ; MULTI
        EVAL "redis.call('set','a',1) redis.call('set','a',1)" 0 ; SET a 1 ; EXEC ; MULTI ; SPOP none ; SADD s a
        SPOP s ; EXEC ; MULTI ; SADD s a b c ; SPOP s 3 ; SET z 1 ; EXEC ; MULTI ; BLPOP l 0 ; RPUSH l a
        BLPOP l 0 ; EXEC ; MULTI ; SET a 1 ; MULTI ; SET b 1 ; EXEC ; MULTI ; NOSUCH ; SET a 1 ; EXEC ; WATCH a
        MULTI ; SET a 5 ; EXEC ; MULTI ; SWAPDB 0 1 ; SET a 3 ; EXEC ; MULTI ; EXPIRE a 100 ; EXPIRE a -1
        EXPIRE a -1 ; EXEC ; MULTI ; SET q 1 EXAT 1 ; GETEX q PERSIST ; EXEC ; MULTI
        FUNCTION LOAD REPLACE "#!lua name=l\nredis.register_function('f', function(k) redis.call('incr', k[1]) end)"
        FCALL f 1 a ; EXEC ; MULTI ; WAIT 0 0 ; SET a 1 ; EXEC
    """,
    "scripts": r"""
        EVAL "return redis.call('set','a',1)" 0 ; EVAL "redis.call('set','a',1) return redis.call('get','a')" 0
        EVAL "redis.call('set','a',1) redis.call('set','b',1)" 0
        EVAL "redis.call('set','a',1) redis.call('nosuch')" 0 ; EVAL "redis.call('set','a',1) error('x')" 0
        EVAL "redis.call('set','a',1) redis.call('select',3) redis.call('set','a',1)" 0 ; SET t 1
        EVAL "redis.call('select',3) redis.call('set','a',1)" 0 ; SET t 1
        EVAL "redis.set_repl(redis.REPL_NONE) redis.call('set','a',1)" 0
        EVAL "redis.set_repl(redis.REPL_AOF) redis.call('set','a',1)" 0
        EVAL "redis.set_repl(redis.REPL_REPLICA) redis.call('set','a',1)" 0
        EVAL "redis.call('set','b',1) redis.set_repl(redis.REPL_NONE) redis.call('set','a',1)" 0
        EVAL "redis.call('set','b',1) redis.set_repl(redis.REPL_AOF) redis.call('set','a',1)" 0
        EVAL "redis.set_repl(redis.REPL_AOF) redis.call('set','a',1) redis.call('set','a',1)" 0
        EVAL "redis.call('publish','b',1)" 0 ; EVAL "redis.call('publish','b',1) redis.call('publish','b',1)" 0
        EVAL "redis.call('flushall')" 0 ; EVAL "redis.call('sadd','s','a') redis.call('spop','s')" 0
        EVAL "redis.call('sadd','s','a') redis.call('spop','s', 5)" 0
        EVAL "redis.call('set','s','a','ex',100)" 0 ; EVAL "redis.call('expire','s',100)" 0
        EVAL "redis.call('expire','s',-1)" 0 ; EVAL "redis.call('incrbyfloat','f',1.5)" 0
        EVAL "redis.pcall('incr','f')" 0
        EVAL "redis.call('incr','n') redis.pcall('lpush','n', 1) redis.call('incr','n')" 0
        EVAL "redis.call('rpush','l','a') redis.call('blpop','l',0)" 0
        EVAL "redis.call('xadd','x','*','a','b')" 0
        EVAL "redis.replicate_commands() redis.call('set','a',1) redis.call('set','b',1)" 0
        EVAL "#!lua flags=no-writes\nreturn redis.call('set','a',1)" 0
        EVAL_RO "return redis.call('set','a',1)" 0 ; EVALSHA nosuch 0
        SCRIPT LOAD "return redis.call('set', KEYS[1], ARGV[1])"
        EVALSHA 55b22c0d0cedf3866879ce7c854970626dcef0c3 1 a b
        EVAL "redis.call('pfadd','p','a') redis.call('pfcount','p')" 0
        EVAL "return redis.call('pfcount','p')" 0
        EVAL "redis.call('set','a',1) redis.call('del','a') redis.call('del','a')" 0 ; SELECT 4
        EVAL "redis.call('set','a',1) redis.call('swapdb',4,0) redis.call('set','a',2)" 0 ; SET a 1
    """,
}
SCRIPTS |= {
    "expired keys met by one command": r"""
        SET a v PX 1 ; SET b v PX 1 ; ! ; MGET a b ; SET a v PX 1 ; SET b v PX 1 ; ! ; SUNIONSTORE d a b
        SET a v PX 1 ; SET b v PX 1 ; ! ; EVAL "redis.call('get','a') redis.call('get','b')" 0
        SET a v PX 1 ; SET b v PX 1 ; ! ; MULTI ; GET a ; SET b 1 ; EXEC ; SET a v PX 1 ; ! ; MULTI ; GET a ; EXEC
        SET a v PX 1 ; ! ; SET a 1 KEEPTTL ; SET a v PX 1 ; ! ; SET a 1 XX ; SET a v PX 1 ; ! ; RENAME x a ; SET x 1
        SET a v PX 1 ; ! ; RENAME x a ; SET a v PX 1 ; ! ; COPY a x ; SET x 1 ; COPY x a ; SET a v PX 1 ; ! ; PERSIST a
        SET a v PX 1 ; ! ; GETDEL a ; SET a v PX 1 ; ! ; XADD a 1 f v ; SET a v PX 1 ; ! ; BLPOP a 0.01
        SET a v PX 1 ; ! ; EXPIRE a 100 ; SET a v PX 1 ; ! ; DEL a ; SET a v PX 1 ; ! ; MOVE a 1 ; SET a v PX 1
        ! ; WATCH a ; SET a v PX 1 ; ! ; MEMORY USAGE absent ; DEBUG OBJECT a ; MEMORY USAGE a ; TOUCH a
        SET a v PX 1 ; ! ; FLUSHDB
    """,
    "expired keys met by chance": r"""
        SET a v PX 1 ; SET b v PX 1 ; ! ; SCAN 0 ; MULTI ; SET a 1 ; SET b 1 ; EXEC
        SCAN 0 TYPE x ; MULTI ; SET a 1 ; SET b 1 ; EXEC ; SET a v PX 1 ; SET b v PX 1 ; ! ; SCAN 0 TYPE string
        SET a v PX 1 ; SET b v PX 1 ; ! ; RANDOMKEY ; SET a v PX 1 ; SET b v PX 1 ; ! ; MULTI ; SCAN 0 ; EXEC
        SET a v PX 1 ; SET b v PX 1 ; ! ; EVAL "redis.call('scan', '0')" 0
    """,
    "expired keys met by the cycle": r"""
        SET a v PX 1 ; SET b v PX 1 ; SELECT 3 ; SET c v PX 1 ; SELECT 0 ; ! ; cycle
        MULTI ; SET a 1 ; SET b 1 ; EXEC
    """,
}

WAITING = [
    "BLPOP a b 0",
    "BRPOP a b 0",
    "BLMOVE b c Left RIGHT 0",
    "BLMOVE b b RIGHT LEFT 0",
    "BRPOPLPUSH b c 0",
    "BLMPOP 0 2 a b LEFT",
    "BLMPOP 0 2 a b right COUNT 2",
    "BZPOPMIN a z 0",
    "BZPOPMAX a z 0",
    "BZMPOP 0 2 a z MIN",
    "BZMPOP 0 2 a z max COUNT 2",
    "XREADGROUP GROUP g c BLOCK 0 STREAMS x >",
    "XREADGROUP GROUP g c COUNT 1 BLOCK 0 NOACK STREAMS x >",
]
WAKING = [
    ["RPUSH b 1 2 3", "ZADD z 1 m 2 n 3 o", "XADD x 1 f v"],
    ["SORT list STORE b", "ZRANGESTORE z zset 0 -1", "XGROUP DESTROY x g"],
    ["RENAME list b", "ZUNIONSTORE z 1 zset", "DEL x"],
    ["LMOVE list b LEFT LEFT", "GEOSEARCHSTORE z zset FROMLONLAT 1 1 BYRADIUS 9999 km", "SET x 1"],
    ["SWAPDB 0 5"],
    ["MULTI", "RPUSH b 1", "RPUSH b 2", "ZADD z 1 m", "ZADD z 2 n", "XADD x 1 f v", "XADD x 2 f v", "EXEC"],
    [
        "EVAL \"redis.call('rpush','b',1) redis.call('rpush','b',2)"
        " redis.call('zadd','z',1,1) redis.call('zadd','z',2,2) redis.pcall('xadd','x',1,1,1)\" 0"
    ],
]


Heard = tuple[list[list[bytes]], list[tuple[bytes, bytes]], int]
"""What the link, the listener and the counter of changes say of a unit."""


class Side:
    """A server, who runs commands on it, and who hears of them."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.sessions: dict[str, WireSession] = {}
        self._marks = 0
        self._link = Talk(member.port)
        self._link.send(c(["PSYNC", "?", "-1"]))
        settle(member)
        self._link.read_until(lambda data: masked(data).endswith(b"<snapshot>"), SECONDS)
        self._events = member.server.connect()
        self._events.send(("PSUBSCRIBE", "__key*", "mark"))
        for _ in range(2):
            self._events.read(SECONDS)
        member("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        self._changes = self._count()

    def _count(self) -> int:
        return int(self.member.info("persistence")["rdb_changes_since_last_save"])

    def session(self, name: str) -> WireSession:
        """Return the session of that name, a new one if there is none."""
        if name not in self.sessions:
            self.sessions[name] = self.member.server.connect()
        return self.sessions[name]

    def begin(self) -> None:
        """Start with empty databases and new sessions."""
        for session in self.sessions.values():
            session.close()
        self.sessions.clear()
        self._link.send(c(["REPLCONF", "ACK", "0"]))  # a replica that says nothing for a minute is given up
        wait_until(lambda: self.member.info("clients")["blocked_clients"] == "0", lambda: "a client waits on")
        self.member("FLUSHALL")
        self.member("FUNCTION", "FLUSH")
        self.member("SELECT", 0)
        self.heard(self.member.session)

    def run(self, unit: list[list[bytes]]) -> Heard:
        """Run commands and say what was heard of them."""
        session = self.session("1")
        session.send_raw(b"".join(map(c, unit)))
        for _ in unit:
            assert session.read_any(SECONDS).kind not in ("nothing", "closed"), unit
        return self.heard(session)

    def wait(self, name: str, words: list[bytes]) -> None:
        """Let a session wait."""
        self.session(name).send(words)
        count = str(sum(other != "1" for other in self.sessions))
        wait_until(lambda: self.member.info("clients")["blocked_clients"] == count, lambda: words)

    def heard(self, session: WireSession) -> Heard:
        """Return what was heard since the last call."""
        self._marks += 1
        mark = c(["PUBLISH", "mark", self._marks])
        session.send_raw(mark)
        session.read_any(SECONDS)
        data = self._link.read_until(lambda data: data.endswith(mark), SECONDS)
        assert data.endswith(mark), data[-1000:]
        now_ms = int(time.time() * 1000)

        def rounded(found: re.Match[bytes]) -> bytes:
            return b"<%d>" % ((int(found[0]) - now_ms + STEP_MS // 2) // STEP_MS)

        stream = [[TIMES.sub(rounded, word) for word in words] for words in parse(data)[:-1]]
        events = []
        while (frame := self._events.read_any(SECONDS)).items[1].text != b"mark":
            events.append((frame.items[2].text, frame.items[3].text))
        count = self._count()
        changes, self._changes = count - self._changes, count
        return stream, events, changes


@pytest.fixture(scope="module", params=["asyncio", "threaded"])
def sides(request: pytest.FixtureRequest) -> Iterator[tuple[Side, Side]]:
    """Yield the real server and kvcore."""
    with open_group() as made:
        yield Side(made.real(*OPTIONS)), Side(made.kvcore(request.param, *OPTIONS))


def compare(
    sides: tuple[Side, Side],
    unit: list[list[bytes]],
    history: list[str],
    *,
    counted: bool = True,
    ordered: bool = True,
) -> Heard:
    """Run a unit on both sides and insist that they said the same; not ``ordered`` where tables of keys decide."""
    history += [show([word.decode("latin-1") for word in words]) for words in unit]
    real, ours = (side.run(unit) for side in sides)
    if not ordered:
        for heard in (real, ours):
            heard[0].sort()
            heard[1].sort()
    for name, expected, found in zip(("link", "events", "changes"), real, ours, strict=True):
        if expected != found and (counted or name != "changes"):
            lines = "\n    ".join(history[-12:])
            raise Mismatch(f"{name}:\n  oracle: {expected}\n  kvcore: {found}\n    {lines}")
    return real


def units(script: str) -> Iterator[list[list[bytes]]]:
    """Split a script into commands, and transactions."""
    unit: list[list[bytes]] = []
    for line in script.strip().splitlines():
        for text in line.strip().split(" ; "):
            unit.append(split_line(text))
            if unit[0] != [b"MULTI"] or text in ("EXEC", "DISCARD"):
                yield unit
                unit = []
    assert not unit, unit


@pytest.mark.parametrize("spelled", [bytes.upper, bytes.lower])
@pytest.mark.parametrize("name", SCRIPTS)
def test_each_command(sides: tuple[Side, Side], name: str, spelled: Callable[[bytes], bytes]) -> None:
    for side in sides:
        side.begin()
    history: list[str] = []
    sent = 0
    for unit in units(SCRIPTS[name]):
        if unit == [[b"!"]]:
            time.sleep(0.005)  # what lives for a millisecond has expired on both servers
        elif unit == [[b"cycle"]]:
            for side in sides:
                side.member("DEBUG", "SET-ACTIVE-EXPIRE", "1")
                wait_until(lambda member=side.member: b"db" not in member("INFO", "keyspace").text, lambda: "keys")  # type: ignore[misc]
                side.member("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        else:
            unit = [[spelled(words[0]), *words[1:]] for words in unit]
            sent += len(compare(sides, unit, history, ordered="met by" not in name)[0])
    assert sent > 5


@pytest.mark.parametrize("waiting", WAITING)
def test_what_waits_is_served(sides: tuple[Side, Side], waiting: str) -> None:
    """That the real server counts no change for some of what it serves later is a known difference."""
    served = 0
    for waking in WAKING:
        history = [f"2> {waiting}"]
        for side in sides:
            side.begin()
        for text in (
            "RPUSH list 7 8 9",
            "GEOADD zset 1 1 m 2 2 n",
            "XGROUP CREATE x g $ MKSTREAM",
            "SELECT 5",
            "RPUSH b 1 2",
            "ZADD z 1 m 2 n",
            "SELECT 0",
        ):
            compare(sides, [split_line(text)], history)
        for side in sides:
            side.wait("2", split_line(waiting))
        commands = [split_line(text) for text in waking]
        for unit in [commands] if waking[0] == "MULTI" else [[words] for words in commands]:
            served += len(compare(sides, unit, history, counted=False)[0])
        compare(sides, [[b"DBSIZE"]], history)
    assert served > len(WAKING)


MANY = """local at = 1
while ARGV[at] do
  local last = at + ARGV[at]
  redis.pcall(unpack(ARGV, at + 1, last))
  at = last + 1
end"""
"""Runs commands, each behind the number of its words."""


@pytest.mark.parametrize("seed", [*range(2), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 60))])
def test_random_units(sides: tuple[Side, Side], seed: int) -> None:
    for side in sides:
        side.begin()
    grammar = EventGrammar(seed)
    history: list[str] = []
    sent = 0
    for number in range(UNITS):
        words = SOIL if number % 100 == 0 else grammar.unit()
        if number % 25 == 24:
            words = [["PEXPIRE", grammar.source.choice("abcdefg"), "10"]]
        elif number % 50 == 49:
            words = [grammar.source.choice([["FLUSHDB"], ["SWAPDB", "0", "1"], ["SELECT", "0"], ["SELECT", "1"]])]
        unit = [[word.encode("latin-1") for word in each] for each in words]
        if unit[0] != [b"MULTI"] and grammar.source.random() < 0.1:
            unit = [[b"EVAL", MANY.encode(), b"0", *(word for each in unit for word in (b"%d" % len(each), *each))]]
        sent += len(compare(sides, unit, history)[0])
        if number % 25 == 24:
            time.sleep(0.015)
    assert sent > UNITS // 10
