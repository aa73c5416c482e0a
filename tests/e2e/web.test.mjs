// The module of deploy/web without a browser: how often it asks, what it remembers, when it tries again, what it refuses.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createFiles, keyOfPath, pathOfKey, stripFilesRoot } from '../../deploy/web/client.js'
import { partOf } from '../../deploy/web/service-worker.js'
import { redacted } from '../../deploy/web/signer.js'
import { reusableUntil } from '../../deploy/web/urls.js'
import { finish, sleep } from './support/process.mjs'
import { startDev } from './support/signer.mjs'

const limit = { timeout: 60_000 }
const web = resolve(fileURLToPath(import.meta.url), '..', '..', '..', 'deploy', 'web')
const SIGNER = 'https://signer.test/api'
const BUCKET = 'https://bucket.test'
const HASH = createHash('sha256').update('hello').digest('hex')

const json = (status, body, headers = {}) => new Response(JSON.stringify(body), { status, headers })
const isoOf = (ms) => new Date(ms).toISOString()

// A signer and a bucket at the other end of `fetch`, with a log of all that came; `bucket` and `refuse` change an answer.
function world({ clock = { at: 1_800_000_000_000 }, life = 900, batch = true, bucket, refuse } = {}) {
  const calls = []
  let minted = 0
  const signed = (key, method = 'GET') => ({
    method, key, url: `${BUCKET}/${key}?X-Amz-Signature=${minted += 1}`, headers: method === 'PUT' ? { 'Content-Type': 'text/plain' } : {},
    expiresAt: isoOf(clock.at + life * 1000), refreshAfter: isoOf(clock.at + life * 800), expiresIn: life,
  })
  const world = { calls, clock, running: 0, most: 0 }
  world.fetch = async (url, { method = 'GET', headers = {}, body, signal } = {}) => {
    signal?.throwIfAborted()
    const { pathname, searchParams, origin } = new URL(url)
    const call = { origin, method, path: pathname, key: searchParams.get('key'), headers: new Headers(headers), url, body: typeof body === 'string' ? JSON.parse(body) : body }
    calls.push(call)
    world.running += 1
    world.most = Math.max(world.most, world.running)
    await sleep(2)
    world.running -= 1
    const refused = refuse?.(call, calls)
    if (refused instanceof Error) throw refused
    if (refused) return refused
    if (origin === BUCKET) return bucket?.(call, calls) ?? new Response('hello')
    if (pathname === '/api/download-url') return json(200, signed(call.key))
    if (pathname === '/api/download-urls' && batch) {
      return json(200, { results: call.body.keys.map((key) => key.startsWith('demo/') ? { status: 200, ...signed(key) } : { status: 403, error: 'no', code: 'key_outside_store' }) })
    }
    if (pathname === '/api/upload-url') return json(200, signed(call.body.key, 'PUT'))
    if (pathname === '/api/object') return new Response(null, { status: 204 })
    return json(404, { error: 'There is no such path.', code: 'not_found' })
  }
  world.files = (options = {}) => createFiles({
    signerBaseUrl: SIGNER, token: () => 'the-token', fetch: world.fetch, now: () => clock.at, wait: async (ms) => { world.waited.push(ms) }, ...options,
  })
  world.waited = []
  world.at = (origin) => calls.filter((call) => call.origin === new URL(origin).origin)
  return world
}

