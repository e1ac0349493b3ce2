"""Pure data structures: no protocol, clock, randomness or I/O of their own; each has ``check()``."""
