// What a download URL makes the bucket answer, URLs that are the same for a while, and downloads that are not signed.
// Case numbers (K26 …) are those of the project's security research.
import './support/quiet.mjs'
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { caller, isRefused, isSigned, query, urlEnd, use } from './support/http.mjs'
import { load } from './support/parts.mjs'
import { sleep } from './support/process.mjs'
import { startSeaweed } from './support/seaweed.mjs'
import { startDev, startSigner } from './support/signer.mjs'

const { Effect } = await load('effect')
const { makeS3SignerRemoteStorage } = await load('@livestore-filesync/core')

const limit = { timeout: 60_000 }
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

// Whoever does not sign may read: what a public bucket is.
const anonymous = { name: 'anonymous', actions: ['Read:filesync'] }
let s3, open
before(async () => { [s3, open] = await Promise.all([startSeaweed(), startSeaweed({ identities: [anonymous] })]) }, { timeout: 120_000 })
after(async () => { await Promise.all([s3?.stop(), open?.stop()]) })

// The store's caller, with what every test here does.
const connect = (service, store, token) => {
  const call = caller(service.url, token)
  const key = (name) => `${store}/${name}`
  return {
    call,
    key,
    async put(name, bytes, contentType) {
      const signed = isSigned(await call('POST', '/upload-url', { key: key(name), contentType }), { method: 'PUT', key: key(name) })
      assert.equal((await use(signed, bytes)).status, 200)
    },
    sign: async (name, wishes = {}) =>
      isSigned(await call('GET', `/download-url${query({ key: key(name), ...wishes })}`), { method: wishes.method ?? 'GET', key: key(name) }),
  }
}

const backends = [
  {
    name: 'SeaweedFS',
    store: 'store1',
    methods: ['GET', 'HEAD'],
    async start() {
      const service = await startSigner(s3, { download: { cache_window: '1h' } })
      return { ...service, token: await service.mint({ storeId: 'store1' }) }
    },
  },
  // s3s-fs answers a HEAD with what it keeps.
  { name: 'embedded S3', store: 'demo', methods: ['GET'], start: () => startDev() },
]

for (const backend of backends) {
  describe(`overrides: ${backend.name}`, () => {
    let service, store
    before(async () => {
      service = await backend.start()
      store = connect(service, backend.store, service.token)
    }, limit)
    after(async () => { await service?.stop() })

    test(`the bucket answers ${backend.methods.join(' and ')} with the name and type that were asked for`, limit, async () => {
      await store.put('report', 'a,b\n', 'application/octet-stream')
      const wishes = { filename: 'Bericht "ä" 😀.csv', responseContentType: 'text/csv; charset=utf-8' }
      for (const method of backend.methods) {
        const answer = await use(await store.sign('report', { ...wishes, method }))
        assert.equal(answer.status, 200)
        assert.equal(answer.headers.get('content-type'), 'text/csv; charset=utf-8')
        assert.equal(answer.headers.get('content-disposition'), 'attachment; filename="Bericht ___ _.csv"; filename*=UTF-8\'\'Bericht%20%22%C3%A4%22%20%F0%9F%98%80.csv')
      }
      const shown = await use(await store.sign('report', { disposition: 'inline' }))
      assert.equal(shown.headers.get('content-disposition'), 'inline')
      assert.equal(shown.headers.get('content-type'), 'application/octet-stream')
    })

    test('what may run in a page is saved, whoever asks and however', limit, async () => {
      for (const [name, type] of [['drawing.svg', 'image/svg+xml'], ['page.html', 'text/html']]) {
        await store.put(name, '<script>alert(1)</script>', type)
        const v1 = isSigned(await store.call('POST', '/v1/sign/download', { key: store.key(name) }), { method: 'GET', key: store.key(name) })
        for (const signed of [await store.sign(name), await store.sign(name, { disposition: 'inline' }), v1]) {
          const answer = await use(signed)
          assert.equal(answer.headers.get('content-type'), type)
          assert.equal(answer.headers.get('content-disposition'), 'attachment')
        }
        const plain = await use(await store.sign(name, { disposition: 'inline', responseContentType: 'text/plain' }))
        assert.equal(plain.headers.get('content-type'), 'text/plain', 'the type that is signed wins')
        assert.equal(plain.headers.get('content-disposition'), 'inline')
      }
    })

    test('an override that was not signed, or was changed or dropped, is refused (K26)', limit, async () => {
      await store.put('kept.svg', '<svg/>', 'image/svg+xml')
      const { url } = await store.sign('kept.svg', { responseContentType: 'image/png', disposition: 'inline' })
      for (const other of [
        `${url}&response-cache-control=public`,
        url.replace('response-content-type=image%2Fpng', 'response-content-type=text%2Fhtml'),
        url.replace('response-content-disposition=inline&', ''),
      ]) {
        assert.notEqual(other, url)
        assert.equal((await use({ url: other })).status, 403)
      }
      assert.equal((await use({ url })).status, 200)
    })
  })
}

