"""What an auditor checks alone: evidence files, made from a ledger and verified from the genesis file.

``kinds`` reads and verifies files of every kind; one module a kind makes and verifies its own.
"""
