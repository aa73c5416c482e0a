// Pictures whose every pixel is known, and what a browser shows of them.
import { createHash } from 'node:crypto'
import { crc32, deflateSync } from 'node:zlib'

const side = 24

const chunk = (type, data) => {
  const body = Buffer.concat([Buffer.from(type), data])
  const framed = Buffer.alloc(body.length + 8)
  framed.writeUInt32BE(data.length)
  body.copy(framed, 4)
  framed.writeUInt32BE(crc32(body), body.length + 4)
  return framed
}

// The PNG of a square, from the RGB values of its rows.
export function png(rows) {
  const head = Buffer.alloc(13)
  head.writeUInt32BE(rows.length)
  head.writeUInt32BE(rows.length, 4)
  head.set([8, 2], 8)
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(Buffer.concat(rows.flatMap((row) => [Buffer.of(0), row])))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

// A PNG of noise, another one for each name; `pixels` are its RGB values row by row.
export function picture(name) {
  const rows = Array.from({ length: side }, (_, y) => {
    const bytes = Array.from({ length: 3 }, (_, n) => createHash('sha256').update(`${name} ${y} ${n}`).digest())
    return Buffer.concat(bytes).subarray(0, side * 3)
  })
  const bytes = png(rows)
  return { png: bytes, pixels: Buffer.concat(rows), hash: createHash('sha256').update(bytes).digest('hex') }
}

// Puts an <img> into the page and waits for its load or error: the RGB values of what is then on the screen, or null
// where the browser shows a broken picture. By a screenshot, because a page may not read pixels of another origin.
export async function shown(page, src, attributes = {}) {
  const id = `img${Math.random().toString(36).slice(2)}`
  const loaded = await page.evaluate((attributes) => new Promise((done) => {
    const img = Object.assign(new Image(), { onload: () => done(true), onerror: () => done(false) }, attributes)
    document.body.append(img)
  }), { id, ...attributes, src })
  if (!loaded) return null
  const shot = await page.locator(`#${id}`).screenshot()
  return Buffer.from(await page.evaluate(async (shot) => {
    const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${shot}`)).blob())
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d')
    canvas.drawImage(bitmap, 0, 0)
    return [...canvas.getImageData(0, 0, bitmap.width, bitmap.height).data].filter((_, at) => at % 4 !== 3)
  }, shot.toString('base64')))
}
