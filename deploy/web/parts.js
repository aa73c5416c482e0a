// The way up for large files: in parts, several at a time, each with a fresh URL where the last one failed; and on from
// there after a pause, a reload or a lost network.
import { attempts } from './attempts.js'
import { FilesError, isAbort } from './errors.js'
import { base64OfHex, sha256Hex } from './keys.js'
import { put } from './put.js'

/** The signer has no uploads in parts, or none for such a key. */
const NOT_HERE = ['not_found', 'multipart_off', 'write_once_unavailable', 'invalid_key']
/** The bucket or the signer knows nothing of this upload any more, or takes it for somebody else's. */
const GONE = ['invalid_upload_token', 'upload_not_found', 'upload_expired', 'not_your_upload']

/** What tells a file from others, as far as a page can without reading it. */
const traitsOf = (blob) => ({ name: blob.name ?? null, size: blob.size, lastModified: blob.lastModified ?? null, type: blob.type })

/** Keeps the ending of a name, because a bucket keeps no name and types are told by endings. */
const inventedKey = (store, blob) =>
  `${store}/${crypto.randomUUID()}${/\.[A-Za-z0-9]{1,10}$/.exec(blob.name ?? '')?.[0].toLowerCase() ?? ''}`

/** The upload, or null where this signer takes no such file in parts and a key was not asked for. */
export async function uploadInParts(context, blob, options) {
  const { kept, now } = context
  // A page without WebCrypto can neither name nor hash a part.
  if (!globalThis.crypto?.subtle) return null
  let upload = await resumed(context, blob, options)
  if (!upload) {
    const begun = await begin(context, blob, options)
    if (!begun) return null
    upload = { record: { id: crypto.randomUUID(), at: now(), ...traitsOf(blob), store: options.store ?? null, hashes: {}, etags: {}, ...begun }, there: new Map() }
    await kept.put(upload.record)
    if (options.keepFile) await kept.putFile(upload.record.id, blob)
  }
  options.onBegun?.(upload.record)
  const sent = await whileHolding(upload.record.id, async () => {
    const etags = await sendAll(context, blob, upload, options)
    return complete(context, upload.record, etags, options.signal)
  })
  await kept.drop(upload.record.id)
  return { key: sent.key, sha256: null, size: blob.size, contentType: upload.record.contentType, existed: false, attempts: 1 }
}

/** Ends an upload that was begun, here and at the bucket. */
export async function discard({ ask, kept }, { id, uploadToken }, signal) {
  try {
    await ask('DELETE', `/multipart?uploadToken=${encodeURIComponent(uploadToken)}`, undefined, signal)
  } catch (error) {
    // One that ended by itself needs no end; what nobody can end now, the bucket's lifecycle rule will.
    if (isAbort(error)) throw error
  }
  await kept.drop(id)
}

const LOCK = 'filesync-upload '

/** Another page of this origin, or this one, may be sending the same file at this moment: each has its own upload. */
const whileHolding = (id, work) => globalThis.navigator?.locks ? navigator.locks.request(LOCK + id, work) : work()

/** The ids of uploads that some page sends now. */
export async function sending() {
  const { held = [] } = await globalThis.navigator?.locks?.query() ?? {}
  return new Set(held.filter(({ name }) => name.startsWith(LOCK)).map(({ name }) => name.slice(LOCK.length)))
}

async function begin(context, blob, options) {
  try {
    return await beginWith(context, blob, options, 'sha256')
  } catch (error) {
    if (error.code !== 'checksum_unavailable') {
      // A key that was asked for is not exchanged for another.
      if (NOT_HERE.includes(error.code) && !(options.key && error.code === 'invalid_key')) return null
      throw error
    }
  }
  try {
    // The bucket keeps no checksums of parts; their lengths it keeps.
    return await beginWith(context, blob, options, null)
  } catch (error) {
    if (['checksum_unavailable', 'checksum_missing'].includes(error.code)) return null
    throw error
  }
}

async function beginWith(context, blob, { key, store, contentType, signal }, checksum) {
  const wanted = key ?? inventedKey(store, blob)
  const request = {
    key: wanted, contentType, contentLength: blob.size, ...(checksum ? { checksum } : {}),
    ...(context.partSize ? { partSize: context.partSize } : {}),
  }
  const begun = await attempts(context, signal, () => context.ask('POST', '/multipart', request, signal))
  if (typeof begun?.uploadToken !== 'string' || begun.key !== wanted || !(begun.partSize > 0)) throw new FilesError('invalid_answer')
  const { uploadToken, partSize, expiresAt } = begun
  return { key: wanted, uploadToken, partSize, expiresAt, contentType, checksum }
}

