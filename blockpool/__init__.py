"""Share records through a block data pool, and check what it says, from any Python program.

    from blockpool import Client, Identity, load_genesis

    genesis = load_genesis("genesis.json")
    identity = Identity.load("system.pem", genesis)
    with Client(["http://127.0.0.1:8000"], genesis, identity) as client:
        receipts = client.submit([{"n": 1}, {"n": 2}], "aviation.flights")
        evidence = client.evidence(receipts[0].record_ids[0])

        request = client.request("meteorology.storms", "flight safety", load_kem_key(Path("reader.pem")))
        request.raise_for_denial()
        reading = client.read(request.id, load_kem_key(Path("reader.pem")))
        for record in reading:
            print(record.json())
        client.acknowledge(reading)

Receipts, records, key shares and evidence are verified here against the genesis file; no node is believed. Everything
that goes wrong is a ``PoolError`` with a stable ``code``. ``AsyncClient`` is the same for asyncio.
"""

from blockpool.access_signing import AccessTerms, sign_answer, sign_contract, sign_read_report, sign_request
from blockpool.answers import (
    ApproverAnswer,
    BlockAnswer,
    BlockEvent,
    BlockSummary,
    CatalogueEntry,
    ContractAnswer,
    DatasetCount,
    NodeStatus,
    ReadSummary,
    Record,
    RecordAnswer,
    RequestState,
    TransactionAnswer,
    TransactionRejected,
    VerifiedReceipt,
)
from blockpool.client import AsyncClient, Client
from blockpool.exchange import RetryPolicy
from blockpool.identity import Identity
from blockpool.operations.access import AccessRequest
from blockpool.operations.finding import FoundRecord
from blockpool.operations.history import ProvenReads
from blockpool.operations.key_history import KeyHistory
from blockpool.operations.parcels import Parcel
from blockpool.pinned import load_genesis, verify_disclosure, verify_evidence
from blockpool.provenance import Provenance, ProvenanceBounds
from blockpool.reading import AsyncReading, AsyncRecords, Reading, Records
from blockpool.sealing import Commitments, sign_sealed_parcel
from blockpool.signing import DatasetDefinition, RecordBody, RecordId, SignedTransaction, sign_dataset, sign_parcel
from blockpool.version import VERSION
from chain.access.decision import AccessVerdict
from chain.catalogue import Description
from chain.errors import ErrorCode, PoolError
from chain.genesis import Genesis
from chain.granularity import Granularity
from evidence.verification import Step
from sealing import KemPrivateKey, KemPublicKey, load_kem_key

__version__ = VERSION

__all__ = [
    "AccessRequest",
    "AccessTerms",
    "AccessVerdict",
    "ApproverAnswer",
    "AsyncClient",
    "AsyncReading",
    "AsyncRecords",
    "BlockAnswer",
    "BlockEvent",
    "BlockSummary",
    "CatalogueEntry",
    "Client",
    "Commitments",
    "ContractAnswer",
    "DatasetCount",
    "DatasetDefinition",
    "Description",
    "ErrorCode",
    "FoundRecord",
    "Genesis",
    "Granularity",
    "Identity",
    "KemPrivateKey",
    "KemPublicKey",
    "KeyHistory",
    "NodeStatus",
    "Parcel",
    "PoolError",
    "ProvenReads",
    "Provenance",
    "ProvenanceBounds",
    "ReadSummary",
    "Reading",
    "Record",
    "RecordAnswer",
    "RecordBody",
    "RecordId",
    "Records",
    "RequestState",
    "RetryPolicy",
    "SignedTransaction",
    "Step",
    "TransactionAnswer",
    "TransactionRejected",
    "VerifiedReceipt",
    "load_genesis",
    "load_kem_key",
    "sign_answer",
    "sign_contract",
    "sign_dataset",
    "sign_parcel",
    "sign_read_report",
    "sign_request",
    "sign_sealed_parcel",
    "verify_disclosure",
    "verify_evidence",
]
