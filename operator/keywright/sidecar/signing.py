"""Sign requests with mounted STS credentials, by AWS Signature Version 4.

docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html; the signer is botocore's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from keywright.api.sensitive import Sensitive
from keywright.api.times import time_or_none
from keywright.sidecar.documents import FileMissingError, MountedFile
from keywright.sidecar.mounted_key import NoKeyError
from keywright.sidecar.proxy_rules import RefusedError, UpstreamError
from keywright.sidecar.server import AWS_FILE

MOST_BYTES: Final = 25 * 2**20
_SCOPE: Final = re.compile(r"(?P<service>[a-z0-9-]{1,64})/(?P<region>[a-z0-9-]{1,64})")
_UNSIGNED: Final = Config(s3={"payload_signing_enabled": False})
_EVENT_STREAM: Final = "application/vnd.amazon.eventstream"


class _Process(msgspec.Struct):
    """The parts of the output of a credential process that sign."""

    AccessKeyId: str
    SecretAccessKey: str
    SessionToken: str
    Expiration: str


class MountedCredentials:
    """The credentials in `credential-process.json`; `current` is their text."""

    def __init__(self, directory: Path, *, clock: Callable[[], datetime]) -> None:
        self._file = MountedFile(directory / AWS_FILE, parse=_credentials)
        self._clock = clock

    def current(self) -> Sensitive:
        """The credentials now.

        Raises:
            NoKeyError: there are none, they have another structure, or they have expired.
        """
        try:
            credentials, ends_at = self._file.read()
        except FileMissingError as error:
            raise NoKeyError(str(error)) from None
        if ends_at is None:
            raise NoKeyError(f"{self._file.path} has another form: is it of AwsCredentialProcess?")
        if ends_at <= self._clock():
            raise NoKeyError(
                f"the credentials in {self._file.path} have expired: see the grant's conditions"
            )
        return credentials


def _credentials(text: str) -> tuple[Sensitive, datetime | None]:
    """The credentials and their expiry; without one for a text of another form."""
    found = _parsed(text)
    return Sensitive(text), None if found is None else time_or_none(found.Expiration)


def _parsed(text: str) -> _Process | None:
    try:
        return msgspec.json.decode(text.encode(), type=_Process)
    except msgspec.DecodeError:
        return None


class RequestSigner:
    """Signs for one service and region, whatever clients ask for.

    S3 accepts bodies that are not part of the signature: they are streamed.
    """

    def __init__(self, *, service: str, region: str) -> None:
        self._service = service
        self._region = region

    @classmethod
    def of(cls, scope: str) -> RequestSigner:
        """The signer for `SERVICE/REGION`; raises UpstreamError."""
        found = _SCOPE.fullmatch(scope)
        if found is None:
            raise UpstreamError(f"{scope!r} must be the name of a service, / and a region")
        return cls(service=found["service"], region=found["region"])

    @property
    def streams(self) -> bool:
        """Whether bodies need not be read before the request is sent."""
        return self._service == "s3"

    @property
    def most_bytes(self) -> int:
        """The largest body that is signed; it is held in memory."""
        return MOST_BYTES

    def check(self, target: str, headers: Iterable[tuple[str, str]]) -> None:
        """Refuse what the proxy cannot sign again.

        Raises:
            RefusedError: a presigned URL, or a body with signatures of its own.
        """
        query = target.partition("?")[2].lower()
        if "x-amz-signature=" in query or "x-amz-credential=" in query:
            raise RefusedError(400, "presigned URLs cannot be signed again: do without the proxy")
        found = {name.lower(): value.lower() for name, value in headers}
        chunked = found.get("x-amz-content-sha256", "").startswith("streaming-")
        encoded = "aws-chunked" in found.get("content-encoding", "")
        if chunked or encoded or found.get("content-type", "").startswith(_EVENT_STREAM):
            raise RefusedError(
                400, "bodies with signatures of their own cannot be signed again: switch them off"
            )

    def sign(
        self,
        method: str,
        url: str,
        headers: Iterable[tuple[str, str]],
        *,
        body: bytes | None,
        credentials: Sensitive,
    ) -> list[tuple[str, str]]:
        """The headers with those of the signature; `body` is None if it is not signed."""
        found = _parsed(credentials.reveal())
        assert found is not None
        held = Credentials(found.AccessKeyId, found.SecretAccessKey, found.SessionToken)
        request = AWSRequest(method=method, url=url, data=body)
        for name, value in headers:
            request.headers[name] = value
        if self.streams:
            request.context["client_config"] = _UNSIGNED
            signer: SigV4Auth = S3SigV4Auth(held, self._service, self._region)
        else:
            signer = SigV4Auth(held, self._service, self._region)
        signer.add_auth(request)
        return list(request.headers.items())
