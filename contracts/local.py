"""Runs a contract in this very interpreter: for its author's own unit tests, and for nothing else.

No sandbox, no fuel, no memory bound, another Python version: never run a contract that you have not read. The checks of
the answer are the sandbox's.
"""

from __future__ import annotations

from chain.errors import ErrorCode
from chain.primitives.crypto import ZERO_HASH
from contracts.decision import BadAnswer, Decision, failure, read_decision
from contracts.facts import ContextFacts, DatasetFacts, RequestFacts, encode_call
from contracts.runtime import LOADED, ContractRuntime
from contracts.sandbox import inputs_hash, verify_deployable


class LocalContract:
    """One contract, loaded here.

    Args:
        source: the contract, trusted.
        parameters: JSON object.

    Raises:
        PoolError: code ``bad_contract`` for sizes and parameters.
    """

    def __init__(self, source: str, parameters: str = "{}") -> None:
        verify_deployable(source, parameters)
        self._runtime = ContractRuntime()
        self._loaded = self._runtime.load(source, parameters)

    def decide(self, request: RequestFacts, dataset: DatasetFacts, ctx: ContextFacts) -> Decision:
        """Call the contract; ``fuel`` is 0 in the answer."""
        call = encode_call(request, dataset, ctx)
        answer = self._runtime.decide(call.decode()) if self._loaded == LOADED else self._loaded
        inputs = inputs_hash(ZERO_HASH, call)
        try:
            return read_decision(answer, ctx.time_ms, 0, inputs)
        except BadAnswer as error:
            return failure(ErrorCode.CONTRACT_BAD_ANSWER, 0, inputs, part=error.part)
