"""The SDK of Model Studio's API in a pod: one call with the JSON of the first argument."""

from __future__ import annotations

import json
import sys
from typing import Any

from alibabacloud_modelstudio20260210 import models
from alibabacloud_modelstudio20260210.client import Client
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.runtime import RuntimeOptions


def _call(
    key: dict[str, str], region: str, method: str, key_id: str | None, body: dict[str, Any]
) -> Any:
    client = Client(Config(**key, region_id=region))
    name = "".join(part.capitalize() for part in method.split("_")) + "Request"
    request = getattr(models, name, None)
    given = [*filter(None, [key_id]), *([] if request is None else [request().from_map(body)])]
    once = RuntimeOptions(autoretry=False)
    return getattr(client, f"{method}_with_options")(*given, {}, once).body.to_map()


try:
    answer = {"answer": _call(**json.loads(sys.argv[1]))}
except Exception as error:  # any exception of the SDK and its transport
    answer = {"error": f"{getattr(error, 'code', '')}: {error}"}
sys.stdout.write(json.dumps(answer))
