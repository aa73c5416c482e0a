// Uppy's routes against SeaweedFS: whose an upload is, and what a form, a part and an end are held to by the bucket itself.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { caller, isRefused, query, use } from './support/http.mjs'
import { startSeaweed } from './support/seaweed.mjs'
import { startSigner } from './support/signer.mjs'
import { MIB, forUppy, sha256, stored } from './support/uppy.mjs'

const limit = { timeout: 90_000 }
const PART = Buffer.alloc(5 * MIB, 'a')
const REST = Buffer.from('the rest')

let s3, service, alice, bob, tokens
before(async () => {
  s3 = await startSeaweed()
  service = await startSigner(s3, forUppy({ storage: { provider: 'seaweedfs' } }))
  tokens = { alice: await service.mint({ storeId: 'alice', sub: 'ann' }), bob: await service.mint({ storeId: ['bob', 'alice'], sub: 'bob' }) }
  alice = caller(service.url, tokens.alice)
  bob = caller(service.url, tokens.bob)
}, { timeout: 120_000 })
after(async () => { await service?.stop(); await s3?.stop() })

const ok = (answer) => { assert.equal(answer.status, 200, answer.text); return answer.json }
const path = (id, more = '') => `/s3/multipart/${encodeURIComponent(id)}${more}`
const md5 = (bytes) => createHash('md5').update(bytes).digest('hex')
const put = async (url, body, headers) => use({ url, method: 'PUT', headers }, body)

async function begun(file = { filename: 'film.mp4', type: 'video/mp4' }) {
  const { key, uploadId } = ok(await alice('POST', '/s3/multipart', file))
  return { key, uploadId }
}

// Sends parts by the URLs of the batch route; gives what Uppy would complete with.
async function sent({ key, uploadId }, parts = [PART, REST]) {
  const numbers = parts.map((_, i) => i + 1)
  const { presignedUrls } = ok(await alice('GET', path(uploadId, `/batch${query({ key, partNumbers: numbers.join(',') })}`)))
  const tags = []
  for (const [i, part] of parts.entries()) {
    const answer = await put(presignedUrls[i + 1], part)
    assert.equal(answer.status, 200)
    tags.push({ PartNumber: i + 1, ETag: answer.headers.get('etag') })
  }
  return tags
}

describe('Companion routes', () => {
  test('an upload from its begin to its end, and again its end', limit, async () => {
    const upload = await begun()
    assert.match(upload.key, /^alice\/[0-9a-f]{32}-film\.mp4$/)
    assert.deepEqual(ok(await alice('GET', path(upload.uploadId))), [])
    const parts = await sent(upload)
    const listed = ok(await alice('GET', path(upload.uploadId, query({ key: upload.key }))))
    assert.deepEqual(listed, [
      { PartNumber: 1, ETag: `"${md5(PART)}"`, Size: PART.length },
      { PartNumber: 2, ETag: `"${md5(REST)}"`, Size: REST.length },
    ])
    // Version 6 sends tags without their quotes.
    const bare = parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag: ETag.replaceAll('"', '') }))
    for (let i = 0; i < 2; i += 1) {
      const done = ok(await alice('POST', path(upload.uploadId, `/complete${query({ key: upload.key })}`), { parts: bare }))
      assert.equal(done.key, upload.key)
      assert.equal(done.location, `${s3.endpoint}/${s3.bucket}/${upload.key}`)
    }
    const kept = await stored(service, tokens.alice, upload.key)
    assert.deepEqual([kept.hash, kept.type], [sha256(Buffer.concat([PART, REST])), 'video/mp4'])
  })

  test('of another caller, also one of the same store, nothing is done with its id, and nothing changes', limit, async () => {
    const upload = await begun()
    const parts = await sent(upload, [PART])
    const before = ok(await alice('GET', path(upload.uploadId)))
    for (const [method, more, body] of [
      ['GET', ''], ['GET', '/1'], ['GET', '/batch?partNumbers=1,2'], ['POST', '/complete', { parts }], ['DELETE', ''],
    ]) {
      for (const key of ['', query({ key: upload.key })]) {
        const separator = more.includes('?') ? key.replace('?', '&') : key
        const answer = await bob(method, path(upload.uploadId, more + separator), body)
        isRefused(answer, 403)
        assert.equal(answer.json.code, 'not_your_upload')
      }
    }
    assert.deepEqual(ok(await alice('GET', path(upload.uploadId))), before)
    ok(await alice('POST', path(upload.uploadId, '/complete'), { parts }))
  })

  test('an id that was changed, or that is S3\'s own, is none', limit, async () => {
    const { uploadId } = await begun()
    const middle = Math.floor(uploadId.length / 2)
    const changed = uploadId.slice(0, middle) + (uploadId[middle] === 'A' ? 'B' : 'A') + uploadId.slice(middle + 1)
    for (const id of [changed, 'abcdef0123456789_0123', `${uploadId}A`]) {
      for (const [method, more, body] of [['GET', ''], ['GET', '/1'], ['POST', '/complete', { parts: [] }], ['DELETE', '']]) {
        const answer = await alice(method, path(id, more), body)
        isRefused(answer, 400)
        assert.equal(answer.json.code, 'invalid_upload_token')
      }
    }
  })

  test('parts that are missing, others or none complete nothing; thrown away, an upload is gone', limit, async () => {
    const upload = await begun()
    const parts = await sent(upload)
    for (const [named, missing, wrong] of [
      [[...parts, { PartNumber: 3, ETag: parts[0].ETag }], [3], undefined],
      [[parts[0], { ...parts[1], ETag: parts[0].ETag }], undefined, [2]],
      [[parts[0], parts[0]], [1], undefined],
      [[], undefined, undefined],
    ]) {
      const answer = await alice('POST', path(upload.uploadId, '/complete'), { parts: named })
      isRefused(answer, 409)
      assert.deepEqual([answer.json.code, answer.json.missingParts, answer.json.wrongParts], ['upload_incomplete', missing, wrong])
    }
    for (const number of ['0', '10001', '-1', '+1', '01x']) {
      isRefused(await alice('GET', path(upload.uploadId, `/${number}`)), 400)
    }
    isRefused(await alice('GET', path(upload.uploadId, query({ key: 'alice/other' }))), 400)
    for (let i = 0; i < 2; i += 1) assert.deepEqual(ok(await alice('DELETE', path(upload.uploadId))), {})
    const gone = await alice('POST', path(upload.uploadId, '/complete'), { parts })
    isRefused(gone, 404)
    assert.equal((await alice('GET', `/object${query({ key: upload.key })}`)).status, 404)
  })

  test('a length that was said is the only one', limit, async () => {
    const upload = await begun({ filename: 'said.bin', metadata: { contentLength: PART.length } })
    const parts = await sent(upload)
    isRefused(await alice('POST', path(upload.uploadId, '/complete'), { parts }), 409)
    ok(await alice('POST', path(upload.uploadId, '/complete'), { parts: parts.slice(0, 1) }))
  })
})

