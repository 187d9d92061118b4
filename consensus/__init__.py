"""How blocks are agreed on: a synchronous, deterministic PBFT core that touches no socket, clock, disk or randomness.

Start at ``consensus.replica``; ``docs/consensus.md`` explains the protocol and why it is safe.
"""
