"""Durations and templates: the API server and the operator judge every field alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from keywright.api.parsing import parse_grant, parse_source
from testbed.clusters.api import ApiError
from testbed.world import World

Spec = dict[str, Any]
_ROLE = "arn:aws:iam::123456789012:role/invoker"
_RAM_ROLE = "acs:ram::123456789012:role/invoker"
_KEY: Spec = {"secretRef": {"name": "key"}}
_WEB: Spec = {"serviceAccountRef": {"name": "chat"}, "roleArn": _ROLE}
_TEXTS = (
    *("12h", "43200s", "0.5d", "0.25d", "0.501d", "13h", "1d", "24h", "1d12h", "0.042d", "0.041d"),
    *("0.01d", "0.001d", "0d12h", "0.5d1s", "59m", "60m", "60m1s", "15m", "899s", "1m", "59s"),
    *("5m", "301s", "10m", "10m1s", "500ms", "1.5h", "0.1ms", "7d", "29d", "30d", "31d", "720h"),
    *("0s", "0d", "0.0d", "0.000h", "0d0s", "1w", "90", "-1h", "1h-1m", ".5h", "1.h", "1h1d"),
    *("1d1d", "1,5h", "1H", "1 h", " 1h", "1e3s", "0.1234h", "1us", "9999d", "99999d", "999999d"),
    *("9999h", "99999h", "999999h", "000012h", "999999ms", "d", "h", "\u0661h", "30%", "0%"),
)

_DAYS_NOT_FIRST = ("1h1d", "1d1d")


def _grant(**spec: Any) -> Spec:
    return {"sourceRef": {"name": "bedrock"}, "bedrockShortTermKey": {}, **spec}


def _long_term(**more: Any) -> Spec:
    key = {"user": {"name": "chat"}, **more}
    return {"sourceRef": {"name": "bedrock"}, "bedrockLongTermKey": key}


def _gateway(**more: Any) -> Spec:
    key = {"usagePlan": {"name": "gold"}, **more}
    return {"sourceRef": {"name": "bedrock"}, "apiGatewayKey": key}


def _aws(**more: Any) -> Spec:
    return {"aws": {"region": "us-west-2", **more}}


def _alibaba(**more: Any) -> Spec:
    return {"alibabaCloud": {"regionId": "cn-hangzhou", **more}}


_FIELDS: dict[str, Callable[[str], Spec]] = {
    "bedrockShortTermKey.duration": lambda t: _grant(bedrockShortTermKey={"duration": t}),
    "bedrockLongTermKey.rotateEvery": lambda t: _long_term(rotateEvery=t),
    "bedrockLongTermKey.overlap": lambda t: _long_term(rotateEvery="30d", overlap=t),
    "sessionCredentials.duration": lambda t: {
        "sourceRef": {"name": "bedrock"},
        "sessionCredentials": {"duration": t},
    },
    "apiGatewayKey.rotateEvery": lambda t: _gateway(rotateEvery=t),
    "apiGatewayKey.overlap": lambda t: _gateway(rotateEvery="30d", overlap=t),
    "apiGatewayKey.propagation": lambda t: _gateway(propagation=t),
    "renewal.before": lambda t: _grant(renewal={"before": t}),
    "renewal.windows": lambda t: _grant(
        renewal={"windows": [{"schedule": "0 2 * * *", "duration": t}]}
    ),
    "probe.timeout": lambda t: _grant(probe={"mode": "Bedrock", "timeout": t}),
    "rollout.minInterval": lambda t: _grant(
        rollout={"restart": [{"kind": "Deployment", "name": "chat"}], "minInterval": t}
    ),
    "webIdentity.sessionDuration": lambda t: _aws(webIdentity={**_WEB, "sessionDuration": t}),
    "hop of a session": lambda t: _aws(
        webIdentity=_WEB, assumeRoles=[{"roleArn": _ROLE, "sessionDuration": t}]
    ),
    "hop of a key": lambda t: _aws(
        accessKey=_KEY, assumeRoles=[{"roleArn": _ROLE, "sessionDuration": t}]
    ),
    "second hop of a key": lambda t: _aws(
        accessKey=_KEY,
        assumeRoles=[{"roleArn": _ROLE}, {"roleArn": _ROLE, "sessionDuration": t}],
    ),
    "connectTimeout": lambda t: _alibaba(accessKey=_KEY, connectTimeout=t),
    "readTimeout": lambda t: _alibaba(accessKey=_KEY, readTimeout=t),
    "ramRoleArn": lambda t: _alibaba(
        ramRoleArn={**_KEY, "roleArn": _RAM_ROLE, "roleSessionExpiration": t}
    ),
    "oidcRoleArn": lambda t: _alibaba(
        oidcRoleArn={
            "serviceAccountRef": {"name": "chat"},
            "oidcProviderArn": "acs:ram::123456789012:oidc-provider/ack",
            "roleArn": _RAM_ROLE,
            "roleSessionExpiration": t,
        }
    ),
    "rsaKeyPair": lambda t: _alibaba(
        rsaKeyPair={
            "publicKeyId": "LTAI5",
            "privateKeySecretRef": {"name": "key", "key": "private.pem"},
            "sessionExpiration": t,
        }
    ),
    "hop of Alibaba Cloud": lambda t: _alibaba(
        accessKey=_KEY, assumeRoles=[{"roleArn": _RAM_ROLE, "roleSessionExpiration": t}]
    ),
}


def at_apply(world: World, spec: Spec) -> str:
    """What the API server says of a grant or source; empty where it takes it."""
    is_grant = "sourceRef" in spec
    plural = "apikeygrants" if is_grant else "credentialsources"
    body = {
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": "ApiKeyGrant" if is_grant else "CredentialSource",
        "metadata": {"name": "judged"},
        "spec": spec,
    }
    path = f"/apis/keywright.dev/v1alpha1/namespaces/default/{plural}"
    try:
        world.api.request("POST", path, body=body, query={"dryRun": "All"})
    except ApiError as error:
        return str(error)
    return ""


def by_operator(spec: Spec) -> str:
    """What the operator says of it."""
    metadata = {
        "namespace": "default",
        "name": "judged",
        "uid": "u",
        "generation": 1,
        "resourceVersion": "1",
    }
    parse = parse_grant if "sourceRef" in spec else parse_source
    found = parse({"metadata": metadata, "spec": spec})
    return "; ".join(map(str, found)) if isinstance(found, list) else ""


@pytest.mark.parametrize("field", _FIELDS)
def test_a_duration_has_one_verdict(world: World, field: str) -> None:
    """Fractions of days count as what they are; the remedy is in the words, and nothing breaks."""
    differ: dict[str, tuple[str, str]] = {}
    for text in _TEXTS:
        spec = _FIELDS[field](text)
        server, operator = at_apply(world, spec), by_operator(spec)
        if text in _DAYS_NOT_FIRST:
            # The operator reads what was written before the API server refused it.
            assert "days first" in server or "a duration like" in server
        elif bool(server) != bool(operator):
            differ[text] = (server, operator)
        assert "evaluation error" not in server, (text, server)
        remedies = ("lengthen it", "shorten it", "must be a", "or less", "set", "1h")
        assert not server or any(words in server for words in remedies), (text, server)
    assert differ == {}


@pytest.mark.parametrize(
    "text",
    [
        *("{{ .apiKey }}", "{{.apiKey}}", "{{- .apiKey -}}", "{{ .apiKey | b64enc }}"),
        *("key = {{ .apiKey }}\n", '{{ printf "%s" .apiKey }}', "{{ $.apiKey }}", "{{apiKey}}"),
        *("{{ apiKey }}", "{{ .ApiKey }}", "{{ .api_key }}", "{{ quote (.secretAccessKey) }}"),
        *("${region} {{ .region }}", "{{ .expiresAt }}", '{"a": "{{ .sessionToken }}"}'),
    ],
)
def test_a_template_of_another_language_is_refused(world: World, text: str) -> None:
    """At apply, with the field and the form that the product has."""
    refusal = at_apply(world, _grant(secret={"data": {"MY_KEY": text}}))
    assert "spec.secret.data" in refusal
    assert "MY_KEY" in refusal
    assert "write ${apiKey} for {{ .apiKey }}" in refusal


@pytest.mark.parametrize(
    "text",
    [
        *('{"a":{"b":1}}', '{"a":{"b":"${apiKey}"}}', "{{}}", "{{", "}}", "a{{b}}c"),
        *("{{ .Values.region }}", "{{ template }}", "{% if a %}", "$${apiKey}", "{ {.apiKey} }"),
        *('{"a":[{"b":{"apiKey":"${apiKey}"}}]}', "{{ .Data.data.other }}", "{{namespaced}}"),
    ],
)
def test_braces_of_other_files_are_left_alone(world: World, text: str) -> None:
    """JSON ends with two braces, and a file may be a template for another tool."""
    assert at_apply(world, _grant(secret={"data": {"MY_KEY": text}})) == ""