/** What was begun before, with the parts that are at the bucket and are those of this file; or null. */
async function resumed(context, blob, { key, store, signal }) {
  const { ask, kept, now } = context
  const traits = Object.entries(traitsOf(blob))
  // The same place, too: a key that was invented in a store is found by either.
  const isIt = (record) => traits.every(([name, value]) => record[name] === value) && (key ? record.key === key : record.store === store)
  const busy = await sending()
  const record = (await kept.all()).find((record) => isIt(record) && !busy.has(record.id))
  if (!record) return null
  if (record.expiresAt && Date.parse(record.expiresAt) <= now()) {
    await kept.drop(record.id)
    return null
  }
  let listed
  try {
    listed = await attempts(context, signal, () => ask('GET', `/multipart?uploadToken=${encodeURIComponent(record.uploadToken)}`, undefined, signal))
  } catch (error) {
    if (!GONE.includes(error.code)) throw error
    await kept.drop(record.id)
    return null
  }
  const there = new Map()
  for (const { partNumber, etag, size } of listed?.parts ?? []) {
    const part = partOf(blob, record, partNumber)
    // A file may have changed under its old name, size and date: what is there is what was sent, and must be what is here.
    if (size === part.size && record.hashes[partNumber] === await hashOf(part)) there.set(partNumber, { etag: etag ?? record.etags[partNumber] ?? null, size })
  }
  return { record, there }
}

const countOf = (blob, { partSize }) => Math.max(1, Math.ceil(blob.size / partSize))
const partOf = (blob, { partSize }, number) => blob.slice((number - 1) * partSize, number * partSize)

const hashOf = async (part) => sha256Hex(await part.arrayBuffer())

/** Sends what is not there yet. Gives the etag of each part, null where the bucket's answer does not show it. */
async function sendAll(context, blob, { record, there }, { signal, onProgress = () => {} }) {
  const count = countOf(blob, record)
  const etags = new Map([...there].map(([number, { etag }]) => [number, etag]))
  const waiting = Array.from({ length: count }, (_, at) => at + 1).filter((number) => !there.has(number))
  const loaded = new Map([...there].map(([number, { size }]) => [number, size]))
  const first = [...loaded.values()].reduce((sum, size) => sum + size, 0)
  const tell = (attempt = 1) => onProgress({
    loaded: [...loaded.values()].reduce((sum, size) => sum + size, 0), total: blob.size, attempt, resumed: first, parts: count,
  })
  tell()
  // The first that fails for good stops the others.
  const stop = new AbortController()
  const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal
  const worker = async () => {
    for (let number = waiting.shift(); number !== undefined; number = waiting.shift()) {
      const part = partOf(blob, record, number)
      etags.set(number, await sendPart(context, record, number, part, both, (bytes, attempt) => { loaded.set(number, bytes); tell(attempt) }))
    }
  }
  const workers = Array.from({ length: Math.min(context.partsAtOnce, waiting.length) }, () => worker())
  try {
    await Promise.all(workers)
  } catch (error) {
    stop.abort(error)
    await Promise.allSettled(workers)
    signal?.throwIfAborted()
    throw error
  }
  return etags
}

async function sendPart(context, record, number, part, signal, progress) {
  const { ask, kept } = context
  const sha256 = await hashOf(part)
  const etag = await attempts(context, signal, async (attempt) => {
    const request = {
      uploadToken: record.uploadToken,
      ...(record.checksum ? { parts: [{ partNumber: number, checksum: base64OfHex(sha256) }] } : { partNumbers: [number] }),
    }
    const [signed] = (await ask('POST', '/multipart/sign', request, signal))?.parts ?? []
    if (typeof signed?.url !== 'string' || signed.partNumber !== number) throw new FilesError('invalid_answer')
    progress(0, attempt)
    const got = await put(context, signed, part, { key: record.key, contentType: record.contentType }, (bytes) => progress(bytes, attempt), signal)
    progress(part.size, attempt)
    return got.etag
  })
  record.hashes[number] = sha256
  record.etags[number] = etag
  await kept.put(record)
  return etag
}

/** Again is as good as once: the signer says the same when it is done already. */
async function complete(context, { uploadToken, checksum, hashes }, etags, signal) {
  const { ask } = context
  if ([...etags.values()].includes(null)) {
    const listed = await attempts(context, signal, () => ask('GET', `/multipart?uploadToken=${encodeURIComponent(uploadToken)}`, undefined, signal))
    for (const { partNumber, etag } of listed?.parts ?? []) etags.set(partNumber, etag ?? null)
  }
  // Their hashes, too: some buckets want to hear them, and do not list them. What nobody tells us cannot be named; the
  // signer holds the parts to their lengths in any case.
  const named = ([partNumber, etag]) => ({ partNumber, etag, ...(checksum ? { checksum: base64OfHex(hashes[partNumber]) } : {}) })
  const parts = [...etags].map(named).sort((a, b) => a.partNumber - b.partNumber)
  const request = { uploadToken, ...(parts.every(({ etag }) => etag !== null) ? { parts } : {}) }
  const sent = await attempts(context, signal, () => ask('POST', '/multipart/complete', request, signal))
  if (typeof sent?.key !== 'string') throw new FilesError('invalid_answer')
  return sent
}
