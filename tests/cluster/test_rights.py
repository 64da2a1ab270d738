"""The shipped rights are those that are used: seen in the audit log, right by right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from testbed.operators import OperatorProcess
from testbed.processes import free_port
from testbed.workloads import PLURALS, WorkloadControllers
from testbed.world import MANIFESTS, World
from tests.cluster.chains import EVERYTHING
from tests.cluster.commands import kustomized
from tests.cluster.eventually import eventually
from tests.cluster.long_term import BOUNDARY, LongTermTenant, admin_of, document
from tests.cluster.rights import Right, Used, granted, rights, used
from tests.cluster.rollouts import install_argo, let_restart, mark, workload
from tests.cluster.scrapes import scrape, token_of
from tests.cluster.tenants import SOURCE, Tenant, after_the_second_of
from tests.cluster.worlds import MakeWorld

pytestmark = pytest.mark.xdist_group("rights")

_OURS = "keywright.dev"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_LISTED = ("team-a", "team-b")
_RESTARTING = ("get", "list", "patch")
_NOT_TO_APPLY = ("Deployment", "Service", "PodDisruptionBudget")


class Team(Tenant):
    """A namespace by that name."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name=name)
        self.namespace = self.role = name


@dataclass(frozen=True)
class Stage:
    """A world, two tenants of it, and the operator."""

    world: World
    operator: OperatorProcess
    first: Team
    second: Team
    metrics_port: int


def _key_of_a_session(stage: Stage) -> None:
    stage.first.become_ready()


def _role_by_annotation(stage: Stage) -> None:
    account = f"/api/v1/namespaces/{stage.first.namespace}/serviceaccounts/chat-bedrock"
    annotation = {"eks.amazonaws.com/role-arn": stage.first.role_arn}
    stage.first.patch(account, {"metadata": {"annotations": annotation}})
    stage.first.apply_source(name="by-annotation", roleArn=None)
    stage.first.apply_grant(name="by-annotation", source="by-annotation")
    stage.first.ready(name="by-annotation")


def _access_key(stage: Stage) -> None:
    key = stage.world.aws.create_user(name="static", policies={"everything": EVERYTHING})
    stage.first.create_secret(
        name="cloud-key",
        AWS_ACCESS_KEY_ID=key.access_key_id,
        AWS_SECRET_ACCESS_KEY=key.secret_key,
    )
    body = stage.first.source_body(name="static")
    body["spec"]["aws"] = {
        "region": "us-west-2",
        "accessKey": {"secretRef": {"name": "cloud-key"}},
    }
    stage.world.api.apply(body)
    stage.first.apply_grant(name="static", source="static")
    stage.first.ready(name="static")


def _source_by_label(stage: Stage) -> None:
    allowed = {"selector": {"matchLabels": {"team": "x"}}}
    stage.first.patch(stage.first.source_path(), {"spec": {"allowedNamespaces": allowed}})
    shared = {"name": SOURCE, "namespace": stage.first.namespace}
    stage.second.apply_grant(name="shared", sourceRef=shared)
    stage.second.reported("Stalled", reason="SourceNotAllowed", name="shared")
    path = f"/api/v1/namespaces/{stage.second.namespace}"
    stage.second.patch(path, {"metadata": {"labels": {"team": "x"}}})
    stage.second.ready(name="shared")


def _other_layout(stage: Stage) -> None:
    stage.first.edit_grant(secret={"formats": ["BedrockEnv", "OpenAIEnv", "DotEnv"]})
    eventually(lambda: ".env" in stage.first.data())


def _key_in_the_cloud(stage: Stage) -> None:
    iam = admin_of(stage.world)
    stage.world.aws.create_managed_policy(name=BOUNDARY, document=document("boundary-policy.json"))
    lasting = LongTermTenant(stage.world, name="lasting", iam=iam)
    lasting.namespace = stage.second.namespace
    lasting.prepare()
    lasting.apply_source(sessionDuration=None)
    lasting.apply_key(name="lasting")
    lasting.ready(name="lasting")
    stage.world.api.delete(lasting.grant_path("lasting"))
    eventually(lambda: not stage.world.api.exists(lasting.grant_path("lasting")), seconds=40)
    assert lasting.live_keys() == set()


