"""The mounted files, and what an SDK hears of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from keywright.sidecar import documents
from keywright.sidecar.documents import DocumentError, Parse

END = "2026-11-22T18:00:00Z"
ALIBABA: dict[str, Any] = {
    "Code": "Success",
    "AccessKeyId": "STS.id",
    "AccessKeySecret": "planted-secret",
    "SecurityToken": "planted-token",
    "Expiration": END,
}
AWS: dict[str, Any] = {
    "Version": 1,
    "AccessKeyId": "ASIAID",
    "SecretAccessKey": "planted-secret",
    "SessionToken": "planted-token",
    "Expiration": END,
}


def test_a_credentials_uri_is_answered_with_the_file() -> None:
    """All five members, and nothing that the file may have beside them."""
    document = documents.alibaba_cloud(json.dumps({**ALIBABA, "Note": "x"}))
    assert json.loads(document.body.reveal()) == ALIBABA
    assert document.expires_at == datetime(2026, 11, 22, 18, tzinfo=UTC)


def test_a_container_endpoint_calls_the_token_otherwise() -> None:
    """`SessionToken` of a process is `Token` of an endpoint."""
    document = documents.aws(json.dumps(AWS))
    assert json.loads(document.body.reveal()) == {
        "AccessKeyId": "ASIAID",
        "SecretAccessKey": "planted-secret",
        "Token": "planted-token",
        "Expiration": END,
    }


def test_a_document_shows_no_secret() -> None:
    """Neither in its repr nor in a message."""
    assert "planted" not in repr(documents.aws(json.dumps(AWS)))


@pytest.mark.parametrize(
    ("parse", "content", "message"),
    [
        (documents.alibaba_cloud, {**ALIBABA, "Code": "Failed"}, "Code is not"),
        (documents.alibaba_cloud, {**ALIBABA, "AccessKeyId": 5}, "AccessKeyId"),
        (documents.alibaba_cloud, {**ALIBABA, "Expiration": "soon"}, "Expiration is no RFC 3339"),
        (documents.alibaba_cloud, AWS, "Code"),
        (documents.alibaba_cloud, [ALIBABA], "Expected `object`"),
        (documents.aws, ALIBABA, "SecretAccessKey"),
        (documents.aws, {**AWS, "Expiration": "2026-11-22T18:00:00"}, "with a time zone"),
    ],
)
def test_another_form_is_refused(parse: Parse, content: object, message: str) -> None:
    """The message names the field, and no value."""
    with pytest.raises(DocumentError, match=message) as refused:
        parse(json.dumps(content))
    assert "planted" not in str(refused.value)


def test_what_is_no_json_is_refused() -> None:
    """As a file that is half written would be."""
    with pytest.raises(DocumentError, match="truncated"):
        documents.aws(json.dumps(AWS)[:20])
