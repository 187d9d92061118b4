"""``blockpool network``: a whole network on one machine, and a look at all nodes of any network."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from blockpool import Client, Genesis, NodeStatus, PoolError, RetryPolicy, load_genesis
from chain.errors import ErrorCode
from chain.genesis import encode_genesis, parse_genesis
from chain.messages.phrases import phrase
from chain.state.members import Member
from cli.failures import ExitCode
from cli.genesis import describe, no_contracts_option
from cli.homes import GENESIS_FILE, NODE_FOLDER, SYSTEM_KEY, MemberPlan, create_member
from cli.network_policy import engine_identity
from cli.nodes import off_by
from cli.options import genesis_option, json_option, new_passphrase
from cli.output import emit, grid, talk

_API_PORT_OFFSET = 1000
_LOOK_S = 1.0
_ONCE = RetryPolicy(attempts_max=1, total_max_s=5)


@click.group()
def network() -> None:
    """Make a local network; look at all nodes of a network."""


@network.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option("--members", required=True, metavar="A,B,C,D", help="Names, separated by commas. Each runs a validator.")
@click.option("--base-port", type=click.IntRange(1024, 64000), default=7000, show_default=True, help="First peer port.")
@click.option("--name", default="Local pool", show_default=True, help="Name of the network, for people.")
@click.option("--encrypt", is_flag=True, help="Encrypt the private keys (BLOCKPOOL_PASSPHRASE, or typed).")
@no_contracts_option
@json_option
def init(folder: Path, members: str, base_port: int, name: str, encrypt: bool, no_contracts: bool) -> None:
    """Make a network in DIR to try things on this machine: keys, genesis, and one home a member.

    Peers listen on --base-port and the ports after it, their APIs a thousand higher. In a real network nobody sees
    another's keys: see `member new` and `genesis create`.

    \b
    Example: blockpool network init pool --members aviation,meteorology,registry,airports
             blockpool node run pool/aviation/node
    """
    names = [part.strip() for part in members.split(",") if part.strip()]
    ports = [(base_port + index, base_port + _API_PORT_OFFSET + index) for index in range(len(names))]
    made = create_network(folder, name, names, ports, new_passphrase(encrypt), contracts=not no_contracts)
    homes = {member.name: folder / member.name / NODE_FOLDER for member in made.founders}
    table = grid("member", "node home", "API", "signing key")
    for member in made.founders:
        api = member.node.api_url if member.node else ""
        table.add_row(member.name, str(homes[member.name]), api, str(folder / member.name / SYSTEM_KEY))
    emit(describe(made) | {"homes": {name: str(home) for name, home in homes.items()}}, table)
    console = talk()
    console.print()
    console.print(phrase("Start each node in a terminal of its own:"))
    for home in homes.values():
        command = f"  blockpool node run {home}"
        console.print(command)
    console.print(phrase("Then: blockpool network status --genesis {file}", file=folder / GENESIS_FILE))


def create_network(
    folder: Path,
    name: str,
    members: Sequence[str],
    ports: Sequence[tuple[int, int]],
    passphrase: str | None = None,
    *,
    others: Sequence[MemberPlan] = (),
    contracts: bool = True,
) -> Genesis:
    """Make a network of validators on the loopback interface, and perhaps of members without a node.

    Args:
        folder: new or empty.
        ports: (peer port, API port) of each member.
        passphrase: encrypts the private keys.
        others: members that run no node.
        contracts: whether access contracts run here; without them nothing can be sealed or requested.

    Raises:
        PoolError: code ``bad_genesis`` for a folder that is not empty or names that repeat; ``bad_name``.
    """
    if folder.exists() and any(folder.iterdir()):
        raise PoolError(
            ErrorCode.BAD_GENESIS, phrase("{folder} is not empty: nothing there is overwritten", folder=folder)
        )
    if not members or len(set(members)) != len(members):
        raise PoolError(ErrorCode.BAD_GENESIS, phrase("a network has at least one member, each named once"))
    engine = engine_identity() if contracts else None  # first: it may be missing, and nothing is left half made
    created = [
        create_member(
            MemberPlan(member, peer_address=f"127.0.0.1:{peer}", api_address=f"127.0.0.1:{api}"),
            folder / member,
            passphrase,
        )
        for member, (peer, api) in zip(members, ports, strict=True)
    ]
    created += [create_member(plan, folder / plan.name, passphrase) for plan in others]
    content = encode_genesis(name, time.time_ns() // 1_000_000, created, engine)
    genesis = parse_genesis(content)
    (folder / GENESIS_FILE).write_bytes(content)
    for member in members:
        (folder / member / NODE_FOLDER / GENESIS_FILE).write_bytes(content)
    return genesis


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of a member's node."""

    name: str
    answer: NodeStatus | PoolError
    clock: str
    """How far its clock is off this machine's."""
    state: str
    reason: str

    @property
    def is_ready(self) -> bool:
        """Whether it counts for the quorum, if its member votes."""
        return self.state == "ready"


