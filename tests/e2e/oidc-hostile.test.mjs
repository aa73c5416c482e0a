// An OpenID provider, or somebody on the way to it, that answers badly: the keys that are known stay good, and nothing
// bad is ever taken in. A real provider stands behind the proxy that spoils its answers.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import * as hostile from './support/hostile.mjs'
import { caller, isRefused, isSigned } from './support/http.mjs'
import { algorithms, forge, keepAsking, newKey, publicPart, startProvider, startTrusting } from './support/oidc.mjs'
import { load } from './support/parts.mjs'
import { sleep, tempDir, until } from './support/process.mjs'
import { newSecret } from './support/signer.mjs'

const { base64url } = await load('jose')

const limit = { timeout: 90_000 }

// Each case waits for several attempts of its signer, so they wait side by side.
const together = { concurrency: 8 }

const quick = { jwks_cooldown_secs: 1, jwks_max_age_secs: 1, jwks_timeout_secs: 1 }

// Provider, proxy, decoy and signer for one case; `modes` gets the decoy and says how the proxy begins.
async function stage(t, { modes = () => ({}), auth = quick, keys } = {}) {
  keys ??= [await newKey('ES256', 'first')]
  const proxy = await hostile.startProxy()
  t.after(() => proxy.stop())
  const provider = await startProvider({ keys, issuer: proxy.url })
  t.after(() => provider.kill())
  const decoy = await hostile.startDecoy(provider)
  t.after(() => decoy.stop())
  proxy.front(provider)
  proxy.set(await modes({ decoy, keys }))
  const service = await startTrusting({ issuer: proxy.url, audience: ['files'], ...auth })
  t.after(() => service.stop())
  const claims = { iss: proxy.url, aud: 'files', sub: 'alice', storeId: 'alice' }
  return { proxy, provider, decoy, service, keys, claims, token: await provider.token() }
}

const opens = (answer) => isSigned(answer, { method: 'GET', key: 'alice/f' })
const allAre = (statuses, wanted) => {
  assert.notEqual(statuses.length, 0)
  assert.deepEqual(statuses.filter((one) => one !== wanted), [])
}
const ready = (service) => until('the signer is ready', service.ready, { run: service.run })
const accepts = (service, token) => until('the token is accepted', async () => (await service.ask(token)).status === 200)
// Slowly, because eight of these share the machine.
const traffic = (service, token) => keepAsking(async () => (await service.ask(token)).status, 2, 20)

// A signer that starts with the proxy like this opens nothing; it does once the proxy is honest, so nothing else was wrong.
async function staysClosed({ proxy, decoy, service, token }, attempted) {
  const answers = traffic(service, token)
  await until('some attempts were made', attempted)
  const ask = caller(service.url)
  for (const [answer, code] of [[await service.ask(token), 'keys_unavailable'], [await ask('GET', '/readyz'), 'not_ready']]) {
    isRefused(answer, 503)
    assert.equal(answer.json.code, code)
  }
  assert.equal((await ask('GET', '/livez')).status, 200)
  allAre(await answers.stop(), 503)
  assert.equal(decoy.connections, 0)
  proxy.set()
  await ready(service)
  opens(await service.ask(token))
}

const strangers = (count) => Promise.all(Array.from({ length: count }, async (_, i) => publicPart(await newKey('ES256', `stranger-${i}`))))

const badSets = {
  'hangs': () => hostile.hang,
  'sends one byte a second': () => hostile.drip,
  'sends a page in HTML': () => hostile.garbage,
  'sends no key': () => hostile.empty,
  'sends only a secret': () => hostile.edited(() => ({ keys: [{ kty: 'oct', kid: 'first', alg: 'HS256', k: newSecret() }] })),
  'sends the keys as a list alone': () => hostile.edited((good) => good.keys),
  'says 500 with the true keys': () => hostile.failing,
  'breaks off before the last byte': () => hostile.cut,
  'redirects to the true keys': ({ decoy }) => hostile.redirect(`${decoy.url}/jwks`),
  'sends 600 KiB around the true keys': () => hostile.huge,
  'sends 600 KiB around the true keys and no length': () => hostile.hugeChunked,
  'sends 600 KiB around the true keys in a small gzip': () => hostile.bomb,
  'sends the true keys among 300': async () => {
    const crowd = await strangers(299)
    return hostile.edited((good) => ({ keys: [...good.keys, ...crowd] }))
  },
}

