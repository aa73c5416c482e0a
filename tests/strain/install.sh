#!/usr/bin/env bash
# Makes sure that there is an `nginx` for `make replicas`; the others need nothing that is not built here.
set -euo pipefail
if [ "$1" != replicas ] || command -v nginx >/dev/null; then
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  as_root=(sudo)
fi

if ! { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" apt-get install -y -qq --no-install-recommends nginx-light; }; then
  echo "make replicas needs nginx, and it could not be installed with apt-get: install it by hand and run it again" >&2
  exit 1
fi
