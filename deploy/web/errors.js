// What went wrong, as a code to match on and a sentence to show.

const SENTENCES = {
  // of the signer
  unauthorized: 'The signer does not accept the token. It may have expired, or be for another service: sign in again.',
  store_missing: 'The token opens no store.',
  key_outside_store: 'This file is in a store that the token does not open.',
  key_outside_prefixes: 'This file is in a part of the store that the token does not open.',
  operation_not_allowed: 'The token does not allow this.',
  origin_not_allowed: 'The signer does not know this page: its address has to be in server.cors_origins.',
  object_not_found: 'There is no such file.',
  upload_too_large: 'The file is too large.',
  content_type_not_allowed: 'Files of this type are not allowed.',
  rate_limited: 'Too many requests at once. Try again in a moment.',
  upload_incomplete: 'Parts of the file are missing at the storage.',
  object_exists: 'There is a file with this key already, and it stays as it is.',
  quota_exceeded: 'The store has used up what it may upload for now.',
  // of this module
  token_missing: 'There is no token: sign in first.',
  signer_unreachable: 'The signer cannot be reached. Is the network there?',
  bucket_unreachable: 'The storage cannot be reached. Is the network there, and does the bucket allow this page (CORS)?',
  bucket_refused: 'The storage refused the signed URL.',
  hash_mismatch: 'The bytes are not those that the name promises.',
  invalid_answer: 'The signer answered with something else than a signed URL.',
  insecure_page: 'A browser lets only pages on https or localhost compute a hash.',
}

/** Every failure but an abort, which stays the `AbortError` that browsers throw. */
export class FilesError extends Error {
  constructor(code, { status, message, requestId, retryAfter, cause } = {}) {
    super(SENTENCES[code] ?? message ?? `The request failed (${code}).`, cause === undefined ? undefined : { cause })
    this.name = 'FilesError'
    this.code = code
    this.status = status ?? 0
    this.requestId = requestId ?? null
    /** Seconds that the other side asked to wait, or null. */
    this.retryAfter = retryAfter ?? null
  }
}

/** `Retry-After` in seconds: a number or a date (RFC 9110 section 10.2.3). */
export function retryAfterOf(value, now) {
  if (!value) return null
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - now) / 1000
  return Number.isFinite(seconds) ? Math.max(0, seconds) : null
}

/** What the signer's refusal says; `body` may be anything, a proxy in between may have written it. */
export function refusal(status, body, retryAfter = null) {
  const code = typeof body?.code === 'string' ? body.code : `http_${status}`
  const message = typeof body?.error === 'string' ? body.error : `The signer answered with status ${status}.`
  return new FilesError(code, { status, message, requestId: body?.requestId, retryAfter })
}

export const isAbort = (error) => error?.name === 'AbortError' || error?.name === 'TimeoutError'

/** A pause that an abort ends. */
export const pause = (ms, signal) => new Promise((resolve, reject) => {
  signal?.throwIfAborted()
  const stop = () => { clearTimeout(timer); reject(signal.reason) }
  const timer = setTimeout(() => { signal?.removeEventListener('abort', stop); resolve() }, ms)
  signal?.addEventListener('abort', stop, { once: true })
})
