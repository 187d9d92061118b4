"""``blockpool genesis``: the file that founds a network."""

import ipaddress
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from blockpool import Genesis, load_genesis
from chain.errors import ErrorCode, PoolError
from chain.genesis import MemberObject, encode_genesis, parse_genesis, parse_member_file
from chain.limits import LIMITS
from chain.messages import time_text
from chain.messages.phrases import phrase
from cli.network_policy import engine_identity
from cli.options import READABLE_FILE, json_option
from cli.output import emit, facts, grid, talk

no_contracts_option = click.option(
    "--no-contracts", is_flag=True, help="A network without contracts: nothing can be sealed or requested."
)


@click.group()
def genesis() -> None:
    """Found a network from its members' public records."""


@genesis.command()
@click.argument("members", nargs=-1, required=True, type=READABLE_FILE, metavar="MEMBER.json...")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="New genesis file.")
@click.option("--network", "name", required=True, help="Name of the network, for people.")
@no_contracts_option
@json_option
def create(members: tuple[Path, ...], out: Path, name: str, no_contracts: bool) -> None:
    """Make a genesis file from the MEMBER.json files that members handed in. No private key is needed.

    It names this installation's contract engine: every validator must run the same.

    \b
    Example: blockpool genesis create tax.json health.json police.json -o genesis.json --network "City pool"
    """
    if out.exists():
        raise PoolError(ErrorCode.BAD_GENESIS, phrase("{out} exists already and is not overwritten", out=out))
    engine = None if no_contracts else engine_identity()
    found = [_read_member(path) for path in members]
    verify_addresses(found)
    content = encode_genesis(name, time.time_ns() // 1_000_000, found, engine)
    made = parse_genesis(content)
    out.write_bytes(content)
    emit(describe(made), *_shown(made))
    talk().print(
        phrase(
            "Wrote {out}. Every operator compares the chain id by another way, and copies it to node/genesis.json.",
            out=out,
        )
    )


@genesis.command()
@click.argument("file", type=READABLE_FILE)
@json_option
def check(file: Path) -> None:
    """Check a genesis FILE and show whom it founds. Compare the chain id with the other members.

    \b
    Example: blockpool genesis check genesis.json
    """
    found = load_genesis(file)
    emit(describe(found), *_shown(found))
    ahead_ms = found.file.time_ms - time.time_ns() // 1_000_000
    if ahead_ms > LIMITS.clock_drift_ms:
        raise PoolError(
            ErrorCode.BAD_GENESIS,
            phrase(
                "its time is {ahead_s:,.0f} s ahead of this machine's clock, and no block can be agreed on before it: "
                "set the clock right that is wrong, and make the file again if it was the one that "
                "it was made by",
                ahead_s=ahead_ms / 1000,
            ),
        )


def verify_addresses(members: Sequence[MemberObject]) -> None:
    """Check that nodes can reach each other at what their members handed in. An API may be for its own machine alone.

    Raises:
        PoolError: code ``bad_genesis`` for two nodes at one address, an address that is none to connect to, or one of
            the member's own machine among others.
    """
    taken: dict[tuple[str, str], str] = {}
    places: dict[str, bool] = {}
    for member in members:
        if member.node is None:
            continue
        for kind, address in (("peer", member.node.address), ("API", urlsplit(member.node.api_url).netloc)):
            host = _host(address)
            if host is not None and host.is_unspecified:
                raise _bad(f"{member.name}: {kind} address {address} means every interface: name the one others reach")
            is_own = host is not None and host.is_loopback
            if is_own and kind == "API":
                continue  # a department may keep it to its own machine
            if (kind, address) in taken:
                raise _bad(f"{member.name} and {taken[kind, address]} have one {kind} address, {address}")
            taken[kind, address] = member.name
            if kind == "peer":
                places[f"{member.name}: {kind} address {address}"] = is_own
    own = [place for place, is_loopback in places.items() if is_loopback]
    if own and len(own) < len(places):
        raise _bad(f"{own[0]} is reached on its own machine alone: in a real network name one that others reach")


def _host(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The host of ``host:port`` if it is written as an address, or is ``localhost``; a port may be missing."""
    host = urlsplit(f"//{address}").hostname or ""
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return None


def _bad(detail: str) -> PoolError:
    return PoolError(ErrorCode.BAD_GENESIS, detail)


def describe(found: Genesis) -> dict[str, Any]:
    """A genesis file for programs."""
    return {
        "network": found.file.network,
        "chain_id": found.chain_id.hex(),
        "time_ms": found.file.time_ms,
        "validators": list(found.validators.names),
        "quorum": found.validators.quorum,
        "max_faulty": found.validators.max_faulty,
        "kem_suite": found.file.kem_suite,
        "engine": found.file.engine,
        "members": [
            {
                "member": member.name,
                "kind": member.kind,
                "title_zh": member.title_zh,
                "title_en": member.title_en,
                "votes": member.consensus_key is not None,
                "witness": member.witness_key is not None,
                "peer": member.node.address if member.node else None,
                "api": member.node.api_url if member.node else None,
            }
            for member in found.founders
        ],
    }


def _shown(found: Genesis) -> tuple[Any, ...]:
    validators = found.validators
    head = facts(
        {
            "network": found.file.network,
            "chain id": found.chain_id.hex(),
            "time": time_text(found.file.time_ms),
            "validators": f"{len(validators)}: {validators.quorum} decide, {validators.max_faulty} may be faulty",
            "contracts": str(found.protocol.engine)
            if found.protocol.engine
            else "none: nothing can be sealed or requested",
        }
    )
    table = grid("member", "title", "kind", "node", "votes")
    for member in found.founders:
        node = member.node.address if member.node else "-"
        votes = "yes" if member.consensus_key else "witness" if member.witness_key else "no"
        table.add_row(member.name, f"{member.title_zh} {member.title_en}".strip(), member.kind, node, votes)
    return head, "", table


def _read_member(path: Path) -> Any:
    try:
        return parse_member_file(path.read_bytes())
    except PoolError as error:
        raise PoolError(error.code, f"{path}: {error.detail}", **error.context) from None
