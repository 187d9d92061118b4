"""Keys that open what is read. Keys that sign are tested with founding."""

import base64
import stat
from pathlib import Path

from sealing import load_kem_key
from tests.cli.commands import run


def test_a_key_for_reading_is_made_and_shown(tmp_path: Path) -> None:
    file = tmp_path / "reader.pem"
    made = run("keys", "new", file, "--reader", "--json").json
    assert run("keys", "show", file, "--json").json == made
    assert made["algorithm"] == "hybrid"
    public = load_kem_key(file).public_key
    assert (base64.b64decode(made["public_key"]), made["key_id"]) == (public.encoded, public.id.hex())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    content = file.read_bytes()
    assert run("keys", "new", file, "--reader").code == 3
    assert file.read_bytes() == content


def test_an_encrypted_key_for_reading_needs_its_passphrase(tmp_path: Path) -> None:
    file, right = tmp_path / "reader.pem", {"BLOCKPOOL_PASSPHRASE": "correct horse"}
    made = run("keys", "new", file, "--reader", "--encrypt", "--json", environment=right)
    assert run("keys", "show", file, "--json", environment=right).json == made.json
    refused = run("keys", "show", file, environment={"BLOCKPOOL_PASSPHRASE": "wrong"})
    assert (refused.code, "wrong_passphrase" in refused.err) == (3, True)


def test_a_file_that_holds_no_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "k.pem"
    file.write_text("no key")
    file.chmod(0o600)
    done = run("keys", "show", file)
    assert (done.code, "bad_key" in done.err) == (3, True)
