// The module of deploy/web and large files, without a browser: what is sent, what is sent again, and what goes on where it stopped.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { createFiles } from '../../deploy/web/client.js'
import { sleep } from './support/process.mjs'

const SIGNER = 'https://signer.test'
const BUCKET = 'https://bucket.test'
const PART = 1000
const base64 = (bytes) => createHash('sha256').update(bytes).digest('base64')
const json = (status, body, headers = {}) => new Response(JSON.stringify(body), { status, headers })
const isoOf = (ms) => new Date(ms).toISOString()
const fileOf = (bytes, name = 'film.MP4') => new File([bytes], name, { type: 'video/mp4', lastModified: 1_700_000_000_000 })

/** What remembers uploads, as IndexedDB does: only copies go in and out. */
function memory() {
  const records = new Map()
  const kept = new Map()
  return {
    all: async () => [...records.values()].map((record) => structuredClone(record)),
    put: async (record) => void records.set(record.id, structuredClone(record)),
    file: async (id) => kept.get(id) ?? null,
    putFile: async (id, file) => void kept.set(id, file),
    drop: async (id) => { records.delete(id); kept.delete(id) },
    clear: async () => { records.clear(); kept.clear() },
  }
}

/** A signer and a bucket that keep to the rules: a part is what it was signed for, and an object is all of its parts. */
function world({ refuse, exposed = true, multipart = true, checksums = true } = {}) {
  const clock = { at: 1_800_000_000_000 }
  const calls = []
  const uploads = new Map()
  const objects = new Map()
  const world = { calls, clock, uploads, objects, running: 0, most: 0, waited: [] }
  const uploadOf = (token) => uploads.get(token)
  const routes = {
    'POST /multipart': ({ body }) => {
      if (!multipart) return json(404, { error: 'no', code: 'multipart_off' })
      if (body.checksum && !checksums) return json(400, { error: 'no', code: 'checksum_unavailable' })
      const uploadToken = `token-${uploads.size + 1}`
      uploads.set(uploadToken, { key: body.key, length: body.contentLength, parts: new Map() })
      return json(200, { uploadToken, key: body.key, providerId: 'default', partSize: PART, parts: Math.ceil(body.contentLength / PART), expiresAt: isoOf(clock.at + 86_400_000) })
    },
    'POST /multipart/sign': ({ body }) => json(200, { parts: (body.parts ?? body.partNumbers.map((partNumber) => ({ partNumber }))).map(({ partNumber, checksum }) => ({
      partNumber, method: 'PUT', headers: checksum ? { 'x-amz-checksum-sha256': checksum } : {}, expiresAt: isoOf(clock.at + 900_000),
      url: `${BUCKET}/${body.uploadToken}?partNumber=${partNumber}&X-Amz-Signature=${calls.length}`,
    })) }),
    'GET /multipart': ({ token }) => uploadOf(token)
      ? json(200, { parts: [...uploadOf(token).parts].map(([partNumber, bytes]) => ({ partNumber, etag: `"${base64(bytes)}"`, size: bytes.length })) })
      : json(404, { error: 'gone', code: 'upload_not_found' }),
    'POST /multipart/complete': ({ body }) => {
      const { key, length, parts } = uploadOf(body.uploadToken)
      const bytes = Buffer.concat(body.parts.map(({ partNumber, etag, checksum }) => {
        assert.equal(checksum, checksums ? base64(parts.get(partNumber)) : undefined)
        assert.equal(etag, `"${base64(parts.get(partNumber))}"`)
        return parts.get(partNumber)
      }))
      assert.equal(bytes.length, length)
      objects.set(key, bytes)
      return json(200, { key, etag: '"all"', location: `${BUCKET}/${key}` })
    },
    'DELETE /multipart': ({ token }) => { uploads.delete(token); return new Response(null, { status: 204 }) },
    'POST /upload-url': ({ body }) => json(200, { method: 'PUT', key: body.key, url: `${BUCKET}/${body.key}`, headers: {}, expiresAt: isoOf(clock.at + 900_000) }),
  }
  world.fetch = async (url, { method = 'GET', headers = {}, body, signal } = {}) => {
    signal?.throwIfAborted()
    const { pathname, searchParams, origin } = new URL(url)
    const call = {
      method, origin, path: pathname, number: Number(searchParams.get('partNumber')), token: searchParams.get('uploadToken'), url,
      headers: new Headers(headers), body: typeof body === 'string' ? JSON.parse(body) : body,
    }
    calls.push(call)
    if (origin === BUCKET) world.most = Math.max(world.most, world.running += 1)
    await sleep(2)
    if (origin === BUCKET) world.running -= 1
    signal?.throwIfAborted()
    const refused = refuse?.(call, calls)
    if (refused instanceof Error) throw refused
    if (refused) return refused
    if (origin !== BUCKET) return routes[`${method} ${pathname}`](call)
    const bytes = Buffer.from(await body.arrayBuffer())
    if (call.number === 0) {
      objects.set(pathname.slice(1), bytes)
      return new Response(null, { status: 200 })
    }
    assert.equal(call.headers.get('x-amz-checksum-sha256'), checksums ? base64(bytes) : null)
    uploadOf(pathname.slice(1)).parts.set(call.number, bytes)
    return new Response(null, { status: 200, headers: exposed ? { etag: `"${base64(bytes)}"` } : {} })
  }
  world.kept = memory()
  world.files = (options = {}) => createFiles({
    signerBaseUrl: SIGNER, token: () => 'the-token', fetch: world.fetch, now: () => clock.at, multipartAbove: PART, kept: world.kept,
    wait: async (ms) => { world.waited.push(ms) }, ...options,
  })
  world.sent = () => calls.filter(({ method, origin }) => method === 'PUT' && origin === BUCKET).map(({ number }) => number)
  return world
}

