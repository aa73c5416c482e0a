// The origin that an application's pages come from: pages/ bundled with what the page imports, nothing of it changed, and
// the ordered list of events that stands between two LiveStores.
import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { forward } from './front.mjs'
import { load } from './parts.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const modules = join(root, 'node_modules')

async function bundle(name, format, options = {}) {
  const { build } = await load('esbuild')
  const made = await build({
    entryPoints: [join(root, 'pages', name)], bundle: true, write: false, platform: 'browser', format, logLevel: 'error', ...options,
  })
  return made.outputFiles[0].contents
}

async function contents() {
  const js = 'text/javascript'
  return {
    '/': ['text/html', readFileSync(join(root, 'pages', 'index.html'))],
    '/client.js': [js, await bundle('client.mjs', 'esm')],
    '/wa-sqlite.wasm': ['application/wasm', readFileSync(join(modules, '@livestore/wa-sqlite/dist/wa-sqlite.wasm'))],
    '/sw.js': [js, await bundle('sw.mjs', 'iife')],
    // the published ready-made worker, byte for byte
    '/file-sync-sw.js': [js, readFileSync(join(modules, '@livestore-filesync/core/dist/file-sync-sw.iife.js'))],
  }
}

// Uppy in a page. Version 5 finds the core of its own version under the name that all versions use.
const uppy = async () => ({
  '/uppy-6.js': ['text/javascript', await bundle('uppy-6.mjs', 'esm')],
  '/uppy-5.js': ['text/javascript', await bundle('uppy-5.mjs', 'esm', { alias: { '@uppy/core': 'uppy-core-5' } })],
  '/uppy-sw.js': ['text/javascript', await bundle('uppy-sw.mjs', 'iife')],
})

// The same refusal of a stale push as the real backends.
function makeHub() {
  const log = []
  const grown = new EventEmitter().setMaxListeners(0)
  const head = () => log.at(-1)?.seqNum ?? 0
  return {
    async after(seen, wait) {
      while (wait && head() <= seen) await once(grown, 'events')
      return log.filter((event) => event.seqNum > seen)
    },
    push(batch) {
      if (batch[0].seqNum <= head()) return { refused: true, head: head() }
      log.push(...batch)
      grown.emit('events')
      return { refused: false }
    },
  }
}

async function json(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return JSON.parse(Buffer.concat(chunks).toString())
}

// A signer whose base path is /signer is served by this origin, too, once `pages.signer` is its address.
export async function startPages({ withUppy = false } = {}) {
  const files = withUppy ? { ...await contents(), ...await uppy() } : await contents()
  const pages = { signer: undefined }
  const hub = makeHub()
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://here')
    const give = (type, body) => response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' }).end(body)
    if (pathname === '/hub') {
      const answer = request.method === 'POST'
        ? hub.push(await json(request))
        : await hub.after(Number(searchParams.get('after')), searchParams.get('wait') === 'true')
      return give('application/json', JSON.stringify(answer))
    }
    if (pathname.startsWith('/signer/')) return forward(pages.signer, request, response)
    const [type, body] = files[pathname] ?? []
    if (!type) return response.writeHead(404).end()
    give(type, body)
  })
  await new Promise((done) => server.listen({ port: 0, host: '127.0.0.1' }, done))
  // Below `localhost` a page is a secure context, which OPFS and Service Workers need, and another site than 127.0.0.1.
  return Object.assign(pages, {
    origin: `http://app.localhost:${server.address().port}`,
    stop: () => new Promise((done) => { server.close(done); server.closeAllConnections() }),
  })
}
