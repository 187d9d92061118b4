"""Reading sealed data from running nodes, some of which lie (scenarios 18, 49 and 53): the reader gets what the owner
sealed or an error that says whose fault it is, nobody else gets anything, and no node's disk ever holds plaintext.
"""

import itertools
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import orjson
import pytest

import blockpool
from blockpool.access_signing import AccessTerms
from chain.primitives.encoding import decode, encode
from cli.homes import READER_KEY
from sealing import ShareAnswer, ShareQuery, ShareRelease
from tests.attacks.world import contract, traces_of
from tests.blockpool.test_lying_node import Change, lying_proxy, only
from tests.processes import RunningNetwork, get
from tests.signing import DESCRIPTION

pytestmark = pytest.mark.integration

OWNER, READER, BYSTANDER = "aviation", "meteorology", "airports"
RULE = contract(
    "if request.purpose == 'ask':\n    return allow() if ctx.approvals else ask([ctx.owner.name])\n"
    f"return allow() if ctx.reader.name == {READER!r} else deny('not for you')"
)
ONCE = blockpool.RetryPolicy(attempts_max=1)
_numbers = itertools.count()


class Guarded:
    """A dataset that one member may read, with a parcel of secrets in it."""

    def __init__(self, running: RunningNetwork) -> None:
        self.running = running
        self.network = running.network
        name = f"{OWNER}.guarded-{next(_numbers)}"
        self.secret = f"passenger {secrets.token_hex(12)}"
        with running.client(OWNER) as owner:
            owner.deploy(name, RULE)
            owner.define(
                blockpool.DatasetDefinition(
                    name, "旅客", "Passengers", sharing="conditional", contract=name, description=DESCRIPTION
                )
            )
            self.parcel = owner.submit([{"passenger": self.secret}], name)[0].transaction_id
            self.other_parcel = owner.submit([{"passenger": "another"}], name)[0].transaction_id
        self.dataset = name

    def key(self, member: str = READER) -> blockpool.KemPrivateKey:
        """What a member reads with."""
        return blockpool.load_kem_key(self.network.folder / member / READER_KEY)

    def request(self, member: str = READER, purpose: str = "research") -> bytes:
        """A committed request's id."""
        with self.running.client(member) as client:
            return client.request(self.dataset, purpose, self.key(member)).id

    def read(self, request: bytes, member: str = READER, urls: list[str] | None = None) -> list[bytes]:
        """What a member reads, from these nodes."""
        urls = urls or self.network.urls
        retry = ONCE if len(urls) == 1 else None
        with blockpool.Client(urls, self.network.genesis, self.running.identity(member), retry=retry) as client:
            return [record.body for record in client.read(request, self.key(member))]

    @property
    def bodies(self) -> list[bytes]:
        """What there is to read."""
        return [orjson.dumps({"passenger": name}) for name in (self.secret, "another")]

    def files(self, member: str) -> Iterator[Path]:
        """Everything that a member's node, or its operator, has on disk."""
        folder = self.network.folder
        yield from (path for path in (folder / member).rglob("*") if path.is_file())
        yield folder / f"{member}.log"


@pytest.fixture(scope="module")
def guarded(running_network: RunningNetwork) -> Guarded:
    return Guarded(running_network)


@pytest.fixture(scope="module")
def granted(guarded: Guarded) -> bytes:
    """The reader's granted request."""
    return guarded.request()


def refusal(action: Callable[[], object]) -> blockpool.PoolError:
    """The error that an action must end with."""
    with pytest.raises(blockpool.PoolError) as caught:
        action()
    return caught.value


def test_s53_no_nodes_disk_holds_what_was_sealed_and_read(guarded: Guarded, granted: bytes) -> None:
    """Databases, logs, keys: on the owner's and the reader's nodes too. The same search finds an open record."""
    assert guarded.read(granted) == guarded.bodies
    guarded.network.settle()
    plain = f"weather {secrets.token_hex(12)}"
    dataset = guarded.running.new_dataset(OWNER, schema="")
    with guarded.running.client(OWNER) as owner:
        owner.submit([{"weather": plain}], dataset)
    guarded.network.settle()
    for member in (OWNER, READER, BYSTANDER, "registry"):
        files = list(guarded.files(member))
        assert [file for file in files if traces_of(plain.encode(), file.read_bytes())], member
        assert [file for file in files if traces_of(guarded.secret.encode(), file.read_bytes())] == []


def test_s53_whoever_is_denied_reads_nothing(guarded: Guarded) -> None:
    request = guarded.request(BYSTANDER)
    assert refusal(lambda: guarded.read(request, BYSTANDER)).code is blockpool.ErrorCode.ACCESS_DENIED


