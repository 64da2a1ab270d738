"""How the Secret of a grant is to look: `spec.secret`."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from keywright.api.keys import KeyKind
from keywright.api.schema import SpecStruct
from keywright.api.source import Provider


class Format(StrEnum):
    """Ready-made sets of keys that some reader takes as they are."""

    BEDROCK_ENV = "BedrockEnv"
    OPENAI_ENV = "OpenAIEnv"
    ANTHROPIC_ENV = "AnthropicEnv"
    LITELLM_ENV = "LiteLLMEnv"
    LIBRECHAT_ENV = "LibreChatEnv"
    API_KEY = "ApiKey"
    AUTHORIZATION = "Authorization"
    HEADER_CREDENTIAL = "HeaderCredential"
    AWS_ENV = "AwsEnv"
    AWS_FIELDS = "AwsFields"
    AWS_MOUNTPOINT = "AwsMountpoint"
    AWS_CREDENTIALS_FILE = "AwsCredentialsFile"
    AWS_CREDENTIAL_PROCESS = "AwsCredentialProcess"
    ALIBABA_ENV = "AlibabaEnv"
    ALIBABA_RAM = "AlibabaRam"
    ALIBABA_CLI_CONFIG = "AlibabaCliConfig"
    ALIBABA_CREDENTIALS_FILE = "AlibabaCredentialsFile"
    ALIBABA_CREDENTIALS_URI = "AlibabaCredentialsUri"
    ALIBABA_CROSSPLANE = "AlibabaCrossplane"
    API_GATEWAY_ENV = "ApiGatewayEnv"
    DOT_ENV = "DotEnv"


_BEDROCK: Final = frozenset(
    {
        Format.BEDROCK_ENV,
        Format.OPENAI_ENV,
        Format.ANTHROPIC_ENV,
        Format.LITELLM_ENV,
        Format.LIBRECHAT_ENV,
        Format.API_KEY,
        Format.AUTHORIZATION,
        Format.HEADER_CREDENTIAL,
        Format.DOT_ENV,
    }
)
_ALIBABA: Final = frozenset(form for form in Format if form.name.startswith("ALIBABA_"))
_AWS: Final = frozenset(form for form in Format if form.name.startswith("AWS_"))

FORMATS_OF_KIND: Final[Mapping[KeyKind, frozenset[Format]]] = {
    KeyKind.BEDROCK_SHORT_TERM_KEY: _BEDROCK,
    KeyKind.BEDROCK_LONG_TERM_KEY: _BEDROCK,
    KeyKind.SESSION_CREDENTIALS: _AWS | _ALIBABA | {Format.DOT_ENV},
    KeyKind.API_GATEWAY_KEY: frozenset(
        {Format.API_GATEWAY_ENV, Format.API_KEY, Format.HEADER_CREDENTIAL, Format.DOT_ENV}
    ),
    KeyKind.BEARER_TOKEN: frozenset(
        {Format.API_KEY, Format.AUTHORIZATION, Format.HEADER_CREDENTIAL}
    ),
}
"""Which formats a kind of key can fill."""

FORMATS_OF_PROVIDER: Final[Mapping[Provider, frozenset[Format]]] = {
    Provider.AWS: frozenset(Format) - _ALIBABA,
    Provider.ALIBABA_CLOUD: frozenset(Format) - _AWS,
}
"""Which formats credentials of a cloud can fill, where the kind can."""

_DEFAULTS: Final[Mapping[KeyKind, tuple[Format, ...]]] = {
    KeyKind.BEDROCK_SHORT_TERM_KEY: (Format.BEDROCK_ENV, Format.OPENAI_ENV),
    KeyKind.BEDROCK_LONG_TERM_KEY: (Format.BEDROCK_ENV, Format.OPENAI_ENV),
    KeyKind.SESSION_CREDENTIALS: (Format.AWS_ENV,),
    KeyKind.API_GATEWAY_KEY: (Format.API_GATEWAY_ENV,),
    KeyKind.BEARER_TOKEN: (Format.AUTHORIZATION,),
}


def default_formats(kind: KeyKind, *, provider: Provider) -> tuple[Format, ...]:
    """What a Secret holds whose grant names neither formats nor data of its own."""
    if kind is KeyKind.SESSION_CREDENTIALS and provider is Provider.ALIBABA_CLOUD:
        return (Format.ALIBABA_ENV,)
    return _DEFAULTS[kind]


class FormerSecretPolicy(StrEnum):
    """What becomes of the Secret of the former name when `spec.secret.name` changes."""

    CLEAR = "Clear"
    RETAIN = "Retain"


class SecretSpec(SpecStruct, frozen=True):
    """The Secret that a grant keeps its key in.

    `formats` absent means the default of the kind; an empty list means that `data` alone counts.
    """

    name: str | None = None
    type: str = "Opaque"
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    formats: tuple[Format, ...] | None = None
    mount_path: str = "/var/run/keywright"
    data: Mapping[str, str] = {}
    adopt: bool = False
    allow_mixed: bool = False
    former_secret_policy: FormerSecretPolicy = FormerSecretPolicy.CLEAR
