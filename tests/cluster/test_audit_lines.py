"""The audit log of a day in a cluster: one line and one Event for each action, and no other."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from testbed.clusters.api import Api
from testbed.operators import OperatorProcess
from testbed.world import World
from tests.cluster.eventually import eventually
from tests.cluster.long_term import LongTermTenant, tenants
from tests.cluster.rollouts import let_restart, mark, workload
from tests.cluster.tenants import SOURCE, Document, Tenant, after_the_second_of
from tests.cluster.worlds import MakeWorld

pytestmark = [pytest.mark.xdist_group("audit-lines"), pytest.mark.timeout(180)]

_SHORT = tuple(f"chat-{number}" for number in range(1, 9))
_ACTIONS = ("Issued", "Renewed", "Adopted", "Retired", "Revoked", "Restarted")


@dataclass(frozen=True)
class Day:
    """A world, its operator, and two namespaces with grants."""

    world: World
    operator: OperatorProcess
    chat: Tenant
    lasting: LongTermTenant

    def lines(self) -> list[Document]:
        """The audit lines since the world began, over every start of the operator."""
        found: list[Document] = []
        for line in self.operator.log.read_text().splitlines():
            if line.startswith("{"):
                entry = json.loads(line)
                if entry["logger"] == "keywright.audit":
                    found.append(entry)
        return found

    def events(self) -> Counter[tuple[str, str]]:
        """How many Events of each action each grant has."""
        return Counter(
            (event["regarding"]["name"], event["reason"])
            for tenant in (self.chat, self.lasting)
            for event in _events(self.world.api, tenant.namespace)
            if event["reason"] in _ACTIONS
        )


def _events(api: Api, namespace: str) -> list[Document]:
    found: list[Document] = api.get(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")[
        "items"
    ]
    return found


@pytest.fixture
def day(make_world: MakeWorld) -> Iterator[Day]:
    """Before any grant is applied."""
    with make_world() as world, ExitStack() as ending:
        operator = world.operator(fork="keywright")
        operator.start()
        chat = Tenant(world, name="chat")
        chat.prepare()
        namespaces = tenants(world, name="lasting")
        lasting = next(namespaces)()
        ending.callback(next, namespaces, None)
        yield Day(world, operator, chat, lasting)
        assert operator.stop() == 0


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _renew(tenant: Tenant, name: str) -> None:
    after_the_second_of(tenant.status(name))
    tenant.annotate_grant(name=name, **{"keywright.dev/renew-requested-at": _now()})
    tenant.revision(2, name=name)


def _act(day: Day) -> None:
    """Issue ten keys, adopt a Secret, renew two, rotate one, restart a workload, revoke one."""
    chat, lasting = day.chat, day.lasting
    chat.apply_source()
    for name in _SHORT:
        chat.apply_grant(name=name)
    chat.create_secret(name="taken", owner="another-client")
    chat.apply_grant(name="taken", secret={"adopt": True})
    let_restart(chat)
    day.world.api.apply(workload(chat, "Deployment", "assistant"))
    for name in (*_SHORT, "taken"):
        chat.ready(name=name)
    lasting.key_ready()
    restart = [{"kind": "Deployment", "name": "assistant"}]
    chat.edit_grant(name="chat-3", rollout={"restart": restart})
    chat.ready(name="chat-3")
    for name in ("chat-1", "chat-2", "chat-3"):
        _renew(chat, name)
    annotation = "restarted-for.keywright.dev/chat-3"
    eventually(lambda: mark(chat, "Deployment", "assistant", annotation=annotation))
    _renew(lasting, "chat-key")
    eventually(lambda: len(lasting.live_keys()) == 1)
    day.world.api.delete(lasting.grant_path())
    eventually(lambda: not day.world.api.exists(lasting.grant_path()), seconds=40)


def test_a_day_has_exactly_its_lines(day: Day) -> None:
    """With cause, source, identity, key and expiry; a restart of the operator has none."""
    _act(day)
    chat, lasting = day.chat.namespace, day.lasting.namespace
    expected = Counter(
        {
            **{(f"{chat}/{name}", "Issued", "New"): 1 for name in _SHORT},
            (f"{chat}/taken", "Adopted", "New"): 1,
            **{(f"{chat}/{name}", "Renewed", "Requested"): 1 for name in _SHORT[:3]},
            (f"{chat}/chat-3", "Restarted", "DataChanged"): 1,
            (f"{lasting}/chat-key", "Issued", "New"): 1,
            (f"{lasting}/chat-key", "Renewed", "Requested"): 1,
            (f"{lasting}/chat-key", "Retired", "OverlapEnded"): 1,
            (f"{lasting}/chat-key", "Revoked", "GrantDeleted"): 1,
        }
    )

    def seen() -> Counter[tuple[str, str, str]]:
        return Counter((line["grant"], line["action"], line["reason"]) for line in day.lines())

    eventually(lambda: seen() == expected, reported=lambda: (seen() - expected, expected - seen()))
    of_events = Counter((grant.partition("/")[2], action) for grant, action, _ in expected)
    eventually(
        lambda: day.events() == of_events,
        reported=lambda: (day.events() - of_events, of_events - day.events()),
    )
    _check_facts(day)
    assert day.operator.stop() == 0
    day.operator.start()
    day.chat.apply_grant(name="afterwards")
    day.chat.ready(name="afterwards")
    expected[f"{chat}/afterwards", "Issued", "New"] = 1
    eventually(lambda: seen() == expected, reported=lambda: (seen() - expected, expected - seen()))


def _check_facts(day: Day) -> None:
    """What each line says beside the action."""
    for line in day.lines():
        assert line["level"] == "info"
        assert line["durationSeconds"] >= 0
        assert line["message"].startswith(f"{line['grant']}: ")
        if line["action"] in ("Issued", "Renewed", "Adopted"):
            assert line["identity"].startswith("arn:aws:sts:"), line
        assert line["source"].endswith(f"/{SOURCE}"), line
    issued = {line["grant"]: line for line in day.lines() if line["action"] == "Issued"}
    status = day.chat.status("chat-8")
    line = issued[f"{day.chat.namespace}/chat-8"]
    assert line["expiresAt"] == status["expiresAt"]
    assert line["source"] == f"{day.chat.namespace}/{SOURCE}"
    lasting = [line for line in day.lines() if line["grant"].startswith(day.lasting.namespace)]
    by_action = {line["action"]: line["keyId"] for line in lasting}
    assert by_action["Retired"] == by_action["Issued"]
    assert by_action["Revoked"] == by_action["Renewed"] != by_action["Issued"]


def test_the_first_lines_have_the_version_the_settings_and_the_rights(day: Day) -> None:
    """And kopf's own lines about its activities are not in the log."""
    entries = [
        json.loads(line)
        for line in day.operator.log.read_text().splitlines()
        if line.startswith("{")
    ]
    (started,) = [entry for entry in entries if "version" in entry]
    assert started["message"].endswith("for all namespaces")
    (rights,) = [entry for entry in entries if "rights" in entry]
    assert rights["message"] == "rights: all that are needed"
    assert rights["rights"]["missing"] == []
    assert started["settings"]["lease_name"] == "keywright"
    assert started["settings"]["key_times"]["revocation"]
    assert [entry for entry in entries if entry["logger"].startswith("kopf.activities")] == []
