// A bucket that does what S3 does, or what a fault makes of it. It remembers which deletes it has done.
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { dated, isSignedWith, param } from './sigv4.mjs'

export const name = 'files'
const SKEW_ALLOWED = 15 * 60_000

// Objects need not be stored: what is called "there…" exists, and its name says how long it is.
export const sizeOf = (key) => (key.split('/').at(-1).startsWith('there') ? Buffer.byteLength(key) * 7 : undefined)

const xml = (response, status, code, message = '') => {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`
  response.writeHead(status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(body) })
  response.end(response.req.method === 'HEAD' ? '' : body)
}

const html = (response, status, text) => {
  const body = `<!doctype html><title>${text}</title>`
  response.writeHead(status, { 'content-type': 'text/html', 'content-length': body.length })
  response.end(response.req.method === 'HEAD' ? '' : body)
}

// Of which no more is to be read than an error document takes.
const HUGE = Buffer.alloc(16 << 20, 'x')

const raw = (text) => (request, response) => response.socket.end(text)

// What comes from somebody who is not the bucket, or a bucket out of its mind. None of it confirms anything.
export const wrongAnswers = (elsewhere) => [
  (request, response) => xml(response, 403, 'SignatureDoesNotMatch'),
  (request, response) => xml(response, 500, 'InternalError'),
  (request, response) => (request.method === 'HEAD' ? xml(response, 500, '') : xml(response, 200, 'InternalError')),
  (request, response) => html(response, 200, 'Sign in to the hotel network'),
  (request, response) => html(response, 404, 'no such page'),
  (request, response) => { response.writeHead(307, { location: elsewhere + request.url }); response.end() },
  (request, response) => { response.writeHead(500, { 'content-length': HUGE.length }); response.end(HUGE) },
  raw('rubbish\r\n\r\n'),
  raw('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc'),
  raw(''),
]

export const silent = () => {}

export function drip(request, response) {
  response.writeHead(200, { 'content-length': 60 })
  const timer = setInterval(() => response.write('x'), 1000)
  response.once('close', () => clearInterval(timer))
}

export const late = (millis) => async (request, response, properly) => {
  await sleep(millis)
  properly(request, response)
}

// `each` is called for every request in place of the proper answer, which it is given, too.
export async function startBucket({ secretKey, host = '127.0.0.1', keepAlive = true }) {
  const bucket = { done: new Set(), each: undefined, decoyed: 0, asked: 0 }
  const sockets = new Set()
  let server
  let port = 0

  function properly(request, response) {
    const { method, url, headers } = request
    const key = decodeURIComponent(url.split('?')[0]).slice(`/${name}/`.length)
    const age = Date.now() - dated(url)
    if (!isSignedWith(secretKey, method, url, headers)) return xml(response, 403, 'SignatureDoesNotMatch')
    if (Math.abs(age) > SKEW_ALLOWED) return xml(response, 403, 'RequestTimeTooSkewed')
    if (age > Number(param(url, 'X-Amz-Expires')) * 1000) return xml(response, 403, 'AccessDenied', 'Request has expired')
    if (method === 'DELETE') {
      bucket.done.add(key)
      response.writeHead(204)
      return response.end()
    }
    const size = sizeOf(key)
    if (size === undefined || method !== 'HEAD') return xml(response, 404, 'NoSuchKey')
    response.writeHead(200, { 'content-length': size, etag: '"e"', 'last-modified': new Date(0).toUTCString() })
    response.end()
  }

  const open = () => new Promise((done, fail) => {
    server = createServer((request, response) => {
      bucket.asked += 1
      if (!keepAlive) response.shouldKeepAlive = false
      const { each } = bucket
      if (each) each(request, response, properly)
      else properly(request, response)
    })
    server.on('connection', (socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => sockets.delete(socket))
    })
    server.once('error', fail)
    server.listen({ port, host }, () => { port = server.address().port; done() })
  })
  // At once, as a machine that goes away: connections are reset, new ones refused.
  const shut = () => new Promise((done) => {
    server.close(done)
    for (const socket of sockets) socket.resetAndDestroy()
  })
  await open()
  // Where redirects point, and where a wrong address leads: another web server, which nobody may believe.
  const startDecoy = async (address) => {
    const decoy = createServer((request, response) => { bucket.decoyed += 1; html(response, 404, 'no such page') })
    await new Promise((done, fail) => decoy.once('error', fail).listen({ port: address ? port : 0, host: address ?? '127.0.0.1' }, done))
    return `http://${address ?? '127.0.0.1'}:${decoy.address().port}`
  }
  return Object.assign(bucket, { port, open, shut, startDecoy })
}
