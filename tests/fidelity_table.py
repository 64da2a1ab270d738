"""The real answers of the clouds with their evidence: the rows of tests/data/fidelity.tsv."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

_TABLE = Path(__file__).parent / "data" / "fidelity.tsv"


@dataclass(frozen=True, slots=True)
class Row:
    """One real answer: which call, in which case, and what the cloud says."""

    service: str
    operation: str
    case: str
    status: str
    code: str
    message: str
    evidence: str

    @property
    def id(self) -> str:
        """The name of the row in tests."""
        return f"{self.service} {self.operation}: {self.case}"

    @property
    def unproved(self) -> str:
        """Why there is no evidence for the answer; empty where there is."""
        lacking = "none" in self.evidence and "found" in self.evidence
        if "no words found" in self.message or "none found" in self.message or lacking:
            return "no evidence of the words"
        if self.evidence == "inference" or "no recording found" in self.message:
            return "no evidence of the answer"
        return ""


def rows() -> list[Row]:
    """All rows in the order of the file."""
    with _TABLE.open(newline="") as file:
        return [
            Row(
                service=line["service"],
                operation=line["operation"],
                case=line["case"],
                status=line["real_status"],
                code=line["real_code"],
                message=line["real_message"],
                evidence=line["evidence"],
            )
            for line in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        ]
