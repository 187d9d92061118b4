"""What a catalogue entry says beside title, schema and sharing class, and what its class needs.

Sources: 政务数据共享条例, art. 13 to 15 (which entries say what); 个人信息保护法, art. 55 (impact assessments);
数据安全法, art. 21 (grades); the guide to catalogues of 2017 (update cycles).
"""

from collections.abc import Iterator
from typing import Literal

from chain.errors import ErrorCode, Refusal
from chain.primitives.encoding import Wire
from chain.primitives.types import SharingClass, Text, Title

UpdateCycle = Literal[
    "", "irregular", "real-time", "daily", "weekly", "monthly", "quarterly", "half-yearly", "yearly", "other"
]
"""更新周期: 不定时, 实时, 每日, 每周, 每月, 每季度, 每半年, 每年, 其他. Empty where it is not said."""
Grade = Literal["", "general", "important", "core"]
"""数据分级: 一般数据, 重要数据, 核心数据. Empty where it is not said."""


class Description(Wire, frozen=True):
    """What people have to know of a dataset. Texts may be empty where its class does not need them."""

    summary: Text = ""
    """摘要: what it holds."""
    contact: Title = ""
    """联系方式: whom to ask."""
    update_cycle: UpdateCycle = ""
    theme: Title = ""
    """分类: class of the catalogue, such as 公共安全/户籍."""
    grade: Grade = ""
    format: Title = ""
    """数据格式 in which the owner keeps it."""
    method: Title = ""
    """共享方式: service interface, batch exchange or file."""
    scope: Text = ""
    """共享范围: who may have it; needed where it is shared conditionally."""
    use: Text = ""
    """使用用途: what for; needed where it is shared conditionally."""
    conditions: Text = ""
    """使用条件; of a closed dataset, why it is not shared, which it needs."""
    impact_assessment: Title = ""
    """Reference of the 个人信息保护影响评估; needed where the schema marks personal information."""
    source: Title = ""
    """数源部门: the department that collects it, where that is another than the owner."""


def needed_fields(sharing: SharingClass, has_personal: bool) -> Iterator[str]:
    """Names of the fields that an entry must have, in the order in which they are looked at."""
    if sharing == "conditional":
        yield from ("scope", "use")
    if sharing == "closed":
        yield from ("legal_basis", "conditions")
    if has_personal:
        yield "impact_assessment"


def verify_description(
    description: Description, sharing: SharingClass, legal_basis: str, *, has_personal: bool
) -> None:
    """Check that an entry says what its class needs: a text that is not white space (of ASCII) alone.

    Raises:
        Refusal: code ``catalogue_incomplete`` with the first ``field`` that is missing.
    """
    for name in needed_fields(sharing, has_personal):
        text = legal_basis if name == "legal_basis" else getattr(description, name)
        if not text.strip(" \t\r\n"):
            raise Refusal(ErrorCode.CATALOGUE_INCOMPLETE, field=name)
