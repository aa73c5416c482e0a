// One request as a client makes it, and what is true about its answer whatever is broken: the second half of the model.
// The first half, which answers a fault allows, is with the faults.
import { Agent, request } from 'node:http'
import { name as bucketName, sizeOf } from './bucket.mjs'
import { dated, isSignedWith, param } from './sigv4.mjs'

export const ROUTES = ['sign', 'delete', 'head', 'health']
const GIVE_UP_MS = 30_000

let serial = 0

const query = (fields) => Object.entries(fields).map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join('&')
const body = (method, path, content) => ({ method, path, content })

// What is asked for, and what an answer that says yes must show to be true.
const ASKS = {
  sign: (key, n) => [
    { method: 'GET', path: `/download-url?${query({ key })}`, yes: 200, proves: signedUrl(key, 'GET') },
    { ...body('POST', '/upload-url', { key, contentType: 'text/plain', contentLength: n }), yes: 200, proves: signedUrl(key, 'PUT', { 'content-length': n, 'content-type': 'text/plain' }) },
    { ...body('POST', '/v1/sign/download', { key }), yes: 200, proves: signedUrl(key, 'GET') },
  ][n % 3],
  delete: (key, n) => [
    { method: 'DELETE', path: `/object?${query({ key })}`, yes: 204, proves: isDone(key) },
    { ...body('POST', '/v1/delete', { key }), yes: 204, proves: isDone(key) },
  ][n % 2],
  head: (key, n) => {
    const there = n % 2 === 0
    const asked = there ? key.replace(/[^/]*$/, (last) => `there${last}`) : key
    return { method: 'GET', path: `/object?${query({ key: asked })}`, yes: there ? 200 : 404, proves: isKnown(asked) }
  },
  health: () => ({ method: 'GET', path: '/health', yes: 200, proves: () => undefined }),
}

export function askFor(route, n, store = 's1') {
  serial += 1
  // Whatever a careless encoder would spoil.
  return { route, ...ASKS[route](`${store}/ü b+c&d=e/${serial}`, n) }
}

const signedUrl = (key, method, bound = {}) => (world, answer, span) => {
  const { json } = answer
  const url = new URL(json.url)
  const target = json.url.slice(url.origin.length)
  const starts = dated(target) / 1000
  const life = Number(param(target, 'X-Amz-Expires'))
  const headers = { host: url.host, ...bound, ...Object.fromEntries(Object.entries(json.headers).map(([k, v]) => [k.toLowerCase(), v])) }
  if (json.key !== key || json.method !== method) return `for ${json.method} ${json.key}`
  if (url.origin !== world.endpoint || decodeURIComponent(url.pathname) !== `/${bucketName}/${key}`) return `opens ${url.pathname}`
  if (Date.parse(json.expiresAt) / 1000 !== starts + life || json.expiresIn !== life) return 'expiresAt is not X-Amz-Date + X-Amz-Expires'
  if (!world.lives.includes(life)) return `lives for ${life} s`
  if (starts < Math.floor(span.least) - 1 || starts > span.most + 1) return `dated ${starts - span.most} s off its clock`
  if (!isSignedWith(world.secretKey, method, target, headers)) return 'the signature is wrong'
}

const isDone = (key) => (world) => (world.bucket.done.has(key) ? undefined : '204 for a delete that was not done')

const isKnown = (key) => (world, { status, json }) => {
  const size = sizeOf(key)
  if (status === 404) return size === undefined ? undefined : '404 for an object that is there'
  if (size === undefined) return '200 for an object that is not there'
  return json.key === key && json.size === size && json.etag === '"e"' ? undefined : `says of ${size} bytes: ${JSON.stringify(json)}`
}

// An answer is { outcome, status, json, millis }; `outcome` is the status and the code, or what became of the connection.
export function exchange(world, ask, { token, agent = false } = {}) {
  const began = performance.now()
  const text = ask.content === undefined ? undefined : JSON.stringify(ask.content)
  return new Promise((done) => {
    const end = (answer) => done({ began, millis: performance.now() - began, isNew: !call.reusedSocket, ...answer })
    const call = request({
      host: '127.0.0.1', port: world.port, method: ask.method, path: ask.path, agent,
      headers: {
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
      },
    }, (response) => {
      const parts = []
      response.on('data', (part) => parts.push(part))
      response.on('error', () => end({ outcome: 'cut' }))
      response.on('end', () => end(read(response, Buffer.concat(parts).toString())))
    })
    const timer = setTimeout(() => call.destroy(new Error('hang')), GIVE_UP_MS)
    call.on('close', () => clearTimeout(timer))
    call.on('error', (error) => end({ outcome: { ECONNREFUSED: 'refused', ECONNRESET: 'cut', EPIPE: 'cut' }[error.code] ?? error.message }))
    call.end(text)
  })
}

function read(response, text) {
  const { statusCode: status, headers } = response
  try {
    const json = text ? JSON.parse(text) : undefined
    return { outcome: json?.code ? `${status} ${json.code}` : String(status), status, headers, json, text }
  } catch {
    return { outcome: `${status} without JSON`, status, headers, text }
  }
}

// Why this answer is a lie or a mistake whatever is broken; nothing when it is neither.
export function mistake(world, ask, answer, span) {
  const { status, headers, text, json } = answer
  if (status === undefined) return undefined
  if (headers['cache-control'] !== 'no-store' && ask.route !== 'health') return 'may be cached'
  if (status === ask.yes || (ask.route === 'head' && answer.outcome === '404 object_not_found')) {
    if (status >= 400 && !json?.code) return 'no code'
    return ask.proves(world, answer, span)
  }
  if (status < 400) return `a ${status} that was not asked for`
  if (!json?.code || json.requestId !== headers['x-request-id']) return 'an error without code or request id'
  if (/X-Amz-|AKID|https?:/i.test(text)) return 'an error that tells too much'
  if ([429, 502, 503, 504].includes(status) && !(Number(headers['retry-after']) > 0)) return 'no Retry-After'
  if (status === 401 && !headers['www-authenticate']) return 'no WWW-Authenticate'
}

export const newAgent = (most = 40) => new Agent({ keepAlive: true, maxSockets: most, maxFreeSockets: most })
