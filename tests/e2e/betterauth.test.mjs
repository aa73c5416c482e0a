// Better Auth as the identity provider: users sign up and in there, and its JWTs open their stores here. It has no
// discovery document, so the signer is told both the issuer and where the keys are.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { isRefused, isSigned } from './support/http.mjs'
import { startTrusting } from './support/oidc.mjs'
import { load } from './support/parts.mjs'
import { until } from './support/process.mjs'
import { newSecret } from './support/signer.mjs'

const { betterAuth } = await load('better-auth')
const { memoryAdapter } = await load('better-auth/adapters/memory')
const { toNodeHandler } = await load('better-auth/node')
const { jwt } = await load('better-auth/plugins')
const { decodeJwt, decodeProtectedHeader } = await load('jose')

const limit = { timeout: 60_000 }

// `options` are those of its jwt plugin; none at all is what its guide begins with: EdDSA, the user as payload.
async function startBetterAuth(options = {}) {
  const server = createServer((request, response) => handler(request, response))
  await new Promise((done) => server.listen({ port: 0, host: '127.0.0.1' }, done))
  const url = `http://127.0.0.1:${server.address().port}`
  const handler = toNodeHandler(betterAuth({
    baseURL: url,
    secret: newSecret(),
    database: memoryAdapter({ user: [], session: [], account: [], verification: [], jwks: [] }),
    emailAndPassword: { enabled: true },
    telemetry: { enabled: false },
    plugins: [jwt(options)],
  }))
  const ask = async (path, request) => {
    const response = await fetch(`${url}/api/auth${path}`, request)
    if (!response.ok) throw new Error(`Better Auth: ${path}: ${response.status} ${await response.text()}`)
    return response
  }
  return {
    url,
    jwksUrl: `${url}/api/auth/jwks`,
    // A new user, and the token that the user's page would send along.
    async signUp(name) {
      const response = await ask('/sign-up/email', {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: url },
        body: JSON.stringify({ name, email: `${name}@example.com`, password: newSecret() }),
      })
      const { user } = await response.json()
      const cookie = response.headers.getSetCookie().map((one) => one.split(';')[0]).join('; ')
      const { token } = await (await ask('/token', { headers: { cookie } })).json()
      return { id: user.id, token }
    },
    stop: () => new Promise((done) => { server.close(done); server.closeAllConnections() }),
  }
}

// Better Auth writes its address as issuer and as audience.
const trust = async (identity, auth) => {
  const service = await startTrusting({ issuer: identity.url, jwks_url: identity.jwksUrl, audience: [identity.url], ...auth })
  await until('the signer has the keys', service.ready, { run: service.run })
  return service
}

describe('Better Auth', () => {
  let first, second
  before(async () => { [first, second] = await Promise.all([startBetterAuth(), startBetterAuth()]) }, limit)
  after(() => Promise.all([first?.stop(), second?.stop()]))

  test('a user signs up and opens the store named after the user, and no other', limit, async () => {
    const service = await trust(first, { store_template: 'user-{sub}' })
    try {
      const [alice, bob] = [await first.signUp('alice'), await first.signUp('bob')]
      assert.equal(decodeProtectedHeader(alice.token).alg, 'EdDSA')
      assert.equal(decodeJwt(alice.token).sub, alice.id)
      for (const [user, other] of [[alice, bob], [bob, alice]]) {
        isSigned(await service.ask(user.token, `user-${user.id}/f`), { method: 'GET', key: `user-${user.id}/f` })
        for (const key of [`user-${other.id}/f`, `${user.id}/f`, `user-${user.id}0/f`]) {
          const answer = await service.ask(user.token, key)
          isRefused(answer, 403)
          assert.equal(answer.json.code, 'key_outside_store')
        }
      }
    } finally {
      await service.stop()
    }
  })

  test('a token of another Better Auth is 401', limit, async () => {
    const service = await trust(first, { store_template: 'user-{sub}' })
    try {
      const own = await first.signUp('carol')
      const stranger = await second.signUp('carol')
      isRefused(await service.ask(stranger.token, `user-${stranger.id}/f`), 401)
      isSigned(await service.ask(own.token, `user-${own.id}/f`), { method: 'GET', key: `user-${own.id}/f` })
    } finally {
      await service.stop()
    }
  })

  for (const alg of ['ES256', 'RS256']) {
    test(`a store that definePayload puts into the token opens, with ${alg} keys`, limit, async () => {
      const identity = await startBetterAuth({
        jwks: { keyPairConfig: { alg } },
        jwt: { definePayload: ({ user }) => ({ storeId: `team-${user.name}` }) },
      })
      const service = await trust(identity)
      try {
        const { token } = await identity.signUp('dora')
        assert.equal(decodeProtectedHeader(token).alg, alg)
        isSigned(await service.ask(token, 'team-dora/f'), { method: 'GET', key: 'team-dora/f' })
        isRefused(await service.ask(token, 'team-dor/f'), 403)
      } finally {
        await service.stop()
        await identity.stop()
      }
    })
  }
})
