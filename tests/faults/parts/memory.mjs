import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { until } from '../../e2e/support/process.mjs'
import { exchange, newAgent } from '../ask.mjs'
import { mintShared, startWorld } from '../world.mjs'
import { everywhere, flapping } from './common.mjs'

// As the systemd unit that is shipped has it; who goes beyond is ended by the kernel.
const MOST = 64 * 1024 * 1024
const BODIES = 200

let groups = 0
async function world(change = {}) {
  const v1 = existsSync('/sys/fs/cgroup/memory')
  const group = `/sys/fs/cgroup/${v1 ? 'memory/' : ''}signer-faults-${process.pid}-${groups++}`
  mkdirSync(group)
  writeFileSync(`${group}/${v1 ? 'memory.limit_in_bytes' : 'memory.max'}`, String(MOST))
  const made = await startWorld({
    change: { server: { max_connections: 1500 }, limits: { max_in_flight: 400, ...change.limits } },
    wrap: ['sh', '-c', `echo $$ > ${group}/cgroup.procs && exec "$@"`, 'sh'],
  })
  return Object.assign(made, { mostKb: MOST / 1024, firstKb: made.rss(), group })
}

const end = (w) => until('its cgroup is empty', () => { rmdirSync(w.group); return true }, { patience: 5000 })

// Legal bodies of the largest size, all but their last byte.
function bodies(w, { every = 0 } = {}) {
  w.held = Array.from({ length: BODIES }, () => {
    const socket = connect(w.port, '127.0.0.1')
    socket.on('error', () => {})
    const content = Buffer.from(`{"key":"s1/x","padding":"${'x'.repeat(65_000)}"}`)
    socket.write(`POST /upload-url HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${w.token({})}\r\ncontent-type: application/json\r\ncontent-length: ${content.length}\r\n\r\n`)
    if (!every) return socket.write(content.subarray(0, -1)), socket
    let sent = 0
    const timer = setInterval(() => { socket.write(content.subarray(sent, sent += 4000)); if (sent > 60_000) clearInterval(timer) }, every)
    socket.once('close', () => clearInterval(timer))
    return socket
  })
}
const drop = (w) => { for (const socket of w.held ?? []) socket.destroy() }

// Good tokens of strangers, each of a store and a subject of its own and seven kilobytes long.
async function strangers(w) {
  const secret = w.shared
  w.flooding = true
  w.flooded = 0
  const pad = randomBytes(3700).toString('base64')
  const one = async () => {
    const agent = newAgent(1)
    while (w.flooding) {
      const n = w.flooded++
      const now = Math.floor(Date.now() / 1000)
      const token = mintShared(secret, { storeId: `x${n}`, sub: `u${n}`, iat: now, exp: now + 600, pad })
      const { outcome } = await exchange(w, { method: 'GET', path: `/download-url?key=x${n}/f` }, { token, agent })
      if (outcome !== '200') w.problems = [`a stranger's good token: ${outcome}`]
      await new Promise((done) => setTimeout(done, 2))
    }
    agent.destroy()
  }
  w.floods = Promise.all(Array.from({ length: 6 }, one))
}

// So that a flood which never arrived does not pass for one that was borne.
const tookMore = (kb) => (w) => (w.peakKb > w.firstKb + kb ? undefined : `it took ${w.peakKb - w.firstKb} kB more, so that nothing was shown`)

const fault = (kind, done, rest) =>
  ({ part: 'memory', kind, done, world, seconds: 12, end, proof: tookMore(12_000), expects: everywhere({}), ...rest })

export default [
  fault('down', 'a cgroup of 64 MiB, and 200 bodies of 64 KiB that lack a byte', { up: (w) => bodies(w), away: drop }),
  fault('slow', 'the same, and 200 bodies that come with 8 KB a second', { up: (w) => bodies(w, { every: 500 }), away: drop }),
  fault('wrong', 'the same, and good tokens of 7 KB of ever new stores and subjects, with limits for each', {
    world: () => world({ limits: { store_requests_per_sec: 1000, subject_requests_per_sec: 1000 } }),
    up: strangers,
    async away(w) { w.flooding = false; await w.floods },
    // More than the token cache holds.
    proof: (w) => (w.flooded > 3000 && tookMore(12_000)(w) === undefined ? undefined : `only ${w.flooded} strangers`),
  }),
  fault('flapping', 'the same, and 200 bodies each second that are given up the next', flapping((w) => bodies(w), drop)),
]