describe('URLs that are the same for a while', () => {
  const secs = 6
  let service, store
  before(async () => {
    service = await startSigner(s3, { download: { cache_window: `${secs}s` } })
    store = connect(service, 'store1', await service.mint({ storeId: 'store1' }))
  }, limit)
  after(async () => { await service?.stop() })
  // The rest of this window, so that what follows has most of the next one.
  const nextWindow = () => sleep(secs * 1000 - (Date.now() % (secs * 1000)) + 200)

  test('one URL a window, accepted from its begin to its end, and another in the next', limit, async () => {
    const bytes = randomBytes(100)
    const name = sha256(bytes)
    await store.put(name, bytes, 'image/png')
    await nextWindow()
    const first = await store.sign(name, { expiresIn: 2 })
    await sleep(1000)
    const second = await store.sign(name, { expiresIn: 2 })
    assert.equal(first.url, second.url)
    assert.deepEqual([first.expiresAt, first.sameUntil], [second.expiresAt, second.sameUntil])
    assert.equal(Date.parse(first.sameUntil) % (secs * 1000), 0)
    for (const signed of [first, second]) {
      const answer = await use(signed)
      assert.equal(answer.status, 200)
      assert.deepEqual(answer.bytes, bytes)
      assert.equal(answer.headers.get('cache-control'), `private, max-age=${secs + 2}, immutable`)
    }
    await sleep(Date.parse(first.sameUntil) - Date.now() + 100)
    const next = await store.sign(name, { expiresIn: 2 })
    assert.notEqual(next.url, first.url)
    assert.equal((await use(next)).status, 200)
    await sleep(urlEnd(first.url) - Date.now() + 1500)
    assert.equal((await use(first)).status, 403, 'it ends when it says')
  })
})

describe('public downloads', () => {
  let service, store, token
  before(async () => {
    service = await startSigner(open, {
      download: { mode: 'public', force_attachment: false, public_base_url: `${open.endpoint}/${open.bucket}` },
    })
    token = await service.mint({ storeId: 'store1' })
    store = connect(service, 'store1', token)
  }, limit)
  after(async () => { await service?.stop() })

  for (const name of ['plain', "a b+c/é 'x' 50 %/😀?#&=;"]) {
    test(`${JSON.stringify(name)} goes up signed and is read by everybody at one address`, limit, async () => {
      await store.put(name, 'for all', 'text/plain')
      const ask = (fields) => store.call('GET', `/download-url${query({ key: store.key(name), ...fields })}`)
      const { json: answer } = await ask({})
      assert.deepEqual(
        [answer.expiresAt, answer.refreshAfter, answer.expiresIn, answer.headers, answer.boundHeaders],
        [null, null, null, {}, []],
      )
      assert.equal(new URL(answer.url).search, '')
      const read = await fetch(answer.url)
      assert.equal(await read.text(), 'for all')
      const { json: head } = await ask({ method: 'HEAD' })
      assert.deepEqual([head.method, head.url], ['HEAD', answer.url])
      assert.equal((await fetch(head.url, { method: 'HEAD' })).headers.get('content-length'), '7')
      assert.equal((await fetch(answer.url, { method: 'PUT', body: 'x' })).status, 403, 'writing needs a signature')
      assert.equal((await fetch(answer.url, { method: 'DELETE' })).status, 403)
      isRefused(await ask({ filename: 'x' }), 400)
      assert.equal((await store.call('DELETE', `/object${query({ key: store.key(name) })}`)).status, 204)
    })
  }

  test('the published client reads them', limit, async () => {
    const bytes = randomBytes(1000)
    const name = sha256(bytes)
    const client = makeS3SignerRemoteStorage({ signerBaseUrl: service.url, authToken: token })
    await Effect.runPromise(client.upload(new File([bytes], 'file', { type: 'image/png' }), { key: store.key(name) }))
    const url = await Effect.runPromise(client.getDownloadUrl(store.key(name)))
    assert.equal(url, `${open.endpoint}/${open.bucket}/${store.key(name)}`)
    const got = await Effect.runPromise(client.download(store.key(name), { onProgress() {} }))
    assert.deepEqual(Buffer.from(await got.arrayBuffer()), bytes)
  })
})