def test_s53_whoever_waits_for_approval_reads_nothing_and_after_revocation_no_more(guarded: Guarded) -> None:
    request = guarded.request(purpose="ask")
    assert refusal(lambda: guarded.read(request)).code is blockpool.ErrorCode.APPROVAL_PENDING
    with guarded.running.client(OWNER) as owner:
        owner.answer(request, guarded.dataset, "approve")
        assert guarded.read(request) == guarded.bodies
        owner.answer(request, guarded.dataset, "revoke", "misuse")
    assert refusal(lambda: guarded.read(request)).code is blockpool.ErrorCode.GRANT_REVOKED


def test_s53_someone_elses_grant_opens_nothing(guarded: Guarded, granted: bytes) -> None:
    """A bystander may ask any node for the reader's shares, and sees them go by; only the reader's key opens them."""
    with blockpool.Client(guarded.network.urls, guarded.network.genesis) as client:
        stolen = refusal(lambda: list(client.read(granted, guarded.key(BYSTANDER))))
    assert stolen.code is blockpool.ErrorCode.BAD_KEY
    for release in releases_of(guarded, granted, guarded.parcel)[0]:
        sealed = decode(ShareRelease, release).sealed
        keys = [guarded.key(BYSTANDER)]
        keys += [blockpool.load_kem_key(file) for file in guarded.network.folder.glob("*/node/kem.pem")]
        assert len(keys) == 5
        assert all(not key.open(sealed, info) for key in keys for info in (b"", granted, guarded.parcel))


def releases_of(guarded: Guarded, request: bytes, *parcels: bytes) -> ShareAnswer:
    """What any node gives to whoever asks for the shares of these parcels."""
    headers = {"content-type": "application/msgpack", "accept": "application/msgpack"}
    query = encode(ShareQuery(request, parcels))
    reply = httpx.post(f"{guarded.network.urls[0]}/v1/shares", content=query, headers=headers)
    assert reply.status_code == 200
    answer: ShareAnswer = decode(ShareAnswer, reply.content)
    assert all(len(releases) >= 3 for releases in answer)
    return answer


# Nodes that lie to the reader


def swap_ciphertexts(guarded: Guarded, granted: bytes) -> Change:
    """One parcel's bytes for another's."""
    other = get(guarded.network.urls[0], f"/v1/transactions/{guarded.other_parcel.hex()}/raw").content
    return only(f"{guarded.parcel.hex()}/raw", lambda *_: (200, other))


def flip_ciphertext(guarded: Guarded, granted: bytes) -> Change:
    """A bit in the last record."""
    return only("/raw", lambda _path, status, body: (status, body[:-9] + bytes([body[-9] ^ 4]) + body[-8:]))


def leave_out_a_parcel(guarded: Guarded, granted: bytes) -> Change:
    """From the list of parcels."""

    def change(_path: str, status: int, body: bytes) -> tuple[int, bytes]:
        page = orjson.loads(body)
        page["parcels"] = page["parcels"][:-1]
        return status, orjson.dumps(page)

    return only("/parcels", change)


def swap_shares(guarded: Guarded, granted: bytes) -> Change:
    """Each parcel's releases for the other's."""
    parcels = (guarded.parcel, guarded.other_parcel)
    others = dict(zip(parcels, reversed(releases_of(guarded, granted, *parcels)), strict=True))

    def change(_path: str, status: int, body: bytes) -> tuple[int, bytes]:
        answer: ShareAnswer = decode(ShareAnswer, body)
        return status, encode(tuple(others[decode(ShareRelease, releases[0]).parcel_id] for releases in answer))

    return only("/shares", change)


def break_shares(guarded: Guarded, granted: bytes) -> Change:
    """A bit in each release."""

    def broken(data: bytes) -> bytes:
        release = decode(ShareRelease, data)
        return encode(type(release)(*(getattr(release, name) for name in release.__struct_fields__[:-1]),
                                    bytes([release.sealed[0] ^ 1]) + release.sealed[1:]))  # fmt: skip

    def change(_path: str, status: int, body: bytes) -> tuple[int, bytes]:
        answer: ShareAnswer = decode(ShareAnswer, body)
        return status, encode(tuple(tuple(broken(data) for data in releases) for releases in answer))

    return only("/shares", change)


def give_no_shares(guarded: Guarded, granted: bytes) -> Change:
    """Empty lists."""

    def change(_path: str, status: int, body: bytes) -> tuple[int, bytes]:
        return status, encode(tuple(() for _ in decode(ShareAnswer, body)))

    return only("/shares", change)


def answer_nonsense(guarded: Guarded, granted: bytes) -> Change:
    """Where shares belong."""
    return only("/shares", lambda *_: (200, b"\x92\x90\x90"))


