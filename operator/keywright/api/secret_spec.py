"""`spec.secret`: formats, template variables, and the Secret that a grant keeps its key in."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

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


_ALIBABA: Final = frozenset(form for form in Format if form.name.startswith("ALIBABA_"))
_AWS: Final = frozenset(form for form in Format if form.name.startswith("AWS_"))

FORMATS_OF_PROVIDER: Final[Mapping[Provider, frozenset[Format]]] = {
    Provider.AWS: frozenset(Format) - _ALIBABA,
    Provider.ALIBABA_CLOUD: frozenset(Format) - _AWS,
}
"""The formats that credentials of a cloud can fill, if their kind can."""


class Variable(StrEnum):
    """The variables of templates; a value is the name between `${` and `}`."""

    API_KEY = "apiKey"
    ACCESS_KEY_ID = "accessKeyId"
    SECRET_ACCESS_KEY = "secretAccessKey"  # noqa: S105  the name of a variable
    SESSION_TOKEN = "sessionToken"  # noqa: S105  the name of a variable
    REGION = "region"
    ACCOUNT_ID = "accountId"
    KEY_ID = "keyId"
    EXPIRES_AT = "expiresAt"
    EXPIRES_AT_UNIX = "expiresAtUnix"
    NAMESPACE = "namespace"
    NAME = "name"
    BEDROCK_RUNTIME_URL = "bedrockRuntimeUrl"
    OPENAI_BASE_URL = "openAiBaseUrl"
    MANTLE_URL = "mantleUrl"
    MANTLE_OPENAI_URL = "mantleOpenAiUrl"
    RUNTIME_ANTHROPIC_URL = "runtimeAnthropicUrl"
    MANTLE_ANTHROPIC_URL = "mantleAnthropicUrl"
    AWS_CREDENTIALS_FILE = "awsCredentialsFile"
    AWS_CREDENTIAL_PROCESS = "awsCredentialProcess"
    ALIBABA_CONFIG_JSON = "alibabaConfigJson"
    ALIBABA_CREDENTIALS_FILE = "alibabaCredentialsFile"
    DOT_ENV = "dotEnv"
    AWS_CONFIG_FILE = "awsConfigFile"
    HEADER = "headerCredential"
    CURL_CONFIG = "curlConfig"
    ALIBABA_CREDENTIALS_URI_BODY = "alibabaCredentialsUriBody"
    ALIBABA_CROSSPLANE_FILE = "alibabaCrossplaneFile"


FORMAT_ONLY_VARIABLES: Final = frozenset(
    {
        Variable.AWS_CONFIG_FILE,
        Variable.HEADER,
        Variable.CURL_CONFIG,
        Variable.ALIBABA_CREDENTIALS_URI_BODY,
        Variable.ALIBABA_CROSSPLANE_FILE,
    }
)
"""Variables that a format uses and a user's template may not."""


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
