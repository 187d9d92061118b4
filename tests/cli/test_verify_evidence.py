"""``blockpool verify`` on evidence of every kind, from genesis and from the auditor's own checkpoint."""

import json
from pathlib import Path

import pytest

from chain.proofs.checkpoints import Checkpoint, encode_checkpoint, sign_head
from chain.proofs.trust import TrustHistory
from evidence.no_grant import make_no_grant_evidence
from evidence.no_read import make_no_read_evidence
from evidence.read import make_read_evidence
from evidence.record import make_record_evidence
from tests.cli.commands import Done, run
from tests.evidence.story import Story, changed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genesis file, a checkpoint of 12 blocks, one that too few have cosigned, and a file of every kind."""
    story = Story()
    ledger, tree = story.ledger, story.tree(12)
    folder = tmp_path_factory.mktemp("evidence")
    (folder / "genesis.json").write_bytes(story.network.genesis.content)
    (folder / "checkpoint.note").write_bytes(note(story, *"abc"))
    (folder / "few.note").write_bytes(note(story, *"ab"))
    files = {
        "record": make_record_evidence(ledger, story.parcel, 1, tree.size),
        "read": make_read_evidence(ledger, story.request, tree.size),
        "no-grant": make_no_grant_evidence(ledger, "a.flights", "b", 10, None, tree.size),
        "no-read": make_no_read_evidence(ledger, story.parcel, 6, None, tree.size),
    }
    story.world.accept(story.network.erase(story.parcel))
    files["erased"] = make_record_evidence(ledger, story.parcel, 1)
    for name, content in files.items():
        (folder / f"{name}.json").write_bytes(content)
    return folder


def note(story: Story, *cosigners: str) -> bytes:
    network, head = story.network, story.tree(12)
    keys = TrustHistory(network.genesis)
    signatures = [sign_head(network.consensus[name], network.chain_id, name, head, 1_700_000_000) for name in cosigners]
    return encode_checkpoint(Checkpoint(head, tuple(signatures)), keys)


def verify(folder: Path, file: str, *arguments: str) -> Done:
    return run("verify", folder / file, "--genesis", folder / "genesis.json", *arguments)


@pytest.mark.parametrize(
    ("name", "steps", "proves"),
    [
        ("record", 9, "says what is in the file, shared by a in a.flights at height 2"),
        ("read", 7, "b asked to read a.flights at height 3"),
        ("no-grant", 4, "b had no grant to read a.flights from height 10 to 11."),
        ("no-read", 5, "of a.flights was committed from height 6 to 11."),
    ],
)
def test_every_kind_is_verified_and_says_what_it_proves(folder: Path, name: str, steps: int, proves: str) -> None:
    shown = verify(folder, f"{name}.json")
    assert shown.code == 0
    assert f"Verified: all {steps} steps hold." in shown.out
    assert proves in " ".join(shown.out.split())
    done = verify(folder, f"{name}.json", "--json")
    assert (done.json["verified"], done.json["erased"]) == (True, False)
    assert proves in done.json["proves"]


def test_an_erased_record_is_shown_as_erased(folder: Path) -> None:
    shown = verify(folder, "erased.json")
    assert shown.code == 0
    assert "is ERASED as of height 12" in " ".join(shown.out.split())
    assert "says what is in the file" not in shown.out
    assert verify(folder, "erased.json", "--json").json["erased"] is True


@pytest.mark.parametrize("name", ["record", "read", "no-grant", "no-read"])
def test_the_auditors_checkpoint_stands_in_for_signatures(folder: Path, tmp_path: Path, name: str) -> None:
    content = json.loads((folder / f"{name}.json").read_bytes())
    place = next(part for part in ("uses", "state", "after") if part in content)
    unsigned = changed(json.dumps(content).encode(), (place, "block", "certificate", "votes"), [])
    (tmp_path / "unsigned.json").write_bytes(unsigned)
    arguments = ("verify", tmp_path / "unsigned.json", "--genesis", folder / "genesis.json", "--json")
    refused = run(*arguments)
    assert (refused.code, refused.json["error"]["code"]) == (1, "bad_certificate")
    assert run(*arguments, "--checkpoint", folder / "checkpoint.note").json["verified"] is True


def test_s83_a_file_that_no_evidence_can_be_is_not_read(folder: Path) -> None:
    large = folder / "large.json"
    with large.open("wb") as file:
        file.truncate(2**33)
    done = verify(folder, large.name)
    assert done.code == 1
    assert "too_large" in done.err


def test_a_checkpoint_without_a_quorum_is_no_help(folder: Path) -> None:
    done = verify(folder, "record.json", "--checkpoint", str(folder / "few.note"))
    assert done.code == 1
    assert "bad_checkpoint" in done.err
