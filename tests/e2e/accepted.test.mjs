// Many minted URLs of each method: real buckets take every one, and refuse it with one byte changed (K26, K28).
// ACCEPTED_URLS says how many of each method (200 unless set), ACCEPTED_SEED which.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Agent, request } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { caller, isSigned, query } from './support/http.mjs'
import { startSeaweed } from './support/seaweed.mjs'
import { startDev, startSigner } from './support/signer.mjs'

const count = Number(process.env.ACCEPTED_URLS ?? 200)
const seed = Number(process.env.ACCEPTED_SEED ?? 20261122)
const atOnce = 16
// Each round signs four URLs, uses each as it is and changed, and looks at the object in between.
const limit = { timeout: 60_000 + count * 200 }

// Not every 4xx: a 404 would mean that the signature of a changed key was taken for good.
const refusals = [400, 403]

const backends = [
  {
    name: 'SeaweedFS',
    store: 'store1',
    // SeaweedFS 4.48 refuses a day of the credential that no calendar has with an error for which it has no status, and
    // so breaks off (in its log: "invalid WriteHeader code 0").
    ownRefusals: { 'X-Amz-Credential': ['no answer'] },
    async start() {
      const s3 = await startSeaweed()
      const service = await startSigner(s3)
      const token = await service.mint({ storeId: 'store1' }, { ttl: 12 * 3600 })
      return { ...service, token, stop: async () => { await service.stop(); await s3.stop() } }
    },
  },
  {
    name: 'embedded S3',
    store: 'demo',
    // an algorithm and a service that it knows nothing of
    ownRefusals: { 'X-Amz-Algorithm': [501], 'X-Amz-Credential': [501] },
    start: () => startDev(),
  },
]

const methods = ['PUT', 'HEAD', 'GET', 'DELETE']

const names = [
  'plain', 'a b', 'a+b', "it's", 'say "hi"', "!'()*", '~tilde-._', '50 % off', 'q?x=1&y=2', 'hash#tag', 'a;b,c:d@e$f=g', '...', 'a..b',
  'ünïcödé', 'e\u0301 decomposed', '日本語', '😀', 'deep/er/and/deeper', '<b>', '[x]{y}|z^`', '3b1f5c2a'.repeat(8), '+', ' ', '%', '100%z',
]
const contentTypes = ['image/png', 'text/plain; charset=utf-8', 'application/vnd.api+json', 'x/y']
const fileNames = ['report.pdf', 'a "b" c.txt', 'Grüße.txt', '日本.png', '100%.txt']

// A stream of numbers for each name: `pick(6)` is 0 to 5, `pick(list)` one of the list.
function picker(name) {
  let drawn = 0
  return (from) => {
    const number = createHash('sha256').update(`${seed} ${name} ${drawn++}`).digest().readUInt32BE()
    return typeof from === 'number' ? number % from : from[number % from.length]
  }
}

// The bytes of a URL that may be changed, by what they are part of: the key, or the value of a parameter. The addressing
// is path style, so the key follows the bucket's name.
function parts(url) {
  const bucket = url.indexOf('/', url.indexOf('://') + 3)
  const found = { key: [url.indexOf('/', bucket + 1) + 1, url.indexOf('?')] }
  let at = url.indexOf('?') + 1
  for (const pair of url.slice(at).split('&')) {
    const name = pair.slice(0, pair.indexOf('='))
    found[name] = [at + name.length + 1, at + pair.length]
    at += pair.length + 1
  }
  return found
}

