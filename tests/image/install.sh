#!/usr/bin/env bash
# Makes sure that there are `buildah`, which builds images without a daemon, and `strace`, which sees what is opened.
set -euo pipefail

if [ "$(id -u)" -ne 0 ]; then
  echo "make image runs as root: it binds a name server to port 53 of 127.0.53.9, and makes mount namespaces" >&2
  exit 1
fi
for tool in unshare setpriv chroot openssl; do
  command -v $tool >/dev/null || { echo "make image needs $tool" >&2; exit 1; }
done
command -v buildah >/dev/null && command -v strace >/dev/null && exit 0

if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends buildah strace; }; then
  echo "make image needs buildah and strace, and they could not be installed with apt-get: install them by hand and run it again" >&2
  exit 1
fi