def invent_a_denial(guarded: Guarded, granted: bytes) -> Change:
    """Shares are refused to whom they were granted."""
    problem = orjson.dumps({"code": "access_denied", "detail": "invented", "status": 403})
    return only("/shares", lambda *_: (403, problem))


def invent_a_state(guarded: Guarded, granted: bytes) -> Change:
    """The request is said not to be there."""

    def change(_path: str, status: int, body: bytes) -> tuple[int, bytes]:
        entry = orjson.loads(body)
        entry["value"] = None
        return status, orjson.dumps(entry)

    return only("/state/request", change)


LIES = {
    swap_ciphertexts: {blockpool.ErrorCode.BAD_PROOF},
    flip_ciphertext: {blockpool.ErrorCode.PAYLOAD_MISMATCH},
    leave_out_a_parcel: {blockpool.ErrorCode.BAD_PROOF},
    swap_shares: {blockpool.ErrorCode.NOT_ENOUGH_SHARES},
    break_shares: {blockpool.ErrorCode.NOT_ENOUGH_SHARES},
    give_no_shares: {blockpool.ErrorCode.NOT_ENOUGH_SHARES},
    answer_nonsense: {blockpool.ErrorCode.NOT_CANONICAL, blockpool.ErrorCode.MALFORMED},
    invent_a_denial: {blockpool.ErrorCode.ACCESS_DENIED},
    invent_a_state: {blockpool.ErrorCode.BAD_PROOF},
}
"""What a reader that has only the lying node is told."""


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_s18_a_lying_node_is_found_out_and_another_one_asked(
    guarded: Guarded, granted: bytes, lie: Callable[[Guarded, bytes], Change]
) -> None:
    with lying_proxy(guarded.network.urls[0], lie(guarded, granted)) as url:
        assert refusal(lambda: guarded.read(granted, urls=[url])).code in LIES[lie]
        assert guarded.read(granted, urls=[url, guarded.network.urls[1]]) == guarded.bodies


def test_s18_a_node_cannot_have_plaintext_sent_by_calling_a_dataset_open(guarded: Guarded) -> None:
    """The catalogue that it shows says ``open``; the owner's client goes by what is proven, and seals."""
    secret = secrets.token_hex(16)

    def change(_path: str, status: int, body: bytes) -> tuple[int, bytes]:
        return status, body.replace(b'"conditional"', b'"open"')

    with (
        lying_proxy(guarded.network.urls[0], change) as url,
        blockpool.Client(url, guarded.network.genesis, guarded.running.identity(OWNER), retry=ONCE) as owner,
    ):
        assert owner.dataset(guarded.dataset).sharing == "open"
        owner.submit([{"passenger": secret}], guarded.dataset)
    guarded.network.settle()
    for member in (OWNER, READER):
        assert not any(traces_of(secret.encode(), file.read_bytes()) for file in guarded.files(member))


def test_s18_an_old_block_is_not_taken_for_the_newest(guarded: Guarded) -> None:
    """A node that always shows the same block as its newest one is found out by a client that has seen a later one."""
    first, second = (guarded.running.new_dataset(OWNER, schema="") for _ in range(2))
    shown = list[bytes]()

    def keep(_path: str, status: int, body: bytes) -> tuple[int, bytes]:
        shown.append(body)
        return status, shown[0]

    with (
        lying_proxy(guarded.network.urls[0], only("/blocks/latest", keep)) as url,
        blockpool.Client(url, guarded.network.genesis, guarded.running.identity(OWNER), retry=ONCE) as owner,
    ):
        assert owner.submit([{"passenger": "first"}], first)
        assert refusal(lambda: owner.submit([{"passenger": "second"}], second)).code is blockpool.ErrorCode.NOT_READY


# Replays


def test_s49_a_request_sent_again_by_anybody_is_the_same_request(guarded: Guarded) -> None:
    """Whoever overhears a request can repeat it: it counts once, and the answer is the same."""
    network = guarded.network
    terms = AccessTerms(guarded.dataset, "research")
    now_ms = time.time_ns() // 1_000_000
    signed = blockpool.sign_request(network.genesis, guarded.running.identity(READER), terms, guarded.key(), now_ms)
    receipts = []
    for member in (READER, BYSTANDER, OWNER):
        with guarded.running.client(member) as client:
            receipts.append(client.commit(signed))
    assert len({(receipt.height, receipt.receipt.index) for receipt in receipts}) == 1
    with blockpool.Client(network.urls, network.genesis) as client:
        history = client.read_history(guarded.dataset, reader=READER)
    asked = [read.by.transaction_id for read in history.log.reads() if read.by.transaction_id == signed.transaction_id]
    assert len(asked) == 1
