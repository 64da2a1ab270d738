"""What is wrong with a resource, said to its author."""

from dataclasses import dataclass

from typing_extensions import override


@dataclass(frozen=True, slots=True)
class FieldError:
    """One mistake: the field that has it, and a message that says what is wrong and the cure."""

    field: str
    message: str

    @override
    def __str__(self) -> str:
        return f"{self.field}: {self.message}"