describe('asking for URLs', () => {
  test('a hundred who want one key at once share one ask', async () => {
    const w = world()
    const files = w.files()
    const urls = await Promise.all(Array.from({ length: 100 }, () => files.url('demo/a')))
    assert.equal(w.calls.length, 1)
    assert.equal(new Set(urls.map(({ url }) => url)).size, 1)
  })

  test('two hundred keys of one moment are one call, and each gets its own URL', async () => {
    const w = world()
    const files = w.files()
    const keys = Array.from({ length: 200 }, (_, i) => `demo/${i}`)
    const urls = await Promise.all(keys.map((key) => files.url(key)))
    assert.deepEqual(w.calls.map(({ method, path }) => `${method} ${path}`), ['POST /api/download-urls'])
    assert.deepEqual(urls.map(({ key }) => key), keys)
  })

  test('more than a thousand keys are several calls of a thousand at the most', async () => {
    const w = world()
    const files = w.files()
    await Promise.all(Array.from({ length: 2100 }, (_, i) => files.url(`demo/${i}`)))
    assert.deepEqual(w.calls.map(({ body }) => body.keys.length).sort(), [100, 1000, 1000])
  })

  test('in a batch the refused key fails with its code, and the others do not', async () => {
    const files = world().files()
    const [good, bad] = await Promise.allSettled([files.url('demo/a'), files.url('other/a')])
    assert.equal(good.value.key, 'demo/a')
    assert.equal(bad.reason.code, 'key_outside_store')
    assert.match(bad.reason.message, /store/)
  })

  test('a signer without /download-urls is asked key by key, six at a time, and not for a batch again', async () => {
    const w = world({ batch: false })
    const files = w.files()
    await Promise.all(Array.from({ length: 40 }, (_, i) => files.url(`demo/${i}`)))
    await Promise.all(['x', 'y'].map((name) => files.url(`demo/${name}`)))
    assert.equal(w.calls.filter(({ path }) => path === '/api/download-urls').length, 1)
    assert.equal(w.calls.filter(({ path }) => path === '/api/download-url').length, 42)
    assert.ok(w.most <= 6, `${w.most} at a time`)
  })

  test('a URL is used again until refreshAfter, and then another is asked for', async () => {
    const w = world()
    const files = w.files()
    const { url } = await files.url('demo/a')
    w.clock.at += 719_000
    assert.equal((await files.url('demo/a')).url, url)
    assert.equal(w.calls.length, 1)
    w.clock.at += 2000
    assert.notEqual((await files.url('demo/a')).url, url)
    assert.equal(w.calls.length, 2)
  })

  test('no more URLs are remembered than asked for: the one used longest ago goes', async () => {
    const w = world()
    const files = w.files({ maxUrls: 2 })
    await files.url('demo/a')
    await files.url('demo/b')
    await files.url('demo/a')
    await files.url('demo/c')
    const before = w.calls.length
    await files.url('demo/a')
    assert.equal(w.calls.length, before, 'a was used after b')
    await files.url('demo/b')
    assert.equal(w.calls.length, before + 1)
  })

  test('after clear() nothing is remembered, also not what was asked for before', async () => {
    const w = world()
    const files = w.files()
    const late = files.url('demo/a')
    await files.clear()
    await late
    await files.url('demo/a')
    assert.equal(w.calls.length, 2)
  })

  test('a failed ask is not remembered', async () => {
    let down = true
    const w = world({ refuse: () => down && new TypeError('Failed to fetch') })
    const files = w.files()
    await assert.rejects(files.url('demo/a'), { code: 'signer_unreachable' })
    down = false
    assert.equal((await files.url('demo/a')).key, 'demo/a')
  })

  test('an answer about another key, or about none, is refused', async () => {
    for (const answer of [{ url: `${BUCKET}/demo/b`, key: 'demo/b' }, { key: 'demo/a' }, 'text']) {
      const files = world({ refuse: ({ origin }) => origin === new URL(SIGNER).origin && json(200, answer) }).files()
      await assert.rejects(files.url('demo/a'), { code: 'invalid_answer' })
    }
  })

  test('an abort ends one who waits, and not the ask that others wait for', async () => {
    const w = world()
    const files = w.files()
    const controller = new AbortController()
    const given = files.url('demo/a', { signal: controller.signal })
    const other = files.url('demo/a')
    controller.abort()
    await assert.rejects(given, { name: 'AbortError' })
    assert.equal((await other).key, 'demo/a')
    assert.equal(w.calls.length, 1)
  })

  test('how long a URL is used does not hang on the clock of the machine', () => {
    const at = 1_800_000_000_000
    const answer = { expiresAt: isoOf(at + 900_000), refreshAfter: isoOf(at + 720_000), expiresIn: 900 }
    assert.equal(reusableUntil(answer, at, at), at + 720_000)
    const hour = 3_600_000
    assert.equal(reusableUntil(answer, at - hour, at - hour), at - hour + 720_000, 'behind')
    assert.equal(reusableUntil(answer, at + hour, at + hour), at + hour + 720_000, 'ahead')
    // a URL that was signed at the beginning of its window is not new
    assert.equal(reusableUntil(answer, at + 600_000, at + 600_000), at + 720_000)
    assert.equal(reusableUntil({ expiresAt: null, refreshAfter: null, expiresIn: null }, at, at), at + hour, 'a public bucket')
  })
})

