"""``blockpool forget``: erase all records of one key, such as a person's, in all datasets of one's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from blockpool import CatalogueEntry, Client, KeyHistory, RecordId
from chain.messages.phrases import phrase
from chain.schema import record_rules
from cli.failures import ExitCode
from cli.options import Signing, key_secret_option, load_key_secret, signing_options
from cli.output import emit, facts, grid, is_agreed, talk, verify_can_ask


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of a key in a member's datasets."""

    histories: tuple[KeyHistory, ...]
    """Of the datasets whose records have this key."""
    not_searched: tuple[str, ...]
    """The member's other datasets: their records have other keys, or none."""

    @property
    def records(self) -> list[RecordId]:
        """Those that are to go."""
        return [record for history in self.histories for record in history.present]


@click.command()
@click.argument("values", metavar="FIELD=VALUE...", nargs=-1, required=True)
@click.option("--dataset", "datasets", multiple=True, help="Only in this one; may be given more than once.")
@click.option("--legal-basis", required=True, help="Law or order by which they have to go; it stays on the chain.")
@click.option("--reason", default="", help="More about it, in short; it stays on the chain too.")
@click.option("--dry-run", is_flag=True, help="List what would go, and erase nothing.")
@click.option("--yes", is_flag=True, help="Do not ask; needed with --json.")
@key_secret_option
@signing_options
@click.pass_context
def forget(
    context: click.Context,
    values: tuple[str, ...],
    datasets: tuple[str, ...],
    legal_basis: str,
    reason: str,
    dry_run: bool,
    yes: bool,
    key_secret_file: Path | None,
    signing: Signing,
) -> None:
    """Erase every record of one key, present and earlier ones, in all of your own datasets whose records have just this
    key: FIELD=VALUE for each of its fields. They are listed first; that these are all is proven.

    Datasets whose records have other keys, or none, are named and not searched. If it is interrupted, run it again:
    what is erased is not erased twice. Keys of open records stay in the headers of their parcels, as hashes.

    \b
    Example: blockpool forget id_card=110101199003078515 --legal-basis "PIPL art. 47" \\
               --key pool/health/system.pem --genesis pool/genesis.json
    """
    verify_can_ask(must_ask=not (yes or dry_run))
    key = _parsed(values)
    urls, genesis, identity = signing.load()
    with Client(urls, genesis, identity) as client:
        entries = [entry for entry in client.datasets() if entry.owner == identity.member]
        if unknown := set(datasets) - {entry.dataset for entry in entries}:
            raise click.UsageError(
                phrase("{dataset} is no dataset of {member}.", dataset=min(unknown), member=identity.member)
            )
        chosen = [entry for entry in entries if not datasets or entry.dataset in datasets]
        found = _search(client, chosen, key, load_key_secret(key_secret_file, signing.key_file))
        _list(found)
        count = len(found.records)
        if not count or dry_run:
            _show(found, [], legal_basis, reason)
            return
        question = f"Erase these {count:,} records, on every node and for good?"
        if not yes and not is_agreed(question, phrase("Nothing was erased.")):
            context.exit(ExitCode.FALSE)
        erasures = [
            client.erase(parcel, legal_basis, reason, indexes).transaction_id.hex()
            for parcel, indexes in _by_parcel(found.records).items()
        ]
    _show(found, erasures, legal_basis, reason)
    talk().print(
        phrase("The nodes drop them now. Readers' copies, parcels made from them and backups are not touched.")
    )


def _parsed(values: Sequence[str]) -> dict[str, str]:
    """The key's fields and their values."""
    key: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name or name in key:
            raise click.UsageError(phrase("{value!r}: name each field of the key once, as FIELD=VALUE.", value=value))
        key[name] = text
    return key


def _search(client: Client, entries: Sequence[CatalogueEntry], key: dict[str, str], secret: bytes | None) -> Found:
    """The key's records in each dataset that has such keys."""
    histories, others = list[KeyHistory](), list[str]()
    for entry in entries:
        if set(record_rules(entry.schema).key_fields) == set(key):
            histories.append(client.key_history(entry.dataset, key, key_secret=secret))
        else:
            others.append(entry.dataset)
    return Found(tuple(histories), tuple(others))


def _by_parcel(records: Sequence[RecordId]) -> dict[bytes, list[int]]:
    parcels: dict[bytes, list[int]] = {}
    for record in records:
        parcels.setdefault(record.transaction_id, []).append(record.index)
    return parcels


def _list(found: Found) -> None:
    """What there is, on standard error: it is asked about then."""
    table = grid("dataset", "records", "erased before", "up to block", right=frozenset({"records", "erased before"}))
    for history in found.histories:
        counts = (len(history.present), len(history.erased), history.height)
        table.add_row(history.dataset, *(f"{count:,}" for count in counts))
    if found.histories:
        talk().print(table)
    for record in found.records:
        talk().print(f"  {record}")
    if found.not_searched:
        talk().print(
            phrase(
                "Not searched, since their records have other keys or none: {datasets}",
                datasets=", ".join(found.not_searched),
            )
        )


def _show(found: Found, erasures: list[str], legal_basis: str, reason: str) -> None:
    told = {
        "records": list(map(str, found.records)),
        "erased_before": sum(len(history.erased) for history in found.histories),
        "datasets": [history.dataset for history in found.histories],
        "not_searched": list(found.not_searched),
        "erasures": erasures,
        "legal_basis": legal_basis,
        "reason": reason,
    }
    rows: dict[str, object] = {"datasets": ", ".join(history.dataset for history in found.histories) or "none"}
    rows |= {"records": f"{len(found.records):,}", "erased by": ", ".join(erasures) or "nothing was erased"}
    emit(told, facts(rows | {"legal basis": legal_basis, "reason": reason or "none given"}))
