// What the tests with Uppy share: a signer for it, pages with it, and the bytes that came to the bucket.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { caller, query, use } from './http.mjs'
import { until } from './process.mjs'
import { newSecret, signer } from './signer.mjs'

export const MIB = 1024 * 1024
// In parts of 5 MiB, as Uppy cuts it. UPPY_LARGE_MIB=40 for a slow machine.
export const LARGE = Number(process.env.UPPY_LARGE_MIB ?? 100) * MIB
export const PARTS = LARGE / (5 * MIB)

export const forUppy = (change = {}) => ({ uppy: { enabled: true }, multipart: { secret: newSecret() }, ...change })

// The bucket's CORS rule, as the product itself writes it for this configuration.
export async function fixCors({ configFile }) {
  const checked = await signer(['check', '--config', configFile, '--fix-cors'], { patience: 90_000 })
  assert.match(checked.stdout, /^ok {3}cors http\S+: GET, PUT, POST and DELETE/m, checked.all)
}

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

// What is at the bucket under this key, by way of a signed GET.
export async function stored(service, token, key) {
  const signed = await caller(service.url, token)('GET', `/download-url${query({ key })}`)
  assert.equal(signed.status, 200, signed.text)
  const { status, bytes, headers } = await use(signed.json)
  return { status, bytes, hash: sha256(bytes), type: headers.get('content-type') }
}

// A page with a version of Uppy, and its `app`.
export async function openUppy(origins, version, settings, { page, ...options } = {}) {
  page ??= await origins.openPage(options)
  await page.addScriptTag({ type: 'module', url: `/uppy-${version}.js` })
  await page.waitForFunction(() => globalThis.app)
  await page.evaluate((settings) => globalThis.app.start(settings), settings)
  const call = (name, argument) => page.evaluate(([name, argument]) => globalThis.app[name](argument), [name, argument])
  return {
    page,
    add: (file) => call('add', file),
    pauseAfter: (parts) => call('pauseAfter', parts),
    upload: () => call('upload'),
    resume: () => call('resume'),
    retry: () => call('retry'),
    cancel: () => call('cancel'),
    goOn: () => call('goOn'),
    seen: () => call('seen'),
    state: () => call('state'),
    restored: () => call('restored'),
    // So many files are up.
    uploaded: (count = 1, { mayFail = false } = {}) => until('the files are up', async () => {
      const { uploaded, errors } = await call('seen')
      if (!mayFail) assert.deepEqual(errors, [])
      return uploaded.length >= count && uploaded
    }, { patience: 120_000 }),
    parts: (count) => until(`${count} parts are up`, async () => (await call('seen')).parts.length >= count, { patience: 60_000 }),
  }
}
