// What an upload is bound to, and that the bucket itself holds a client to it: SeaweedFS and the embedded S3, from
// Node's fetch and from curl. Case numbers (K21 …) are those of the project's security research.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { caller, isRefused, isSigned, query, use } from './support/http.mjs'
import { finish, tempDir, until } from './support/process.mjs'
import { startSeaweed } from './support/seaweed.mjs'
import { startDev, startSigner } from './support/signer.mjs'

const limit = { timeout: 60_000 }
const sha256 = (bytes, form) => createHash('sha256').update(bytes).digest(form)

let s3
before(async () => { s3 = await startSeaweed() }, { timeout: 120_000 })
after(async () => { await s3?.stop() })

// Both ways end in a status; curl is what people paste, and it sends what it is told to and nothing else.
async function byCurl(signed, bytes, { headers = {} } = {}) {
  const file = join(tempDir('curl'), 'body')
  writeFileSync(file, bytes)
  const sent = Object.entries({ ...signed.headers, ...headers }).flatMap(([name, value]) => ['-H', value === undefined ? `${name}:` : `${name}: ${value}`])
  const run = await finish('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code}', '-X', signed.method, '-T', file, ...sent, signed.url])
  assert.equal(run.code, 0, run.all)
  return Number(run.stdout)
}
const byFetch = async (signed, bytes, { headers = {} } = {}) => {
  const all = Object.fromEntries(Object.entries({ ...signed.headers, ...headers }).filter(([, value]) => value !== undefined))
  return (await use({ ...signed, headers: all }, bytes)).status
}
const ways = { fetch: byFetch, curl: byCurl }

const backends = [
  {
    name: 'SeaweedFS',
    store: 'store1',
    keepsWrongBytes: false,
    async start(change) {
      const service = await startSigner(s3, change)
      return { ...service, token: await service.mint({ storeId: 'store1' }) }
    },
  },
  // s3s-fs refuses wrong bytes, and keeps them all the same: a playground.
  { name: 'embedded S3', store: 'demo', keepsWrongBytes: true, start: () => startDev() },
]

