"""Write objects as YAML for people: keys in their order, texts with several lines as blocks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def dump_yaml(document: Any) -> str:
    """One document without separator."""
    import yaml  # noqa: PLC0415  belongs to the extra `cli`

    class BlockDumper(yaml.SafeDumper):
        """Lists are indented below their key, as in most manifests."""

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002  PyYAML's signature
            del indentless
            super().increase_indent(flow, False)  # noqa: FBT003

    def represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    BlockDumper.add_representer(str, represent)
    text: str = yaml.dump(
        document, Dumper=BlockDumper, sort_keys=False, allow_unicode=True, width=1_000
    )
    return text


def commented(lines: Iterable[str]) -> str:
    """Lines as comments; control characters, which could end a line, are left out."""
    return "".join(f"# {printable(line)}".rstrip() + "\n" for line in lines)


def printable(text: str) -> str:
    """The text without control characters, which a terminal would obey."""
    return "".join(each if each.isprintable() else " " for each in text)


def inert(text: str) -> str:
    """A printable line that a runner of CI does not obey, whatever names it contains."""
    line = printable(text).replace("##[", "## [")
    is_command = line.lstrip().startswith("::")
    return line.replace("::", ": :", 1) if is_command else line
