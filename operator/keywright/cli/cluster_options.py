"""Options of all commands that talk to a cluster, with the names that kubectl uses."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_cluster_options(parser: argparse.ArgumentParser, *, all_namespaces: bool = False) -> None:
    """Add --kubeconfig, --context and --namespace, and -A where a command can use it."""
    group = parser.add_argument_group("cluster")
    group.add_argument("--kubeconfig", type=Path, metavar="FILE", help="kubeconfig file")
    group.add_argument("--context", metavar="NAME", help="context of the kubeconfig")
    group.add_argument(
        "-n",
        "--namespace",
        metavar="NAME",
        help="namespace; default: that of the context, otherwise default",
    )
    if all_namespaces:
        group.add_argument(
            "-A", "--all-namespaces", action="store_true", help="all namespaces of the cluster"
        )
