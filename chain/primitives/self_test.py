"""A test of the libraries that decide validity, made before this process relies on them.

Libraries differ on signatures that no honest signer makes: a cofactored one takes what a cofactorless one refuses, and
some take keys with a part of small order. A node with another library could be split from the rest by one crafted
signature. So what is installed must decide these vectors as the rule says (docs/protocol.md, section 3).
tests/chain/test_self_test.py makes them anew, by plain arithmetic.
"""

from base64 import b64decode
from functools import cache

from chain.errors import ErrorCode, PoolError
from chain.primitives.crypto import verify_public_key, verify_signature
from chain.primitives.json_self_test import verify_json_reader

_MESSAGE = b"blockpool"
_GOOD = "good"

SIGNATURES = {
    "good": "pWz3dZSr6l2ckt0Cf1Jk0F4mwuGehpRogmtLkYidyha+ubG4t+7kOBSW5r30EEzONKwsPIgcfnsZAnIQHQyPAA==",
    "S + order": "pWz3dZSr6l2ckt0Cf1Jk0F4mwuGehpRogmtLkYidyharjacV0lH3kOoy3mDTCivjNKwsPIgcfnsZAnIQHQyPEA==",
    "S with bits": "pWz3dZSr6l2ckt0Cf1Jk0F4mwuGehpRogmtLkYidyha+ubG4t+7kOBSW5r30EEzONKwsPIgcfnsZAnIQHQyP4A==",
    "S zero": "pWz3dZSr6l2ckt0Cf1Jk0F4mwuGehpRogmtLkYidyhYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
    "R neutral": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABApabUVNN9v34LEVHkrEg4nWgguaJd/u7kX2jf5b1rCQ==",
    "R y + prime": "7v///////////////////////////////////////3/DHbF9KSNHOyes3ezg2InKujnwIlxCPD6fNSXRjYBPBw==",
    "R signed 1": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIC7Rbgtz26IFiRpibzJYeyJxi3qnDDuMKrfz4zPXr0IDQ==",
    "R signed -1": "7P////////////////////////////////////////+nnOLK2793rzxn2n4UAOx0rQSY+GC4CTcK4FIeXQEFCQ==",
    "R mixed 8": "0sgguKLMYwajnnb7UGxz5SP6UhUNwyK2gdVVOVkXOig0EBKT1+LvYaiQt01jPQd5JQOgpPj1PlYxW28q3e4PAA==",
    "R order 8": "xxdqcD1N2E+6PAt2DRBnDyogU/osOczGTsf9d5KsA3o+O10Wry4UjFBtgqOwH8Nl6ZP0uOX0nbSirEBARpFVCA==",
    "R mixed 4": "f0hILTojy8MAwWCYFt0cyk42tCaTnkDiXYsYzN+QF6twPa7sW2v/SF80J6KBzJ0b/xU7oPos+EOz9TIy0dQdCg==",
    "R order 4": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIC4UK3AyslWykdgYcNGaftW32J6KMcrYXA//t6M4t+JCg==",
    "R mixed 2": "SJMIimtUFaJjbSL9gK2bL6HZPR5heWuXfZS0bndiNeljCtMuvap7Ld0lBUsivoKkM3A83MbOV4TJQgaBQo7uAg==",
    "R order 2": "7P///////////////////////////////////////3/Ftz351Zm69n9JZxN+8+NY5oP+sPUp+22pThac/e1ECg==",
}
"""Signatures under the good key, in base64."""

KEYS = {
    "good": ("pXdmRJqTRGGGYFEmPIeFZjhXZA5aMtcC8h4IW8MaAgM=", "vrmxuLfu5DgUlua99BBMzjSsLDyIHH57GQJyEB0MjwA="),
    "mixed 8": ("PkN/J797zV1geIYdwxz8m+6SNOJeLkGisTP7lS5++e0=", "hYDGA6+SsxJuD/VjAz8EgKKpFPFCp4SxHkGCJDC0FgQ="),
    "order 8": ("xxdqcD1N2E+6PAt2DRBnDyogU/osOczGTsf9d5KsA3o=", "lV1k357gNqv3uGTtkstfNzMzMzMzMzMzMzMzMzMzMwM="),
    "mixed 4": ("D3WPEoUV5LAhd+6fALCoKut6djzRrwY6xltQpkJR6jQ=", "KlYHecOdYc8IQ9+aWiX9wM3qBmylFtgeDZNmJCy6ew8="),
    "order 4": ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA=", "lV1k357gNqv3uGTtkstfNzMzMzMzMzMzMzMzMzMzMwM="),
    "mixed 2": ("SIiZu2Vsu555n67Zw3h6mceom/GlzSj9DeH3pDzl/fw=", "iY1GaM2Z7qjzUQPN9maS+salwcfnJROD8TDuGgl85w4="),
    "order 2": ("7P///////////////////////////////////////38=", "lV1k357gNqv3uGTtkstfNzMzMzMzMzMzMzMzMzMzMwM="),
    "neutral": ("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "lV1k357gNqv3uGTtkstfNzMzMzMzMzMzMzMzMzMzMwM="),
    "y = 1 + prime": ("7v///////////////////////////////////////38=", "lV1k357gNqv3uGTtkstfNzMzMzMzMzMzMzMzMzMzMwM="),
    "signed 1": ("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA=", "lV1k357gNqv3uGTtkstfNzMzMzMzMzMzMzMzMzMzMwM="),
    "y = 3 + prime": ("8P///////////////////////////////////////38=", "lV1k357gNqv3uGTtkstfNzMzMzMzMzMzMzMzMzMzMwM="),
    "off the curve": ("AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "lV1k357gNqv3uGTtkstfNzMzMzMzMzMzMzMzMzMzMwM="),
}
"""Keys, each with the S of a signature that a library which takes the key may take; its R is that of the good one."""


@cache
def self_test() -> None:
    """Hold the libraries of this process to the vectors; once, in about a millisecond.

    Raises:
        PoolError: code ``library_differs``.
    """
    key, commitment = b64decode(KEYS[_GOOD][0]), b64decode(SIGNATURES[_GOOD])[:32]
    for name, signature in SIGNATURES.items():
        if verify_signature(key, _MESSAGE, b64decode(signature)) != (name == _GOOD):
            raise _difference(f"signature {name}")
    for name, (other, scalar) in KEYS.items():
        is_taken = verify_signature(b64decode(other), _MESSAGE, commitment + b64decode(scalar))
        if is_taken != (name == _GOOD) or _is_key(b64decode(other)) != (name == _GOOD):
            raise _difference(f"key {name}")
    verify_json_reader()


def _is_key(key: bytes) -> bool:
    try:
        verify_public_key(key)
    except PoolError:
        return False
    return True


def _difference(case: str) -> PoolError:
    return PoolError(ErrorCode.LIBRARY_DIFFERS, f"libsodium decides otherwise than the protocol: {case}")
