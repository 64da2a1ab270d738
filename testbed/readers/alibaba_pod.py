"""`python -m testbed.readers.alibaba_pod`: a pod with Alibaba Cloud's SDK.

Each input line is one call; the response is a line of JSON. It is a separate process because the
SDK reads its environment once, when it is imported. `--as` selects the credentials:

- `chain`: the default chain, with the environment;
- `files`: the four files of the format AlibabaRam, read before each call;
- `section`: the section [default] of credentials.ini, read before each call. The SDKs for Go, PHP
  and Java support its type `sts`; the one for Python (1.0.12, provider/profile.py) does not, so the
  section is parsed here as they do;
- `bearer`: the token in ALIBABA_BEARER_TOKEN, for GetInstance of Cloud Call Center.
"""

from __future__ import annotations

import argparse
import configparser
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alibabacloud_credentials.client import Client as Credentials
from alibabacloud_credentials.models import Config
from alibabacloud_sts20150401.client import Client as Sts
from alibabacloud_tea_openapi.client import Client as OpenApi
from alibabacloud_tea_openapi.utils_models import Config as ApiConfig
from alibabacloud_tea_openapi.utils_models import OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

if TYPE_CHECKING:
    from collections.abc import Callable

_STS = "sts.aliyuncs.com"
_SECTION = ("type", "access_key_id", "access_key_secret", "security_token")
_CCC = "ccc.cn-shanghai.aliyuncs.com"
_ONCE = RuntimeOptions(autoretry=False)


def chain(_: Path) -> Callable[[], str]:
    """Call with the credentials of the default chain, cached as the SDK does."""
    client = Sts(ApiConfig(credential=Credentials(), endpoint=_STS))
    return lambda: _arn(client)


def files(directory: Path) -> Callable[[], str]:
    """Call with the current content of the files."""

    def ask() -> str:
        found = {
            name: (directory / name).read_text()
            for name in ("AccessKeyId", "AccessKeySecret", "SecurityToken")
        }
        return _identity(
            type="sts",
            access_key_id=found["AccessKeyId"],
            access_key_secret=found["AccessKeySecret"],
            security_token=found["SecurityToken"],
        )

    return ask


def section(directory: Path) -> Callable[[], str]:
    """Call with the current content of the file."""

    def ask() -> str:
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(directory / "credentials.ini")
        return _identity(**{name: parser["default"][name] for name in _SECTION})

    return ask


def bearer(_: Path) -> Callable[[], str]:
    """Request an instance from Cloud Call Center."""
    credentials = Credentials(
        Config(type="bearer", bearer_token=os.environ["ALIBABA_BEARER_TOKEN"])
    )
    client = OpenApi(ApiConfig(credential=credentials, endpoint=_CCC))
    params = Params(
        action="GetInstance",
        version="2020-07-01",
        protocol="HTTPS",
        pathname="/",
        method="POST",
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type="json",
    )
    request = OpenApiRequest(query={"InstanceId": "ccc-test"})
    return lambda: str(client.call_api(params, request, _ONCE)["body"]["Data"]["Id"])


def _identity(**config: Any) -> str:
    return _arn(Sts(ApiConfig(credential=Credentials(Config(**config)), endpoint=_STS)))


def _arn(client: Any) -> str:
    return str(client.get_caller_identity_with_options(_ONCE).body.arn)


_WAYS = {"chain": chain, "files": files, "section": section, "bearer": bearer}


def main() -> None:
    """Handle calls until the input ends."""
    parser = argparse.ArgumentParser(prog="python -m testbed.readers.alibaba_pod")
    parser.add_argument("--as", dest="way", choices=_WAYS, required=True)
    parser.add_argument("--directory", type=Path, default=Path())
    options = parser.parse_args()
    ask = None
    for _ in sys.stdin:
        try:
            ask = ask or _WAYS[options.way](options.directory)
            answer: dict[str, Any] = {"text": ask()}
        except Exception as error:  # any exception of the SDK is the response
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
