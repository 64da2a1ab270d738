"""Tokens of ServiceAccounts: issued and verified by this server."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from testbed.clusters.embedded import field_errors
from testbed.clusters.embedded.documents import Document, metadata_of, timestamp

if TYPE_CHECKING:
    from testbed.clusters.embedded.store import Record, Store

SERVICE_ACCOUNTS: Final = ("", "serviceaccounts")
_SHORTEST: Final = 600
_LONGEST: Final = 1 << 32
_DEFAULT: Final = 3600
_SUBJECT: Final = "system:serviceaccount:"


class TokenIssuer:
    """One RSA key, created at the start, and the tokens signed with it."""

    def __init__(self, issuer: str, store: Store) -> None:
        self.issuer = issuer
        self._store = store
        self._key = RSAKey.generate_key(2048, auto_kid=True)
        self._known: dict[str, tuple[str, str, str, int]] = {}

    def discovery(self) -> Document:
        """The OpenID discovery document."""
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def key_set(self) -> Document:
        """The public key, as a JWK set."""
        return {"keys": [{"use": "sig", "alg": "RS256", **self._key.as_dict(private=False)}]}

    def request(self, account: Record, body: Document) -> Document:
        """Handle a TokenRequest; raises ApiError (422) for a lifetime that is not allowed."""
        spec = body.get("spec") or {}
        seconds = spec.get("expirationSeconds", _DEFAULT)
        if not _SHORTEST <= seconds <= _LONGEST:
            detail = (
                "may not specify a duration less than 10 minutes"
                if seconds < _SHORTEST
                else "may not specify a duration larger than 2^32 seconds"
            )
            problem = field_errors.invalid_value("spec.expirationSeconds", seconds, detail)
            subject = field_errors.Subject(kind="TokenRequest", group="authentication.k8s.io")
            raise field_errors.invalid(subject, [problem])
        audiences = spec.get("audiences") or [self.issuer]
        now = int(time.time())
        metadata = metadata_of(account.document)
        namespace, name = metadata["namespace"], metadata["name"]
        account_claim = {"name": name, "uid": metadata["uid"]}
        claims = {
            "aud": audiences,
            "exp": now + seconds,
            "iat": now,
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {"namespace": namespace, "serviceaccount": account_claim},
            "nbf": now,
            "sub": f"{_SUBJECT}{namespace}:{name}",
        }
        token = jwt.encode(
            {"alg": "RS256", "kid": self._key.kid}, claims, self._key, default_type=None
        )
        expiry = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + seconds))
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": metadata["uid"],
                "creationTimestamp": timestamp(),
            },
            "spec": {
                "audiences": audiences,
                "expirationSeconds": seconds,
                "boundObjectRef": spec.get("boundObjectRef"),
            },
            "status": {"token": token, "expirationTimestamp": expiry},
        }

    def user_of(self, token: str) -> str | None:
        """The user of a token; None for another audience, an expired token or a deleted account."""
        known = self._known.get(token) or self._read(token)
        if known is None:
            return None
        namespace, name, uid, expiry = known
        if expiry <= time.time():
            return None
        account = self._store.get(SERVICE_ACCOUNTS, (namespace, name))
        if account is None or metadata_of(account.document)["uid"] != uid:
            return None
        return f"{_SUBJECT}{namespace}:{name}"

    def _read(self, token: str) -> tuple[str, str, str, int] | None:
        try:
            claims = jwt.decode(token, self._key, algorithms=["RS256"]).claims
            about = claims["kubernetes.io"]
            account = about["serviceaccount"]
            audiences = claims["aud"]
        except (JoseError, ValueError, KeyError, TypeError):
            return None
        if self.issuer not in audiences or claims.get("iss") != self.issuer:
            return None
        found = (about["namespace"], account["name"], account["uid"], int(claims["exp"]))
        self._known[token] = found
        return found
