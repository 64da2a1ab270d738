"""The policies as JSON, and as input for Terraform, CloudFormation, the AWS CLI and ROS."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from keywright.api.source import Provider
from keywright.cli.policies.holders import Holders
from keywright.cli.policies.model import UNKNOWN_ACCOUNT, Holder, HolderKind
from keywright.cli.yaml_output import commented, printable

POLICY_NAME: Final = "keywright"


def as_json(holders: Holders) -> str:
    """All holders and their documents, for people and programs."""
    found = [
        {
            "kind": each.kind.value,
            "arn": each.arn,
            "maxSessionSeconds": each.max_session_seconds if each.trust else None,
            "trustPolicy": each.documents.get("trust"),
            "permissionsPolicy": each.documents.get("permissions"),
            "grants": each.grants,
            "notes": each.notes,
        }
        for each in holders.found.values()
    ]
    document: dict[str, Any] = {"holders": found}
    if holders.trusts:
        document["vendors"] = [each.document for each in holders.trusts]
    return json.dumps({**document, "notes": holders.notes}, indent=2) + "\n"


def as_terraform(holders: Holders) -> str:
    """Resources of the providers aws and alicloud."""
    every = list(holders.found.values())
    labels = _labels(every, _identifier)
    blocks = [block for each in every for block in _terraform(each, labels[each.arn])]
    return commented([*_accounts_note(every), *_notes(holders)]) + "\n".join(blocks)


def _terraform(each: Holder, label: str) -> Iterator[str]:
    documents = each.documents
    notes = commented(each.notes)
    fields: dict[str, Any]
    alibaba = each.provider is Provider.ALIBABA_CLOUD
    if each.kind is HolderKind.BOUNDARY:
        fields = {"name": each.name, "path": each.path, "policy": documents["permissions"]}
        yield notes + _block("aws_iam_policy", label, fields)
        return
    if each.kind is HolderKind.ROLE and alibaba:
        fields = {
            "role_name": each.name,
            "assume_role_policy_document": documents["trust"],
            "max_session_duration": each.max_session_seconds,
        }
        yield notes + _block("alicloud_ram_role", label, fields)
    elif each.kind is HolderKind.ROLE:
        fields = {
            "name": each.name,
            "path": each.path,
            "assume_role_policy": documents["trust"],
            "max_session_duration": each.max_session_seconds,
        }
        yield notes + _block("aws_iam_role", label, fields)
    else:
        yield notes
    if "permissions" in documents:
        yield from _terraform_permissions(each, label, documents["permissions"])


def _terraform_permissions(each: Holder, label: str, document: Mapping[str, Any]) -> Iterator[str]:
    is_role = each.kind is HolderKind.ROLE
    if each.provider is Provider.AWS:
        kind = "aws_iam_role_policy" if is_role else "aws_iam_user_policy"
        holder = _Reference(f"aws_iam_role.{label}.id") if is_role else each.name
        fields = {"name": POLICY_NAME, each.kind.value: holder, "policy": document}
        yield _block(kind, label, fields)
        return
    policy = f"{POLICY_NAME}-{each.name}"
    yield _block("alicloud_ram_policy", label, {"policy_name": policy, "policy_document": document})
    holder = _Reference(f"alicloud_ram_role.{label}.role_name") if is_role else each.name
    attached = {
        "policy_name": _Reference(f"alicloud_ram_policy.{label}.policy_name"),
        "policy_type": "Custom",
        f"{each.kind.value}_name": holder,
    }
    yield _block(f"alicloud_ram_{each.kind.value}_policy_attachment", label, attached)


class _Reference(str):
    """A reference to another resource of Terraform."""

    __slots__ = ()


def _block(kind: str, label: str, fields: Mapping[str, Any]) -> str:
    width = max(map(len, fields))
    lines = [f"  {name.ljust(width)} = {_hcl(value)}" for name, value in fields.items()]
    return f'resource "{kind}" "{label}" {{\n' + "\n".join(lines) + "\n}\n"


def _hcl(value: Any) -> str:
    match value:
        case _Reference():
            return value
        case Mapping():
            return f"jsonencode({_expression(value, 1)})"
        case str():
            return _hcl_text(value)
        case _:
            return str(value)


def _expression(value: Any, level: int) -> str:
    """A JSON value as an expression of HCL."""
    inner, outer = "  " * (level + 1), "  " * level
    if isinstance(value, Mapping):
        lines = [f"{inner}{_hcl_text(k)} = {_expression(v, level + 1)}" for k, v in value.items()]
        return "{\n" + "\n".join(lines) + f"\n{outer}}}"
    if isinstance(value, list):
        lines = [f"{inner}{_expression(item, level + 1)}," for item in value]
        return "[\n" + "\n".join(lines) + f"\n{outer}]"
    return _hcl_text(value) if isinstance(value, str) else json.dumps(value)


def _hcl_text(text: str) -> str:
    """A quoted text in which `${` and `%{` have no meaning."""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")


def _identifier(name: str) -> str:
    word = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return word if word[:1].isalpha() else f"_{word}"


def as_cloudformation(holders: Holders) -> str:
    """A template with roles, policies of users, and boundaries; AWS only."""
    resources: dict[str, Any] = {}
    every = list(_of(holders, Provider.AWS))
    labels = _labels(every, _logical)
    for each in every:
        name = labels[each.arn]
        documents = each.documents
        if each.kind is HolderKind.BOUNDARY:
            properties: dict[str, Any] = {
                "ManagedPolicyName": each.name,
                "Path": each.path,
                "PolicyDocument": documents["permissions"],
            }
            resources[f"{name}Boundary"] = _resource("AWS::IAM::ManagedPolicy", properties)
        elif each.kind is HolderKind.ROLE:
            properties = {
                "RoleName": each.name,
                "Path": each.path,
                "MaxSessionDuration": each.max_session_seconds,
                "AssumeRolePolicyDocument": documents["trust"],
            }
            if "permissions" in documents:
                properties["Policies"] = [_named(documents["permissions"])]
            resources[f"{name}Role"] = _resource("AWS::IAM::Role", properties)
        elif "permissions" in documents:
            properties = {**_named(documents["permissions"]), "UserName": each.name}
            resources[f"{name}UserPolicy"] = _resource("AWS::IAM::UserPolicy", properties)
    document = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": _description(holders, Provider.AWS),
        "Resources": resources,
    }
    return json.dumps(document, indent=2) + "\n"


def as_ros(holders: Holders) -> str:
    """A template of Resource Orchestration Service; Alibaba Cloud only."""
    resources: dict[str, Any] = {}
    every = list(_of(holders, Provider.ALIBABA_CLOUD))
    labels = _labels(every, _logical)
    for each in every:
        name = labels[each.arn]
        documents = each.documents
        if each.kind is HolderKind.ROLE:
            properties: dict[str, Any] = {
                "RoleName": each.name,
                "MaxSessionDuration": each.max_session_seconds,
                "AssumeRolePolicyDocument": documents["trust"],
            }
            resources[f"{name}Role"] = _resource("ALIYUN::RAM::Role", properties)
        if "permissions" in documents:
            properties = {
                "PolicyName": f"{POLICY_NAME}-{each.name}",
                "PolicyDocument": documents["permissions"],
                f"{each.kind.value.capitalize()}s": [each.name],
            }
            policy = _resource("ALIYUN::RAM::ManagedPolicy", properties)
            if each.kind is HolderKind.ROLE:
                policy["DependsOn"] = f"{name}Role"
            resources[f"{name}{each.kind.value.capitalize()}Policy"] = policy
    document = {
        "ROSTemplateFormatVersion": "2015-09-01",
        "Description": _description(holders, Provider.ALIBABA_CLOUD),
        "Resources": resources,
    }
    return json.dumps(document, indent=2) + "\n"


def as_aws_cli(holders: Holders) -> str:
    """Commands that create the roles, policies and boundaries; AWS only."""
    text = commented([*_accounts_note(_of(holders, Provider.AWS)), *_notes(holders)])
    for each in _of(holders, Provider.AWS):
        text += commented([each.arn, *each.notes])
        text += "".join(f"{shlex.join(command)}\n" for command in _commands(each))
    return text


def _commands(each: Holder) -> Iterator[list[str]]:
    documents = {name: json.dumps(body) for name, body in each.documents.items()}
    if each.kind is HolderKind.BOUNDARY:
        command = ["aws", "iam", "create-policy", "--policy-name", each.name, "--path", each.path]
        yield [*command, "--policy-document", documents["permissions"]]
        return
    if each.kind is HolderKind.ROLE:
        command = ["aws", "iam", "create-role", "--role-name", each.name, "--path", each.path]
        command += ["--max-session-duration", str(each.max_session_seconds)]
        yield [*command, "--assume-role-policy-document", documents["trust"]]
    if "permissions" in documents:
        kind = each.kind.value
        command = ["aws", "iam", f"put-{kind}-policy", f"--{kind}-name", each.name]
        command += ["--policy-name", POLICY_NAME]
        yield [*command, "--policy-document", documents["permissions"]]


def _notes(holders: Holders) -> list[str]:
    """What no policy says: what vendors must trust, and the notes."""
    return [*(line for each in holders.trusts for line in each.lines), *holders.notes]


def _of(holders: Holders, provider: Provider) -> Iterator[Holder]:
    return (each for each in holders.found.values() if each.provider is provider)


def _resource(kind: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"Type": kind, "Properties": dict(properties)}


def _named(document: Mapping[str, Any]) -> dict[str, Any]:
    return {"PolicyName": POLICY_NAME, "PolicyDocument": document}


def _logical(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))


def _labels(every: Sequence[Holder], make: Callable[[str], str]) -> dict[str, str]:
    """A label for each ARN: the name, with the account or a number where a label repeats."""
    accounts: dict[tuple[HolderKind, str], set[str]] = {}
    for each in every:
        accounts.setdefault((each.kind, make(each.name)), set()).add(each.account)
    found: dict[str, str] = {}
    taken: set[tuple[HolderKind, str]] = set()
    for each in every:
        several = len(accounts[each.kind, make(each.name)]) > 1
        name = f"{each.name}-{each.account}" if several else each.name
        names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        label = next(text for text in map(make, names) if (each.kind, text) not in taken)
        taken.add((each.kind, label))
        found[each.arn] = label
    return found


def _accounts_note(every: Iterable[Holder]) -> list[str]:
    """A note if no single deployment can create all holders."""
    accounts = sorted({each.account for each in every} - {UNKNOWN_ACCOUNT})
    if len(accounts) < 2:
        return []
    of_accounts = f"These identities belong to the accounts {', '.join(accounts)}"
    return [f"{of_accounts}. A template is for one account: deploy each identity in its own"]


def _description(holders: Holders, provider: Provider) -> str:
    every = list(_of(holders, provider))
    notes = [*_accounts_note(every), *_notes(holders), *(n for each in every for n in each.notes)]
    return printable(". ".join(["Identities of Keywright", *notes]))[:1000]


OUTPUTS: Final = {
    "json": as_json,
    "terraform": as_terraform,
    "cloudformation": as_cloudformation,
    "aws-cli": as_aws_cli,
    "ros": as_ros,
}
"""The values of `--as`."""
