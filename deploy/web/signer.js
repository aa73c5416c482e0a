// Calls to the signer: the token, its one renewal, a deadline, and failures as values.
import { FilesError, refusal, retryAfterOf } from './errors.js'

const PATIENCE_MS = 20_000

/** An address without what opens the bucket: a signed URL is a secret in its query. */
export const redacted = (url) => url.replace(/\?.*X-Amz-.*$/i, '?…')

/** An answer, for a log. */
const withoutSignatures = (answer) => {
  if (answer === null || typeof answer !== 'object') return null
  const { url, results } = answer
  return {
    ...answer, ...(typeof url === 'string' ? { url: redacted(url) } : {}),
    ...(Array.isArray(results) ? { results: results.map(withoutSignatures) } : {}),
  }
}

/**
 * `ask(method, path, body)` calls the signer and gives the parsed answer. The token comes from the callback each time, is
 * kept nowhere, and goes to the signer alone. After a 401 the callback is asked once more, with `{ refresh: true }`.
 */
export function makeSigner({ signerBaseUrl, token, credentials = 'omit', fetch, now, onCall }) {
  const base = String(signerBaseUrl).replace(/\/+$/, '')

  async function send(method, path, body, refresh, signal) {
    const headers = {}
    if (token) {
      const text = await token({ refresh })
      if (!text) throw new FilesError('token_missing', { status: 401 })
      headers.Authorization = `Bearer ${text}`
    }
    if (body !== undefined) headers['Content-Type'] = 'application/json'
    const deadline = AbortSignal.timeout(PATIENCE_MS)
    const url = base + path
    const started = now()
    const request = { method, headers, credentials, cache: 'no-store', referrerPolicy: 'no-referrer', redirect: 'error' }
    const report = (status, answer = null) => onCall({
      to: 'signer', method, url, body: body ?? null, answer: withoutSignatures(answer), status, ms: now() - started, bytes: 0, at: started,
    })
    try {
      const response = await fetch(url, {
        ...request, ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
      })
      const answer = parsed(await response.text())
      report(response.status, answer)
      return { status: response.status, retryAfter: response.headers.get('retry-after'), answer }
    } catch (cause) {
      report(0)
      signal?.throwIfAborted()
      throw new FilesError('signer_unreachable', { cause })
    }
  }

  return async function ask(method, path, body, signal) {
    let got = await send(method, path, body, false, signal)
    if (got.status === 401 && token) got = await send(method, path, body, true, signal)
    if (got.status >= 200 && got.status < 300) return got.answer
    throw refusal(got.status, got.answer, retryAfterOf(got.retryAfter, now()))
  }
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
