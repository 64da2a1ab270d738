#!/bin/bash
# debian.sh SUITE ROOT: what Debian has for a node, unpacked at ROOT, from this machine's sources.
set -euo pipefail
suite=$1 root=$2
packages=systemd,systemd-sysv,dbus,containerd,runc,containernetworking-plugins,iptables,nftables
packages+=,conntrack,iproute2,ethtool,socat,mount,kmod,procps,ca-certificates,e2fsprogs,hostname
exec mmdebstrap --quiet --format=directory --mode=root --variant=minbase --include="$packages" \
  --aptopt='APT::Install-Recommends "false"' "$suite" "$root"
