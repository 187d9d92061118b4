"""All mutants, in the order of their scenarios."""

from __future__ import annotations

from tests.mutants import certificates, erasing, evidence, sharing, views, voting

MUTANTS = tuple(
    sorted(
        (*voting.MUTANTS, *views.MUTANTS, *certificates.MUTANTS, *sharing.MUTANTS, *erasing.MUTANTS, *evidence.MUTANTS),
        key=lambda mutant: mutant.scenario,
    )
)
