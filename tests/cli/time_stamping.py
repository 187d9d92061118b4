"""A time-stamping service on this machine: ``openssl ts`` answers what is posted (RFC 3161)."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_SETTINGS = """\
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/signer.crt
signer_key = {folder}/signer.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
ess_cert_id_chain = no
"""


@dataclass
class TimeStampingService:
    """The service's files, and what it was asked."""

    folder: Path
    url: str = ""
    queries: list[bytes] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """PEM: the certificate that all trust."""
        return self.folder / "root.crt"

    def create(self) -> None:
        """Make the keys and certificates: a root, and a signer whose only use is time stamping."""
        self.folder.mkdir()
        (self.folder / "serial").write_text("01")
        (self.folder / "settings").write_text(_SETTINGS.format(folder=self.folder))
        (self.folder / "extensions").write_text(
            "extendedKeyUsage = critical,timeStamping\nkeyUsage = digitalSignature\n"
        )
        key = ["-newkey", "rsa:2048", "-nodes", "-sha256"]
        self._openssl(
            "req", "-x509", *key, "-keyout", "root.key", "-out", "root.crt", "-subj", "/CN=Root", "-days", "2"
        )
        self._openssl("req", *key, "-keyout", "signer.key", "-out", "signer.csr", "-subj", "/CN=Time stamps")
        issued = ["-CA", "root.crt", "-CAkey", "root.key", "-CAcreateserial", "-extfile", "extensions", "-days", "2"]
        self._openssl("x509", "-req", "-in", "signer.csr", "-out", "signer.crt", "-sha256", *issued)

    def answer(self, query: bytes) -> bytes:
        """The time stamp that is asked for."""
        self.queries.append(query)
        (self.folder / "query").write_bytes(query)
        self._openssl("ts", "-reply", "-config", "settings", "-queryfile", "query", "-out", "reply")
        return (self.folder / "reply").read_bytes()

    def verify(self, path: Path) -> None:
        """Have openssl itself check the stamp beside a file."""
        stamp = path.with_name(f"{path.name}.tsr")
        self._openssl("ts", "-verify", "-data", str(path), "-in", str(stamp), "-CAfile", "root.crt")

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


@contextmanager
def time_stamping_service(folder: Path) -> Iterator[TimeStampingService]:
    """A service that answers while the context lasts."""
    service = TimeStampingService(folder)
    service.create()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            answer = service.answer(query)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
