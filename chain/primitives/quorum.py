"""Quorum arithmetic, in one place only (Castro and Liskov, "Practical Byzantine Fault Tolerance", section 2).

With ``n`` validators at most ``f = (n-1)//3`` may be faulty. Two quorums of ``(n+f)//2 + 1`` share at least ``f+1``
validators, so at least one honest one, for every ``n`` and not only for ``n = 3f+1``; and the ``n-f`` honest ones
always suffice for a quorum.
"""


def max_faulty(n: int) -> int:
    """How many of ``n`` validators may be faulty."""
    return (n - 1) // 3


def quorum(n: int) -> int:
    """How many of ``n`` validators must agree."""
    return (n + max_faulty(n)) // 2 + 1


def honest_support(n: int) -> int:
    """How many of ``n`` validators are sure to include an honest one."""
    return max_faulty(n) + 1
