"""The evidence vectors as files: ``tests/vectors/evidence/``, with an index that says what to expect of each."""

import json
from pathlib import Path

from evidence.kinds import verify_any_evidence
from tests.vectors.defects import DEFECTS
from tests.vectors.evidence_world import EvidenceWorld, evidence_world
from tests.vectors.forgery import Json

FOLDER = Path(__file__).parent / "evidence"


def evidence_contents() -> dict[str, bytes]:
    """Content of every file of the folder by its name: good and bad files, the index, and what verifying them takes."""
    world = evidence_world()
    files = {f"good/{name}.json": good.content for name, good in world.good_files.items()}
    files |= {f"bad/{name}.json": defect.content(world) for name, defect in DEFECTS.items()}
    files |= {"genesis.json": world.genesis.content, "checkpoint.note": world.checkpoint}
    return files | {"index.json": json.dumps(_index(world), indent=1, ensure_ascii=False).encode() + b"\n"}


def write_evidence() -> None:
    """Write the folder anew."""
    contents = evidence_contents()
    for path in FOLDER.rglob("*.json"):
        if str(path.relative_to(FOLDER)) not in contents:
            path.unlink()
    for name, content in contents.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _index(world: EvidenceWorld) -> Json:
    return {
        "genesis": "genesis.json",
        "checkpoint": "checkpoint.note",
        "good": [
            {
                "file": f"good/{name}.json",
                "kind": json.loads(good.content)["kind"],
                "proves": good.proves,
                "steps": [step.title for step in verify_any_evidence(good.content, world.trust, world.trusted_head)],
                "needs_checkpoint": good.needs_checkpoint,
            }
            for name, good in world.good_files.items()
        ],
        "bad": [
            {
                "file": f"bad/{defect.name}.json",
                "made_from": f"good/{defect.good}.json",
                "defect": defect.why,
                "code": defect.code,
                "step": defect.step,
                "needs_checkpoint": defect.needs_checkpoint,
            }
            for defect in DEFECTS.values()
        ],
    }
