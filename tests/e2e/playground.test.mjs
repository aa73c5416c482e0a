// The page of `signer dev`, and deploy/web on an origin of its own, in Chromium.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { join, resolve } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { complaints, startBrowser } from './support/browser.mjs'
import { coloursOf, quarters, servePages } from './support/pictures.mjs'
import { cleanEnv, finish, tempDir, until } from './support/process.mjs'
import { startDev } from './support/signer.mjs'
import { minter } from './support/tokens.mjs'

const limit = { timeout: 90_000 }
const repo = resolve(fileURLToPath(import.meta.url), '..', '..', '..')
const web = join(repo, 'deploy', 'web')
const shots = join(repo, 'target', 'screenshots')
const FLAG = [[220, 20, 60], [255, 215, 0], [0, 100, 200], [20, 160, 80]]
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')
const png = (name, colours = FLAG) => ({ name, mimeType: 'image/png', buffer: quarters(colours) })

let browser
before(async () => { browser = await startBrowser('--host-resolver-rules=MAP rebound.test 127.0.0.1'); mkdirSync(shots, { recursive: true }) }, limit)
afterEach(async () => { for (const context of browser?.contexts() ?? []) await context.close() })
after(async () => browser?.close())

async function open(url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1240, height: 860 }, ...options })
  const page = await context.newPage()
  const heard = complaints(page)
  await page.goto(url)
  await page.waitForSelector('body[data-ready]')
  return { context, page, heard }
}

const tile = (name) => `#gallery li:has(.name[title="${name}"])`
const add = async (page, file) => {
  await page.setInputFiles('#pick', file)
  await page.waitForSelector(tile(file.name))
}
const logged = (page) => page.$$eval('.log summary', (lines) => lines.map((line) => [...line.children].map((part) => part.textContent).join(' ')))
const session = (dev, headers) => new Promise((done, fail) => {
  request(`${dev.url}/playground/session`, { headers }, (response) => {
    let body = ''
    response.setEncoding('utf8').on('data', (text) => { body += text }).on('end', () => done({ status: response.statusCode, body }))
  }).on('error', fail).end()
})

