#!/usr/bin/env bash
# `make confined`: runs the signer as nobody, without capabilities, on a read-only file system and in 64 MiB of memory,
# with nearly as many slow heads as the shipped systemd unit lets in, and asks it for a signed URL. As root, with a memory
# cgroup (v1 or v2).
set -euo pipefail
signer=$(realpath "$1")
limit=$((64 * 1024 * 1024))
port=$((20000 + RANDOM % 10000))
folder=$(mktemp -d)
if [ -d /sys/fs/cgroup/memory ]; then
  group=/sys/fs/cgroup/memory/signer-confined-$$ max=memory.limit_in_bytes peak=memory.max_usage_in_bytes
else
  group=/sys/fs/cgroup/signer-confined-$$ max=memory.max peak=memory.peak
fi
pid= crowd=
tidy() {
  for child in $crowd $pid; do kill -9 "$child" 2>/dev/null || true; done
  for child in $crowd $pid; do wait "$child" 2>/dev/null || true; done
  rmdir "$group" 2>/dev/null || true
  rm -rf "$folder"
}
trap tidy EXIT
mkdir "$group"
echo "$limit" >"$group/$max"

export SIGNER__AUTH__HS256_SECRET=confined-confined-confined-confined SIGNER__STORAGE__ENDPOINT=http://127.0.0.1:1 \
  SIGNER__STORAGE__BUCKET=files SIGNER__STORAGE__ACCESS_KEY_ID=AKIDEXAMPLE SIGNER__STORAGE__SECRET_ACCESS_KEY=secret \
  SIGNER__STORAGE__VERIFY=off SIGNER__SERVER__MAX_CONNECTIONS=1500
install -m 755 "$signer" "$folder/signer"
chmod 755 "$folder"
cd "$folder"
touch log crowd
ulimit -n 20000
token=$(./signer token --store-id s1)

# Every step is an exec, so that this stays one process.
(
  echo $BASHPID >"$group/cgroup.procs"
  exec unshare --mount --propagation private sh -c '
    mount --bind / / && mount -o remount,bind,ro / && mount --bind /tmp /tmp && mount -o remount,bind,ro /tmp
    cd "$1" && exec setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all --inh-caps=-all \
      --no-new-privs ./signer serve --listen "127.0.0.1:$2"
  ' sh "$folder" "$port"
) >"$folder/log" 2>&1 &
pid=$!
until grep -q '"message":"listening"' "$folder/log"; do
  kill -0 $pid || { cat "$folder/log"; exit 1; }
  sleep 0.05
done

python3 - "$port" >"$folder/crowd" <<'PY' &
import socket, sys, time
held = []
for _ in range(1400):
    held.append(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
    held[-1].send(b"GET /livez HTTP/1.1\r\nhost: x\r\na: b")
print("there")
sys.stdout.flush()
time.sleep(60)
PY
crowd=$!
until grep -q there "$folder/crowd"; do
  kill -0 $crowd
  sleep 0.05
done

status=$(curl -s -o "$folder/answer" -w '%{http_code}' -H "Authorization: Bearer $token" \
  "http://127.0.0.1:$port/download-url?key=s1/photo.png")
grep -q X-Amz-Signature "$folder/answer"
field() { awk -v name="$1:" '$1 == name {print $2}' "/proc/$pid/status"; }
[ "$status" = 200 ] && [ "$(field CapBnd)" = 0000000000000000 ] && [ "$(field CapEff)" = 0000000000000000 ]
[ "$(field NoNewPrivs)" = 1 ] && [ "$(field Uid)" = 65534 ]
grep -q ' / / ro,' "/proc/$pid/mountinfo"
echo "as uid $(field Uid), CapBnd $(field CapBnd), NoNewPrivs 1, / read-only, 1400 slow heads: status $status," \
  "$(($(cat "$group/$peak") / 1000000)) MB of $((limit / 1000000)) MB at most, RSS $(field VmRSS) kB"
kill -TERM $pid
wait $pid
pid=
echo "ended with 0"
