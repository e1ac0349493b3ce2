"""RESP2 and RESP3 codecs, sans-I/O."""
