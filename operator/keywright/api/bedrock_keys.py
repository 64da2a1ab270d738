"""The keys of Amazon Bedrock: short-term ones, and those of an IAM user."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, ClassVar, Final

from typing_extensions import override

from keywright.api import checks
from keywright.api.bedrock_models import model_errors, model_policy
from keywright.api.errors import FieldError
from keywright.api.formats import BEDROCK_FORMATS, Format, Variable
from keywright.api.key_spec import ProbeMode
from keywright.api.presigned_key import PRESIGNED_VARIABLES, PresignedKey
from keywright.api.schema import KeyIdentity, Listed, Policy, Text
from keywright.api.user_key import KeyService, UserKey

_LONGEST_PARTITION = "aws-us-gov"


class Endpoint(StrEnum):
    """The OpenAI-compatible base URL of Bedrock that clients use."""

    RUNTIME = "Runtime"
    MANTLE = "Mantle"
    MANTLE_OPENAI = "MantleOpenAI"


_BEDROCK_DEFAULTS: Final = (Format.BEDROCK_ENV, Format.OPENAI_ENV)
BEDROCK_URLS: Final = frozenset(
    {
        Variable.BEDROCK_RUNTIME_URL,
        Variable.OPENAI_BASE_URL,
        Variable.MANTLE_URL,
        Variable.MANTLE_OPENAI_URL,
        Variable.RUNTIME_ANTHROPIC_URL,
        Variable.MANTLE_ANTHROPIC_URL,
    }
)
_BEDROCK_ENVIRONMENT: Final[Mapping[str, Variable]] = {
    "AWS_BEARER_TOKEN_BEDROCK": Variable.API_KEY,
    "AWS_REGION": Variable.REGION,
    "OPENAI_API_KEY": Variable.API_KEY,
    "OPENAI_BASE_URL": Variable.OPENAI_BASE_URL,
}
BEDROCK_PROBES: Final = frozenset({ProbeMode.SERVICE, ProbeMode.BEDROCK})
_BEDROCK_VARIABLES: Final = PRESIGNED_VARIABLES | BEDROCK_URLS


class BedrockShortTermKey(PresignedKey, frozen=True):
    """A Bedrock API key that is signed locally and expires within 12 hours."""

    kind: ClassVar = "bedrockShortTermKey"
    formats: ClassVar = BEDROCK_FORMATS
    default_formats: ClassVar = _BEDROCK_DEFAULTS
    variables: ClassVar = _BEDROCK_VARIABLES
    environment: ClassVar = _BEDROCK_ENVIRONMENT
    probe_modes: ClassVar = BEDROCK_PROBES

    endpoint: Endpoint = Endpoint.RUNTIME
    allowed_models: Listed[Text] = ()

    @property
    @override
    def session_policies(self) -> tuple[str, ...]:
        """The fields that limit the session which signs the key."""
        own = ("allowedModels",) if self.allowed_models else ()
        return own + super().session_policies

    @override
    def policy_in(self, partition: str) -> Policy | None:
        """The session policy: that of `allowedModels`, or the one that the user wrote."""
        if self.allowed_models:
            return model_policy(self.allowed_models, partition=partition)
        return super().policy_in(partition)

    @override
    def field_errors(self) -> Iterator[FieldError]:
        """The duration, the models, and the session policy."""
        field = f"spec.{self.kind}.allowedModels"
        yield from model_errors(field, self.allowed_models)
        if self.allowed_models and (self.policy or self.policy_arns):
            yield FieldError(
                field,
                "beside policy or policyArns, and AWS allows what any of them allows: remove one",
            )
        yield from super().field_errors()
        if self.allowed_models:
            yield from checks.session_policy(field, self.policy_in(_LONGEST_PARTITION))

    @override
    def key_identity(self) -> KeyIdentity:
        """The duration and the limits; the grant adds the region. The endpoint only changes a URL.

        The models stand for their policy, so that another wording of it issues no new key.
        """
        models = sorted(set(self.allowed_models))
        return super().key_identity() | ({"allowedModels": models} if models else {})


BEDROCK: Final = KeyService(
    name="bedrock.amazonaws.com",
    title="Amazon Bedrock",
    prefix="ABSK",
    bearer_actions=("bedrock:CallWithBearerToken", "bedrock-mantle:CallWithBearerToken"),
    default_policy="AmazonBedrockLimitedAccess",
)


class BedrockLongTermKey(UserKey, frozen=True):
    """A Bedrock API key that belongs to an IAM user: a service-specific credential."""

    kind: ClassVar = "bedrockLongTermKey"
    formats: ClassVar = BEDROCK_FORMATS
    default_formats: ClassVar = _BEDROCK_DEFAULTS
    variables: ClassVar = _BEDROCK_VARIABLES | {Variable.KEY_ID, Variable.PREVIOUS_API_KEY}
    environment: ClassVar = _BEDROCK_ENVIRONMENT
    probe_modes: ClassVar = BEDROCK_PROBES

    endpoint: Endpoint = Endpoint.RUNTIME

    @property
    @override
    def key_service(self) -> KeyService:
        """Amazon Bedrock."""
        return BEDROCK

    @classmethod
    @override
    def service_name_in(cls, spec: Mapping[str, Any]) -> str:
        """Amazon Bedrock, whatever the spec says."""
        return BEDROCK.name
