#!/usr/bin/env bash
# Builds the image of deploy/Dockerfile with buildah, around a binary that is built here, and leaves it in target/image:
# `signer.tar` for `docker load` or `podman load`, `root` with its files, `config.json` with its settings. As root.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
out=$target/image
context=$out/build
name=localhost/filesync-signer
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# The same sources make the same image.
epoch=$(git log -1 --format=%ct 2>/dev/null || echo 0)

built=$(deploy/build.sh)
# Its own word: a commit, `-dirty` where the sources are not as committed, or `unknown`.
revision=$("$built" --version | sed -n 's/^commit: //p')
rm -rf "$out"
install -D -m 755 "$built" "$context/out/signer"
install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$context/out/etc/ssl/certs/ca-certificates.crt"
# No hooks, no daemon, and a store of its own that goes with `make clean`.
buildah() { command buildah --root "$out/store" --runroot "$out/run" --storage-driver vfs "$@"; }
# `docker` is the format that knows a HEALTHCHECK.
buildah bud --quiet --isolation chroot --format docker --timestamp "$epoch" --file deploy/Dockerfile \
  --build-context "build=$context" --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
  --tag "$name:$version" "$context" >/dev/null
buildah inspect --type image "$name:$version" >"$out/config.json"
buildah push --quiet "$name:$version" "docker-archive:$out/signer.tar:$name:$version"
container=$(buildah from --pull-never "$name:$version")
cp -a "$(buildah mount "$container")" "$out/root"
buildah rm "$container" >/dev/null
rm -rf "$context"
size=$(find "$out/root" -type f -printf '%s\n' | awk '{sum += $1} END {print sum}')
echo "image $name:$version: $size bytes unpacked, $(gzip --stdout "$out/signer.tar" | wc -c) packed"
