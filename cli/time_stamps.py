"""Time stamps on an auditor's checkpoints (RFC 3161): that a service which both sides trust has seen them, and when.

The service's answer is kept beside the file as it came, so that ``openssl ts -verify`` checks it too. It covers the
file's exact bytes, and is worthless for any others.
"""

import asyncio
import datetime
from pathlib import Path

from cryptography import x509
from rfc3161_client import TimestampRequestBuilder, VerificationError, VerifierBuilder, decode_timestamp_response

from blockpool.exchange import NodeRequest, Reply, Unreachable
from blockpool.transport import Transport
from chain.errors import ErrorCode, PoolError
from chain.messages.phrases import phrase
from chain.storage.files import replace_file

_TIMEOUT_S = 10.0
_ANSWER_SIZE_BYTES_MAX = 64 * 1024


class TimeStamper:
    """A time-stamping service.

    Args:
        url: where requests are posted (RFC 3161, section 3.4).
        certificate_file: PEM: the root that its certificate leads to, and those in between.

    Raises:
        PoolError: code ``bad_key`` for a file without certificates.
    """

    def __init__(self, url: str, certificate_file: Path) -> None:
        self._url = url
        try:
            self._roots = x509.load_pem_x509_certificates(certificate_file.read_bytes())
        except ValueError as error:
            raise PoolError(ErrorCode.BAD_KEY, f"{certificate_file}: {error}") from None

    def ensure(self, path: Path) -> datetime.datetime:
        """When the service saw what ``path`` holds; asks it unless the answer beside the file says so already.

        Raises:
            PoolError: code ``unreachable``; ``bad_proof`` for an answer that does not verify; ``disk_full``,
                ``storage_failed``.
        """
        content, stamp = path.read_bytes(), stamp_path(path)
        if stamp.exists():
            try:
                return self.verify(content, stamp.read_bytes())
            except PoolError:  # of an earlier checkpoint, or of another service
                pass
        request = TimestampRequestBuilder().data(content).build()
        answer = self._ask(request.as_bytes())
        time = self.verify(content, answer, request.nonce)
        replace_file(stamp, answer)
        return time

    def verify(self, content: bytes, answer: bytes, nonce: int | None = None) -> datetime.datetime:
        """When the service saw ``content``.

        Raises:
            PoolError: code ``bad_proof``.
        """
        builder = VerifierBuilder(roots=list(self._roots), nonce=nonce)
        try:
            response = decode_timestamp_response(answer)
            builder.build().verify_message(response, content)
        except (ValueError, VerificationError) as error:
            raise PoolError(
                ErrorCode.BAD_PROOF, phrase("the time stamp does not verify: {error}", error=error)
            ) from None
        time: datetime.datetime = response.tst_info.gen_time
        return time

    def _ask(self, request: bytes) -> bytes:
        headers = {"Content-Type": "application/timestamp-query"}
        answer = asyncio.run(_post(self._url, NodeRequest("POST", "", {}, headers, request, _TIMEOUT_S)))
        if isinstance(answer, Unreachable):
            raise PoolError(
                ErrorCode.UNREACHABLE,
                phrase("time-stamping service {url}: {reason}", url=self._url, reason=answer.reason),
            )
        if answer.status != 200 or len(answer.body) > _ANSWER_SIZE_BYTES_MAX:
            detail = phrase(
                "time-stamping service {url}: status {status}, {count} bytes",
                url=self._url,
                status=answer.status,
                count=len(answer.body),
            )
            raise PoolError(ErrorCode.UNREACHABLE, detail)
        return answer.body


async def _post(url: str, request: NodeRequest) -> Reply | Unreachable:
    transport = Transport()
    try:
        return await transport.send(url, request)
    finally:
        await transport.close()


def stamp_path(path: Path) -> Path:
    """Where a file's time stamp is kept."""
    return path.with_name(f"{path.name}.tsr")
