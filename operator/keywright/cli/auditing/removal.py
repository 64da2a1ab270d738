"""Removes findings of an audit, each after a check that it is one still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from keywright.api.errors import ApiError, Failure, FailureClass
from keywright.api.names import ANNOTATION_KEY_ID, ANNOTATION_REPLACES, GRANT_PLURAL
from keywright.cli.auditing.findings import Finding, Kind, Reason
from keywright.cli.auditing.grants import GrantFacts, facts_of
from keywright.cli.auditing.listing import Access, Listings
from keywright.cli.cluster_client import (
    CUSTOM,
    METADATA,
    ClusterClient,
    grant_path,
    secret_path,
)
from keywright.cli.errors import CommandError
from keywright.clouds.alibaba.modelstudio.marked_keys import remove_marked
from keywright.clouds.alibaba.modelstudio.marks import Description, owner_hash
from keywright.clouds.aws import marked_removal
from keywright.clouds.aws.api_gateway.errors import failure_from_gateway
from keywright.clouds.aws.iam.errors import failure_from_iam
from keywright.clouds.owner_tags import NotRemovedError
from keywright.cluster.operator_state import CONFIG_MAP
from keywright.planning.orphans import entry_of

# A user without keys, and a plan without keys, after the keys.
_ORDER: Final = (
    *(Kind.CREDENTIAL, Kind.USER, Kind.API_KEY, Kind.PLAN, Kind.MODEL_STUDIO_KEY),
    Kind.ENTRY,
)

_ATTEMPTS: Final = 5
_PAUSE: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Removed:
    """The result for one finding; `error` is empty if it was removed."""

    finding: Finding
    error: str = ""


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """The removable findings, in the order of their removal."""
    chosen = [finding for finding in findings if finding.action]
    return sorted(chosen, key=lambda each: (_ORDER.index(each.kind), each.sort_key))


def check_unattended(grants: Mapping[str, GrantFacts], *, number: int) -> None:
    """Refuse to remove everything without a question.

    After a restore, the resources may exist again before the grants that own them.

    Raises:
        CommandError: the cluster has no grant at all.
    """
    if grants:
        return
    raise CommandError(
        f"the cluster has no ApiKeyGrant, so that all {number} resources look unowned.",
        remedy="Restore the grants first. If there are to be none, leave out --yes and confirm.",
    )


@dataclass(frozen=True, slots=True)
class Remover:
    """Removes one finding after the other, with the session of a source of its account.

    `grants` are those that exist now, by their owner tags.
    """

    client: ClusterClient
    listings: Listings
    grants: Mapping[str, GrantFacts]
    operator_namespace: str
    entries: frozenset[str]

    async def remove(self, finding: Finding) -> Removed:
        """Remove the resource of a finding, and nothing else."""
        try:
            why = await asyncio.to_thread(self._why_not, finding)
            if why:
                return Removed(finding, why)
            if finding.kind is Kind.ENTRY:
                await asyncio.to_thread(self._forget, finding.name)
            else:
                await self._in_cloud(finding)
                entry = entry_of(finding.key_id)
                if entry in self.entries:
                    await asyncio.to_thread(self._forget, entry)
        except Failure as failure:
            return Removed(finding, failure.message_with_remedy())
        except NotRemovedError as error:
            return Removed(finding, str(error))
        except CommandError as error:
            return Removed(finding, error.message)
        except ApiError as error:
            return Removed(finding, f"the API server refuses a request: {error}")
        return Removed(finding)

    def _why_not(self, finding: Finding) -> str:
        """Why the finding is not one any more; empty if it still is."""
        if finding.reason is Reason.STALE_ENTRY:
            return ""
        if finding.description is not None and finding.reason is Reason.NO_GRANT:
            return "its grant exists now" if self._has_owner(finding.description) else ""
        grant = self.grants.get(finding.grant)
        namespace, _, name = finding.grant.partition("/")
        path = grant_path(grant.namespace, grant.name) if grant else grant_path(namespace, name)
        body = self.client.find(path)
        if finding.reason is Reason.NO_GRANT:
            return "" if body is None and grant is None else "its grant exists now"
        if body is None or grant is None or facts_of(body) != grant:
            return "its grant has changed since the audit"
        return self._why_secret(finding, grant)

    def _has_owner(self, description: Description) -> bool:
        """Whether any grant is the owner in a description, which has no whole name."""
        bodies = self.client.items(f"{CUSTOM}/{GRANT_PLURAL}")
        owners = {facts_of(body).owner for body in bodies} | set(self.grants)
        return description.owner in map(owner_hash, owners)

    def _why_secret(self, finding: Finding, grant: GrantFacts) -> str:
        """Why the Secret of the grant prevents it: it may name a key that the status lost."""
        secret = self.client.find(secret_path(grant.namespace, grant.secret), accept=METADATA)
        annotations = ((secret or {}).get("metadata") or {}).get("annotations") or {}
        named = {annotations.get(ANNOTATION_KEY_ID), annotations.get(ANNOTATION_REPLACES)}
        return "the Secret of its grant contains it" if finding.key_id in named else ""

    async def _in_cloud(self, finding: Finding) -> None:
        """Remove it with the first source of the account that may."""
        failures: list[Failure] = []
        for access in self.listings.access[finding.account]:
            try:
                await _attempt(access, finding)
            except Failure as failure:
                failures.append(failure)
                if failure.reason not in {"AccessDenied", "AccessDeniedException"}:
                    break
            else:
                return
        raise failures[-1]

    def _forget(self, entry: str) -> None:
        path = f"/api/v1/namespaces/{self.operator_namespace}/configmaps/{CONFIG_MAP}"
        self.client.patch(path, {"data": {entry: None}})


async def _attempt(access: Access, finding: Finding) -> None:
    """Remove it, again if the cloud asks to wait; raises Failure or NotRemovedError."""
    for attempt in range(_ATTEMPTS):
        try:
            if finding.description is not None:
                api = access.model_studio(finding.region)
                await remove_marked(api, finding.name, listed=finding.description)
            else:
                await _in_aws(access, finding)
        except Failure as failure:
            if failure.kind is not FailureClass.THROTTLED or attempt == _ATTEMPTS - 1:
                raise
            await asyncio.sleep((failure.retry_after or _PAUSE).total_seconds())
        else:
            return


async def _in_aws(access: Access, finding: Finding) -> None:
    service, call = _call_of(finding)
    try:
        await access.run(service, call, region=finding.region or access.source.region)
    except NotRemovedError:
        raise
    except Exception as error:
        raise (
            failure_from_iam(error, user=finding.user)
            if service == "iam"
            else failure_from_gateway(error)
        ) from None


def _call_of(finding: Finding) -> tuple[str, Callable[[Any], None]]:
    """The service and the call that removes a finding."""
    tags = finding.marks.tags
    match finding.kind:
        case Kind.CREDENTIAL:
            call = partial(
                marked_removal.remove_credential,
                credential=finding.name,
                user=finding.user,
                tags=tags,
            )
            return "iam", call
        case Kind.USER if finding.untag:
            return "iam", partial(marked_removal.untag_user, name=finding.name, tags=tags)
        case Kind.USER:
            return "iam", partial(marked_removal.remove_user, name=finding.name, tags=tags)
        case Kind.API_KEY:
            return "apigateway", partial(
                marked_removal.remove_api_key, key_id=finding.name, tags=tags
            )
        case Kind.PLAN:
            return "apigateway", partial(
                marked_removal.remove_plan, plan_id=finding.name, tags=tags
            )
        case Kind.ACCESS_KEY | Kind.MODEL_STUDIO_KEY | Kind.ENTRY:
            raise AssertionError(finding.kind)
