import { execFileSync } from 'node:child_process'
import { connect } from 'node:net'
import { startWorld } from '../world.mjs'
import { everywhere, failing, flapping } from './common.mjs'

const HARD = 4096
const limit = (world, soft) => execFileSync('prlimit', ['--pid', String(world.run.child.pid), `--nofile=${soft}:${HARD}`])

// Not one more is to be had; those in use stay.
const takeAll = (world) => limit(world, 1)
const giveBack = (world) => limit(world, HARD)

// Connections that are there already go on; who is new waits, and then is taken or closed. A call of the bucket needs one, too.
const taken = ['cut', 'hang', 'refused']
const without = () => {
  const rules = failing(['502 bucket_failed', '503 bucket_unavailable', '504 bucket_timeout'], { shows: [], healthShows: [] })
  for (const route of Object.values(rules)) route.fresh = [...(route.fresh ?? []), ...taken]
  rules.delete.shows = ['502 bucket_failed']
  return rules
}

const silentOnes = (world, count) => {
  world.held ??= []
  while (world.held.length < count) {
    const socket = connect(world.port, '127.0.0.1')
    socket.on('error', () => {})
    world.held.push(socket)
  }
}
const freeAll = (world) => { for (const socket of world.held ?? []) socket.destroy(); world.held = [] }

const fault = (kind, done, rest) =>
  ({ part: 'descriptors', kind, done, fresh: true, sockets: 2, world: () => startWorld({ keepAlive: false, wrap: ['prlimit', `--nofile=${HARD}:${HARD}`] }), seconds: 10, ...rest })

const few = (change = {}) => startWorld({ change, wrap: ['prlimit', '--nofile=160:160'] })

export default [
  fault('down', 'not one to be had', { expects: without(), up: takeAll, away: giveBack }),
  fault('slow', 'thirty connections allowed, all taken by clients that say nothing, one released each 300 ms', {
    // 128 of 160 are kept for the rest, and the clients' own are among the others.
    world: () => few(),
    expects: everywhere({ fresh: taken, shows: ['cut'] }),
    up(world) {
      silentOnes(world, 40)
      world.releasing = setInterval(() => world.held.pop()?.destroy(), 300)
    },
    away(world) {
      clearInterval(world.releasing)
      freeAll(world)
    },
  }),
  fault('wrong', 'thirty connections allowed, two hundred a second that reset at once or end half-way', {
    world: () => few(),
    expects: everywhere({ fresh: taken }),
    up(world) {
      let n = 0
      world.storm = setInterval(() => {
        for (let i = 0; i < 10; i += 1) {
          const socket = connect(world.port, '127.0.0.1')
          socket.on('error', () => {})
          socket.on('connect', () => {
            if (n++ % 2) return socket.resetAndDestroy()
            socket.end('GET /livez HTTP/1.1\r\nhost: x\r\n')
            setTimeout(() => socket.destroy(), 1000)
          })
        }
      }, 50)
    },
    away: (world) => clearInterval(world.storm),
  }),
  fault('flapping', 'not one to be had, and enough again, each second', {
    expects: { ...without(), delete: { ...without().delete, shows: [] } },
    ...flapping(takeAll, giveBack),
  }),
]
