// The page's side of the Service Worker: registers it, gives it the token when it asks, tells it to forget.
import { CALL, CLAIM, CLEAR, FORGET, TOKEN, TOKEN_WANTED, request } from './messages.js'

/**
 * Resolves when the worker answers for this page, also after a reload with Shift, which leaves it out.
 * `token` as in `createFiles`; `onCall` hears what the worker asked for.
 */
export async function connectServiceWorker({ scriptUrl, scope = '/', token, onCall = () => {}, type = 'module' }) {
  const workers = navigator.serviceWorker
  if (!workers) throw new Error('This browser, or this page without https, has no Service Workers.')
  workers.addEventListener('message', async ({ data, ports }) => {
    if (data?.type === CALL) onCall(data.call)
    // A worker remembers nothing for long: it is stopped when idle. It asks whenever it needs the token.
    if (data?.type === TOKEN_WANTED && token) {
      const text = await Promise.resolve(token({ refresh: data.refresh === true })).catch(() => null)
      ports[0]?.postMessage({ type: TOKEN, token: text ?? null })
    }
  })
  workers.startMessages()
  await workers.register(scriptUrl, { scope, type })
  const { active } = await workers.ready
  if (!workers.controller) {
    const controlled = new Promise((resolve) => workers.addEventListener('controllerchange', resolve, { once: true }))
    active.postMessage({ type: CLAIM })
    if (!workers.controller) await controlled
  }
  const tell = (message) => (workers.controller ?? active) && request(workers.controller ?? active, message).catch(() => {})
  return {
    /** After a deletion: the worker's URL and bytes of this key. */
    forget: (key) => tell({ type: FORGET, key }),
    /** At logout: its token, URLs and bytes. */
    clear: () => tell({ type: CLEAR }),
    /** Gives the token before it is asked for, as after a login. */
    sendToken: (text) => tell({ type: TOKEN, token: text }),
  }
}
