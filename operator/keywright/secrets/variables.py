"""The variables that templates may use: the kinds of key that provide them, and their values."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import quote

from keywright.api.bedrock_keys import Endpoint
from keywright.api.errors import FieldError, RenderError
from keywright.api.formats import CREDENTIAL_PROCESS_FILE, Variable
from keywright.api.grant import ApiKeyGrant
from keywright.api.partitions import partition_of, service_host
from keywright.api.sensitive import Sensitive
from keywright.api.times import format_time
from keywright.secrets import alibaba_files, registry_files
from keywright.secrets.alibaba_files import AccessKey
from keywright.secrets.credential import (
    Credential,
)
from keywright.secrets.registry_files import PackageLogin

# The characters allowed in a header and in a line of any file.
_WORD: Final = re.compile(r"[!-~]*")
# Characters that dotenv, INI, curl and shells read literally: no quotes, comments, escapes or
# interpolation.
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~+/=:@%^,-]*")
_PATH: Final = re.compile(r"(/[-._a-zA-Z0-9]+)*")

_NONE: Final = Sensitive("")

_NAMES: Final = frozenset(
    {Variable.REGION, Variable.ACCOUNT_ID, Variable.NAMESPACE, Variable.NAME, Variable.KEY_ID}
)


@dataclass(frozen=True, slots=True)
class Values:
    """The values of the variables for one grant and credential.

    It reveals the secrets: keep it only while a Secret is being written. Without a previous value,
    that of the variable is empty, so that no entry of the Secret comes and goes.
    """

    grant: ApiKeyGrant
    credential: Credential
    previous: Sensitive | None = None

    def __getitem__(self, variable: Variable) -> str:
        """The value of the variable.

        Raises:
            RenderError: This credential has no such value.
        """
        value = self._find(variable)
        if value is None:
            raise RenderError(
                FieldError(
                    "spec.secret.data",
                    f"this {self.grant.kind} has no ${{{variable}}}: leave the variable out",
                )
            )
        return value

    def access_key(self) -> AccessKey:
        """The values of an access key; raises RenderError if it is another credential."""
        return AccessKey(
            id=self[Variable.ACCESS_KEY_ID],
            secret=self[Variable.SECRET_ACCESS_KEY],
            token=self[Variable.SESSION_TOKEN],
            region=self[Variable.REGION],
        )

    def plain_access_key(self) -> AccessKey:
        """As `access_key`, for files without quotes and escapes; raises RenderError."""
        # `configparser` interpolates a percent sign.
        find = partial(self.plain, without="%")
        return AccessKey(
            id=find(Variable.ACCESS_KEY_ID),
            secret=find(Variable.SECRET_ACCESS_KEY),
            token=find(Variable.SESSION_TOKEN),
            region=find(Variable.REGION),
        )

    def package_login(self) -> PackageLogin:
        """The login to a package repository, for files without quotes; raises RenderError."""
        return PackageLogin(
            host=self.plain(Variable.CODE_ARTIFACT_HOST),
            repository=self.plain(Variable.REPOSITORY),
            username=self.plain(Variable.USERNAME),
            token=self.plain(Variable.API_KEY),
        )

    def registries(self) -> tuple[str, ...]:
        """The hosts of the container registries that the key logs in to."""
        return self.grant.key.registries(self.credential.region, self.credential.account_id)

    def plain(self, variable: Variable, *, without: str = "") -> str:
        """The value of the variable, if it needs no quotes or escapes in any file.

        Raises:
            RenderError: It has other characters: line breaks and quotes would end the value,
                `#` starts a comment, and what follows would be read as separate settings.
        """
        value = self[variable]
        if not _PLAIN.fullmatch(value) or set(value) & set(without):
            raise RenderError(
                FieldError(
                    "spec.secret.formats",
                    f"the {variable} has characters that this file cannot hold: use a format that"
                    " has each value in a key of its own",
                )
            )
        return value

    def _find(self, variable: Variable) -> str | None:
        secret = self.credential.values.get(variable)
        if variable is Variable.PREVIOUS_API_KEY:
            secret = self.previous or _NONE
        if secret is not None:
            value = secret.reveal()
            if not _WORD.fullmatch(value):
                raise RenderError(
                    FieldError(
                        "spec.secret",
                        f"the {variable} has blanks, line breaks or other characters that no"
                        " credential has: see what the source, or its endpoint, gives out",
                    )
                )
            return value
        own = self.grant.key.own_values(self.credential.region, self.grant.traits)
        find = _RESOLVERS.get(variable)
        found = own.get(variable)
        if found is None and find is not None:
            found = find(self)
        is_name = variable in _NAMES or variable in own
        if found is not None and is_name and not _PLAIN.fullmatch(found):
            # Templates can be scripts and settings of other namespaces, with the value unquoted.
            raise RenderError(
                FieldError(
                    "spec.secret.data",
                    f"the {variable} has quotes, blanks or other characters that no {variable} has:"
                    " see what the source, or its endpoint, answers",
                )
            )
        return found


def _dot_env(values: Values) -> str:
    """The environment of the kind; its values are plain words that need no quotes."""
    environment = values.grant.key.environment_for(values.credential.provider)
    lines = {name: values.plain(variable) for name, variable in environment.items()}
    return "".join(f"{name}={value}\n" for name, value in lines.items())


def _aws_credentials_file(values: Values) -> str:
    """The shared credentials file of AWS SDKs, profile [default]; most SDKs read it once."""
    return (
        "[default]\n"
        f"aws_access_key_id = {values.plain(Variable.ACCESS_KEY_ID)}\n"
        f"aws_secret_access_key = {values.plain(Variable.SECRET_ACCESS_KEY)}\n"
        f"aws_session_token = {values.plain(Variable.SESSION_TOKEN)}\n"
    )


def _aws_credential_process(values: Values) -> str:
    """The output of a `credential_process`; SDKs run it again 15 minutes before `Expiration`.

    docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
    """
    return json.dumps(
        {
            "Version": 1,
            "AccessKeyId": values[Variable.ACCESS_KEY_ID],
            "SecretAccessKey": values[Variable.SECRET_ACCESS_KEY],
            "SessionToken": values[Variable.SESSION_TOKEN],
            "Expiration": values[Variable.EXPIRES_AT],
        }
    )


def _aws_config_file(values: Values) -> str:
    """The shared config file whose process prints the file beside it, at any mount path."""
    path = values.grant.spec.secret.mount_path.rstrip("/")
    if not _PATH.fullmatch(path):
        # A shell evaluates it.
        raise RenderError(
            FieldError(
                "spec.secret.mountPath", "must be an absolute path, such as /var/run/keywright"
            )
        )
    return (
        "[default]\n"
        f"credential_process = cat {path}/{CREDENTIAL_PROCESS_FILE}\n"
        f"region = {values.plain(Variable.REGION)}\n"
    )


def _curl_config(values: Values) -> str:
    """The input of `curl --config`: a quoted header."""
    return f'header = "x-api-key: {values.plain(Variable.API_KEY)}"\n'


def _header(values: Values) -> str:
    """The value of the header that a gateway sends: a token with its prefix."""
    value = values[Variable.API_KEY]
    return f"Bearer {value}" if values.grant.key.is_bearer else value


def _otlp_headers(values: Values) -> str:
    """The headers of an OTLP exporter, as its environment variable takes them.

    Names and percent-encoded values, separated by commas: OpenTelemetry specification, "Protocol
    exporter", "Specifying headers via environment variables". A plus sign is encoded as well, as
    some SDKs read one as a blank.
    """
    headers = {
        "Authorization": f"Bearer {values.plain(Variable.API_KEY)}",
        **values.grant.key.otlp_headers,
    }
    return ",".join(f"{name}={quote(value)}" for name, value in headers.items())


def _docker_config(values: Values) -> str | None:
    registries = values.registries()
    if not registries:
        return None
    return registry_files.docker_config(
        registries, username=values[Variable.USERNAME], password=values[Variable.API_KEY]
    )


def _expires_at(values: Values) -> str | None:
    end = values.credential.expires_at
    return None if end is None else format_time(end)


def _expires_at_unix(values: Values) -> str | None:
    end = values.credential.expires_at
    return None if end is None else str(int(end.timestamp()))


def _runtime(path: str) -> Callable[[Values], str]:
    def find(values: Values) -> str:
        return f"https://{service_host('bedrock-runtime', region=values.credential.region)}{path}"

    return find


def _mantle(path: str) -> Callable[[Values], str | None]:
    def find(values: Values) -> str | None:
        region = values.credential.region
        partition = partition_of(region)
        if not partition.has_mantle:
            return None
        return f"https://bedrock-mantle.{region}.{partition.dual_stack_suffix}{path}"

    return find


def _openai_base_url(values: Values) -> str | None:
    if not values.credential.region:
        # A key of no Region is not for Bedrock.
        return None
    return _OPENAI_BASE_URLS[endpoint_of(values.grant)](values)


def endpoint_of(grant: ApiKeyGrant) -> Endpoint:
    """The Bedrock endpoint of the grant's OpenAI base URL."""
    endpoint: Endpoint = getattr(grant.key, "endpoint", Endpoint.RUNTIME)
    return endpoint