describe('the playground', () => {
  let dev
  before(async () => { dev = await startDev() }, limit)
  after(async () => dev?.stop())

  test('signer dev prints first where to open it', () => {
    assert.match(dev.run.stdout, new RegExp(`^open ${dev.url}/`))
  })

  test('a picture goes up with progress, straight to the bucket, and its pixels come back through the Service Worker', limit, async () => {
    const { context, page, heard } = await open(dev.url)
    const sent = []
    page.on('request', (got) => { if (got.method() === 'PUT') sent.push({ url: got.url(), headers: got.headers() }) })
    const wire = await context.newCDPSession(page)
    await wire.send('Network.enable')
    await wire.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 1_500_000 })
    await page.evaluate(() => {
      window.values = []
      new MutationObserver(() => { const bar = document.querySelector('#uploads progress'); if (bar) window.values.push(bar.value) })
        .observe(document.getElementById('uploads'), { subtree: true, childList: true, attributes: true, characterData: true })
    })
    await add(page, { name: 'noise.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(3_000_000, 'noise') })
    const values = await page.evaluate(() => window.values)
    assert.ok(values.some((value) => value > 5 && value < 95), `no progress between: ${values}`)
    assert.deepEqual(values, values.toSorted((a, b) => a - b), 'it only grows')
    await wire.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 })

    const flag = png('flag.png')
    await add(page, flag)
    assert.deepEqual(await coloursOf(page, `${tile('flag.png')} img`), FLAG)
    assert.equal(sent.length, 2)
    for (const { url, headers } of sent) {
      assert.equal(new URL(url).host, dev.s3Listen)
      assert.equal(headers.authorization, undefined, 'the bucket never sees the token')
    }
    assert.doesNotMatch(dev.run.log(), /"method":"PUT"/, 'no byte of a file went through the signer')

    const seen = await page.locator(`${tile('flag.png')} img`).screenshot()
    const onScreen = await page.evaluate(async (base64) => {
      const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], { type: 'image/png' }))
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height)
      canvas.getContext('2d').drawImage(bitmap, 0, 0)
      return [[1, 1], [3, 1], [1, 3], [3, 3]].map(([x, y]) => [...canvas.getContext('2d').getImageData(bitmap.width * x / 4, bitmap.height * y / 4, 1, 1).data].slice(0, 3))
    }, seen.toString('base64'))
    assert.deepEqual(onScreen, FLAG, 'on the screen, too')
    assert.deepEqual(heard, [])
  })

  test('the log tells what was asked and answered, without a signature, and its curl works in a shell', limit, async () => {
    const { context, page } = await open(dev.url)
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    await add(page, png('log.png', FLAG.toReversed()))
    await coloursOf(page, `${tile('log.png')} img`)
    const lines = await until('both calls', async () => { const got = await logged(page); return got.length === 4 && got })
    assert.deepEqual(lines.map((line) => line.split(' ').slice(0, 2).join(' ')).sort(), ['bucket GET', 'bucket PUT', 'signer GET', 'signer POST'])
    for (const details of await page.$$('.log details')) await details.evaluate((element) => { element.open = true })
    assert.doesNotMatch(await page.textContent('#log'), /X-Amz-Signature=|Bearer ey/)
    assert.match(await page.textContent('#log'), /"expiresIn": 900/)
    for (const who of ['signer', 'bucket']) {
      const entry = page.locator('.log li', { has: page.locator(`.who.${who}`) }).filter({ hasText: 'GET' })
      await entry.locator('button.copy').click()
      const command = await page.evaluate(() => navigator.clipboard.readText())
      const cwd = tempDir('curl')
      const ran = await finish('bash', ['-euo', 'pipefail', '-c', command], { cwd, env: cleanEnv({ TOKEN: dev.token }) })
      assert.equal(ran.code, 0, ran.all)
      if (who === 'signer') assert.match(ran.stdout, /"method":"GET"/)
      else assert.deepEqual(readFileSync(join(cwd, 'FILE')), quarters(FLAG.toReversed()))
    }
    await page.click('#copy-token')
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `TOKEN='${dev.token}'`)
  })

  test('it shows the store and the rights of the token', limit, async () => {
    const { page } = await open(dev.url)
    assert.equal(await page.textContent('#token-store'), 'demo')
    assert.equal(await page.textContent('#token-scopes'), 'read, write, delete')
  })

  test('a reload shows the gallery again, out of the cache, without a call to the bucket', limit, async () => {
    const { page, heard } = await open(dev.url)
    await add(page, png('again.png'))
    await coloursOf(page, `${tile('again.png')} img`)
    await page.waitForFunction(async () => (await (await caches.open('filesync-files-v1')).keys()).length === 1)
    await page.reload()
    assert.deepEqual(await coloursOf(page, `${tile('again.png')} img`), FLAG)
    const lines = await until('the log', async () => { const got = await logged(page); return got.length > 0 && got })
    assert.ok(lines.every((line) => line.startsWith('cache GET')), lines.join('\n'))
    assert.deepEqual(heard, [])
  })

  test('a deleted file is gone from the page, the cache and the bucket', limit, async () => {
    const { page, heard } = await open(dev.url)
    const file = png('gone.png', [FLAG[0], FLAG[0], FLAG[1], FLAG[1]])
    await add(page, file)
    await coloursOf(page, `${tile('gone.png')} img`)
    await page.click(`${tile('gone.png')} button`)
    await page.waitForSelector(tile('gone.png'), { state: 'detached' })
    assert.equal(await page.evaluate(async () => (await (await caches.open('filesync-files-v1')).keys()).length), 0)
    const key = `demo/${sha256(file.buffer)}`
    assert.equal((await fetch(`${dev.url}/object?key=${key}`, { headers: { authorization: `Bearer ${dev.token}` } })).status, 404)
    assert.deepEqual(heard, [])
    await page.reload()
    await page.waitForSelector('body[data-ready]')
    assert.equal(await page.locator('#gallery li').count(), 0)
  })

  test('a token that is wrong, or of another signer, is a sentence; the right one works again', limit, async () => {
    const { page } = await open(dev.url)
    const use = async (text) => {
      await page.evaluate(() => { document.getElementById('token-other').open = true })
      await page.fill('#token-input', text)
      await page.click('#token-form button[type=submit]')
      await page.waitForSelector('#token-notice:not([hidden])')
      return page.textContent('#token-notice')
    }
    assert.match(await use('not a token'), /This is no JWT/)
    const foreign = await minter('another secret of thirty-two bytes!')({ storeId: 'demo' })
    assert.match(await use(foreign), /The signer does not accept the token.*sign in again/)
    await page.setInputFiles('#pick', png('refused.png'))
    assert.match(await page.textContent('#uploads .failed'), /does not accept the token/)
    await page.click('#token-reset')
    await page.waitForSelector('#token-notice', { state: 'hidden' })
    await add(page, png('accepted.png'))
    assert.deepEqual(await coloursOf(page, `${tile('accepted.png')} img`), FLAG)
  })

  test('everything can be done with the keyboard', limit, async () => {
    const { page, heard } = await open(dev.url)
    const press = async (key, wanted) => {
      for (let i = 0; i < 12; i += 1) {
        await page.keyboard.press(key)
        if (await page.evaluate((selector) => document.activeElement.matches(selector), wanted)) return
      }
      assert.fail(`${key} never reaches ${wanted}`)
    }
    // Listened for from the begin: the browser is told so by a message of its own, which a key could overtake.
    const chooser = page.waitForEvent('filechooser')
    await press('Tab', '#pick')
    assert.ok(await page.evaluate(() => getComputedStyle(document.querySelector('#pick + label')).outlineStyle === 'solid'), 'the focus is seen')
    await page.keyboard.press('Enter')
    await (await chooser).setFiles(png('typed.png'))
    await page.waitForSelector(tile('typed.png'))
    await press('Tab', '#sample')
    await page.keyboard.press('Enter')
    await page.waitForFunction(() => document.querySelectorAll('#gallery li').length === 2)
    for (const left of [1, 0]) {
      await press('Tab', '#gallery button')
      await page.keyboard.press('Enter')
      await page.waitForFunction((count) => document.querySelectorAll('#gallery li').length === count, left)
      const focused = await page.waitForFunction((count) => {
        const { activeElement } = document
        return activeElement !== document.body && activeElement.matches(count > 0 ? '#gallery button' : '#pick')
      }, left)
      assert.ok(focused, 'the focus is not lost')
      if (left > 0) await page.keyboard.press('Shift+Tab')
    }
    assert.match(await page.textContent('#spoken'), /is deleted/)
    assert.deepEqual(heard, [])
  })

  test('a page among the files, opened in a tab, runs nothing, and no file is a script of this page', limit, async () => {
    const { context, page } = await open(dev.url)
    const hostile = Buffer.from('<!doctype html><title>quiet</title><script>document.title = "ran"</script>')
    await add(page, { name: 'page.html', mimeType: 'text/html', buffer: hostile })
    const script = Buffer.from('window.ran = true')
    await add(page, { name: 'code.js', mimeType: 'text/javascript', buffer: script })
    const path = (bytes) => `/livestore-filesync-files/demo/${sha256(bytes)}`
    const tab = await context.newPage()
    await tab.goto(dev.url + path(hostile))
    assert.equal(await tab.title(), 'quiet')
    assert.equal(await tab.evaluate(() => self.origin), 'null', 'its origin is not ours')
    const loaded = await page.evaluate((src) => new Promise((done) => {
      const element = document.createElement('script')
      Object.assign(element, { src, onload: () => done('loaded'), onerror: () => done('refused') })
      document.head.append(element)
    }), path(script))
    assert.equal(loaded, 'refused')
    assert.equal(await page.evaluate(() => window.ran), undefined)
  })

  test('a foreign Host, a foreign page and a rebound name get no token', limit, async () => {
    assert.ok((await session(dev, {})).body.includes(dev.token), 'the page of this address does')
    for (const headers of [{ host: 'rebound.test' }, { host: `rebound.test:${dev.listen.split(':')[1]}` }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { origin: 'http://127.0.0.1:3000' }]) {
      const got = await session(dev, headers)
      assert.equal(got.status, 403, JSON.stringify(headers))
      assert.ok(!got.body.includes(dev.token))
    }
    const stranger = await servePages({ '/': '<!doctype html><title>stranger</title><link rel="icon" href="data:,">' }, web)
    const context = await browser.newContext()
    const page = await context.newPage()
    const answers = []
    await page.goto(stranger.origin)
    // What the browser keeps from the page it does not keep from us.
    const wire = await context.newCDPSession(page)
    await wire.send('Network.enable')
    wire.on('Network.responseReceivedExtraInfo', ({ statusCode }) => answers.push(statusCode))
    const tries = await page.evaluate(async (url) => {
      const read = (options) => fetch(url, options).then(async (got) => `${got.type} ${got.status} ${await got.text()}`, () => 'failed')
      return [await read({}), await read({ mode: 'no-cors' }), await read({ credentials: 'include' })]
    }, `${dev.url}/playground/session`)
    assert.ok(tries.every((text) => !text.includes(dev.token)), tries.join('\n'))
    assert.ok(tries.every((text) => text === 'failed'), tries.join('\n'))
    assert.deepEqual(answers, [403, 403, 403])
    // DNS rebinding: to the browser this page is of the same origin as the answer.
    const rebound = `http://rebound.test:${dev.listen.split(':')[1]}`
    await page.goto(`${rebound}/livez`)
    const stolen = await page.evaluate(async () => (await fetch('/playground/session')).text())
    assert.match(stolen, /This page is at/)
    stranger.stop()
  })

  test('a signer that others can reach tells nobody the token, and the page asks for it', limit, async () => {
    const reachable = await startDev({ reachable: true })
    try {
      const { page } = await open(reachable.url)
      assert.match(await page.textContent('#token-notice'), /The terminal shows a token/)
      await page.fill('#token-input', reachable.token)
      await page.click('#token-form button[type=submit]')
      await page.waitForSelector('#token-notice', { state: 'hidden' })
      await add(page, png('pasted.png'))
      assert.deepEqual(await coloursOf(page, `${tile('pasted.png')} img`), FLAG)
      } finally {
      await reachable.stop()
    }
  })

  for (const colorScheme of ['light', 'dark']) {
    test(`a screenshot is kept of it in the ${colorScheme}`, limit, async () => {
      const { page, heard } = await open(dev.url, { colorScheme, reducedMotion: 'reduce' })
      for (let count = 1; count <= 5; count += 1) {
        await page.click('#sample')
        await page.waitForFunction((wanted) => document.querySelectorAll('#gallery li').length === wanted, count)
      }
      await add(page, { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') })
      await page.waitForFunction(() => [...document.querySelectorAll('#gallery img')].every((picture) => picture.complete && picture.naturalWidth))
      await page.mouse.move(0, 0)
      await page.screenshot({ path: join(shots, `playground-${colorScheme}.png`) })
      if (colorScheme === 'light' && process.env.PLAYGROUND_PICTURE) {
        const path = join(web, 'playground.png')
        await page.screenshot({ path })
        assert.ok(statSync(path).size < 200_000)
      }
      assert.deepEqual(heard, [])
      })
  }

  test('the page that is open outlives a restart of signer dev, which has another secret', limit, async () => {
    const first = await startDev()
    const { page } = await open(first.url)
    await first.stop()
    const second = await startDev({ listen: first.listen, s3Listen: first.s3Listen })
    try {
      assert.notEqual(second.token, first.token)
      await add(page, png('after.png'))
      assert.deepEqual(await coloursOf(page, `${tile('after.png')} img`), FLAG)
      const asks = (await logged(page)).filter((line) => line.startsWith('signer POST')).map((line) => line.match(/\d{3}(?= ·)/)[0])
      assert.deepEqual(asks, ['200', '401'], 'newest first')
    } finally {
      await second.stop()
    }
  })

  // Last, because it takes the signer and the bucket away.
  test('with signer, bucket and network gone, a reload still shows the page and its pictures', limit, async () => {
    const { context, page } = await open(dev.url)
    await add(page, png('kept.png'))
    assert.deepEqual(await coloursOf(page, `${tile('kept.png')} img`), FLAG)
    await page.waitForFunction(async () => (await (await caches.open('filesync-files-v1')).keys()).length === 1)
    await dev.stop()
    await context.setOffline(true)
    await page.reload()
    await page.waitForSelector('body[data-ready]')
    assert.deepEqual(await coloursOf(page, `${tile('kept.png')} img`), FLAG)
    assert.match(await page.textContent('#network'), /offline/)
    await page.setInputFiles('#pick', png('later.png', FLAG.toReversed()))
    const sentence = await page.waitForSelector('#uploads .failed')
    assert.match(await sentence.textContent(), /The signer cannot be reached/)
    await page.screenshot({ path: join(shots, 'playground-offline.png') })
  })
})

