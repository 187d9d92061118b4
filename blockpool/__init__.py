"""Share records through a block data pool, and check what it says, from any Python program.

    from blockpool import Client, Identity, load_genesis

    genesis = load_genesis("genesis.json")
    identity = Identity.load("system.pem", genesis)
    with Client(["http://127.0.0.1:8000"], genesis, identity) as client:
        receipts = client.submit([{"n": 1}, {"n": 2}], "aviation.flights")
        evidence = client.evidence(receipts[0].record_ids[0])

Receipts, records and evidence are verified here against the genesis file; no node is believed. Everything that goes
wrong is a ``PoolError`` with a stable ``code``. ``AsyncClient`` is the same for asyncio.
"""

from blockpool.answers import (
    BlockAnswer,
    BlockSummary,
    Dataset,
    NodeStatus,
    Record,
    RecordAnswer,
    TransactionAnswer,
    TransactionRejected,
    VerifiedReceipt,
)
from blockpool.async_client import AsyncClient
from blockpool.client import Client
from blockpool.exchange import RetryPolicy
from blockpool.identity import Identity
from blockpool.pinned import load_genesis, verify_evidence
from blockpool.signing import (
    DatasetDefinition,
    RecordBody,
    RecordId,
    SignedTransaction,
    sign_dataset,
    sign_parcel,
)
from blockpool.version import VERSION
from chain.errors import ErrorCode, PoolError
from chain.evidence import Step
from chain.genesis import Genesis

__version__ = VERSION

__all__ = [
    "AsyncClient",
    "BlockAnswer",
    "BlockSummary",
    "Client",
    "Dataset",
    "DatasetDefinition",
    "ErrorCode",
    "Genesis",
    "Identity",
    "NodeStatus",
    "PoolError",
    "Record",
    "RecordAnswer",
    "RecordBody",
    "RecordId",
    "RetryPolicy",
    "SignedTransaction",
    "Step",
    "TransactionAnswer",
    "TransactionRejected",
    "VerifiedReceipt",
    "load_genesis",
    "sign_dataset",
    "sign_parcel",
    "verify_evidence",
]