def _key_that_is_left(stage: Stage) -> None:
    """Its role may do nothing any more when the grant is deleted."""
    lasting = LongTermTenant(stage.world, name="left", iam=None)
    lasting.namespace = stage.second.namespace
    lasting.prepare()
    lasting.apply_source(name="left", sessionDuration=None)
    lasting.apply_grant(
        name="left", source="left", bedrockShortTermKey=None, bedrockLongTermKey=lasting.key_spec()
    )
    lasting.ready(name="left")
    nothing = {"Version": "2012-10-17", "Statement": []}
    stage.world.aws.put_role_policy(role=lasting.role, name="permissions", document=nothing)
    stage.world.api.delete(lasting.grant_path("left"))
    eventually(lambda: not stage.world.api.exists(lasting.grant_path("left")), seconds=120)
    listed = "/api/v1/namespaces/keywright-system/configmaps/keywright-orphans"
    assert stage.world.api.get(listed)["data"]


def _restarts(stage: Stage) -> None:
    team = stage.first
    let_restart(team)
    install_argo(stage.world)
    for kind in PLURALS:
        stage.world.api.create(workload(team, kind, kind.lower()))
    by_name = [{"kind": kind, "name": kind.lower()} for kind in PLURALS]
    by_label = [{"kind": kind, "selector": {"matchLabels": {"tier": "chat"}}} for kind in PLURALS]
    with WorkloadControllers(stage.world, namespace=team.namespace):
        for name, targets in (("by-name", by_name), ("by-label", by_label)):
            team.apply_grant(name=name, rollout={"restart": targets, "minInterval": "1s"})
            after_the_second_of(team.ready(name=name))
            requested = datetime.now(UTC).isoformat()
            team.annotate_grant(name=name, **{"keywright.dev/renew-requested-at": requested})
            _restarted(team, name)


def _restarted(team: Team, name: str) -> None:
    annotation = f"restarted-for.keywright.dev/{name}"
    eventually(
        lambda: all(mark(team, kind, kind.lower(), annotation=annotation) for kind in PLURALS),
        seconds=40,
    )


def _edits_while_it_works(stage: Stage) -> None:
    team = stage.first
    team.apply_source(name="edited", sessionName="edited")
    team.world.aws.delay("sts", seconds=2.0)
    calls = len(team.world.aws.calls(service="sts"))
    team.apply_grant(name="edited", source="edited")
    paths = (team.grant_path("edited"), team.source_path("edited"))

    def edited() -> bool:
        for path in paths:
            mark = {"metadata": {"annotations": {"example.com/edited": str(datetime.now(UTC))}}}
            team.patch(path, mark)
        return len(team.world.aws.calls(service="sts")) > calls + 1

    eventually(edited, seconds=40)
    team.world.aws.clear_faults()
    team.ready(name="edited")


@dataclass(frozen=True, slots=True)
class Feature:
    """What a tenant does, and the rights that the operator needs for it."""

    name: str
    walk: Callable[[Stage], None]
    uses: frozenset[Right]

    def __str__(self) -> str:
        return self.name


def _scraped(stage: Stage) -> None:
    token = token_of(stage.world, "scraper", reader=True)
    eventually(lambda: scrape(stage.metrics_port, token)[0] == 200)


def _start(_: Stage) -> None:
    """Already done."""