describe('the token', () => {
  test('after a 401 the callback is asked once more, for a new one', async () => {
    const w = world({ refuse: ({ origin, headers }) => origin !== BUCKET && headers.get('authorization') === 'Bearer old' && json(401, { code: 'unauthorized', error: 'no' }) })
    const asked = []
    const files = w.files({ token: ({ refresh }) => { asked.push(refresh); return refresh ? 'new' : 'old' } })
    assert.equal((await files.url('demo/a')).key, 'demo/a')
    assert.deepEqual(asked, [false, true])
  })

  test('a second 401 is final, and a sentence for people', async () => {
    const w = world({ refuse: () => json(401, { code: 'unauthorized', error: 'no', requestId: 'r1' }) })
    await assert.rejects(w.files().url('demo/a'), (error) => error.code === 'unauthorized' && error.requestId === 'r1' && /sign in again/.test(error.message))
    assert.equal(w.calls.length, 2)
  })

  test('it goes to the signer and never to the bucket, and stands in no report', async () => {
    const w = world()
    const reports = []
    const files = w.files({ onCall: (call) => reports.push(call) })
    await files.upload(new Blob(['hello']), { store: 'demo' })
    await files.download(`demo/${HASH}`)
    await files.remove(`demo/${HASH}`)
    assert.ok(w.at(SIGNER).length === 3 && w.at(SIGNER).every(({ headers }) => headers.get('authorization') === 'Bearer the-token'))
    assert.ok(w.at(BUCKET).length === 2 && w.at(BUCKET).every(({ headers }) => !headers.has('authorization')))
    assert.doesNotMatch(JSON.stringify(reports), /the-token|Signature/)
    assert.equal(reports.length, 5)
  })

  test('without one nothing is sent', async () => {
    const w = world()
    await assert.rejects(w.files({ token: () => null }).url('demo/a'), { code: 'token_missing' })
    assert.equal(w.calls.length, 0)
  })
})

describe('the way down', () => {
  const used = (call) => call.url.endsWith('Signature=1')

  test('a 403 to a URL that was used before: one fresh URL, and the bytes', async () => {
    let expired = false
    const w = world({ bucket: (call) => expired && used(call) ? new Response(null, { status: 403 }) : undefined })
    const files = w.files()
    await files.download('demo/a')
    expired = true
    assert.equal(await (await files.download('demo/a')).text(), 'hello')
    assert.deepEqual([w.at(SIGNER).length, w.at(BUCKET).length], [2, 3])
  })

  test('a bucket that always says 403 is asked twice, and a fresh URL that it refuses is not fetched again', async () => {
    let good = true
    const w = world({ bucket: () => good ? undefined : new Response(null, { status: 403 }) })
    const files = w.files()
    await files.download('demo/a')
    good = false
    await assert.rejects(files.download('demo/a'), { code: 'bucket_refused', status: 403 })
    assert.deepEqual([w.at(SIGNER).length, w.at(BUCKET).length], [2, 3])
    await assert.rejects(files.download('demo/a'), { code: 'bucket_refused' })
    assert.deepEqual([w.at(SIGNER).length, w.at(BUCKET).length], [3, 4])
  })

  test('a network error, as which a page sees a 403 without CORS headers, is tried once more and no further', async () => {
    const w = world({ bucket: () => { throw new TypeError('Failed to fetch') } })
    await assert.rejects(w.files().download('demo/a'), { code: 'bucket_unreachable' })
    assert.deepEqual([w.at(SIGNER).length, w.at(BUCKET).length], [2, 2])
  })

  test('Range and If-Range reach the bucket, and its 206 comes back', async () => {
    const w = world({ bucket: ({ headers }) => headers.get('range') && new Response('ell', { status: 206 }) })
    const response = await w.files().download('demo/a', { range: 'bytes=1-3', ifRange: '"etag"' })
    assert.equal(response.status, 206)
    assert.equal(w.at(BUCKET)[0].headers.get('if-range'), '"etag"')
  })

  test('404 is no such file', async () => {
    const w = world({ bucket: () => new Response(null, { status: 404 }) })
    await assert.rejects(w.files().download('demo/a'), { code: 'object_not_found', status: 404 })
    assert.equal(w.at(BUCKET).length, 1)
  })
})