describe('signRequest', () => {
  const sign = (who, request) => who('POST', '/s3/sign', request)

  const whole = (etag) =>
    `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`

  async function create() {
    const signed = ok(await sign(alice, { method: 'POST', key: 'film.mp4', contentType: 'video/mp4' }))
    const xml = (await use(signed)).bytes.toString()
    return { key: signed.key, uploadId: xml.match(/<UploadId>([^<]+)/)[1] }
  }

  test('an upload whose every call the client makes itself', limit, async () => {
    const { key, uploadId } = await create()
    const part = ok(await sign(alice, { method: 'PUT', key, uploadId, partNumber: 1 }))
    assert.deepEqual([part.key, part.headers, part.boundHeaders], [key, {}, ['host']])
    const { headers } = await put(part.url, PART, { 'content-type': 'text/html' })
    const listed = await use(ok(await sign(alice, { method: 'GET', key, uploadId })))
    assert.match(listed.bytes.toString(), new RegExp(`<PartNumber>1</PartNumber>`))
    const end = ok(await sign(alice, { method: 'POST', key, uploadId }))
    assert.equal((await use(end, whole(headers.get('etag')), { headers: { 'content-type': 'application/xml' } })).status, 200)
    assert.deepEqual([(await stored(service, tokens.alice, key)).hash], [sha256(PART)])
  })

  test('nobody signs for a key of another store, and an id is known under its own key only', limit, async () => {
    const { key, uploadId } = await create()
    assert.equal((await put(ok(await sign(alice, { method: 'PUT', key, uploadId, partNumber: 1 })).url, PART)).status, 200)
    const carol = caller(service.url, await service.mint({ storeId: 'carol', sub: 'carol' }))
    const calls = [{ method: 'PUT', partNumber: 1 }, { method: 'GET' }, { method: 'POST' }, { method: 'DELETE' }]
    const answers = []
    for (const call of calls) {
      const answer = await sign(carol, { ...call, key, uploadId })
      isRefused(answer, 403)
      assert.equal(answer.json.code, 'key_outside_store')
      // Her own key with the id of his upload is hers to sign, and nothing to the bucket.
      const own = ok(await sign(carol, { ...call, key: 'carol/film.mp4', uploadId }))
      const body = { PUT: REST, POST: whole(md5(PART)) }[call.method]
      answers.push([call.method, (await use(own, body)).status])
    }
    assert.deepEqual(answers, calls.map(({ method }) => [method, 404]))
    const listed = (await use(ok(await sign(alice, { method: 'GET', key, uploadId })))).bytes.toString()
    assert.match(listed, new RegExp(md5(PART)))
    assert.equal(listed.match(/<PartNumber>/g).length, 1)
  })

  test('what Uppy does not ask is not signed', limit, async () => {
    for (const call of [
      { method: 'DELETE', key: 'alice/f' },
      { method: 'GET', key: 'alice/f' },
      { method: 'HEAD', key: 'alice/f' },
      { method: 'PUT', key: 'alice/f', uploadId: 'u' },
      { method: 'PUT', key: 'alice/f', partNumber: 1 },
      { method: 'PUT', key: 'alice/f', uploadId: 'u', partNumber: 0 },
      { method: 'PUT', key: 'alice/f', uploadId: 'u', partNumber: 10_001 },
      { method: 'GET', key: 'alice/f', uploadId: '' },
      { method: 'GET', key: 'alice/f', uploadId: 'u\n' },
      { method: 'PUT' },
    ]) isRefused(await sign(alice, call), 400)
  })

  test('under a limit that the bucket cannot hold the end to, no end is signed, and Companion\'s routes hold to it', limit, async () => {
    const token = await service.mint({ storeId: 'alice', sub: 'ann', max_upload_bytes: PART.length })
    const limited = caller(service.url, token)
    const { key, uploadId } = await create()
    await put(ok(await sign(limited, { method: 'PUT', key, uploadId, partNumber: 1 })).url, PART)
    for (const call of [{ method: 'POST', key, uploadId }, { method: 'POST', key: 'film.mp4' }]) {
      const answer = await sign(limited, call)
      isRefused(answer, 400)
      assert.equal(answer.json.code, 'length_unavailable')
    }
    const upload = ok(await limited('POST', '/s3/multipart', { filename: 'film.mp4' }))
    const ends = []
    for (const [i, part] of [PART, REST].entries()) {
      const { url } = ok(await limited('GET', path(upload.uploadId, `/${i + 1}`)))
      ends.push({ PartNumber: i + 1, ETag: (await put(url, part)).headers.get('etag') })
    }
    const long = await limited('POST', path(upload.uploadId, '/complete'), { parts: ends })
    isRefused(long, 413)
    assert.equal(long.json.code, 'upload_too_large')
    ok(await limited('POST', path(upload.uploadId, '/complete'), { parts: ends.slice(0, 1) }))
    // A whole file whose length nobody says goes by a form, which can hold it to a range.
    const form = ok(await sign(limited, { method: 'PUT', key: 'small.txt', contentType: 'text/plain' }))
    assert.match(form.fields.key, /^alice\/[0-9a-f]{32}-small\.txt$/)
    assert.equal(await post(form, Buffer.alloc(PART.length + 1)), 400)
    assert.equal(await post(form, Buffer.from('hello')), 204)
  })
})

