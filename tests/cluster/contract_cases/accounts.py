"""Who is let in, and the tokens of ServiceAccounts."""

from __future__ import annotations

from tests.cluster.contract_cases.steps import Case, Step

_ACCOUNT = "/api/v1/namespaces/{ns}/serviceaccounts/default"


def _request(**spec: object) -> dict[str, object]:
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}


_TOKENS = Case(
    "tokens",
    (
        Step(method="GET", path=_ACCOUNT, eventually=True, compare=False),  # versions by chance
        Step(
            method="POST",
            path=f"{_ACCOUNT}/token",
            body=_request(audiences=["x"], expirationSeconds=60),
            status=422,
            reason="Invalid",
            message='TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: '
            "Invalid value: 60: may not specify a duration less than 10 minutes",
        ),
        Step(
            method="POST",
            path=f"{_ACCOUNT}/token",
            body=_request(audiences=["x"], expirationSeconds=600),
            status=201,
            fields={"spec.audiences": ["x"], "spec.expirationSeconds": 600},
            compare=False,  # the real one adds managedFields to what it never stores
        ),
        Step(
            method="GET",
            path="/api/v1/namespaces/{ns}/secrets",
            token=lambda answers: str(answers[2].document["status"]["token"]),
            status=401,
            reason="Unauthorized",
            message="Unauthorized",
        ),
        Step(
            method="POST",
            path="/api/v1/namespaces/{ns}/serviceaccounts/absent/token",
            body=_request(),
            status=404,
            message='serviceaccounts "absent" not found',
        ),
        Step(
            method="GET",
            path="/api/v1/namespaces/{ns}/secrets",
            token=lambda _: "nonsense",
            status=401,
            reason="Unauthorized",
        ),
        Step(
            method="GET",
            path="/api/v1/namespaces/{ns}/secrets",
            token=lambda _: "",
            status=403,
            message='secrets is forbidden: User "system:anonymous" cannot list resource "secrets" '
            'in API group "" in the namespace "contract-tokens"',
        ),
    ),
)

CASES = (_TOKENS,)
