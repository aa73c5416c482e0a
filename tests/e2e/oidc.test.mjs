// Tokens of a real OpenID provider, through the whole life of its keys: discovery, rotation, removal, outage, recovery.
// Case numbers (J40 …) are those of the project's security research.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { caller, isRefused, isSigned, query, use } from './support/http.mjs'
import { algorithms, forge, keepAsking, newKey, publicPart, startProvider, startTrusting } from './support/oidc.mjs'
import { load } from './support/parts.mjs'
import { sleep, until } from './support/process.mjs'
import { startSeaweed } from './support/seaweed.mjs'
import { signer } from './support/signer.mjs'
import { unsigned } from './support/tokens.mjs'

const { exportSPKI, importJWK } = await load('jose')

const limit = { timeout: 60_000 }

// A provider and what trusts it, for one test each: keys change under them.
async function provide(t, options) {
  const provider = await startProvider(options)
  t.after(() => provider.kill())
  return provider
}
async function trust(t, provider, auth = {}, options) {
  const service = await startTrusting({ issuer: provider.issuer, audience: ['files'], ...auth }, options)
  t.after(() => service.stop())
  return service
}
const ready = (service) => until('the signer is ready', service.ready, { run: service.run })
async function pair(t, auth) {
  const keys = [await newKey('ES256', 'first')]
  const provider = await provide(t, { keys })
  const service = await trust(t, provider, auth)
  await ready(service)
  return { keys, provider, service }
}

const opens = (answer, key = 'alice/f') => isSigned(answer, { method: 'GET', key })
function refuses(answer, status, code) {
  isRefused(answer, status)
  assert.equal(answer.json.code, code)
}
const status = async (answer) => (await answer).status
const allOpened = (statuses) => {
  assert.notEqual(statuses.length, 0)
  assert.deepEqual(statuses.filter((one) => one !== 200), [])
}
const fallsAsleep = async (provider, options) => {
  const token = await provider.token({ ...options, ttl: 1 })
  await sleep(2500)
  return token
}

