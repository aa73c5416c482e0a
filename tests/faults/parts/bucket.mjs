import { drip, silent, wrongAnswers } from '../bucket.mjs'
import { startWorld } from '../world.mjs'
import { failing, flapping } from './common.mjs'

const fault = (kind, done, rest) => ({ part: 'bucket', kind, done, world: () => startWorld(), seconds: 13, ...rest })

export default [
  fault('down', 'connections refused', {
    expects: failing(['502 bucket_failed', '503 bucket_unavailable'], { shows: ['503 bucket_unavailable'] }),
    up: (world) => world.bucket.shut(),
    away: (world) => world.bucket.open(),
  }),
  fault('slow', 'no byte at all, or a byte a second', {
    expects: failing(['504 bucket_timeout', '503 bucket_unavailable', '503 overloaded'], { shows: ['504 bucket_timeout'] }),
    up: (world) => { let n = 0; world.bucket.each = (...call) => (n++ % 2 ? drip : silent)(...call) },
    away: (world) => { world.bucket.each = undefined },
  }),
  fault('wrong', 'ten kinds of answers that are none, in turn', {
    expects: failing(['502 bucket_failed', '503 bucket_unavailable'], { shows: ['502 bucket_failed'] }),
    async up(world) {
      const answers = wrongAnswers(await world.bucket.startDecoy())
      let n = 0
      world.bucket.each = (...call) => answers[n++ % answers.length](...call)
    },
    away: (world) => { world.bucket.each = undefined },
  }),
  fault('flapping', 'refused and back each second', {
    expects: failing(['502 bucket_failed', '503 bucket_unavailable'], { shows: [], healthShows: [] }),
    ...flapping((world) => world.bucket.shut(), (world) => world.bucket.open()),
  }),
]