describe('a key set that is no good never opens anything', together, () => {
  for (const [what, make] of Object.entries(badSets)) {
    test(`the address of the keys ${what}: closed from the start, open once it is honest (J44)`, limit, async (t) => {
      const set = await stage(t, { modes: async (made) => ({ jwks: await make(made) }) })
      await staysClosed(set, () => set.proxy.hits.jwks >= 3)
    })

    test(`the address of the keys ${what} later on: known keys stay good, and it recovers (J44)`, limit, async (t) => {
      const set = await stage(t)
      const { proxy, provider, decoy, service, token } = set
      await ready(service)
      opens(await service.ask(token))
      const answers = traffic(service, token)
      proxy.set({ jwks: await make({ decoy }) })
      await until('some attempts were made', () => proxy.hits.jwks >= 3)
      allAre(await answers.stop(), 200)
      assert.equal(decoy.connections, 0)
      proxy.set()
      provider.publish([await newKey('ES256', 'second')])
      await accepts(service, await provider.token())
    })
  }
})

const lies = (change) => hostile.edited((good) => ({ ...good, ...change(good) }))
const elsewhere = (jwks_uri) => lies(() => ({ jwks_uri }))

const badDiscoveries = {
  'names another issuer': ({ decoy }) => lies(() => ({ issuer: decoy.url })),
  'names the issuer with a slash': () => lies((good) => ({ issuer: `${good.issuer}/` })),
  'names the issuer in capitals': () => lies((good) => ({ issuer: good.issuer.toUpperCase() })),
  'names no issuer': () => lies(() => ({ issuer: undefined })),
  'names no key set': () => elsewhere(undefined),
  'sends the signer to another port': ({ decoy }) => elsewhere(`${decoy.url}/jwks`),
  // This is no address of this machine alone, and yet one at which the decoy can be reached.
  'sends the signer to 0.0.0.0': ({ decoy }) => elsewhere(`http://0.0.0.0:${decoy.port}/jwks`),
  'sends the signer to a private address': () => elsewhere('https://10.255.255.1/jwks'),
  'sends the signer to a private address, in clear': () => elsewhere('http://10.255.255.1/jwks'),
  'sends the signer to the metadata of the cloud': () => elsewhere('https://169.254.169.254/latest/meta-data'),
  'sends the signer to the metadata of the cloud, in clear': () => elsewhere('http://169.254.169.254/latest/meta-data'),
  'sends the signer to a file': ({ keys }) => {
    const file = join(tempDir('jwks'), 'jwks.json')
    writeFileSync(file, JSON.stringify({ keys: keys.map(publicPart) }))
    return elsewhere(`file://${file}`)
  },
  'redirects': ({ decoy }) => hostile.redirect(`${decoy.url}/.well-known/openid-configuration`),
  'hangs': () => hostile.hang,
  'is a page in HTML': () => hostile.garbage,
  'has 600 KiB': () => hostile.huge,
}

describe('a discovery document that is no good leads nowhere', together, () => {
  for (const [what, make] of Object.entries(badDiscoveries)) {
    test(`the document ${what}: closed, and the keys are not even asked for (J43)`, limit, async (t) => {
      const set = await stage(t, { modes: (made) => ({ discovery: make(made) }) })
      const { hits } = set.proxy
      await staysClosed(set, () => hits.discovery >= 3)
      assert.equal(hits.jwks, 0)
      // No listener of ours can stand at most of these addresses, so the log has to say that none was called.
      if (what.startsWith('sends the signer')) assert.match(set.service.run.stderr, /jwks_uri/)
    })
  }
})

describe('a discovery document that goes bad later on changes nothing', together, () => {
  for (const [what, make] of Object.entries(badDiscoveries)) {
    test(`the document ${what}: known keys stay good, and it recovers (J43)`, limit, async (t) => {
      const { proxy, provider, decoy, service, token, keys } = await stage(t)
      await ready(service)
      opens(await service.ask(token))
      const answers = traffic(service, token)
      // With the address that it knows out of order, the signer has a reason to look for another.
      proxy.set({ jwks: hostile.failing, discovery: make({ decoy, keys }) })
      await until('some attempts were made', () => proxy.hits.discovery >= 2)
      allAre(await answers.stop(), 200)
      assert.equal(decoy.connections, 0)
      proxy.set()
      provider.publish([await newKey('ES256', 'second')])
      await accepts(service, await provider.token())
    })
  }
})

describe('an answer that never comes', together, () => {
  test('requests with unknown keys wait for it, those with known keys do not, and none is let in by mistake (J38)', limit, async (t) => {
    const { proxy, service, token, claims } = await stage(t, { auth: { ...quick, jwks_timeout_secs: 3 } })
    await ready(service)
    const unknown = await forge(await newKey('ES256', 'unknown'), claims)
    proxy.set({ jwks: hostile.hang })
    await until('a fetch hangs', () => proxy.hits.jwks >= 1)
    const waiting = Promise.all(Array.from({ length: 100 }, () => service.ask(unknown)))
    let over = false
    waiting.finally(() => { over = true }).catch(() => {})
    let meanwhile = 0
    while (!over) {
      opens(await service.ask(token))
      if (!over) meanwhile += 1
    }
    assert.ok(meanwhile > 10, `${meanwhile} answers while the others waited`)
    for (const answer of await waiting) isRefused(answer, [401, 503])
  })

  test('keys grow too old to be believed also while a fetch hangs (J41)', limit, async (t) => {
    const { proxy, service, token } = await stage(t, {
      auth: { jwks_cooldown_secs: 1, jwks_max_age_secs: 1, jwks_max_stale_secs: 2, jwks_timeout_secs: 6 },
    })
    await ready(service)
    opens(await service.ask(token))
    proxy.set({ jwks: hostile.hang })
    await until('a fetch hangs', () => proxy.hits.jwks >= 1)
    await sleep(4000) // twice as long as the keys may be believed
    const answer = await service.ask(token)
    isRefused(answer, 503)
    assert.equal(answer.json.code, 'keys_unavailable')
  })
})

