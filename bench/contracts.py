"""Section about access contracts: what a call costs, and how many verdicts a node can commit."""

import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import orjson

from bench.bench import Bench
from bench.contract_calls import engine_figures
from bench.figures import Figure, Section
from bench.lone_validator import OWNER, LoneValidator
from bench.network import process_cpu_seconds
from chain.errors import ErrorCode, PoolError
from chain.limits import LIMITS
from contracts.library import source_of
from contracts.policy import SandboxPolicy
from contracts.worker import SandboxProcess

READERS, DATASETS = 64, 16
"""Who asks in bulk, and for what: each reader for each dataset in turn."""
PURPOSE = "flood warning"
PARAMETERS: dict[str, dict[str, object]] = {
    "purpose_bound": {"purposes": {PURPOSE: None}, "required": ["person"], "days": 30},
    "approval_required": {},
}
OFFERED = LIMITS.block_contract_calls
"""Requests that wait for each block, which takes as many as its fuel allows."""
WARM_UP_BLOCKS = 1
CASES = (
    ("verdicts_purpose", "verdicts in bulk, purpose_bound", "purpose_bound", READERS, DATASETS),
    ("verdicts_approval", "verdicts in bulk, approval_required", "approval_required", READERS, DATASETS),
    ("verdicts_grants", f"verdicts, {LIMITS.contract_grants} earlier grants each", "purpose_bound", 1, 1),
)
"""(key, what, contract, readers, datasets)."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Blocks full of requests, executed and committed."""

    requests: int
    blocks: int
    seconds: float
    """On the clock."""
    engine_cpu_s: float
    """Processor time of the contract engine's process."""
    ledger_cpu_s: float
    """Processor time of the process that holds the ledger."""
    fuel: int

    @property
    def rate(self) -> float:
        """Verdicts a second."""
        return self.requests / self.seconds

    @property
    def how(self) -> str:
        """Where the time goes."""
        engine_us, ledger_us = (cpu_s * 1e6 / self.requests for cpu_s in (self.engine_cpu_s, self.ledger_cpu_s))
        return (
            f"{self.requests / self.blocks:.0f} requests and {self.seconds * 1000 / self.blocks:.0f} ms a block; of "
            f"processor time, {engine_us:.0f} us a verdict in the engine and {ledger_us:.0f} us in the ledger; "
            f"{self.fuel / self.requests:,.0f} units of fuel"
        )


def contracts(bench: Bench) -> Section:
    """Call contracts one by one, then commit blocks full of requests; the network is idle meanwhile."""
    figures = engine_figures()
    for key, what, name, readers, datasets in CASES:
        verdicts = measure_verdicts(name, readers, datasets, bench.durations.verdict_blocks)
        bench.say(f"{what}: {verdicts.rate:,.0f}/s; {verdicts.how}")
        figures.append(Figure(key, what, verdicts.rate, "verdicts/s", verdicts.how))
    setting = (
        "The engine's own figures are for `purpose_bound` and a reader without earlier grants. For verdicts one ledger "
        "executes and commits blocks of requests as a node does, the engine in its own process, state and blocks in "
        "LevelDB, every block synced; without consensus, network and API. The requests were signed and checked "
        f"beforehand. Every block loads its contract anew. In bulk {READERS} readers ask for {DATASETS} datasets under "
        f"one contract, with few earlier grants each; a contract is told of {LIMITS.contract_grants} at most."
    )
    return Section("contracts", "Access contracts", setting, figures)


def measure_verdicts(name: str, readers: int, datasets: int, blocks: int) -> Verdicts:
    """Commit ``blocks`` full blocks of requests under a contract of the library.

    Raises:
        PoolError: code ``contract_failed`` if a request was denied that had to be granted.
    """
    names = [f"reader-{number}" for number in range(readers)]
    validator, contract = LoneValidator(names), f"{OWNER}.rule"
    targets = [(reader, f"{OWNER}.data-{number}") for number in range(datasets) for reader in names]
    with (
        tempfile.TemporaryDirectory(prefix="blockpool-bench-") as folder,
        SandboxProcess(validator.genesis.chain_id) as engine,
        closing(validator),
    ):
        validator.open(Path(folder), SandboxPolicy(engine))
        validator.commit([validator.contract(contract, source_of(name), orjson.dumps(PARAMETERS[name]).decode())])
        validator.commit([validator.dataset(f"{OWNER}.data-{number}", contract) for number in range(datasets)])
        count = (WARM_UP_BLOCKS + blocks) * OFFERED
        requests = [validator.request(*target, PURPOSE) for target in islice(cycle(targets), count)]
        groups = [requests[start : start + OFFERED] for start in range(0, count, OFFERED)]
        for group in groups[:WARM_UP_BLOCKS]:
            validator.commit(group)
        engine_cpu_s, ledger_cpu_s = process_cpu_seconds(engine.process_id), time.process_time()
        started = time.perf_counter()
        done = [validator.commit(group) for group in groups[WARM_UP_BLOCKS:]]
        seconds, ledger_cpu_s = time.perf_counter() - started, time.process_time() - ledger_cpu_s
        engine_cpu_s = process_cpu_seconds(engine.process_id) - engine_cpu_s
    outcomes = [outcome for block in done for outcome in block.outcomes]
    for outcome in outcomes:
        if outcome.verdict is None or outcome.verdict.verdict == "deny":
            raise PoolError(ErrorCode.CONTRACT_FAILED, f"{name} refused what it should not have: {outcome.sentence}")
    return Verdicts(
        len(outcomes), blocks, seconds, engine_cpu_s, ledger_cpu_s, sum(outcome.fuel for outcome in outcomes)
    )
