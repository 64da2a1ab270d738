"""Setting `spec.suspend` of grants, for `keywright suspend` and `keywright resume`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any, Final

from keywright.api.status import GrantStatus
from keywright.api.times import format_time
from keywright.cli.cluster_client import FIELD_MANAGER, ClusterClient, connect
from keywright.cli.exit_codes import ExitCode
from keywright.cli.grant_view import brief_time
from keywright.cli.screen import Screen, Span, Style
from keywright.cli.selection import Selected, progress_screen, select, write_items

# Managers of changes by hand, which do not set a field back.
_BY_HAND: Final = frozenset(
    {FIELD_MANAGER, "kubectl-edit", "kubectl-patch", "kubectl-annotate", "kubectl-label"}
)


def set_suspend(options: argparse.Namespace, *, suspend: bool) -> int:
    """Suspend or resume the selected grants; return the exit code."""
    client = connect(options)
    screen = progress_screen(options)
    items = [_set(client, grant, screen, suspend=suspend) for grant in select(client, options)]
    write_items(options, "SuspensionList", items)
    return ExitCode.OK


def other_owners(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The managers that set `spec.suspend` by a manifest, and may set it back."""
    return tuple(dict.fromkeys(_owners((body.get("metadata") or {}).get("managedFields") or ())))


def _owners(entries: Any) -> Iterator[str]:
    for entry in entries:
        manager = str(entry.get("manager", ""))
        fields = (entry.get("fieldsV1") or {}).get("f:spec") or {}
        if "f:suspend" in fields and not entry.get("subresource") and manager not in _BY_HAND:
            yield manager


def _set(
    client: ClusterClient, grant: Selected, screen: Screen, *, suspend: bool
) -> dict[str, Any]:
    """Suspend or resume one grant; return the item of `-o json`, documented in docs/cli.md."""
    name = Span(f"{grant.namespace}/{grant.name}", Style.BOLD)
    known = (grant.body.get("spec") or {}).get("suspend") is True
    done = "suspended" if suspend else "resumed"
    if known == suspend:
        screen.line(name, f": is already {done}" if suspend else ": is not suspended")
    else:
        client.patch(grant.path, {"spec": {"suspend": suspend}})
        screen.line(name, ": ", Span(done, Style.WARN if suspend else Style.GOOD))
    status, managers = GrantStatus.parse(grant.body.get("status")), other_owners(grant.body)
    consequence = _consequence(client, status, suspend)
    screen.line("  ", consequence)
    for manager in managers:
        screen.line(
            *("  ", Span("warning", Style.WARN)),
            f": {manager} manages spec.suspend, and may set it back: change it in its manifest too",
        )
    return {
        "namespace": grant.namespace,
        "name": grant.name,
        "suspended": suspend,
        "changed": known != suspend,
        "expiresAt": None if status.expires_at is None else format_time(status.expires_at),
        "detail": consequence,
        "managers": list(managers),
    }


def _consequence(client: ClusterClient, status: GrantStatus, suspend: bool) -> str:  # noqa: FBT001  a value, not a mode
    """What happens to the key."""
    now, end = client.now(), status.expires_at
    if not status.revision:
        return "it has no key yet" + (", and gets none until you resume it" if suspend else "")
    if end is None:
        return "its key does not expire" + (", and is not rotated" if suspend else "")
    if end <= now:
        return f"its key expired {brief_time(end, now=now)}" + (
            "" if suspend else ", and is issued again now"
        )
    when = f"{format_time(end)} ({brief_time(end, now=now)})"
    if suspend:
        return f"its key expires at {when}, and is not renewed before"
    return f"its key expires at {when}, and is renewed before"
