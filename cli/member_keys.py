"""``blockpool member keys`` and ``member rotate``: which keys a member has, and changing one's own."""

from pathlib import Path
from typing import Any

import click

from blockpool import Client, ErrorCode, PoolError, load_genesis
from blockpool.operations.member_keys import MemberKeys
from chain.limits import LIMITS
from chain.messages.phrases import phrase
from chain.primitives.crypto import Signer, key_id
from chain.primitives.keys import load_signer
from chain.state.members import MemberKey
from cli.failures import ExitCode
from cli.options import (
    READABLE_FILE,
    KeyIdType,
    Signing,
    genesis_option,
    json_option,
    node_option,
    node_urls,
    passphrase_for,
    signing_options,
)
from cli.output import emit, facts, grid, is_agreed, talk, verify_can_ask


@click.command()
@click.argument("name")
@genesis_option
@node_option
@json_option
def keys(name: str, genesis_file: Path, nodes: tuple[str, ...]) -> None:
    """Show the keys of member NAME: what each is for, and at which heights it signs. Proven from the genesis file.

    \b
    Example: blockpool member keys aviation --genesis pool/genesis.json
    """
    genesis = load_genesis(genesis_file)
    with Client(node_urls(nodes, genesis, name), genesis) as client:
        found = client.member_keys(name)
    table = grid("key id", "use", "signs from", "until")
    for key in found.member.keys:
        until = f"{key.until_height:,}" if key.until_height else "-"
        table.add_row(key_id(key.public_key).hex(), found.use_of(key), f"{key.from_height:,}", until)
    changes = found.governance.changes if found.governance else 0
    lines = [_line(found, key) for key in found.member.keys]
    value = {"member": name, "height": found.height, "changes": changes, "keys": lines}
    emit(value, facts({"member": name, "at height": f"{found.height:,}", "changes so far": f"{changes:,}"}), "", table)
    if found.governance is None:
        talk().print(phrase("{name} has no governance key: its keys stay as they are.", name=name))


def _line(found: MemberKeys, key: MemberKey) -> dict[str, Any]:
    return {
        "key_id": key_id(key.public_key).hex(),
        "use": found.use_of(key),
        "from_height": key.from_height,
        "until_height": key.until_height,
    }


@click.command()
@click.argument("files", metavar="[FILE]...", nargs=-1, type=READABLE_FILE)
@click.option("--retire", "retired", multiple=True, type=KeyIdType(), help="Id of a system key to retire; repeatable.")
@click.option(
    "--successor",
    "successor_file",
    type=READABLE_FILE,
    help="Private key of the next successor: needed if the present one signs, which then becomes the governance key.",
)
@click.option("--person", required=True, help="Who has decided it; it stays on the chain.")
@click.option("--reason", default="", help="Why, in short; it stays on the chain too.")
@click.option("--yes", is_flag=True, help="Do not ask; needed with --json.")
@signing_options
@click.pass_context
def rotate(
    context: click.Context,
    files: tuple[Path, ...],
    retired: tuple[bytes, ...],
    successor_file: Path | None,
    person: str,
    reason: str,
    yes: bool,
    signing: Signing,
) -> None:
    """Register new system keys of your member, FILE by FILE (blockpool keys new), and retire those that were lost or
    stolen. --key is the governance key; if that one was lost or stolen itself, the successor.

    New keys sign from the next block on. Retired ones sign no more after the block of this change; what they have
    signed before stays valid and can be proved for ever. Other members need not agree.

    \b
    Example: blockpool member rotate new.pem --retire 0123456789abcdef0123456789abcdef --person "Zhang San" \\
               --reason "laptop stolen" --key offline/governance.pem --genesis pool/genesis.json
    """
    verify_can_ask(must_ask=not yes)
    urls, genesis, identity = signing.load()
    new = [load_signer(file, passphrase_for(file)) for file in files]
    successor = load_signer(successor_file, passphrase_for(successor_file)) if successor_file else None
    with Client(urls, genesis, identity) as client:
        found = client.member_keys(identity.member)
        takes_over = _verify(found, identity.key_id, retired, successor)
        for line in _preview(found, new, retired, successor):
            talk().print(line)
        if not yes and not is_agreed("Do it?", phrase("Nothing was changed.")):
            context.exit(ExitCode.FALSE)
        receipt = client.change_keys(new, retired, person=person, reason=reason, successor=successor)
    new_ids, retired_ids = [key_id(signer.public_key).hex() for signer in new], [id_.hex() for id_ in retired]
    change = {"member": identity.member, "new": new_ids, "retired": retired_ids, "took_over": takes_over}
    rows: dict[str, object] = {
        "member": identity.member,
        "new": ", ".join(new_ids) or "none",
        "retired": ", ".join(retired_ids) or "none",
        "decided by": person,
        "by": receipt.transaction_id.hex(),
        "at height": f"{receipt.height:,}",
    }
    committed = {"person": person, "transaction_id": receipt.transaction_id.hex(), "height": receipt.height}
    emit(change | committed, facts(rows))
    if new:
        talk().print(
            phrase(
                "Sign with a new key by --key FILE --member {member}: the genesis file does not list it.",
                member=identity.member,
            )
        )


def _verify(found: MemberKeys, signing: bytes, retired: tuple[bytes, ...], successor: Signer | None) -> bool:
    """Refuse beforehand what the validators would refuse; gives whether the successor takes over."""
    name, governance = found.member.name, found.governance
    if governance is None or signing not in (governance.key_id, governance.successor_id):
        raise PoolError(
            ErrorCode.NOT_GOVERNANCE_KEY,
            phrase("key {key} is neither the governance key of {name} nor its successor", key=signing.hex(), name=name),
        )
    takes_over = signing == governance.successor_id
    if takes_over != (successor is not None):
        what = "name the next successor: --successor" if takes_over else "only the successor names the next one"
        raise PoolError(ErrorCode.SUCCESSOR_MISMATCH, what)
    signing_next = {key_id(key.public_key) for key in found.signing_next()}
    for id_ in retired:
        if id_ not in signing_next:
            raise PoolError(
                ErrorCode.NOT_SYSTEM_KEY,
                phrase("{name} has no system key {key} that still signs", name=name, key=id_.hex()),
            )
    return takes_over


def _preview(found: MemberKeys, new: list[Any], retired: tuple[bytes, ...], successor: Signer | None) -> list[str]:
    """What will happen, line by line."""
    name, left = found.member.name, {key_id(key.public_key) for key in found.signing_next()} - set(retired)
    left |= {key_id(signer.public_key) for signer in new}
    lines = [f"{name}: key {key_id(signer.public_key).hex()} signs from the next block on." for signer in new]
    lines += [f"{name}: key {id_.hex()} signs no more; what it has signed stays valid." for id_ in retired]
    if successor is not None and found.governance is not None:
        lines.append(f"{name}: governance key {found.governance.key_id.hex()} ends; its successor takes its place.")
        lines.append(f"{name}: the next successor is {key_id(successor.public_key).hex()}.")
    if not left:
        lines.append(f"{name} is left without a system key: nothing signs for it until one is registered.")
    places = LIMITS.member_keys - len(found.member.keys) - len(new) - (successor is not None)
    lines.append(f"{name} can register {max(0, places)} more keys after this one change.")
    return lines
