"""What can be wrong with an evidence file: a row or a function a defect, each spoiling a good file in that one way.

Code and step of the refusal are written down here, not taken from a verifier.
"""

from tests.vectors.defects import absences, blocks, disclosures, misbehaviour, reads, records, shapes, uses  # noqa: F401
from tests.vectors.defects.registry import DEFECTS

__all__ = ["DEFECTS"]
