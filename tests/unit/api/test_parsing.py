"""From a body to a value, or to what is wrong with it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from keywright.api.bedrock_keys import BedrockShortTermKey, Endpoint
from keywright.api.errors import FieldError
from keywright.api.formats import Format
from keywright.api.grant import ApiKeyGrant
from keywright.api.grant_checks import validate_with_source
from keywright.api.keys import KeyKind
from keywright.api.parsing import parse_grant, parse_source
from keywright.api.source import CredentialSource, Provider, SourceTraits
from keywright.secrets.rendering import check_region, validate
from tests.data.invalid.table import Invalid, Refused, rows
from tests.unit.api.samples import grant, grant_body, parsed_grant, parsed_source, source_body


def _with_metadata(**metadata: object) -> dict[str, Any]:
    body = grant_body()
    return body | {"metadata": body["metadata"] | metadata}


def test_a_grant_is_read_with_what_matters_of_its_metadata() -> None:
    """Names, generation and creation; the kind and its part of the spec."""
    read = parsed_grant(_with_metadata(finalizers=["keywright.dev/revoke"]))
    assert read.object_key == ("chat", "chat-key")
    assert (read.generation, read.resource_version, read.deleting) == (1, "7", False)
    assert read.created == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert read.finalizers == ("keywright.dev/revoke",)
    assert read.kind is KeyKind.BEDROCK_SHORT_TERM_KEY
    assert read.key == BedrockShortTermKey(duration="12h", endpoint=Endpoint.RUNTIME)


def test_what_a_grant_leaves_out_has_its_default() -> None:
    """The Secret is called like the grant, and the source is of its namespace."""
    read = grant()
    assert read.secret_name == "chat-key"
    assert read.source_key == ("chat", "bedrock")
    assert read.formats == (Format.BEDROCK_ENV, Format.OPENAI_ENV)


@pytest.mark.parametrize(
    ("provider", "formats"),
    [(Provider.AWS, (Format.AWS_ENV,)), (Provider.ALIBABA_CLOUD, (Format.ALIBABA_ENV,))],
)
def test_session_credentials_default_to_the_format_of_their_cloud(
    provider: Provider, formats: tuple[Format, ...]
) -> None:
    """A pod gets the variables that the SDKs of its cloud read."""
    body = grant_body(sessionCredentials={})
    del body["spec"]["bedrockShortTermKey"]
    assert parsed_grant(body).with_formats_for(SourceTraits(provider)).formats == formats


def test_an_object_that_goes_is_known_to_go() -> None:
    """A deletion timestamp is all that says it."""
    assert parsed_grant(_with_metadata(deletionTimestamp="2026-11-22T11:00:00Z")).deleting


def test_the_newest_request_for_a_renewal_counts() -> None:
    """Ours and Flux's annotation ask alike; what is no time is the older one."""
    requested = _with_metadata(
        annotations={
            "keywright.dev/renew-requested-at": "2026-11-22T11:00:00Z",
            "reconcile.fluxcd.io/requestedAt": "2026-11-22T12:30:00.123456789+02:00",
        }
    )
    assert parsed_grant(requested).renewal_request == "2026-11-22T11:00:00Z"
    odd = _with_metadata(annotations={"keywright.dev/renew-requested-at": "now"})
    assert parsed_grant(odd).renewal_request == "now"
    assert grant().renewal_request is None


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"sourceRef": {"name": 7}}, "spec.sourceRef.name"),
        ({"bedrockShortTermKey": {"endpoint": "Elsewhere"}}, "spec.bedrockShortTermKey.endpoint"),
        ({"bedrockShortTermKey": []}, "spec.bedrockShortTermKey"),
        ({"secret": {"formats": ["Nonsense"]}}, "spec.secret.formats[0]"),
        ({"secret": "x"}, "spec.secret"),
        ({"bedrockShortTermKey": {"duration": "1 day"}}, "spec.bedrockShortTermKey.duration"),
        ({"bedrockShortTermKey": {"duration": "13h"}}, "spec.bedrockShortTermKey.duration"),
    ],
)
def test_a_body_that_no_schema_checked_is_told_what_is_wrong(
    spec: dict[str, object], field: str
) -> None:
    """Even without our CRDs, a wrong value becomes a problem of its field, never an exception."""
    field_errors = parse_grant(grant_body(**spec))
    assert isinstance(field_errors, list)
    assert [problem.field for problem in field_errors] == [field]
    assert all(problem.message for problem in field_errors)


@pytest.mark.parametrize(
    "body", [{}, {"spec": None}, {"spec": []}, {"spec": "x"}, {"metadata": {}}]
)
def test_nonsense_never_raises(body: dict[str, Any]) -> None:
    """Both parsers answer with problems."""
    assert isinstance(parse_grant(body), list)
    assert isinstance(parse_source(body), list)


def test_fields_of_a_newer_version_are_ignored() -> None:
    """An older operator goes on serving what a newer CRD has let in."""
    assert isinstance(parse_grant(grant_body(novelty={"a": 1})), ApiKeyGrant)


def _problems(invalid: Invalid) -> list[FieldError]:
    """What the operator finds, in the order in which it looks."""
    parse = parse_source if invalid.kind == "CredentialSource" else parse_grant
    found = parse(invalid.body)
    if isinstance(found, list):
        return found
    if isinstance(found, CredentialSource):
        return []
    field_errors = validate(found)
    if invalid.source_body is not None:
        source = parsed_source(invalid.source_body)
        field_errors += validate_with_source(found, source=source)
        field_errors += check_region(found, region=found.region(source))
    return field_errors


