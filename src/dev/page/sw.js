// The playground's Service Worker: files by `deploy/web`'s module, and the page itself, so that it opens without a network.
import { installFiles } from './playground/web/service-worker.js'

const SHELL = 'playground-shell-v1'
const isShell = (url) => url.origin === location.origin && url.pathname !== '/playground/session' &&
  (url.pathname === '/' || url.pathname.startsWith('/playground/'))

installFiles(self, { signerBaseUrl: location.origin, reportCalls: true })

// The network first: the next start of `signer dev` may bring another page.
self.addEventListener('fetch', (event) => {
  const { request } = event
  if (request.method !== 'GET' || !isShell(new URL(request.url))) return
  event.respondWith((async () => {
    const shell = await caches.open(SHELL)
    try {
      const response = await fetch(request)
      if (response.ok) event.waitUntil(shell.put(request.url, response.clone()))
      return response
    } catch (error) {
      const kept = await shell.match(request.url)
      if (kept) return kept
      throw error
    }
  })())
})

// The first load went by without a worker.
self.addEventListener('message', (event) => {
  if (event.data?.type === 'shell') event.waitUntil(caches.open(SHELL).then((shell) => shell.addAll(event.data.paths)))
})
