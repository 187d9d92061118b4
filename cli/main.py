"""``blockpool``: the root of all commands."""

import click

from blockpool.version import VERSION
from cli.audit import audit
from cli.contracts import contract
from cli.datasets import dataset
from cli.demo.command import demo
from cli.disclose import disclose
from cli.erase import erase
from cli.evidence import evidence, verify
from cli.failures import PoolGroup
from cli.genesis import genesis
from cli.keys import keys
from cli.members import member
from cli.misbehaviour import misbehaviour
from cli.networks import network
from cli.nodes import node
from cli.provenance import provenance
from cli.read import read
from cli.requests import request
from cli.show import show
from cli.submit import submit
from cli.watch import watch


@click.group(cls=PoolGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, prog_name="blockpool")
def blockpool() -> None:
    """Run and use a block data pool (块数据池): records that departments share, order and prove together.

    Results go to standard output, talk and progress to standard error; --json on every command is for programs.

    \b
    Exit codes: 0 good; 1 the thing checked is false, refused or not there; 2 usage; 3 cannot reach or read.

    \b
    See it work:    blockpool demo
    A local pool:   blockpool network init pool --members aviation,meteorology,registry,airports
    """


evidence.add_command(misbehaviour)
COMMANDS = (
    keys,
    member,
    genesis,
    network,
    node,
    dataset,
    contract,
    submit,
    request,
    read,
    show,
    disclose,
    erase,
    provenance,
    evidence,
    verify,
    watch,
    audit,
    demo,
)
for command in COMMANDS:
    blockpool.add_command(command)


def main() -> None:
    """Entry point of the installed command."""
    blockpool(prog_name="blockpool")


if __name__ == "__main__":
    main()
