"""The log groups of CloudWatch Logs, and the actions of its JSON API that prepare them.

Names of actions and members are those of botocore's model `logs`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.clouds.errors import CloudError
from testbed.clouds.wire import json_response

if TYPE_CHECKING:
    from testbed.clouds.aws.authentication import Authentication
    from testbed.clouds.wire import Entry, Request, Response

TARGET = "Logs_20140328."


@dataclass(slots=True)
class LogGroup:
    """A log group; no key is accepted for it before that is enabled."""

    streams: set[str] = field(default_factory=set)
    accepts_bearer_tokens: bool = False


class LogGroups:
    """The log groups of all accounts, by account, region and name."""

    def __init__(self) -> None:
        self._stored: dict[tuple[str, str, str], LogGroup] = {}

    def find(self, *, account: str, region: str, name: str) -> LogGroup:
        """The group; raises CloudError."""
        found = self._stored.get((account, region, name))
        if found is None:
            raise CloudError("ResourceNotFoundException", "The specified log group does not exist.")
        return found

    def call(
        self,
        request: Request,
        *,
        action: str,
        region: str,
        entry: Entry,
        authentication: Authentication,
    ) -> Response:
        """An action of the JSON API, which is always signed."""
        principal = authentication.verify(request, service="logs", region=region)
        entry.principal = principal.arn
        body = json.loads(request.body or b"{}")
        name = body.get("logGroupName") or body.get("logGroupIdentifier", "")
        authentication.authorize(
            principal,
            action=f"logs:{action}",
            resource=f"arn:aws:logs:{region}:{principal.account}:log-group:{name}",
            source_ip=request.source_ip,
        )
        account = principal.account
        match action:
            case "CreateLogGroup":
                key = (account, region, name)
                if key in self._stored:
                    raise CloudError(
                        "ResourceAlreadyExistsException", "The specified log group already exists"
                    )
                self._stored[key] = LogGroup()
            case "CreateLogStream":
                group = self.find(account=account, region=region, name=name)
                group.streams.add(body["logStreamName"])
            case "PutBearerTokenAuthentication":
                group = self.find(account=account, region=region, name=name)
                group.accepts_bearer_tokens = bool(body["bearerTokenAuthenticationEnabled"])
            case _:
                raise CloudError("UnknownOperationException", f"{action} is not emulated")
        return json_response({})
