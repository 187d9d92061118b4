"""Makes tests/vectors/sealing.json: ``python -m tests.sealing.make_vectors``.

Seeds of keys are SHA-256 of their names; the parcels' random bytes are SHA-256 of a counter. Two things stay random:
HPKE's encapsulations and Shamir's polynomials. So a new file differs from the old one where they come in (shares, their
hashes, envelopes, releases), and it is made once for each version of the construction.
"""

import hashlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chain.primitives.encoding import encode
from sealing import CommitmentKind, KemSuite, disclose, disclosure_to_json, release_share, seal_parcel
from tests.sealing.world import CHAIN_ID, FLIGHTS, RECORDS, RELEASE, Sealed, key_pair, public_keys, validators

PATH = Path(__file__).parents[1] / "vectors" / "sealing.json"
VALIDATORS = 4


def fixed_random_bytes() -> Callable[[int], bytes]:
    """The random source of one vector: SHA-256 of 0, 1, 2 ... (4 bytes, big endian), cut to size."""
    counter = itertools.count()
    return lambda size: hashlib.sha256(next(counter).to_bytes(4, "big")).digest()[:size]


def key_seed(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def make_case(suite: KemSuite, kind: CommitmentKind) -> dict[str, Any]:
    """One parcel with everything that follows from it."""
    keys = public_keys(VALIDATORS, suite)
    world = Sealed(seal_parcel(RECORDS, FLIGHTS, keys, kind, suite, fixed_random_bytes()))
    reader = key_pair("reader", suite)
    names = validators(VALIDATORS)
    shares = {name: world.own_share(name) for name in names}
    releases = {name: release_share(shares[name], name, RELEASE, reader.public_key) for name in names}
    shown = ("dest", "delay") if kind is CommitmentKind.FIELDS else ()
    parcel = world.parcel
    disclosure = disclose(parcel.bodies, parcel.seed, world.context, kind, RELEASE.parcel_id, 2, shown)
    return {
        "suite": int(suite),
        "commitments": int(kind),
        "seed": parcel.seed.hex(),
        "payload": parcel.content.payload.hex(),
        "records_root": parcel.records_root.hex(),
        "envelope": parcel.envelope.hex(),
        "shares": {name: share.hex() for name, share in shares.items()},
        "releases": {name: encode(release).hex() for name, release in releases.items()},
        "disclosure": encode(disclosure).hex(),
        "disclosure_file": disclosure_to_json(disclosure).decode(),
    }


def make() -> dict[str, Any]:
    return {
        "chain_id": CHAIN_ID.hex(),
        "dataset": FLIGHTS.dataset,
        "request_id": RELEASE.request_id.hex(),
        "parcel_id": RELEASE.parcel_id.hex(),
        "records": [record.decode() for record in RECORDS],
        "key_seeds": {name: key_seed(name) for name in (*validators(VALIDATORS), "reader")},
        "cases": [make_case(suite, kind) for suite in KemSuite for kind in CommitmentKind],
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(make(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
