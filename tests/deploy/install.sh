#!/usr/bin/env bash
# Makes sure that there is a `promtool` for `make deploy-check`: the one of this machine, or else Debian's, unpacked into
# target/ and not installed, because the package starts a server.
set -euo pipefail
command -v promtool >/dev/null && exit 0
folder=target/tools/promtool
[ -x "$folder/usr/bin/promtool" ] && exit 0
mkdir -p "$folder"
cd "$folder"
if ! { apt-get download -qq prometheus 2>/dev/null || { apt-get update -qq && apt-get download -qq prometheus; }; }; then
  echo "make deploy-check needs promtool, and it could not be fetched with apt-get: install it by hand (Debian: apt install prometheus) and run it again" >&2
  exit 1
fi
dpkg-deb --extract prometheus_*.deb .
rm prometheus_*.deb
