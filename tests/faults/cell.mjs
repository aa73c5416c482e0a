// A cell: one fault, one route. A steady client asks with good, bad and foreign tokens before, while and after; every
// answer is judged; and from the moment the fault is gone, the time is taken until all is as before.
import { performance } from 'node:perf_hooks'
import { askFor, exchange, mistake, newAgent, ROUTES } from './ask.mjs'
import { newKey } from './provider.mjs'
import { sleep } from '../e2e/support/process.mjs'

const EVERY_MS = 160
const QUIET_MS = 2000
const CALM_MS = 2500
const RECOVERED_WITHIN_MS = 5000
// Between two looks of the client at one thing, and what a busy machine adds: health comes back with the probe that is due
// five seconds after the last began.
const LOOKING_MS = 500
const GIVE_UP_MS = 14_000
// Signing and health wait for nobody; the others for one call of the bucket, which takes five seconds at the most.
// The rest is what a busy machine may add.
const DEADLINE_MS = { sign: 2000, delete: 6500, head: 6500, health: 2000 }
// What a token may have to wait for whose key is not known, or did not sign it: the fetch under way.
const KEYS_MS = 6000

// Tokens that open nothing, whatever the route: signed by another key, ended, unsigned, none, and rubbish.
function badToken(world, n) {
  const now = Math.floor(Date.now() / 1000)
  const good = world.token({})
  const [head, claims, signature] = good.split('.')
  const unsigned = Buffer.from('{"alg":"none"}').toString('base64url')
  return [
    `${head}.${claims}.${Buffer.from(signature, 'base64url').reverse().toString('base64url')}`,
    world.token({ iat: now - 300_000, exp: now - 200_000 }),
    `${unsigned}.${claims}.`,
    undefined,
    `${head}.${Buffer.from(JSON.stringify({ storeId: 's1', exp: now + 600 })).toString('base64url')}.${signature}`,
    'rubbish',
  ][n % 6]
}

// What each kind of request sends, and what is right for it when nothing is broken.
const KINDS = {
  good: (world, route, n) => {
    const ask = askFor(route, n)
    return { ask, token: world.goodToken?.(n) ?? world.token({}), right: ask.yes === 404 ? '404 object_not_found' : String(ask.yes) }
  },
  bad: (world, route, n) => ({ ask: askFor(route, n), token: badToken(world, n), right: '401 unauthorized' }),
  foreign: (world, route, n) => ({ ask: askFor(route, n, 's2'), token: world.goodToken?.(0) ?? world.token({}), right: '403 key_outside_store' }),
  // By a key that came up while the provider could not say so.
  rotated: (world, route, n) => ({ ...KINDS.good(world, route, n), token: world.token({}, world.rotatedKey) }),
  // Over a connection of its own, where the others are kept.
  fresh: (world, route, n) => ({ ...KINDS.good(world, route, n), isFresh: true }),
}

// Health takes no token; in place of the others, what must hold whatever is broken.
const HEALTH_KINDS = {
  bad: (world, route, n) => ({ ask: askFor(route, n), token: 'rubbish', right: '200', kind: 'good' }),
  foreign: () => ({ ask: { ...askFor('health'), path: '/livez' }, right: '200' }),
  rotated: () => ({ ask: { ...askFor('health'), path: '/readyz' }, right: '200' }),
}

class Client {
  constructor(world, fault, route) {
    Object.assign(this, { world, fault, route, agent: newAgent(fault.sockets), n: 0, answers: [], underWay: new Set(), phase: 'before', counts: {} })
  }

  kinds() {
    const further = [this.world.rotatedKey && 'rotated', this.fault.fresh && 'fresh'].filter(Boolean)
    return ['good', 'good', 'bad', 'foreign', ...further]
  }

  once() {
    const { world, route } = this
    const n = this.n++
    const kinds = this.kinds()
    const kind = kinds[n % kinds.length]
    const count = this.counts[kind] = (this.counts[kind] ?? -1) + 1
    const { ask, token, right, isFresh, kind: as } = ((route === 'health' && HEALTH_KINDS[kind]) || KINDS[kind])(world, route, count)
    const agent = isFresh || this.fault.noKeepAlive ? false : this.agent
    const before = world.signerNow()
    const phase = this.phase
    const asked = exchange(world, ask, { token, agent }).then((answer) => {
      const after = world.signerNow()
      // With kept connections a request may have waited for its turn; the signer's part is what is judged.
      const wrong = mistake(world, ask, answer, { least: Math.min(before, after), most: Math.max(before, after), ...world.clockSpan?.() })
      const rightNow = (route === 'health' ? undefined : world.rightFor?.(token, kind, answer)) ?? right
      this.answers.push({ ...answer, kind: this.fault.fresh && answer.isNew && phase !== 'before' ? 'fresh' : as ?? kind, right: rightNow, wrong, phase, ended: this.phase, path: ask.path })
    })
    this.underWay.add(asked)
    asked.finally(() => this.underWay.delete(asked))
  }

  async steadily(isOver) {
    while (!isOver()) {
      if (this.underWay.size < 40) this.once()
      await sleep(EVERY_MS)
    }
  }
}

const normal = (answer) => answer.outcome === answer.right && !answer.wrong

