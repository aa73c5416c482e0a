#!/bin/sh
# Builds the signer as images carry it: for this machine's kind of processor, without the embedded S3, and linked with
# nothing that it would have to find at its start. Prints where it is. `deploy/Dockerfile` and `make image` both come here.
set -eu
cd "$(dirname "$0")/.."
target=$(rustc -vV | sed -n 's/^host: //p')
# It may lie anywhere in memory, and so lists its pointers; packed, the list takes a fiftieth of its 380 kB. Functions that
# are the same to the byte are one (80 kB), as Chromium links its own cryptography.
# Where a panic was is told without the folders of whoever built it (45 kB).
cargo fetch --locked --target "$target" >&2
separator=$(printf '\037')
flags="-Ctarget-feature=+crt-static"
for sources in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
  flags="$flags$separator--remap-path-prefix=$sources="
done
CARGO_ENCODED_RUSTFLAGS="$flags" cargo rustc --locked --release --no-default-features --bin signer --target "$target" \
  -- -C link-arg=-Wl,-z,pack-relative-relocs -C link-arg=-Wl,--icf=all >&2
echo "${CARGO_TARGET_DIR:-target}/$target/release/signer"
