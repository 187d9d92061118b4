"""What counts as one address."""

import pytest

from node.addresses import origin


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/56"),
        ("2001:db8:0:ff::1", "2001:db8::/56"),
        ("2001:db8:0:100::1", "2001:db8:0:100::/56"),
        ("fe80::1%eth0", "fe80::/56"),
    ],
)
def test_s59_what_counts_as_one_address(host: str, counted: str) -> None:
    assert origin(host) == counted
