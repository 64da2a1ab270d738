"""The interface of tests to the emulator's process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from testbed.clouds.emulator import EmulatedCloud

if TYPE_CHECKING:
    from pathlib import Path


class TokenVendors(EmulatedCloud):
    """Sets what the vendors trust, and reads their calls.

    The services in faults are "anthropic", "openai-auth", "openai", "openrouter" and "generic".
    """

    name = "vendors"

    @override
    def client_environment(self) -> dict[str, str]:
        """The environment in which an unmodified SDK uses these vendors."""
        certificate = str(self.ca_file)
        proxy = f"http://127.0.0.1:{self.proxy_port}"
        return {
            "HTTPS_PROXY": proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "SSL_CERT_FILE": certificate,
            "REQUESTS_CA_BUNDLE": certificate,
        }

    def trust_issuer(self, issuer: str, *, ca_file: Path | None) -> None:
        """Let the vendors fetch the keys of an issuer, whose certificate this CA signs."""
        self._ask("trust_issuer", issuer=issuer, ca_file=None if ca_file is None else str(ca_file))

    def put_trust(self, vendor: str, id_: str, **fields: Any) -> None:
        """Create a rule, mapping or policy, or change fields of it (`trusts.Trust`)."""
        self._ask("put_trust", vendor=vendor, id=id_, **fields)

    def remove_trust(self, vendor: str, id_: str) -> None:
        """Delete a rule, mapping or policy."""
        self._ask("remove_trust", vendor=vendor, id=id_)

    def revoke_all(self) -> None:
        """Revoke all access tokens."""
        self._ask("revoke_all")

    def answer_with(self, body: str | None, *, location: str = "", pieces: int = 0) -> None:
        """Let the generic endpoint answer with this text, or redirect; None ends it.

        THE-SENT-TOKEN in the text becomes the token of the request. `pieces`: it refuses with the
        text as the message, in pieces of so many characters.
        """
        self._ask("answer_with", body=body, location=location, pieces=pieces)
