"""How long `keywright lint` takes for 2,000 resources, process start included.

Each tenant has eight resources: Namespace, ServiceAccount, Role, RoleBinding, source, two grants
and a Deployment that reads their Secrets.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.measures import Row

RESOURCES: Final = 2_000
GOAL_SECONDS: Final = 5
_RUNS: Final = 3
_ROOT: Final = Path(__file__).resolve().parents[1]

_TENANT: Final = """\
apiVersion: v1
kind: Namespace
metadata:
  name: {name}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: bedrock
  namespace: {name}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: keywright-token-bedrock
  namespace: {name}
rules:
  - apiGroups: [""]
    resources: [serviceaccounts/token]
    resourceNames: [bedrock]
    verbs: [create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: keywright-token-bedrock
  namespace: {name}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: keywright-token-bedrock
subjects:
  - kind: ServiceAccount
    name: keywright
    namespace: keywright-system
---
apiVersion: keywright.dev/v1alpha1
kind: CredentialSource
metadata:
  name: bedrock
  namespace: {name}
spec:
  aws:
    region: us-west-2
    webIdentity:
      serviceAccountRef:
        name: bedrock
      roleArn: arn:aws:iam::123456789012:role/{name}
      sessionDuration: 12h
---
apiVersion: keywright.dev/v1alpha1
kind: ApiKeyGrant
metadata:
  name: chat-key
  namespace: {name}
spec:
  sourceRef:
    name: bedrock
  bedrockShortTermKey:
    duration: 12h
  secret:
    formats: [BedrockEnv, OpenAIEnv]
    data:
      app.ini: |
        [model]
        key = ${{apiKey}}
        name = {name}
  renewal:
    windows:
      - schedule: {minute} */4 * * *
        duration: 2h
---
apiVersion: keywright.dev/v1alpha1
kind: ApiKeyGrant
metadata:
  name: batch-key
  namespace: {name}
spec:
  sourceRef:
    name: bedrock
  bedrockLongTermKey:
    user:
      name: {name}
      tags:
        team: {name}
    expiresAfterDays: 30
    rotateEvery: 7d
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: chat
  namespace: {name}
spec:
  selector:
    matchLabels:
      app: chat
  template:
    metadata:
      labels:
        app: chat
    spec:
      containers:
        - name: chat
          image: registry.example.com/chat:1.0.0
          volumeMounts:
            - name: chat
              mountPath: /var/run/keywright
            - name: batch
              mountPath: /var/run/batch
      volumes:
        - name: chat
          secret:
            secretName: chat-key
            items:
              - key: OPENAI_API_KEY
                path: key
        - name: batch
          secret:
            secretName: batch-key
"""
_PER_TENANT: Final = _TENANT.count("\nkind: ")


def write_tenants(folder: Path, *, resources: int) -> None:
    """Write manifests with this number of resources, one file per tenant."""
    for number in range(resources // _PER_TENANT):
        name = f"team-{number:04}"
        (folder / f"{name}.yaml").write_text(_TENANT.format(name=name, minute=number % 60))


def lints() -> list[Row]:
    """The best of three runs, by the wall clock, and the processor time of that run."""
    with tempfile.TemporaryDirectory() as folder:
        write_tenants(Path(folder), resources=RESOURCES)
        seconds, processor = min(_run(folder) for _ in range(_RUNS))
    return [
        Row(
            f"lint of {RESOURCES:,} resources",
            f"{seconds:.1f} s ({processor:.1f} s of processor time)",
            f"below {GOAL_SECONDS} s",
            met=seconds < GOAL_SECONDS,
        )
    ]


def _run(folder: str) -> tuple[float, float]:
    began, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "keywright", "lint", folder],
        env={"PYTHONPATH": str(_ROOT / "operator")},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    took, now = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
