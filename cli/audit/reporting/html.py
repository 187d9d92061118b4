"""HTML as a tree of elements. Text becomes text whatever is in it: there is no way to put markup in as a string, so
what members have written on the chain cannot change the page.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from cli.output import sanitize


class Words(NamedTuple):
    """The same in both languages of the report."""

    zh: str
    en: str

    @property
    def text(self) -> str:
        """Both in one line, for where no elements can stand."""
        return self.zh if self.zh == self.en else f"{self.zh} {self.en}"


@dataclass(frozen=True, slots=True)
class Element:
    """An element with its attributes and children."""

    tag: str
    attributes: tuple[tuple[str, str], ...]
    children: "tuple[Node, ...]"


Node = str | Words | Element

_VOID = frozenset({"br", "meta", "wbr"})
"""Elements that have no end tag."""


def element(tag: str, *children: Node | Iterable[Node], **attributes: str | float) -> Element:
    """An element. Attributes are written with underscores: ``class_``, ``aria_label``, ``stroke_width``."""
    nodes: list[Node] = []
    for child in children:
        if isinstance(child, str | Words | Element):
            nodes.append(child)
        else:
            nodes.extend(child)
    named = ((name.rstrip("_").replace("_", "-"), str(value)) for name, value in attributes.items())
    return Element(tag, tuple(named), tuple(nodes))


def document(title: Words, style: str, body: Iterable[Node]) -> bytes:
    """A whole page, UTF-8.

    Args:
        title: of the window.
        style: the style sheet, ours. The page allows nothing else: no script, no other style, nothing from a network.
        body: the page's content.
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = (
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title.text),
    )
    parts = ['<!DOCTYPE html>\n<html lang="zh-Hans">\n<head>\n']
    for element_ in head:
        _write(element_, parts)
    parts.append(f"\n<style>{style}</style>\n</head>\n<body>\n")
    for node in body:
        _write(node, parts)
        parts.append("\n")
    parts.append("</body>\n</html>\n")
    return "".join(parts).encode()


def _write(node: Node, parts: list[str]) -> None:
    match node:
        case str():
            parts.append(_escaped(node))
        case Words() if node.zh == node.en:
            parts.append(_escaped(node.zh))
        case Words():
            parts.append(f'<span lang="zh-Hans">{_escaped(node.zh)}</span> <span lang="en">{_escaped(node.en)}</span>')
        case Element():
            _write_element(node, parts)


def _write_element(node: Element, parts: list[str]) -> None:
    attributes = "".join(f' {name}="{_escaped(value)}"' for name, value in node.attributes)
    parts.append(f"<{node.tag}{attributes}>")
    if node.tag in _VOID:
        return
    for child in node.children:
        _write(child, parts)
    parts.append(f"</{node.tag}>")


def _escaped(text: str) -> str:
    return escape(sanitize(text), quote=True)
