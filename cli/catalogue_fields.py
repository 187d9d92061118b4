"""The options of ``dataset define`` for what the catalogue says of a dataset."""

from dataclasses import asdict, dataclass
from typing import Any, get_args

import click
import msgspec

from blockpool import CatalogueEntry, Description
from chain.catalogue import Grade, UpdateCycle
from cli.options import together


@dataclass(frozen=True, slots=True)
class DescriptionOptions:
    """What was given of ``chain.catalogue.Description``; None for what stays as it is."""

    summary: str | None
    contact: str | None
    update_cycle: str | None
    theme: str | None
    grade: str | None
    format: str | None
    method: str | None
    scope: str | None
    use: str | None
    conditions: str | None
    impact_assessment: str | None
    source: str | None

    def over(self, present: CatalogueEntry | None) -> Description:
        """What the catalogue should say, over what it says already."""
        said = present.description.wire() if present else Description()
        given: dict[str, Any] = {name: text for name, text in asdict(self).items() if text is not None}
        return msgspec.structs.replace(said, **given)


def _one_of(literal: object) -> click.Choice[str]:
    return click.Choice([choice for choice in get_args(literal) if choice])


description_options = together(
    "described",
    DescriptionOptions,
    click.option("--summary", help="摘要: what it holds."),
    click.option("--contact", help="联系方式: whom to ask."),
    click.option("--update-cycle", type=_one_of(UpdateCycle), help="更新周期."),
    click.option("--theme", help="分类: its class in the catalogue, such as 公共安全/户籍."),
    click.option("--grade", type=_one_of(Grade), help="数据分级: 一般, 重要, 核心数据."),
    click.option("--format", help="数据格式 in which you keep it."),
    click.option("--method", help="共享方式: service interface, batch exchange or file."),
    click.option("--scope", help="共享范围: who may have it. Needed for conditional."),
    click.option("--use", help="使用用途: what for. Needed for conditional."),
    click.option("--conditions", help="使用条件; for closed, which needs it, why it is not shared."),
    click.option("--impact-assessment", help="Reference of the 个人信息保护影响评估. Needed for personal information."),
    click.option("--source", help="数源部门, where another department collects it."),
)
