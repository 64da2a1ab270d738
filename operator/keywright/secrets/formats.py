"""The ready-made formats: which keys of a Secret each has, and what stands in them.

A format is a table of templates, over the same variables that `spec.secret.data` has; so one engine
writes both. `state` about who reads which key stand in docs; `crds/` names every format. Formats
of kinds of key that are not made yet are not in the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Final

from keywright.api.durations import format_duration
from keywright.api.grant import ApiKeyGrant
from keywright.api.secret_spec import Format, Variable
from keywright.secrets.templates import Placeholder, Template, parse_template
from keywright.secrets.variables import CREDENTIAL_PROCESS_FILE

_TEXTS: Final[Mapping[Format, Mapping[str, str]]] = {
    Format.BEDROCK_ENV: {
        "AWS_BEARER_TOKEN_BEDROCK": "${apiKey}",
        "AWS_REGION": "${region}",
    },
    Format.OPENAI_ENV: {
        "OPENAI_API_KEY": "${apiKey}",
        "OPENAI_BASE_URL": "${openAiBaseUrl}",
    },
    Format.ANTHROPIC_ENV: {
        "AWS_BEARER_TOKEN_BEDROCK": "${apiKey}",
        "AWS_REGION": "${region}",
        "CLAUDE_CODE_USE_BEDROCK": "1",
    },
    Format.LITELLM_ENV: {
        "AWS_BEARER_TOKEN_BEDROCK": "${apiKey}",
        "BEDROCK_MANTLE_API_KEY": "${apiKey}",
        "BEDROCK_MANTLE_REGION": "${region}",
        "AWS_REGION": "${region}",
    },
    Format.LIBRECHAT_ENV: {
        "BEDROCK_AWS_BEARER_TOKEN": "${apiKey}",
        "BEDROCK_AWS_DEFAULT_REGION": "${region}",
    },
    Format.API_KEY: {"apiKey": "${apiKey}"},
    Format.AUTHORIZATION: {"Authorization": "${apiKey}"},
    Format.AWS_ENV: {
        "AWS_ACCESS_KEY_ID": "${accessKeyId}",
        "AWS_SECRET_ACCESS_KEY": "${secretAccessKey}",
        "AWS_SESSION_TOKEN": "${sessionToken}",
        "AWS_REGION": "${region}",
    },
    Format.AWS_FIELDS: {
        "accessKey": "${accessKeyId}",
        "secretKey": "${secretAccessKey}",
        "sessionToken": "${sessionToken}",
    },
    Format.AWS_MOUNTPOINT: {
        "key_id": "${accessKeyId}",
        "access_key": "${secretAccessKey}",
        "session_token": "${sessionToken}",
    },
    Format.AWS_CREDENTIALS_FILE: {"credentials": "${awsCredentialsFile}"},
    Format.AWS_CREDENTIAL_PROCESS: {CREDENTIAL_PROCESS_FILE: "${awsCredentialProcess}"},
    Format.API_GATEWAY_ENV: {
        "X_API_KEY": "${apiKey}",
    },
    Format.ALIBABA_ENV: {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "${accessKeyId}",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "${secretAccessKey}",
        "ALIBABA_CLOUD_SECURITY_TOKEN": "${sessionToken}",
        # Terraform's and Pulumi's names.
        "ALICLOUD_ACCESS_KEY": "${accessKeyId}",
        "ALICLOUD_SECRET_KEY": "${secretAccessKey}",
        "ALICLOUD_SECURITY_TOKEN": "${sessionToken}",
    },
    Format.ALIBABA_RAM: {
        "AccessKeyId": "${accessKeyId}",
        "AccessKeySecret": "${secretAccessKey}",
        "SecurityToken": "${sessionToken}",
        "Expiration": "${expiresAt}",
    },
    Format.ALIBABA_CLI_CONFIG: {"config.json": "${alibabaConfigJson}"},
    Format.ALIBABA_CREDENTIALS_FILE: {"credentials.ini": "${alibabaCredentialsFile}"},
    Format.DOT_ENV: {".env": "${dotEnv}"},
}
_FILES: Final[Mapping[Format, Mapping[str, Template]]] = {
    Format.API_GATEWAY_ENV: {"curl.conf": Template((Placeholder(Variable.CURL_CONFIG),))},
    Format.HEADER_CREDENTIAL: {"credential": Template((Placeholder(Variable.HEADER),))},
    Format.AWS_CREDENTIAL_PROCESS: {"config": Template((Placeholder(Variable.AWS_CONFIG_FILE),))},
    Format.ALIBABA_CREDENTIALS_URI: {
        "credentials.json": Template((Placeholder(Variable.ALIBABA_CREDENTIALS_URI_BODY),))
    },
    Format.ALIBABA_CROSSPLANE: {
        "credentials": Template((Placeholder(Variable.ALIBABA_CROSSPLANE_FILE),))
    },
}

FORMATS: Final[Mapping[Format, Mapping[str, Template]]] = {
    form: {key: parse_template(text) for key, text in _TEXTS.get(form, {}).items()}
    | dict(_FILES.get(form, {}))
    for form in Format
    if form in _TEXTS or form in _FILES
}
"""What each format writes: key of the Secret -> its template. No token ends with a newline."""


@lru_cache(maxsize=256)
def templates_of(formats: tuple[Format, ...]) -> Mapping[str, Template]:
    """The keys of several formats together; equal combinations share one mapping.

    A key that two of them have means the same in both, or CEL has refused the pair.
    """
    return {key: template for form in formats for key, template in FORMATS[form].items()}


# SDKs run a credential_process again from 15 minutes before the end on (botocore, credentials.py,
# `_advisory_refresh_timeout`); the kubelet needs two to bring the new file into the pod.
_NEEDED: Final = timedelta(minutes=20)


def min_refresh_margin(grant: ApiKeyGrant) -> timedelta | None:
    """The least time before expiry at which readers of this layout want the next credential.

    None for a layout that no reader reads again by itself.
    """
    again = _is_read_again(grant.formats, tuple(grant.spec.secret.data.values()))
    return _NEEDED if again else None


@lru_cache(maxsize=256)
def _is_read_again(formats: tuple[Format, ...], texts: tuple[str, ...]) -> bool:
    templates = [*templates_of(formats).values(), *map(parse_template, texts)]
    return any(Variable.AWS_CREDENTIAL_PROCESS in template.variables for template in templates)


def short_lifetime_warning(grant: ApiKeyGrant, *, lifetime: timedelta, margin: timedelta) -> str:
    """What the readers must know where the lifetime leaves them less than they need; or nothing."""
    needed = min_refresh_margin(grant)
    if needed is None or margin >= needed:
        return ""
    return (
        f"SDKs read {CREDENTIAL_PROCESS_FILE} again 15m before its end and want the next one"
        f" {format_duration(needed.total_seconds())} before it; a life of"
        f" {format_duration(lifetime.total_seconds())} leaves them"
        f" {format_duration(margin.total_seconds())}, and they read it before every call: ask for"
        " 30m or more."
    )
