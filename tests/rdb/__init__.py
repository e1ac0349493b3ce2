"""Tests of the RDB format: each part against its description, all of it against bytes of the real server."""
