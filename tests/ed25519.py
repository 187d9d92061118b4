"""Ed25519 in plain arithmetic (RFC 8032, section 5.1): the oracle of the signature rule, and the maker of the vectors
that tell libraries apart. Points are affine; it is slow and meant to be read beside the text.
"""

import hashlib

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, PRIME) % PRIME

Point = tuple[int, int]
"""An affine point (x, y) of the curve."""

NEUTRAL: Point = (0, 1)


def add(first: Point, second: Point) -> Point:
    """The sum of two points."""
    (x1, y1), (x2, y2) = first, second
    product = _D * x1 * x2 * y1 * y2 % PRIME
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, PRIME)
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, PRIME)
    return x % PRIME, y % PRIME


def negate(point: Point) -> Point:
    """The point that gives the neutral element with ``point``."""
    return -point[0] % PRIME, point[1]


def multiply(scalar: int, point: Point) -> Point:
    """``scalar`` times ``point``; the scalar is not reduced."""
    result = NEUTRAL
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def encode_point(point: Point) -> bytes:
    """The one encoding of a point: 32 bytes."""
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def decode_point(data: bytes) -> Point | None:
    """The point that 32 bytes encode, or None: off the curve, or not its one encoding."""
    value = int.from_bytes(data, "little")
    sign, y = value >> 255, value & (2**255 - 1)
    if y >= PRIME:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    if (x * x - square) % PRIME or (x == 0 and sign):
        return None
    return (x if x & 1 == sign else PRIME - x), y


def _base_point() -> Point:
    point = decode_point((4 * pow(5, -1, PRIME) % PRIME).to_bytes(32, "little"))
    assert point is not None
    return point


BASE = _base_point()


def _torsion() -> Point:
    """A point of order 8: what is left of some point of the curve when the prime order is taken out."""
    for y in range(2, 100):
        point = decode_point(y.to_bytes(32, "little"))
        if point is not None and multiply(4, found := multiply(ORDER, point)) != NEUTRAL:
            return found
    raise AssertionError("one point in two has a part of order 8")


TORSION = _torsion()
"""A point of order 8."""


def challenge(encoded_r: bytes, key: bytes, message: bytes) -> int:
    """``h`` of the rule: SHA-512 of R, key and message, as a number below the order."""
    return int.from_bytes(hashlib.sha512(encoded_r + key + message).digest(), "little") % ORDER


def is_key(key: bytes) -> bool:
    """Whether ``key`` is canonical and of the prime-order group, without its neutral element."""
    point = decode_point(key) if len(key) == 32 else None
    return point is not None and point != NEUTRAL and multiply(ORDER, point) == NEUTRAL


def is_valid(key: bytes, message: bytes, signature: bytes) -> bool:
    """The protocol's rule (docs/protocol.md, section 3)."""
    scalar = int.from_bytes(signature[32:], "little")
    point = decode_point(key)
    if not is_key(key) or point is None or scalar >= ORDER or signature[:32] == encode_point(NEUTRAL):
        return False
    h = challenge(signature[:32], key, message)
    return encode_point(add(multiply(scalar, BASE), negate(multiply(h, point)))) == signature[:32]


def is_valid_cofactored(key: bytes, message: bytes, signature: bytes) -> bool:
    """What a library decides that multiplies the equation by the cofactor."""
    scalar, point, commitment = (
        int.from_bytes(signature[32:], "little"),
        decode_point(key),
        decode_point(signature[:32]),
    )
    if point is None or commitment is None or scalar >= ORDER:
        return False
    h = challenge(signature[:32], key, message)
    rest = add(add(multiply(scalar, BASE), negate(multiply(h, point))), negate(commitment))
    return multiply(8, rest) == NEUTRAL


MESSAGE = b"blockpool"
"""What the signatures of the cases are over."""


SECRET, NONCE = ORDER // 3, ORDER // 5
"""The scalars behind the good key and behind the R of most signatures."""


def key_of(secret: int, torsion: int = 0) -> bytes:
    """The key of a secret scalar, moved by so many times the point of order 8."""
    return encode_point(add(multiply(secret, BASE), multiply(torsion, TORSION)))


def craft(secret: int, key: bytes, nonce: int, encoded_r: bytes) -> bytes:
    """A signature of ``MESSAGE`` with R as it is given: valid by the rule if R is ``nonce`` times the base point."""
    h = challenge(encoded_r, key, MESSAGE)
    return encoded_r + ((nonce + h * secret) % ORDER).to_bytes(32, "little")


def signature_cases() -> list[tuple[str, bytes]]:
    """Signatures of ``MESSAGE`` under the key of ``SECRET`` that tell libraries apart, the good one first: name,
    signature.
    """
    key, plain = key_of(SECRET), encode_point(multiply(NONCE, BASE))
    good = craft(SECRET, key, NONCE, plain)
    scalar = int.from_bytes(good[32:], "little")
    cases = [
        ("good", good),
        ("S + order", plain + (scalar + ORDER).to_bytes(32, "little")),
        ("S with bits", plain + (scalar | 7 << 253).to_bytes(32, "little")),
        ("S zero", plain + bytes(32)),
    ]
    for name, encoded_r in (
        ("R neutral", encode_point(NEUTRAL)),
        ("R y + prime", (PRIME + 1).to_bytes(32, "little")),
        ("R signed 1", (1 | 1 << 255).to_bytes(32, "little")),
        ("R signed -1", (PRIME - 1 | 1 << 255).to_bytes(32, "little")),
    ):
        cases.append((name, craft(SECRET, key, 0, encoded_r)))
    for torsion, order in ((1, 8), (2, 4), (4, 2)):
        part = multiply(torsion, TORSION)
        cases.append((f"R mixed {order}", craft(SECRET, key, NONCE, encode_point(add(multiply(NONCE, BASE), part)))))
        cases.append((f"R order {order}", craft(SECRET, key, 0, encode_point(part))))
    return cases


def key_cases() -> list[tuple[str, bytes, bytes]]:
    """Keys that tell libraries apart, the good one first, each with the signature of ``MESSAGE`` that a library which
    takes the key may take: name, key, signature.
    """
    keys = [("good", key_of(SECRET), SECRET)]
    for torsion, order in ((1, 8), (2, 4), (4, 2)):
        keys.append((f"mixed {order}", key_of(SECRET, torsion), SECRET))
        keys.append((f"order {order}", encode_point(multiply(torsion, TORSION)), 0))
    keys += [
        ("neutral", encode_point(NEUTRAL), 0),
        ("y = 1 + prime", (PRIME + 1).to_bytes(32, "little"), 0),
        ("signed 1", (1 | 1 << 255).to_bytes(32, "little"), 0),
        ("y = 3 + prime", (PRIME + 3).to_bytes(32, "little"), 0),
        ("off the curve", (2).to_bytes(32, "little"), 0),
    ]
    plain = encode_point(multiply(NONCE, BASE))
    return [(name, key, craft(secret, key, NONCE, plain)) for name, key, secret in keys]
