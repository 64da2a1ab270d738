"""Many API Gateway keys from one file: what is imported, reported, and changed by an edit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from testbed.operators import OperatorProcess
from tests.cluster.eventually import eventually
from tests.cluster.gateway import KEY, GatewayTenant
from tests.cluster.tenants import condition

_KEYS = 50
_PLANS = ("", "", "zzzzzz")


@pytest.fixture
def tenant(new_gateway_tenant: Callable[[], GatewayTenant]) -> GatewayTenant:
    """A namespace whose grants are API Gateway keys."""
    return new_gateway_tenant()


def file(tenant: GatewayTenant, *names: str, **cells: str) -> str:
    """A file of keys; `cells` are values for names that want another one."""
    rows = [f"{name},{cells.get(name, tenant.value(name))},about {name},true" for name in names]
    return "\n".join(("name,key,description,Enabled", *rows))


def import_file(tenant: GatewayTenant, text: str, **csv_from: object) -> None:
    """A grant that imports it, applied."""
    tenant.put_input("file", text)
    tenant.apply_source()
    requested = {**tenant.made_plan(), **tenant.csv_from("file", **csv_from)}
    tenant.apply_key(spec={"secret": {"formats": None}}, **requested)


def names_of(tenant: GatewayTenant) -> set[str]:
    """The names of the keys that were made for the grant."""
    return {key["name"] for key in tenant.made_keys()}


def test_fifty_keys_with_three_bad_rows(tenant: GatewayTenant) -> None:
    """The other 47 work; the condition names the three rows and says why."""
    names = [f"partner-{number}" for number in range(1, _KEYS + 1)]
    short = {"partner-7": "too-short", "partner-21": tenant.value("partner-20")}
    names[41] = "partner 42"
    import_file(tenant, file(tenant, *names, **short))
    status = tenant.ready()
    message = condition(status, "Ready")["message"]
    for words in (
        "3 of 50 rows were left out",
        "row 7 (partner-7): its key has 9 characters",
        "row 21 (partner-21): row 20 has the same key",
        "row 42 (partner 42): its name cannot be that of an entry of a Secret",
    ):
        assert words in message
    good = set(names) - {"partner-7", "partner-21", "partner 42"}
    data = tenant.data()
    assert data == {name: tenant.value(name) for name in good}
    assert names_of(tenant) == good
    (plan,) = tenant.plans().values()
    assert len(tenant.plan_keys(plan["id"])) == len(good)
    assert [name for name in good if not tenant.works({KEY: data[name]})] == []
    (imported,) = tenant.world.aws.calls(service="apigateway", action="ImportApiKeys")[-1:]
    assert imported.status == 201
    keys = {key["name"]: key for key in tenant.made_keys()}
    assert keys["partner-1"]["description"] == "about partner-1"
    tenant.delete()
    assert (names_of(tenant), tenant.plans()) == (set(), {})


def test_fail_on_warnings_makes_none(tenant: GatewayTenant) -> None:
    """One invalid row is named and prevents the import of all; once fixed, all are imported."""
    import_file(tenant, file(tenant, "a", "b", "c", b="short"), failOnWarnings=True)
    message = condition(tenant.reported("Stalled", reason="ImportWarnings"), "Stalled")["message"]
    assert "row 2 (b): its key has 5 characters" in message
    assert "failOnWarnings" in message
    assert (names_of(tenant), tenant.plans()) == (set(), {})
    tenant.put_input("file", file(tenant, "a", "b", "c"))
    tenant.ready()
    assert names_of(tenant) == {"a", "b", "c"}


def test_what_only_api_gateway_sees_is_told_as_well(tenant: GatewayTenant) -> None:
    """Rows with a missing plan or with a value of another owner are skipped."""
    tenant.foreign_key(tenant.plan(), value=tenant.value("b"))
    rows = [f"{name},{tenant.value(name)},{plan}" for name, plan in zip("abc", _PLANS, strict=True)]
    import_file(tenant, "\n".join(("Name,Key,UsagePlanIds", *rows)))
    message = condition(tenant.ready(), "Ready")["message"]
    assert "row 2 (b): its key is that of API key" in message
    assert "row 3 (c): there is no usage plan zzzzzz" in message
    assert names_of(tenant) == {"a"}


def test_a_changed_file_changes_the_keys(tenant: GatewayTenant) -> None:
    """New rows are imported, changed ones edited, removed ones go after the overlap.

    What stays is the same key; the Secret says at once what the file says.
    """
    import_file(tenant, file(tenant, "a", "b", "c"))
    tenant.ready()
    before = {key["name"]: key["id"] for key in tenant.made_keys()}
    tenant.put_input("file", file(tenant, "b", "c", "d"))
    tenant.revision(2)
    assert tenant.data() == {name: tenant.value(name) for name in ("b", "c", "d")}
    assert tenant.works({KEY: tenant.value("a")})
    eventually(lambda: names_of(tenant) == {"b", "c", "d"})
    after = {key["name"]: key["id"] for key in tenant.made_keys()}
    assert (after["b"], after["c"]) == (before["b"], before["c"])
    assert tenant.works({KEY: tenant.value("b")})
    assert tenant.works({KEY: tenant.value("d")})


def test_a_lost_answer_of_an_import_doubles_nothing(tenant: GatewayTenant) -> None:
    """Keys that were imported without a word are found by their marks, and used."""
    tenant.world.aws.lose_answer("apigateway", "ImportApiKeys")
    import_file(tenant, file(tenant, "a", "b"))
    status = tenant.ready()
    assert status["revision"] == 1
    keys = tenant.made_keys()
    assert sorted(key["name"] for key in keys) == ["a", "b"]
    assert {key["description"] for key in keys} == {"about a", "about b"}
    assert tenant.works({KEY: tenant.value("a")})


def test_a_lost_entry_is_repaired_with_the_same_keys(tenant: GatewayTenant) -> None:
    """Edited or deleted by hand, the Secret holds the same keys again."""
    import_file(tenant, file(tenant, "a", "b"))
    tenant.ready()
    before = {key["name"]: key["id"] for key in tenant.made_keys()}
    tenant.patch(tenant.secret_path(), {"data": {"a": None}})
    eventually(lambda: tenant.data() == {"a": tenant.value("a"), "b": tenant.value("b")})
    tenant.world.api.delete(tenant.secret_path())
    eventually(lambda: tenant.has_secret() and set(tenant.data()) == {"a", "b"})
    assert {key["name"]: key["id"] for key in tenant.made_keys()} == before


def test_a_file_that_is_none_is_told(tenant: GatewayTenant) -> None:
    """The condition names the field and how such a file begins; once fixed, it is imported."""
    import_file(tenant, "just some text")
    message = condition(tenant.reported("Stalled", reason="FileInvalid"), "Stalled")["message"]
    assert "spec.apiGatewayKey.csvFrom.secretKeyRef" in message
    assert "names no column Name and Key" in message
    tenant.put_input("file", file(tenant, "a"))
    tenant.ready()


def test_a_file_that_went_from_its_secret_is_reported(
    tenant: GatewayTenant, operator: OperatorProcess
) -> None:
    """With and without a running operator: existing keys stay, and the grant recovers."""
    import_file(tenant, file(tenant, "a", "b"))
    tenant.ready()
    data = tenant.data()
    for stopped in (False, True):
        if stopped:
            operator.stop()
        tenant.patch(tenant.secret_path("file-input"), {"data": {"input": None}})
        if stopped:
            operator.start()
        reported = tenant.reported("RenewalFailing", reason="SecretNotFound")
        assert "csvFrom" in condition(reported, "RenewalFailing")["message"]
        assert condition(reported, "Ready")["status"] == "True"
        assert tenant.data() == data
        tenant.put_input("file", file(tenant, "a", "b"))
        eventually(lambda: not condition(tenant.status(), "RenewalFailing"))


def test_a_row_that_went_while_no_operator_ran_retires_its_key(
    tenant: GatewayTenant, operator: OperatorProcess
) -> None:
    """As one that is removed while it runs; the others are the same keys."""
    import_file(tenant, file(tenant, "a", "b", "c"))
    tenant.ready()
    before = {key["name"]: key["id"] for key in tenant.made_keys()}
    operator.stop()
    tenant.put_input("file", file(tenant, "b", "c"))
    operator.start()
    tenant.revision(2)
    assert set(tenant.data()) == {"b", "c"}
    eventually(lambda: names_of(tenant) == {"b", "c"})
    after = {key["name"]: key["id"] for key in tenant.made_keys()}
    assert after == {name: before[name] for name in ("b", "c")}
