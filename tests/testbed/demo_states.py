"""States of the demo, for the tests of what is made of them."""

from __future__ import annotations

import dataclasses

from testbed.demo.observed import Client, Event, Grant, Key, Observed, Place, Tone

NOON = 1_800_000_000.0


def key(*, revision: int = 1, issued_at: float = NOON) -> Key:
    """A key of fifteen seconds."""
    return Key(
        revision=revision,
        key_id=f"ASIAEXAMPLE{revision:09}",
        issued_at=issued_at,
        renew_at=issued_at + 9,
        expires_at=issued_at + 15,
    )


GRANT = Grant(
    name="chat/chat-key",
    ready="True",
    reason="Succeeded",
    message="Secret chat-key holds a key.",
    kind="bedrockShortTermKey",
    secret="chat-key",
    key=key(revision=4, issued_at=NOON + 27),
    first=key(),
    first_refused_at=NOON + 15.5,
    first_good_until=None,
)
WAITING = dataclasses.replace(
    GRANT,
    ready="Unknown",
    reason="",
    message="",
    kind="",
    secret="",
    key=None,
    first=None,
    first_refused_at=None,
)
DENIED = dataclasses.replace(
    WAITING, ready="False", reason="Denied", message="AccessDenied: Not authorized\nto assume it"
)
LONG = dataclasses.replace(GRANT, name="n" * 63 + "/" + "g" * 200, secret="s" * 253)
CLIENT = Client(
    name="boto3 converse",
    succeeded=40,
    failed=0,
    answer="You said: Is the key good?",
    key_age_seconds=2.5,
    error=None,
)
REFUSED = dataclasses.replace(
    CLIENT, failed=2, answer="403 " + "expired " * 40, error="403 Bearer Token has expired"
)
SILENT = dataclasses.replace(CLIENT, succeeded=0, answer="", key_age_seconds=None)
GOOD = Observed(
    place=Place(
        cluster="embedded, Kubernetes v1.37.0, https://127.0.0.1:40000",
        cloud="AWS emulated on this machine, sessions end after 15 s",
        operator="pid 4711, logs in /tmp/keywright-demo-abcdefgh",
        environment=". /tmp/keywright-demo-abcdefgh/environment",
    ),
    now=NOON + 30,
    applied_at=NOON,
    elapsed_seconds=32,
    first_key_seconds=1.7,
    grants=(GRANT,),
    clients=(CLIENT,),
    events=(
        Event(number=1, seconds=1.7, text="ApiKeyGrant chat/chat-key is Ready=True"),
        Event(number=2, seconds=17.2, text="refused " * 30, tone=Tone.GOOD),
    ),
    trouble=None,
)
EMPTY = dataclasses.replace(GOOD, now=NOON + 1, grants=(WAITING,), clients=(), events=())