for (const backend of backends) {
  describe(`bounds on uploads: ${backend.name}`, () => {
    let service, call
    before(async () => {
      service = await backend.start()
      call = caller(service.url, service.token)
    }, limit)
    after(async () => { await service?.stop() })

    const key = (name) => `${backend.store}/${name}`
    const sign = async (fields) => isSigned(await call('POST', '/upload-url', fields), { method: 'PUT', key: fields.key })

    for (const [way, put] of Object.entries(ways)) {
      test(`a longer or a shorter body is refused, by ${way} (K21)`, limit, async () => {
        const name = key(`length-${way}`)
        const signed = await sign({ key: name, contentLength: 11 })
        assert.ok(signed.boundHeaders.includes('content-length'))
        for (const wrong of ['123456789012', '1234567890']) assert.equal(await put(signed, wrong), 403)
        assert.equal((await call('GET', `/object${query({ key: name })}`)).status, 404)
        assert.equal(await put(signed, '12345678901'), 200)
      })

      test(`another type, or none, is refused, by ${way} (K19)`, limit, async () => {
        const signed = await sign({ key: key(`type-${way}`), contentType: 'image/png', contentLength: 1 })
        assert.equal(await put(signed, '1', { headers: { 'Content-Type': 'text/html' } }), 403)
        assert.ok([400, 403].includes(await put(signed, '1', { headers: { 'Content-Type': undefined } })))
        assert.equal(await put(signed, '1'), 200)
      })

      test(`other bytes than the key's own hash are refused, by ${way} (K22)`, limit, async () => {
        const bytes = randomBytes(1000)
        const name = key(sha256(bytes, 'hex'))
        const signed = await sign({ key: name, contentLength: bytes.length })
        assert.equal(signed.headers['x-amz-checksum-sha256'], sha256(bytes, 'base64'))
        assert.equal(await put(signed, randomBytes(1000)), 400)
        const status = (await call('GET', `/object${query({ key: name })}`)).status
        if (!backend.keepsWrongBytes) assert.equal(status, 404)
        // A checksum of its own would be another promise; without one there is none.
        assert.equal(await put(signed, randomBytes(1000), { headers: { 'x-amz-checksum-sha256': sha256('x', 'base64') } }), 403)
        assert.equal(await put(signed, randomBytes(1000), { headers: { 'x-amz-checksum-sha256': undefined } }), 403)
        assert.equal(await put(signed, bytes), 200)
        assert.equal(await put(signed, bytes), 200, 'the same bytes again are no harm')
      })
    }

    test('a checksum that the caller gives is bound, and one that contradicts the key refused', limit, async () => {
      const bytes = randomBytes(100)
      const signed = await sign({ key: key('given'), checksumSha256: sha256(bytes, 'base64') })
      assert.equal(await byFetch(signed, randomBytes(100)), 400)
      assert.equal(await byFetch(signed, bytes), 200)
      const contradiction = { key: key(sha256(bytes, 'hex')), checksumSha256: sha256('other', 'base64') }
      isRefused(await call('POST', '/upload-url', contradiction), 400)
    })

    test('/confirm says whether the object is the one that was sent', limit, async () => {
      const bytes = randomBytes(300)
      const [name, checksumSha256] = [key(sha256(bytes, 'hex')), sha256(bytes, 'base64')]
      isRefused(await call('POST', '/confirm', { key: name }), 404)
      assert.equal(await byFetch(await sign({ key: name }), bytes), 200)
      const held = await call('POST', '/confirm', { key: name, contentLength: 300, checksumSha256 })
      assert.equal(held.status, 200, held.text)
      assert.deepEqual([held.json.key, held.json.size, held.json.checksumSha256], [name, 300, checksumSha256])
      for (const [fields, differs] of [
        [{ contentLength: 299 }, ['contentLength']],
        [{ checksumSha256: sha256('x', 'base64') }, ['checksumSha256']],
        [{ contentLength: 1, checksumSha256: sha256('x', 'base64') }, ['contentLength', 'checksumSha256']],
      ]) {
        const answer = await call('POST', '/confirm', { key: name, ...fields })
        isRefused(answer, 409)
        assert.deepEqual([answer.json.code, answer.json.differs], ['object_differs', differs])
      }
      isRefused(await call('POST', '/confirm', { key: 'other/f' }), 403)
    })
  })
}

describe('bounds that an operator sets', () => {
  let service, call
  before(async () => {
    const upload = { max_bytes: 1000, content_types: ['image/*'], checksum: 'require', write_once: true, cache_control: 'private, max-age=60' }
    service = await startSigner(s3, { upload, storage: { provider: 'seaweedfs' } })
    call = caller(service.url, await service.mint({ storeId: 'store1' }))
  }, limit)
  after(async () => { await service?.stop() })

  const bytes = randomBytes(1000)
  const fields = () => ({ contentType: 'image/png', contentLength: 1000, checksumSha256: sha256(bytes, 'base64') })

  test('what breaks them is refused before anything is signed', limit, async () => {
    for (const [change, status, code] of [
      [{ contentLength: 1001 }, 413, 'upload_too_large'],
      [{ contentLength: undefined }, 400, 'invalid_request'],
      [{ contentType: 'text/html' }, 415, 'content_type_not_allowed'],
      [{ contentType: undefined }, 415, 'content_type_not_allowed'],
      [{ checksumSha256: undefined }, 400, 'checksum_missing'],
    ]) {
      for (const route of ['/upload-url', '/v1/sign/upload']) {
        const answer = await call('POST', route, { key: 'store1/f', ...fields(), ...change })
        isRefused(answer, status)
        assert.equal(answer.json.code, code)
      }
    }
  })

  test('the second PUT gets 412 (K23)', limit, async () => {
    const signed = isSigned(await call('POST', '/upload-url', { key: 'store1/once', ...fields() }), { method: 'PUT', key: 'store1/once' })
    assert.equal(signed.headers['If-None-Match'], '*')
    assert.equal((await use(signed, bytes)).status, 200)
    assert.equal((await use(signed, bytes)).status, 412)
    const { 'If-None-Match': _, ...without } = signed.headers
    assert.equal((await use({ ...signed, headers: without }, bytes)).status, 403, 'it cannot be left out')
  })

  test('the headers of the configuration stay with the object', limit, async () => {
    const signed = isSigned(await call('POST', '/upload-url', { key: 'store1/cached', ...fields() }), { method: 'PUT', key: 'store1/cached' })
    assert.equal((await use(signed, bytes)).status, 200)
    const down = isSigned(await call('GET', `/download-url${query({ key: 'store1/cached' })}`), { method: 'GET', key: 'store1/cached' })
    assert.equal((await use(down)).headers.get('cache-control'), 'private, max-age=60')
  })
})

