// Bytes by their hash, in the Cache API. Only what was hashed here and found right gets in, so it never goes stale.
import { pathOfKey, sha256Hex } from './keys.js'

export const CACHE_NAME = 'filesync-files-v1'

export function makeCache({ cacheName, filesRoot, maxCached, maxCachedBytes }) {
  const caches = globalThis.caches
  // A name of our own for each key: never a signed URL, which would be a secret and another one each time.
  const place = (key) => new URL(pathOfKey(key, filesRoot), globalThis.location?.origin ?? 'https://files.invalid').href
  let generation = 0

  return {
    /** Whether a whole answer of this length may be kept. */
    takes: (response) => response.status === 200 && Number(response.headers.get('content-length') ?? 0) <= maxCachedBytes,

    async match(key) {
      return (await (await caches?.open(cacheName))?.match(place(key))) ?? null
    },

    /** Whether the bytes were those of the hash; kept if so. Never throws: a full disk must not fail a picture. */
    async keep(key, hash, response) {
      const began = generation
      const bytes = await response.arrayBuffer()
      if (await sha256Hex(bytes) !== hash) return false
      if (!caches || bytes.byteLength > maxCachedBytes) return true
      try {
        const cache = await caches.open(cacheName)
        // A logout while the bytes came: they belong to nobody now.
        if (began !== generation) return true
        const type = response.headers.get('content-type') ?? 'application/octet-stream'
        await cache.put(place(key), new Response(bytes, { headers: { 'Content-Type': type, 'Content-Length': String(bytes.byteLength) } }))
        const kept = await cache.keys()
        // In the order in which they were put: the oldest go.
        await Promise.all(kept.slice(0, Math.max(0, kept.length - maxCached)).map((request) => cache.delete(request)))
      } catch {
        // no room, or storage is switched off
      }
      return true
    },

    async drop(key) {
      await (await caches?.open(cacheName))?.delete(place(key))
    },

    async clear() {
      generation += 1
      await caches?.delete(cacheName)
    },
  }
}
