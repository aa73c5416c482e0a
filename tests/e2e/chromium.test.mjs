// The published client in a real browser, unmodified, on three origins (see support/origins.mjs). Bytes go through OPFS;
// each client is a browser profile of its own.
import './support/quiet.mjs'
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { caller, query } from './support/http.mjs'
import { cookieOf, put, startOrigins, takeWorker } from './support/origins.mjs'
import { picture, shown } from './support/picture.mjs'
import { until } from './support/process.mjs'

const limit = { timeout: 60_000 }
const filePath = (key) => `/livestore-filesync-files/${key}`

let origins, front
before(async () => {
  origins = await startOrigins()
  front = origins.front
}, { timeout: 120_000 })
after(async () => { await origins?.stop() })

// The file's bytes in the page's OPFS, or null.
const inOpfs = async (page, path) => {
  const bytes = await page.evaluate(async (path) => {
    try {
      const names = path.split('/')
      let folder = await navigator.storage.getDirectory()
      for (const name of names.slice(0, -1)) folder = await folder.getDirectoryHandle(name)
      const file = await (await folder.getFileHandle(names.at(-1))).getFile()
      return [...new Uint8Array(await file.arrayBuffer())]
    } catch {
      return null
    }
  }, path)
  return bytes && Buffer.from(bytes)
}

describe('whole client in Chromium: createFileSync on LiveStore, files in OPFS', () => {
  let service, ann, bob
  const enter = async (name, remote, options) => {
    const page = await origins.openPage(options)
    await page.addScriptTag({ type: 'module', url: '/client.js' })
    await page.waitForFunction(() => globalThis.enter)
    await page.evaluate((settings) => globalThis.enter(settings), { name, storeId: 'store1', remote })
    return page
  }
  const save = (page, { png }) =>
    page.evaluate(([png, type]) => globalThis.app.save(png, type), [png.toString('base64'), 'image/png'])
  const events = (page, ...which) => page.evaluate((which) => globalThis.app.events(...which), which)
  const arrives = (page, fileId) => until('the file arrives', async () => (await events(page, 'download:complete', fileId)).length > 0)
  const resolve = (page, fileId) => page.evaluate((fileId) => globalThis.app.resolve(fileId), fileId)

  before(async () => {
    service = await origins.start({ server: { cors_credentials: true }, auth: { cookie: 'files' } })
    const authToken = await service.mint({ storeId: 'store1' })
    ann = await enter('ann', { signerBaseUrl: service.address, authToken })
    bob = await enter('bob', { signerBaseUrl: service.address, authToken })
  }, { timeout: 120_000 })

  test('a picture saved on one client is on the screen of a second one', limit, async () => {
    const cat = picture('cat')
    const { fileId, contentHash } = await save(ann, cat)
    assert.equal(contentHash, cat.hash)
    await arrives(bob, fileId)
    assert.deepEqual(await inOpfs(bob, `livestore-filesync-files/store1/${cat.hash}`), cat.png)
    const url = await resolve(bob, fileId)
    assert.match(url, /^blob:/, 'from its own disk')
    assert.deepEqual(await shown(bob, url), cat.pixels)
    // the bytes went between page and bucket, once in each direction
    assert.deepEqual(
      front.about(`store1/${cat.hash}`).map(({ method, status, headers }) => [method, status, headers.origin]),
      [['PUT', 200, origins.pages.origin], ['GET', 200, origins.pages.origin]],
    )
  })

  test('a client that has a cookie and no token: its picture arrives too', limit, async () => {
    const dog = picture('dog')
    const cookie = cookieOf(await service.mint({ storeId: 'store1' }))
    const cleo = await enter('cleo', { signerBaseUrl: service.address, includeCredentials: true }, { cookie })
    const { fileId } = await save(cleo, dog)
    await arrives(bob, fileId)
    assert.deepEqual(await shown(bob, await resolve(bob, fileId)), dog.pixels)
    await cleo.context().close()
  })

  test('deleteFile on one client: gone from the bucket and from the second one\'s OPFS', limit, async () => {
    const bird = picture('bird')
    const { fileId } = await save(ann, bird)
    await arrives(bob, fileId)
    await ann.evaluate((fileId) => globalThis.app.remove(fileId), fileId)
    const call = caller(service.url, await service.mint({ storeId: 'store1' }))
    const key = `store1/${bird.hash}`
    await until('the bucket has lost it', async () => (await call('GET', `/object${query({ key })}`)).status === 404)
    await until('the second client has lost it', async () => (await inOpfs(bob, `livestore-filesync-files/${key}`)) === null)
  })

  test('a client with the token of another store: the page can read the refusal, and nothing is in the bucket', limit, async () => {
    const fox = picture('fox')
    const authToken = await service.mint({ storeId: 'store2' })
    const mallory = await enter('mallory', { signerBaseUrl: service.address, authToken })
    const { fileId } = await save(mallory, fox)
    const [sentence] = await until('the refusal', async () => {
      const errors = await events(mallory, 'upload:error', fileId)
      return errors.length > 0 && errors
    })
    assert.match(sentence, /\b403\b/)
    assert.deepEqual(front.about(`store1/${fox.hash}`), [])
    await mallory.context().close()
  })
})

describe('published Service Worker helper', () => {
  let service, token
  const cat = picture('cat of the worker')
  const key = `alice/${cat.hash}`

  before(async () => {
    service = await origins.start()
    token = await service.mint({ storeId: 'alice' })
    await put(service, token, key, cat.png)
  }, { timeout: 60_000 })

  const openWith = async (script) => {
    const page = await origins.openPage()
    await takeWorker(page, script)
    return page
  }
  const source = (page, path) => page.evaluate(async (path) => {
    const answer = await fetch(path)
    return [answer.status, answer.headers.get('x-source')]
  }, path)

  test('shows nothing of another store', limit, async () => {
    const theirs = `bob/${cat.hash}`
    await put(service, await service.mint({ storeId: 'bob' }), theirs, cat.png)
    const before = front.about(theirs).length
    const page = await openWith(`/sw.js${query({ signer: service.address, token })}`)
    assert.equal(await shown(page, filePath(theirs)), null)
    assert.equal(front.about(theirs).length, before)
  })

  test('shows a picture that is not on this machine, and then keeps it in OPFS', limit, async () => {
    const page = await openWith(`/sw.js${query({ signer: service.address, token })}`)
    const before = front.about(key).length
    assert.equal(await inOpfs(page, filePath(key).slice(1)), null)
    assert.deepEqual(await shown(page, filePath(key)), cat.pixels)
    assert.deepEqual(await inOpfs(page, filePath(key).slice(1)), cat.png)
    // asked again, it neither asks for a URL nor the bucket
    await service.stop()
    assert.deepEqual(await source(page, filePath(key)), [200, 'opfs'])
    assert.deepEqual(await shown(page, `${filePath(key)}?again`), cat.pixels)
    assert.equal(front.about(key).length, before + 1)
  })
})