test('a large file goes up in parts, three at a time, each with its own hash, and is whole', async () => {
  const w = world()
  const bytes = randomBytes(7 * PART + 1)
  const progress = []
  const sent = await w.files().upload(fileOf(bytes), { store: 'demo', onProgress: ({ loaded, total, parts }) => progress.push([loaded, total, parts]) })
  assert.match(sent.key, /^demo\/[0-9a-f-]{36}\.mp4$/)
  assert.deepEqual(w.objects.get(sent.key), bytes)
  assert.deepEqual(w.sent().toSorted(), [1, 2, 3, 4, 5, 6, 7, 8])
  assert.ok(w.most > 1 && w.most <= 3, `${w.most} at a time`)
  assert.deepEqual([progress[0], progress.at(-1)], [[0, bytes.length, 8], [bytes.length, bytes.length, 8]])
  assert.deepEqual(await w.files().unfinished(), [])
})

test('a file that is not large, and one with a hash for a key, is one PUT', async () => {
  const w = world()
  const bytes = randomBytes(2 * PART)
  const key = `demo/${createHash('sha256').update(bytes).digest('hex')}`
  await w.files().upload(fileOf(bytes), { key })
  await w.files().upload(fileOf(randomBytes(PART)), { store: 'demo' })
  assert.deepEqual(w.calls.map(({ path }) => path).filter((path) => path.startsWith('/multipart')), [])
})

test('a signer without uploads in parts is sent one PUT', async () => {
  const w = world({ multipart: false })
  const bytes = randomBytes(2 * PART)
  const { key, sha256 } = await w.files().upload(fileOf(bytes), { store: 'demo' })
  assert.equal(key, `demo/${sha256}`)
  assert.deepEqual(w.objects.get(key), bytes)
})

test('a bucket that keeps no checksums is sent parts without', async () => {
  const w = world({ checksums: false })
  const bytes = randomBytes(3 * PART)
  const { key } = await w.files().upload(fileOf(bytes), { store: 'demo' })
  assert.deepEqual(w.objects.get(key), bytes)
})

test('a part that fails gets a fresh URL, and no other part is sent again', async () => {
  let failed = 0
  const w = world({ refuse: ({ number }) => (number === 2 && (failed += 1) <= 2 ? [new TypeError('network'), new Response(null, { status: 403 })][failed - 1] : null) })
  const bytes = randomBytes(4 * PART)
  const { key } = await w.files().upload(fileOf(bytes), { store: 'demo' })
  assert.deepEqual(w.objects.get(key), bytes)
  assert.deepEqual(w.sent().toSorted(), [1, 2, 2, 2, 3, 4])
  assert.equal(new Set(w.calls.filter(({ number }) => number === 2).map(({ url }) => url)).size, 3)
  assert.equal(w.waited.length, 2)
})

test('what cannot be sent stops the other parts and can be gone on with', async () => {
  let broken = true
  const w = world({ refuse: ({ number }) => (broken && number === 3 ? new Response(null, { status: 400 }) : null) })
  const bytes = randomBytes(30 * PART)
  await assert.rejects(w.files().upload(fileOf(bytes), { store: 'demo' }), { code: 'bucket_400' })
  const before = w.sent().length
  assert.ok(before < 10, `${before} parts were sent`)
  await sleep(20)
  assert.equal(w.sent().length, before, 'nothing is sent afterwards')
  broken = false
  const { key } = await w.files().upload(fileOf(bytes), { store: 'demo' })
  assert.deepEqual(w.objects.get(key), bytes)
  assert.equal(w.uploads.size, 1)
})