async function post({ url, fields }, file, change = {}) {
  const form = new FormData()
  for (const [name, value] of Object.entries({ ...fields, ...change })) if (value !== undefined) form.set(name, value)
  form.set('file', new Blob([file]), 'any.bin')
  return (await fetch(url, { method: 'POST', body: form })).status
}

describe('forms', () => {
  const params = async (fields) => ok(await alice('GET', `/s3/params${query(fields)}`))

  test('a form puts its file under its key, with its type', limit, async () => {
    const form = await params({ filename: 'photo.png', type: 'image/png' })
    assert.equal(form.method, 'POST')
    assert.deepEqual(form.headers, {})
    assert.equal(form.fields.key, form.key)
    assert.equal(await post(form, REST), 204)
    const kept = await stored(service, tokens.alice, form.key)
    assert.deepEqual([kept.hash, kept.type], [sha256(REST), 'image/png'])
  })

  test('another length, type or key is refused by the bucket, and nothing is there', limit, async () => {
    const form = await params({ filename: 'photo.png', type: 'image/png', 'metadata[contentLength]': REST.length })
    const other = form.key.replace('alice/', 'bob/')
    for (const [file, change] of [
      [Buffer.from('the res'), {}],
      [Buffer.from('the rest!'), {}],
      [REST, { 'content-type': 'text/html' }],
      [REST, { 'content-type': undefined }],
      [REST, { key: other }],
      [REST, { key: `${form.key}x` }],
      // (fields that the policy does not name are refused by S3; SeaweedFS takes them)
      [REST, { 'x-amz-signature': '0'.repeat(64) }],
    ]) {
      const status = await post(form, file, change)
      assert.ok([400, 403].includes(status), `${status} for ${file.length} bytes and ${JSON.stringify(change)}`)
    }
    assert.equal((await alice('GET', `/object${query({ key: form.key })}`)).status, 404)
    assert.equal(await post(form, REST), 204)
  })
})
