"""All mutants, in the order of their scenarios."""

from tests.mutants import (
    attacks,
    bounds,
    certificates,
    checkpoints,
    cold,
    epochs,
    erasing,
    evidence,
    governing,
    joining,
    payloads,
    reading,
    records,
    sharing,
    trust,
    views,
    voting,
)

MUTANTS = tuple(
    sorted(
        (
            *voting.MUTANTS,
            *views.MUTANTS,
            *certificates.MUTANTS,
            *checkpoints.MUTANTS,
            *sharing.MUTANTS,
            *erasing.MUTANTS,
            *evidence.MUTANTS,
            *governing.MUTANTS,
            *records.MUTANTS,
            *trust.MUTANTS,
            *attacks.MUTANTS,
            *bounds.MUTANTS,
            *reading.MUTANTS,
            *payloads.MUTANTS,
            *cold.MUTANTS,
            *joining.MUTANTS,
            *epochs.MUTANTS,
        ),
        key=lambda mutant: mutant.scenario,
    )
)
