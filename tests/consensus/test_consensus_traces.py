"""Recorded conversations: every effect of every replica, in order, as text that a reviewer can read as a diff.

A trace is a list of commands, each followed by ``----`` and the effects it caused. ``REWRITE=1 pytest`` records anew.

| command | does |
|---|---|
| `new SIZE` | replicas a, b, c ... of an empty chain |
| `work LABEL [NODES]` | a transaction arrives at these nodes (all) and waits there |
| `run` | deliver messages in order until none is left |
| `lose RULE...` | from now on lose messages; a rule is `FROM>TO` or `FROM>TO:kind`, each side letters or `*` |
| `tick COUNT [NODES]` | ticks pass at these replicas (all), messages are delivered |
| `crash NODE`, `restart NODE` | from what it persisted |
| `equivocate NODE TO` | the primary sends these nodes another block than the one it sent the others |
| `heights` | what everyone has stored |
"""

import os
from pathlib import Path

import pytest

from consensus.messages import Message, PrePrepare
from tests.consensus.harness import Table
from tests.consensus.support import hash_of, make_proposal, prepare, transaction_id

TRACES = sorted((Path(__file__).parent / "traces").glob("*.txt"))
SEPARATOR = "----"


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_trace(path: Path) -> None:
    recorded = path.read_text()
    replayed = replay(recorded)
    if os.environ.get("REWRITE"):
        path.write_text(replayed)
    assert replayed == recorded


def test_there_are_traces() -> None:
    assert len(TRACES) >= 7


def replay(text: str) -> str:
    """The trace with what its commands really cause."""
    script = Script()
    out = []
    for paragraph in text.strip().split("\n\n"):
        head = paragraph.split(SEPARATOR)[0].rstrip("\n").split("\n")
        commands = [line for line in head if not line.startswith("#")]
        if not commands:
            out.append("\n".join(head))
            continue
        lines = [line for command in commands for line in script.execute(command)]
        out.append("\n".join([*head, SEPARATOR, *lines]))
    return "\n\n".join(out) + "\n"


class Script:
    """Executes the commands of one trace."""

    def __init__(self) -> None:
        self.table = Table(1)

    def execute(self, command: str) -> list[str]:
        """Do one command; returns the lines it caused."""
        name, *words = command.split()
        if name == "new":
            self.table = Table(int(words[0]))
            return []
        getattr(self, f"do_{name}")(*words)
        lines, self.table.log = self.table.log, []
        return lines

    def do_work(self, label: str, nodes: str = "") -> None:
        self.table.work(label, nodes or None)

    def do_run(self) -> None:
        self.table.run()

    def do_tick(self, count: str, nodes: str = "") -> None:
        self.table.tick(int(count), nodes or None)

    def do_lose(self, *rules: str) -> None:
        self.table.is_lost = lambda sender, to, message: any(_matches(rule, sender, to, message) for rule in rules)

    def do_crash(self, node: str) -> None:
        del self.table.replicas[node]

    def do_restart(self, node: str) -> None:
        self.table.start(node)

    def do_equivocate(self, node: str, to: str) -> None:
        table = self.table
        replica = table.replicas[node]
        other = make_proposal(replica.height, replica.tip.block_hash, node, (transaction_id("other"),), 1)
        message = PrePrepare(prepare(node, replica.height, replica.view, hash_of(other)), other)
        table.note(other)
        for peer in to:
            table.step(peer, node, message)

    def do_heights(self) -> None:
        self.table.log.append(" ".join(f"{name}={height}" for name, height in self.table.heights().items()))


def _matches(rule: str, sender: str, to: str, message: Message) -> bool:
    link, _, kind = rule.partition(":")
    senders, receivers = link.split(">")
    name = type(message).__name__.lower()
    return (senders == "*" or sender in senders) and (receivers == "*" or to in receivers) and kind in ("", name)
