"""The attack table: what a tenant tries who may do everything in its own namespace.

Rules 9 to 12. Whatever is tried, the victim's Secret and status stay as they are, byte for byte.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import pytest

from testbed.clusters.api import ApiError
from testbed.world import World
from tests.cluster.attacks import Attack
from tests.cluster.attacks_at_apply import REFUSED_AT_APPLY
from tests.cluster.attacks_by_condition import REFUSED_BY_CONDITION
from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, KEY, Tenant, condition

_STRICT = {"fieldValidation": "Strict", "dryRun": "All"}


@pytest.fixture
def victim(new_tenant: Callable[[], Tenant]) -> Iterator[Tenant]:
    """A tenant with a valid key, which must not change."""
    made = new_tenant()
    made.become_ready()
    before = made.secret()["data"], made.secret()["metadata"]["resourceVersion"]
    yield made
    assert (made.secret()["data"], made.secret()["metadata"]["resourceVersion"]) == before
    assert condition(made.status(), "Ready")["status"] == "True"


@pytest.fixture
def attacker(new_tenant: Callable[[], Tenant]) -> Tenant:
    """A tenant with a namespace, a ServiceAccount and a role of its own."""
    return new_tenant()


@pytest.mark.parametrize("attack", REFUSED_AT_APPLY, ids=str)
def test_it_is_refused_at_apply(world: World, attack: Attack) -> None:
    """`kubectl apply` says which field, and nothing gets in."""
    tenant = Tenant(world, name="attacker")
    tenant.namespace = "default"
    body = (attack.grant_body if attack.grant else attack.source_body)(tenant, tenant)
    collection = tenant.world.api.path_of(body).rpartition("/")[0]
    with pytest.raises(ApiError) as refused:
        world.api.request("POST", collection, body=body, query=_STRICT)
    assert refused.value.status in (400, 422)
    assert [words for words in attack.says if words not in refused.value.message] == []


@pytest.mark.parametrize("attack", REFUSED_BY_CONDITION, ids=str)
def test_it_is_refused_by_a_condition(attacker: Tenant, victim: Tenant, attack: Attack) -> None:
    """No key is made; the condition says why, in which field, and what to do."""
    attack.prepare(attacker, victim)
    attacker.world.api.apply(attack.source_body(attacker, victim))
    attacker.world.api.apply(attack.grant_body(attacker, victim))
    reported = attacker.reported("Ready", status="False", reason=attack.reason or None)
    message = condition(reported, "Ready")["message"]
    assert [words for words in attack.says if words not in message] == []
    assert not attacker.has_secret() or KEY not in attacker.data()


def test_a_field_that_is_pruned_changes_nothing(attacker: Tenant, victim: Tenant) -> None:
    """Let in by a client that does not validate, another namespace is not even stored."""
    body = attacker.grant_body(secret={"namespace": victim.namespace, "name": "theirs"})
    attacker.apply_source()
    attacker.world.api.create(body)
    attacker.ready()
    assert "namespace" not in attacker.grant()["spec"]["secret"]
    assert attacker.has_secret("theirs")
    assert not victim.has_secret("theirs")


def test_a_forged_status_is_no_way_to_another_key(attacker: Tenant, victim: Tenant) -> None:
    """A status that a tenant edits affects only the tenant's own key, and is repaired."""
    attacker.become_ready()
    theirs = victim.status()
    forged = {name: theirs[name] for name in ("fingerprint", "keyId", "expiresAt", "secretName")}
    forged |= {"retiring": [{"keyId": theirs["keyId"], "retireAt": theirs["issuedAt"]}]}
    forged |= {"pending": {"startedAt": theirs["issuedAt"], "baseline": []}}
    attacker.patch(f"{attacker.grant_path()}/status", {"status": forged})
    eventually(lambda: attacker.status()["secretName"] == GRANT)
    eventually(lambda: attacker.status()["fingerprint"] != theirs["fingerprint"])
    eventually(lambda: not attacker.status().get("retiring"))
    assert "pending" not in attacker.status()
    assert attacker.data() != victim.data()


def test_forged_annotations_of_a_secret_are_repaired(attacker: Tenant, victim: Tenant) -> None:
    """A Secret that says it were another grant's is written again as what it is."""
    attacker.become_ready()
    data = attacker.data()
    mark = victim.secret()["metadata"]["annotations"]["keywright.dev/owner"]
    change = {"keywright.dev/owner": mark, "keywright.dev/expires-at": "2099-01-01T00:00:00Z"}
    attacker.patch(attacker.secret_path(), {"metadata": {"annotations": change}})

    def repaired() -> bool:
        annotations = attacker.secret()["metadata"]["annotations"]
        return bool(annotations["keywright.dev/owner"] != mark)

    eventually(repaired)
    assert attacker.secret()["metadata"]["annotations"]["keywright.dev/expires-at"] < "2099"
    assert attacker.data() == data


def test_a_secret_of_the_same_name_is_never_read_for_another_namespace(
    attacker: Tenant, victim: Tenant
) -> None:
    """A shared source reads its access key in its own namespace, for every grant."""
    user = victim.world.aws.create_user(name=f"u-{victim.namespace}", policies={})
    for tenant, key in ((victim, user.access_key_id), (attacker, "AKIAATTACKERATTACKER")):
        data = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": user.secret_key}
        tenant.create_secret(name="cloud-key", **data)
    body = victim.source_body(name="by-key")
    body["spec"]["aws"] |= {"accessKey": {"secretRef": {"name": "cloud-key"}}}
    del body["spec"]["aws"]["webIdentity"]
    body["spec"]["allowedNamespaces"] = {"names": [attacker.namespace]}
    victim.world.api.apply(body)
    attacker.apply_grant(sourceRef={"name": "by-key", "namespace": victim.namespace})
    assert attacker.ready()["keyId"] == user.access_key_id


def test_a_value_is_never_a_template(attacker: Tenant, victim: Tenant) -> None:
    """What is put in for a variable is not looked at for further ones."""
    assert victim.has_secret()
    attacker.apply_source()
    attacker.apply_grant(
        secret={"data": {"file": "$${apiKey} ${namespace}"}, "annotations": {"a": "${apiKey}"}}
    )
    attacker.ready()
    assert attacker.data()["file"] == f"${{apiKey}} {attacker.namespace}"
    assert attacker.secret()["metadata"]["annotations"]["a"] == "${apiKey}"


def test_a_tenant_never_sees_what_the_operator_is(attacker: Tenant, victim: Tenant) -> None:
    """Neither its token nor its key of fingerprints is in anything that a tenant may read."""
    kept = "/api/v1/namespaces/keywright-system/secrets/keywright-fingerprint-key"
    key = attacker.world.api.get(kept)["data"]["key"]
    attacker.become_ready()
    seen = f"{attacker.grant()}{attacker.secret()}{victim.status()}"
    assert key not in seen
    assert base64.b64decode(key).hex()[:32] not in seen


def test_there_are_as_many_ways_as_promised() -> None:
    """At least twenty-five, each by a name of its own."""
    names = [attack.name for attack in (*REFUSED_AT_APPLY, *REFUSED_BY_CONDITION)]
    assert len(set(names)) == len(names) >= 25
