"""What a pod needs to meet the emulated clouds, which run beside the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_FOLDER = "/etc/clouds"
_FILE = "certificates.pem"
_CONFIG_MAP = "clouds"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The way to the clouds' proxy, their CAs, and what of the cluster is no matter of a proxy."""

    proxy: str
    certificates: str
    api_server: str

    @property
    def proxy_port(self) -> int:
        """The proxy's, which is none of a cloud's."""
        return int(self.proxy.rpartition(":")[2])

    def config_map(self, namespace: str) -> dict[str, Any]:
        """The ConfigMap with the CAs."""
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": _CONFIG_MAP, "namespace": namespace},
            "data": {_FILE: self.certificates},
        }

    def variables(self) -> dict[str, str]:
        """Variables of the pod's environment, as an unmodified SDK knows them."""
        file = f"{_FOLDER}/{_FILE}"
        return {
            "HTTPS_PROXY": self.proxy,
            "NO_PROXY": f"127.0.0.1,localhost,{self.api_server}",
            "AWS_CA_BUNDLE": file,
            "SSL_CERT_FILE": file,
            "REQUESTS_CA_BUNDLE": file,
        }

    def mounts(self) -> list[dict[str, Any]]:
        """Where the container has the CAs."""
        return [{"name": "clouds", "mountPath": _FOLDER, "readOnly": True}]

    def volumes(self) -> list[dict[str, Any]]:
        """The pod's volume for it."""
        return [{"name": "clouds", "configMap": {"name": _CONFIG_MAP}}]