describe('OpenID provider: which tokens open what', () => {
  test('issuer and audience are all it takes: RS256, ES256 and EdDSA tokens open their store', limit, async (t) => {
    const provider = await provide(t, { keys: await Promise.all(algorithms.map((alg) => newKey(alg, alg))) })
    const service = await trust(t, provider)
    await ready(service)
    for (const alg of algorithms) {
      const token = await provider.token({ alg })
      opens(await service.ask(token))
      refuses(await service.ask(token, 'bob/f'), 403, 'key_outside_store')
      opens(await service.ask(await provider.token({ alg, store: 'bob' }), 'bob/f'), 'bob/f')
    }
    assert.notEqual(provider.counts.discovery, 0)
    refuses(await service.ask(await provider.token({ store: 'stranger', alg: 'RS256' }), 'stranger/f'), 403, 'store_missing')
  })

  test('with jwks_url beside the issuer nothing is discovered, and the issuer still counts', limit, async (t) => {
    const keys = [await newKey('ES256', 'first')]
    const provider = await provide(t, { keys })
    const other = await provide(t, { keys })
    const service = await trust(t, provider, { jwks_url: `${provider.url}/jwks` })
    await ready(service)
    opens(await service.ask(await provider.token()))
    refuses(await service.ask(await other.token()), 401, 'unauthorized')
    assert.deepEqual(provider.counts, { discovery: 0, jwks: 1 })
  })

  test('the provider keeps its own words in scope; ours narrow the token', limit, async (t) => {
    const { provider, service } = await pair(t)
    const asks = {
      'files:read': (call) => call('GET', `/download-url${query({ key: 'alice/f' })}`),
      'files:write': (call) => call('POST', '/upload-url', { key: 'alice/f' }),
      'files:delete': (call) => call('POST', '/delete-url', { key: 'alice/f' }),
    }
    const scopes = [undefined, 'profile:read', 'files:read profile:read', 'files:write', 'files:delete files:read']
    for (const scope of scopes) {
      const call = caller(service.url, await provider.token({ scope }))
      const all = !scope?.includes('files:')
      for (const [word, ask] of Object.entries(asks)) {
        const answer = await ask(call)
        if (all || scope.includes(word)) assert.equal(answer.status, 200, `${scope} ${word}`)
        else refuses(answer, 403, 'operation_not_allowed')
      }
    }
  })

  test('the store may be in a nested claim, in one with an address as its name, or made of the subject', limit, async (t) => {
    const provider = await provide(t, { keys: [await newKey('ES256', 'first')] })
    const token = await provider.token()
    const stores = [
      [{ store_claim: 'app_metadata.storeId' }, 'alice-nested'],
      [{ store_claim: 'https://files.example.com/store' }, 'alice-named'],
      [{ store_template: 'user-{sub}' }, 'user-alice'],
    ]
    for (const [auth, store] of stores) {
      const service = await trust(t, provider, auth)
      await ready(service)
      opens(await service.ask(token, `${store}/f`), `${store}/f`)
      refuses(await service.ask(token, 'alice/f'), 403, 'key_outside_store')
    }
  })

  test('tokens that are not for us, not from there or not theirs are 401, all alike (J03, J04, J24, J25)', limit, async (t) => {
    const keys = await Promise.all(algorithms.map((alg) => newKey(alg, alg)))
    const [rsa, ec] = keys
    const provider = await provide(t, { keys })
    const other = await provide(t, { keys })
    const service = await trust(t, provider, { leeway_secs: 0 })
    await ready(service)
    const claims = { iss: provider.issuer, aud: 'files', sub: 'alice', storeId: 'alice' }
    const pem = new TextEncoder().encode(await exportSPKI(await importJWK(publicPart(rsa), 'RS256')))
    const bad = {
      'another audience': await provider.token({ audience: 'other' }),
      'an ID token': await provider.idToken(),
      'another issuer, with the same keys': await other.token(),
      'the issuer with a slash': await forge(ec, { ...claims, iss: `${provider.issuer}/` }),
      'two issuers': await forge(ec, { ...claims, iss: [provider.issuer] }),
      'no issuer': await forge(ec, { ...claims, iss: undefined }),
      'no audience': await forge(ec, { ...claims, aud: undefined }),
      expired: await fallsAsleep(provider),
      'another key under a known id': await forge(await newKey('ES256', ec.kid), claims),
      'a known key under the id of another': await forge({ ...ec, kid: rsa.kid }, claims),
      'another algorithm with the key of RS256': await forge({ ...rsa, alg: 'RS384' }, claims),
      'the public key as a secret': await forge({ alg: 'HS256', kid: rsa.kid, secret: pem }, claims),
      'a key of its own in the header': await forge(await newKey('ES256', 'own'), claims, { jku: `${other.url}/jwks` }),
      'no signature': unsigned(claims),
    }
    for (const [what, token] of Object.entries(bad)) {
      const answer = await service.ask(token)
      assert.equal(answer.status, 401, what)
      refuses(answer, 401, 'unauthorized')
    }
    // What the forged ones are made of is good: only what their names say was wrong with them.
    opens(await service.ask(await forge(ec, claims)))
    for (const token of Object.values(bad)) assert.ok(!service.run.log().includes(token.split('.')[1]), 'a token was logged')
  })

  test('token_typ tells access tokens from ID tokens, also when the audience fits (J14)', limit, async (t) => {
    const provider = await provide(t, { keys: [await newKey('ES256', 'first')] })
    // An ID token is for the client that asked for it, so here the audience alone would let it in.
    const auth = { audience: ['alice', 'files'] }
    const lax = await trust(t, provider, auth)
    const strict = await trust(t, provider, { ...auth, token_typ: 'at+jwt' })
    await Promise.all([ready(lax), ready(strict)])
    const [idToken, accessToken] = [await provider.idToken(), await provider.token()]
    opens(await lax.ask(idToken))
    refuses(await strict.ask(idToken), 401, 'unauthorized')
    opens(await strict.ask(accessToken))
  })

  test('a token of the provider moves real bytes up and down', { timeout: 180_000 }, async (t) => {
    const s3 = await startSeaweed()
    t.after(() => s3.stop())
    const provider = await provide(t, { keys: [await newKey('RS256', 'first')] })
    const service = await trust(t, provider, {}, { s3 })
    await ready(service)
    const call = caller(service.url, await provider.token({ alg: 'RS256' }))
    const bytes = randomBytes(100_000)
    const up = await call('POST', '/upload-url', { key: 'alice/photo', contentType: 'image/png', contentLength: bytes.length })
    assert.equal((await use(isSigned(up, { method: 'PUT', key: 'alice/photo' }), bytes)).status, 200)
    const down = await use(isSigned(await service.ask(await provider.token({ alg: 'RS256' }), 'alice/photo'), { method: 'GET', key: 'alice/photo' }))
    assert.equal(down.status, 200)
    assert.deepEqual(down.bytes, bytes)
  })
})

