"""Convert errors of Model Studio's API to failures that name what to change.

The codes of credentials and signatures are those of all services of Alibaba Cloud (`sts.errors`).
The service publishes no list of its own codes: a code is recognized by its words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keywright.api.errors import Failure, FailureClass
from keywright.clouds.alibaba.api_calls import ApiError
from keywright.clouds.alibaba.sts.client import StsError
from keywright.clouds.alibaba.sts.errors import SOURCE, RequestContext, is_of_credentials, refusal
from keywright.clouds.redaction import condition_reason

FIELD: Final = "spec.modelStudioKey"


@dataclass(frozen=True, slots=True)
class _Row:
    """Words of a code or a message, with class, field and remedy; `{...}` as in `_remedy`."""

    words: tuple[str, ...]
    kind: FailureClass
    field: str
    remedy: str
    reason: str = ""


_ROWS: Final = (
    _Row(
        ("Throttling",),
        FailureClass.THROTTLED,
        FIELD,
        "The operator sends requests more slowly and tries again.",
        reason="Throttled",
    ),
    _Row(
        ("NoPermission", "Forbidden", "AccessDenied", "Unauthorized", "NotAuthorized"),
        FailureClass.DENIED,
        SOURCE,
        "Allow modelstudio:{action} on * in RAM for {identity}, and add it to the workspace in"
        " Model Studio. keywright explain prints the policy.",
        reason="AccessDenied",
    ),
    _Row(
        ("Limit", "Quota", "Exceed"),
        FailureClass.QUOTA,
        FIELD,
        "Delete API keys in {region} that nothing uses: Model Studio allows an account 50 in a"
        " region, and 20 in the US.",
        reason="KeyLimitReached",
    ),
    _Row(
        ("Workspace",),
        FailureClass.CONFIGURATION,
        f"{FIELD}.workspaceId",
        "Set the ID of a workspace in {region}, or remove the field to use the default one.",
        reason="WorkspaceNotFound",
    ),
    _Row(
        ("NotActivated", "NotOpen", "NotSubscribed"),
        FailureClass.CONFIGURATION,
        f"{FIELD}.region",
        "Activate Model Studio in {region}, in its console.",
        reason="NotActivated",
    ),
    _Row(
        ("accessIps", "Ip"),
        FailureClass.CONFIGURATION,
        f"{FIELD}.accessIps",
        "Correct the addresses: 203.0.113.7 or 203.0.113.0/24.",
        reason="AddressInvalid",
    ),
    _Row(
        ("accessibleModels", "Model"),
        FailureClass.CONFIGURATION,
        f"{FIELD}.accessibleModels",
        "Name models that the workspace may call, as the console lists them.",
        reason="ModelNotFound",
    ),
)


def failure_from_api(error: ApiError, *, action: str, region: str, identity: str) -> Failure:
    """The failure for an error of a call; only an error of the service proves no side effect."""
    if not error.is_refusal:
        return Failure(
            f"Model Studio: {error.message}.",
            kind=FailureClass.TRANSIENT,
            reason="CloudError",
            field=f"{FIELD}.region",
            remedy=(
                "Tried again. If this stays, check the region, and the network, proxy and firewall"
                f" between the operator and modelstudio.{region}.aliyuncs.com."
            ),
        )
    if is_of_credentials(error.code):
        found = refusal(StsError(error.code, error.message), RequestContext(fields={"": SOURCE}))
        found.no_side_effect = True
        return found
    row = next((row for row in _ROWS if _applies(row, error)), None)
    if row is None:
        return Failure(
            f"Model Studio: {error.code}: {error.message}.",
            kind=FailureClass.CONFIGURATION,
            reason=condition_reason(error.code),
            field=FIELD,
            remedy="Correct the value to what Model Studio says of it.",
            no_side_effect=True,
        )
    return Failure(
        f"Model Studio: {error.code}: {error.message}.",
        kind=row.kind,
        reason=row.reason or condition_reason(error.code),
        field=row.field,
        remedy=row.remedy.format(
            action=action, region=region, identity=identity or "the identity of the source"
        ),
        no_side_effect=True,
    )


def _applies(row: _Row, error: ApiError) -> bool:
    if any(word in error.code for word in row.words):
        return True
    # The code of an invalid parameter does not always name it.
    names = [word for word in row.words if word[0].islower()]
    return any(word in error.message for word in names)