describe('the way up', () => {
  const file = () => new Blob(['hello'], { type: 'text/plain' })

  test('the key is the store and the SHA-256 of the bytes, and length and type are asked for', async () => {
    const w = world()
    const sent = await w.files().upload(file(), { store: 'demo' })
    assert.deepEqual(sent, { key: `demo/${HASH}`, sha256: HASH, size: 5, contentType: 'text/plain', existed: false, attempts: 1 })
    assert.deepEqual(w.at(SIGNER)[0].body, { key: `demo/${HASH}`, contentType: 'text/plain', contentLength: 5 })
    assert.equal(w.at(BUCKET)[0].headers.get('content-type'), 'text/plain')
  })

  test('bytes that are not those of the key are not sent', async () => {
    const w = world()
    await assert.rejects(w.files().upload(new Blob(['other']), { key: `demo/${HASH}` }), { code: 'hash_mismatch' })
    assert.equal(w.calls.length, 0)
  })

  for (const [what, failure] of [
    ['a network error', () => new TypeError('Failed to fetch')], ['403', () => new Response(null, { status: 403 })], ['503', () => new Response(null, { status: 503 })],
  ]) {
    test(`${what} at the bucket: again, each time with a fresh URL, and four times at the most`, async () => {
      let left = 2
      const w = world({ refuse: ({ origin }) => origin === BUCKET && left-- > 0 && failure() })
      assert.equal((await w.files().upload(file(), { store: 'demo' })).attempts, 3)
      assert.equal(new Set(w.at(BUCKET).map(({ url }) => url)).size, 3)
      assert.ok(w.waited[1] >= 500 && w.waited.every((ms) => ms >= 250 && ms <= 1000), String(w.waited))
      left = Infinity
      const before = w.at(BUCKET).length
      await assert.rejects(w.files().upload(file(), { store: 'demo' }), { name: 'FilesError' })
      assert.equal(w.at(BUCKET).length - before, 4)
    })
  }

  test('Retry-After of the signer is obeyed, and one that is too long is not waited for', async () => {
    let seconds = 7
    const w = world({ refuse: ({ origin }, calls) => origin !== BUCKET && (seconds > 60 || calls.length === 1) && json(429, { code: 'rate_limited', error: 'no' }, { 'retry-after': String(seconds) }) })
    await w.files().upload(file(), { store: 'demo' })
    assert.deepEqual(w.waited, [7000])
    seconds = 3600
    await assert.rejects(w.files().upload(file(), { store: 'demo' }), { code: 'rate_limited', retryAfter: 3600 })
    assert.equal(w.waited.length, 1)
  })

  for (const [status, code] of [[400, 'invalid_key'], [403, 'key_outside_store'], [413, 'upload_too_large'], [415, 'content_type_not_allowed']]) {
    test(`${status} ${code} is final`, async () => {
      const w = world({ refuse: () => json(status, { code, error: 'no' }) })
      await assert.rejects(w.files().upload(file(), { store: 'demo' }), { code, status })
      assert.equal(w.calls.length, 1)
    })
  }

  test('412 under a hash means that the same bytes are there already; under another name it is a failure', async () => {
    const w = world({ bucket: () => new Response(null, { status: 412 }) })
    assert.equal((await w.files().upload(file(), { store: 'demo' })).existed, true)
    await assert.rejects(w.files().upload(file(), { key: 'demo/name' }), { status: 412 })
  })

  test('an abort ends it, also while it waits', async () => {
    const controller = new AbortController()
    const w = world({ bucket: () => new Response(null, { status: 503 }) })
    const sending = w.files({ wait: undefined }).upload(file(), { store: 'demo', signal: controller.signal })
    setTimeout(() => controller.abort(), 100)
    await assert.rejects(sending, { name: 'AbortError' })
    assert.equal(w.at(BUCKET).length, 1)
  })
})

