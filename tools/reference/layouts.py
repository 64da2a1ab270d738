"""The page of the formats and variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from keywright.api.access_token import AccessToken
from keywright.api.formats import FORMAT_ONLY_VARIABLES, TEMPLATES, Format, Variable
from keywright.api.key_spec import KeySpec
from keywright.api.keys import KEY_TYPES
from keywright.api.source import Provider, SourceTraits
from keywright.api.token_exchange_source import TokenExchangeSource
from tools.reference.markdown import code, page, table
from tools.reference.recipes import recipes

_ALL: Final = "every kind"
_RESTART: Final = "restart: [`spec.rollout`](../rollouts.md)"
_PROXY: Final = "[the proxy](../proxy.md)"
_SIDECAR: Final = "[the sidecar](../credentials-sidecar.md)"
_FILE: Final = "mount it as a file, and read the file again"


@dataclass(frozen=True, slots=True)
class Readers:
    """Who reads a format, whether the reader notices a renewed key, and what to do if not."""

    names: str
    notices: str
    otherwise: tuple[str, ...] = ()


READERS: Final[Mapping[Format, Readers]] = {
    Format.BEDROCK_ENV: Readers(
        "AWS SDKs, clients of Amazon Bedrock", "no: read at the start", (_RESTART, _PROXY)
    ),
    Format.OPENAI_ENV: Readers(
        "the OpenAI SDK and compatible clients", "no: read at the start", (_RESTART, _FILE, _PROXY)
    ),
    Format.ANTHROPIC_ENV: Readers(
        "Claude Code, Anthropic's SDK for Bedrock", "no: read at the start", (_RESTART, _PROXY)
    ),
    Format.LITELLM_ENV: Readers(
        "LiteLLM",
        "with a custom secret manager: each request reads the file; otherwise no",
        (_RESTART, _PROXY),
    ),
    Format.LIBRECHAT_ENV: Readers("LibreChat", "no: read at the start", (_RESTART,)),
    Format.API_KEY: Readers(
        "gateways such as Envoy AI Gateway and Higress; any client of a file or variable",
        "gateways: yes, they watch the Secret",
        (_RESTART, _FILE, _PROXY),
    ),
    Format.AUTHORIZATION: Readers("agentgateway", "yes: it watches the Secret"),
    Format.HEADER_CREDENTIAL: Readers(
        "credential injection of Envoy Gateway", "yes: it watches the Secret"
    ),
    Format.AWS_ENV: Readers(
        "AWS SDKs, Terraform", "no: read at the start of the process or run", (_RESTART,)
    ),
    Format.AWS_FIELDS: Readers(
        "agentgateway, kgateway, Argo Workflows",
        "gateways: yes, they watch the Secret; Argo: each workflow reads it",
    ),
    Format.AWS_MOUNTPOINT: Readers(
        "the CSI driver of Mountpoint for Amazon S3", "no: read at the start", (_RESTART,)
    ),
    Format.AWS_CREDENTIALS_FILE: Readers(
        "Envoy AI Gateway, Crossplane, Velero; AWS SDKs",
        "Envoy AI Gateway, Crossplane, Velero: yes; SDKs: no, they read the file once",
        (_RESTART, "the format `AwsCredentialProcess`"),
    ),
    Format.AWS_CREDENTIAL_PROCESS: Readers(
        f"AWS SDKs, {_SIDECAR}, {_PROXY}",
        "yes: SDKs read the mounted file again 15 minutes before the expiry",
    ),
    Format.ALIBABA_ENV: Readers(
        "Alibaba Cloud SDKs and CLI, Terraform, Pulumi",
        "no: read at the start of the process or run",
        (_RESTART, _SIDECAR),
    ),
    Format.ALIBABA_RAM: Readers("the CSI driver of OSS", "yes: it watches the mounted files"),
    Format.ALIBABA_CLI_CONFIG: Readers(
        "Alibaba Cloud CLI, SDKs with a CLI profile",
        "CLI: yes, at each command; SDKs: no, they read the file once",
        (_RESTART, _SIDECAR),
    ),
    Format.ALIBABA_CREDENTIALS_FILE: Readers(
        "SDKs of Alibaba Cloud",
        "no: SDKs read the file once",
        (_RESTART, _FILE, _SIDECAR),
    ),
    Format.ALIBABA_CREDENTIALS_URI: Readers(
        f"SDKs, through {_SIDECAR}", "yes: SDKs request the URI again before the expiry"
    ),
    Format.ALIBABA_CROSSPLANE: Readers(
        "provider-upjet-alibabacloud", "yes: it reads the Secret at each use"
    ),
    Format.API_GATEWAY_ENV: Readers(
        "HTTP clients; `curl --config`",
        "`curl`: yes, at each run; clients with a variable: no",
        (_RESTART, _FILE, _PROXY),
    ),
    Format.CLAUDE_PLATFORM_ENV: Readers(
        "Claude Code, Anthropic's SDK for Claude Platform on AWS",
        "no: read at the start",
        (_RESTART, _PROXY),
    ),
    Format.DASHSCOPE_ENV: Readers(
        "Alibaba Cloud's SDK dashscope, LiteLLM",
        "no: read at the start",
        (_RESTART, _FILE, _PROXY),
    ),
    Format.OTLP_METRICS_ENV: Readers(
        "exporters of OpenTelemetry SDKs, Claude Code", "no: read at the start", (_RESTART,)
    ),
    Format.OTLP_LOGS_ENV: Readers(
        "exporters of OpenTelemetry SDKs", "no: read at the start", (_RESTART,)
    ),
    Format.OTLP_TRACES_ENV: Readers(
        "exporters of OpenTelemetry SDKs", "no: read at the start", (_RESTART,)
    ),
    Format.ANTHROPIC_API_ENV: Readers(
        "Claude Code, Anthropic's SDK for the Claude API", "no: read at the start", (_RESTART,)
    ),
    Format.CODE_ARTIFACT_ENV: Readers(
        "pip; settings of npm, Maven and Gradle that refer to the variable",
        "no: read at the start",
        ("the formats `PipConf`, `Npmrc` and `MavenSettings`",),
    ),
    Format.PIP_CONF: Readers("pip", "yes: at each run"),
    Format.NPMRC: Readers("npm, pnpm", "yes: at each run"),
    Format.MAVEN_SETTINGS: Readers("Maven", "yes: at each run"),
    Format.DOCKER_CONFIG_JSON: Readers(
        "the kubelet (`imagePullSecrets`), Flux, Kaniko, crane and other container tools",
        "yes: at each pull",
    ),
    Format.DOT_ENV: Readers(
        "programs that load a `.env` file", "no: most load the file once", (_RESTART, _FILE)
    ),
}
"""The readers of each format; sources are in the recipes and guides."""


_REGISTRIES: Final = "[Tokens for registries]"
_PACKAGES: Final = f"{_REGISTRIES}(../registry-tokens.md#aws-codeartifact)"
_LONG_TERM: Final = "[Long-term keys of AWS services](../aws-long-term.md)"
GUIDES: Final[Mapping[Format, str]] = {
    Format.ANTHROPIC_ENV: "[Rolling restarts](../rollouts.md)",
    Format.AWS_CREDENTIAL_PROCESS: "[STS credentials](../sts-credentials.md)",
    Format.ALIBABA_CLI_CONFIG: (
        "[Copy a static key or token](../alibaba-access-key.md#copy-a-static-key-or-token)"
    ),
    Format.ALIBABA_CREDENTIALS_FILE: "[RSA key pairs](../alibaba-rsa-key-pair.md)",
    Format.ALIBABA_CREDENTIALS_URI: "[Sidecar for SDKs](../credentials-sidecar.md)",
    Format.CLAUDE_PLATFORM_ENV: "[Claude Platform on AWS](../claude-platform.md)",
    Format.DASHSCOPE_ENV: "[Model Studio](../model-studio.md)",
    Format.OTLP_METRICS_ENV: _LONG_TERM,
    Format.OTLP_LOGS_ENV: _LONG_TERM,
    Format.OTLP_TRACES_ENV: _LONG_TERM,
    Format.ANTHROPIC_API_ENV: "[Token exchange](../token-exchange.md)",
    Format.CODE_ARTIFACT_ENV: _PACKAGES,
    Format.PIP_CONF: _PACKAGES,
    Format.NPMRC: _PACKAGES,
    Format.MAVEN_SETTINGS: _PACKAGES,
    Format.DOCKER_CONFIG_JSON: f"{_REGISTRIES}(../registry-tokens.md#amazon-ecr)",
    Format.DOT_ENV: "[The operator's own identity](../operator-identity.md#aws)",
}
"""The guides for formats without a recipe."""


def layouts_page() -> str:
    """Each format with its entries, and each variable with the kinds that have it."""
    return page(
        [
            "# Formats and variables",
            "",
            (
                "A format in `spec.secret.formats` writes a fixed set of entries, for"
                " clients that read these names. `spec.secret.data` writes any other"
                " entries from templates with"
                " [variables](../reference.md#variables-of-specsecretdata). This page is"
                " generated from"
                " [operator/keywright/api/formats.py](../../operator/keywright/api/formats.py)"
                " and"
                " [operator/keywright/api/keys.py](../../operator/keywright/api/keys.py)."
            ),
            "",
            "## Formats",
            "",
            *table(
                ("format", "entries of the Secret", "kinds of keys"),
                ((code(form), _entries(form), _kinds_with(form)) for form in Format),
            ),
            "## Readers",
            "",
            (
                "The table says who reads a format, whether the reader notices a renewed key by"
                " itself, and what to do if it does not. Mounted files change one to two minutes"
                " after the Secret; files with `subPath` and variables never change."
            ),
            "",
            *table(
                (
                    "format",
                    "read by",
                    "notices a renewal by itself",
                    "if not",
                    "recipes and guides",
                ),
                (_reader_row(form) for form in Format),
            ),
            "These formats are the default of a kind:",
            "",
            *table(
                ("kind of key", "default of `spec.secret.formats`"),
                ((code(kind), _defaults(key_type)) for kind, key_type in KEY_TYPES.items()),
            ),
            "## Variables",
            "",
            *table(
                ("variable", "kinds of keys"),
                (
                    (code(f"${{{name}}}"), _kinds_having(name))
                    for name in Variable
                    if name not in FORMAT_ONLY_VARIABLES
                ),
            ),
        ]
    )


def _reader_row(form: Format) -> tuple[str, str, str, str, str]:
    readers = READERS[form]
    links = [
        f"[{row.title}](../recipes/{row.page}.md#{row.anchor})"
        for row in recipes()
        if form in row.formats()
    ]
    if form in GUIDES:
        links.append(GUIDES[form])
    otherwise = ", or ".join(readers.otherwise) or "not needed"
    return code(form), readers.names, readers.notices, otherwise, ", ".join(links)


def _entries(form: Format) -> str:
    return ", ".join(
        code(key) if isinstance(text, Variable) else f"`{key}` (`{text}`)"
        for key, text in TEMPLATES[form].items()
    )


def _defaults(key_type: type[KeySpec]) -> str:
    """The default formats; with the source's cloud if they differ."""
    texts = {
        name: ", ".join(map(code, key_type.default_formats_for(traits)))
        for name, traits in _sources_of(key_type)
    }
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{name}: {text}" for name, text in texts.items())


def _sources_of(key_type: type[KeySpec]) -> Iterator[tuple[str, SourceTraits]]:
    """The clouds or vendors that a kind distinguishes, with their names."""
    if key_type is AccessToken:
        for service in TokenExchangeSource.identity_fields():
            yield service, SourceTraits(Provider.TOKEN_EXCHANGE, service)
        return
    for cloud in (Provider.AWS, Provider.ALIBABA_CLOUD):
        yield cloud, SourceTraits(cloud)


def _kinds_with(form: Format) -> str:
    return _listed([kind for kind, key_type in KEY_TYPES.items() if form in key_type.formats])


def _kinds_having(name: Variable) -> str:
    return _listed([kind for kind, key_type in KEY_TYPES.items() if name in key_type.variables])


def _listed(kinds: list[str]) -> str:
    return _ALL if len(kinds) == len(KEY_TYPES) else ", ".join(map(code, kinds))
