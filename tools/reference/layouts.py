"""The page of the formats and variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from keywright.api.formats import FORMAT_ONLY_VARIABLES, TEMPLATES, Format, Variable
from keywright.api.key_spec import KeySpec
from keywright.api.keys import KEY_TYPES
from keywright.api.source import Provider
from tools.reference.markdown import code, page, table

_ALL: Final = "every kind"
_ENVIRONMENT: Final = (
    "at the next start of the pod: [`spec.rollout`](../rollouts.md), or [the proxy](../proxy.md)"
)
_WATCHED: Final = "at once: it watches the Secret"
_FILE: Final = "when the application reads the mounted file again"
READERS: Final[Mapping[Format, tuple[str, str]]] = {
    Format.BEDROCK_ENV: ("AWS SDKs, clients of Amazon Bedrock", _ENVIRONMENT),
    Format.OPENAI_ENV: ("the OpenAI SDK and compatible clients", _ENVIRONMENT),
    Format.ANTHROPIC_ENV: ("Claude Code, Anthropic's SDK for Bedrock", _ENVIRONMENT),
    Format.LITELLM_ENV: ("LiteLLM", _ENVIRONMENT),
    Format.LIBRECHAT_ENV: ("LibreChat", _ENVIRONMENT),
    Format.API_KEY: ("Envoy AI Gateway; any client of a file or variable", _WATCHED),
    Format.AUTHORIZATION: ("agentgateway, kgateway", _WATCHED),
    Format.HEADER_CREDENTIAL: ("credential injection of Envoy Gateway", _WATCHED),
    Format.AWS_ENV: ("AWS SDKs", "at the next start of the pod: [`spec.rollout`](../rollouts.md)"),
    Format.AWS_FIELDS: (
        "agentgateway, kgateway, Argo Workflows",
        _WATCHED + ", or at the next workflow",
    ),
    Format.AWS_MOUNTPOINT: ("the CSI driver of Mountpoint for Amazon S3", "at the next mount"),
    Format.AWS_CREDENTIALS_FILE: ("Envoy AI Gateway, Crossplane, Velero; AWS SDKs", _FILE),
    Format.AWS_CREDENTIAL_PROCESS: (
        "AWS SDKs, [the sidecar](../credentials-sidecar.md), [the proxy](../proxy.md)",
        "automatically: SDKs run it again before the expiry",
    ),
    Format.ALIBABA_ENV: (
        "Alibaba Cloud SDKs and CLI, Terraform, Pulumi",
        "at the next start of the pod: [`spec.rollout`](../rollouts.md)",
    ),
    Format.ALIBABA_RAM: ("the CSI driver of OSS", "automatically: it watches the files"),
    Format.ALIBABA_CLI_CONFIG: (
        "Alibaba Cloud CLI, SDKs with a CLI profile",
        "at the next CLI command; SDKs read it once",
    ),
    Format.ALIBABA_CREDENTIALS_FILE: ("SDKs for Java and Go", _FILE),
    Format.ALIBABA_CREDENTIALS_URI: (
        "SDKs, through [the sidecar](../credentials-sidecar.md)",
        "automatically: SDKs ask again before the expiry",
    ),
    Format.ALIBABA_CROSSPLANE: ("provider-upjet-alibabacloud", "at the next use"),
    Format.API_GATEWAY_ENV: (
        "HTTP clients; `curl --config`",
        f"{_ENVIRONMENT}; `curl` at each run",
    ),
    Format.DOT_ENV: ("programs that load a `.env` file", _FILE),
}
"""Who reads a format, and when a renewed key reaches it; sources are in the guides."""


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
                "The table says who reads a format, and when a renewed key reaches the reader."
                " Mounted files change one to two minutes after the Secret."
            ),
            "",
            *table(
                ("format", "read by", "a renewed key takes effect"),
                ((code(form), *READERS[form]) for form in Format),
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


def _entries(form: Format) -> str:
    return ", ".join(
        code(key) if isinstance(text, Variable) else f"`{key}` (`{text}`)"
        for key, text in TEMPLATES[form].items()
    )


def _defaults(key_type: type[KeySpec]) -> str:
    """The default formats; with the source's cloud if they differ."""
    by_cloud = {cloud: key_type.default_formats_for(cloud) for cloud in Provider}
    texts = {cloud: ", ".join(map(code, formats)) for cloud, formats in by_cloud.items()}
    if len(set(texts.values())) == 1:
        return texts[Provider.AWS]
    return "; ".join(f"{cloud}: {text}" for cloud, text in texts.items())


def _kinds_with(form: Format) -> str:
    return _listed([kind for kind, key_type in KEY_TYPES.items() if form in key_type.formats])


def _kinds_having(name: Variable) -> str:
    return _listed([kind for kind, key_type in KEY_TYPES.items() if name in key_type.variables])


def _listed(kinds: list[str]) -> str:
    return _ALL if len(kinds) == len(KEY_TYPES) else ", ".join(map(code, kinds))
