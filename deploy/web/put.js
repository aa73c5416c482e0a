// One PUT of bytes at the bucket, with progress where the browser tells it.
import { FilesError, retryAfterOf } from './errors.js'
import { redacted } from './signer.js'

/**
 * Sends `body` to a signed URL. Gives the status and the etag, null where the bucket's CORS rule does not expose it; every
 * status but 2xx and those of `also` is a `FilesError`.
 */
export async function put(context, signed, body, { key, contentType, also = [] }, progress, signal) {
  const { now, onCall } = context
  const started = now()
  let status = 0
  try {
    const got = await (typeof XMLHttpRequest === 'undefined' ? byFetch : byXhr)(context, signed, body, progress, signal)
    status = got.status
    if ((status >= 200 && status < 300) || also.includes(status)) return got
    throw new FilesError(status === 403 ? 'bucket_refused' : `bucket_${status}`, {
      status, message: `The storage answered with status ${status}.`, retryAfter: retryAfterOf(got.retryAfter, now()),
    })
  } finally {
    onCall({ to: 'bucket', method: 'PUT', url: redacted(signed.url), key, contentType, body: null, status, ms: now() - started, bytes: status >= 200 && status < 300 ? body.size : 0, at: started })
  }
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
    const exposed = (name) => new RegExp(`^${name}:\\s*(.*)$`, 'im').exec(request.getAllResponseHeaders())?.[1].trim() ?? null
    request.onload = end(() => resolve({ status: request.status, retryAfter: exposed('retry-after'), etag: exposed('etag') }))
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
    return { status: response.status, retryAfter: response.headers.get('retry-after'), etag: response.headers.get('etag') }
  } catch (cause) {
    signal?.throwIfAborted()
    throw new FilesError('bucket_unreachable', { cause })
  }
}
