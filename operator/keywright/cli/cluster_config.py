"""The address of the API server and the credentials for it, as kubectl finds them.

The loader of the official client reads kubeconfig files, with exec plugins, client certificates
and tokens; its generated API is not used.
"""

from __future__ import annotations

import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, cast
from urllib.parse import urlsplit

from keywright.cli.errors import CommandError
from keywright.cluster.partial_import import defer, skip_init

_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_REMEDY: Final = "Name a file with --kubeconfig or $KUBECONFIG, and a context with --context."


class TokenReader(Protocol):
    """Returns the present value of the Authorization header; a rotating token changes."""

    def __call__(self) -> str | None:
        """The value, None if a client certificate suffices."""


@dataclass(frozen=True, slots=True, repr=False)
class ClusterConfig:
    """What a connection needs; files are those of the loader."""

    server: str
    namespace: str
    context: str
    authorization: TokenReader
    ca_file: str | None
    cert_file: str | None
    key_file: str | None
    verify: bool
    server_name: str | None
    proxy: str | None


def load_config(*, kubeconfig: Path | None, context: str | None) -> ClusterConfig:
    """Load a kubeconfig, or the ServiceAccount of the pod where there is no kubeconfig.

    Raises:
        CommandError: neither exists, or it cannot be read.
    """
    _skip_unused_imports()
    # A tenth of a second: not for `--help`.
    import yaml  # noqa: PLC0415
    from kubernetes.client import Configuration  # noqa: PLC0415
    from kubernetes.config import (  # noqa: PLC0415
        KUBE_CONFIG_DEFAULT_LOCATION,
        ConfigException,
        load_incluster_config,
    )
    from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger  # noqa: PLC0415

    configuration: Any = Configuration()
    # Set from the environment, without its exceptions; only that of the kubeconfig is wanted.
    configuration.proxy = None
    load_in_cluster: Any = load_incluster_config
    read, use = cast("Any", KubeConfigMerger), cast("Any", KubeConfigLoader)
    paths = str(kubeconfig) if kubeconfig else KUBE_CONFIG_DEFAULT_LOCATION
    try:
        if kubeconfig is None and context is None and _is_in_cluster(paths):
            load_in_cluster(configuration)
            namespace, name = _NAMESPACE_FILE.read_text().strip(), "in-cluster"
        else:
            document = read(paths).config
            if document is None:
                raise CommandError(f"there is no kubeconfig at {paths}.", remedy=_REMEDY)
            loader = use(config_dict=document, active_context=context, config_base_path=None)
            loader.load_and_set(configuration)
            current: Any = loader.current_context
            namespace, name = current["context"].get("namespace") or "default", current["name"]
    except ConfigException as error:
        raise CommandError(f"the kubeconfig cannot be used: {error}.", remedy=_REMEDY) from None
    except OSError as error:
        raise CommandError(
            f"the kubeconfig cannot be read: {error.strerror}: {error.filename}.", remedy=_REMEDY
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
        raise CommandError(
            f"the kubeconfig is not valid: {type(error).__name__}.", remedy=_REMEDY
        ) from None
    try:
        return _config_of(configuration, namespace=namespace, context=name)
    except (ValueError, TypeError, AttributeError):
        raise CommandError(
            "the server in the kubeconfig is not a valid URL.", remedy=_REMEDY
        ) from None


def _skip_unused_imports() -> None:
    """Halve the time until the kubeconfig is read.

    The generated client needs pydantic, and only the users of an OIDC `auth-provider` need OAuth.
    """
    skip_init("kubernetes")
    import kubernetes.client  # noqa: F401, PLC0415  defines its names when they are asked for

    defer("kubernetes.client", "ApiClient")
    defer("requests_oauthlib", "OAuth2Session")


def _is_in_cluster(paths: str) -> bool:
    exists = any(Path(path).expanduser().exists() for path in paths.split(os.pathsep) if path)
    return not exists and "KUBERNETES_SERVICE_HOST" in os.environ


def _config_of(configuration: Any, *, namespace: str, context: str) -> ClusterConfig:
    if urlsplit(configuration.host).scheme not in {"http", "https"}:
        raise ValueError

    def authorization() -> str | None:
        token: str | None = configuration.get_api_key_with_prefix("BearerToken")
        if token is None:
            return None
        token = token.strip()
        return token if " " in token else f"Bearer {token}"

    return ClusterConfig(
        server=configuration.host.rstrip("/"),
        namespace=namespace,
        context=context,
        authorization=authorization,
        ca_file=configuration.ssl_ca_cert,
        cert_file=configuration.cert_file,
        key_file=configuration.key_file,
        verify=configuration.verify_ssl,
        server_name=getattr(configuration, "tls_server_name", None),
        proxy=configuration.proxy or _proxy_of_environment(configuration.host),
    )


def _proxy_of_environment(server: str) -> str | None:
    """The proxy by $HTTPS_PROXY and $NO_PROXY, as kubectl uses it."""
    parts = urlsplit(server)
    if urllib.request.proxy_bypass(parts.netloc):
        return None
    return urllib.request.getproxies().get(parts.scheme)