MANTLE_URLS: Final = frozenset(
    {Variable.MANTLE_URL, Variable.MANTLE_OPENAI_URL, Variable.MANTLE_ANTHROPIC_URL}
)
"""Variables for hosts that some partitions of AWS do not have."""


# The base URLs are documented in docs.aws.amazon.com/bedrock/latest/userguide: endpoints.html,
# inference-responses-api.html and inference-messages-api.html.
_OPENAI_BASE_URLS: Final[Mapping[Endpoint, Callable[[Values], str | None]]] = {
    Endpoint.RUNTIME: _runtime("/openai/v1"),
    Endpoint.MANTLE: _mantle("/v1"),
    Endpoint.MANTLE_OPENAI: _mantle("/openai/v1"),
}

_RESOLVERS: Final[Mapping[Variable, Callable[[Values], str | None]]] = {
    Variable.REGION: lambda values: values.credential.region,
    Variable.ACCOUNT_ID: lambda values: values.credential.account_id,
    Variable.KEY_ID: lambda values: values.credential.key_id,
    Variable.EXPIRES_AT: _expires_at,
    Variable.EXPIRES_AT_UNIX: _expires_at_unix,
    Variable.NAMESPACE: lambda values: values.grant.namespace,
    Variable.NAME: lambda values: values.grant.name,
    Variable.BEDROCK_RUNTIME_URL: _runtime(""),
    Variable.OPENAI_BASE_URL: _openai_base_url,
    Variable.MANTLE_URL: _mantle("/v1"),
    Variable.MANTLE_OPENAI_URL: _mantle("/openai/v1"),
    Variable.RUNTIME_ANTHROPIC_URL: _runtime("/anthropic"),
    Variable.MANTLE_ANTHROPIC_URL: _mantle("/anthropic"),
    Variable.DOT_ENV: _dot_env,
    Variable.AWS_CREDENTIALS_FILE: _aws_credentials_file,
    Variable.AWS_CREDENTIAL_PROCESS: _aws_credential_process,
    Variable.AWS_CONFIG_FILE: _aws_config_file,
    Variable.HEADER: _header,
    Variable.OTLP_HEADERS: _otlp_headers,
    Variable.CURL_CONFIG: _curl_config,
    Variable.PIP_INDEX_URL: lambda values: values.package_login().pip_index_url(),
    Variable.PIP_CONF: lambda values: values.package_login().pip_conf(),
    Variable.NPMRC: lambda values: values.package_login().npmrc(),
    Variable.MAVEN_SETTINGS: lambda values: values.package_login().maven_settings(),
    Variable.DOCKER_CONFIG_JSON: _docker_config,
    Variable.ALIBABA_CONFIG_JSON: lambda values: alibaba_files.config_json(values.access_key()),
    Variable.ALIBABA_CREDENTIALS_FILE: (
        lambda values: alibaba_files.credentials_ini(values.plain_access_key())
    ),
    Variable.ALIBABA_CREDENTIALS_URI_BODY: lambda values: alibaba_files.credentials_uri_body(
        values.access_key(), expires_at=values[Variable.EXPIRES_AT]
    ),
    Variable.ALIBABA_CROSSPLANE_FILE: lambda values: alibaba_files.crossplane(values.access_key()),
}
"""The resolver of each variable that is not a secret value."""
