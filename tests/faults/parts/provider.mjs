import { drip, newKey, silent, wrongSets } from '../provider.mjs'
import { startWorld } from '../world.mjs'
import { flapping, unharmed } from './common.mjs'

// Keys that are in force stay so; one that came up meanwhile cannot be judged. Just after the last good fetch, one that
// was used up by a bad token, it is still taken for nobody's.
const rotated = ['503 keys_unavailable', '401 unauthorized']
const away = { sign: { rotated, shows: ['503 keys_unavailable'] }, delete: { rotated, shows: ['503 keys_unavailable'] }, head: { rotated, shows: ['503 keys_unavailable'] }, health: {} }

const fault = (kind, done, rest) =>
  ({ part: 'provider', kind, done, rotates: true, world: () => startWorld({ withProvider: true }), seconds: 12, expects: away, ...rest })

export default [
  fault('down', 'connections refused, and a new key meanwhile', {
    up: (world) => world.provider.shut(),
    away: (world) => world.provider.open(),
  }),
  fault('slow', 'no byte at all, or two a second; a new key meanwhile', {
    up: (world) => { let n = 0; world.provider.each = (...call) => (n++ % 2 ? drip : silent)(...call) },
    away: (world) => { world.provider.each = undefined },
  }),
  fault('wrong', 'seven sets that are none, in turn; then good ones of other keys alone', {
    rotates: false,
    seconds: 20,
    // Only the set of other keys may end what the old one opened: that is what a provider is for.
    expects: Object.fromEntries(['sign', 'delete', 'head', 'health'].map((route) => [route, route === 'health' ? {} : {
      good: ['401 unauthorized', '503 keys_unavailable'],
      foreign: ['401 unauthorized', '503 keys_unavailable'],
      bad: ['503 keys_unavailable'],
      shows: ['401 unauthorized'],
    }])),
    up(world) {
      const keys = world.provider.keys
      world.goodToken = () => world.token({}, keys[0])
      let n = 0
      world.provider.each = (response, set) => {
        const sets = wrongSets(set, keys[0])
        sets[n++ % sets.length](response)
      }
      // Until then the old keys hold, whatever came.
      let isReplaced = false
      world.rightFor = (token, kind, { outcome }) => {
        if (isReplaced || kind === 'bad' || !/^(401|503 keys)/.test(outcome)) return undefined
        world.problems = [`${kind}: ${outcome} though no other set had come`]
        return undefined
      }
      world.replacing = setTimeout(() => {
        isReplaced = true
        world.kept = keys
        world.provider.keys = [newKey('stranger')]
        world.provider.each = undefined
      }, 13_000)
    },
    away: (world) => { world.provider.keys = world.kept },
  }),
  fault('flapping', 'refused and back each second, and a new key meanwhile', {
    expects: unharmedButRotated(),
    ...flapping((world) => world.provider.shut(), (world) => world.provider.open()),
  }),
]

function unharmedButRotated() {
  const expects = unharmed()
  for (const route of ['sign', 'delete', 'head']) expects[route].rotated = rotated
  return expects
}
