"""The changes of an engine and its nodes to the machine, and the original state.

dockerd enables forwarding and creates bridges, chains and cgroups; a kubelet in a privileged
container sets sysctls of the whole machine. None of them reverts that at its end.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_SYSCTLS = (
    "fs/file-max",
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/ipv4/conf/all/route_localnet",
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/ipv6/conf/default/forwarding",
    "net/netfilter/nf_conntrack_max",
    "vm/overcommit_memory",
)
_PROC = Path("/proc/sys")
_CGROUPS = Path("/sys/fs/cgroup")
_MODULES = Path("/lib/modules")  # docker creates it if a container mounts it
_FAMILIES = ("iptables", "ip6tables")
# Rules and chains of dockerd, and those for its bridges.
_FILTER, _FORWARD = "*filter", ":FORWARD "
_OF_DOCKER = re.compile(r"DOCKER|docker0|\bbr-[0-9a-f]{12}\b")


@dataclass(frozen=True, slots=True)
class HostState:
    """Recorded before the engine starts; `restore` after it has ended."""

    sysctls: dict[str, str]
    rules: dict[str, list[str]]
    had_modules: bool
    bridges: frozenset[str]
    cgroups: frozenset[Path]

    @classmethod
    def taken(cls) -> Self:
        """Record the current state."""
        return cls(
            sysctls={name: value for name in _SYSCTLS if (value := _read(name)) is not None},
            rules={family: _saved(family) for family in _families()},
            had_modules=_MODULES.exists(),
            bridges=frozenset(_bridges()),
            cgroups=frozenset(_docker_cgroups()),
        )

    def restore(self) -> None:
        """Revert these changes; those of others are kept."""
        for name, value in self.sysctls.items():
            if _read(name) != value:
                (_PROC / name).write_text(value)
        for family, before in self.rules.items():
            _forget_docker(family, before=before)
        for link in set(_bridges()) - self.bridges:
            subprocess.run(["ip", "link", "delete", link], check=False, capture_output=True)
        for cgroup in _docker_cgroups():
            if cgroup not in self.cgroups:
                _remove_cgroup(cgroup)
        if not self.had_modules:
            with contextlib.suppress(OSError):
                _MODULES.rmdir()


def thaw(*, container_id: str = "*") -> None:
    """Unfreeze what a node's runc had frozen when the node was killed.

    Only cgroup v1 has such a file; a process in a frozen group of it cannot even be killed.
    """
    for cgroup in _docker_cgroups():
        for state in cgroup.glob(f"{container_id}/**/freezer.state"):
            with contextlib.suppress(OSError):  # it no longer exists
                if state.read_text().strip() != "THAWED":
                    state.write_text("THAWED")


def rules_without_docker(saved: Sequence[str], *, before: Sequence[str] = ()) -> list[str]:
    """The lines of iptables-save without dockerd's chains, jumps to them, and its bridges.

    What existed before is kept; a chain's policy is reset to its original one.
    """
    known = {_uncounted(line) for line in before}
    policy = _forward_policy(before)
    kept, table = [], ""
    for line in saved:
        table = line if line.startswith("*") else table
        if table == _FILTER and line.startswith(_FORWARD):
            kept.append(f"{_FORWARD}{policy} [0:0]")
        elif _uncounted(line) in known or not _OF_DOCKER.search(line):
            kept.append(line)
    return kept


def _forward_policy(before: Sequence[str]) -> str:
    table = ""
    for line in before:
        table = line if line.startswith("*") else table
        if table == _FILTER and line.startswith(_FORWARD):
            return line.split()[1]
    return "ACCEPT"


def _read(name: str) -> str | None:
    try:
        return (_PROC / name).read_text()
    except OSError:
        return None


def _families() -> list[str]:
    return [family for family in _FAMILIES if shutil.which(f"{family}-save")]


def _saved(family: str) -> list[str]:
    return _output([f"{family}-save"]).splitlines()


def _uncounted(line: str) -> str:
    return line.partition(" [")[0]


def _forget_docker(family: str, *, before: Sequence[str]) -> None:
    """Load the rules again without docker's."""
    saved = _saved(family)
    kept = rules_without_docker(saved, before=before)
    if kept != saved:
        text = "\n".join(kept) + "\n"
        subprocess.run([f"{family}-restore"], input=text, text=True, check=True)


def _bridges() -> list[str]:
    """Bridges without interfaces, named as docker names them."""
    names = [path.name for path in Path("/sys/class/net").iterdir() if (path / "bridge").exists()]
    return [
        name
        for name in names
        if re.fullmatch(r"docker0|br-[0-9a-f]{12}", name)
        and not any(Path(f"/sys/class/net/{name}/brif").iterdir())
    ]


def _docker_cgroups() -> list[Path]:
    found = [_CGROUPS / "docker", *_CGROUPS.glob("*/docker")]
    return [path for path in found if path.is_dir() and not path.is_symlink()]


def _remove_cgroup(top: Path) -> None:
    below = sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True)
    for path in (*below, top):
        with contextlib.suppress(OSError):
            path.rmdir()


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout
