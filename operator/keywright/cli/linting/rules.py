"""The table of rules. IDs are stable: an ID is never used for another rule.

docs/lint.md has one section for each rule; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from keywright.cli.findings import Rule, Severity

_E: Final = Severity.ERROR
_W: Final = Severity.WARNING

INVALID_YAML = Rule("KW001", "InvalidYaml", _E, "a document is no YAML")
DUPLICATE_FIELD = Rule("KW002", "DuplicateField", _E, "a field occurs twice in one object")
UNREADABLE = Rule("KW003", "UnreadableManifest", _E, "a file exceeds the limits of the reader")
INVALID_SUPPRESSION = Rule(
    "KW004", "InvalidSuppression", _W, "a suppression has no reason or names no rule"
)

INVALID_FIELD = Rule("KW101", "InvalidField", _E, "a value violates the schema of its kind")
UNKNOWN_FIELD = Rule("KW102", "UnknownField", _E, "a field does not exist in the schema")
RULE_VIOLATED = Rule("KW103", "RuleViolated", _E, "values violate a validation rule of the CRD")
INVALID_SPEC = Rule("KW104", "InvalidSpec", _E, "the operator would refuse the spec")
UNKNOWN_KIND = Rule("KW105", "UnknownKind", _E, "the API group has no such kind or version")
DEPRECATED_FIELD = Rule("KW106", "DeprecatedField", _W, "a field or version is deprecated")
FOREIGN_TEMPLATE = Rule(
    "KW107", "ForeignTemplate", _E, "a layout uses the syntax of another template language"
)

SOURCE_NOT_FOUND = Rule("KW201", "SourceNotFound", _E, "a grant names a source that does not exist")
NAMESPACE_NOT_ALLOWED = Rule(
    "KW202", "NamespaceNotAllowed", _E, "the source does not allow the namespace of the grant"
)
SOURCE_UNSUITABLE = Rule("KW203", "SourceUnsuitable", _E, "the source cannot issue this key")
SECRET_SHARED = Rule("KW204", "SecretShared", _E, "two grants write the same Secret")
SECRET_DEFINED_ELSEWHERE = Rule(
    "KW205", "SecretDefinedElsewhere", _E, "another manifest defines the Secret of a grant"
)
TOKEN_NOT_ALLOWED = Rule(
    "KW206", "TokenNotAllowed", _E, "no Role lets the operator request the token of a source"
)
ROLE_NOT_NAMED = Rule(
    "KW207", "RoleNotNamed", _E, "neither the source nor its ServiceAccount names a role"
)
COPY_NOT_ALLOWED = Rule(
    "KW208", "CopyNotAllowed", _E, "a Secret does not allow its values to be copied"
)
SECRET_KEY_MISSING = Rule(
    "KW209", "SecretKeyMissing", _E, "a Secret lacks a key that a source or grant reads"
)

MARGIN_TOO_SMALL = Rule(
    "KW301", "MarginTooSmall", _W, "the margin of a renewal is too small for the readers"
)
WINDOW_TOO_RARE = Rule(
    "KW302", "WindowTooRare", _W, "no renewal window opens before the key would expire"
)
NO_ROTATION = Rule("KW303", "NoRotation", _W, "a long-lived key is never or rarely replaced")
KEY_SHORTENED = Rule(
    "KW304", "KeyShortened", _W, "the session of the source ends before the key should"
)

SECRET_KEY_NOT_WRITTEN = Rule(
    "KW401", "SecretKeyNotWritten", _E, "a workload reads a key that the Secret will not have"
)
RESTART_WITHOUT_READ = Rule(
    "KW402", "RestartWithoutRead", _W, "a grant restarts a workload that does not read its Secret"
)
NOT_RESTARTED = Rule(
    "KW403", "NotRestarted", _W, "a workload reads the Secret as environment and is not restarted"
)
RESTART_NOT_ALLOWED = Rule(
    "KW404", "RestartNotAllowed", _E, "no Role lets the operator restart the workload"
)
RESTART_TARGET_MISSING = Rule(
    "KW405", "RestartTargetMissing", _W, "a grant restarts a workload that does not exist"
)
FIXED_MOUNT = Rule(
    "KW406", "FixedMount", _W, "a workload mounts the Secret with subPath and is not restarted"
)
OTHER_MOUNT_PATH = Rule(
    "KW407", "OtherMountPath", _E, "a file of the Secret names a path where it is not mounted"
)

RULES: Final[Mapping[str, Rule]] = {
    value.id: value for value in list(globals().values()) if isinstance(value, Rule)
}
"""The rules by their ID."""
