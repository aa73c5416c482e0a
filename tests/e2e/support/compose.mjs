// deploy/compose.yaml without containers: each service as the processes, users, mounts, names and ports that the file
// describes. Runs in network, mount and process namespaces of its own, where every port is free. A member of the file that
// is not understood here is an error.
import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { load, signerBin, weedBin } from './parts.mjs'
import { finish, sleep, start } from './process.mjs'

// Not shown: limits of memory, restarts, and how images come about.
const UNDERSTOOD = [
  'build', 'image', 'entrypoint', 'command', 'environment', 'user', 'ports', 'volumes', 'tmpfs', 'healthcheck', 'depends_on',
  'read_only', 'cap_drop', 'security_opt', 'mem_limit', 'restart', 'stop_grace_period',
]

// What each image has by itself. Those of others are Debian's nginx and PyPI's SeaweedFS here.
function images(deploy) {
  const dockerfile = readFileSync(join(deploy, 'Dockerfile'), 'utf8')
  const line = (name) => dockerfile.match(new RegExp(`^${name} (.*)$`, 'm'))[1]
  const health = JSON.parse(dockerfile.match(/^HEALTHCHECK .* CMD (\[.*\])$/m)[1])
  const env = Object.fromEntries([...dockerfile.matchAll(/^ENV (\w+)=(\S+)$/gm)].map(([, name, value]) => [name, value]))
  return {
    'filesync-signer': { entrypoint: JSON.parse(line('ENTRYPOINT')), user: line('USER'), env, health },
    'docker.io/chrislusf/seaweedfs:4.48': { user: '0:0', env: { PATH: `${dirname(weedBin())}:/usr/bin:/bin` } },
    'docker.io/library/nginx:1.28-alpine': { user: '0:0', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } },
  }
}

export async function readCompose(file, variables) {
  const { parse } = await load('yaml')
  const text = readFileSync(file, 'utf8').replace(/\$\{(\w+):\?\}/g, (_, name) => {
    assert.ok(variables[name], `${name} is not set`)
    return variables[name]
  })
  const { services, volumes } = parse(text, { merge: true })
  const deploy = dirname(file)
  const known = images(deploy)
  return Object.entries(services).map(([name, service]) => {
    for (const member of Object.keys(service)) assert.ok(UNDERSTOOD.includes(member), `${name}.${member} is not understood`)
    const image = known[service.image]
    assert.ok(image, `${name}: no image ${service.image}`)
    for (const port of service.ports ?? []) assert.match(port, /^127\.0\.0\.1:(\d+):\1$/, `${name}: here, a port is the same inside and outside`)
    const argv = [...(service.entrypoint ?? image.entrypoint), ...(service.command ?? [])]
    const health = service.healthcheck?.test ?? (image.health && ['CMD', ...image.health])
    const mounts = (service.volumes ?? []).map((entry) => {
      const [from, at, mode] = entry.split(':')
      if (from in volumes) return { at, tmpfs: '' }
      assert.equal(mode, 'ro', `${name}: ${from} could be written to`)
      return { at, from: resolve(deploy, from) }
    })
    const tmpfs = (service.tmpfs ?? []).map((entry) => ({ at: entry.split(':')[0], tmpfs: entry.split(':')[1] ?? '' }))
    return {
      name, argv, health: health?.slice(1), user: service.user ?? image.user, mounts: [...tmpfs, ...mounts],
      env: { ...image.env, ...service.environment }, readOnly: service.read_only === true, dropsAll: service.cap_drop?.[0] === 'ALL',
      after: Object.entries(service.depends_on ?? {}), grace: parseInt(service.stop_grace_period ?? '10s', 10) * 1000,
    }
  })
}

// Names as in the network of the project, and the signer where its image has it.
export async function prepare(services) {
  const steps = [['mount', '-t', 'tmpfs', 'tmpfs', '/srv'], ['ip', 'link', 'set', 'lo', 'up']]
  for (const [command, ...args] of steps) assert.equal((await finish(command, args)).code, 0, `${command} ${args.join(' ')}`)
  mkdirSync('/srv/parts', { mode: 0o755 })
  writeFileSync('/srv/parts/hosts', `127.0.0.1 localhost ${services.map(({ name }) => name).join(' ')}\n`)
  assert.equal((await finish('mount', ['--bind', '/srv/parts/hosts', '/etc/hosts'])).code, 0)
  copyFileSync(signerBin(), '/srv/parts/signer')
  chmodSync('/srv/parts/signer', 0o755)
}

export function startService({ argv, env, user, mounts, readOnly, dropsAll }) {
  const [uid, gid] = user.split(':')
  const program = argv[0] === '/signer' ? ['/srv/parts/signer', ...argv.slice(1)] : argv
  // What lies on /srv is made before it becomes somebody's own.
  const lines = ['set -e', 'mkdir -p /srv/own', 'mount -t tmpfs tmpfs /srv/own', 'mkdir /srv/own/parts', 'mount --bind /srv/parts /srv/own/parts']
  const inOwn = (at) => (at.startsWith('/srv/') ? `/srv/own/${at.slice('/srv/'.length)}` : at)
  for (const { at, from, tmpfs } of mounts) {
    const target = inOwn(at)
    if (from) lines.push(`if [ -d '${from}' ]; then mkdir -p '${target}'; else : > '${target}'; fi`, `mount --bind '${from}' '${target}'`, `mount -o remount,bind,ro '${target}'`)
    else lines.push(`mkdir -p '${target}'`, `mount -t tmpfs ${tmpfs ? `-o ${tmpfs}` : ''} tmpfs '${target}'`)
  }
  lines.push('mount --move /srv/own /srv', readOnly ? 'mount -o remount,bind,ro /srv && mount -o remount,bind,ro /' : ':', 'cd /')
  const rights = dropsAll ? ['--bounding-set', '-all', '--inh-caps', '-all', '--no-new-privs'] : []
  lines.push('exec setpriv --reuid "$1" --regid "$2" --clear-groups "$@"'.replace('"$@"', `${rights.join(' ')} -- "\${@:3}"`))
  return start('unshare', ['--mount', '--propagation', 'private', '/bin/bash', '-c', lines.join('\n'), 'bash', uid, gid, ...program], {
    env: { PATH: process.env.PATH, ...env },
  })
}

export async function isHealthy({ health, env }, run, patience = 90_000) {
  const end = Date.now() + patience
  for (;;) {
    const program = health[0] === '/signer' ? ['/srv/parts/signer', ...health.slice(1)] : health
    const asked = await finish('nsenter', ['--mount', `--target=${run.child.pid}`, ...program], { env: { PATH: process.env.PATH, ...env } })
    if (asked.code === 0) return
    assert.ok(run.running() && Date.now() < end, `not healthy: ${asked.all}\n${run.log()}`)
    await sleep(200)
  }
}
