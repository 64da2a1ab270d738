"""`keywright renew`, `suspend` and `resume` on a real API server, with an operator that works."""

from __future__ import annotations

from collections.abc import Callable

from keywright.cli.exit_codes import ExitCode
from testbed.clusters.api import APPLY
from tests.cluster.command_line import keywright
from tests.cluster.gateway import PARTNER, GatewayTenant
from tests.cluster.tenants import GRANT, KEY, Tenant, after_the_second_of


def test_a_renewal_is_followed_to_the_new_key(tenant: Tenant) -> None:
    """`--wait` ends with the new revision and its expiry."""
    tenant.become_ready()
    old = tenant.data()[KEY]
    shown = keywright(tenant.world, "renew", GRANT, "-n", tenant.namespace, "--wait")
    assert shown.code == ExitCode.OK, shown
    status = tenant.status()
    assert status["revision"] == 2
    assert f"renewed: revision 2 is valid until {status['expiresAt']}" in shown.out
    assert tenant.data()[KEY] != old
    assert old not in shown.out


def test_two_renewals_within_a_second_issue_a_key_each(tenant: Tenant) -> None:
    """A request is never older than the key that is replaced."""
    tenant.become_ready()
    for revision in (2, 3):
        after_the_second_of(tenant.status())
        shown = keywright(tenant.world, "renew", GRANT, "-n", tenant.namespace, "--wait")
        assert shown.code == ExitCode.OK, shown
        assert tenant.status()["revision"] == revision


def test_all_grants_of_a_source_are_renewed(tenant: Tenant) -> None:
    """And those of other sources are not."""
    tenant.become_ready(name="a")
    tenant.apply_grant(name="b")
    tenant.apply_source(name="other")
    tenant.apply_grant(name="c", source="other")
    for name in "bc":
        tenant.ready(name=name)
    shown = keywright(
        tenant.world, "renew", "--source", "bedrock", "-n", tenant.namespace, "--wait"
    )
    assert shown.code == ExitCode.OK
    assert [tenant.status(name)["revision"] for name in "abc"] == [2, 2, 1]


def test_a_renewal_that_fails_says_why(tenant: Tenant) -> None:
    """The condition's message, and exit code 4 once the time is over."""
    tenant.become_ready()
    tenant.apply_source(roleArn=f"{tenant.role_arn}-missing")
    shown = keywright(
        tenant.world, "renew", GRANT, "-n", tenant.namespace, "--wait", "--timeout=6s"
    )
    assert shown.code in (ExitCode.TIMEOUT, ExitCode.FINDINGS)
    assert "AssumeRole" in shown.out


def test_an_imported_value_is_not_renewed(
    new_gateway_tenant: Callable[[], GatewayTenant],
) -> None:
    """The Event of the operator says what to do instead."""
    tenant = new_gateway_tenant()
    tenant.put_input("value", tenant.value("imported"))
    tenant.key_ready(usagePlan={"id": tenant.plan()}, **tenant.value_from("value"))
    shown = keywright(
        tenant.world, "renew", PARTNER, "-n", tenant.namespace, "--wait", "--timeout=20s"
    )
    assert shown.code == ExitCode.FINDINGS
    assert "not renewed" in shown.out


def test_a_selection_is_names_or_a_source(tenant: Tenant) -> None:
    """Neither, both, or an unknown name renew nothing."""
    tenant.become_ready()
    for arguments in ((), (GRANT, "--source", "bedrock")):
        shown = keywright(tenant.world, "renew", "-n", tenant.namespace, *arguments)
        assert shown.code == ExitCode.USAGE
    for unknown in (["nope"], ["--source", "nope"]):
        shown = keywright(tenant.world, "renew", "-n", tenant.namespace, *unknown)
        assert shown.code == ExitCode.FINDINGS
    assert tenant.status()["revision"] == 1


def test_a_suspended_grant_is_not_renewed_until_it_is_resumed(tenant: Tenant) -> None:
    """Each command says what happens to the key."""
    status = tenant.become_ready()
    suspended = keywright(tenant.world, "suspend", GRANT, "-n", tenant.namespace)
    assert suspended.code == ExitCode.OK
    assert f"expires at {status['expiresAt']}" in suspended.out
    assert "is not renewed before" in suspended.out
    assert "warning" not in suspended.out
    tenant.reported("Ready", reason="Suspended")
    again = keywright(tenant.world, "suspend", GRANT, "-n", tenant.namespace)
    assert "already suspended" in again.out
    shown = keywright(tenant.world, "status", "-n", tenant.namespace)
    assert "Suspended" in shown.out
    refused = keywright(tenant.world, "renew", GRANT, "-n", tenant.namespace, "--wait")
    assert refused.code == ExitCode.FINDINGS
    assert f"keywright resume {GRANT} -n {tenant.namespace}" in refused.out
    resumed = keywright(tenant.world, "resume", GRANT, "-n", tenant.namespace)
    assert "is renewed before" in resumed.out
    tenant.revision(2)


def test_a_manifest_that_owns_the_field_is_named(tenant: Tenant) -> None:
    """Argo CD, Flux or `kubectl apply` would set it back."""
    tenant.apply_source()
    body = tenant.grant_body()
    body["spec"]["suspend"] = False
    tenant.world.api.request(
        "PATCH",
        f"{tenant.grant_path()}?fieldManager=argocd-controller",
        body=body,
        content_type=APPLY,
    )
    tenant.ready()
    shown = keywright(tenant.world, "suspend", GRANT, "-n", tenant.namespace)
    assert "argocd-controller manages spec.suspend" in shown.out


def test_programs_get_a_document(tenant: Tenant) -> None:
    """On stdout alone; what a person reads of the progress is on stderr."""
    tenant.become_ready()
    where = ("-n", tenant.namespace, "-o", "json")
    place = {"namespace": tenant.namespace, "name": GRANT}
    renewed = keywright(tenant.world, "renew", GRANT, "--wait", *where)
    assert renewed.code == ExitCode.OK, renewed
    (item,) = renewed.json()["items"]
    requested_at, detail = item.pop("requestedAt"), item.pop("detail")
    assert item == {**place, "formerRevision": 1, "state": "renewed"}
    assert requested_at == tenant.status()["lastHandledReconcileAt"]
    assert f"valid until {tenant.status()['expiresAt']}" in detail
    assert "requested a renewal" in renewed.err
    for command, suspended in (("suspend", True), ("suspend", True), ("resume", False)):
        changed = tenant.grant()["spec"].get("suspend", False) is not suspended
        shown = keywright(tenant.world, command, GRANT, *where)
        assert shown.json()["kind"] == "SuspensionList"
        (item,) = shown.json()["items"]
        assert "expires" in item.pop("detail")
        ends = tenant.status()["expiresAt"]
        facts = {"suspended": suspended, "changed": changed, "expiresAt": ends, "managers": []}
        assert item == {**place, **facts}
