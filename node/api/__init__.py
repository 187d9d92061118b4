"""The HTTP API of a node. Bytes in, bytes out; every error is a problem document (RFC 9457) with a stable code."""
