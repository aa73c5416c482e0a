// The way up: hash, a URL for exactly these bytes, a PUT with progress, and again with a fresh URL where that may help.
import { FilesError, isAbort, pause, retryAfterOf } from './errors.js'
import { base64OfHex, hashOfKey, sha256Hex } from './keys.js'
import { redacted } from './signer.js'

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 10_000
/** What asks for a longer pause is not waited for. */
const LONGEST_RETRY_AFTER_S = 60

export async function uploadFile(context, file, options) {
  const { maxAttempts, wait = pause, onCall } = context
  const { signal, onProgress = () => {}, expiresIn } = options
  const blob = file instanceof Blob ? file : new Blob([file])
  const contentType = options.contentType || blob.type || 'application/octet-stream'
  const { key, sha256, existing } = await named(blob, options)
  const request = {
    key, contentType, contentLength: blob.size,
    // Of a content-addressed key the signer knows the hash already.
    ...(options.checksum && !existing ? { checksumSha256: base64OfHex(sha256) } : {}),
    ...(expiresIn ? { expiresIn } : {}),
  }
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted()
    try {
      const signed = await context.ask('POST', '/upload-url', request, signal)
      if (typeof signed?.url !== 'string' || signed.key !== key) throw new FilesError('invalid_answer')
      const progress = (loaded) => onProgress({ loaded, total: blob.size, attempt })
      progress(0)
      const existed = await put(context, signed, blob, progress, signal)
      progress(blob.size)
      return { key, sha256, size: blob.size, contentType, existed, attempts: attempt }
    } catch (error) {
      if (isAbort(error) || attempt >= maxAttempts || !isWorthAnother(error)) throw error
      const backoff = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1))
      // Half of it by chance, so that many pages do not come back at the same moment.
      const own = backoff / 2 + Math.random() * backoff / 2
      await wait(error.retryAfter === null ? own : Math.max(own, error.retryAfter * 1000), signal)
    }
  }

  /** True when the bucket had the object already. */
  async function put({ now }, signed, body, progress, stop) {
    const started = now()
    let status = 0
    try {
      const got = await (typeof XMLHttpRequest === 'undefined' ? byFetch : byXhr)(context, signed, body, progress, stop)
      status = got.status
      // Write-once: whoever came before put the same bytes under this hash, which the bucket has checked.
      if (status === 412 && existing) return true
      if (status >= 200 && status < 300) return false
      throw new FilesError(status === 403 ? 'bucket_refused' : `bucket_${status}`, {
        status, message: `The storage answered with status ${status}.`, retryAfter: retryAfterOf(got.retryAfter, now()),
      })
    } finally {
      onCall({ to: 'bucket', method: 'PUT', url: redacted(signed.url), key, contentType, body: null, status, ms: now() - started, bytes: status >= 200 && status < 300 ? body.size : 0, at: started })
    }
  }
}

/** The key, and the hash where one is needed. A key that ends in another hash than the bytes have is refused before anything is sent. */
async function named(blob, { key, store, checksum }) {
  if (!key && !store) throw new TypeError('upload() needs a key or a store')
  const promised = key ? hashOfKey(key) : null
  if (key && !promised && !checksum) return { key, sha256: null, existing: false }
  if (!globalThis.crypto?.subtle) throw new FilesError('insecure_page')
  const sha256 = await sha256Hex(await blob.arrayBuffer())
  if (promised && promised !== sha256) throw new FilesError('hash_mismatch')
  return { key: key ?? `${store}/${sha256}`, sha256, existing: !key || promised !== null }
}

/** The network, an expired or refused URL, a limit, or trouble on the other side; never what would be refused again. */
function isWorthAnother(error) {
  if (!(error instanceof FilesError) || (error.retryAfter ?? 0) > LONGEST_RETRY_AFTER_S) return false
  if (['signer_unreachable', 'bucket_unreachable', 'bucket_refused', 'rate_limited'].includes(error.code)) return true
  return error.status === 408 || error.status >= 500
}

function byXhr(_, signed, body, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    const stop = () => request.abort()
    const end = (then) => () => { signal?.removeEventListener('abort', stop); then() }
    request.open(signed.method ?? 'PUT', signed.url)
    for (const [name, value] of Object.entries(signed.headers ?? {})) request.setRequestHeader(name, value)
    request.upload.onprogress = (event) => progress(event.loaded)
    // Asking for a header that the bucket does not expose would be a complaint in the console.
    const exposed = () => /^retry-after:\s*(.*)$/im.exec(request.getAllResponseHeaders())?.[1] ?? null
    request.onload = end(() => resolve({ status: request.status, retryAfter: exposed() }))
    request.onerror = end(() => reject(new FilesError('bucket_unreachable')))
    request.onabort = end(() => reject(signal?.reason ?? new DOMException('aborted', 'AbortError')))
    signal?.addEventListener('abort', stop, { once: true })
    request.send(body)
  })
}

async function byFetch({ fetch }, signed, body, _, signal) {
  try {
    const response = await fetch(signed.url, {
      method: signed.method ?? 'PUT', headers: signed.headers, body, signal, credentials: 'omit', referrerPolicy: 'no-referrer',
    })
    return { status: response.status, retryAfter: response.headers.get('retry-after') }
  } catch (cause) {
    signal?.throwIfAborted()
    throw new FilesError('bucket_unreachable', { cause })
  }
}
