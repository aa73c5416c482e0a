#!/usr/bin/env bash
# Makes sure that there are `faketime`, which gives one process a clock of its own, and what starts it apart from others.
set -euo pipefail

if [ "$(id -u)" -ne 0 ]; then
  echo "make faults runs as root: it binds name servers to port 53 of 127.0.53.x, and makes mount namespaces and memory cgroups" >&2
  exit 1
fi
for tool in unshare prlimit; do
  command -v $tool >/dev/null || { echo "make faults needs $tool (util-linux)" >&2; exit 1; }
done
ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 && exit 0

if ! { apt-get update -qq && apt-get install -y -qq faketime; }; then
  echo "make faults needs faketime, and it could not be installed with apt-get: install it by hand and run it again" >&2
  exit 1
fi
