import { late } from '../bucket.mjs'
import { startWorld } from '../world.mjs'
import { everywhere, flapping, repeating, unharmed } from './common.mjs'

const kill = (world, signal) => world.run.child.kill(signal)
const HARMLESS = ['SIGUSR1', 'SIGUSR2', 'SIGPIPE', 'SIGWINCH', 'SIGURG', 'SIGCHLD', 'SIGHUP']

const fault = (kind, done, rest) => ({ part: 'signals', kind, done, world: () => startWorld(), seconds: 12, ...rest })

const says = (text) => (world) => (world.run.stderr.includes(text) ? undefined : `the log does not say that ${text}`)

const broken = ['rubbish', '[server]\nlisten = "127.0.0.1:1"\n', '[storage]\nbuket = "x"\n']

export default [
  fault('down', 'SIGTERM with requests in flight, and another start, three times', {
    noKeepAlive: true,
    // What was taken is answered; what comes while nobody listens is refused, not cut.
    expects: (() => {
      const rules = everywhere({ all: ['refused'], shows: ['refused'] })
      rules.health.good = ['503 bucket_unavailable']
      rules.health.rotated = ['503 not_ready']
      return rules
    })(),
    async up(world) {
      world.bucket.each = late(700)
      world.restarting = (async () => {
        for (let n = 0; n < 3; n += 1) {
          await new Promise((done) => setTimeout(done, 2500))
          const old = world.run
          kill(world, 'SIGTERM')
          const { code } = await old.exited
          if (code !== 0) world.problems = [`it ended with ${code}`]
          await new Promise((done) => setTimeout(done, 500))
          await world.start()
        }
      })()
    },
    async away(world) {
      await world.restarting
      world.bucket.each = undefined
    },
  }),
  fault('slow', 'SIGSTOP for two seconds, SIGCONT for one', {
    pauses: 2500,
    expects: { ...unharmed(), health: { good: ['503 bucket_unavailable'] } },
    ...flapping((w) => { kill(w, 'SIGSTOP'); return new Promise((done) => setTimeout(done, 1000)) }, (w) => kill(w, 'SIGCONT')),
  }),
  fault('wrong', `a broken configuration and ten signals a second: ${HARMLESS.join(', ')}`, {
    proof: says('the configuration is not used'),
    expects: unharmed(),
    ...repeating((world, n) => {
      world.write(broken[n % broken.length])
      kill(world, HARMLESS[n % HARMLESS.length])
      kill(world, 'SIGHUP')
    }, 100, (world) => world.write()),
  }),
  fault('flapping', 'SIGHUP ten times a second with two good configurations and a broken one in turn', {
    proof: (world) => says('is in force')(world) ?? says('the configuration is not used')(world),
    expects: unharmed(),
    ...repeating((world, n) => {
      world.lives = [600, 900]
      const life = (expires_secs) => ({ upload: { expires_secs }, download: { expires_secs } })
      world.write([life(600), broken[2], life(900)][n % 3])
      kill(world, 'SIGHUP')
    }, 100, (world) => { world.write(); kill(world, 'SIGHUP') }),
  }),
]
