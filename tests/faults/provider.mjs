// An identity provider: a key set at a URL, and tokens of its keys.
import { createServer } from 'node:http'
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'

const json = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

export function newKey(kid) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const common = { kid, alg: 'ES256', use: 'sig' }
  return {
    kid, privateKey,
    public: { ...publicKey.export({ format: 'jwk' }), ...common },
    private: { ...privateKey.export({ format: 'jwk' }), ...common },
  }
}

export function mint(key, claims, header = {}) {
  const text = `${json({ alg: 'ES256', typ: 'JWT', kid: key.kid, ...header })}.${json({ jti: randomUUID(), ...claims })}`
  return `${text}.${sign('sha256', Buffer.from(text), { key: key.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

const send = (response, status, type, body) => {
  response.writeHead(status, { 'content-type': type, connection: 'close' })
  response.end(body)
}

// None of these may put a key in force, or take one out of it. Each is as good as can be apart from its one fault.
export const wrongSets = (set, key) => [
  (response) => send(response, 200, 'application/json', '{"keys":[]}'),
  (response) => send(response, 200, 'text/html', '<!doctype html><title>Sign in to the hotel network</title>'),
  (response) => send(response, 200, 'application/json', JSON.stringify({ keys: [key.private] })),
  (response) => send(response, 200, 'application/json', JSON.stringify({ padding: 'x'.repeat(1 << 20), ...set })),
  (response) => send(response, 500, 'application/json', JSON.stringify(set)),
  (response) => { response.writeHead(200, { 'content-length': 4000 }); response.write(JSON.stringify(set), () => response.destroy()) },
  (response) => response.socket.end('rubbish\r\n\r\n'),
]

export const silent = () => {}

export function drip(response, set) {
  const body = JSON.stringify(set)
  response.writeHead(200, { 'content-length': body.length })
  let sent = 0
  const timer = setInterval(() => response.write(body[sent++] ?? ''), 500)
  response.once('close', () => clearInterval(timer))
}

export async function startProvider() {
  const provider = { keys: [newKey('first')], each: undefined }
  let server
  let port = 0
  const set = () => ({ keys: provider.keys.map((key) => key.public) })
  provider.open = () => new Promise((done, fail) => {
    server = createServer((request, response) => {
      if (provider.each) provider.each(response, set())
      else send(response, 200, 'application/json', JSON.stringify(set()))
    })
    server.once('error', fail)
    server.listen({ port, host: '127.0.0.1' }, () => { port = server.address().port; done() })
  })
  provider.shut = () => new Promise((done) => { server.close(done); server.closeAllConnections() })
  await provider.open()
  return Object.assign(provider, { port })
}
