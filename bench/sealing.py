"""Sections about sealed parcels: sealing and opening them, and ordering them beside open ones."""

import time
from dataclasses import dataclass

from bench.bench import PLAIN, SEALED, Bench
from bench.figures import Figure, Section
from bench.rates import PARCEL_RECORDS
from bench.records import mean_size_bytes, record_groups
from bench.statistics import Summary
from chain.granularity import Granularity
from chain.primitives.crypto import sha256
from chain.transactions.sealed import CommitmentKind, decode_envelope
from sealing import KemPrivateKey, ParcelContext, SealingContext, open_own_share, open_parcel, seal_parcel, split_fields

CHAIN = sha256(b"benchmark")
DATASET = "aviation.flights"
VALIDATORS = ("airports", "aviation", "meteorology", "registry")
SEALED_PARCELS = 32
DEFAULT_RATE = 40_000
OVERLOAD = 1.3
"""Offered, as a multiple of what open parcels were sustained at."""
OVERLOAD_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class SealingRates:
    """Records a second of processor time, and what a sealed record takes."""

    sealed_per_s: float
    opened_per_s: float
    overhead_bytes: float
    """Of a record in the payload, over its plaintext."""


def sealing(bench: Bench) -> Section:
    """Seal and open parcels in this process."""
    figures = []
    for kind, key, what in (
        (CommitmentKind.WHOLE, "sealing_whole", "committed whole"),
        (CommitmentKind.FIELDS, "sealing_fields", "committed by fields"),
    ):
        rates = measure_sealing(kind)
        bench.say(f"{what}: sealed {rates.sealed_per_s:,.0f}/s, opened {rates.opened_per_s:,.0f}/s")
        figures += [
            Figure(key, f"sealing, {what}, one core", rates.sealed_per_s, "records/s"),
            Figure(f"{key}_opened", f"opening, {what}, one core", rates.opened_per_s, "records/s"),
        ]
    for columns, by_record, key, what in (
        (4, False, "sealing_columns", "by four columns"),
        (0, True, "sealing_records", "by records"),
        (4, True, "sealing_both", "by records and four columns"),
    ):
        rates = measure_sealing(CommitmentKind.FIELDS, columns=columns, by_record=by_record)
        bench.say(f"{what}: sealed {rates.sealed_per_s:,.0f}/s, opened {rates.opened_per_s:,.0f}/s")
        title = f"opened {what}, committed by fields"
        figures += [
            Figure(key, f"sealing, {title}, one core", rates.sealed_per_s, "records/s"),
            Figure(f"{key}_opened", f"opening all, {title}, one core", rates.opened_per_s, "records/s"),
            Figure(f"{key}_size", f"{title}: added to a record", rates.overhead_bytes, "bytes"),
        ]
    setting = (
        f"Parcels of {PARCEL_RECORDS} records of {mean_size_bytes()} bytes on average, sealed for four validators with "
        "the hybrid suite; per second of processor time, in one process. Sealing encrypts every record and commits to "
        "it, and deals the key; opening combines the shares and checks root, ciphertexts and commitments of every "
        "record."
    )
    return Section("sealing", "Sealing", setting, figures)


def measure_sealing(
    kind: CommitmentKind, parcels: int = SEALED_PARCELS, columns: int = 0, by_record: bool = False
) -> SealingRates:
    """Seal ``parcels`` parcels, then open them as a reader with a quorum's shares would."""
    keys = {name: KemPrivateKey.from_seed(sha256(name.encode())) for name in VALIDATORS}
    public_keys = {name: key.public_key.encoded for name, key in keys.items()}
    groups = record_groups(PARCEL_RECORDS, parcels)
    context = SealingContext(CHAIN, DATASET)
    granularity = Granularity(_columns(groups[0][0], columns) if columns else (), by_record)
    started = time.process_time()
    made = [seal_parcel(group, context, public_keys, kind, granularity=granularity) for group in groups]
    sealing_s = time.process_time() - started
    opening_s = 0.0
    for parcel, group in zip(made, groups, strict=True):
        envelope, place = decode_envelope(parcel.envelope), ParcelContext(CHAIN, DATASET, parcel.records_root)
        givers = VALIDATORS[: envelope.threshold]
        shares = {name: open_own_share(envelope, parcel.sealed_shares, place, name, keys[name]) for name in givers}
        started = time.process_time()
        opened = list(open_parcel(parcel.bodies, envelope, place, shares))
        opening_s += time.process_time() - started
        if opened != list(group):
            raise ValueError("what was opened is not what was sealed")
    records = parcels * PARCEL_RECORDS
    plain = sum(len(record) for group in groups for record in group)
    added = sum(len(body) for parcel in made for body in parcel.bodies) - plain
    return SealingRates(records / sealing_s, records / opening_s, added / records)


def _columns(record: bytes, count: int) -> tuple[tuple[str, ...], ...]:
    """The fields of a record in as many groups, in their order."""
    names = [field.name for field in split_fields(record)]
    size = -(-len(names) // count)
    return tuple(tuple(names[start : start + size]) for start in range(0, len(names), size))


def sealed(bench: Bench) -> Section:
    """Order sealed and open parcels in turn, overloaded alike; then sealed ones at half the rate."""
    rate = bench.rates.get("parcels", DEFAULT_RATE) / PARCEL_RECORDS
    runs: dict[str, list[Summary]] = {PLAIN: [], SEALED: []}
    for _ in range(OVERLOAD_ROUNDS):
        for dataset, found in runs.items():
            found.append(_run(bench, dataset, rate * OVERLOAD))
    open_per_s, sealed_per_s = (
        sum(run.committed_per_s for run in found) / OVERLOAD_ROUNDS for found in (runs[PLAIN], runs[SEALED])
    )
    half = _run(bench, SEALED, rate / 2)
    title = f"sealed, {PARCEL_RECORDS} records a parcel"
    how = f"{OVERLOAD_ROUNDS} runs of each in turn, offered {rate * OVERLOAD * PARCEL_RECORDS:,.0f} records/s"
    at_half = f"at {half.offered_per_s:,.0f} records/s"
    figures = [
        Figure("sealed_rate", f"{title}: committed when overloaded", sealed_per_s, "records/s", how),
        Figure("sealed_ratio", f"{title}: against open ones, overloaded alike", sealed_per_s / open_per_s * 100, "%"),
        Figure("sealed_p50", f"{title}: latency, p50", half.p50_ms, "ms", at_half),
        Figure("sealed_p95", f"{title}: latency, p95", half.p95_ms, "ms", at_half),
        Figure("sealed_p99", f"{title}: latency, p99", half.p99_ms, "ms", at_half),
    ]
    setting = (
        f"{bench.setting(PARCEL_RECORDS, schema=False)} Parcels were sealed before the clock started. All validators "
        "check the root over the sealed records and that the key was dealt to each of them, and open their own share "
        "once the parcel is committed. Runs: open, sealed, open, sealed; then sealed at half the rate of (b)."
    )
    in_turn = [run for pair in zip(runs[PLAIN], runs[SEALED], strict=True) for run in pair]
    return Section("sealed", "Ordering sealed parcels", setting, figures, [*in_turn, half])


def _run(bench: Bench, dataset: str, transactions_per_s: float) -> Summary:
    plan = bench.plan(dataset, PARCEL_RECORDS, transactions_per_s, bench.durations.step_s, sealed=dataset == SEALED)
    return bench.run(plan)[1]