@pytest.mark.parametrize("invalid", rows(Refused.STALLED), ids=str)
def test_a_mistake_that_the_api_server_cannot_see_stalls(invalid: Invalid) -> None:
    """The operator's message names field and remedy."""
    said = "\n".join(map(str, _problems(invalid)))
    assert [part for part in invalid.says if part not in said] == [], said


def _with_audience(vendor: str, audience: str) -> CredentialSource | list[FieldError]:
    vendors = {
        "openai": {"identityProviderId": "idp_a", "serviceAccountId": "sa_a"},
        "generic": {"endpoint": "https://sts.example.com/oauth/token"},
    }
    account = {"name": "chat", "audiences": [audience]}
    exchange = {"serviceAccountRef": account, vendor: vendors[vendor]}
    return parse_source(source_body() | {"spec": {"tokenExchange": exchange}})


@pytest.mark.parametrize(
    ("vendor", "audience"),
    [
        ("openai", "sts.amazonaws.com"),
        ("openai", "sts.aliyuncs.com"),
        ("openai", "pods.eks.amazonaws.com"),
        ("openai", "https://api.anthropic.com"),
        ("openai", "https://openrouter.ai"),
        ("generic", "sts.amazonaws.com"),
        ("generic", "sts.aliyuncs.com"),
        ("generic", "pods.eks.amazonaws.com"),
    ],
)
def test_a_token_exchange_has_no_audience_of_another_cloud_or_vendor(
    vendor: str, audience: str
) -> None:
    """Also where no API server has checked it: who receives the token could use it there."""
    found = _with_audience(vendor, audience)
    assert isinstance(found, list)
    ((field, message),) = [(each.field, each.message) for each in found]
    assert field == "spec.tokenExchange.serviceAccountRef.audiences"
    assert message.startswith(f"must not be {audience}")
    assert "name the one that this vendor or endpoint expects" in message


@pytest.mark.parametrize(
    ("vendor", "audience"),
    [
        ("openai", "https://api.openai.com/v1"),
        ("openai", "company-gateway"),
        ("generic", "https://api.openai.com/v1"),
        ("generic", "a" * 256),
    ],
)
def test_any_other_audience_is_the_authors_choice(vendor: str, audience: str) -> None:
    """Of the vendor, of a gateway, or any text that is not longer than the schema allows."""
    assert isinstance(_with_audience(vendor, audience), CredentialSource)
    assert isinstance(_with_audience(vendor, "a" * 257), list)


def test_the_table_of_mistakes_is_long() -> None:
    """At least 65 different mistakes are reported at apply or in the status."""
    names = [(row.kind, row.name) for refused in Refused for row in rows(refused)]
    assert len(set(names)) == len(names) >= 65


def test_a_source_is_read_with_its_one_identity() -> None:
    """Provider, region and identity of an AWS source."""
    read = parsed_source(source_body())
    assert read.provider is Provider.AWS
    assert (read.object_key, read.region) == (("chat", "bedrock"), "us-west-2")
    assert read.identity is read.cloud.identity


@pytest.mark.parametrize(
    ("allowed", "namespace", "labels", "expected"),
    [
        (None, "chat", {}, True),
        (None, "other", {}, False),
        ({"names": ["other"]}, "other", {}, True),
        ({"names": ["other"]}, "third", {}, False),
        ({"selector": {}}, "third", {}, True),
        ({"selector": {"matchLabels": {"team": "chat"}}}, "third", {"team": "chat"}, True),
        ({"selector": {"matchLabels": {"team": "chat"}}}, "third", {"team": "x"}, False),
        (
            {
                "selector": {
                    "matchExpressions": [{"key": "t", "operator": "NotIn", "values": ["x"]}]
                }
            },
            "third",
            {"t": "x"},
            False,
        ),
        (
            {"selector": {"matchExpressions": [{"key": "t", "operator": "Exists"}]}},
            "third",
            {},
            False,
        ),
    ],
)
def test_a_source_is_used_from_elsewhere_only_where_it_allows_that(
    *, allowed: dict[str, Any] | None, namespace: str, labels: dict[str, str], expected: bool
) -> None:
    """Its own namespace always may; others by name or by label, and none by default."""
    body = source_body()
    if allowed is not None:
        body["spec"]["allowedNamespaces"] = allowed
    assert parsed_source(body).allows(namespace, labels=labels) is expected


def test_the_first_hop_of_a_static_key_may_be_long() -> None:
    """Role chaining is what limits a session to an hour, and a static key is no role."""
    hop = {"roleArn": "arn:aws:iam::123456789012:role/a", "sessionDuration": "2h"}
    static = source_body(webIdentity=None, accessKey={"secretRef": {"name": "key"}})
    static["spec"]["aws"]["assumeRoles"] = [hop]
    assert isinstance(parse_source(static), CredentialSource)
    assert isinstance(parse_source(source_body(assumeRoles=[hop])), list)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"bedrockShortTermKey": {"policyArns": []}}, "spec.bedrockShortTermKey.policyArns"),
        ({"secret": {"type": ""}}, "spec.secret.type"),
    ],
)
def test_an_empty_value_is_named_so(spec: dict[str, Any], field: str) -> None:
    """In words of the resource, not in those of the parser."""
    found = parse_grant(grant_body(**spec))
    assert found == [FieldError(field, "is empty: remove it, or set a value")]
