"""Asserting that something is refused: with which code, words and facts, and who is to blame."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chain.errors import ErrorCode, PoolError


@contextmanager
def refuses(
    code: ErrorCode, words: str = "", *, culprit: str | None = None, **facts: str | int
) -> Iterator[pytest.ExceptionInfo[PoolError]]:
    """Asserts that the body is refused with ``code``, ``words`` in the detail and ``facts`` in the context."""
    with pytest.raises(PoolError) as caught:
        yield caught
    error = caught.value
    assert error.code is code, error
    assert words in error.detail
    assert error.context.get("culprit") == culprit, error
    assert {name: error.context.get(name) for name in facts} == facts
