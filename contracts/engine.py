"""The machine that contracts run on: CPython in WebAssembly under wasmtime, set up to compute the same everywhere.

What could differ between machines is switched off or fixed: NaN bits are canonical, there are no threads and no
relaxed SIMD, code is generated for one target whatever the host's processor offers, and the native stack has one
size. How deep recursion gets before a trap depends on the machine code, so target and wasmtime version are part of the
engine's identity. Work is measured in fuel, which is counted by the code itself. A guest that asks for memory gets it
up to its bound; a machine that cannot give so much fails as a machine, before the call, and never decides.
"""

import mmap
import platform
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from chain.contract_engine import EngineIdentity
from chain.errors import ErrorCode, PoolError, Refusal
from chain.extras import extra
from chain.limits import LIMITS
from contracts.compiled import OnStage, compiled_component, default_cache_folder
from contracts.guest import COMPONENT_SHA256, read_component

with extra("audit"):
    import wasmtime
    from wasmtime.component import Component, Func, Linker, ValType

TARGET = "x86_64-unknown-linux-gnu"
WASMTIME_VERSION = version("wasmtime")
_OVERCOMMIT = Path("/proc/sys/vm/overcommit_memory")
STACK_SIZE_BYTES = 512 * 1024
"""Of the native stack that a call may use."""


ENGINE_IDENTITY = EngineIdentity(bytes.fromhex(COMPONENT_SHA256), WASMTIME_VERSION, TARGET)
"""This installation's."""


class GuestInstance:
    """One guest with its own memory. Not for two threads at once; worthless after a ``Refusal``."""

    def __init__(self, store: wasmtime.Store, load: Func, decide: Func) -> None:
        self._store = store
        self._load = load
        self._decide = decide
        _remember_type(decide, store)

    def load(self, source: str, parameters: str) -> tuple[str, int]:
        """Load a contract: the guest's answer and the fuel spent.

        Raises:
            Refusal: it was stopped, out of fuel, of stack, or reaching for something that it does not have: codes
                ``contract_out_of_fuel``, ``contract_trapped``.
            PoolError: code ``engine_damaged`` if this machine has no memory for it.
        """
        return self._call(self._load, source, parameters)

    def decide(self, call: str) -> tuple[str, int]:
        """Call the contract: the guest's answer and the fuel spent.

        Raises:
            Refusal: it was stopped, out of fuel, of stack, or reaching for something that it does not have: codes
                ``contract_out_of_fuel``, ``contract_trapped``.
            PoolError: code ``engine_damaged`` if this machine has no memory for it.
        """
        return self._call(self._decide, call)

    def close(self) -> None:
        """Give the memory back."""
        self._store.close()

    def _call(self, function: Func, *arguments: str) -> tuple[str, int]:
        _verify_memory()
        self._store.set_fuel(LIMITS.contract_fuel)
        try:
            answer: str = function(self._store, *arguments)
            function.post_return(self._store)
        except wasmtime.WasmtimeError:  # what the library says of it may change with its version
            spent = self._spent()
            if spent == LIMITS.contract_fuel:
                raise Refusal(ErrorCode.CONTRACT_OUT_OF_FUEL, fuel=spent, limit=spent) from None
            raise Refusal(ErrorCode.CONTRACT_TRAPPED, fuel=spent) from None
        return answer, self._spent()

    def _spent(self) -> int:
        return LIMITS.contract_fuel - self._store.get_fuel()


class _FunctionType(NamedTuple):
    params: list[tuple[str, ValType]]
    result: ValType | None


def _remember_type(function: Func, store: wasmtime.Store) -> None:
    """Ask for a function's type once: wasmtime's binding does at every call, which takes a seventh of its time."""
    found = function.type(store)
    known = _FunctionType(found.params, found.result)
    function.type = lambda _: known  # type: ignore[method-assign,assignment,return-value]


class Engine:
    """The compiled guest, ready to be instantiated. Share one in a process."""

    def __init__(self, engine: wasmtime.Engine, component: Component) -> None:
        self._engine = engine
        self._component = component
        self._linker = Linker(engine)
        self.identity = ENGINE_IDENTITY

    @classmethod
    def open(cls, cache_folder: Path | None = None, on_stage: OnStage = lambda stage: None) -> "Engine":
        """Take the compiled guest from the cache, or compile it (some ten seconds, once a machine).

        Args:
            cache_folder: None for the user's cache folder.
            on_stage: told when this is going to take long, and why.

        Raises:
            PoolError: code ``bad_configuration`` for an unusable cache folder or machine, ``engine_damaged`` for a
            damaged installation.
        """
        if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            raise PoolError(ErrorCode.BAD_CONFIGURATION, f"contracts run on x86_64 Linux only, as {TARGET}")
        _verify_overcommit()
        engine = wasmtime.Engine(_settings())
        name = f"{COMPONENT_SHA256[:16]}-wasmtime-{WASMTIME_VERSION}-{TARGET}"
        folder = default_cache_folder() if cache_folder is None else cache_folder
        return cls(engine, compiled_component(engine, folder, name, read_component, on_stage))

    def instantiate(self) -> GuestInstance:
        """A fresh guest; takes about a millisecond.

        Raises:
            PoolError: code ``engine_damaged``, also if this machine has no memory for it.
        """
        store = wasmtime.Store(self._engine)
        store.set_limits(memory_size=LIMITS.contract_memory_size_bytes)
        store.set_fuel(LIMITS.contract_fuel)
        try:
            instance = self._linker.instantiate(store, self._component)
        except wasmtime.WasmtimeError as error:  # it imports nothing and runs nothing: this machine lacks something
            raise PoolError(ErrorCode.ENGINE_DAMAGED, f"no guest can be made: {str(error).splitlines()[0]}") from None
        load, decide = instance.get_func(store, "load"), instance.get_func(store, "decide")
        if load is None or decide is None:
            raise PoolError(ErrorCode.ENGINE_DAMAGED, "the guest lacks its exports")
        return GuestInstance(store, load, decide)


def _verify_overcommit() -> None:
    """Check that what this machine promises to one guest, no other process can take away before it is used.

    Raises:
        PoolError: code ``bad_configuration``.
    """
    try:
        mode = _OVERCOMMIT.read_text().strip()
    except OSError:
        return
    if mode == "2":
        raise PoolError(
            ErrorCode.BAD_CONFIGURATION,
            "vm.overcommit_memory is 2: a guest could be refused memory that others have, and decide otherwise; "
            "set it to 0 or 1, or bound the node's memory in another way",
        )


def _verify_memory() -> None:
    """Check that a guest can grow to its bound: no limit of this process or machine stands against it.

    Otherwise the contract would see a ``MemoryError`` where others see none, and decide differently, caught or not.

    Raises:
        PoolError: code ``engine_damaged``.
    """
    try:
        mmap.mmap(-1, LIMITS.contract_memory_size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError as error:
        raise PoolError(ErrorCode.ENGINE_DAMAGED, f"no memory for a contract: {error.strerror}") from None


def _settings() -> wasmtime.Config:
    config = wasmtime.Config()
    config.consume_fuel = True
    config.cranelift_nan_canonicalization = True
    config.wasm_threads = False
    config.wasm_relaxed_simd = False
    config.max_wasm_stack = STACK_SIZE_BYTES
    config.target = TARGET
    return config
