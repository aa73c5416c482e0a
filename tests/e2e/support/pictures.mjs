// PNGs whose every pixel is known, and pages on an origin of their own.
import { createServer } from 'node:http'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32, deflateSync } from 'node:zlib'

const chunk = (type, data) => {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const framed = Buffer.alloc(body.length + 8)
  framed.writeUInt32BE(data.length, 0)
  body.copy(framed, 4)
  framed.writeUInt32BE(crc32(body), body.length + 4)
  return framed
}

// Four quarters, each of one colour ([r, g, b]): upper left, upper right, lower left, lower right.
export function quarters(colours, side = 64) {
  const rows = Buffer.alloc(side * (side * 3 + 1))
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      rows.set(colours[(y < side / 2 ? 0 : 2) + (x < side / 2 ? 0 : 1)], y * (side * 3 + 1) + 1 + x * 3)
    }
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(side, 0)
  head.writeUInt32BE(side, 4)
  head.set([8, 2, 0, 0, 0], 8)
  return Buffer.concat([
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0)),
  ])
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