FEATURES = (
    Feature(
        "one replica leads",
        _start,
        rights("coordination.k8s.io", "leases", "create", "get", "update"),
    ),
    Feature(
        "the fingerprint key is made once and read at each start",
        _start,
        rights("", "secrets", "create", "get"),
    ),
    Feature(
        "the id of the cluster is read at each start",
        _start,
        rights("", "namespaces", "get"),
    ),
    Feature(
        "a key of a session",
        _key_of_a_session,
        rights(_OURS, "credentialsources", "list", "watch")
        | rights(_OURS, "apikeygrants", "list", "watch")
        | rights(_OURS, "credentialsources/status", "patch")
        | rights(_OURS, "apikeygrants/status", "patch")
        | rights("", "serviceaccounts/token", "create")
        | rights("", "secrets", "list", "watch", "patch", "create")
        | rights("events.k8s.io", "events", "create"),
    ),
    Feature(
        "a role by the ServiceAccount's annotation",
        _role_by_annotation,
        rights("", "serviceaccounts", "get"),
    ),
    Feature("an access key out of a Secret", _access_key, rights("", "secrets", "get", "watch")),
    Feature(
        "a source shared by labels of namespaces",
        _source_by_label,
        rights("", "namespaces", "list", "watch"),
    ),
    Feature("another layout of the same key", _other_layout, rights("", "secrets", "get")),
    Feature(
        "a managed key, with its finalizer",
        _key_in_the_cloud,
        rights(_OURS, "apikeygrants", "patch"),
    ),
    Feature(
        "a key that could not be revoked is listed",
        _key_that_is_left,
        rights("", "configmaps", "create", "get", "patch"),
    ),
    Feature(
        "readers restarted, by name and by label",
        _restarts,
        frozenset().union(
            *(
                rights("argoproj.io" if kind == "Rollout" else "apps", plural, *_RESTARTING)
                for kind, plural in PLURALS.items()
            )
        ),
    ),
    Feature(
        "metrics for clients that RBAC allows",
        _scraped,
        rights("authentication.k8s.io", "tokenreviews", "create")
        | rights("authorization.k8s.io", "subjectaccessreviews", "create"),
    ),
    Feature(
        "edits that come in the middle of work",
        _edits_while_it_works,
        rights(_OURS, "apikeygrants", "get") | rights(_OURS, "credentialsources", "get"),
    ),
)


@dataclass(frozen=True, slots=True)
class Walked:
    """An installation after all features: what was granted, and what was used of it."""

    granted: frozenset[Right]
    used: Used


def _everywhere(_: World) -> tuple[str, ...]:
    """The rights that every world has."""
    return ()


def _listed(world: World) -> tuple[str, ...]:
    """The overlay's rights instead; the operator's arguments for it."""
    world.api.delete(f"{_RBAC}/clusterrolebindings/keywright")
    world.api.delete(f"{_RBAC}/clusterroles/keywright")
    for each in kustomized(MANIFESTS / "listed-namespaces"):
        if each["kind"] not in _NOT_TO_APPLY:
            world.api.apply(each)
    return tuple(f"--namespace={name}" for name in _LISTED)


@pytest.fixture(scope="module", params=[_everywhere, _listed], ids=["all", "listed namespaces"])
def walked(request: pytest.FixtureRequest, make_world: MakeWorld) -> Iterator[Walked]:
    """Every feature, one after the other, with one operator; it is stopped: watches are over."""
    install: Callable[[World], tuple[str, ...]] = request.param
    with make_world() as world:
        if world.cluster.audit_log is None:
            pytest.skip("this cluster does not show its audit log")
        teams = [Team(world, name) for name in _LISTED]
        for team in teams:
            team.prepare()
        port = free_port()
        metrics = ("--metrics-auth=kubernetes", f"--metrics-address=127.0.0.1:{port}")
        operator = world.operator(arguments=(*install(world), *metrics), fork="keywright")
        operator.start()
        first, second = teams
        stage = Stage(world, operator, first, second, port)
        for feature in FEATURES:
            feature.walk(stage)
        assert operator.stop() == 0
        yield Walked(granted(world), used(world.cluster.audit_log))


def test_no_right_is_granted_that_no_feature_uses(walked: Walked) -> None:
    """Rule 12: what the roles allow is what the table says, and the audit log has seen it used."""
    table = frozenset().union(*(feature.uses for feature in FEATURES))
    assert sorted(map(str, walked.granted - walked.used.rights)) == []
    assert sorted(map(str, walked.granted ^ table)) == []


@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_a_feature_has_used_what_the_table_says(walked: Walked, feature: Feature) -> None:
    """Seen by the API server in the course of the walk."""
    assert sorted(map(str, feature.uses - walked.used.rights)) == []


def test_nothing_was_refused(walked: Walked) -> None:
    """The operator asks for nothing that it may not have."""
    assert walked.used.refused == ()
