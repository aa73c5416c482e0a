// What the image meets outside: a bucket behind TLS under a name of its own, and the root of the image to run in.
import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { createServer } from 'node:tls'
import { start, tempDir } from '../e2e/support/process.mjs'

export const image = resolve(process.env.IMAGE ?? 'target/image')
export const config = JSON.parse(readFileSync(join(image, 'config.json'), 'utf8')).Docker.config
export const USER = 65532

function openssl(...args) {
  const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`)
}

// An authority that makes certificates; `days` of 0 is over at once.
export function authority(name) {
  const folder = tempDir('ca')
  const at = (file) => join(folder, file)
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', `/CN=${name}`, '-keyout', at('ca.key'), '-out', at('ca.pem'))
  return {
    file: at('ca.pem'),
    certificate(host, days = 2) {
      writeFileSync(at('names'), `subjectAltName=DNS:${host}\n`)
      openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${host}`,
        '-keyout', at('leaf.key'), '-out', at('leaf.csr'))
      openssl('x509', '-req', '-in', at('leaf.csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial',
        '-days', String(days), '-extfile', at('names'), '-out', at('leaf.pem'))
      return { key: readFileSync(at('leaf.key')), cert: readFileSync(at('leaf.pem')) }
    },
  }
}

// TLS with this certificate in front of a server without, byte for byte.
export function startTls({ key, cert }, endpoint) {
  const behind = new URL(endpoint)
  const server = createServer({ key, cert }, (client) => {
    const upstream = connect(Number(behind.port), behind.hostname)
    for (const [from, to] of [[client, upstream], [upstream, client]]) {
      from.on('error', () => to.destroy())
      from.pipe(to)
    }
  })
  server.on('tlsClientError', () => {})
  return new Promise((done) => { server.listen(0, '127.0.0.1', () => done({ port: server.address().port, stop: () => server.close() })) })
}

// The files of the image, with the places that a container's runtime makes for its own.
export function rootOf() {
  const root = join(tempDir('image'), 'root')
  cpSync(join(image, 'root'), root, { recursive: true })
  for (const place of ['etc/resolv.conf', 'etc/signer/ca.pem']) writeFileSync(join(root, place), '')
  return root
}

// In a mount namespace of its own, where the root is the image's and nothing can be written, as the image's user, who
// can get no more rights. `env` is all of the environment; `mounts` go over files of the root.
export function inImage(root, argv, { env = {}, mounts = {}, trace, ...options } = {}) {
  const places = Object.entries(mounts).flatMap(([at, file]) => [file, join(root, at)])
  const script = `
    set -e
    export PATH=/usr/sbin:/usr/bin:/sbin:/bin
    root=$1; trace=$2; mounts=$3; shift 3
    mount --bind "$root" "$root"
    while [ "$mounts" -gt 0 ]; do
      mount --bind "$1" "$2"; mount -o remount,bind,ro "$2"; shift 2; mounts=$((mounts - 1))
    done
    mount -o remount,bind,ro "$root"
    cd "$root"
    set -- /usr/bin/setpriv --no-new-privs /usr/sbin/chroot --userspec=${USER}:${USER} --groups= "$root" "$@"
    [ -z "$trace" ] || set -- /usr/bin/strace -D -f -q -o "$trace" -e trace=%file,memfd_create "$@"
    exec /usr/bin/env -u PATH -u PWD -u OLDPWD "$@"`
  const settings = Object.fromEntries(config.Env.map((entry) => entry.split(/=(.*)/s).slice(0, 2)))
  return start('/usr/bin/unshare', ['--mount', '--propagation', 'private', '/bin/sh', '-c', script, 'sh',
    root, trace ?? '', String(places.length / 2), ...places, ...argv], { env: { ...settings, ...env }, ...options })
}

export function fileWith(name, text) {
  const file = join(tempDir(name), 'file')
  writeFileSync(file, text)
  return file
}
