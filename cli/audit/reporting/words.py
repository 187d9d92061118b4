"""What the chain's own terms are called in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping

from audit.misbehaviour import Contradiction
from audit.series import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, WEEK_MS
from blockpool import ErrorCode
from chain.blocks import OK
from chain.primitives.types import Answer, Sharing
from chain.state.entries import RequestStatus
from chain.state.members import MemberKind
from cli.audit.reporting.html import Words

NONE = Words("无", "None")

MEMBER_KINDS: Mapping[MemberKind, Words] = {
    "government": Words("政府部门", "government"),
    "enterprise": Words("企业", "enterprise"),
    "social": Words("社会组织", "social organisation"),
    "public": Words("公共机构", "public institution"),
}

SHARING: Mapping[Sharing, Words] = {
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

_CODES_ZH: Mapping[str, str] = {
    # What can be wrong with a chain
    ErrorCode.BAD_BLOCK: "区块不合规",
    ErrorCode.BAD_CERTIFICATE: "区块证书不成立",
    ErrorCode.BAD_PROOF: "证明不成立",
    ErrorCode.BAD_SIGNATURE: "签名不成立",
    ErrorCode.DATABASE_DAMAGED: "数据库损坏或区块丢失",
    ErrorCode.MALFORMED: "数据无法解析",
    ErrorCode.NOT_CANONICAL: "编码不规范",
    ErrorCode.PAYLOAD_MISMATCH: "正文与签署不符",
    ErrorCode.TOO_LARGE: "数据过大",
    ErrorCode.WRONG_CHAIN: "属于另一条链",
    # Why a transaction was rejected
    ErrorCode.ACCESS_NOT_NEEDED: "数据集为无条件共享，无须申请",
    ErrorCode.BAD_CONTRACT: "合约未被接受",
    ErrorCode.BAD_KEY: "密钥不合规",
    ErrorCode.BAD_NAME: "名称不合规",
    ErrorCode.BAD_REQUEST: "申请不合规",
    ErrorCode.BAD_SCHEMA: "数据模式未被接受",
    ErrorCode.EXPIRED: "交易已过期",
    ErrorCode.NOT_AN_APPROVER: "该成员无权答复",
    ErrorCode.NOT_COVERED: "授权不含该数据包",
    ErrorCode.NOT_OWNER: "仅数据集所有者可为",
    ErrorCode.NO_CONTRACTS: "该网络不运行合约",
    ErrorCode.PARCEL_ERASED: "数据包已删除",
    ErrorCode.REQUEST_SETTLED: "申请已有定论",
    ErrorCode.REVOKED_KEY: "密钥在该高度已失效",
    ErrorCode.SCHEMA_VIOLATION: "记录不符合数据模式",
    ErrorCode.SEALING_REQUIRED: "数据包与共享类别不符",
    ErrorCode.STALE_VERSION: "版本号不衔接",
    ErrorCode.UNKNOWN_CONTRACT: "合约不存在",
    ErrorCode.UNKNOWN_DATASET: "数据集不存在",
    ErrorCode.UNKNOWN_KEY: "密钥未登记",
    ErrorCode.UNKNOWN_MEMBER: "成员不存在",
    ErrorCode.UNKNOWN_PARCEL: "数据包不存在",
    ErrorCode.UNKNOWN_REQUEST: "申请不存在",
    # Why a contract's call failed
    ErrorCode.CONTRACT_BAD_VERDICT: "合约未给出有效裁决",
    ErrorCode.CONTRACT_FAILED: "合约执行出错",
    ErrorCode.CONTRACT_OUT_OF_FUEL: "合约计算量超限",
    ErrorCode.CONTRACT_OUT_OF_MEMORY: "合约内存超限",
    ErrorCode.CONTRACT_TRAPPED: "合约越出沙箱限制",
}


def code_words(code: str) -> Words:
    """What an outcome's or an error's code says. One that is not known here is shown as it is."""
    if code == OK:
        return Words("已接受", "accepted")
    title = ErrorCode(code).info.title if code in ErrorCode.__members__.values() else code
    return Words(_CODES_ZH.get(code, code), title)


def width_words(width_ms: int) -> Words:
    """How long a stretch of a time series is."""
    unit_ms, unit = next(found for found in _UNITS if width_ms % found[0] == 0)
    count = width_ms // unit_ms
    return Words(f"{count} {unit.zh}", f"{count} {unit.en}{'s' if count > 1 else ''}")
