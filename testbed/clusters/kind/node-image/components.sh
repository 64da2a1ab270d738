#!/bin/bash
# components.sh BINARIES DEBIAN-ROOT IMAGES NAMES: the images that kubeadm names, in the folder IMAGES, as
# `docker save` has them in its archives: manifest.json names each one's configuration and its one layer.
set -euo pipefail
binaries=$1 debian=$2 images=$3 wanted=$4
architecture=$(dpkg --print-architecture)
scratch=$(mktemp -d "$(dirname "$images")/components.XXXX")
trap 'rm -rf "$scratch"' EXIT
manifest=()

# NAME ENTRYPOINT: whatever stands in $scratch/layer becomes the image, and the layer is begun anew.
image() {
  local name digest folder=$images/$1
  name=$(grep "/$1:" <<<"$wanted")
  mkdir -p "$folder"
  tar --create --directory "$scratch/layer" --numeric-owner --owner 0 --group 0 --file "$folder/layer.tar" .
  digest=$(sha256sum <"$folder/layer.tar" | cut -d " " -f 1)
  cat >"$folder/config.json" <<JSON
{"architecture": "$architecture", "os": "linux", "config": {"Entrypoint": ["$2"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$digest"]}}
JSON
  manifest+=("{\"Config\": \"$1/config.json\", \"RepoTags\": [\"$name\"], \"Layers\": [\"$1/layer.tar\"]}")
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

(IFS=, && echo "[${manifest[*]}]" >"$images/manifest.json")
