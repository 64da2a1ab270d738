"""Servers of credentials URIs on the loopback address: valid ones, and faulty ones."""

from __future__ import annotations

import json
import uuid
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from testbed.clouds.alibaba import answers
from testbed.clouds.errors import CloudError
from testbed.clouds.wire import Response, json_response

if TYPE_CHECKING:
    from testbed.clouds.alibaba.accounts import Accounts
    from testbed.clouds.alibaba.sessions import Session, Sessions
    from testbed.clouds.wire import Entry, Request

HOST = "127.0.0.1"
_FOLDER = "/credentials/"
_LARGE_BYTES = 10 * 1024 * 1024


class UriAnswer(StrEnum):
    """How a credentials URI answers; for a slow one, use a delay of "credentials-uri"."""

    GOOD = "good"
    ENDED = "ended"
    REDIRECT = "redirect"
    LARGE = "large"
    NOT_JSON = "not-json"
    NO_OBJECT = "no-object"
    NO_TOKEN = "no-token"  # noqa: S105  not a secret
    FAILED = "failed"


class CredentialsUris:
    """Each path returns sessions of one role, a new one for each request."""

    name = "credentials-uri"

    def __init__(self, *, accounts: Accounts, sessions: Sessions) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._uris: dict[str, tuple[str, UriAnswer, float]] = {}

    def create(self, *, role_arn: str, answer: str, seconds: float) -> str:
        """Create a URI and return its path; its sessions last that long."""
        path = f"{_FOLDER}{uuid.uuid4().hex}"
        self._uris[path] = (role_arn, UriAnswer(answer), seconds)
        return path

    def change(self, *, path: str, answer: str) -> None:
        """Change how a URI answers from now on."""
        role_arn, _, seconds = self._uris[path]
        self._uris[path] = (role_arn, UriAnswer(answer), seconds)

    def action(self, request: Request) -> str:  # noqa: ARG002  as in Service
        """A name for the call log."""
        return "GetCredentials"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:  # noqa: ARG002  as in Service
        """The credentials, or the configured faulty response."""
        entry.parameters["path"] = request.path
        known = self._uris.get(request.path)
        role = None if known is None else self._accounts.role(known[0])
        if known is None or role is None:
            raise CloudError("NotFound", "not found", status=404)
        _, answer, seconds = known
        session = self._sessions.issue(
            role, name="credentials-uri", duration_seconds=seconds, policy=None
        )
        entry.session = session.access_key_id
        if answer is UriAnswer.ENDED:
            self._sessions.revoke(session.access_key_id)
        return _written(session, answer=answer)

    def refuse(self, request: Request, error: CloudError) -> Response:  # noqa: ARG002  as in Service
        """The refusal as a response."""
        return json_response({"Code": error.code}, status=error.status)


def _written(session: Session, *, answer: UriAnswer) -> Response:
    content: dict[str, Any] = {
        "Code": "Success",
        "AccessKeyId": session.access_key_id,
        "AccessKeySecret": session.secret_key,
        "SecurityToken": session.token,
        "Expiration": answers.time_text(session.expires_at),
    }
    match answer:
        case UriAnswer.GOOD:
            return json_response(content)
        case UriAnswer.ENDED:
            return json_response({**content, "Expiration": answers.time_text(session.issued_at)})
        case UriAnswer.REDIRECT:
            location = {"Location": "http://100.100.100.200/latest/meta-data/"}
            return json_response({}, status=302, headers=location)
        case UriAnswer.LARGE:
            return json_response({**content, "Padding": "x" * _LARGE_BYTES})
        case UriAnswer.NOT_JSON:
            return Response(200, f"<html>{json.dumps(content)}</html>".encode(), "text/html")
        case UriAnswer.NO_OBJECT:
            return json_response([content])
        case UriAnswer.NO_TOKEN:
            del content["SecurityToken"]
            return json_response(content)
        case UriAnswer.FAILED:
            return json_response({"Code": "InternalError", "Message": "try again later"})
