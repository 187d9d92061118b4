"""Runs a contract in this very interpreter: for its author's own unit tests, and for nothing else.

No sandbox, no fuel, no memory bound, another Python version: never run a contract that you have not read. The checks of
the answer are the sandbox's.
"""

from chain.access.decision import CallResult
from chain.errors import Refusal
from chain.primitives.crypto import ZERO_HASH
from contracts.answers import failed, read_answer, verify_loaded
from contracts.facts import ContextFacts, DatasetFacts, RequestFacts, encode_call
from contracts.runtime import ContractRuntime
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

    def decide(self, request: RequestFacts, dataset: DatasetFacts, ctx: ContextFacts) -> CallResult:
        """Call the contract; its ``fuel`` is 0."""
        call = encode_call(request, dataset, ctx)
        inputs = inputs_hash(ZERO_HASH, call)
        try:
            verify_loaded(self._loaded)
            return read_answer(self._runtime.decide(call.decode()), ctx.time_ms, 0, inputs)
        except Refusal as refusal:
            return failed(refusal, 0, inputs)
