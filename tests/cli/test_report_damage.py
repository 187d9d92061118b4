"""A byte flipped anywhere in a home: the report is right, or red with the place; never a traceback."""

import shutil
from pathlib import Path

import pytest

from chain.storage.head import Head, HeadFile
from cli.failures import ExitCode
from contracts.engine import Engine
from tests.cli.audited_home import AuditedHome
from tests.cli.commands import Done, run
from tests.cli.report_page import ReportPage

PLACES = 9
"""In each file, from its first byte to its last."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> AuditedHome:
    home = AuditedHome(tmp_path_factory.mktemp("damaged") / "home", Engine.open())
    with home.database():
        pass  # opened again, what the log held stands in a table
    head = HeadFile(home.home / "data" / "HEAD")
    head.write(Head(home.height, bytes.fromhex(report(home.home, home.genesis_file).json["block_hash"])))
    head.close()
    return home


def report(home: Path, genesis: Path) -> Done:
    return run("audit", "report", home, "--genesis", genesis, "--jobs", 1, "--json", "-o", home / "report.html")


def places(path: Path) -> list[int]:
    last = path.stat().st_size - 1
    return sorted({last * number // (PLACES - 1) for number in range(PLACES)}) if last >= 0 else []


def test_a_flipped_byte_is_told_wherever_it_is(whole: AuditedHome, tmp_path: Path) -> None:
    assert report(whole.home, whole.genesis_file).json["conclusion"] == "holds"
    right = ReportPage((whole.home / "report.html").read_bytes()).figures
    files = [path.relative_to(whole.home) for path in whole.home.rglob("*") if path.is_file()]
    assert {"CURRENT", "HEAD"} <= {file.name for file in files}
    assert {".ldb", ".log"} <= {file.suffix for file in files}
    assert any(file.name.startswith("MANIFEST") for file in files)
    red = set()
    for file in files:
        if file.name in ("report.html", "genesis.json", "config.toml"):
            continue  # the auditor's own, or no part of the chain
        for place in places(whole.home / file):
            shutil.copytree(whole.home, tmp_path / "copy")
            content = bytearray((tmp_path / "copy" / file).read_bytes())
            content[place] ^= 0xFF
            (tmp_path / "copy" / file).write_bytes(content)
            done = report(tmp_path / "copy", whole.genesis_file)
            page = ReportPage((tmp_path / "copy" / "report.html").read_bytes())
            where = f"byte {place} of {file}"
            if done.code == 0:
                assert (done.json["conclusion"], page.figures) == ("holds", right), where
            else:
                assert (done.code, done.json["conclusion"]) == (ExitCode.FALSE, "fails"), where
                assert "fails" in page.classes, where
                assert "blockpool-audit-" not in page.text, "it names the folder that was asked for"
                red.add(file.suffix or file.name.partition("-")[0])
            shutil.rmtree(tmp_path / "copy")
    assert red >= {".ldb", "CURRENT", "MANIFEST"}


@pytest.mark.parametrize("name", ["config.toml", "genesis.json"])
def test_files_beside_the_chain_are_named_and_no_report_is_made(whole: AuditedHome, tmp_path: Path, name: str) -> None:
    for place in places(whole.home / name):
        copy = shutil.copytree(whole.home, tmp_path / "copy")
        (copy / "report.html").unlink(missing_ok=True)
        content = bytearray((copy / name).read_bytes())
        content[place] ^= 0xFF
        (copy / name).write_bytes(content)
        done = report(copy, copy / "genesis.json")
        assert done.code in (ExitCode.FALSE, ExitCode.CANNOT)
        assert done.json["error"]["code"] in ("bad_configuration", "bad_genesis")
        assert not (copy / "report.html").exists()
        shutil.rmtree(copy)
