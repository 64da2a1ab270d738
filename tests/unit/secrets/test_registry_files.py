"""Files of package managers and container tools, and reading the key back from them."""

from __future__ import annotations

import base64
import json
import xml.etree.ElementTree as ET

import pytest

from keywright.api.keys import KeyKind
from keywright.api.sensitive import Sensitive
from keywright.secrets.fingerprint import KeyFacts, fingerprint
from keywright.secrets.recovery import Record, recover
from keywright.secrets.registry_files import PackageLogin, docker_config
from tests.unit.secrets.samples import EXPIRES, HASH_KEY, ISSUED

_TOKEN = "eyJ2ZXIiOjEsImlzdSI6MTYwMzY0NDQ0MH0.cGxhbnRlZA.dG9r-ZW4_.c2VjcmV0.dGFn"
_FACTS = KeyFacts(None, issued_at=ISSUED, expires_at=EXPIRES, revision=2)


def _login(token: str = _TOKEN) -> PackageLogin:
    host = "my-domain-123456789012.d.codeartifact.us-west-2.amazonaws.com"
    return PackageLogin(host=host, repository="my-repository", username="aws", token=token)


def test_a_url_holds_any_token() -> None:
    """Characters that would end the login are encoded."""
    url = _login("a/b+c=d").pip_index_url()
    assert url.startswith("https://aws:a%2Fb%2Bc%3Dd@my-domain-")


def test_the_settings_of_maven_are_xml() -> None:
    """Whatever a token contains."""
    settings = ET.fromstring(_login("a<b&c").maven_settings())  # noqa: S314  our own
    names = {"m": "http://maven.apache.org/SETTINGS/1.2.0"}
    password = "m:servers/m:server/m:password"
    assert settings.findtext(password, namespaces=names) == "a<b&c"


def test_the_token_is_in_no_repr() -> None:
    """Rule 13."""
    assert _TOKEN not in repr(_login())


def test_container_tools_find_one_login_for_each_registry() -> None:
    """As `kubectl create secret docker-registry` writes it."""
    found = json.loads(docker_config(["one.test", "two.test"], username="AWS", password="p:w"))
    assert found["auths"].keys() == {"one.test", "two.test"}
    login = found["auths"]["two.test"]
    assert (login["username"], login["password"]) == ("AWS", "p:w")
    assert base64.b64decode(login["auth"]) == b"AWS:p:w"


def _recovered(
    data: dict[str, str], token: str, *, kind: KeyKind = KeyKind.CODE_ARTIFACT_TOKEN
) -> bool:
    values = {"apiKey": Sensitive(token)}
    mark = fingerprint(
        key_identity="", data={}, values=values, facts=_FACTS, key=HASH_KEY, namespace="chat"
    )
    record = Record(mark, facts=(_FACTS,))
    found = recover(kind, data=data, record=record, key=HASH_KEY, namespace="chat")
    return found is not None and found["apiKey"].reveal() == token


@pytest.mark.parametrize("token", [_TOKEN, "x" * 900 + "/y+z=="])
@pytest.mark.parametrize("file", ["pip_index_url", "pip_conf", "npmrc", "maven_settings"], ids=str)
def test_a_token_is_read_back_from_each_file(file: str, token: str) -> None:
    """So that another layout needs no new token."""
    assert _recovered({"file": getattr(_login(token), file)()}, token)


@pytest.mark.parametrize("password", [_TOKEN, "x" * 2700 + "/y+z==", "p" * 12_000])
def test_a_password_is_read_back_from_the_file_of_container_tools(password: str) -> None:
    """Of any length that is accepted, and beside the same login in another form."""
    file = docker_config(["one.test", "two.test"], username="AWS", password=password)
    assert _recovered({"file": file}, password, kind=KeyKind.ECR_TOKEN)


def test_another_token_is_not_read_back() -> None:
    """Only the one with the fingerprint counts."""
    assert not _recovered({"file": _login("x" * 64).pip_conf()}, _TOKEN)
