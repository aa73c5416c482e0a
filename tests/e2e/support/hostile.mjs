// A proxy in front of the provider that turns hostile on command. Its address is the issuer that the signer knows.
import { createServer } from 'node:http'
import { gzipSync } from 'node:zlib'

const json = (response, body, headers = {}) => {
  response.writeHead(200, { 'content-type': 'application/json', ...headers })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

// A mode answers a request, given the true document of the provider. The bad answers below are as good as can be apart
// from the one fault they have: most carry the true keys, so that a signer that takes them in is seen to accept a token.
export const pass = (response, good) => json(response, good)
export const edited = (change) => (response, good) => json(response, change(structuredClone(good)))
export const withHeaders = (headers) => (response, good) => json(response, good, headers)

const padding = 'x'.repeat(600 * 1024)

export const hang = () => {}

export const drip = (response, good) => {
  const body = JSON.stringify(good)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
  let sent = 0
  const timer = setInterval(() => {
    if (sent >= body.length) response.end()
    else response.write(body[sent])
    sent += 1
  }, 1000)
  response.once('close', () => clearInterval(timer))
}

export const garbage = (response) => {
  response.writeHead(200, { 'content-type': 'text/html' })
  response.end('<!doctype html><title>Sign in to the hotel network</title>')
}

export const failing = (response, good) => {
  response.writeHead(500, { 'content-type': 'application/json' })
  response.end(JSON.stringify(good))
}

export const cut = (response, good) => {
  const body = JSON.stringify(good)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
  response.write(body.slice(0, -1), () => response.destroy())
}

export const huge = (response, good) => json(response, { padding, ...good }, { 'content-length': JSON.stringify({ padding, ...good }).length })

// Without a length, as one who hides it would send it.
export const hugeChunked = (response, good) => {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.write(`{"padding":"${padding}",`)
  response.end(JSON.stringify(good).slice(1))
}

// A few kilobytes that become too many.
export const bomb = (response, good) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
  response.end(gzipSync(JSON.stringify({ padding, ...good })))
}

export const empty = edited(() => ({ keys: [] }))

export const redirect = (to) => (response) => {
  response.writeHead(302, { location: to })
  response.end()
}

async function listen(handler) {
  const server = createServer(handler)
  await new Promise((done) => server.listen({ port: 0, host: '127.0.0.1' }, done))
  const stop = () => new Promise((done) => { server.close(done); server.closeAllConnections() })
  return { server, port: server.address().port, stop }
}

// A listener that nobody may ever reach. What it would give are the true documents.
export async function startDecoy(provider) {
  const { server, port, stop } = await listen(async (request, response) =>
    json(response, await (await fetch(provider.url + request.url)).text()))
  const decoy = { url: `http://127.0.0.1:${port}`, port, connections: 0, stop }
  server.on('connection', () => { decoy.connections += 1 })
  return decoy
}

// The proxy comes first, because the provider must know its address as the issuer; `front` says later what is behind it.
export async function startProxy() {
  let provider
  let modes
  const proxy = {
    front(real) { provider = real },
    set({ discovery = pass, jwks = pass } = {}) {
      modes = { discovery, jwks }
      // requests since this change
      proxy.hits = { discovery: 0, jwks: 0 }
    },
  }
  proxy.set()
  const { port, stop } = await listen(async (request, response) => {
    const what = { '/.well-known/openid-configuration': 'discovery', '/jwks': 'jwks' }[request.url]
    if (!what) return response.writeHead(404).end()
    proxy.hits[what] += 1
    const mode = modes[what]
    const good = await (await fetch(provider.url + request.url)).json()
    // The provider writes the address at which it was asked into its document; the signer knows it under ours.
    if (what === 'discovery') good.jwks_uri = `${proxy.url}/jwks`
    mode(response, good)
  })
  return Object.assign(proxy, { url: `http://127.0.0.1:${port}`, stop })
}
