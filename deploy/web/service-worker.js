// The worker's side: answers `/livestore-filesync-files/<store>/<name>` from the cache or from the bucket.
import { createFiles } from './client.js'
import { FilesError, isAbort } from './errors.js'
import { FILES_ROOT, hashOfKey, keyOfPath } from './keys.js'
import { CALL, CLAIM, CLEAR, FORGET, TOKEN, TOKEN_WANTED, request } from './messages.js'

/** What runs where it is loaded. Files are other people's bytes, and here they come from the page's own origin. */
const CODE = new Set([
  'script', 'worker', 'sharedworker', 'serviceworker', 'audioworklet', 'paintworklet', 'style', 'xslt', 'manifest', 'json',
])
/** So that a page or an SVG among the files, opened in a tab, runs nothing and reaches nothing of this origin. */
const POLICY = "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'"

/**
 * `installFiles(self, { signerBaseUrl })`. The token comes from the pages, by message, or with `credentials: 'include'`
 * and `token: null` from a cookie. Gives the client, and `answer(request, clientId)` for a `fetch` listener of your own
 * (`listen: false`).
 */
export function installFiles(worker, options) {
  const { filesRoot = FILES_ROOT, listen = true, reportCalls = false } = options
  const tokens = makeTokens(worker)
  const onCall = options.onCall ?? (reportCalls ? (call) => tellPages(worker, call) : () => {})
  const files = createFiles({ ...options, onCall, token: options.token === undefined ? tokens.get : options.token ?? undefined })

  worker.addEventListener('message', (event) => {
    const { data, ports } = event
    const done = (work) => event.waitUntil(work.then(() => ports[0]?.postMessage({ done: true })))
    if (data?.type === TOKEN) done(Promise.resolve(tokens.set(data.token)))
    if (data?.type === CLAIM) done(worker.clients.claim())
    if (data?.type === FORGET) done(files.forget(data.key))
    if (data?.type === CLEAR) done(Promise.resolve(tokens.set(null)).then(() => files.clear()))
  })

  /** The answer to a request, or null when it is for no file of ours. */
  function answer(incoming, waitUntil = () => {}) {
    const url = new URL(incoming.url)
    if (incoming.method !== 'GET' || url.origin !== worker.location.origin) return null
    if (!url.pathname.startsWith(`/${filesRoot}/`)) return null
    const key = keyOfPath(url.pathname, filesRoot)
    if (key === null) return Promise.resolve(said(400, 'invalid_key', 'This is the path of no file.'))
    if (CODE.has(incoming.destination)) return Promise.resolve(said(403, 'not_code', 'A stored file is not run as code of this page.'))
    return fileFor(files, key, incoming, waitUntil, onCall).catch((error) => {
      if (isAbort(error)) return Response.error()
      return error instanceof FilesError
        ? said(error.status >= 400 ? error.status : 504, error.code, error.message)
        : said(500, 'internal', 'The Service Worker failed.')
    })
  }

  if (listen) {
    worker.addEventListener('install', (event) => event.waitUntil(worker.skipWaiting()))
    worker.addEventListener('activate', (event) => event.waitUntil(worker.clients.claim()))
    worker.addEventListener('fetch', (event) => {
      const answered = answer(event.request, (work) => event.waitUntil(work))
      if (answered) event.respondWith(answered)
    })
  }
  return { files, answer }
}

async function fileFor(files, key, incoming, waitUntil, onCall) {
  const hash = hashOfKey(key)
  const range = incoming.headers.get('range')
  const cached = hash && await files.cache.match(key)
  if (cached) {
    onCall({ to: 'cache', method: 'GET', url: new URL(incoming.url).pathname, key, body: null, status: 200, ms: 0, bytes: 0, at: Date.now() })
    return range ? partOf(cached, range) : guarded(cached)
  }
  // Under a hash the bytes never change, so that a condition could only cost a preflight.
  const ifRange = hash ? null : incoming.headers.get('if-range')
  const response = await files.download(key, { range, ifRange, signal: incoming.signal })
  // As it came: a media element wants the very headers that a rebuilt answer would lack. Never cached.
  if (response.status === 206) return response
  if (hash && files.cache.takes(response)) waitUntil(files.cache.keep(key, hash, response.clone()).catch(() => {}))
  return guarded(response)
}

/** The same bytes, as an answer that is safe to open. */
function guarded(response) {
  const headers = new Headers({ 'Content-Security-Policy': POLICY, 'X-Content-Type-Options': 'nosniff' })
  for (const name of ['content-type', 'etag', 'last-modified', 'content-disposition', 'cache-control']) {
    const value = response.headers.get(name)
    if (value) headers.set(name, value)
  }
  return new Response(response.body, { status: response.status, headers })
}

/** A part of what is cached (RFC 9110 section 14): one range of bytes; anything else gets the whole, which is allowed. */
export async function partOf(response, range) {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(range.trim()) ?? []
  if (first === undefined || (first === '' && last === '')) return guarded(response)
  const blob = await response.blob()
  const start = first === '' ? Math.max(0, blob.size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? blob.size : Math.min(blob.size, Number(last) + 1)
  const headers = new Headers({ 'X-Content-Type-Options': 'nosniff', 'Content-Security-Policy': POLICY, 'Accept-Ranges': 'bytes' })
  if (start >= end) {
    headers.set('Content-Range', `bytes */${blob.size}`)
    return new Response(null, { status: 416, headers })
  }
  headers.set('Content-Type', response.headers.get('content-type') ?? 'application/octet-stream')
  headers.set('Content-Range', `bytes ${start}-${end - 1}/${blob.size}`)
  headers.set('Content-Length', String(end - start))
  return new Response(blob.slice(start, end), { status: 206, headers })
}

const said = (status, code, error) => new Response(JSON.stringify({ error, code }), {
  status, headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' },
})

/** In memory alone. When it is gone, with the worker's memory or because it is refused, the pages are asked. */
function makeTokens(worker) {
  let token = null
  let asking = null
  let told = 0
  const fromPages = async (refresh) => {
    const pages = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true })
    const answers = pages.map(async (page) => {
      const { token: text } = await request(page, { type: TOKEN_WANTED, refresh })
      if (!text) throw new Error('no token')
      return text
    })
    // The first that has one; a page that is frozen in the background does not hold up the others.
    return Promise.any(answers).catch(() => null)
  }
  return {
    set(text) {
      told += 1
      token = text || null
    },
    async get({ refresh }) {
      if (token && !refresh) return token
      const before = told
      asking ??= fromPages(refresh).finally(() => { asking = null })
      const answered = await asking
      // What a page said in the meantime, a logout above all, is newer.
      if (before === told) token = answered
      return token
    },
  }
}

async function tellPages(worker, call) {
  for (const page of await worker.clients.matchAll({ type: 'window' })) page.postMessage({ type: CALL, call })
}
