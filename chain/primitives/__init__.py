"""Bytes, hashes, keys: what everything else is written in."""
