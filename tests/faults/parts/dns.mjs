import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempDir } from '../../e2e/support/process.mjs'
import { startNames } from '../names.mjs'
import { startWorld } from '../world.mjs'
import { failing, flapping } from './common.mjs'

// H31: each answer of a name server is another one, also the address of somebody else, and what is right is found again.
// In a mount namespace of its own the signer sees another /etc/resolv.conf; the rest is the system's resolver.
async function world(number) {
  const names = await startNames(`127.0.53.${number}`)
  const file = join(tempDir('resolv'), 'resolv.conf')
  writeFileSync(file, `nameserver ${names.host}\n`)
  const made = await startWorld({
    withProvider: true,
    keepAlive: false,
    hosts: { bucket: 'bucket.faults.test', provider: 'provider.faults.test' },
    wrap: ['unshare', '--mount', 'sh', '-c', `mount --bind ${file} /etc/resolv.conf && exec "$@"`, 'sh'],
  })
  return Object.assign(made, { names })
}

const troubles = ['502 bucket_failed', '503 bucket_unavailable', '504 bucket_timeout']
const rotated = ['503 keys_unavailable', '401 unauthorized', ...troubles]

function expects(options) {
  const rules = failing(troubles, options)
  for (const route of ['sign', 'delete', 'head']) rules[route].rotated = rotated
  return rules
}

const fault = (kind, number, done, rest) =>
  ({ part: 'dns', kind, done, rotates: true, world: () => world(number), seconds: 14, ...rest })

const badAnswers = ['nxdomain', 'servfail', 'none', '127.0.53.99']

export default [
  fault('down', 1, 'no name is answered', {
    expects: expects({ shows: ['503 bucket_unavailable'] }),
    up: (w) => { w.names.each = () => {} },
    away: (w) => { w.names.each = undefined },
  }),
  fault('slow', 2, 'names take one second, or eight', {
    expects: expects({ shows: [], healthShows: [] }),
    up: (w) => { w.names.each = (send) => setTimeout(send, Math.floor(Date.now() / 3000) % 2 ? 1000 : 8000) },
    away: (w) => { w.names.each = undefined },
  }),
  fault('wrong', 3, 'no such name, failure, no address, and the address of another web server, in turn', {
    expects: expects({ shows: ['502 bucket_failed'] }),
    async up(w) {
      w.decoyMayBeAsked = true
      await w.bucket.startDecoy('127.0.53.99')
      w.names.each = (send) => send(badAnswers[Math.floor(Date.now() / 1000) % badAnswers.length])
    },
    away: (w) => { w.names.each = undefined },
  }),
  fault('flapping', 4, 'no answer and good ones, each second', {
    expects: expects({ shows: [], healthShows: [] }),
    ...flapping((w) => { w.names.each = () => {} }, (w) => { w.names.each = undefined }),
  }),
]
