"""The findings in the IAM users of an account and their keys; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from keywright.api.keys import USER_KINDS
from keywright.cli.auditing.findings import (
    Finding,
    Kind,
    Known,
    Reason,
    established_key,
    missing_finding,
    parts_of,
    words,
)
from keywright.cli.auditing.grants import GrantFacts
from keywright.clouds.aws.marked_resources import IamListing, MarkedUser


def iam_findings(account: str, listing: IamListing, known: Known) -> Iterator[Finding]:
    """The findings in the users of an account."""
    for user in listing.marked:
        if known.is_ours(user.marks):
            yield from _UserFindings(account, user, known).all()
    for grant in known.grants.values():
        if grant.kind in USER_KINDS:
            yield from _missing_credential(account, listing, grant, known)


@dataclass(frozen=True, slots=True)
class _UserFindings:
    """The findings of one tagged user."""

    account: str
    user: MarkedUser
    known: Known

    def all(self) -> Iterator[Finding]:
        """Its keys first, as a user can be deleted only without keys."""
        grant = self.known.grant(self.user.marks)
        keys = list(self._credentials(grant))
        yield from keys
        yield from self._access_keys()
        removed = {finding.name for finding in keys if finding.action}
        held = self.user.credentials
        left = None if held is None else [each.id for each in held if each.id not in removed]
        if grant is None:
            yield self._user(left, Reason.NO_GRANT, "no such grant")
        elif self._is_unused(grant):
            used = f"uses user {grant.user}" if grant.user else "uses no user"
            yield self._user(left, Reason.UNUSED, f"its grant {used}")

    def _is_unused(self, grant: GrantFacts) -> bool:
        """Whether a settled grant uses another user, or none."""
        earlier = self.known.before.get(grant.owner)
        users = {key_id.split("/")[1] for key_id in grant.key_ids if key_id.count("/") == 2}
        return (
            grant.settled
            and earlier is not None
            and earlier.settled
            and self.user.name not in {*users, grant.user, earlier.user}
        )

    def _credentials(self, grant: GrantFacts | None) -> Iterator[Finding]:
        user = self.user
        for credential in user.credentials or ():
            key_id = f"{self.account}/{user.name}/{credential.id}"
            issued = credential.id in user.issued
            if not issued and self.known.is_named(key_id, user.name):
                continue
            if grant is None:
                if not issued and not user.is_created:
                    continue
                reason = Reason.NO_GRANT if issued else Reason.FOREIGN_KEY
                yield self._credential(credential.id, key_id, reason, removable=issued)
            elif not self.known.knows(grant, key_id):
                exclusive = grant.exclusive and credential.service == grant.service
                ours = issued or exclusive
                if not (ours or user.is_created):
                    continue
                reason = Reason.UNKNOWN_KEY if ours else Reason.FOREIGN_KEY
                yield self._credential(credential.id, key_id, reason, removable=ours)

    def _credential(self, name: str, key_id: str, reason: Reason, *, removable: bool) -> Finding:
        details = {
            Reason.NO_GRANT: "no such grant",
            Reason.UNKNOWN_KEY: "its grant does not use this key",
            Reason.FOREIGN_KEY: "not issued by Keywright",
        }
        where = words("--user-name", self.user.name, "--service-specific-credential-id", name)
        return Finding(
            reason=reason,
            kind=Kind.CREDENTIAL,
            account=self.account,
            region="",
            name=name,
            grant=self.user.marks.owner,
            detail=details[reason],
            action=f"delete key {name} of IAM user {self.user.name}" if removable else "",
            cure=f"aws iam delete-service-specific-credential {where}",
            user=self.user.name,
            key_id=key_id,
            marks=self.user.marks,
        )

    def _access_keys(self) -> Iterator[Finding]:
        """Access keys of a user that Keywright created, and gave none."""
        for name in self.user.access_keys or () if self.user.is_created else ():
            where = words("--user-name", self.user.name, "--access-key-id", name)
            yield Finding(
                reason=Reason.FOREIGN_KEY,
                kind=Kind.ACCESS_KEY,
                account=self.account,
                region="",
                name=name,
                grant=self.user.marks.owner,
                detail="not issued by Keywright",
                cure=f"aws iam delete-access-key {where}",
                user=self.user.name,
                marks=self.user.marks,
            )

    def _user(self, left: Sequence[str] | None, reason: Reason, detail: str) -> Finding:
        user, name = self.user, self.user.name
        where = words("--user-name", name)
        action = f"delete IAM user {name} and its policies"
        cure = f"delete its keys and policies, then: aws iam delete-user {where}"
        if not user.is_created:
            action = f"remove Keywright's tags from IAM user {name}"
            cure = f"remove its tags keywright.dev/*: aws iam untag-user {where}"
        blocked = self._why_kept(left)
        if blocked:
            action, detail = "", f"{detail}; {blocked}"
        return Finding(
            reason=reason,
            kind=Kind.USER,
            account=self.account,
            region="",
            name=name,
            grant=user.marks.owner,
            detail=detail,
            action=action,
            cure=cure,
            user=name,
            untag=not user.is_created,
            marks=user.marks,
        )

    def _why_kept(self, left: Sequence[str] | None) -> str:
        """Why the user is not removable, with these keys left; empty if it is."""
        user = self.user
        # Only the tags of an existing user say which of its keys are Keywright's.
        if left is None or (user.is_created and user.access_keys is None):
            return "its keys may not be listed"
        if not user.is_created:
            return ""
        others = [*left, *(user.access_keys or ())]
        return f"it has keys of others: {', '.join(others)}" if others else ""


def _missing_credential(
    account: str, listing: IamListing, grant: GrantFacts, known: Known
) -> Iterator[Finding]:
    key_id = established_key(grant, known)
    owner, user, credential = parts_of(key_id)
    if owner != account or listing.has_credential(user, credential) is not False:
        return
    what = "the key" if user in listing.names else "the user and its key"
    yield missing_finding(Kind.CREDENTIAL, account, "", credential, grant, what=what, user=user)
