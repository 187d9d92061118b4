"""What is true: encoding, keys, Merkle trees, transactions, blocks, certificates, state, storage and verification.

Nothing in this package knows about networks, clocks or consensus messages. A node and an offline auditor run the
same code.
"""
