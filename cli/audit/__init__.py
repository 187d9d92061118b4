"""``blockpool audit``: verify whole chains, from a node's files or over HTTP, trusting nobody."""

import click

from cli.audit.chain import chain
from cli.audit.compare import compare
from cli.audit.reads import reads
from cli.audit.replay import replay
from cli.audit.report import report


@click.group()
def audit() -> None:
    """Verify whole chains: every hash and signature, who read what, and every verdict."""


for command in (chain, compare, reads, replay, report):
    audit.add_command(command)
