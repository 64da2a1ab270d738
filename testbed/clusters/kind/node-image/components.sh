#!/bin/bash
# components.sh BINARIES DEBIAN-ROOT ARCHIVE NAMES: the images that kubeadm names, as one archive of docker's.
set -euo pipefail
binaries=$1 debian=$2 archive=$3 wanted=$4
scratch=$(mktemp -d "$(dirname "$archive")/components.XXXX")
trap 'rm -rf "$scratch"' EXIT
names=()

# NAME ENTRYPOINT: whatever stands in $scratch/layer becomes the image, and the layer is begun anew.
image() {
  local name
  name=$(grep "/$1:" <<<"$wanted")
  tar --create --directory "$scratch/layer" --numeric-owner --owner 0 --group 0 . \
    | docker import --change "ENTRYPOINT [\"$2\"]" - "$name" >/dev/null
  names+=("$name")
  begin
}

begin() {
  rm -rf "$scratch/layer"
  mkdir -p "$scratch/layer"/{etc,run,tmp,usr/local/bin}
}

# A program of Debian's with the libraries it loads.
with_libraries() {
  local file
  for file in "$@"; do
    cp --archive --parents "$file" "$scratch/layer"
    # ld.so tells them without running the program; what is static has none
    { LC_ALL=C chroot . /usr/bin/ldd "/$file" 2>/dev/null || true; } \
      | grep -oE '/[^ ]+' | while read -r library; do
        mkdir -p "$scratch/layer$(dirname "$library")"
        cp --dereference "./$library" "$scratch/layer$library"
      done
  done
}

begin
for name in kube-apiserver kube-controller-manager kube-scheduler; do
  cp --dereference "$binaries/$name" "$scratch/layer/usr/local/bin/"
  image "$name" "/usr/local/bin/$name"
done
cp --dereference "$binaries/etcd" "$scratch/layer/usr/local/bin/"
image etcd /usr/local/bin/etcd
cp --dereference "$binaries/coredns" "$scratch/layer/coredns"
image coredns /coredns
cp --dereference "$binaries/pause" "$scratch/layer/pause"
image pause /pause

# kube-proxy calls iptables, whose extensions are libraries with libraries of their own.
cp --dereference "$binaries/kube-proxy" "$scratch/layer/usr/local/bin/"
cd "$debian"
with_libraries usr/sbin/xtables-nft-multi usr/sbin/xtables-legacy-multi usr/sbin/nft \
  usr/sbin/conntrack usr/lib/*/xtables/*.so
for link in usr/sbin/{iptables,ip6tables}{,-save,-restore}; do
  target=xtables-nft-multi
  ln --symbolic "$target" "$scratch/layer/$link"
done
for folder in bin sbin lib lib64; do
  # as Debian has it: the names at the root are links
  if [ -L "$folder" ] && [ -d "$scratch/layer/$folder" ]; then
    mkdir -p "$scratch/layer/usr/$folder"
    cp --archive "$scratch/layer/$folder/." "$scratch/layer/usr/$folder/"
    rm -rf "${scratch:?}/layer/$folder"
  fi
  [ ! -L "$folder" ] || cp --archive "$folder" "$scratch/layer/$folder"
done
image kube-proxy /usr/local/bin/kube-proxy

docker save --output "$archive" "${names[@]}"
docker image rm "${names[@]}" >/dev/null
