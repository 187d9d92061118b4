"""Measures a network of four validators on this machine: ``python -m bench`` (docs/benchmarks.md says what and how)."""
