"""Executes a recording and prints everything under a root: ``python -m tests.roots.execute RECORDING``.

One line each, in order. It needs the libraries that a node executes with, and none of those of the tests.
"""

import base64
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chain.access.policy import AccessPolicy
from chain.errors import PoolError
from chain.genesis import Genesis, parse_genesis
from chain.ledger import Ledger
from chain.primitives.crypto import sha256
from chain.primitives.encoding import encode
from chain.storage.head import MemoryHead
from chain.storage.level import LevelDatabase
from chain.transactions.base import CheckedTransaction, verify_payload
from chain.transactions.registry import decode_transaction, type_of
from contracts.engine import Engine
from contracts.policy import SandboxPolicy
from contracts.sandbox import Sandbox
from tests.chain.access_world import ScriptedPolicy, allow, by_purpose
from tests.networks import TestNetwork


def _policy(kind: str, genesis: Genesis) -> AccessPolicy | None:
    if kind == "sandbox":
        return SandboxPolicy(Sandbox(Engine.open(), genesis.chain_id))
    return ScriptedPolicy({"by_purpose": by_purpose, "allow": lambda case: allow()}) if kind == "scripted" else None


def _admit(ledger: Ledger, data: bytes) -> CheckedTransaction | str:
    """What a node makes of bytes that it is sent: a transaction for a block, or a refusal's code."""
    try:
        checked = decode_transaction(ledger.chain_id, data)
        verify_payload(checked)
        ledger.verify_signature(checked)
    except PoolError as error:
        return error.code.value
    return checked


def roots_of(chain: dict[str, Any], folder: Path) -> Iterator[str]:
    """Everything under a root of one recorded chain, which is kept in ``folder`` meanwhile."""
    network = TestNetwork()
    network.genesis = parse_genesis(chain["genesis"].encode())
    network.chain_id = network.genesis.chain_id
    policy, name = _policy(chain["contracts"], network.genesis), chain["name"]
    databases = LevelDatabase(folder / f"{name}-blocks"), LevelDatabase(folder / f"{name}-state")
    ledger = Ledger(network.genesis, *databases, MemoryHead(), policy)
    ledger.open()
    yield f"{name} genesis {ledger.tip.block_hash.hex()}"
    for time_ms, offered in chain["blocks"]:
        place = f"{name} {ledger.tip.height + 1}"
        candidates = []
        for index, text in enumerate(offered):
            admitted = _admit(ledger, base64.b64decode(text))
            if isinstance(admitted, str):
                yield f"{place} offer {index} {admitted}"
            else:
                candidates.append(admitted)
        executed = ledger.execute(candidates, time_ms, network.names[0])
        for index, (checked, outcome) in enumerate(zip(executed.transactions, executed.outcomes, strict=True)):
            yield f"{place} outcome {index} {outcome.code} {type_of(checked.header).name} {encode(outcome).hex()}"
        header = executed.header
        for root in ("tx_root", "result_root", "state_root", "history_root"):
            yield f"{place} {root} {getattr(header, root).hex()}"
        yield f"{place} header {sha256(encode(header)).hex()}"
        yield f"{place} block {executed.block_hash.hex()}"
        ledger.commit(executed, network.certify(executed))


if __name__ == "__main__":
    for recorded in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        with tempfile.TemporaryDirectory() as temporary:
            print(*roots_of(recorded, Path(temporary)), sep="\n")
