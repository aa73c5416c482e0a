// Three origins for a browser: an application's pages, the signer beside them on the same site, and the bucket on another
// site, behind a front that writes down what reaches it.
import assert from 'node:assert/strict'
import { startBrowser } from './browser.mjs'
import { startFront } from './front.mjs'
import { caller, use } from './http.mjs'
import { startPages } from './pages.mjs'
import { startSeaweed } from './seaweed.mjs'
import { startSigner } from './signer.mjs'

// Chromium finds everything below `localhost` on this machine.
const signerHost = 'signer.app.localhost'

// The token where scripts cannot read it, as an application sets it at a login.
export const cookieOf = (value) => ({ name: 'files', value, domain: signerHost, path: '/', httpOnly: true, sameSite: 'Lax' })

// `allowed`: whether the bucket lets the pages in from the start. `volumes`: how many times 64 MB it has room for.
export async function startOrigins({ allowed = true, volumes, sts, ...options } = {}) {
  const pages = await startPages(options)
  const s3 = await startSeaweed({ origins: allowed ? [pages.origin] : [], volumes, sts })
  const front = await startFront(s3.endpoint)
  const browser = await startBrowser()
  const services = []
  return {
    pages, s3, front,
    // `address` is where pages find the signer, `url` where Node does.
    async start(change = {}) {
      const service = await startSigner(s3, {
        ...change,
        server: { cors_origins: [pages.origin], ...change.server },
        storage: { public_endpoint: front.url, ...change.storage },
      })
      services.push(service)
      return { ...service, address: service.url.replace('127.0.0.1', signerHost) }
    },
    // A page in a browser profile of its own.
    async openPage({ cookie, at = pages.origin } = {}) {
      const context = await browser.newContext()
      if (cookie) await context.addCookies([cookie])
      const page = await context.newPage()
      await page.goto(at)
      return page
    },
    // With all signers that were started, also those of a test that failed.
    async stop() {
      await browser.close()
      for (const service of services) await service.stop()
      await front.stop()
      await s3.stop()
      await pages.stop()
    },
  }
}

export async function put(service, token, key, bytes, contentType = 'image/png') {
  const signed = await caller(service.url, token)('POST', '/upload-url', { key, contentType, contentLength: bytes.length })
  assert.equal(signed.status, 200, signed.text)
  assert.equal((await use(signed.json, bytes)).status, 200)
}

// A page whose files come by this Service Worker from here on.
export const takeWorker = (page, script) => page.evaluate(async (script) => {
  const controlled = new Promise((done) => { navigator.serviceWorker.addEventListener('controllerchange', done) })
  await navigator.serviceWorker.register(script)
  await controlled
}, script)