describe('deploy/web with page, signer and bucket on three origins', () => {
  let dev, site
  before(async () => {
    site = await servePages({
      '/': '<!doctype html><title>an app</title><link rel="icon" href="data:,"><body>',
      '/sw.js': "import { installFiles } from '/service-worker.js'\nconst { searchParams } = new URL(location.href)\ninstallFiles(self, { signerBaseUrl: searchParams.get('signer'), reportCalls: true })",
    }, web)
    dev = await startDev({ args: ['--origin', site.origin, '--url-life', '2'] })
  }, limit)
  after(async () => { await dev?.stop(); site?.stop() })

  async function app() {
    const context = await browser.newContext()
    const page = await context.newPage()
    const heard = complaints(page)
    await page.goto(site.origin)
    await page.evaluate(async ({ signer, token }) => {
      const { createFiles, pathOfKey } = await import('/client.js')
      const { connectServiceWorker } = await import('/page.js')
      Object.assign(window, { calls: [], asked: 0, pathOfKey, createFiles })
      const log = ({ to, method, status }) => window.calls.push(`${to} ${method} ${status}`)
      const options = { signerBaseUrl: signer, token: () => { window.asked += 1; return window.token }, onCall: log }
      window.token = token
      window.files = createFiles(options)
      window.worker = await connectServiceWorker({ scriptUrl: `/sw.js?signer=${encodeURIComponent(signer)}`, token: options.token, onCall: log })
    }, { signer: dev.url, token: dev.token })
    return { page, heard }
  }

  test('an upload, and an <img> through the Service Worker; the second time out of the cache', limit, async () => {
    const { page, heard } = await app()
    const bytes = quarters(FLAG)
    const src = await page.evaluate(async (base64) => {
      const sent = await window.files.upload(new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], { type: 'image/png' }), { store: 'demo' })
      document.body.append(Object.assign(new Image(), { id: 'one', src: window.pathOfKey(sent.key) }))
      return window.pathOfKey(sent.key)
    }, bytes.toString('base64'))
    assert.equal(src, `/livestore-filesync-files/demo/${sha256(bytes)}`)
    assert.deepEqual(await coloursOf(page, '#one'), FLAG)
    await page.waitForFunction(async () => (await (await caches.open('filesync-files-v1')).keys()).length === 1)
    const again = await page.evaluate(async (path) => { window.calls.length = 0; return (await fetch(path)).status }, src)
    assert.equal(again, 200)
    await page.waitForFunction(() => window.calls.length === 1)
    assert.deepEqual(await page.evaluate(() => window.calls), ['cache GET 200'])
    const part = await page.evaluate(async (path) => { const got = await fetch(path, { headers: { Range: 'bytes=1-3' } }); return [got.status, await got.text()] }, src)
    assert.deepEqual(part, [206, 'PNG'], 'a part of what is cached')
    assert.deepEqual(heard, [])
  })

  test('a Range gets 206 from the bucket and is not cached; If-Range passes; bytes under no hash are never cached', limit, async () => {
    const { page, heard } = await app()
    const got = await page.evaluate(async () => {
      const { key } = await window.files.upload(new Blob(['0123456789']), { store: 'demo' })
      await window.files.upload(new Blob(['abcdefghij']), { key: 'demo/plain.txt' })
      const read = async (path, headers) => { const answer = await fetch(path, { headers }); return [answer.status, await answer.text()] }
      const parts = [
        await read(window.pathOfKey(key), { Range: 'bytes=2-4' }),
        await read(window.pathOfKey('demo/plain.txt'), { Range: 'bytes=2-4', 'If-Range': 'Mon, 01 Jan 2001 00:00:00 GMT' }),
        await read(window.pathOfKey('demo/plain.txt'), {}),
      ]
      await new Promise((done) => setTimeout(done, 300))
      return { parts, cached: (await (await caches.open('filesync-files-v1')).keys()).length }
    })
    assert.deepEqual(got.parts[0], [206, '234'])
    assert.ok(got.parts[1][0] === 200 || got.parts[1][0] === 206, String(got.parts[1]))
    assert.deepEqual(got.parts[2], [200, 'abcdefghij'])
    assert.equal(got.cached, 0)
    assert.deepEqual(heard, [])
  })

  test('bytes that are not those of the hash are not cached', limit, async () => {
    const { page } = await app()
    const cached = await page.evaluate(async () => {
      const right = await window.files.cache.keep('demo/x', await (await import('/client.js')).sha256Hex(new TextEncoder().encode('right')), new Response('right'))
      const wrong = await window.files.cache.keep('demo/y', '0'.repeat(64), new Response('wrong'))
      return { right, wrong, kept: [await window.files.cache.match('demo/x'), await window.files.cache.match('demo/y')].map(Boolean) }
    })
    assert.deepEqual(cached, { right: true, wrong: false, kept: [true, false] })
  })

  test('a URL that expires while the page is open is renewed once', limit, async () => {
    const { page } = await app()
    const calls = await page.evaluate(async ({ signer, token }) => {
      const calls = []
      // A clock that stands still takes every URL for new, as after a laptop has slept.
      const files = window.createFiles({ signerBaseUrl: signer, token: () => token, now: () => 0, onCall: ({ to, method, status }) => calls.push(`${to} ${method} ${status}`) })
      const { key } = await files.upload(new Blob(['expires']), { store: 'demo' })
      await (await files.download(key)).text()
      await new Promise((done) => setTimeout(done, 4000))
      calls.length = 0
      const text = await (await files.download(key)).text()
      return [...calls, text]
    }, { signer: dev.url, token: dev.token })
    assert.deepEqual(calls, ['bucket GET 403', 'signer GET 200', 'bucket GET 200', 'expires'])
  })

  test('through the Service Worker a film plays on after its URL has expired', limit, async () => {
    const { page, heard } = await app()
    const got = await page.evaluate(async () => {
      const { key } = await window.files.upload(new Blob(['0123456789']), { key: 'demo/film.mp4', contentType: 'video/mp4' })
      const read = async (range) => (await fetch(window.pathOfKey(key), { headers: { Range: range } })).text()
      const first = await read('bytes=0-3')
      await new Promise((done) => setTimeout(done, 4000))
      return first + await read('bytes=4-9')
    })
    assert.equal(got, '0123456789')
    assert.deepEqual(heard, [])
  })

  test('many pictures at once are few asks', limit, async () => {
    const { page } = await app()
    const asks = await page.evaluate(async () => {
      const keys = []
      for (let i = 0; i < 12; i += 1) keys.push((await window.files.upload(new Blob([`picture ${i}`]), { store: 'demo' })).key)
      window.calls.length = 0
      await Promise.all(keys.map((key) => fetch(window.pathOfKey(key))))
      await new Promise((done) => setTimeout(done, 300))
      return window.calls.filter((call) => call.startsWith('signer'))
    })
    const whole = asks.includes('signer POST 200')
    // An older signer has no batch; then it is one ask a key, and one that found that out.
    assert.ok(whole ? asks.length < 12 : asks.length <= 13, asks.join(', '))
  })

  test('after clear() the worker has no token, no URL and no byte, and refuses with a sentence', limit, async () => {
    const { page } = await app()
    const got = await page.evaluate(async () => {
      const { key } = await window.files.upload(new Blob(['mine']), { store: 'demo' })
      const before = await (await fetch(window.pathOfKey(key))).text()
      await new Promise((done) => setTimeout(done, 300))
      window.token = null
      await window.files.clear()
      await window.worker.clear()
      const answer = await fetch(window.pathOfKey(key))
      return { before, cached: await caches.has('filesync-files-v1') && (await (await caches.open('filesync-files-v1')).keys()).length, status: answer.status, ...await answer.json() }
    })
    assert.equal(got.before, 'mine')
    assert.ok(!got.cached)
    assert.deepEqual([got.status, got.code, got.error], [401, 'token_missing', 'There is no token: sign in first.'])
  })
})
