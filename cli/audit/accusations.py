"""The evidence of misbehaviour that a node gives to whoever audits it."""

import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote

import msgspec

from blockpool import ErrorCode, PoolError, RetryPolicy
from blockpool.exchange import NodePool, NodeRequest, expect_ok
from blockpool.operations.session import Session
from blockpool.runner import Runner
from chain.messages.phrases import phrase

_FILES_MAX = 512
"""As many as an honest node keeps."""
_RETRY = RetryPolicy(attempts_max=4, total_max_s=15)


class _Name(msgspec.Struct, frozen=True):
    name: str


class _Names(msgspec.Struct, frozen=True):
    """The node's list of its files."""

    misbehaviour: tuple[_Name, ...]


def fetch_accusations(url: str) -> Iterator[bytes]:
    """Each file of evidence that a node keeps, as it gives it: nothing is verified here."""
    session = Session(NodePool([url], time.monotonic), _RETRY)
    with closing(Runner()) as runner:
        names = runner.run(session.get("/v1/misbehaviour", _Names)).misbehaviour
        if len(names) > _FILES_MAX:
            raise PoolError(
                ErrorCode.BAD_EVIDENCE,
                phrase("{count:,} files; a node keeps {files_max} at most", count=len(names), files_max=_FILES_MAX),
            )
        for file in names:
            request = NodeRequest("GET", f"/v1/misbehaviour/{quote(file.name, safe='')}")
            yield runner.run(session.exchange(request, expect_ok))
