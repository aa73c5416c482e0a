// The published Uppy in Chromium, versions 6 and 5, unmodified: pages, signer and bucket on three origins, bytes compared
// by their hash at the bucket.
import './support/quiet.mjs'
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { query } from './support/http.mjs'
import { startOrigins, takeWorker } from './support/origins.mjs'
import { until } from './support/process.mjs'
import { LARGE, MIB, PARTS, fixCors, forUppy, openUppy, stored } from './support/uppy.mjs'

const limit = { timeout: 180_000 }
const KEY = (name) => new RegExp(`^alice/[0-9a-f]{32}-${name.replaceAll('.', '\\.')}$`)

let origins, service, token
before(async () => {
  origins = await startOrigins({ withUppy: true, allowed: false, volumes: 100 })
  service = await origins.start({ ...forUppy(), server: { cors_origins: [origins.pages.origin], cors_credentials: true, base_path: '/signer' }, auth: { cookie: 'files' } })
  origins.pages.signer = service.url.replace(/\/signer$/, '')
  token = await service.mint({ storeId: 'alice', sub: 'ann' }, { ttl: 3600 })
  await fixCors(service)
}, { timeout: 180_000 })
after(async () => { await origins?.stop() })

// Each way to use it.
const WAYS = [
  { version: 6, mode: 'signRequest' },
  { version: 6, mode: 'companionEndpoint' },
  { version: 5, mode: 'endpoint' },
]

const uploads = () => origins.s3.uploads()
const gone = (end) => until('the parts are gone', async () => !(await uploads()).some((key) => key.endsWith(end)))

for (const { version, mode } of WAYS) {
  describe(`@uppy/aws-s3 ${version} with ${mode}`, () => {
    const open = (settings = {}, options) =>
      openUppy(origins, version, { mode, signer: service.address, token, ...settings }, options)

    async function arrived({ body: { key } }, name, hash, type) {
      assert.match(key, KEY(name))
      const kept = await stored(service, token, key)
      assert.equal(kept.status, 200)
      assert.equal(kept.hash, hash, 'the bytes at the bucket')
      if (type) assert.equal(kept.type, type)
    }

    test('a small file goes up whole', limit, async () => {
      const app = await open({ multipart: false })
      const hash = await app.add({ name: 'photo.png', type: 'image/png', size: 123_457 })
      await app.upload()
      const [up] = await app.uploaded()
      await arrived(up, 'photo.png', hash, 'image/png')
      await app.page.context().close()
    })

    test('a name like a path, and one in other letters, become plain names', limit, async () => {
      const app = await open({ multipart: false })
      const hash = await app.add({ name: 'Été à 日本 %2e%2e 😀.txt', type: 'text/plain', size: 1000 })
      await app.upload()
      const [up] = await app.uploaded()
      await arrived(up, 'Été à 日本 _2e_2e 😀.txt', hash, 'text/plain')
      await app.page.context().close()
    })

    test(`a large one goes up in parts (${LARGE / MIB} MiB)`, limit, async () => {
      const app = await open()
      const hash = await app.add({ name: 'film.mp4', type: 'video/mp4', size: LARGE })
      await app.upload()
      const [up] = await app.uploaded()
      assert.equal((await app.seen()).parts.length, PARTS)
      await arrived(up, 'film.mp4', hash, 'video/mp4')
      await app.page.context().close()
    })

    test('a file of one part goes up in parts', limit, async () => {
      const app = await open()
      const hash = await app.add({ name: 'one.bin', type: 'application/x-one', size: 5 * MIB + 1 })
      await app.upload()
      const [up] = await app.uploaded()
      await arrived(up, 'one.bin', hash)
      await app.page.context().close()
    })

    test('paused and taken up again, it sends what is missing', limit, async () => {
      const app = await open()
      const hash = await app.add({ name: 'paused.bin', type: 'application/octet-stream', size: LARGE, seed: 2 })
      await app.pauseAfter(3)
      await app.upload()
      await app.parts(3)
      const before = await app.seen()
      assert.deepEqual(before.uploaded, [])
      await app.resume()
      const [up] = await app.uploaded()
      assert.ok((await app.seen()).parts.length <= PARTS, 'no part twice')
      await arrived(up, 'paused.bin', hash)
      await app.page.context().close()
    })

    test('a connection that is lost in the middle of a part does not end it', limit, async () => {
      const app = await open()
      const hash = await app.add({ name: 'lost.bin', type: 'application/octet-stream', size: LARGE, seed: 3 })
      const lost = origins.front.lost
      origins.front.losing = { url: (url) => url.includes('partNumber=3'), after: MIB }
      await app.upload()
      const [up] = await app.uploaded()
      assert.equal(origins.front.lost, lost + 1, 'it was lost')
      await arrived(up, 'lost.bin', hash)
      await app.page.context().close()
    })

    test('cancelled, its parts are thrown away at the bucket', limit, async () => {
      const app = await open()
      await app.add({ name: 'cancelled.bin', type: 'application/octet-stream', size: LARGE, seed: 4 })
      await app.pauseAfter(2)
      await app.upload()
      await app.parts(2)
      assert.equal((await uploads()).filter((key) => key.endsWith('-cancelled.bin')).length, 1)
      await app.cancel()
      await gone('-cancelled.bin')
      await app.page.context().close()
    })
  })
}

