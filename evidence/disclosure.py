"""Evidence of what single fields of one sealed record say, or the whole of it, to a third party.

It is a record's evidence with a disclosure (``contracts.sealing.disclosure``) in place of the ciphertext: everything
that makes the parcel's header true, and what opens some commitments under it. Whoever holds the genesis file checks it
offline, and learns nothing about what is withheld but how many fields there are.
"""

from __future__ import annotations

from contracts.sealing.disclosure_json import FieldDisclosureObject, RecordDisclosureObject
from evidence.record import ParcelEvidence


class DisclosureEvidence(ParcelEvidence, frozen=True, tag_field="kind", tag="disclosure"):
    """A disclosure's evidence."""

    disclosure: FieldDisclosureObject | RecordDisclosureObject
