"""Tests of the codecs; a package so that they can share their streams."""
