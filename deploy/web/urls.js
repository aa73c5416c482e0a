// Signed URLs to read with: asked for once however many want one, many in one call, and used again while they are good.
import { FilesError, refusal } from './errors.js'

/** What the signer takes in one call. */
const MAX_BATCH = 1000
/** Calls at a time where the signer has no `/download-urls`. */
const MAX_SINGLES = 6
/** A URL without an end (a public bucket) is asked for again after this. */
const ENDLESS_MS = 3_600_000

export function makeUrls({ ask, now, expiresIn, batchDelayMs, maxUrls }) {
  /** key → { signed, until }; the one used longest ago comes first. */
  const known = new Map()
  /** key → the promise that all who ask in the meantime get. */
  const asked = new Map()
  let queue = []
  let timer = null
  let hasBatch = true
  let generation = 0

  /** `{ signed, reused }`. An abort of one who waits does not end the ask, which others may wait for, too. */
  async function get(key) {
    const found = known.get(key)
    if (found && now() < found.until) {
      known.delete(key)
      known.set(key, found)
      return { signed: found.signed, reused: true }
    }
    known.delete(key)
    const running = asked.get(key)
    if (running) return { signed: await running, reused: false }
    const promise = enqueue(key)
    asked.set(key, promise)
    const settled = () => { if (asked.get(key) === promise) asked.delete(key) }
    promise.then(settled, settled)
    return { signed: await promise, reused: false }
  }

  function enqueue(key) {
    return new Promise((resolve, reject) => {
      queue.push({ key, resolve, reject, began: now(), generation })
      timer ??= setTimeout(flush, batchDelayMs)
    })
  }

  function flush() {
    timer = null
    const waiting = queue
    queue = []
    for (let at = 0; at < waiting.length; at += MAX_BATCH) void settle(waiting.slice(at, at + MAX_BATCH))
  }

  async function settle(items) {
    if (items.length === 1 || !hasBatch) return singles(items)
    try {
      const answer = await ask('POST', '/download-urls', { keys: items.map((item) => item.key), ...(expiresIn ? { expiresIn } : {}) })
      const results = answer?.results
      if (!Array.isArray(results) || results.length !== items.length) throw new FilesError('invalid_answer')
      items.forEach((item, at) => take(item, results[at]))
    } catch (error) {
      // An older signer has no such path. One that has it would say 404 for an object only within a result.
      if (error.status === 404 || error.status === 405) {
        hasBatch = false
        return singles(items)
      }
      for (const item of items) item.reject(error)
    }
  }

  async function singles(items) {
    const left = items.slice()
    const worker = async () => {
      for (let item = left.shift(); item; item = left.shift()) {
        try {
          const life = expiresIn ? `&expiresIn=${expiresIn}` : ''
          take(item, { status: 200, ...await ask('GET', `/download-url?key=${encodeURIComponent(item.key)}${life}`) })
        } catch (error) {
          item.reject(error)
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(MAX_SINGLES, left.length) }, worker))
  }

  function take(item, result) {
    if (!(result?.status >= 200 && result.status < 300)) {
      return item.reject(refusal(result?.status ?? 0, result, result?.retryAfter ?? null))
    }
    // Whatever stands between: an answer about another key is none.
    if (typeof result.url !== 'string' || (result.key !== undefined && result.key !== item.key)) {
      return item.reject(new FilesError('invalid_answer'))
    }
    if (item.generation === generation) {
      known.set(item.key, { signed: result, until: reusableUntil(result, item.began, now()) })
      for (const oldest of known.keys()) {
        if (known.size <= maxUrls) break
        known.delete(oldest)
      }
    }
    item.resolve(result)
  }

  return {
    get,
    /** Drops the URL that failed, but not one that somebody has fetched since. */
    forget(key, signed) {
      if (!signed || known.get(key)?.signed === signed) known.delete(key)
    },
    clear() {
      generation += 1
      known.clear()
      asked.clear()
    },
    get size() { return known.size },
  }
}

/**
 * Until `refreshAfter`, which is in the signer's time. A clock here that is behind would reuse a dead URL, so the time from
 * asking to `refreshAfter` is also bounded by the share of its life that it stands for; one that is ahead has that alone.
 */
export function reusableUntil({ expiresAt, refreshAfter, expiresIn }, began, at) {
  const refresh = Date.parse(refreshAfter ?? '')
  const end = Date.parse(expiresAt ?? '')
  if (Number.isNaN(end)) return began + ENDLESS_MS
  const share = expiresIn * 1000 - (Number.isNaN(refresh) ? 0 : end - refresh)
  const most = began + (Number.isFinite(share) ? Math.max(0, share) : 0)
  const wanted = Number.isNaN(refresh) ? end : refresh
  return wanted > at ? Math.min(wanted, most) : most
}
