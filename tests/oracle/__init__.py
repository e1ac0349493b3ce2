"""Comparison with the real server: every case runs on both, replies must be equal to the byte."""
