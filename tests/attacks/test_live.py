"""The short form of ``make attack``: readers, followers and a member that floods, on four real daemons.

Others run on the same machine as the tests, so the bound is looser than the one that ``make attack`` measures by.
"""

import pytest

from tests.attacks.live.__main__ import main


@pytest.mark.integration
@pytest.mark.timeout(180)
def test_s61_s81_s82_attackers_leave_the_others_their_share() -> None:
    assert main(["readers", "followers", "garbage", "--seconds", "2", "--share", "0.3"]) == 0
