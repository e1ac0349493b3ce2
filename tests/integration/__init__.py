"""Packages that people run on Redis, unmodified, on kvcore-server."""
