"""The audit of whole chains, as a library: no terminal, no printing, no HTTP. Commands and pages are its faces.

- ``chain``: ``ChainAudit`` verifies block after block; ``AuditReport`` counts what it verified.
- ``walk``: ``walk`` takes an auditor through a chain and tells a callback how far it is.
- ``parallel``: ``open_audit`` does both with many processes, little memory, and a folder from which it goes on.
- ``sources``: ``ChainSource``, the port behind which the blocks lie, and a stopped node's database behind one.
- ``replay``: ``Replay`` executes every verdict again, and tries a proposed contract on the requests.
- ``reads``: ``collect_reads`` lists who read what and why, and proves that none is left out.
- ``findings``: ``investigate`` gives all that a report or a page tells: ``Findings``, with ``series`` over time and
  ``misbehaviour`` that is proven.
- ``comparison``: ``compare`` finds what two nodes hold differently.
"""