describe('a good key set with odd company', together, () => {
  test('keys without alg and use serve all the same', limit, async (t) => {
    const keys = await Promise.all(algorithms.map((alg) => newKey(alg, alg)))
    const bare = hostile.edited((good) => ({ keys: good.keys.map(({ alg, use, ...key }) => key) }))
    const { service, provider } = await stage(t, { keys, modes: () => ({ jwks: bare }) })
    await ready(service)
    for (const alg of algorithms) opens(await service.ask(await provider.token({ alg })))
  })

  test('entries that are no signing keys of ours are left out, and the others stay', limit, async (t) => {
    const secret = new TextEncoder().encode(newSecret())
    const encryption = await newKey('ES256', 'encryption')
    const short = await newKey('ES256', 'short')
    const leaked = await newKey('ES256', 'leaked')
    const neighbour = await newKey('ES256', 'neighbour')
    const odd = [
      { ...publicPart(encryption), use: 'enc' },
      { kty: 'oct', kid: 'secret', alg: 'HS256', use: 'sig', k: base64url.encode(secret) },
      { kty: 'AKP', kid: 'later', alg: 'ML-DSA-44', pub: 'AAAA' },
      { kty: 'EC', kid: 'bitcoin', crv: 'secp256k1', x: short.x, y: short.y },
      { ...publicPart(short), x: short.x.slice(4) },
      { ...publicPart(await newKey('ES256', 'x5c')), x5c: ['rubbish'] },
      leaked,
      { kty: 7 }, {}, null, 'text', [],
    ]
    const { service, provider, claims, token } = await stage(t, {
      modes: () => ({ jwks: hostile.edited((good) => ({ keys: [...odd, ...good.keys, publicPart(neighbour)] })) }),
    })
    await ready(service)
    opens(await service.ask(token))
    // the control: this way of making tokens is accepted for a key that is all right
    opens(await service.ask(await forge(neighbour, claims)))
    const bad = {
      'a published secret': forge({ alg: 'HS256', kid: 'secret', secret }, claims),
      'a published secret, without its id': forge({ alg: 'HS256', secret }, claims),
      'a published secret, under the id of a key': forge({ alg: 'HS256', kid: 'first', secret }, claims),
      'a key for encryption': forge(encryption, claims),
      'half a key': forge(short, claims),
      'a private key that everybody can read': forge(leaked, claims),
    }
    for (const [what, made] of Object.entries(bad)) {
      const answer = await service.ask(await made)
      assert.equal(answer.status, 401, what)
      assert.equal(answer.json.code, 'unauthorized')
    }
    opens(await service.ask(await provider.token()))
  })
})

describe('what the provider says about caching', together, () => {
  const removed = (header, auth) => async (t) => {
    const keys = [await newKey('ES256', 'first')]
    const { service, proxy, provider, token } = await stage(t, {
      keys, auth, modes: () => ({ jwks: hostile.withHeaders({ 'cache-control': header }) }),
    })
    await ready(service)
    opens(await service.ask(token))
    provider.publish([await newKey('ES256', 'second')])
    await until('the removed key is refused', async () => (await service.ask(token)).status === 401)
    assert.notEqual(proxy.hits.jwks, 1)
    await accepts(service, await provider.token())
  }

  test('a day is too long: keys are never kept longer than jwks_max_age_secs', limit,
    removed('public, max-age=86400', { jwks_max_age_secs: 2, jwks_cooldown_secs: 1 }))

  test('a second is kept to, although jwks_max_age_secs allows more', limit,
    removed('max-age=1', { jwks_cooldown_secs: 1 }))

  for (const header of ['no-store', 'max-age=0', 'max-age=-1, max-age=99999999999999999999']) {
    test(`"${header}" does not make a fetch of every request`, limit, async (t) => {
      const { service, proxy, token } = await stage(t, { auth: {}, modes: () => ({ jwks: hostile.withHeaders({ 'cache-control': header }) }) })
      await ready(service)
      const answers = keepAsking(async () => (await service.ask(token)).status, 4)
      await sleep(3000)
      allAre(await answers.stop(), 200)
      assert.ok(proxy.hits.jwks <= 2, `${proxy.hits.jwks} fetches`)
    })
  }
})
