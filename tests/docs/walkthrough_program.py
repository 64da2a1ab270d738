"""Run in a copy of the repository: applies grant.yaml, and waits until its key works.

Prints the kind, the keys of the Secret, and the reason of the condition's type.
"""

import sys
import time
from pathlib import Path

from testbed.clusters.embedded import EmbeddedCluster
from testbed.world import World

_GRANT = "/apis/keywright.dev/v1alpha1/namespaces/chat/apikeygrants/toy"
_SECONDS = 120.0


def main() -> None:
    """The grant, from its creation to a key that Bedrock accepts."""
    with World(EmbeddedCluster, directory=Path(sys.argv[1])) as world:
        world.create_role()
        world.apply_example("bedrock-short-term", without=("pod.yaml", "apikeygrant.yaml"))
        world.operator().start()
        world.api.apply_files([Path("grant.yaml")])
        deadline = time.monotonic() + _SECONDS
        while True:
            status = world.api.get(_GRANT).get("status", {})
            ready = {c["type"]: c for c in status.get("conditions", [])}.get("Ready", {})
            if ready.get("status") == "True":
                break
            if time.monotonic() > deadline:
                sys.exit(f"not Ready after {_SECONDS} s: {status}")
            time.sleep(0.1)
        secret = world.api.get("/api/v1/namespaces/chat/secrets/toy")
        sys.stdout.write(f"{status['kind']} {sorted(secret['data'])} {ready['type']}\n")


main()
