// Large files on the page of `signer dev`, in Chromium: in parts, paused, gone on with, and across a reload.
import assert from 'node:assert/strict'
import { createHash, randomFillSync } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join, resolve } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { complaints, startBrowser } from './support/browser.mjs'
import { tempDir, until } from './support/process.mjs'
import { startDev } from './support/signer.mjs'

const MIB = 1024 * 1024
const limit = { timeout: 180_000 }
const shots = join(resolve(fileURLToPath(import.meta.url), '..', '..', '..'), 'target', 'screenshots')

let browser
let dev
before(async () => {
  mkdirSync(shots, { recursive: true })
  browser = await startBrowser()
  dev = await startDev()
}, limit)
afterEach(async () => { for (const context of browser?.contexts() ?? []) await context.close() })
after(async () => { await browser?.close(); await dev?.stop() })

/** A file of `mib` MiB in which no two parts are equal. */
function fileOf(mib, name) {
  const path = join(tempDir('large'), name)
  const bytes = randomFillSync(Buffer.alloc(mib * MIB))
  writeFileSync(path, bytes)
  return { path, name, size: bytes.length, hash: createHash('sha256').update(bytes).digest('hex') }
}

async function open() {
  const context = await browser.newContext({ viewport: { width: 1240, height: 860 } })
  const page = await context.newPage()
  const heard = complaints(page)
  const puts = []
  page.on('request', (got) => { if (got.method() === 'PUT') puts.push(Number(new URL(got.url()).searchParams.get('partNumber'))) })
  const wire = await context.newCDPSession(page)
  await wire.send('Network.enable')
  const throttle = (bytes) => wire.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytes })
  await page.goto(dev.url)
  await page.waitForSelector('body[data-ready]', { timeout: 60_000 })
  return { page, heard, puts, throttle }
}

const row = (name) => `#uploads li:has-text("${name}")`
const tile = (name) => `#gallery li:has(.name[title="${name}"])`
const percent = (page, name) => page.$eval(`${row(name)} progress`, (bar) => bar.value).catch(() => 0)
const reaches = (page, name, wanted) => until(`${wanted} %`, async () => (await percent(page, name)) >= wanted, 60_000)

const ask = (path) => new Promise((done, fail) => {
  request(dev.url + path, { headers: { authorization: `Bearer ${dev.token}` } }, async (response) => {
    done(JSON.parse(Buffer.concat(await response.toArray()).toString()))
  }).on('error', fail).end()
})

/** The SHA-256 of what lies at the bucket. */
async function hashAtBucket(key) {
  const { url } = await ask(`/download-url?key=${encodeURIComponent(key)}`)
  return new Promise((done, fail) => {
    request(url, (response) => {
      assert.equal(response.statusCode, 200)
      const hash = createHash('sha256')
      response.on('data', (bytes) => hash.update(bytes)).on('end', () => done(hash.digest('hex'))).on('error', fail)
    }).on('error', fail).end()
  })
}
const keyOf = (page, name) => page.getAttribute(tile(name), 'data-key')

test('an upload of 200 MiB goes on after a reload, and what was there is not sent again', limit, async () => {
  const { page, heard, puts, throttle } = await open()
  const film = fileOf(200, 'film.mp4')
  await throttle(30 * MIB)
  await page.setInputFiles('#pick', film.path)
  await reaches(page, film.name, 40)
  const before = puts.length
  await page.reload()
  await page.waitForSelector('body[data-ready]')
  await page.waitForSelector(`${row(film.name)}:has-text("were there")`)
  await page.screenshot({ path: join(shots, 'resumed.png') })
  const there = Number(/([\d.]+) MB were there/.exec(await page.textContent(row(film.name)))[1])
  assert.ok(there >= 50, `${there} MB were there`)
  await throttle(-1)
  await page.waitForSelector(tile(film.name), { timeout: 120_000 })
  assert.equal(await hashAtBucket(await keyOf(page, film.name)), film.hash)
  const counts = new Map()
  for (const number of puts) counts.set(number, (counts.get(number) ?? 0) + 1)
  const again = [...counts.values()].filter((count) => count > 1).length
  assert.ok(again <= 3, `${again} parts were sent twice, of ${before} before the reload: no more than were on their way`)
  assert.deepEqual(heard, [])
})

test('an upload can pause and go on', limit, async () => {
  const { page, puts, throttle } = await open()
  const film = fileOf(48, 'pause.bin')
  await throttle(10 * MIB)
  await page.setInputFiles('#pick', film.path)
  await reaches(page, film.name, 30)
  await page.click(`${row(film.name)} button:has-text("Pause")`)
  await page.waitForSelector(`${row(film.name)}:has-text("paused at")`)
  const sent = puts.length
  await new Promise((done) => setTimeout(done, 500))
  assert.equal(puts.length, sent, 'nothing is sent while it pauses')
  await throttle(-1)
  await page.click(`${row(film.name)} button:has-text("Go on")`)
  await page.waitForSelector(tile(film.name), { timeout: 60_000 })
  assert.equal(await hashAtBucket(await keyOf(page, film.name)), film.hash)
})

test('an upload that is cancelled is ended at the bucket, too', limit, async () => {
  const { page, throttle } = await open()
  const film = fileOf(40, 'cancel.bin')
  await throttle(8 * MIB)
  const begun = page.waitForResponse((got) => got.url().endsWith('/multipart') && got.request().method() === 'POST')
  await page.setInputFiles('#pick', film.path)
  const { uploadToken } = await (await begun).json()
  await reaches(page, film.name, 25)
  const ended = page.waitForResponse((got) => got.url().includes('/multipart?') && got.request().method() === 'DELETE')
  await page.click(`${row(film.name)} button:has-text("Cancel")`)
  assert.equal((await ended).status(), 204)
  assert.equal(await page.locator(row(film.name)).count(), 0)
  // Some servers say of an upload that is no more that it has no parts.
  const { parts = [] } = await ask(`/multipart?uploadToken=${encodeURIComponent(uploadToken)}`)
  assert.deepEqual(parts, [])
  await page.reload()
  await page.waitForSelector('body[data-ready]')
  assert.equal(await page.locator('#uploads li').count(), 0)
})

test('a file of the last reload whose store the token no longer opens is left alone', limit, async () => {
  const { page, throttle } = await open()
  const film = fileOf(40, 'mine.bin')
  await throttle(8 * MIB)
  await page.setInputFiles('#pick', film.path)
  await reaches(page, film.name, 25)
  await page.evaluate(() => {
    const name = 'filesync-uploads-v1'
    return new Promise((done, fail) => {
      const opened = indexedDB.open(name, 1)
      opened.onsuccess = () => {
        const all = opened.result.transaction(['records'], 'readwrite').objectStore('records')
        all.getAll().onsuccess = ({ target }) => {
          for (const record of target.result) all.put({ ...record, key: record.key.replace(/^demo\//, 'other/') })
          all.transaction.oncomplete = done
        }
      }
      opened.onerror = fail
    })
  })
  await page.reload()
  await page.waitForSelector('body[data-ready]')
  await new Promise((done) => setTimeout(done, 500))
  assert.equal(await page.locator('#uploads li').count(), 0)
})
