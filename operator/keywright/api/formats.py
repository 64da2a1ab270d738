"""The predefined formats of a Secret, the template variables, and what each format writes.

A format is one member of `Format`, one entry of `TEMPLATES`, and its name in the groups of the keys
that can provide its values. `make crds` adds it to the CRD.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from keywright.api.source import Provider

CREDENTIAL_PROCESS_FILE: Final = "credential-process.json"
PREVIOUS_KEY_ENTRY: Final = "previousApiKey"
"""The entry that `spec.secret.includePrevious` adds to the format ApiGatewayEnv."""


class Format(StrEnum):
    """Predefined sets of Secret keys that a type of client reads without changes."""

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
    CLAUDE_PLATFORM_ENV = "ClaudePlatformEnv"
    DASHSCOPE_ENV = "DashScopeEnv"
    OTLP_METRICS_ENV = "OtlpMetricsEnv"
    OTLP_LOGS_ENV = "OtlpLogsEnv"
    OTLP_TRACES_ENV = "OtlpTracesEnv"
    ANTHROPIC_API_ENV = "AnthropicApiEnv"
    CODE_ARTIFACT_ENV = "CodeArtifactEnv"
    PIP_CONF = "PipConf"
    NPMRC = "Npmrc"
    MAVEN_SETTINGS = "MavenSettings"
    DOCKER_CONFIG_JSON = "DockerConfigJson"
    DOT_ENV = "DotEnv"


_ALIBABA: Final = frozenset(form for form in Format if form.name.startswith("ALIBABA_"))
_AWS: Final = frozenset(form for form in Format if form.name.startswith("AWS_"))

FORMATS_OF_PROVIDER: Final[Mapping[Provider, frozenset[Format]]] = {
    Provider.AWS: frozenset(Format) - _ALIBABA,
    Provider.ALIBABA_CLOUD: frozenset(Format) - _AWS,
    Provider.TOKEN_EXCHANGE: frozenset(Format) - _AWS - _ALIBABA,
}
"""The formats available to the credentials of a cloud, if the kind provides the values."""

BEDROCK_FORMATS: Final = frozenset(
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
"""The formats for Amazon Bedrock keys."""

SESSION_FORMATS: Final = _AWS | _ALIBABA | {Format.DOT_ENV}
"""The formats for access keys and sessions."""

API_GATEWAY_FORMATS: Final = frozenset(
    {Format.API_KEY, Format.HEADER_CREDENTIAL, Format.API_GATEWAY_ENV, Format.DOT_ENV}
)
"""The formats for Amazon API Gateway keys."""

CLAUDE_PLATFORM_FORMATS: Final = frozenset(
    {
        Format.CLAUDE_PLATFORM_ENV,
        Format.API_KEY,
        Format.AUTHORIZATION,
        Format.HEADER_CREDENTIAL,
        Format.DOT_ENV,
    }
)
"""The formats for keys of Claude Platform on AWS."""

MODEL_STUDIO_FORMATS: Final = frozenset(
    {
        Format.DASHSCOPE_ENV,
        Format.OPENAI_ENV,
        Format.API_KEY,
        Format.AUTHORIZATION,
        Format.HEADER_CREDENTIAL,
        Format.DOT_ENV,
    }
)
"""The formats for keys of Alibaba Cloud Model Studio."""
AWS_LONG_TERM_FORMATS: Final = CLAUDE_PLATFORM_FORMATS | {
    Format.OTLP_METRICS_ENV,
    Format.OTLP_LOGS_ENV,
    Format.OTLP_TRACES_ENV,
}
"""The formats for long-term keys of AWS services other than Amazon Bedrock."""

TOKEN_FORMATS: Final = frozenset({Format.API_KEY, Format.AUTHORIZATION, Format.HEADER_CREDENTIAL})
"""The formats for any token."""

PACKAGE_FORMATS: Final = frozenset(
    {
        Format.CODE_ARTIFACT_ENV,
        Format.PIP_CONF,
        Format.NPMRC,
        Format.MAVEN_SETTINGS,
        Format.API_KEY,
        Format.DOT_ENV,
    }
)
"""The formats for tokens of AWS CodeArtifact."""

REGISTRY_FORMATS: Final = frozenset({Format.DOCKER_CONFIG_JSON, Format.API_KEY})
"""The formats for logins to container registries."""

OPAQUE: Final = "Opaque"
SECRET_TYPES: Final[Mapping[Format, str]] = {
    Format.DOCKER_CONFIG_JSON: "kubernetes.io/dockerconfigjson",
}
"""The type of Secret that the readers of a format need; Opaque for all others."""


class Variable(StrEnum):
    """The variables of templates; a value is the name between `${` and `}`."""

    API_KEY = "apiKey"
    PREVIOUS_API_KEY = "previous.apiKey"
    ACCESS_KEY_ID = "accessKeyId"
    SECRET_ACCESS_KEY = "secretAccessKey"  # noqa: S105  a variable name
    SESSION_TOKEN = "sessionToken"  # noqa: S105  a variable name
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
    CLAUDE_PLATFORM_URL = "claudePlatformUrl"
    WORKSPACE_ID = "workspaceId"
    DASHSCOPE_URL = "dashScopeUrl"
    OTLP_URL = "otlpUrl"
    OTLP_HEADERS = "otlpHeaders"
    USERNAME = "username"
    CODE_ARTIFACT_HOST = "codeArtifactHost"
    REPOSITORY = "repository"
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
    PIP_INDEX_URL = "pipIndexUrl"
    PIP_CONF = "pipConf"
    NPMRC = "npmrc"
    MAVEN_SETTINGS = "mavenSettings"
    DOCKER_CONFIG_JSON = "dockerConfigJson"


FORMAT_ONLY_VARIABLES: Final = frozenset(
    {
        Variable.AWS_CONFIG_FILE,
        Variable.HEADER,
        Variable.CURL_CONFIG,
        Variable.ALIBABA_CREDENTIALS_URI_BODY,
        Variable.ALIBABA_CROSSPLANE_FILE,
        Variable.USERNAME,
        Variable.CODE_ARTIFACT_HOST,
        Variable.REPOSITORY,
        Variable.PIP_INDEX_URL,
        Variable.PIP_CONF,
        Variable.NPMRC,
        Variable.MAVEN_SETTINGS,
        Variable.DOCKER_CONFIG_JSON,
    }
)
"""Variables that formats use and that templates of users may not use."""

TEMPLATES: Final[Mapping[Format, Mapping[str, str | Variable]]] = {
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
    Format.CLAUDE_PLATFORM_ENV: {
        "ANTHROPIC_AWS_API_KEY": "${apiKey}",
        "ANTHROPIC_AWS_WORKSPACE_ID": "${workspaceId}",
        "AWS_REGION": "${region}",
        "CLAUDE_CODE_USE_ANTHROPIC_AWS": "1",
    },
    # The names of DashScope's SDK, then that of LiteLLM.
    Format.DASHSCOPE_ENV: {
        "DASHSCOPE_API_KEY": "${apiKey}",
        "DASHSCOPE_HTTP_BASE_URL": "${dashScopeUrl}",
        "DASHSCOPE_COMPATIBLE_BASE_URL": "${openAiBaseUrl}",
        "DASHSCOPE_API_BASE": "${openAiBaseUrl}",
    },
    # One signal each: a process can have the variables of several services.
    Format.OTLP_METRICS_ENV: {
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "${otlpUrl}",
        "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "${otlpHeaders}",
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf",
    },
    Format.OTLP_LOGS_ENV: {
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "${otlpUrl}",
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "${otlpHeaders}",
        "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/protobuf",
    },
    Format.OTLP_TRACES_ENV: {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "${otlpUrl}",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "${otlpHeaders}",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
    },
    Format.ANTHROPIC_API_ENV: {
        "ANTHROPIC_AUTH_TOKEN": "${apiKey}",
        # The API accepts access tokens with this header only: anthropic 2.14.0,
        # lib/credentials/_constants.py. SDKs add it to tokens that they exchange themselves.
        "ANTHROPIC_CUSTOM_HEADERS": "anthropic-beta: oauth-2025-04-20",
    },
    # The names in AWS's guide to CodeArtifact, which Maven, Gradle and npm settings refer to, and
    # that of pip.
    Format.CODE_ARTIFACT_ENV: {
        "CODEARTIFACT_AUTH_TOKEN": "${apiKey}",
        "PIP_INDEX_URL": Variable.PIP_INDEX_URL,
    },
    Format.PIP_CONF: {"pip.conf": Variable.PIP_CONF},
    Format.NPMRC: {".npmrc": Variable.NPMRC},
    Format.MAVEN_SETTINGS: {"settings.xml": Variable.MAVEN_SETTINGS},
    Format.DOCKER_CONFIG_JSON: {".dockerconfigjson": Variable.DOCKER_CONFIG_JSON},
    Format.API_KEY: {"apiKey": "${apiKey}"},
    Format.AUTHORIZATION: {"Authorization": "${apiKey}"},
    Format.HEADER_CREDENTIAL: {"credential": Variable.HEADER},
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
    Format.AWS_CREDENTIAL_PROCESS: {
        CREDENTIAL_PROCESS_FILE: "${awsCredentialProcess}",
        "config": Variable.AWS_CONFIG_FILE,
    },
    Format.API_GATEWAY_ENV: {
        "X_API_KEY": "${apiKey}",
        "curl.conf": Variable.CURL_CONFIG,
    },
    Format.ALIBABA_ENV: {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "${accessKeyId}",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "${secretAccessKey}",
        "ALIBABA_CLOUD_SECURITY_TOKEN": "${sessionToken}",
        # The names that Terraform and Pulumi use.
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
    Format.ALIBABA_CREDENTIALS_URI: {"credentials.json": Variable.ALIBABA_CREDENTIALS_URI_BODY},
    Format.ALIBABA_CROSSPLANE: {"credentials": Variable.ALIBABA_CROSSPLANE_FILE},
    Format.DOT_ENV: {".env": "${dotEnv}"},
}
"""What each format writes: key of the Secret -> text with variables, or one variable for a file.

No token ends with a newline. The docs describe which client reads which key.
"""
