"""The audit of whole chains, as a library."""
