// Pictures in four colours, and pages on an origin of their own.
import { createServer } from 'node:http'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { png } from './picture.mjs'

// Four quarters, each of one colour ([r, g, b]): upper left, upper right, lower left, lower right.
export function quarters(colours, side = 64) {
  const row = (left, right) => Buffer.from(Array.from({ length: side }, (_, x) => (x < side / 2 ? left : right)).flat())
  const [upper, lower] = [row(colours[0], colours[1]), row(colours[2], colours[3])]
  return png(Array.from({ length: side }, (_, y) => (y < side / 2 ? upper : lower)))
}

// In a page: the colours in the middle of the four quarters of a picture that it shows.
export const coloursOf = (page, selector) => page.waitForFunction((wanted) => {
  const picture = document.querySelector(wanted)
  if (!picture?.complete || !picture.naturalWidth) return null
  const canvas = Object.assign(document.createElement('canvas'), { width: picture.naturalWidth, height: picture.naturalHeight })
  const pen = canvas.getContext('2d')
  pen.drawImage(picture, 0, 0)
  return [[1, 1], [3, 1], [1, 3], [3, 3]].map(([x, y]) => [...pen.getImageData(canvas.width * x / 4, canvas.height * y / 4, 1, 1).data].slice(0, 3))
}, selector).then((handle) => handle.jsonValue())

const TYPES = { js: 'text/javascript', html: 'text/html' }

// Serves `folder`, and `pages` (path → text) before it.
export async function servePages(pages, folder) {
  const server = createServer(({ url }, response) => {
    const path = new URL(url, 'http://localhost').pathname
    try {
      const body = pages[path] ?? readFileSync(join(folder, path))
      response.writeHead(200, { 'content-type': TYPES[path.split('.').pop()] ?? 'text/html' }).end(body)
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  server.unref()
  return { origin: `http://127.0.0.1:${server.address().port}`, stop: () => { server.closeAllConnections(); server.close() } }
}
