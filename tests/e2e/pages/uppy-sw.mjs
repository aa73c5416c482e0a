// A Service Worker that adds the token to what its pages ask of the signer. It is told both in its address.
const told = new URL(self.location).searchParams
const signer = `${told.get('signer')}/s3/`

self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))
self.addEventListener('fetch', (event) => {
  if (!event.request.url.startsWith(signer)) return
  const headers = new Headers(event.request.headers)
  headers.set('authorization', `Bearer ${told.get('token')}`)
  event.respondWith(fetch(new Request(event.request, { headers })))
})
