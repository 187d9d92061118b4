"""Links between nodes: mutually authenticated TLS 1.3, framed, bounded, with consensus ahead of bulk."""

from node.links.hello import Hello
from node.links.manager import Links
from node.links.types import FIRST_MESSAGE_KIND, LinkLimits, LinkStatus, Peer
from node.tls import LinkIdentity

__all__ = ["FIRST_MESSAGE_KIND", "Hello", "LinkIdentity", "LinkLimits", "LinkStatus", "Links", "Peer"]
