#!/bin/bash
# build.sh BINARIES ROOT NAME: a node image for kind of these binaries and what debian.sh has unpacked at
# ROOT, tagged NAME. Root, docker and containerd are needed. KUBERNETES_VERSION is that of the binaries.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
binaries=$(cd "$1" && pwd) root=$(cd "$2" && pwd) name=$3
scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/keywright-node.XXXX")
daemon=
clean() {
  [ -z "$daemon" ] || { kill "$daemon" && wait "$daemon" || true; }
  rm -rf "$scratch"
}
trap clean EXIT
say() { echo "node image: $*" >&2; }

say "making the images of the control plane"
wanted=$("$binaries/kubeadm" config images list --kubernetes-version "$KUBERNETES_VERSION")
"$here/components.sh" "$binaries" "$root" "$scratch/images" "$wanted"

say "putting the node together"
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*
cp --archive "$here/root/." "$root/"
chown --recursive 0:0 "$root/etc/containerd" "$root/etc/cni" "$root/etc/kubernetes" "$root/kind"
install --mode=755 "$binaries"/{kubeadm,kubelet,kubectl} "$root/usr/bin/"
sed --in-place "s|@PAUSE@|$(grep /pause: <<<"$wanted")|" "$root/etc/containerd/config.toml"
echo "$KUBERNETES_VERSION" >"$root/kind/version"

# Of systemd's units only those that a node works with.
find "$root"/{etc,usr/lib}/systemd/system -path '*.wants/*' \
  ! -name 'systemd-journald*' ! -name 'systemd-tmpfiles-setup-dev.service' ! -name 'dbus.socket' \
  \( -type l -o -type f \) -delete
wants=$root/etc/systemd/system/multi-user.target.wants
mkdir -p "$wants"
ln --symbolic /lib/systemd/system/{containerd,dbus}.service /etc/systemd/system/kubelet.service "$wants/"
ln --symbolic --force /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
for unit in proc-sys-fs-binfmt_misc.{automount,mount} sys-{kernel-debug,kernel-tracing,kernel-config,fs-fuse-connections}.mount \
  dev-{hugepages,mqueue}.mount systemd-{sysctl,logind,udevd,modules-load,binfmt,udev-trigger}.service \
  systemd-udevd-{control,kernel}.socket; do
  ln --symbolic --force /dev/null "$root/etc/systemd/system/$unit"
done

# The images lie in the node's containerd from the start, to be unpacked when they are first used.
cat >"$scratch/containerd.toml" <<TOML
version = 2
root = "$root/var/lib/containerd"
state = "$scratch/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$scratch/containerd.sock"
TOML
containerd --config "$scratch/containerd.toml" 2>"$scratch/containerd.log" &
daemon=$!
for _ in $(seq 100); do
  ctr --address "$scratch/containerd.sock" version >/dev/null 2>&1 && break
  sleep 0.1
done
tar --create --directory "$scratch/images" . \
  | ctr --address "$scratch/containerd.sock" --namespace k8s.io images import --no-unpack - >/dev/null
kill "$daemon" && wait "$daemon" || true
daemon=
rm -rf "$scratch/images"

say "importing it as $name"
tar --create --directory "$root" --numeric-owner . | docker import - "$name-raw" >/dev/null
DOCKER_BUILDKIT=0 docker build --quiet --tag "$name" - >/dev/null <<DOCKERFILE
FROM $name-raw
ENV container=docker
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["/usr/local/bin/node-entry", "/sbin/init", "systemd.legacy_systemd_cgroup_controller=1"]
DOCKERFILE
docker image rm --no-prune "$name-raw" >/dev/null
