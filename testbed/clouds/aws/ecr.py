"""Amazon ECR: GetAuthorizationToken, and the private registries of the accounts.

The action, its answer and error names: botocore's model ecr 2015-09-21; the token is `AWS:password`
in base64, and valid for 12 hours. [R] Status 400 and the resource `*` of a missing permission:
terraform-aws-modules/terraform-aws-iam#514. [R] Basic authentication: ECR user guide, "HTTP API
authentication"; the challenge: mayflower/docker-ls#28. [R] The message for a pull without
permission: aws/copilot-cli#3518; for an expired login: portainer/portainer#6764. [R] The status 403
of an expired login: awslabs/amazon-ecr-credential-helper#7. [R] Which action allows which request,
and that a token outlives the session that requested it, which follows from the fixed expiry, are
guesses. [U] Layers are redirected to S3 by ECR, and answered directly here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import TYPE_CHECKING

from testbed.clouds.aws import json_protocol
from testbed.clouds.aws.registry_tokens import opaque_password
from testbed.clouds.errors import CloudError
from testbed.clouds.wire import Response, json_response

if TYPE_CHECKING:
    from testbed.clouds.aws.authentication import Authentication
    from testbed.clouds.aws.principals import Principal
    from testbed.clouds.aws.registry_tokens import RegistryToken, RegistryTokens
    from testbed.clouds.wire import Entry, Request

SERVICE, REGISTRIES = "ecr", "ecr-registries"
IMAGE, USER = "team/app", "AWS"
_TARGET = "AmazonEC2ContainerRegistry_V20150921."
_SECONDS = 12 * 3600
_HOST = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[^.]+)")
_PATH = re.compile(r"/v2/(?P<name>[a-z0-9/_-]+)/(?P<part>manifests|blobs)/(?P<which>[\w.:-]+)")
_ACTIONS = {"manifests": "ecr:BatchGetImage", "blobs": "ecr:GetDownloadUrlForLayer"}
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = json.dumps(
    {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
).encode()


class ContainerRegistry:
    """The regional endpoint of the API, `api.ecr.<region>.amazonaws.com`."""

    name = SERVICE

    def __init__(self, *, tokens: RegistryTokens, authentication: Authentication) -> None:
        self._tokens = tokens
        self._authentication = authentication

    def action(self, request: Request) -> str:
        """The name of the action."""
        return (request.header("x-amz-target") or "").removeprefix(_TARGET)

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Execute the call."""
        region = request.host.split(".")[2]
        principal = self._authentication.verify(request, service=SERVICE, region=region)
        entry.principal = principal.arn
        if action != "GetAuthorizationToken":
            raise CloudError("UnknownOperationException", "Unknown operation", status=404)
        self._authentication.authorize(
            principal,
            action="ecr:GetAuthorizationToken",
            resource="*",
            source_ip=request.source_ip,
        )
        expires_at = self._tokens.now() + _SECONDS
        token = self._tokens.issue(
            opaque_password(expires_at=expires_at),
            access_key_id=principal.access_key_id,
            scope=(region,),
            expires_at=expires_at,
        )
        login = base64.b64encode(f"{USER}:{token.value}".encode()).decode()
        registry = f"https://{principal.account}.dkr.ecr.{region}.amazonaws.com"
        data = {
            "authorizationToken": login,
            "expiresAt": token.expires_at,
            "proxyEndpoint": registry,
        }
        return json_response({"authorizationData": [data]})

    def refuse(self, request: Request, error: CloudError) -> Response:
        """The error as AWS's JSON protocol 1.1 has it: its type in the body."""
        del request
        answer = json_protocol.error(error)
        content = {"__type": answer.headers["x-amzn-errortype"], "message": error.message}
        return json_response(content, status=answer.status if answer.status >= 500 else 400)


class Registries:
    """The registries, `<account>.dkr.ecr.<region>.amazonaws.com`, with one image each."""

    name = REGISTRIES

    def __init__(self, *, tokens: RegistryTokens, authentication: Authentication) -> None:
        self._tokens = tokens
        self._authentication = authentication

    def action(self, request: Request) -> str:
        """The method, and what is requested: the version check, a manifest or a blob."""
        found = _PATH.fullmatch(request.path)
        return f"{request.method} {found['part'] if found else request.path}"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """The version check, the manifest of the image, or its configuration."""
        del action
        named = _HOST.match(request.host)
        assert named is not None
        holder = self._holder(self._verified(request, region=named["region"]))
        entry.principal = holder.arn
        self._authentication.pace(self.name, account=holder.account)
        if request.path == "/v2/":
            return json_response({})
        found = _PATH.fullmatch(request.path)
        if found is None or found["name"] != IMAGE:
            raise CloudError("NAME_UNKNOWN", "The repository does not exist", status=404)
        where = f"{named['region']}:{named['account']}:repository/{IMAGE}"
        self._authentication.authorize(
            holder,
            action=_ACTIONS[found["part"]],
            resource=f"arn:aws:ecr:{where}",
            source_ip=request.source_ip,
        )
        if found["part"] == "manifests":
            return _manifest()
        if found["which"] != _digest(_CONFIG):
            raise CloudError("BLOB_UNKNOWN", "The layer does not exist", status=404)
        return Response(200, _CONFIG, "application/octet-stream")

    def refuse(self, request: Request, error: CloudError) -> Response:
        """The error in the format of the OCI distribution specification, with the challenge."""
        code = "DENIED" if error.code == "AccessDenied" else error.code
        headers = {}
        if error.status == 401:
            realm = f"https://{request.host}/"
            headers = {"WWW-Authenticate": f'Basic realm="{realm}",service="ecr.amazonaws.com"'}
        body = {"errors": [{"code": code, "message": error.message}]}
        return json_response(body, status=error.status, headers=headers)

    def _verified(self, request: Request, *, region: str) -> RegistryToken:
        """The token of the request, for the Region; raises CloudError."""
        user, password = _login(request)
        token = self._tokens.find(password)
        if user != USER or token is None or token.scope != (region,):
            raise _unauthorized()
        if self._tokens.is_expired(token):
            raise CloudError(
                "DENIED",
                "Your authorization token has expired. Reauthenticate and try again.",
                status=403,
            )
        return token

    def _holder(self, token: RegistryToken) -> Principal:
        holder = self._authentication.find(token.access_key_id)
        if holder is None:
            raise _unauthorized()
        return holder


def _unauthorized() -> CloudError:
    return CloudError("UNAUTHORIZED", "Not Authorized", status=401)


def _login(request: Request) -> tuple[str, str]:
    credentials = (request.header("authorization") or "").removeprefix("Basic ")
    try:
        user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _manifest() -> Response:
    config = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": _digest(_CONFIG),
        "size": len(_CONFIG),
    }
    content = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": []}
    body = json.dumps(content).encode()
    return Response(200, body, _MANIFEST, {"Docker-Content-Digest": _digest(body)})
