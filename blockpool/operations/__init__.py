"""Everything a client can ask of the pool, as operations without I/O (see ``blockpool.exchange``).

Each is a function over a ``Session``. No node is trusted with an answer that can be checked: receipts, parcels, state
entries, key shares and evidence are verified against the pinned genesis file before they are handed on, and a node
that gives a false one is passed over.
"""
