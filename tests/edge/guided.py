"""One target under atheris, as ``tests.edge.fuzz`` calls it: ``python -m tests.edge.guided TARGET CORPUS OPTIONS``."""

import sys
from random import Random

import atheris

with atheris.instrument_imports(include=["chain", "consensus", "contracts", "node"]):
    from tests.edge.damage import SPOIL
    from tests.edge.targets import targets
    from tests.edge.verdicts import attempt


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    name, *options = sys.argv[1:]
    target = targets()[name]

    def mutate(data: bytes, size_bytes_max: int, seed: int) -> bytes:
        """Mostly as libFuzzer does, and now and then a valid encoding that is broken at a joint of its format."""
        random = Random(seed)
        if random.randrange(4):
            mutated: bytes = atheris.Mutate(data, size_bytes_max)
            return mutated
        return SPOIL[target.form](random.choice(target.samples), random)[:size_bytes_max]

    atheris.Setup([sys.argv[0], *options], lambda data: attempt(target, bytes(data)), custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
