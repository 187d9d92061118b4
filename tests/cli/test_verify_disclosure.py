"""``blockpool verify`` on a disclosure, and the same for programs: what it proves is shown, without its tricks."""

import json
from pathlib import Path

import pytest

from blockpool import ErrorCode, PoolError, load_genesis, verify_disclosure
from evidence.disclosure import make_disclosure_evidence
from evidence.record import make_record_evidence
from sealing import CommitmentKind, SealingContext, seal_parcel
from tests.chain.access_world import AccessWorld
from tests.cli.commands import Done, run

TRICK = "\x1b[2J[bold]delay\n‮x"
RECORD = json.dumps({"dest": "迈阿密", TRICK: "[red]none\u2028"}, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genesis file, and a disclosure of two fields of a record by its owner."""
    world = AccessWorld()
    network = world.network
    kem_keys = {name: key.public_key.encoded for name, key in network.kem.items()}
    context = SealingContext(network.chain_id, "a.flights")
    sealed = seal_parcel([RECORD], context, kem_keys, CommitmentKind.FIELDS)
    transaction = network.sealed(sealed)
    (parcel,) = world.accept(transaction)
    record = make_record_evidence(world.ledger, parcel, 0)
    content = make_disclosure_evidence(network.trust, record, sealed.bodies, sealed.seed, ["dest", TRICK])
    folder = tmp_path_factory.mktemp("disclosure")
    (folder / "record.json").write_bytes(record)
    (folder / "genesis.json").write_bytes(network.genesis.content)
    (folder / "d.json").write_bytes(content)
    return folder


def verify(folder: Path, *arguments: str, file: str = "d.json") -> Done:
    return run("verify", folder / file, "--genesis", folder / "genesis.json", *arguments)


def test_what_is_disclosed_is_given_to_programs_as_it_is(folder: Path) -> None:
    done = verify(folder, "--json")
    assert (done.code, done.json["verified"]) == (0, True)
    assert done.json["disclosed"] == {"dest": '"迈阿密"', TRICK: '"[red]none\u2028"'}
    assert [step["title"] for step in done.json["steps"]][4] == "disclosure"


def test_what_is_disclosed_is_shown_without_its_tricks(folder: Path) -> None:
    done = verify(folder)
    assert done.code == 0
    assert '"迈阿密"' in done.out
    assert r"\x1b[2J[bold]delay\n\u202ex" in done.out
    assert r'"[red]none\u2028"' in done.out
    assert "\x1b" not in done.out


def test_a_changed_value_is_refused_and_not_shown(folder: Path) -> None:
    content = (folder / "d.json").read_text(encoding="utf-8").replace("迈阿密", "成都")
    (folder / "changed.json").write_text(content, encoding="utf-8")
    done = verify(folder, "--json", file="changed.json")
    assert (done.code, done.json["error"]["step"], done.json["error"]["code"]) == (1, 5, "bad_disclosure")
    assert done.json["error"]["step_title"] == "disclosure"
    assert "disclosed" not in done.json
    assert "成都" not in verify(folder, file="changed.json").out


def test_a_program_gets_what_is_proven(folder: Path) -> None:
    genesis = load_genesis(folder / "genesis.json")
    content = (folder / "d.json").read_bytes()
    assert verify_disclosure(content, genesis) == {"dest": '"迈阿密"', TRICK: '"[red]none\u2028"'}
    changed = content.replace("迈阿密".encode(), "成都".encode())
    for refused in (changed, (folder / "record.json").read_bytes()):
        with pytest.raises(PoolError) as caught:
            verify_disclosure(refused, genesis)
        assert caught.value.code in (ErrorCode.BAD_DISCLOSURE, ErrorCode.BAD_EVIDENCE)
