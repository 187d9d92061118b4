"""What was tried, for people: printed with ``pytest -s``, and appended to the file ``STORAGE_FAULTS_REPORT``."""

import os
from pathlib import Path


def record(title: str, text: str) -> None:
    """Say what was tried, and what came of it."""
    print(f"\n{title}: {text}")
    if target := os.environ.get("STORAGE_FAULTS_REPORT"):
        with Path(target).open("a", encoding="utf-8") as file:
            file.write(f"{title}: {text}\n")
