"""Everything that reads bytes from outside, in one table: what reads them, what writes them, and valid ones to spoil.

``WIRE_TYPES`` are all types of the wire, by name; ``test_decoders`` compares it with what the packages define.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from random import Random
from typing import Any, Literal

from audit import store as audit_store
from blockpool import grouping
from chain import blocks, erasure, granularity, packages, signed_read
from chain.access import decision
from chain.catalogue import Description
from chain.contract_engine import EngineIdentity
from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis, encode_member_file, parse_genesis, parse_member_file
from chain.limits import MIB
from chain.primitives.encoding import decode, encode
from chain.primitives.kem import verify_kem_key
from chain.proofs import checkpoints, handover, past, receipts
from chain.proofs.trust import TrustHistory
from chain.proofs.validators import Validator, ValidatorsEntry, Witness, verify_certificate
from chain.schema import compile_schema
from chain.state import entries, members
from chain.state.chunks import StateChunk
from chain.state.tree import StateProof, verify_state_proof
from chain.storage import votes
from chain.storage.blocks import StoredHead
from chain.storage.state import Arriving
from chain.transactions import sealed
from chain.transactions.base import (
    CheckedTransaction,
    DroppedPayload,
    ErasedPayload,
    Header,
    Transaction,
    verify_payload,
)
from chain.transactions.member import NewKey
from chain.transactions.parcel import Records, SealedPayload
from chain.transactions.registry import TRANSACTION_TYPES, decode_transaction, decode_transaction_header
from consensus import messages
from consensus.memory import VoteRecord
from evidence.kinds import parse_any_evidence, verify_any_evidence
from evidence.record import parse_record_evidence
from evidence.summary import summary
from node import frames
from node.links.framing import FrameDecoder, SendQueue
from node.links.hello import Hello, decode_hello, encode_hello
from sealing import ShareAnswer, ShareQuery, ShareRelease, disclosure_from_json, disclosure_to_json
from sealing import disclosure as disclosures
from tests.edge.values import value_of
from tests.edge.world import EdgeWorld, edge_world
from tests.evidence.story import Story

WIRE_TYPES: tuple[type, ...] = (
    audit_store.AuditProgress,
    grouping._Item,
    blocks.Block,
    blocks.FinalHeader,
    blocks.BlockHeader,
    blocks.Certificate,
    blocks.Outcome,
    blocks.Proposal,
    decision.Decision,
    decision.AccessVerdict,
    checkpoints.Cosignature,
    disclosures.DisclosedField,
    disclosures.FieldDisclosure,
    disclosures.RecordDisclosure,
    disclosures.RecordPlace,
    EngineIdentity,
    erasure.ErasureProofs,
    frames.AnchorQuery,
    frames.HandOverQuery,
    frames.BlockRange,
    frames.ChunkQuery,
    frames.News,
    frames.SpanQuery,
    past.Anchor,
    past.PastContent,
    past.Span,
    signed_read.ReadSignature,
    signed_read._SignedRead,
    StateChunk,
    Arriving,
    Hello,
    members.Member,
    members.MemberKey,
    members.NodeRecord,
    NewKey,
    entries.Governance,
    messages.Commit,
    messages.Committed,
    messages.NewView,
    messages.PrePrepare,
    messages.Prepare,
    messages.PreparedCertificate,
    messages.Status,
    messages.ViewChange,
    messages.ViewChangeVote,
    packages.BlockPackage,
    DroppedPayload,
    packages.DroppedParcel,
    packages.ErasedParcel,
    erasure.ErasureProof,
    erasure.LeftParcel,
    handover.HandOver,
    receipts.Receipt,
    sealed.Cells,
    sealed.Envelope,
    granularity.Granularity,
    sealed.SealedShare,
    ShareQuery,
    ShareRelease,
    Description,
    entries.ContractEntry,
    entries.RecordPlaces,
    entries.ContractState,
    entries.DatasetEntry,
    entries.DatasetReads,
    entries.DatasetTotals,
    entries.DerivedParcels,
    entries.OwnerAct,
    entries.MemberTotals,
    entries.ProtocolEntry,
    entries.ParcelReads,
    entries.PresentRecord,
    entries.ReaderEntry,
    entries.ReadHistory,
    entries.RequestAnswer,
    entries.RequestEntry,
    entries.RequestTerms,
    entries.RequestTotals,
    StateProof,
    StoredHead,
    VoteRecord,
    ErasedPayload,
    Header,
    SealedPayload,
    Transaction,
    *(type_.header for type_ in TRANSACTION_TYPES.values()),
    Validator,
    ValidatorsEntry,
    Witness,
)
_NAMED_SHAPES: dict[str, Any] = {
    "Disclosure": disclosures.Disclosure,
    "Entries": votes.Entries,
    "Message": messages.Message,
    "Packages": packages.Packages,
    "Records": Records,
    "ShareAnswer": ShareAnswer,
    "TransactionIds": frames.TransactionIds,
    "TransactionList": frames.TransactionList,
}
"""Shapes without a class of their own."""
_SAMPLES = 12


@dataclass(frozen=True)
class Target:
    """One reader of bytes."""

    name: str
    read: Callable[[bytes], Any]
    """Gives a value or raises ``PoolError``."""
    write: Callable[[Any], bytes] | None
    """The one encoding of a value; None where a value may have many."""
    samples: tuple[bytes, ...]
    """Valid, all of them."""
    form: Literal["messagepack", "json", "other"] = "messagepack"


@cache
def targets() -> dict[str, Target]:
    """All targets by their names."""
    found = [*_shapes(), *_chain(edge_world()), *_files(edge_world()), *_links(edge_world())]
    return {target.name: target for target in found}


def _shapes() -> Iterator[Target]:
    """Every type by itself."""
    for name, type_ in ({type_.__name__: type_ for type_ in WIRE_TYPES} | _NAMED_SHAPES).items():
        random = Random(name)
        samples = tuple(encode(value_of(type_, random)) for _ in range(_SAMPLES))
        yield Target(f"type {name}", partial(decode, type_), encode, samples)


def _chain(world: EdgeWorld) -> Iterator[Target]:
    """What is read of the chain, with the rules that go beyond shapes."""
    chain_id = world.network.chain_id
    signed = tuple(encode(transaction) for transaction in world.transactions)

    def read_transaction(data: bytes) -> CheckedTransaction:
        checked = decode_transaction(chain_id, data)
        verify_payload(checked)
        return checked

    yield Target("transaction", read_transaction, lambda checked: encode(checked.transaction), signed)
    yield Target(
        "transaction header",
        partial(decode_transaction_header, chain_id),
        encode,
        tuple(item.header for item in world.transactions),
    )
    envelopes = tuple(parcel.envelope for parcel, _ in world.sealed.values())
    yield Target("envelope", sealed.decode_envelope, encode, envelopes)
    heights = range(world.ledger.tip.height + 1)
    headers = tuple(world.ledger.block_at(height).header for height in heights)
    yield Target("block header", blocks.decode_header, encode, headers)
    yield Target("package", lambda data: _open_package(chain_id, data), None, world.packages())
    receipt_ids = [world.network.id_of(item) for _, item in world.sealed.values()]

    def read_receipt(data: bytes) -> receipts.Receipt:
        receipt = decode(receipts.Receipt, data)
        receipts.verify_receipt(TrustHistory(world.genesis), receipt_ids[receipt.index % 2], receipt)
        return receipt

    yield Target("receipt", read_receipt, encode, world.receipts())
    yield Target("certificate", lambda data: _verify_certificate(world, data), encode, (encode(world.certificate),))
    yield Target("proposal", lambda data: decode(blocks.Proposal, data), encode, (encode(world.proposal()),))
    yield _state_proof(world)
    keys = tuple(key.public_key.encoded for key in world.network.kem.values())
    yield Target("kem key", verify_kem_key, None, keys, "other")


def _open_package(chain_id: bytes, data: bytes) -> object:
    return packages.open_package(chain_id, decode(packages.BlockPackage, data))


def _verify_certificate(world: EdgeWorld, data: bytes) -> blocks.Certificate:
    certificate = decode(blocks.Certificate, data)
    hash_, height = world.certificate.block_hash, world.certificate.height
    verify_certificate(world.network.chain_id, certificate, world.genesis.validators, height, hash_)
    return certificate


def _state_proof(world: EdgeWorld) -> Target:
    ledger, key = world.ledger, entries.dataset_key("a.flights")
    value, proof = ledger.state_proof(key)
    root = ledger.tip.header.state_root

    def read(data: bytes) -> StateProof:
        claimed = decode(StateProof, data)
        verify_state_proof(world.network.chain_id, root, key, value, claimed)
        return claimed

    return Target("state proof", read, encode, (encode(proof),))


def _files(world: EdgeWorld) -> Iterator[Target]:
    """Files that people hand to each other."""
    genesis, evidence = world.genesis.content, (*world.record_evidence(), *world.disclosure_evidence())
    yield Target("genesis file", parse_genesis, None, (genesis,), "json")
    yield Target("member file", parse_member_file, encode_member_file, world.member_files(), "json")
    yield Target("record evidence", parse_record_evidence, None, world.record_evidence(), "json")
    yield Target("evidence", parse_any_evidence, None, evidence, "json")
    yield Target("evidence, verified", partial(_verify_evidence, world.genesis), None, evidence, "json")
    story = Story()
    told = partial(_verify_evidence, story.network.genesis)
    yield Target("evidence of reads and absences, verified", told, None, story.files(), "json")
    yield Target(
        "checkpoint",
        partial(checkpoints.parse_checkpoint, trust=TrustHistory(world.genesis)),
        None,
        world.checkpoints(),
        "other",
    )
    yield Target("disclosure file", disclosure_from_json, disclosure_to_json, world.disclosure_files(), "json")
    schema = b'{"type":"object","properties":{"n":{"type":"integer"},"t":{"enum":["a",1,null]}},"required":["n"]}'
    yield Target("schema", _read_schema, None, (schema,), "json")
    compiled = compile_schema(schema.decode())

    def read_record(data: bytes) -> None:
        error = compiled.check([data])
        if error is not None:
            raise error

    yield Target("record under a schema", read_record, None, (b'{"n":1,"t":"a"}',), "json")


def _read_schema(data: bytes) -> object:
    try:
        text = data.decode()
    except UnicodeDecodeError:  # in a transaction it is a text, which MessagePack would not let through
        raise PoolError(ErrorCode.BAD_SCHEMA, "no UTF-8") from None
    return compile_schema(text)


def _verify_evidence(genesis: Genesis, content: bytes) -> object:
    steps = list(verify_any_evidence(content, TrustHistory(genesis)))
    return steps, summary(parse_any_evidence(content))


def _links(world: EdgeWorld) -> Iterator[Target]:
    """What comes from other nodes before its kind is known."""
    chain_id = world.network.chain_id
    hello = Hello(chain_id, "a", "0.1.0", 7)
    yield Target("hello", lambda body: decode_hello(body, "a", chain_id), encode_hello, (encode_hello(hello),), "other")
    queue = SendQueue(MIB, MIB)
    for kind, body in ((20, b"vote"), (21, bytes(70_000)), (63, b"")):
        queue.put(kind, body, urgent=kind == 20)
    stream = queue.take(MIB)
    yield Target("frames", _read_frames, None, (stream, stream[:9], stream[9:]), "other")
    random = Random("message")
    bodies = tuple(encode(value_of(messages.Message, random)) for _ in range(4 * _SAMPLES))
    yield Target("consensus message", messages.decode_message, messages.encode_message, bodies)
    yield Target("disclosure", disclosures.decode_disclosure, encode, _encoded_disclosures(world))


def _encoded_disclosures(world: EdgeWorld) -> tuple[bytes, ...]:
    return tuple(encode(disclosure_from_json(content)) for content in world.disclosure_files())


def _read_frames(data: bytes) -> list[tuple[int, bytes]]:
    decoder, found = FrameDecoder(MIB), []
    while data:
        room = decoder.writable()
        count = min(len(room), len(data))
        room[:count] = data[:count]
        data = data[count:]
        found += list(decoder.received(count))
    return found