// When this program itself could not run, and for how long. Client and fakes are in it, so what they saw meanwhile says
// nothing of the signer.
const stalls = []
let ticked = performance.now()
setInterval(() => {
  const now = performance.now()
  if (now - ticked > 500) stalls.push({ at: now, millis: now - ticked })
  ticked = now
}, 50).unref()

export const longestStall = (since) => Math.round(Math.max(0, ...stalls.filter(({ at }) => at >= since).map(({ millis }) => millis)))

// Runs one fault over all its routes, and gives back a verdict for each.
export async function runFault(fault) {
  const world = await fault.world()
  const clients = ROUTES.map((route) => new Client(world, fault, route))
  let isOver = false
  const asking = clients.map((client) => client.steadily(() => isOver))
  const phase = (now) => { for (const client of clients) client.phase = now }
  const watch = setInterval(() => { try { world.rss() } catch { /* between two runs there is none */ } }, 200)
  await sleep(QUIET_MS)
  phase('fault')
  if (world.provider && fault.rotates) {
    world.rotatedKey = newKey('second')
    world.provider.keys = [...world.provider.keys, world.rotatedKey]
  }
  await fault.up(world)
  await sleep(fault.seconds * 1000)
  await fault.away(world)
  phase('after')
  const gone = performance.now()
  // Until every client has seen nothing but right answers for a while.
  const lastOdd = (client) => Math.max(gone, ...client.answers.filter((a) => a.began >= gone && !normal(a)).map((a) => a.began))
  while (performance.now() - gone < GIVE_UP_MS && clients.some((client) => performance.now() - lastOdd(client) < CALM_MS)) await sleep(200)
  isOver = true
  await Promise.all(asking)
  await Promise.all(clients.flatMap((client) => [...client.underWay]))
  clearInterval(watch)
  const general = [...whole(world), fault.proof?.(world)].filter(Boolean)
  const verdicts = clients.map((client) => judge(fault, world, client, gone, general))
  await Promise.all(world.runs.map((run) => run.stop('SIGKILL')))
  await fault.end?.(world)
  return verdicts
}

// What went wrong with the process as such, which fails all its cells.
function whole(world) {
  const found = []
  const log = world.runs.map((run) => run.stderr + run.stdout).join('')
  if (!world.run.running()) found.push('the process ended')
  if (/"message":"a panic/.test(log)) found.push('it panicked')
  if (log.includes(world.secretKey) || log.includes('X-Amz-Signature')) found.push('a secret is in the log')
  if (world.bucket.decoyed > 0 && !world.decoyMayBeAsked) found.push('a redirect was followed')
  if (world.peakKb > (world.mostKb ?? Infinity)) found.push(`${world.peakKb} kB of memory`)
  return [...found, ...(world.problems ?? [])]
}

function judge(fault, world, client, gone, general) {
  const { route, answers } = client
  const expected = fault.expects[route]
  const failures = [...general]
  const deadline = (expected.deadline ?? DEADLINE_MS[route]) + (fault.pauses ?? 0)
  const note = (text) => { if (!failures.includes(text)) failures.push(text) }
  for (const answer of answers) {
    const { outcome, kind, phase, ended, right, wrong, millis } = answer
    const waitsForKeys = world.provider && route !== 'health' && (kind === 'bad' || kind === 'rotated')
    const what = `${kind} ${answer.path.split('?')[0]}`
    if (wrong) note(`${what}: ${wrong}`)
    // A connection that is never taken has no answer that could be late.
    if (millis > deadline + (waitsForKeys ? KEYS_MS : 0) && kind !== 'fresh') note(`${what}: ${outcome} after ${Math.round(millis)} ms`)
    if (ended === 'before' && outcome !== right) note(`${what}: ${outcome} before the fault`)
    const allowed = [right, ...(expected[kind] ?? []), ...(expected.all ?? [])]
    if (ended !== 'before' && !allowed.includes(outcome)) note(`${what}: ${outcome} while or after it`)
  }
  const seen = answers.filter((answer) => answer.phase === 'fault')
  for (const outcome of expected.shows ?? []) {
    if (!seen.some((answer) => answer.outcome === outcome && !['bad', 'foreign'].includes(answer.kind))) note(`the fault did not show: no ${outcome}`)
  }
  const after = answers.filter((answer) => answer.began >= gone)
  const odd = after.filter((answer) => !normal(answer)).map((answer) => answer.began)
  const firstGood = after.map((answer) => answer.began).filter((at) => at > Math.max(gone - 1, ...odd))
  const recovery = odd.length === 0 ? 0 : Math.min(...firstGood) - gone
  if (!(recovery <= RECOVERED_WITHIN_MS + LOOKING_MS)) note(`not as before after ${Math.round(recovery)} ms`)
  if (after.length < 8) note('too few answers afterwards')
  const counts = new Map()
  for (const { kind, outcome } of seen) counts.set(`${kind} ${outcome}`, (counts.get(`${kind} ${outcome}`) ?? 0) + 1)
  return {
    cell: `${fault.part}/${fault.kind}/${route}`,
    done: fault.done,
    seen: [...counts].sort().map(([what, count]) => `${count}x ${what}`).join(', '),
    slowest: Math.round(Math.max(0, ...seen.filter((answer) => answer.kind !== 'fresh').map((answer) => answer.millis))),
    recovery: Math.round(recovery),
    peakKb: world.peakKb,
    asked: answers.length,
    failures,
  }
}