test('an abort pauses: the same file goes on where it stopped, by another instance, too', async () => {
  const w = world()
  const bytes = randomBytes(20 * PART)
  const stop = new AbortController()
  const first = w.files().upload(fileOf(bytes), { store: 'demo', keepFile: true, signal: stop.signal, onProgress: ({ loaded }) => { if (loaded >= 8 * PART) stop.abort() } })
  await assert.rejects(first, { name: 'AbortError' })
  const there = [...w.uploads.get('token-1').parts.keys()]
  assert.ok(there.length >= 5 && there.length < 20, `${there}`)
  const [unfinished] = await w.files().unfinished()
  assert.equal(unfinished.name, 'film.MP4')
  let resumed
  const { key } = await w.files().upload(unfinished.file, { key: unfinished.key, onProgress: (progress) => { resumed ??= progress.resumed } })
  assert.equal(key, unfinished.key)
  assert.equal(resumed, there.length * PART)
  assert.deepEqual(w.objects.get(key), bytes)
  for (const number of there) assert.equal(w.sent().filter((sent) => sent === number).length, 1, `part ${number} was sent once`)
})

test('a file that changed under its name, size and date is not mixed with what it was', async () => {
  const w = world()
  const old = randomBytes(6 * PART)
  const stop = new AbortController()
  await assert.rejects(w.files().upload(fileOf(old), { store: 'demo', signal: stop.signal, onProgress: ({ loaded }) => { if (loaded >= 4 * PART) stop.abort() } }))
  const changed = Buffer.from(old)
  changed[10] ^= 1
  const { key } = await w.files().upload(fileOf(changed), { store: 'demo' })
  assert.deepEqual(w.objects.get(key), changed)
  assert.equal(w.sent().filter((number) => number === 1).length, 2)
})

test('a bucket that does not expose the etag is asked through the signer', async () => {
  const w = world({ exposed: false })
  const bytes = randomBytes(3 * PART)
  const { key } = await w.files().upload(fileOf(bytes), { store: 'demo' })
  assert.deepEqual(w.objects.get(key), bytes)
  assert.equal(w.calls.filter(({ method, path }) => method === 'GET' && path === '/multipart').length, 1)
})

test('an upload that the bucket has forgotten, and one whose token is too old, begins anew', async () => {
  for (const forget of [(w) => w.uploads.clear(), (w) => { w.clock.at += 86_400_001 }]) {
    const w = world()
    const bytes = randomBytes(6 * PART)
    const stop = new AbortController()
    await assert.rejects(w.files().upload(fileOf(bytes), { store: 'demo', signal: stop.signal, onProgress: ({ loaded }) => { if (loaded >= 3 * PART) stop.abort() } }))
    forget(w)
    const { key } = await w.files().upload(fileOf(bytes), { store: 'demo' })
    assert.deepEqual(w.objects.get(key), bytes)
    assert.deepEqual(await w.files().unfinished(), [])
  }
})

test('a complete that was cut off is asked for again', async () => {
  let cut = 0
  const w = world({ refuse: ({ path }) => (path === '/multipart/complete' && (cut += 1) === 1 ? json(504, { error: 'slow', code: 'bucket_timeout' }) : null) })
  const bytes = randomBytes(3 * PART)
  const { key } = await w.files().upload(fileOf(bytes), { store: 'demo' })
  assert.deepEqual(w.objects.get(key), bytes)
})

test('discard ends an upload here and at the bucket', async () => {
  const w = world({ refuse: ({ number }) => (number === 2 ? new Response(null, { status: 400 }) : null) })
  let begun
  await assert.rejects(w.files().upload(fileOf(randomBytes(3 * PART)), { store: 'demo', keepFile: true, onBegun: (upload) => { begun = upload } }))
  await w.files().discard(begun)
  assert.equal(w.uploads.size, 0)
  assert.deepEqual(await w.files().unfinished(), [])
})

test('a key that the token does not open is refused and begins nothing', async () => {
  const w = world({ refuse: ({ path }) => (path === '/multipart' ? json(403, { error: 'no', code: 'key_outside_store' }) : null) })
  await assert.rejects(w.files().upload(fileOf(randomBytes(3 * PART)), { key: 'other/film' }), { code: 'key_outside_store' })
  assert.deepEqual(w.sent(), [])
  assert.deepEqual(await w.files().unfinished(), [])
})
