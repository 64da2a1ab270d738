"""The headers of OTLP exporters: encoded as their specification says, and read back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.util.re import parse_env_headers

from keywright.api.keys import KeyKind
from keywright.api.sensitive import Sensitive
from keywright.secrets.fingerprint import KeyFacts, fingerprint
from keywright.secrets.recovery import Record, recover
from keywright.secrets.rendering import data_keys, render
from tests.unit.api.samples import grant
from tests.unit.secrets.samples import EXPIRES, ISSUED, credential

_KEY = "ACWLY2hhdC1hdC0x+2/3Ow=="
_FACTS = KeyFacts(None, issued_at=ISSUED, expires_at=EXPIRES + timedelta(0), revision=2)
_LOGS = {"service": "CloudWatchLogs", "logGroup": "/apps/chat", "logStream": "main@1=a"}


def _data(form: str, **key: Any) -> dict[str, str]:
    spec = {"user": {"name": "chat"}, "rotateEvery": "7d", **key}
    made = grant(bedrockShortTermKey=None, awsLongTermKey=spec, secret={"formats": [form]})
    data = render(made, credential=credential(token=_KEY))
    assert data_keys(made) == data.keys()
    return data


@pytest.mark.parametrize(
    ("form", "key"),
    [
        ("OtlpMetricsEnv", {"service": "CloudWatch"}),
        ("OtlpTracesEnv", {"service": "XRay"}),
        ("OtlpLogsEnv", _LOGS),
        ("DotEnv", _LOGS),
    ],
)
def test_the_sdk_reads_the_headers_and_the_operator_the_key(form: str, key: dict[str, Any]) -> None:
    """The SDK decodes the key and the log group; the Secret needs no other copy of the key."""
    data = _data(form, **key)
    lines = "\n".join(f"{name}={value}" for name, value in data.items())
    (headers,) = (line.partition("HEADERS=")[2] for line in lines.split("\n") if "HEADERS" in line)
    read = parse_env_headers(headers)
    assert read["authorization"] == f"Bearer {_KEY}"
    assert "+" not in headers
    if "logGroup" in key:
        assert read["x-aws-log-group"] == key["logGroup"]
        assert read["x-aws-log-stream"] == key["logStream"]
    values = {"apiKey": Sensitive(_KEY)}
    mark = fingerprint(
        key_identity="", data={}, values=values, facts=_FACTS, key=b"own", namespace="chat"
    )
    found = recover(
        KeyKind.AWS_LONG_TERM_KEY,
        data=data,
        record=Record(mark, facts=(_FACTS,), is_in_status=True),
        key=b"own",
        namespace="chat",
    )
    assert found is not None
    assert found["apiKey"].reveal() == _KEY
