"""Runs access contracts so that every validator, and every auditor years later, gets the same decision.

One fresh guest for each contract of each block, calls in the block's order. Within it a contract might carry something
over from call to call by force (module-level names start anew, but it can reach into the interpreter); since every node
makes the same calls in the same order, it would fool nobody but itself. A call that fails in any way is a deny with a
code, and the next call gets a fresh guest.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain.errors import ErrorCode, Refusal
from chain.facts import pack, unpack
from chain.limits import LIMITS
from chain.primitives.crypto import ZERO_HASH, Hash, hash_tagged
from chain.primitives.json_reader import BadJson, read_json
from contracts.decision import BadAnswer, Decision, failure, read_decision, read_error
from contracts.engine import Engine, GuestInstance, GuestTrap
from contracts.facts import ContextFacts, DatasetFacts, RequestFacts, encode_call
from contracts.guests import FUEL_AHEAD, Guests
from contracts.runtime import LOADED


def inputs_hash(chain_id: bytes, call: bytes) -> Hash:
    """What names the inputs of one call (``encode_call``) in a decision."""
    return hash_tagged("contract-inputs", chain_id, call)


class Sandbox:
    """Where contracts run.

    Args:
        engine: shared by all.
        chain_id: for the hashes; authors' own tests need none.
    """

    def __init__(self, engine: Engine, chain_id: bytes = ZERO_HASH) -> None:
        self._guests = Guests(engine)
        self._chain_id = chain_id

    def check(self, source: str, parameters: str = "{}") -> int:
        """Check that a contract can be deployed: sizes, syntax, definition, and its module runs.

        Returns:
            Fuel spent.

        Raises:
            Refusal: what is wrong, with the fuel spent; ``bad_contract`` with the guest's words and the line at fault.
        """
        verify_deployable(source, parameters)
        try:
            instance, answer, fuel = self._guests.take(source, parameters)
        except GuestTrap as trap:
            raise Refusal(trap.code, fuel=trap.fuel, **trap.facts) from None
        instance.close()
        if answer == LOADED:
            return fuel
        try:
            error = read_error(answer)
        except BadAnswer as error_in_answer:
            raise Refusal(ErrorCode.CONTRACT_BAD_ANSWER, fuel=fuel, part=error_in_answer.part) from None
        raise Refusal(ErrorCode.BAD_CONTRACT, fuel=fuel, **error.facts)

    def contract(self, source: str, parameters: str = "{}") -> ContractSession:
        """A contract for one block: make a new session for each.

        Args:
            source: as deployed.
            parameters: as deployed, a JSON object.

        Raises:
            Refusal: sizes and parameters that could not have been deployed.
        """
        verify_deployable(source, parameters)
        return ContractSession(self._guests, self._chain_id, source, parameters)


class ContractSession:
    """One contract in one block. Not for two threads at once; close it when the block is done."""

    def __init__(self, guests: Guests, chain_id: bytes, source: str, parameters: str) -> None:
        self._guests = guests
        self._chain_id = chain_id
        self._source = source
        self._parameters = parameters
        self._instance: GuestInstance | None = None
        self._load_fuel = 0

    def decide(self, request: RequestFacts, dataset: DatasetFacts, ctx: ContextFacts) -> Decision:
        """Call the contract.

        Raises:
            Refusal: code ``contract_inputs_too_large`` for inputs beyond ``contract_inputs_size_bytes``.
        """
        call = encode_call(request, dataset, ctx)
        return self.decide_encoded(call, ctx.time_ms)

    def decide_encoded(self, call: bytes, time_ms: int) -> Decision:
        """Call the contract with inputs that were encoded before (``encode_call``).

        Args:
            call: the inputs.
            time_ms: the block's time, as in the inputs.
        """
        inputs = inputs_hash(self._chain_id, call)
        fuel = 0
        try:
            if self._instance is None:
                self._instance, answer, fuel = self._guests.take(self._source, self._parameters)
                self._load_fuel = fuel
                if answer != LOADED:
                    return self._failed(read_decision(answer, time_ms, fuel, inputs))
            answer, spent = self._instance.decide(call.decode())
            fuel += spent
            decision = read_decision(answer, time_ms, fuel, inputs)
        except GuestTrap as trap:
            return self._failed(failure(trap.code, fuel + trap.fuel, inputs, **trap.facts))
        except BadAnswer as error:
            return self._failed(failure(ErrorCode.CONTRACT_BAD_ANSWER, fuel, inputs, part=error.part))
        if decision.code is ErrorCode.BAD_CONTRACT:  # it did load: this is an error of its own, such as eval("(")
            code = ErrorCode.CONTRACT_FAILED
            decision = replace(decision, code=code, facts=pack({**unpack(decision.facts), "denial": code.value}))
        return decision if decision.code is None else self._failed(decision)

    def _failed(self, decision: Decision) -> Decision:
        """The next call gets a fresh guest: what a failure left behind in this one is nobody's business."""
        self.close()
        return decision

    def close(self) -> None:
        """Give the guest's memory back."""
        if self._instance is not None:
            self._instance.close()
            self._instance = None

    def prepare_next(self) -> None:
        """Load the contract for the next block's session already, if this one has called it and loading is cheap."""
        if 0 < self._load_fuel <= FUEL_AHEAD:
            self._guests.prepare(self._source, self._parameters)


def verify_deployable(source: str, parameters: str) -> None:
    """Check what needs no engine: sizes, and that the parameters are a JSON object.

    Raises:
        Refusal: codes ``contract_not_text``, ``contract_too_large``, ``contract_parameters``.
    """
    for text, name, size_bytes_max in (
        (source, "source", LIMITS.contract_source_size_bytes),
        (parameters, "parameters", LIMITS.contract_parameters_size_bytes),
    ):
        try:
            size_bytes = len(text.encode())
        except UnicodeEncodeError:
            raise Refusal(ErrorCode.CONTRACT_NOT_TEXT, part=name) from None
        if size_bytes > size_bytes_max:
            raise Refusal(ErrorCode.CONTRACT_TOO_LARGE, part=name, found=size_bytes, limit=size_bytes_max)
    try:
        value = read_json(parameters.encode())
    except BadJson as bad:
        raise Refusal(ErrorCode.CONTRACT_PARAMETERS, pointer=bad.pointer, keyword=bad.fault.value) from None
    if not isinstance(value, dict):
        raise Refusal(ErrorCode.CONTRACT_PARAMETERS)
