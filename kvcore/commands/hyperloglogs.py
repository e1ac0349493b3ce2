"""Commands on HyperLogLogs: additions, estimates, unions, and a look inside.

What lives here: the hyperloglog group's words, keys and replies. What must not: the string's layout and arithmetic,
which are in :mod:`kvcore.datatypes.hyperloglog`. The rule: a HyperLogLog is a string like any other; whatever reads one
checks first that it is one.
"""

from __future__ import annotations

from typing import Final

from kvcore import errors
from kvcore.call import Call
from kvcore.command import command
from kvcore.datatypes import hyperloglog
from kvcore.errors import CommandError
from kvcore.notifications import STRING
from kvcore.replies import OK, Reply

_NO_EVENT: Final = 0
"""A change that watchers see and nobody is notified of."""

_TRIALS: Final = 2000
"""Elements that PFSELFTEST adds."""

_TOLERANCE: Final = 5 * 1.04 / 128
"""Five standard errors of an estimate from 16,384 registers."""


def _checked(value: bytes | bytearray | None) -> bytes | bytearray | None:
    if value is not None and not hyperloglog.is_sketch(value):
        raise CommandError(errors.HLL_INVALID)
    return value


def _writable(call: Call, key: bytes, value: bytes | bytearray) -> bytearray:
    """Return what the key holds as a string to change in place."""
    if type(value) is bytearray:
        return value
    sketch = bytearray(value)
    call.db.store(key, sketch)
    return sketch


def _united(call: Call, keys: tuple[bytes, ...]) -> tuple[bytes, bool]:
    """Return the registers of all sketches put together, and whether one of them is dense."""
    union = bytes(hyperloglog.REGISTERS)
    dense = False
    for key in keys:
        sketch = _checked(call.db.read_string(key))
        if sketch is not None:
            dense = dense or hyperloglog.is_dense(sketch)
            union = hyperloglog.union(union, hyperloglog.registers(sketch))
    return union, dense


@command(
    "PFADD",
    arity=-2,
    flags="write denyoom fast",
    acl="hyperloglog",
    keys="RW,insert@1",
    group="hyperloglog",
    since="2.8.9",
    complexity="O(1) to add every element.",
    summary="Add elements to the set whose size a key estimates.",
)
def pfadd(call: Call, key: bytes, *elements: bytes) -> Reply:
    old = _checked(call.db.write_string(key))
    changes = 0
    if old is None:
        sketch = hyperloglog.empty()
        call.db.store(key, sketch)
        changes = 1
    else:
        sketch = _writable(call, key, old)
    sparse_bytes = call.engine.limits.hll_sparse_bytes
    for element in elements:
        if hyperloglog.add(sketch, element, sparse_bytes):
            changes += 1
    if not changes:
        return 0
    hyperloglog.invalidate(sketch)
    call.changed(key, "pfadd", STRING, changes)
    return 1


@command(
    "PFCOUNT",
    arity=-2,
    flags="readonly may_replicate",
    acl="hyperloglog",
    keys="RW,access@1..-1/1",
    group="hyperloglog",
    since="2.8.9",
    complexity="O(1) with a very small average constant time when called with a single key. O(N) with N being the "
    "number of keys, and much bigger constant times, when called with multiple keys.",
    summary="Estimate how many different elements were added to the keys.",
)
def pfcount(call: Call, key: bytes, *others: bytes) -> Reply:
    if others:
        union, _ = _united(call, (key, *others))
        return _signed(hyperloglog.count(union))
    value = _checked(call.db.read_string(key))
    if value is None:
        return 0
    sketch = _writable(call, key, value)
    estimate = hyperloglog.cached(sketch)
    if estimate is None:
        estimate = hyperloglog.count(hyperloglog.registers(sketch))
        hyperloglog.keep(sketch, estimate)
        # The string changed, so others must hear of it although the command only reads.
        call.changed(key, "", _NO_EVENT)
    return _signed(estimate)


def _signed(estimate: int) -> int:
    """Return a 64-bit estimate as the integer reply that carries it."""
    return estimate - (estimate >> 63 << 64)


@command(
    "PFMERGE",
    arity=-2,
    flags="write denyoom",
    acl="hyperloglog",
    keys="RW,access,insert@1 RO,access@2..-1/1",
    group="hyperloglog",
    since="2.8.9",
    complexity="O(N) to merge N HyperLogLogs, but with high constant times.",
    summary="Add everything that was added to the other keys to the first one.",
)
def pfmerge(call: Call, target: bytes, *sources: bytes) -> Reply:
    union, dense = _united(call, (target, *sources))
    old = call.db.write_string(target)
    if old is None:
        sketch = hyperloglog.empty()
        call.db.store(target, sketch)
    else:
        sketch = _writable(call, target, old)
    if dense:
        hyperloglog.to_dense(sketch)
    hyperloglog.raise_registers(sketch, union, call.engine.limits.hll_sparse_bytes)
    call.changed(target, "pfadd", STRING)
    return OK


@command(
    "PFDEBUG",
    arity=3,
    flags="write denyoom admin",
    acl="hyperloglog",
    keys="RW,access@2",
    group="hyperloglog",
    since="2.8.9",
    complexity="N/A",
    summary="Show the registers, the codes or the encoding of a HyperLogLog, or make it dense.",
)
def pfdebug(call: Call, subcommand: bytes, key: bytes) -> Reply:
    value = call.db.write_string(key)
    if value is None:
        raise CommandError(errors.KEY_DOES_NOT_EXIST)
    _checked(value)
    sketch = _writable(call, key, value)
    dense = hyperloglog.is_dense(sketch)
    name = subcommand.upper()
    if name == b"ENCODING":
        return "dense" if dense else "sparse"
    if name == b"DECODE":
        if dense:
            raise CommandError(errors.HLL_NOT_SPARSE)
        return hyperloglog.describe(sketch)
    if name not in (b"GETREG", b"TODENSE"):
        raise CommandError(errors.unknown_pfdebug(subcommand))
    if not dense:
        hyperloglog.to_dense(sketch)
        call.dirty += 1  # others must convert it as well; to clients and watchers the set is what it was
    return list(hyperloglog.registers(sketch)) if name == b"GETREG" else int(not dense)


@command(
    "PFSELFTEST",
    arity=1,
    flags="admin",
    acl="hyperloglog",
    group="hyperloglog",
    since="2.8.9",
    complexity="N/A",
    summary="Check that HyperLogLogs hold what is put in and estimate well.",
)
def pfselftest(call: Call) -> Reply:
    sparse, dense = hyperloglog.empty(), hyperloglog.empty()
    hyperloglog.to_dense(dense)
    expected = bytearray(hyperloglog.REGISTERS)
    prefix = b"%x:" % call.engine.random.getrandbits(64)
    for number in range(_TRIALS):
        element = prefix + b"%d" % number
        index, register = hyperloglog.locate(element)
        expected[index] = max(expected[index], register)
        hyperloglog.add(dense, element, 0)
        hyperloglog.add(sparse, element, hyperloglog.DENSE_BYTES)
    estimate = hyperloglog.count(expected)
    if (
        hyperloglog.registers(dense) != expected
        or hyperloglog.registers(sparse) != expected
        or abs(estimate - _TRIALS) > _TRIALS * _TOLERANCE
    ):
        raise CommandError(errors.HLL_TEST_FAILED)
    return OK
