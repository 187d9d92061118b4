"""Runs access contracts so that every validator, and every auditor years later, gets the same decision.

One fresh guest for each contract of each block, calls in the block's order. Within it a contract might carry something
over from call to call by force (module-level names start anew, but it can reach into the interpreter); since every node
makes the same calls in the same order, it would fool nobody but itself. A call that fails in any way is a deny with a
code, and the next call gets a fresh guest.

Fuel is time's stand-in, the same everywhere: what the guest counts, and a price for what it does not count. A fresh
guest costs as much as thirty simple calls, and each failure wastes one. ``python -m bench.contract_fuel`` measures how
long a unit takes at most, whatever a contract does.
"""

from chain.access.decision import CallResult
from chain.access.policy import Deployable
from chain.errors import ErrorCode, Refusal
from chain.limits import LIMITS
from chain.primitives.crypto import ZERO_HASH, Hash, hash_tagged
from chain.primitives.json_reader import BadJson, read_json
from contracts.answers import failed, read_answer, reading_fuel
from contracts.engine import Engine, GuestInstance
from contracts.facts import ContextFacts, DatasetFacts, RequestFacts, encode_call
from contracts.guests import FUEL_AHEAD, Guests


def inputs_hash(chain_id: bytes, call: bytes) -> Hash:
    """What names the inputs of one call (``encode_call``) in a decision."""
    return hash_tagged("contract-inputs", chain_id, call)


def call_fuel(size_bytes: int) -> int:
    """The price of a call that is told so much, before its contract has done anything."""
    return LIMITS.contract_call_fuel + size_bytes * LIMITS.contract_input_byte_fuel


class Sandbox:
    """Where contracts run.

    Args:
        engine: shared by all.
        chain_id: for the hashes; authors' own tests need none.
    """

    def __init__(self, engine: Engine, chain_id: bytes = ZERO_HASH) -> None:
        self._guests = Guests(engine)
        self._chain_id = chain_id

    def check(self, source: str, parameters: str = "{}") -> Deployable:
        """Check that a contract can be deployed: sizes, syntax, definition, its module runs, and its
        parameters are those that it takes.

        Raises:
            Refusal: what is wrong, with the fuel spent; ``bad_contract`` with the guest's words and the line at fault.
        """
        verify_deployable(source, parameters)
        guest = self._guests.take(source, parameters)
        guest.instance.close()
        return Deployable(guest.fuel, guest.members)

    def contract(self, source: str, parameters: str = "{}") -> "SandboxSession":
        """A contract for one block: make a new session for each.

        Args:
            source: as deployed.
            parameters: as deployed, a JSON object.

        Raises:
            Refusal: sizes and parameters that could not have been deployed.
        """
        verify_deployable(source, parameters)
        return SandboxSession(self._guests, self._chain_id, source, parameters)


class SandboxSession:
    """One contract in one block. Not for two threads at once; close it when the block is done."""

    def __init__(self, guests: Guests, chain_id: bytes, source: str, parameters: str) -> None:
        self._guests = guests
        self._chain_id = chain_id
        self._source = source
        self._parameters = parameters
        self._instance: GuestInstance | None = None
        self._load_fuel = 0

    def decide(self, request: RequestFacts, dataset: DatasetFacts, ctx: ContextFacts) -> CallResult:
        """Call the contract.

        Raises:
            Refusal: code ``contract_inputs_too_large`` for inputs beyond ``contract_inputs_size_bytes``.
        """
        call = encode_call(request, dataset, ctx)
        return self.decide_encoded(call, ctx.time_ms)

    def decide_encoded(self, call: bytes, time_ms: int) -> CallResult:
        """Call the contract with inputs that were encoded before (``encode_call``).

        Args:
            call: the inputs.
            time_ms: the block's time, as in the inputs.
        """
        inputs, fuel = inputs_hash(self._chain_id, call), call_fuel(len(call))
        try:
            if self._instance is None:
                self._instance, self._load_fuel, _ = self._guests.take(self._source, self._parameters)
                fuel += self._load_fuel
            answer, spent = self._instance.decide(call.decode())
            fuel += spent + reading_fuel(answer)
            return read_answer(answer, time_ms, fuel, inputs)
        except Refusal as refusal:
            self.close()  # the next call gets a fresh guest: what a failure left behind is nobody's business
            return failed(refusal, fuel, inputs)

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
