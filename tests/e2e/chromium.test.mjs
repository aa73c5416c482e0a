// The published client in a real browser, unmodified, on three origins: a page, the signer, and a bucket behind a front
// that writes down what reaches it. Bytes go through OPFS; each client is a browser profile of its own.
import './support/quiet.mjs'
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startBrowser } from './support/browser.mjs'
import { startFront } from './support/front.mjs'
import { caller, query, use } from './support/http.mjs'
import { startPages } from './support/pages.mjs'
import { picture, shown } from './support/picture.mjs'
import { until } from './support/process.mjs'
import { startSeaweed } from './support/seaweed.mjs'
import { startSigner } from './support/signer.mjs'

const limit = { timeout: 60_000 }
const signerHost = 'signer.app.localhost'
const filePath = (key) => `/livestore-filesync-files/${key}`

let pages, s3, front, browser
before(async () => {
  pages = await startPages()
  s3 = await startSeaweed({ origins: [pages.origin] })
  front = await startFront(s3.endpoint)
  browser = await startBrowser()
}, { timeout: 120_000 })
after(async () => {
  await browser?.close()
  await front?.stop()
  await s3?.stop()
  await pages?.stop()
})

// `address` is where pages find it: on their site, so that a cookie comes along; the bucket is on another one.
async function start(change = {}) {
  const service = await startSigner(s3, {
    ...change,
    server: { cors_origins: [pages.origin], ...change.server },
    storage: { public_endpoint: front.url },
  })
  return { ...service, address: service.url.replace('127.0.0.1', signerHost) }
}

// The token where scripts cannot read it, as an application sets it at a login.
const cookieOf = (value) => ({ name: 'files', value, domain: signerHost, path: '/', httpOnly: true, sameSite: 'Lax' })

async function openPage({ cookie } = {}) {
  const context = await browser.newContext()
  if (cookie) await context.addCookies([cookie])
  const page = await context.newPage()
  await page.goto(pages.origin)
  return page
}

async function put(service, token, key, { png }) {
  const call = caller(service.url, token)
  const signed = await call('POST', '/upload-url', { key, contentType: 'image/png', contentLength: png.length })
  assert.equal((await use(signed.json, png)).status, 200)
}

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
    const page = await openPage(options)
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
    service = await start({ server: { cors_credentials: true }, auth: { cookie: 'files' } })
    const authToken = await service.mint({ storeId: 'store1' })
    ann = await enter('ann', { signerBaseUrl: service.address, authToken })
    bob = await enter('bob', { signerBaseUrl: service.address, authToken })
  }, { timeout: 120_000 })
  after(async () => { await service?.stop() })

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
      front.about(`/store1/${cat.hash}`).map(({ method, status, headers }) => [method, status, headers.origin]),
      [['PUT', 200, pages.origin], ['GET', 200, pages.origin]],
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
    assert.deepEqual(front.about(`/store1/${fox.hash}`), [])
    await mallory.context().close()
  })
})

describe('published Service Worker helper', () => {
  let service, token
  const cat = picture('cat of the worker')
  const key = `alice/${cat.hash}`

  before(async () => {
    service = await start()
    token = await service.mint({ storeId: 'alice' })
    await put(service, token, key, cat)
  }, { timeout: 60_000 })
  after(async () => { await service?.stop() })

  // A page whose files come by a Service Worker from here on.
  const openWith = async (script, told) => {
    const page = await openPage()
    await page.evaluate(async (url) => {
      const controlled = new Promise((done) => { navigator.serviceWorker.addEventListener('controllerchange', done) })
      await navigator.serviceWorker.register(url)
      await controlled
    }, `${script}${query(told)}`)
    return page
  }
  const source = (page, path) => page.evaluate(async (path) => {
    const answer = await fetch(path)
    return [answer.status, answer.headers.get('x-source')]
  }, path)

  test('shows a picture that is not on this machine, and then keeps it in OPFS', limit, async () => {
    const page = await openWith('/sw.js', { signer: service.address, token })
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