test('a storage that does not check checksums is never promised to, and health says so', limit, async () => {
  const service = await startSigner(s3, { storage: { provider: 'ceph' } })
  try {
    const call = caller(service.url, await service.mint({ storeId: 'store1' }))
    const hash = sha256('x', 'hex')
    const signed = isSigned(await call('POST', '/upload-url', { key: `store1/${hash}` }), { method: 'PUT', key: `store1/${hash}` })
    assert.deepEqual(signed.boundHeaders, ['host'])
    const given = await call('POST', '/upload-url', { key: 'store1/f', checksumSha256: sha256('x', 'base64') })
    isRefused(given, 400)
    assert.equal(given.json.code, 'checksum_unavailable')
    await until('/health is 200', async () => (await fetch(`${service.url}/health`)).status === 200)
    const health = await (await fetch(`${service.url}/health`)).json()
    assert.deepEqual(health.storage, { provider: 'ceph', leftOut: ['x-amz-checksum-sha256'] })
  } finally {
    await service.stop()
  }
})

describe('deletes in a bucket that keeps versions', () => {
  let versioned
  before(async () => { versioned = await startSeaweed({ versioning: true }) }, { timeout: 120_000 })
  after(async () => { await versioned?.stop() })

  const fill = async (call, key) => {
    for (const body of ['1', '2', '3']) {
      const signed = isSigned(await call('POST', '/upload-url', { key }), { method: 'PUT', key })
      assert.equal((await use(signed, body)).status, 200)
    }
  }

  test('all versions go where that is configured, and no other object', limit, async () => {
    const service = await startSigner(versioned, { storage: { delete_all_versions: true } })
    try {
      const call = caller(service.url, await service.mint({ storeId: 'store1' }))
      for (const key of ['store1/a b+c', 'store1/a b+cd', 'store1/a b+c/d']) await fill(call, key)
      assert.equal((await versioned.versions('store1/')).length, 9)
      for (const again of [1, 2]) {
        const answer = again === 1
          ? await call('DELETE', `/object${query({ key: 'store1/a b+c' })}`)
          : await call('POST', '/v1/delete', { key: 'store1/a b+c' })
        assert.equal(answer.status, 204, answer.text)
        assert.deepEqual((await versioned.versions('store1/')).sort(), [
          ...Array(3).fill('store1/a b+c/d'), ...Array(3).fill('store1/a b+cd'),
        ])
      }
    } finally {
      await service.stop()
    }
  })

  test('without it the bytes stay behind a marker', limit, async () => {
    const service = await startSigner(versioned)
    try {
      const call = caller(service.url, await service.mint({ storeId: 'store2' }))
      await fill(call, 'store2/f')
      assert.equal((await call('DELETE', `/object${query({ key: 'store2/f' })}`)).status, 204)
      isRefused(await call('GET', `/object${query({ key: 'store2/f' })}`), 404)
      assert.equal((await versioned.versions('store2/')).length, 4)
    } finally {
      await service.stop()
    }
  })
})
