import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempDir } from '../../e2e/support/process.mjs'
import { startWorld } from '../world.mjs'
import { failing, flapping, repeating } from './common.mjs'

const HOUR = 3600
const LEEWAY = 30
// A request may have begun by the clock of then: the longest that one takes, and some.
const REMEMBERED_MS = 8500

function library() {
  const places = readdirSync('/usr/lib').map((name) => `/usr/lib/${name}/faketime/libfaketime.so.1`)
  const found = places.find((file) => existsSync(file))
  if (!found) throw new Error('faketime is missing: run tests/faults/install.sh')
  return found
}

// A signer whose clock is set through a file; the steps that time-outs are counted in stay true.
async function world() {
  const file = join(tempDir('clock'), 'offset')
  let settings = [{ at: 0, now: (real) => real }]
  const write = (text, now) => {
    // In one step, because the file is read at every look at the clock.
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
    settings = [...settings.slice(-400), { at: Date.now(), now }]
  }
  write('+0\n', (real) => real)
  const made = await startWorld({
    env: { LD_PRELOAD: library(), FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1', TZ: 'UTC' },
  })
  // All that its clock may have shown in the last moments.
  const possible = () => {
    const real = Date.now() / 1000
    const recent = settings.filter((setting, n) => n === settings.length - 1 || settings[n + 1].at > Date.now() - REMEMBERED_MS)
    return recent.map((setting) => setting.now(real))
  }
  const signerNow = () => settings.at(-1).now(Date.now() / 1000)
  const offset = (seconds) => write(`${seconds < 0 ? '' : '+'}${seconds}s\n`, (real) => real + seconds)
  const stand = (at) => write(`${new Date(at * 1000).toISOString().slice(0, 19).replace('T', ' ')}\n`, () => at)
  const clockSpan = () => ({ least: Math.min(...possible()), most: Math.max(...possible()) })
  // Tokens that are good for some hours, for ten minutes around now, in an hour, two hours ago, and in a day.
  const goodToken = (n) => {
    const now = Math.floor(Date.now() / 1000)
    const [iat, exp] = [[now - 3 * HOUR, now + 3 * HOUR], [now, now + 600], [now + HOUR - 300, now + HOUR + 300], [now - 2 * HOUR - 300, now - 2 * HOUR + 300], [now + 23 * HOUR, now + 25 * HOUR]][n % 5]
    return made.token({ iat, exp })
  }
  // Whether a token opens anything is for the signer's own clock to say; while that is being set, either is right.
  const rightFor = (token, kind, { outcome }) => {
    if (!['good', 'foreign'].includes(kind) || !token || token === 'rubbish') return undefined
    const { iat, exp } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))
    const holds = possible().map((now) => iat <= now + LEEWAY && exp > now - LEEWAY)
    if (holds.every((yes) => yes)) return undefined
    return holds.some((yes) => yes) && outcome !== '401 unauthorized' ? undefined : '401 unauthorized'
  }
  return Object.assign(made, { signerNow, offset, stand, clockSpan, goodToken, rightFor })
}

const fault = (kind, done, rest) => ({ part: 'clock', kind, done, world, seconds: 12, ...rest })

// Of a signature that is too old, S3 says that access is denied.
const refused = (options) => failing(['502 bucket_failed'], options)

export default [
  fault('down', 'stands still, two hours ago', {
    expects: refused(),
    up: (w) => w.stand(Math.floor(Date.now() / 1000) - 2 * HOUR),
    away: (w) => w.offset(0),
  }),
  fault('slow', 'loses twenty seconds each second, four minutes in all', {
    expects: refused(),
    ...repeating((w, n) => w.offset(-20 * (n + 1)), 1000, (w) => w.offset(0)),
  }),
  fault('wrong', 'a day ahead', {
    expects: refused(),
    up: (w) => w.offset(24 * HOUR),
    away: (w) => w.offset(0),
  }),
  fault('flapping', 'an hour ahead, and right, each second', {
    expects: refused({ healthShows: [] }),
    ...flapping((w) => w.offset(HOUR), (w) => w.offset(0)),
  }),
]
