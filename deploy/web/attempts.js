// Again, where that may help: after a pause that grows, or the one that the other side asked for.
import { FilesError, isAbort, pause } from './errors.js'

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 10_000
/** What asks for a longer pause is not waited for. */
const LONGEST_RETRY_AFTER_S = 60

/** `once(attempt)` until it succeeds, fails for good, or has failed `maxAttempts` times. */
export async function attempts({ maxAttempts, wait = pause }, signal, once) {
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted()
    try {
      return await once(attempt)
    } catch (error) {
      if (isAbort(error) || attempt >= maxAttempts || !isWorthAnother(error)) throw error
      const backoff = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1))
      // Half of it by chance, so that many pages do not come back at the same moment.
      const own = backoff / 2 + Math.random() * backoff / 2
      await wait(error.retryAfter === null ? own : Math.max(own, error.retryAfter * 1000), signal)
    }
  }
}

/** The network, an expired or refused URL, a limit, or trouble on the other side; never what would be refused again. */
function isWorthAnother(error) {
  if (!(error instanceof FilesError) || (error.retryAfter ?? 0) > LONGEST_RETRY_AFTER_S) return false
  if (['signer_unreachable', 'bucket_unreachable', 'bucket_refused', 'rate_limited'].includes(error.code)) return true
  return error.status === 408 || error.status >= 500
}
