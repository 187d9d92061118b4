"""``blockpool member``: what an organisation makes for itself in order to take part."""

from pathlib import Path

import click

from chain.messages.phrases import phrase
from chain.primitives.crypto import key_id
from chain.state.members import MemberKind
from cli.homes import MEMBER_FILE, MemberPlan, NodeRole, create_member
from cli.member_keys import keys, rotate
from cli.options import json_option, new_passphrase
from cli.output import emit, facts, talk

_ADDRESS = r"HOST:PORT"


@click.group()
def member() -> None:
    """Make a member's keys and public record; look at its keys, and change them."""


@member.command()
@click.argument("name")
@click.option("--out", "folder", type=click.Path(file_okay=False, path_type=Path), required=True, help="New folder.")
@click.option("--title-zh", default="", help="Chinese title.")
@click.option("--title-en", default="", help="English title.")
@click.option(
    "--kind",
    type=click.Choice(["government", "enterprise", "social", "public"]),
    default="government",
    show_default=True,
    help="政府部门, 企业, 社会组织, 公共机构.",
)
@click.option(
    "--role", "roles", multiple=True, help="A function that access contracts may refer to, such as statistics."
)
@click.option("--validator", "node", flag_value="validator", default=True, help="Its node votes. [default]")
@click.option("--observer", "node", flag_value="observer", help="Its node follows without a vote.")
@click.option(
    "--witness", "node", flag_value="witness", help="Its node follows, and cosigns checkpoints without a vote."
)
@click.option("--no-node", "node", flag_value="none", help="It has no node and uses those of others.")
@click.option(
    "--peer", metavar=_ADDRESS, default="127.0.0.1:7000", show_default=True, help="Where nodes reach this one."
)
@click.option("--api", metavar=_ADDRESS, default="127.0.0.1:8000", show_default=True, help="Its HTTP API.")
@click.option("--encrypt", is_flag=True, help="Encrypt the private keys (BLOCKPOOL_PASSPHRASE, or typed).")
@json_option
def new(
    name: str,
    folder: Path,
    title_zh: str,
    title_en: str,
    kind: MemberKind,
    roles: tuple[str, ...],
    node: NodeRole,
    peer: str,
    api: str,
    encrypt: bool,
) -> None:
    """Make member NAME: keys, public record and node home, on its own machine.

    Private keys stay in the folder. Only member.json is handed in, for the genesis file.

    \b
    Example: blockpool member new tax --out tax --title-zh 税务局 --title-en "Tax Administration" \\
               --peer tax.example:7000 --api 10.0.0.5:8000
    """
    plan = MemberPlan(name, kind, title_zh, title_en, roles, node, peer, api)
    made = create_member(plan, folder, new_passphrase(encrypt))
    path = folder / MEMBER_FILE
    public = {
        "member": name,
        "folder": str(folder),
        "member_file": str(path),
        "key_id": key_id(made.keys[0].public_key).hex(),
        "node": node,
    }
    emit(public, facts(dict(public)))
    talk().print(phrase("Hand in {path}. All *.pem files are secret and stay here.", path=path))
    talk().print(
        phrase(
            "Then move {folder} to two safe places: these keys are for when another one is lost.",
            folder=folder / "offline",
        )
    )


member.add_command(keys)
member.add_command(rotate)