// Changes one byte so that the URL means something else. A letter becomes another letter and a digit another digit,
// so that what is changed keeps its form; never the same letter in the other case, which in an escape, in the
// signature's hexadecimal or in a header's name is the same thing. Structure (`/`, `%`) stays: without it the URL
// would not be one byte away from a URL but a broken one.
function changeOneByte(url, pick) {
  const all = parts(url)
  const part = pick(Object.keys(all))
  const [start, end] = all[part]
  let at
  do at = start + pick(end - start)
  while ('/%'.includes(url[at]))
  const old = url[at]
  const inEscape = url[at - 1] === '%' || url[at - 2] === '%'
  const alphabet = inEscape ? '0123456789ABCDEF'
    : part === 'X-Amz-Signature' ? '0123456789abcdef'
    : /\d/.test(old) ? '0123456789'
    : /[A-Z]/.test(old) ? 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
    : 'abcdefghijklmnopqrstuvwxyz'
  const others = [...alphabet].filter((letter) => letter.toLowerCase() !== old.toLowerCase())
  const changed = url.slice(0, at) + pick(others) + url.slice(at + 1)
  assert.notEqual(changed, url)
  return { part, url: changed }
}

// Not fetch: it resolves `%2e%2e` before it sends, and what is tested is the text as it stands.
const agent = new Agent({ keepAlive: true, maxSockets: atOnce })
after(() => agent.destroy())

function send(method, url, { headers = {}, body } = {}, tries = 2) {
  const { hostname, port, origin } = new URL(url)
  return new Promise((done, fail) => {
    const call = request({ agent, method, hostname, port, path: url.slice(origin.length), headers }, (answer) => {
      const chunks = []
      answer.on('data', (chunk) => chunks.push(chunk))
      answer.once('error', fail)
      answer.once('end', () => done({ status: answer.statusCode, headers: answer.headers, bytes: Buffer.concat(chunks) }))
    })
    call.once('error', (error) => {
      // A server may close a kept connection in the moment in which it is used again.
      if (call.reusedSocket && error.code === 'ECONNRESET' && tries > 1) done(send(method, url, { headers, body }, tries - 1))
      else fail(new Error(`${method} ${url}: no answer`, { cause: error }))
    })
    call.end(body)
  })
}

