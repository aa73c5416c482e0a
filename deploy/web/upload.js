// The way up: hash, a URL for exactly these bytes, a PUT with progress, and again with a fresh URL where that may help.
import { attempts } from './attempts.js'
import { FilesError } from './errors.js'
import { base64OfHex, hashOfKey, sha256Hex } from './keys.js'
import { uploadInParts } from './parts.js'
import { put } from './put.js'

/** What one PUT may carry. */
const LARGEST_PUT = 5 * 1024 ** 3

export async function uploadFile(context, file, options) {
  const { key, store } = options
  if (!key && !store) throw new TypeError('upload() needs a key or a store')
  const blob = file instanceof Blob ? file : new Blob([file])
  const contentType = options.contentType || blob.type || 'application/octet-stream'
  // The bucket can hold one PUT to the hash in a key, and no upload in parts.
  if (blob.size > context.multipartAbove && !(key && hashOfKey(key))) {
    const sent = await uploadInParts(context, blob, { ...options, contentType })
    if (sent) return sent
  }
  if (blob.size > LARGEST_PUT) throw new FilesError('upload_too_large')
  return uploadWhole(context, blob, { ...options, contentType })
}

async function uploadWhole(context, blob, options) {
  const { signal, onProgress = () => {}, expiresIn, contentType } = options
  const { key, sha256, existing } = await named(blob, options)
  const request = {
    key, contentType, contentLength: blob.size,
    // Of a content-addressed key the signer knows the hash already.
    ...(options.checksum && !existing ? { checksumSha256: base64OfHex(sha256) } : {}),
    ...(expiresIn ? { expiresIn } : {}),
  }
  return attempts(context, signal, async (attempt) => {
    const signed = await context.ask('POST', '/upload-url', request, signal)
    if (typeof signed?.url !== 'string' || signed.key !== key) throw new FilesError('invalid_answer')
    const progress = (loaded) => onProgress({ loaded, total: blob.size, attempt })
    progress(0)
    // Write-once: whoever came before put the same bytes under this hash, which the bucket has checked.
    const { status } = await put(context, signed, blob, { key, contentType, also: existing ? [412] : [] }, progress, signal)
    progress(blob.size)
    return { key, sha256, size: blob.size, contentType, existed: status === 412, attempts: attempt }
  })
}

/** The key, and the hash where one is needed. A key that ends in another hash than the bytes have is refused before anything is sent. */
async function named(blob, { key, store, checksum }) {
  const promised = key ? hashOfKey(key) : null
  if (key && !promised && !checksum) return { key, sha256: null, existing: false }
  if (!globalThis.crypto?.subtle) throw new FilesError('insecure_page')
  const sha256 = await sha256Hex(await blob.arrayBuffer())
  if (promised && promised !== sha256) throw new FilesError('hash_mismatch')
  return { key: key ?? `${store}/${sha256}`, sha256, existing: !key || promised !== null }
}
