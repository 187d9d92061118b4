"""The gateway: a department's simple systems hand in plain records, and its node seals, signs and submits them.

It signs whatever it is handed, so it is no part of the public API: a listener of its own on the loopback interface, a
token that only those know who may read a file of the node's, and nothing that a browser could be talked into sending.
"""

from node.gateway.server import open_gateway, open_webhook

__all__ = ["open_gateway", "open_webhook"]
