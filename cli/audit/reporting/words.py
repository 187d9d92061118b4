"""What the chain's own terms are called in Chinese and English."""

from collections.abc import Mapping

from audit.misbehaviour import Contradiction
from audit.series import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, WEEK_MS
from chain import messages
from chain.access.decision import RequestStatus
from chain.blocks import OK
from chain.primitives.types import Answer, SharingClass
from chain.state.members import MemberKind
from cli.audit.reporting.html import Words

NONE = Words("无", "None")

MEMBER_KINDS: Mapping[MemberKind, Words] = {
    "government": Words("政府部门", "government"),
    "enterprise": Words("企业", "enterprise"),
    "social": Words("社会组织", "social organisation"),
    "public": Words("公共机构", "public institution"),
}

SHARING: Mapping[SharingClass, Words] = {
    "open": Words("无条件共享", "open"),
    "conditional": Words("有条件共享", "conditional"),
    "closed": Words("不予共享", "closed"),
}

STATUSES: Mapping[RequestStatus, Words] = {
    "asked": Words("待答复", "awaiting answers"),
    "granted": Words("已授权", "granted"),
    "denied": Words("已拒绝", "denied"),
    "revoked": Words("已撤销", "revoked"),
}

EXPIRED = Words("已到期", "expired")

VERDICTS: Mapping[str, Words] = {
    "allow": Words("允许", "allow"),
    "deny": Words("拒绝", "deny"),
    "ask": Words("须经同意", "ask"),
}

ANSWERS: Mapping[Answer, Words] = {
    "approve": Words("同意", "approve"),
    "refuse": Words("不同意", "refuse"),
    "revoke": Words("撤销", "revoke"),
}

CHARGES: Mapping[Contradiction, Words] = {
    "votes": Words("签署了两张互相矛盾的票", "has signed two votes that contradict each other"),
    "checkpoints": Words("签署了互相矛盾的检查点", "has signed a checkpoint that contradicts another one"),
}

_UNITS = (
    (WEEK_MS, Words("周", "week")),
    (DAY_MS, Words("天", "day")),
    (HOUR_MS, Words("小时", "hour")),
    (MINUTE_MS, Words("分钟", "minute")),
    (SECOND_MS, Words("秒", "second")),
)


def code_words(code: str) -> Words:
    """What an outcome's or an error's code says. One that is not known here is shown as it is."""
    if code == OK:
        return Words("已接受", "accepted")
    return Words(messages.title(code, "zh"), messages.title(code))


def width_words(width_ms: int) -> Words:
    """How long a stretch of a time series is."""
    unit_ms, unit = next(found for found in _UNITS if width_ms % found[0] == 0)
    count = width_ms // unit_ms
    return Words(f"{count} {unit.zh}", f"{count} {unit.en}{'s' if count > 1 else ''}")
