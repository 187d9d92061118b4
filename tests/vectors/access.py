"""Vectors of reading what is not open: a chain from the contract to the revocation."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from chain.access.decision import CallResult, Decision, denied
from chain.access.policy import AccessCase, AccessPolicy, Deployable, ReadDigest, contract_hash
from chain.contract_engine import EngineIdentity
from chain.errors import ErrorCode
from chain.primitives.crypto import hash_tagged
from chain.primitives.encoding import encode
from chain.state import entries
from contracts.calls import CallEncoder
from tests.vectors import network
from tests.vectors.rendering import block_of, hexadecimal, state_proofs_of

FUEL = 250_000
"""Of every call: the real figure depends on the engine."""


@dataclass
class VectorPolicy:
    """Decides as ``SOURCE`` does, without an engine, so that the vectors outlast it, and notes what a contract would be
    told. A test holds it against an engine.
    """

    calls: list[tuple[bytes, bytes]] = field(default_factory=list)
    """(request id, inputs) of each call."""

    def open_block(self, engine: EngineIdentity) -> "VectorPolicy":
        """Itself: it keeps nothing."""
        return self

    def check(self, source: str, parameters: str) -> Deployable:
        """Any contract will do."""
        return Deployable(FUEL)

    def decide(self, contract: entries.ContractEntry, case: AccessCase) -> CallResult:
        """What ``SOURCE`` says of the case."""
        inputs = CallEncoder().encode(case)
        self.calls.append((case.request_id, inputs))
        purpose = case.request.terms.purpose
        common = (FUEL, hash_tagged("contract-inputs", network.make_genesis().chain_id, inputs))
        if purpose == "marketing":
            decision = denied(ErrorCode.ACCESS_DENIED, *common, text=f"not for {purpose}")
        elif case.reader.kind == "government" or case.request.answers:
            decision = Decision("allow", case.time_ms + 24 * network.HOUR_MS, (), ("flight",), (), 0, purpose, *common)
        else:
            decision = Decision("ask", 0, (), None, ("registry",), 1, "", *common)
        return CallResult(decision, orjson.dumps({"calls": orjson.loads(case.state).get("calls", 0) + 1}))

    def close(self) -> None:
        """Nothing to give back."""


def read_digest(parcel_id: bytes) -> ReadDigest:
    """Of the first two records."""
    digest = ReadDigest(network.make_genesis().chain_id)
    for index, plaintext in enumerate(network.RECORDS[:2]):
        digest.add(parcel_id, index, plaintext)
    return digest


def make_access(engine: AccessPolicy | None = None) -> dict[str, Any]:
    """A conditional dataset, a sealed parcel, requests, answers, two read reports and a revocation, in six blocks.

    Args:
        engine: runs the contract instead of ``VectorPolicy``, which knows what it says.
    """
    policy = VectorPolicy()
    maker = network.ChainMaker(engine or policy)
    ledger, chain_id = maker.ledger, maker.genesis.chain_id
    maker.commit(
        [
            network.contract_transaction(0x50),
            network.dataset_transaction(sharing="conditional", contract="aviation.rule"),
        ]
    )
    parcel_id = maker.commit([network.sealed_parcel_transaction(0x51)]).transactions[0].id
    requests = maker.commit(
        [
            network.request_transaction(0x52),
            network.request_transaction(0x53, "meteorology", purpose="marketing"),
            network.request_transaction(0x54, "meteorology", purpose="forecast", parcels=(parcel_id,), until_ms=0),
        ]
    )
    asked = requests.transactions[0].id
    digest = read_digest(parcel_id).digest()
    maker.commit([network.approval_transaction(0x55, "registry", asked, "approve", "ethics board")])
    maker.commit(
        [
            network.read_report_transaction(0x56, asked, (parcel_id,), digest),
            network.approval_transaction(0x57, "airports", asked, "approve"),
            network.read_report_transaction(0x59, asked, (parcel_id,), digest, len(network.RECORDS) + 1),
        ]
    )
    maker.commit([network.approval_transaction(0x58, "aviation", asked, "revoke", "the study is over")])
    keys = [
        entries.contract_key("aviation.rule"),
        entries.contract_state_key("aviation.flights", "aviation.rule"),
        entries.member_totals_key("aviation"),
        entries.request_key(asked),
        entries.totals_key(asked),
        entries.totals_key(requests.transactions[2].id),
        entries.reads_key("aviation.flights"),
        entries.reader_key("aviation.flights", network.READER),
        entries.reader_key("aviation.flights", "airports"),
        entries.parcel_reads_key("aviation.flights", parcel_id),
    ]
    return {
        "contract": {
            "source": network.SOURCE,
            "parameters": network.PARAMETERS,
            "hash": contract_hash(chain_id, network.SOURCE, network.PARAMETERS).hex(),
        },
        "engine": {"encoded": encode(network.ENGINE).hex(), "hash": network.ENGINE.hash.hex()},
        "blocks": [block_of(ledger, height) for height in range(1, ledger.tip.height + 1)],
        "contract_calls": [{"request": id_.hex(), "inputs": inputs.decode()} for id_, inputs in policy.calls],
        "read_digest": {"parcel": parcel_id.hex(), "records": hexadecimal(network.RECORDS[:2]), "digest": digest.hex()},
        "read_history": _history(maker),
        "state_proofs_at_tip": state_proofs_of(ledger, keys),
    }


def _history(maker: network.ChainMaker) -> list[dict[str, Any]]:
    """The transactions about reads that took effect, with the history's head after each."""
    history, steps = entries.EMPTY_HISTORY, []
    for height in range(3, maker.ledger.tip.height + 1):
        for outcome in maker.ledger.block_at(height).outcomes:
            if outcome.is_ok:
                history = history.extended(maker.genesis.chain_id, outcome.transaction_id)
                steps.append({"transaction_id": outcome.transaction_id.hex(), "head": history.head.hex()})
    return steps
