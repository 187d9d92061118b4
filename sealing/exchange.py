"""How key shares are asked for, over HTTP and between nodes: the question and its answer.

A release is sealed to the reader's committed key: it matters neither who asks nor through whose hands an answer goes,
only the reader can open it.
"""

from typing import Annotated

from msgspec import Meta

from chain.limits import LIMITS
from chain.primitives.encoding import Wire
from chain.primitives.kem import KemSuite
from chain.primitives.types import Hash32
from chain.transactions.sealed import SHARE_SIZE
from sealing.cells import PROOF_HASHES_MAX

_HASH_SIZE = 34
"""Bytes of an encoded hash."""
_RELEASE_OVERHEAD_SIZE = 256
"""Room for all that a ``ShareRelease`` holds besides the sealed share: names, ids and MessagePack's own bytes."""


class ShareQuery(Wire, frozen=True):
    """Asks for the key shares of some parcels under one request."""

    request: Hash32
    """Transaction id of the request that was granted."""
    parcels: Annotated[tuple[Hash32, ...], Meta(min_length=1, max_length=LIMITS.share_parcels)]
    """Transaction ids of the parcels, each once."""


EncodedRelease = Annotated[
    bytes,
    Meta(
        max_length=SHARE_SIZE * LIMITS.share_cells
        + PROOF_HASHES_MAX * _HASH_SIZE
        + KemSuite.HYBRID.overhead_size
        + _RELEASE_OVERHEAD_SIZE
    ),
]
"""An encoded ``sealing.ShareRelease``."""

Releases = Annotated[tuple[EncodedRelease, ...], Meta(max_length=LIMITS.validators)]
"""What came for one parcel: at most one release of each validator."""

ShareAnswer = Annotated[tuple[Releases, ...], Meta(max_length=LIMITS.share_parcels)]
"""One element for each parcel of the query, in its order."""