describe('OpenID provider: keys come, go and cannot be had', () => {
  test('rotation right after the start, with default settings: 200 first uses at once cost one fetch, none fails (J40)', limit, async (t) => {
    const { keys, provider, service } = await pair(t)
    const old = await provider.token()
    const traffic = keepAsking(() => status(service.ask(old)), 8)
    provider.publish([await newKey('ES256', 'second'), ...keys])
    const tokens = await Promise.all(Array.from({ length: 200 }, () => provider.token()))
    const before = provider.counts.jwks
    allOpened(await Promise.all(tokens.map((token) => status(service.ask(token)))))
    assert.equal(provider.counts.jwks - before, 1)
    allOpened(await traffic.stop())
  })

  test('rotation again and again while requests run: not one valid request fails', limit, async (t) => {
    const { keys, provider, service } = await pair(t, { jwks_cooldown_secs: 1 })
    let valid = [await provider.token()]
    let turn = 0
    const traffic = keepAsking(() => status(service.ask(valid[(turn += 1) % valid.length])), 16)
    for (const kid of ['second', 'third', 'fourth']) {
      keys.unshift(await newKey('ES256', kid))
      // Two keys are in use, a third is still published for requests under way.
      provider.publish(keys.slice(0, 3))
      valid = [await provider.token(), valid[0]]
      // past the cooldown, or the brake against unknown keys would hold back the next one
      await sleep(1500)
    }
    allOpened(await traffic.stop())
  })

  test('a key that the provider took away is refused within its cache life, and the others stay (J40)', limit, async (t) => {
    const { keys, provider, service } = await pair(t, { jwks_max_age_secs: 2, jwks_cooldown_secs: 1 })
    const old = await provider.token()
    const second = await newKey('ES256', 'second')
    provider.publish([second, ...keys])
    const kept = await provider.token()
    opens(await service.ask(kept))
    opens(await service.ask(old))
    const traffic = keepAsking(() => status(service.ask(kept)), 2)
    // Nobody shows the signer an unknown key now, so it has to look by itself.
    provider.publish([second])
    await until('the old key is refused', async () => (await service.ask(old)).status === 401)
    refuses(await service.ask(old), 401, 'unauthorized')
    allOpened(await traffic.stop())
  })

  test('a new key under the id of the old one takes its place after the cooldown (J42)', limit, async (t) => {
    const { provider, service } = await pair(t, { jwks_cooldown_secs: 1 })
    const old = await provider.token()
    opens(await service.ask(old))
    provider.publish([await newKey('ES256', 'first')])
    const fresh = await provider.token()
    await until('the new key is accepted', async () => (await service.ask(fresh)).status === 200)
    refuses(await service.ask(old), 401, 'unauthorized')
    opens(await service.ask(fresh))
  })

  test('the provider crashes, stays away and comes back while requests run: tokens of known keys keep working (J41)', limit, async (t) => {
    const { provider, service } = await pair(t, { jwks_max_age_secs: 1, jwks_cooldown_secs: 1, jwks_timeout_secs: 1 })
    const token = await provider.token()
    const traffic = keepAsking(() => status(service.ask(token)), 4)
    await provider.kill()
    await sleep(3000) // three cache lives
    const { jwks } = provider.counts
    await provider.open()
    await until('the keys are fetched again', () => provider.counts.jwks > jwks)
    await provider.kill()
    await provider.open()
    allOpened(await traffic.stop())
    // and it has not stopped looking
    provider.publish([await newKey('ES256', 'second')])
    const fresh = await provider.token()
    await until('a new key is accepted', async () => (await service.ask(fresh)).status === 200)
  })

  test('with the provider down at the start nothing opens and nothing is called wrong; it recovers by itself (J41)', limit, async (t) => {
    const provider = await provide(t, { keys: [await newKey('ES256', 'first')] })
    const token = await provider.token()
    const claims = { iss: provider.issuer, aud: 'files', sub: 'alice', storeId: 'alice' }
    const unknown = await forge(await newKey('ES256', 'unknown'), claims)
    await provider.kill()
    const service = await trust(t, provider, { jwks_cooldown_secs: 2 })
    for (let round = 0; round < 3; round += 1) {
      for (const one of [token, unknown]) {
        const answer = await service.ask(one)
        refuses(answer, 503, 'keys_unavailable')
        assert.match(answer.headers.get('retry-after'), /^[1-9]\d*$/)
      }
      const call = caller(service.url)
      refuses(await call('GET', '/readyz'), 503, 'not_ready')
      assert.equal((await call('GET', '/livez')).status, 200)
      await sleep(500)
    }
    await provider.open()
    await ready(service)
    opens(await service.ask(token))
    refuses(await service.ask(unknown), 401, 'unauthorized')
  })

  test('keys too old to be believed open nothing: 200, then 503, then 200 again once the provider is back (J41)', limit, async (t) => {
    const { provider, service } = await pair(t, {
      jwks_max_age_secs: 1, jwks_cooldown_secs: 1, jwks_max_stale_secs: 3, jwks_timeout_secs: 1,
    })
    const token = await provider.token()
    opens(await service.ask(token))
    // One at a time, so that the answers are in order.
    const traffic = keepAsking(() => status(service.ask(token)), 1)
    const last = () => traffic.results.at(-1)
    await provider.kill()
    await until('the keys are too old', () => last() === 503)
    refuses(await service.ask(token), 503, 'keys_unavailable')
    await provider.open()
    await until('the keys are fresh again', () => last() === 200)
    const phases = (await traffic.stop()).filter((one, i, all) => one !== all[i - 1])
    assert.deepEqual(phases, [200, 503, 200])
  })

  test('a flood of unknown keys costs the provider at most one fetch more, and valid requests nothing (J38)', limit, async (t) => {
    const { provider, service } = await pair(t)
    const token = await provider.token()
    const [, payload, signature] = token.split('.')
    const stranger = () => {
      const header = { alg: 'ES256', typ: 'at+jwt', kid: randomBytes(8).toString('hex') }
      return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.${signature}`
    }
    const flood = keepAsking(() => status(service.ask(stranger())), 32)
    const valid = keepAsking(() => status(service.ask(token)), 4)
    await sleep(5000)
    const refused = await flood.stop()
    allOpened(await valid.stop())
    assert.deepEqual(refused.filter((one) => one !== 401), [])
    assert.ok(refused.length > 1000, `a flood of ${refused.length}`)
    assert.ok(provider.counts.jwks <= 2, `${provider.counts.jwks} fetches`)
  })
})

describe('signer check-token', () => {
  const check = async (service, token, { stdin = false } = {}) => {
    const args = ['check-token', '--config', service.configFile, stdin ? '-' : token]
    const result = await signer(args, stdin ? { input: `${token}\n` } : {})
    for (const secret of [token, token.split('.')[2]]) assert.ok(!result.all.includes(secret), 'the token was printed')
    assert.doesNotMatch(result.all, /panicked/)
    return result
  }

  test('says step by step what it thinks of a token, and never shows it', limit, async (t) => {
    const { provider, service } = await pair(t, { leeway_secs: 0 })
    const good = await provider.token()
    const claims = { iss: provider.issuer, aud: 'files', sub: 'alice', storeId: 'alice' }
    const bad = {
      time: [await fallsAsleep(provider)],
      claims: [await provider.token({ audience: 'other' })],
      key: [await forge(await newKey('ES256', 'first'), claims), await forge(await newKey('ES256', 'unknown'), claims)],
      store: [await provider.token({ store: 'stranger' })],
    }
    for (const stdin of [false, true]) {
      const result = await check(service, good, { stdin })
      assert.equal(result.code, 0, result.all)
      // More may be said in between; these are there, in this order.
      assert.match(result.stdout, /^ok {3}header: .*^ok {3}key: .*^ok {3}claims: .*^ok {3}store: alice$.*^ok {3}operations: \S/ms)
      assert.doesNotMatch(result.all, /FAIL/)
      for (const [step, tokens] of Object.entries(bad)) {
        for (const token of tokens) {
          const refused = await check(service, token, { stdin })
          assert.equal(refused.code, 1, refused.all)
          assert.match(refused.all, new RegExp(`^FAIL ${step}: \\S`, 'm'))
        }
      }
    }
  })

  test('with the provider out of reach it blames the provider and not the token', limit, async (t) => {
    const { provider, service } = await pair(t)
    const token = await provider.token()
    await provider.kill()
    const result = await check(service, token)
    assert.notEqual(result.code, 0, result.all)
    assert.match(result.all, /cannot be reached/)
    assert.doesNotMatch(result.all, /not allowed/)
  })
})
