"""HTTP written by hand, so that requests can be what no client library would send."""

import asyncio
from dataclasses import dataclass

TIMEOUT_S = 20


@dataclass(frozen=True)
class Answer:
    """One response, read to the end of its connection."""

    status: int
    headers: dict[str, str]
    """Names in lower case; the last of several."""
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0]


def request(method: bytes, target: bytes, headers: dict[bytes, bytes] | None = None, body: bytes = b"") -> bytes:
    """The bytes of a request after which the connection is closed."""
    lines = [b"%b %b HTTP/1.1" % (method, target), b"Host: node", b"Connection: close"]
    lines += [b"%b: %b" % header for header in (headers or {}).items()]
    if body or method in (b"POST", b"PUT"):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", b""]) + body


async def exchange(host: str, port: int, sent: bytes, first_bytes: int = -1) -> Answer:
    """Send and read to the end, or to ``first_bytes`` of an answer that has no end."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(sent)
        async with asyncio.timeout(TIMEOUT_S):
            head = await reader.readuntil(b"\r\n\r\n")
            body = b"" if sent.startswith(b"HEAD ") else await reader.read(first_bytes)
    finally:
        writer.close()
    status_line, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if headers.get("transfer-encoding") == "chunked" and first_bytes < 0:
        body = _joined(body)
    return Answer(int(status_line.split()[1]), headers, body)


def _joined(body: bytes) -> bytes:
    found, rest = b"", body
    while rest:
        length, _, rest = rest.partition(b"\r\n")
        size = int(length, 16)
        found, rest = found + rest[:size], rest[size + 2 :]
    return found
