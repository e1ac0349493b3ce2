"""The RDB format: values to bytes and back, as DUMP, snapshots, flash and full synchronisation share it.

Here: bytes in, bytes out. Not here: files, sockets, keys, databases. The rule: what is read is never trusted; every
reader checks a length against the bytes there are before it believes it, and raises
:class:`kvcore.errors.RdbError` for anything else.
"""