for (const { version, mode } of WAYS) {
  test(`@uppy/aws-s3 ${version} with ${mode}: an upload goes on after a reload of the page, from the parts that the bucket has`, limit, async () => {
    const settings = { mode, signer: service.address, token, remember: true }
    const before = await openUppy(origins, version, settings)
    const hash = await before.add({ name: 'reloaded.bin', type: 'application/octet-stream', size: LARGE, seed: 5 })
    // Until the browser has the file itself, nobody could go on with it.
    await until('the file is kept', () => before.page.evaluate(async () => (await indexedDB.databases()).some(({ name }) => name === 'uppy-blobs')))
    await before.pauseAfter(3)
    await before.upload()
    await before.parts(3)
    const [{ s3Multipart: { uploadId, key } }] = await before.state()
    await before.page.waitForTimeout(2000)
    await before.page.reload()
    const app = await openUppy(origins, version, settings, before)
    const [file] = await until('the file is back', async () => { const files = await app.restored(); return files.length > 0 && files })
    assert.deepEqual(file, { name: 'reloaded.bin', isRestored: true, isGhost: false, s3Multipart: { uploadId, key } })
    await app.goOn()
    const [up] = await app.uploaded()
    assert.ok((await app.seen()).parts.length <= PARTS - 3, 'what was there was not sent again')
    assert.equal(up.body.key, key)
    const kept = await stored(service, token, key)
    assert.equal(kept.hash, hash)
    await app.page.context().close()
  })
}

describe('the token, where Uppy sends none', () => {
  const small = { name: 'small.txt', type: 'text/plain', size: 5000, seed: 6 }
  const large = { name: 'large.bin', type: 'application/octet-stream', size: 6 * MIB, seed: 7 }

  async function goUp(settings, page) {
    for (const [file, multipart] of [[small, false], [large, true]]) {
      const app = await openUppy(origins, 6, { mode: 'companionEndpoint', multipart, extra: { wrapped: false }, ...settings }, { page })
      const hash = await app.add(file)
      await app.upload()
      const [up] = await app.uploaded()
      assert.equal((await stored(service, token, up.body.key)).hash, hash)
      await page.reload()
    }
    await page.context().close()
  }

  test('a Service Worker adds it', limit, async () => {
    const page = await origins.openPage()
    await takeWorker(page, `/uppy-sw.js${query({ signer: service.address, token })}`)
    await goUp({ signer: service.address }, page)
  })

  test('the signer behind the page\'s own origin gets the cookie of the page', limit, async () => {
    const { hostname } = new URL(origins.pages.origin)
    const cookie = { name: 'files', value: token, domain: hostname, path: '/', httpOnly: true, sameSite: 'Lax' }
    await goUp({ signer: '/signer' }, await origins.openPage({ cookie }))
  })

  test('without it nothing goes up, and nothing is begun', limit, async () => {
    const app = await openUppy(origins, 6, { mode: 'companionEndpoint', signer: service.address, extra: { wrapped: false } })
    await app.add(large)
    await app.upload()
    const errors = await until('the refusal', async () => { const { errors } = await app.seen(); return errors.length > 0 && errors })
    assert.match(errors[0], /Companion request failed/)
    await app.page.context().close()
  })
})