describe('paths', () => {
  test('a key and its path are each other', () => {
    for (const key of ['demo/a', 'demo/ä ö/#?%.png', 'demo/+&=', `demo/${HASH}`]) {
      assert.equal(keyOfPath(new URL(pathOfKey(key), 'https://page.test').pathname), key)
    }
  })

  test('the root is dropped once, and a path that could be read in two ways is none', () => {
    assert.equal(stripFilesRoot('/livestore-filesync-files/demo/a'), 'demo/a')
    assert.equal(stripFilesRoot('livestore-filesync-files/livestore-filesync-files/a'), 'livestore-filesync-files/a')
    assert.equal(stripFilesRoot('demo/a'), 'demo/a')
    const root = '/livestore-filesync-files'
    for (const path of ['/demo/a', `${root}/demo`, `${root}/demo/`, `${root}//a`, `${root}/demo/..%2fother/a`, `${root}/demo/%2e%2e/a`, `${root}/demo/%5c`, `${root}/demo/%00`, `${root}/demo/%zz`, `${root}/demo/%ff`]) {
      assert.equal(keyOfPath(path), null, path)
    }
    assert.equal(keyOfPath(`${root}/demo/a%252fb`), 'demo/a%2fb', 'decoded once')
  })

  test('a signed URL is shown without its query', () => {
    assert.equal(redacted('https://b/k?response-x=1&X-Amz-Signature=abc'), 'https://b/k?…')
    assert.equal(redacted('https://b/k?key=demo'), 'https://b/k?key=demo')
  })
})

test('parts of what is cached', async () => {
  const part = async (range) => {
    const got = await partOf(new Response('0123456789', { headers: { 'Content-Type': 'video/mp4' } }), range)
    return [got.status, await got.text(), got.headers.get('content-range')]
  }
  assert.deepEqual(await part('bytes=2-4'), [206, '234', 'bytes 2-4/10'])
  assert.deepEqual(await part('bytes=7-'), [206, '789', 'bytes 7-9/10'])
  assert.deepEqual(await part('bytes=-3'), [206, '789', 'bytes 7-9/10'])
  assert.deepEqual(await part('bytes=8-99'), [206, '89', 'bytes 8-9/10'])
  assert.deepEqual(await part('bytes=10-'), [416, '', 'bytes */10'])
  assert.deepEqual(await part('bytes=0-1,4-5'), [200, '0123456789', null])
})

test('a URL that has expired at a real bucket is renewed once, and the file comes', limit, async () => {
  const dev = await startDev({ args: ['--url-life', '2'] })
  try {
    const calls = []
    // A clock that stands still takes every URL for new.
    const files = createFiles({ signerBaseUrl: dev.url, token: () => dev.token, now: () => 0, onCall: ({ to, method, status }) => calls.push(`${to} ${method} ${status}`) })
    const { key } = await files.upload(new Blob(['hello']), { store: 'demo' })
    assert.equal(await (await files.download(key)).text(), 'hello')
    await sleep(4000)
    calls.length = 0
    assert.equal(await (await files.download(key)).text(), 'hello')
    assert.deepEqual(calls, ['bucket GET 403', 'signer GET 200', 'bucket GET 200'])
    await files.remove(key)
    await assert.rejects(files.download(key), { code: 'object_not_found' })
  } finally {
    await dev.stop()
  }
})

test('the declarations are what TypeScript takes, and they refuse what the module refuses', limit, async () => {
  const tsc = fileURLToPath(import.meta.resolve('typescript/lib/tsc.js'))
  const checked = await finish(process.execPath, [
    tsc, '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--lib', 'es2022,dom', join(web, 'types.check.ts'),
  ], { patience: 50_000 })
  assert.equal(checked.code, 0, checked.all)
})
