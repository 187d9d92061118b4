"""What tests of reading sealed data share: a contract, datasets under it, and commands by any member."""

import json
from pathlib import Path

from cli.homes import READER_KEY
from tests.cli.commands import Done, run
from tests.networks import SCHEMA
from tests.processes import RunningNetwork

CONTRACT = '''"""Flight safety may read, names are for all, statistics needs approval, all else is denied."""

from blockpool.contract import allow, ask, deny


def can_read(request, dataset, ctx):
    if request.purpose == "flight safety":
        return allow(note="by purpose")
    if request.purpose == "names":
        return allow(fields=["name"])
    if request.purpose == "statistics":
        if any(approval.verdict == "approve" for approval in ctx.approvals):
            return allow()
        if ctx.approvals:
            return deny("aviation said no")
        return ask(["aviation"])
    return deny("only for flight safety")
'''
ROOT = Path(__file__).resolve().parents[2]


def as_member(network: RunningNetwork, member: str, *arguments: object) -> Done:
    """Run a command with a member's key, by its own node first."""
    environment = {"BLOCKPOOL_GENESIS": str(network.genesis_file), "BLOCKPOOL_KEY": str(network.key_file(member))}
    return run(*arguments, environment=environment)


def ask(network: RunningNetwork, dataset: str, purpose: str, *more: object) -> Done:
    """Ask for a dataset as meteorology."""
    return as_member(network, "meteorology", "request", "new", dataset, "--purpose", purpose, *more)


def read(network: RunningNetwork, *arguments: object) -> Done:
    """Read as meteorology."""
    return as_member(network, "meteorology", "read", *arguments)


def reader_key_file(network: RunningNetwork, member: str) -> Path:
    """A member's key for reading."""
    return network.key_file(member).with_name(READER_KEY)


def deploy(network: RunningNetwork, folder: Path) -> str:
    """Deploy the contract; gives its id."""
    (folder / "contract.py").write_text(CONTRACT)
    done = as_member(network, "aviation", "contract", "deploy", folder / "contract.py", "--name", "aviation.by-purpose")
    assert done.code == 0, done.err
    network.network.settle()
    return "aviation.by-purpose"


CATALOGUE = ("--scope", "气象部门", "--use", "防汛", "--conditions", "涉密", "--legal-basis", "保守国家秘密法")


def define_sealed(
    network: RunningNetwork, contract: str, folder: Path, sharing: str = "conditional", *more: object
) -> str:
    """Define a dataset of aviation that is not open; gives its id."""
    dataset = f"aviation.sealed-{network.new_number()}"
    (folder / "schema.json").write_text(SCHEMA)
    titles = ("--title-zh", "航班", "--title-en", "Flights", "--schema", folder / "schema.json")
    define = ("dataset", "define", dataset, *titles, "--sharing", sharing, "--contract", contract, *CATALOGUE, *more)
    done = as_member(network, "aviation", *define)
    assert done.code == 0, done.err
    network.network.settle()
    return dataset


def write_records(path: Path, count: int) -> list[bytes]:
    """A file of records; gives their bodies."""
    bodies = [
        json.dumps({"n": number, "name": f"flight {number}"}, separators=(",", ":")).encode() for number in range(count)
    ]
    path.write_bytes(b"\n".join(bodies) + b"\n")
    return bodies


def share_sealed(
    network: RunningNetwork, contract: str, folder: Path, count: int = 25, *more: object, column: str = ""
) -> tuple[str, list[bytes]]:
    """Share sealed records in their order, ten in a parcel; gives the dataset and the records' bodies."""
    parts = ("--column", column) if column else ()
    dataset = define_sealed(network, contract, folder, "conditional", *parts)
    bodies = write_records(folder / "records.ndjson", count)
    submit = ("submit", folder / "records.ndjson", "--dataset", dataset, "--batch", 10, "--in-flight", 1, *more)
    done = as_member(network, "aviation", *submit)
    assert done.code == 0, done.err
    network.network.settle()
    return dataset, bodies
