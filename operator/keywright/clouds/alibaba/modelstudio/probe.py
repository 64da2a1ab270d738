"""Probe a new key of Model Studio: it makes a temporary key, or lets a model write one token.

Making a temporary key costs nothing, and a second later it is over.
"""

from __future__ import annotations

import json
from typing import Final

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import ApiKeyGrant
from keywright.api.model_studio_keys import ModelStudioKey, host_in
from keywright.api.source import CredentialSource
from keywright.clouds.addresses import Reach
from keywright.clouds.alibaba.context import AlibabaContext, limits_of
from keywright.clouds.alibaba.modelstudio.temporary import token_for
from keywright.clouds.http import HttpResponse, TransportError
from keywright.secrets.credential import API_KEY, Credential

_PATH: Final = "/compatible-mode/v1/chat/completions"


async def probe(
    grant: ApiKeyGrant,
    *,
    credential: Credential,
    source: CredentialSource,
    context: AlibabaContext,
) -> None:
    """Call the service with the key.

    Raises:
        Failure: the service rejects the key.
    """
    key = grant.key
    assert isinstance(key, ModelStudioKey)
    host = host_in(credential.region, key.workspace_id)
    assert host is not None  # validated with the source
    bearer, model = credential.values[API_KEY].reveal(), grant.spec.probe.model_id
    if model is None:
        answer = await token_for(
            bearer, host=host, seconds=1, source=source, tenant=grant.namespace, context=context
        )
    else:
        answer = await _call(model, bearer, host=host, grant=grant, source=source, context=context)
    if answer.status != 200:
        raise Failure(
            f"Model Studio ({host}) answered {answer.status}.",
            kind=FailureClass.TRANSIENT,
            reason="ProbeRejected",
            field="spec.probe",
            remedy=(
                "The key is limited by accessIps, which must include the operator's address for the"
                " probe, and by accessibleModels, which must include modelId."
            ),
        )


async def _call(
    model: str,
    bearer: str,
    *,
    host: str,
    grant: ApiKeyGrant,
    source: CredentialSource,
    context: AlibabaContext,
) -> HttpResponse:
    body = {
        "model": model,
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "."}],
    }
    try:
        return await context.http.request(
            "POST",
            f"https://{host}{_PATH}",
            limits=limits_of(source),
            reach=Reach.VENDOR,
            tenant=grant.namespace,
            headers={"Authorization": f"Bearer {bearer}"},
            body=json.dumps(body),
            content_type="application/json",
        )
    except TransportError as error:
        raise Failure(
            f"Model Studio was not reached: {error}.",
            kind=FailureClass.TRANSIENT,
            reason="ProbeTimeout",
            field="spec.probe",
        ) from None
