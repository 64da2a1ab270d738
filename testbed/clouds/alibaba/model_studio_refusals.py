"""The errors of Model Studio: of its management API, and of the API that its keys call.

The codes of calls with a key are those of the page "Error codes" of Model Studio; the management
API publishes none, so that all of its codes are guesses [U].
"""

from __future__ import annotations

from testbed.clouds.errors import CloudError

MODELS = ("qwen-plus", "qwen-max", "qwen-turbo", "text-embedding-v4")


# --- the management API ------------------------------------------------------------------------


def no_permission(action: str) -> CloudError:
    """[U] RAM denies the action."""
    message = f"You are not authorized to perform this operation: modelstudio:{action}."
    return CloudError("NoPermission", message, status=403)


def no_workspace(workspace: str) -> CloudError:
    """[U] The workspace does not exist in the region."""
    return CloudError("Workspace.NotFound", f"Workspace {workspace} does not exist.", status=404)


def no_key(key_id: str) -> CloudError:
    """[U] The key does not exist in the account and region."""
    return CloudError("ApiKey.NotFound", f"API key {key_id} does not exist.", status=404)


def too_many(most: int) -> CloudError:
    """[U] The quota of the account in the region; the number is documented."""
    message = f"The number of API keys exceeds the limit of {most}."
    return CloudError("ApiKey.LimitExceeded", message)


def invalid(name: str) -> CloudError:
    """[U] A parameter is invalid."""
    return CloudError("InvalidParameter", f"The parameter {name} is invalid.")


def no_model(model: str) -> CloudError:
    """[U] The workspace has no such model."""
    return CloudError("Model.NotFound", f"Model {model} is not available.")


# --- calls with a key --------------------------------------------------------------------------


def invalid_key() -> CloudError:
    """The key is unknown, disabled, deleted, expired or of another region."""
    return CloudError("InvalidApiKey", "Invalid API-key provided.", status=401)


def address_denied() -> CloudError:
    """[U] The address is not in the list of the key."""
    return CloudError("AccessDenied", "Access denied by the IP whitelist.", status=403)


def model_denied() -> CloudError:
    """The model is not in the list of the key."""
    return CloudError("Model.AccessDenied", "Model access denied.", status=403)


def model_not_found() -> CloudError:
    """There is no such model."""
    return CloudError("ModelNotFound", "Model not exist.", status=404)


def of_another_workspace() -> CloudError:
    """[U] The host is that of another workspace."""
    return CloudError("Workspace.AccessDenied", "Workspace access denied.", status=403)


def no_route() -> CloudError:
    """The path does not exist."""
    return CloudError("NotFound", "The requested path does not exist.", status=404)
