"""Access tokens that a vendor issues for ServiceAccount tokens."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from typing_extensions import override

from keywright.api.errors import FieldError
from keywright.api.formats import TOKEN_FORMATS, Format, Variable
from keywright.api.key_spec import KeySpec, ProbeMode
from keywright.api.source import CredentialSource, Provider, SourceTraits
from keywright.api.token_exchange_source import (
    AnthropicExchange,
    GenericExchange,
    OpenAiExchange,
    OpenRouterExchange,
)

OPENAI_BASE_URLS: Final[Mapping[str, str]] = {
    OpenAiExchange.field: "https://api.openai.com/v1",
    OpenRouterExchange.field: "https://openrouter.ai/api/v1",
}
"""The base URLs for SDKs of OpenAI: the vendors' API references."""
_FORMATS: Final[Mapping[str, Format]] = {
    AnthropicExchange.field: Format.ANTHROPIC_API_ENV,
    OpenAiExchange.field: Format.OPENAI_ENV,
    OpenRouterExchange.field: Format.OPENAI_ENV,
}
"""The format of each vendor's readers."""


class AccessToken(KeySpec, frozen=True):
    """The access token of a source with a token exchange; its end is that in the answer."""

    kind: ClassVar = "accessToken"
    formats: ClassVar = TOKEN_FORMATS | {Format.ANTHROPIC_API_ENV, Format.OPENAI_ENV}
    default_formats: ClassVar = (Format.AUTHORIZATION,)
    variables: ClassVar = frozenset(
        {
            Variable.API_KEY,
            Variable.EXPIRES_AT,
            Variable.EXPIRES_AT_UNIX,
            Variable.NAMESPACE,
            Variable.NAME,
            Variable.OPENAI_BASE_URL,
        }
    )
    probe_modes: ClassVar = frozenset({ProbeMode.SERVICE})

    @classmethod
    @override
    def default_formats_for(cls, traits: SourceTraits) -> tuple[Format, ...]:
        """The environment variables that the SDKs of the vendor read."""
        form = _FORMATS.get(traits.service)
        return cls.default_formats if form is None else (form,)

    @classmethod
    @override
    def required_source(cls, source: CredentialSource) -> str:
        """A source with a token exchange."""
        return "" if source.provider is Provider.TOKEN_EXCHANGE else "with tokenExchange"

    @override
    def source_errors(
        self, traits: SourceTraits, *, formats: tuple[Format, ...], probe: tuple[ProbeMode, bool]
    ) -> Iterator[FieldError]:
        """A format of another vendor's readers, or a probe that this vendor has no call for."""
        fitting = {_FORMATS[traits.service]} if traits.service in _FORMATS else set()
        for form in formats:
            if form not in TOKEN_FORMATS | fitting:
                choices = ", ".join(sorted(TOKEN_FORMATS | fitting))
                yield FieldError(
                    "spec.secret.formats",
                    f"{form} is not for tokens of {traits.service}: choose from {choices}",
                )
        mode, has_model = probe
        if mode is not ProbeMode.SERVICE:
            return
        if traits.service == GenericExchange.field:
            yield FieldError(
                "spec.probe.mode",
                "Service cannot try a token of a generic endpoint, whose service is unknown: use"
                " None",
            )
        elif traits.service == OpenRouterExchange.field and not has_model:
            yield FieldError(
                "spec.probe.modelId",
                "OpenRouter lists its models without a token: name a model that writes one token,"
                " or use mode None",
            )

    @override
    def own_values(self, region: str, traits: SourceTraits) -> Mapping[Variable, str]:
        """The base URL of the vendor."""
        del region
        url = OPENAI_BASE_URLS.get(traits.service)
        return {} if url is None else {Variable.OPENAI_BASE_URL: url}
