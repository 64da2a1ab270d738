"""Findings as text, JSON, SARIF 2.1.0 and workflow commands of GitHub."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from keywright.cli.findings import Finding
from keywright.cli.linting.engine import LintResult
from keywright.cli.linting.rules import RULES
from keywright.cli.manifest_reader import STDIN
from keywright.cli.yaml_output import inert, printable
from keywright.version import product_version

_SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def as_text(result: LintResult) -> str:
    """One line per finding, then its cure; the last line is a summary."""
    lines = [line for each in result.findings for line in _lines(each)]
    lines += [f"{note.position}: note: {note.message}" for note in result.notes]
    number = len(result.findings)
    summary = f"{number} finding{'' if number == 1 else 's'} in {result.checked} objects"
    if result.suppressed:
        summary += f", {result.suppressed} suppressed"
    return "\n".join(map(inert, [*lines, summary])) + "\n"


def _lines(each: Finding) -> Iterator[str]:
    yield f"{each.position}: {each.rule.severity} {each.rule.id}: {each.message}"
    yield f"    {each.subject + ': ' if each.subject else ''}{each.cure} ({each.rule.link})"


def as_json(result: LintResult) -> str:
    """A stable document for programs."""
    return _dump(
        {
            "findings": [
                {
                    "rule": each.rule.id,
                    "name": each.rule.name,
                    "severity": each.rule.severity.value,
                    "file": each.position.file,
                    "line": each.position.line,
                    "column": each.position.column,
                    "object": each.subject,
                    "field": each.field,
                    "message": each.message,
                    "cure": each.cure,
                    "link": each.rule.link,
                }
                for each in result.findings
            ],
            "notes": [
                {
                    "file": note.position.file,
                    "line": note.position.line,
                    "message": note.message,
                }
                for note in result.notes
            ],
            "suppressed": result.suppressed,
            "checked": result.checked,
        }
    )


def as_sarif(result: LintResult) -> str:
    """SARIF 2.1.0, for code scanning; files relative to the working directory."""
    index = {rule: number for number, rule in enumerate(RULES)}
    driver = {
        "name": "keywright lint",
        "version": product_version(),
        "rules": [
            {
                "id": rule.id,
                "name": rule.name,
                "shortDescription": {"text": rule.summary},
                "help": {"text": f"See {rule.link}."},
                "defaultConfiguration": {"level": rule.severity.value},
            }
            for rule in RULES.values()
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(each, index[each.rule.id]) for each in result.findings],
    }
    return _dump({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def _sarif_result(each: Finding, index: int) -> dict[str, Any]:
    place: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(each.position.file)},
            "region": {"startLine": each.position.line, "startColumn": each.position.column},
        }
    }
    if each.subject:
        place["logicalLocations"] = [{"fullyQualifiedName": each.subject}]
    return {
        "ruleId": each.rule.id,
        "ruleIndex": index,
        "level": each.rule.severity.value,
        "message": {"text": f"{each.message}. {_sentence(each.cure)}"},
        "locations": [place],
    }


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _uri(file: str) -> str:
    path = PurePath(file)
    if path.is_absolute():
        relative = os.path.relpath(file)
        path = path if relative.startswith("..") else PurePath(relative)
    return quote("stdin" if file == STDIN else os.fsencode(path.as_posix()))


def as_github(result: LintResult) -> str:
    """Workflow commands, which annotate the lines of a pull request."""
    lines = [
        f"::{each.rule.severity} file={_property(each.position.file)},line={each.position.line},"
        f"col={each.position.column},title={_property(f'{each.rule.id} {each.rule.name}')}::"
        + _data(f"{each.message}. {_sentence(each.cure)} See {each.rule.link}.")
        for each in result.findings
    ]
    lines += [
        f"::notice file={_property(note.position.file)},line={note.position.line}::"
        + _data(_sentence(note.message))
        for note in result.notes
    ]
    return "".join(f"{line}\n" for line in lines)


def _data(text: str) -> str:
    """Escape the message of a workflow command."""
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _property(text: str) -> str:
    """Escape a property of a workflow command."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _dump(document: Any) -> str:
    return json.dumps(document, indent=2) + "\n"


FORMATS: Final = {"text": as_text, "json": as_json, "sarif": as_sarif, "github": as_github}
"""The outputs of `-o`."""