// Runs `task(0)` to `task(count - 1)`, some at once; the first failure ends them all.
async function forAll(task) {
  let next = 0
  let failed = false
  const worker = async () => {
    while (next < count && !failed) {
      try {
        await task(next++)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, worker))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

for (const backend of backends) {
  describe(`accepted: ${backend.name}`, () => {
    let service
    before(async () => { service = await backend.start() }, { timeout: 120_000 })
    after(async () => { await service?.stop() })

    test(`${count} URLs of each method are accepted, and refused with one byte changed (K26, K28)`, limit, async (t) => {
      assert.ok(Number.isInteger(count) && count > 0 && Number.isInteger(seed), 'ACCEPTED_URLS and ACCEPTED_SEED are whole numbers')
      const call = caller(service.url, service.token)
      const tally = Object.fromEntries(methods.map((method) => [method, { accepted: 0, refused: 0, parts: {}, statuses: {} }]))

      await forAll(async (index) => {
        const pick = picker(`${backend.name} ${index}`)
        const folder = `${backend.store}/${index}-${pick(36 ** 4).toString(36)}`
        const name = `${pick(names)}${pick(2) ? `_${pick(names)}` : ''}`
        const body = Buffer.from(`${index} ${'x'.repeat(pick(200))}`)
        // A key that ends in a hash binds its bytes to it, so it must be their own.
        const key = `${folder}/${/^[0-9a-f]{64}$/.test(name) ? createHash('sha256').update(body).digest('hex') : name}`
        const what = `seed ${seed}, index ${index}, ${JSON.stringify(key)}`

        const bounds = {
          ...(pick(2) ? { contentType: pick(contentTypes) } : {}),
          ...(pick(2) ? { contentLength: body.length } : {}),
          ...(pick(2) ? { checksumSha256: createHash('sha256').update(body).digest('base64') } : {}),
        }
        const life = () => (pick(2) ? { expiresIn: 60 + pick(3000) } : {})
        const saving = pick(2) ? { filename: pick(fileNames), disposition: pick(['attachment', 'inline']) } : {}
        const signed = {
          PUT: await call('POST', '/upload-url', { key, ...bounds, ...life() }),
          HEAD: await call('GET', `/download-url${query({ key, method: 'HEAD', ...life() })}`),
          GET: await call('GET', `/download-url${query({ key, ...saving, ...life() })}`),
          DELETE: await call('POST', '/delete-url', { key, ...life() }),
        }
        for (const method of methods) signed[method] = isSigned(signed[method], { method, key })

        const use = (method, url = signed[method].url) => send(method, url, method === 'PUT' ? { headers: signed.PUT.headers, body } : {})
        const looks = async (method, status, when) => {
          const answer = await use(method)
          assert.equal(answer.status, status, `${method} ${when}: ${answer.bytes}\n${what}\n${signed[method].url}`)
          return answer
        }
        const accepted = async (method, status) => {
          const answer = await looks(method, status, 'as signed')
          tally[method].accepted += 1
          return answer
        }
        const refused = async (method) => {
          const { part, url } = changeOneByte(signed[method].url, pick)
          const answer = await use(method, url).catch((error) => {
            if (error.cause?.code === 'ECONNRESET') return { status: 'no answer', bytes: Buffer.of() }
            throw error
          })
          const wanted = [...refusals, ...(backend.ownRefusals[part] ?? [])]
          assert.ok(wanted.includes(answer.status), `${method} with a byte of ${part} changed: ${answer.status} ${answer.bytes}\n${what}\n${url}`)
          assert.ok(!answer.bytes.includes(body), `${method} with a byte of ${part} changed gave the bytes\n${what}\n${url}`)
          const counts = tally[method]
          counts.refused += 1
          counts.parts[part] = (counts.parts[part] ?? 0) + 1
          counts.statuses[answer.status] = (counts.statuses[answer.status] ?? 0) + 1
          return { part, url }
        }

        // PUT: the changed one first and with the very bytes that were signed, so that only the change can be what is
        // refused, and so that an effect would show.
        const { part, url } = await refused('PUT')
        await looks('HEAD', 404, 'after a refused PUT')
        if (part === 'key') await isNotThere(call, url, what)
        await accepted('PUT', 200)

        await refused('HEAD')
        assert.equal((await accepted('HEAD', 200)).headers['content-length'], String(body.length), what)

        await refused('GET')
        const got = await accepted('GET', 200)
        assert.deepEqual(got.bytes, body, what)
        if (bounds.contentType) assert.equal(got.headers['content-type'], bounds.contentType, what)
        if (saving.disposition) assert.match(got.headers['content-disposition'], new RegExp(`^${saving.disposition};`), what)

        await refused('DELETE')
        assert.deepEqual((await looks('GET', 200, 'after a refused DELETE')).bytes, body, what)
        await accepted('DELETE', 204)
        await looks('GET', 404, 'after a DELETE')
      })

      for (const [method, { accepted, refused, parts, statuses }] of Object.entries(tally)) {
        const list = (counts) => Object.entries(counts).sort().map(([name, n]) => `${name} ${n}`).join(', ')
        t.diagnostic(`${backend.name}, seed ${seed}, ${method}: ${accepted} accepted, ${refused} refused with one byte changed (${list(statuses)}; in ${list(parts)})`)
        assert.deepEqual([accepted, refused], [count, count], method)
      }
    })
  })
}

// What a changed URL names, if it is a key of the caller's own: nothing may have been written there either.
async function isNotThere(call, url, what) {
  const [start, end] = parts(url).key
  let key
  try {
    key = decodeURIComponent(url.slice(start, end))
  } catch {
    return // no UTF-8, and so no key
  }
  const answer = await call('GET', `/download-url${query({ key, method: 'HEAD' })}`)
  if (answer.status !== 200) return // another store, or no key
  assert.equal((await send('HEAD', answer.json.url)).status, 404, `a refused PUT wrote ${JSON.stringify(key)}\n${what}`)
}