@network.command()
@genesis_option
@click.option(
    "--wait", "wait_s", type=click.FloatRange(0), default=0, metavar="SECONDS", help="Until a quorum is ready."
)
@json_option
@click.pass_context
def status(context: click.Context, genesis_file: Path, wait_s: float) -> None:
    """Ask every node that the genesis file names how it is, and why it is not ready. Exit code 1 if fewer than a quorum
    answer ready, on the chain of that file, as validators that vote.

    \b
    Example: blockpool network status --genesis pool/genesis.json --wait 60
    """
    genesis = load_genesis(genesis_file)
    until_s = time.monotonic() + wait_s
    while True:
        seen = [_see(member, genesis) for member in genesis.founders if member.node is not None]
        ready = [node.name for node in seen if node.is_ready and node.name in genesis.validators]
        if len(ready) >= genesis.validators.quorum or time.monotonic() >= until_s:
            break
        time.sleep(min(_LOOK_S, max(0.0, until_s - time.monotonic())))
    table = grid(
        "member",
        "state",
        "height",
        "view",
        "primary",
        "block",
        "waiting",
        "clock",
        "by its peers",
        "",
        right=frozenset({"height", "view", "waiting", "clock", "by its peers"}),
    )
    for node in seen:
        if isinstance(answer := node.answer, NodeStatus):
            row = (f"{answer.height:,}", str(answer.view), answer.primary, answer.block_hash[:16])
            clocks = node.clock, _clock_by_peers(node.name, seen)
            table.add_row(node.name, node.state, *row, str(answer.mempool.transactions), *clocks, node.reason)
        else:
            table.add_row(node.name, node.state, *[""] * 7, node.reason)
    value = {
        "ready_validators": len(ready),
        "quorum": genesis.validators.quorum,
        "nodes": {node.name: node.answer if isinstance(node.answer, NodeStatus) else None for node in seen},
        "states": {node.name: {"state": node.state, "reason": node.reason} for node in seen},
    }
    emit(value, table)
    if len(ready) < genesis.validators.quorum:
        talk().print(
            phrase(
                "{count} validators are ready; {quorum} are needed to order anything.",
                count=len(ready),
                quorum=genesis.validators.quorum,
            )
        )
        context.exit(ExitCode.FALSE)


def _see(member: Member, genesis: Genesis) -> _Seen:
    answer = _ask(member.node.api_url if member.node is not None else "")
    if not isinstance(answer, NodeStatus):
        return _Seen(member.name, answer, "", "unreachable", answer.detail)
    clock = off_by(answer)
    if answer.chain_id != genesis.chain_id.hex():
        return _Seen(member.name, answer, clock, "another chain", f"it is on chain {answer.chain_id[:16]}")
    if answer.member != member.name:
        return _Seen(member.name, answer, clock, "another node", f"it is the node of {answer.member}")
    if not answer.is_ready:
        return _Seen(
            member.name, answer, clock, "syncing" if answer.syncing else "not ready", answer.unready_reason or ""
        )
    if member.name in genesis.validators and answer.role != "validator":
        return _Seen(member.name, answer, clock, "not voting", "it may have lost votes, or joins: it votes in a while")
    return _Seen(member.name, answer, clock, "ready", "")


def _clock_by_peers(name: str, seen: Sequence[_Seen]) -> str:
    """How far the other nodes say that a node's clock is from theirs: the middle one of what they say."""
    answers = [node.answer for node in seen if node.name != name and isinstance(node.answer, NodeStatus)]
    peers = [peer for answer in answers for peer in answer.peers if peer.member == name]
    offsets_ms = sorted(peer.clock_offset_ms for peer in peers if peer.clock_offset_ms is not None)
    return f"{offsets_ms[len(offsets_ms) // 2] / 1000:+,.1f} s" if offsets_ms else ""


def _ask(url: str) -> NodeStatus | PoolError:
    try:
        with Client(url, retry=_ONCE) as client:
            return client.status()
    except PoolError as error:
        return error
