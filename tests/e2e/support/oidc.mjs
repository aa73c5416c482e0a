// A real OpenID provider (npm oidc-provider, which is certified) on a port of this machine, and a signer that trusts it.
// Its tokens come from its own token endpoint, over HTTP, the way an application gets them.
import './quiet.mjs'
import { createServer } from 'node:http'
import { caller, query } from './http.mjs'
import { load } from './parts.mjs'
import { freePort, sleep } from './process.mjs'
import { newSecret, serve, settings } from './signer.mjs'

const { default: Provider } = await load('oidc-provider')
const { exportJWK, generateKeyPair, importJWK, SignJWT } = await load('jose')

export const algorithms = ['RS256', 'ES256', 'EdDSA']

export async function newKey(alg, kid) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  return { ...(await exportJWK(privateKey)), kid, alg, use: 'sig' }
}

export const publicPart = ({ d, p, q, dp, dq, qi, ...key }) => key

export const now = () => Math.floor(Date.now() / 1000)

// A token that no provider would issue.
export const forge = async (key, claims, header = {}) =>
  new SignJWT({ iat: now(), exp: now() + 600, ...claims })
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'at+jwt', ...header })
    .sign(key.kty ? await importJWK(key, key.alg) : key.secret)

// `stranger` is a client that has no store.
const clients = ['alice', 'bob', 'stranger']
const idTokenGrant = 'urn:e2e:id_token'
const allOf = 'files:read files:write files:delete'

function makeProvider(issuer, keys) {
  const provider = new Provider(issuer, {
    jwks: { keys },
    cookies: { keys: [newSecret()] },
    clients: clients.map((name) => ({
      client_id: name,
      client_secret: name.repeat(8),
      grant_types: ['client_credentials', idTokenGrant],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: keys[0].alg,
    })),
    // Three places where providers put such things; each holds another name, so that a test sees which one was read.
    extraTokenClaims: (ctx, token) => (token.clientId === 'stranger' ? {} : {
      storeId: token.clientId,
      app_metadata: { storeId: `${token.clientId}-nested` },
      'https://files.example.com/store': `${token.clientId}-named`,
    }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        // What a token should be like is written in the name of the resource: it is the one thing that a request may choose.
        getResourceServerInfo(ctx, resource) {
          const [, , audience, alg, ttl] = resource.split(':')
          return { audience, scope: `${allOf} profile:read`, accessTokenTTL: Number(ttl), accessTokenFormat: 'jwt', jwt: { sign: { alg } } }
        },
      },
    },
  })
  // An ID token without the pages of a login: the provider signs it as it signs all of them, only the way to it is shorter.
  provider.registerGrantType(idTokenGrant, async (ctx) => {
    const token = new provider.IdToken({ sub: ctx.oidc.client.clientId }, { ctx })
    token.scope = 'openid'
    token.set('storeId', ctx.oidc.client.clientId)
    ctx.body = { id_token: await token.issue({ use: 'idtoken' }) }
  })
  return provider.callback()
}

// `issuer` differs from the provider's own address when a proxy stands in front of it.
export async function startProvider({ keys, issuer }) {
  const counts = { discovery: 0, jwks: 0 }
  let handler
  let server
  let port = 0

  const open = () => new Promise((done, fail) => {
    server = createServer((request, response) => {
      if (request.url === '/.well-known/openid-configuration') counts.discovery += 1
      if (request.url === '/jwks') counts.jwks += 1
      handler(request, response)
    })
    server.once('error', fail)
    // The first time at any port, later at the same one.
    server.listen({ port, host: '127.0.0.1' }, () => { port = server.address().port; done() })
  })
  // At once, like a crash: answers under way are cut.
  const kill = () => new Promise((done) => {
    server.close(done)
    server.closeAllConnections()
  })
  await open()
  const url = `http://127.0.0.1:${port}`
  const itsIssuer = issuer ?? url

  // Other keys need another Provider, as in real life another process. Requests do not notice.
  const publish = (next) => { handler = makeProvider(itsIssuer, next) }
  publish(keys)

  async function ask(client, form) {
    const response = await fetch(`${url}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${client}:${client.repeat(8)}`)}` },
      body: new URLSearchParams(form),
    })
    const json = await response.json()
    if (!response.ok) throw new Error(`the provider gave no token: ${JSON.stringify(json)}`)
    return json
  }
  const token = async ({ store = 'alice', alg = 'ES256', audience = 'files', ttl = 600, scope } = {}) => {
    const resource = `urn:e2e:${audience}:${alg}:${ttl}`
    return (await ask(store, { grant_type: 'client_credentials', resource, ...(scope ? { scope } : {}) })).access_token
  }
  const idToken = async ({ store = 'alice' } = {}) => (await ask(store, { grant_type: idTokenGrant })).id_token

  return { url, issuer: itsIssuer, counts, publish, open, kill, token, idToken }
}

// Signing needs no bucket.
const nowhere = { endpoint: 'http://127.0.0.1:9', region: 'us-east-1', bucket: 'files', accessKey: 'E2EACCESSKEY', secretKey: newSecret() }

// A signer with `auth` and no secret of its own: it can accept nobody's tokens but the provider's.
export async function startTrusting(auth, { s3 = nowhere } = {}) {
  const listen = `127.0.0.1:${await freePort()}`
  const served = await serve({ config: settings({ listen, s3, change: { auth } }), listen, base: '' })
  return {
    ...served,
    ask: (token, key = 'alice/f') => caller(served.url, token)('GET', `/download-url${query({ key })}`),
    ready: async () => (await fetch(`${served.url}/readyz`)).status === 200,
  }
}

// Calls `once` again and again, `width` of them at a time, until `stop` is called, which gives back all results in the
// order they came in. A call that fails is a result, too, and ends its line.
export function keepAsking(once, width, pause = 0) {
  let stopped = false
  const results = []
  const line = async () => {
    while (!stopped) {
      try {
        results.push(await once())
      } catch (error) {
        results.push(error.cause?.code ?? error.message)
        return
      }
      if (pause) await sleep(pause)
    }
  }
  const lines = Promise.all(Array.from({ length: width }, line))
  return {
    results,
    async stop() {
      stopped = true
      await lines
      return results
    },
  }
}
