"""Removes findings of an audit, each after a check that it is one still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from keywright.api.errors import ApiError, Failure, FailureClass
from keywright.api.names import ANNOTATION_KEY_ID, ANNOTATION_REPLACES
from keywright.cli.auditing.findings import Finding, Kind, Reason
from keywright.cli.auditing.grants import GrantFacts, facts_of
from keywright.cli.auditing.listing import Access, Listings
from keywright.cli.cluster_client import METADATA, ClusterClient, grant_path, secret_path
from keywright.cli.errors import CommandError
from keywright.clouds.aws import marked_removal
from keywright.clouds.aws.api_gateway.errors import failure_from_gateway
from keywright.clouds.aws.iam.errors import failure_from_iam
from keywright.cluster.operator_state import CONFIG_MAP
from keywright.planning.orphans import entry_of

# A user without keys, and a plan without keys, after the keys.
_ORDER: Final = (Kind.CREDENTIAL, Kind.USER, Kind.API_KEY, Kind.PLAN, Kind.ENTRY)

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
        except marked_removal.NotRemovedError as error:
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
        grant = self.grants.get(finding.grant)
        namespace, _, name = finding.grant.partition("/")
        path = grant_path(grant.namespace, grant.name) if grant else grant_path(namespace, name)
        body = self.client.find(path)
        if finding.reason is Reason.NO_GRANT:
            return "" if body is None and grant is None else "its grant exists now"
        if body is None or grant is None or facts_of(body) != grant:
            return "its grant has changed since the audit"
        return self._why_secret(finding, grant)

    def _why_secret(self, finding: Finding, grant: GrantFacts) -> str:
        """Why the Secret of the grant prevents it: it may name a key that the status lost."""
        secret = self.client.find(secret_path(grant.namespace, grant.secret), accept=METADATA)
        annotations = ((secret or {}).get("metadata") or {}).get("annotations") or {}
        named = {annotations.get(ANNOTATION_KEY_ID), annotations.get(ANNOTATION_REPLACES)}
        return "the Secret of its grant contains it" if finding.key_id in named else ""

    async def _in_cloud(self, finding: Finding) -> None:
        """Remove it with the first source of the account that may."""
        service, call = _call_of(finding)
        failures: list[Failure] = []
        for access in self.listings.access[finding.account]:
            try:
                await self._attempt(access, finding, service, call)
            except Failure as failure:
                failures.append(failure)
                if failure.reason not in {"AccessDenied", "AccessDeniedException"}:
                    break
            else:
                return
        raise failures[-1]

    @staticmethod
    async def _attempt(
        access: Access, finding: Finding, service: str, call: Callable[[Any], None]
    ) -> None:
        """Call it, again if the cloud asks to wait; raises Failure."""
        region = finding.region or access.source.region
        for attempt in range(_ATTEMPTS):
            try:
                await access.run(service, call, region=region)
            except marked_removal.NotRemovedError:
                raise
            except Exception as error:
                failure = (
                    failure_from_iam(error, user=finding.user)
                    if service == "iam"
                    else failure_from_gateway(error)
                )
                if failure.kind is not FailureClass.THROTTLED or attempt == _ATTEMPTS - 1:
                    raise failure from None
                await asyncio.sleep((failure.retry_after or _PAUSE).total_seconds())
            else:
                return

    def _forget(self, entry: str) -> None:
        path = f"/api/v1/namespaces/{self.operator_namespace}/configmaps/{CONFIG_MAP}"
        self.client.patch(path, {"data": {entry: None}})


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
        case Kind.ACCESS_KEY | Kind.ENTRY:
            raise AssertionError(finding.kind)
