// Files in a bucket, by way of a signer: the same object in a page, a worker and a Service Worker.
// No dependency, no build step. The token goes to the signer and nowhere else; the bytes go to the bucket and nowhere else.
import { CACHE_NAME, makeCache } from './cache.js'
import { FilesError, isAbort } from './errors.js'
import { makeKept } from './kept.js'
import { FILES_ROOT, stripFilesRoot } from './keys.js'
import { discard, sending } from './parts.js'
import { makeSigner, redacted } from './signer.js'
import { uploadFile } from './upload.js'
import { makeUrls } from './urls.js'

export { FilesError } from './errors.js'
export { FILES_ROOT, hashOfKey, keyOfPath, pathOfKey, sha256Hex, stripFilesRoot } from './keys.js'

export function createFiles(options) {
  const {
    filesRoot = FILES_ROOT, cacheName = CACHE_NAME, expiresIn, batchDelayMs = 5, maxUrls = 2000, maxAttempts = 4,
    maxCached = 1000, maxCachedBytes = 32 * 1024 * 1024, multipartAbove = 64 * 1024 * 1024, partSize, partsAtOnce = 3,
    now = () => Date.now(), onCall = () => {},
  } = options
  // `fetch` wants its own `this`.
  const fetch = options.fetch ?? ((...args) => globalThis.fetch(...args))
  const ask = makeSigner({ ...options, fetch, now, onCall })
  const urls = makeUrls({ ask, now, expiresIn, batchDelayMs, maxUrls })
  const kept = options.kept ?? makeKept()
  const context = { ask, fetch, now, onCall, maxAttempts, wait: options.wait, kept, multipartAbove, partSize, partsAtOnce }
  const cache = makeCache({ cacheName, filesRoot, maxCached, maxCachedBytes })
  /** What applications keep in their rows is the stored path; the key is that without its root. */
  const keyOf = (path) => stripFilesRoot(path, filesRoot)

  /** One GET at the bucket. The status 0 of a report is a network error, which a 403 without CORS headers is to a page, too. */
  async function get(key, signed, headers, signal) {
    const started = now()
    const report = (status, bytes = 0) =>
      onCall({ to: 'bucket', method: 'GET', url: redacted(signed.url), key, body: null, status, ms: now() - started, bytes, at: started })
    try {
      const response = await fetch(signed.url, {
        headers: { ...signed.headers, ...headers }, signal, credentials: 'omit', referrerPolicy: 'no-referrer',
      })
      report(response.status, response.ok ? Number(response.headers.get('content-length') ?? 0) : 0)
      return response
    } catch (error) {
      report(0)
      signal?.throwIfAborted()
      if (isAbort(error)) throw error
      return new FilesError('bucket_unreachable', { cause: error })
    }
  }

  /** Waits for a URL that others may wait for, too: an abort ends the waiting alone. */
  async function urlFor(key, signal) {
    signal?.throwIfAborted()
    const waiting = urls.get(key)
    if (!signal) return waiting
    waiting.catch(() => {})
    let stop
    const aborted = new Promise((_, reject) => {
      stop = () => reject(signal.reason)
      signal.addEventListener('abort', stop, { once: true })
    })
    return Promise.race([waiting, aborted]).finally(() => signal.removeEventListener('abort', stop))
  }

  /**
   * The bucket's answer for a key: 200, 206 or 304, else a `FilesError`. A network error, and a 403 to a URL that was used
   * before, may mean that the URL has expired: one fresh URL is tried, and what that gives is final.
   */
  async function download(path, { range, ifRange, signal } = {}) {
    const key = keyOf(path)
    const headers = { ...(range ? { Range: range } : {}), ...(range && ifRange ? { 'If-Range': ifRange } : {}) }
    const first = await urlFor(key, signal)
    let got = await get(key, first.signed, headers, signal)
    if (got instanceof FilesError || (got.status === 403 && first.reused)) {
      urls.forget(key, first.signed)
      await got.body?.cancel()
      const second = await urlFor(key, signal)
      got = await get(key, second.signed, headers, signal)
    }
    if (got instanceof FilesError) throw got
    if (got.ok || got.status === 304) return got
    urls.forget(key)
    await got.body?.cancel()
    const { status } = got
    if (status === 404) throw new FilesError('object_not_found', { status })
    throw new FilesError(status === 403 ? 'bucket_refused' : `bucket_${status}`, { status, message: `The storage answered with status ${status}.` })
  }

  return {
    download,
    cache,
    filesRoot,

    /** A signed URL to read `key` with, the one in use while it is good. */
    async url(key, { signal } = {}) {
      return (await urlFor(keyOf(key), signal)).signed
    },

    /**
     * Sends a file. Its key is given, or `<store>/<SHA-256>`; of a large one, which goes up in parts, `<store>/<random>.<ending>`.
     * An abort only pauses an upload in parts: the same file again goes on from there, also after a reload.
     */
    upload: (file, { key, ...wanted }) => uploadFile(context, file, { ...wanted, key: key && keyOf(key) }),

    /** Uploads in parts that were begun here, are not done, and that no page is sending; `file` is there where `keepFile` kept it. */
    async unfinished() {
      const [records, busy] = await Promise.all([kept.all(), sending()])
      const open = records.filter(({ id, expiresAt }) => !busy.has(id) && (!expiresAt || Date.parse(expiresAt) > now()))
      return Promise.all(open.map(async (record) => ({ ...record, file: await kept.file(record.id) })))
    },

    /** Ends one of them for good, here and at the bucket. */
    discard: (upload, { signal } = {}) => discard(context, upload, signal),

    /** Deletes at the bucket and here; also when there was nothing to delete. */
    async remove(key, { signal } = {}) {
      await ask('DELETE', `/object?key=${encodeURIComponent(keyOf(key))}`, undefined, signal)
      await this.forget(key)
    },

    /** Forgets the URL and the cached bytes of one key. */
    async forget(key) {
      urls.forget(keyOf(key))
      await cache.drop(keyOf(key))
    },

    /** Forgets every URL, every cached byte and every upload that is not done: at logout, and when another user comes. */
    async clear() {
      urls.clear()
      await Promise.all([cache.clear(), kept.clear()])
    },
  }
}
