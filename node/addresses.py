"""Where connections come from, as far as it matters for keeping one stranger from taking the room of all."""

import ipaddress
from functools import lru_cache

_IPV6_SITE_BITS = 56
"""One customer has as many addresses as it likes within what it is assigned (RFC 6177), so that is what counts."""


@lru_cache(maxsize=4096)
def origin(host: str) -> str:
    """What connections from ``host`` are counted under: an IPv4 address, or the /56 network of an IPv6 address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), _IPV6_SITE_BITS), strict=False))
