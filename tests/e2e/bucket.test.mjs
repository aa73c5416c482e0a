// The signer's own routes against real buckets: SeaweedFS, and the S3 that `signer dev` carries with it.
// Case numbers (K26 …) are those of the project's security research.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { caller, isRefused, isSigned, query, urlEnd, use } from './support/http.mjs'
import { sleep, until } from './support/process.mjs'
import { pageOrigin, startSeaweed } from './support/seaweed.mjs'
import { signer, startDev, startSigner } from './support/signer.mjs'
import { unsigned } from './support/tokens.mjs'

const limit = { timeout: 60_000 }
const md5 = (bytes) => createHash('md5').update(bytes).digest('hex')
const text = (answer) => answer.bytes.toString('utf8')

// What a bucket answers to a request that its signature does not cover. 403 nearly always; 400 where it stops reading
// earlier, 405 or 501 where it knows the method or sub-resource as one that it does not have.
const refusals = [400, 403, 405, 501]
const isTurnedAway = (answer, what) => assert.ok(refusals.includes(answer.status), `${what}: ${answer.status} ${text(answer)}`)

// One SeaweedFS for the whole file.
let s3
before(async () => { s3 = await startSeaweed() }, { timeout: 120_000 })
after(async () => { await s3?.stop() })

const backends = [
  {
    name: 'SeaweedFS',
    store: 'store1',
    honoursCopySource: false,
    async start() {
      const service = await startSigner(s3)
      return { ...service, token: await service.mint({ storeId: 'store1' }) }
    },
  },
  {
    name: 'embedded S3',
    store: 'demo',
    // s3s-fs does not ask whether x-amz-copy-source was signed. It is a playground for one developer, with one store.
    honoursCopySource: true,
    start: () => startDev(),
  },
]

// Every route that takes a key, and how to ask it for one.
const routes = {
  'POST /upload-url': (call, key) => call('POST', '/upload-url', { key }),
  'POST /delete-url': (call, key) => call('POST', '/delete-url', { key }),
  'GET /download-url': (call, key) => call('GET', `/download-url${query({ key })}`),
  'GET /object': (call, key) => call('GET', `/object${query({ key })}`),
  'POST /confirm': (call, key) => call('POST', '/confirm', { key }),
  'DELETE /object': (call, key) => call('DELETE', `/object${query({ key })}`),
  'POST /v1/sign/upload': (call, key) => call('POST', '/v1/sign/upload', { key, contentLength: 1 }),
  'POST /v1/sign/download': (call, key) => call('POST', '/v1/sign/download', { key }),
  'POST /v1/delete': (call, key) => call('POST', '/v1/delete', { key }),
}

for (const backend of backends) {
  describe(`bucket: ${backend.name}`, () => {
    let service, call, anonymous
    before(async () => {
      service = await backend.start()
      assert.ok(service.token, 'no token')
      call = caller(service.url, service.token)
      anonymous = caller(service.url)
    }, limit)
    after(async () => { await service?.stop() })

    const key = (name) => `${backend.store}/${name}`
    const signUpload = async (fields) => isSigned(await call('POST', '/upload-url', fields), { method: 'PUT', key: fields.key })
    const signDownload = async (fields) => isSigned(await call('GET', `/download-url${query(fields)}`), { method: fields.method ?? 'GET', key: fields.key })
    const put = async (name, bytes) => {
      const answer = await use(await signUpload({ key: key(name) }), bytes)
      assert.equal(answer.status, 200, text(answer))
    }
    const get = async (name) => use(await signDownload({ key: key(name) }))
    const holds = async (name, bytes) => assert.deepEqual((await get(name)).bytes, Buffer.from(bytes))

    test('health turns 200 once the bucket has been probed, with or without a token', limit, async () => {
      await until('/health is 200', async () => (await anonymous('GET', '/health')).status === 200)
      assert.equal((await call('GET', '/health')).status, 200)
      assert.equal((await caller(service.url, 'rubbish')('GET', '/health')).status, 200)
      assert.equal((await anonymous('GET', '/livez')).status, 200)
      assert.equal((await anonymous('GET', '/readyz')).status, 200)
    })

    test('the bytes that went up with an upload URL come down with a download URL', limit, async () => {
      for (const size of [0, 1, 100_000]) {
        const bytes = randomBytes(size)
        await put(`round-trip-${size}`, bytes)
        const answer = await get(`round-trip-${size}`)
        assert.equal(answer.status, 200)
        assert.deepEqual(answer.bytes, bytes)
      }
    })

    test('the /v1 routes sign the same way', limit, async () => {
      const name = key('v1')
      const up = isSigned(await call('POST', '/v1/sign/upload', { key: name, contentType: 'text/plain', contentLength: 2 }), { method: 'PUT', key: name })
      assert.deepEqual(up.headers, { 'Content-Type': 'text/plain' })
      assert.deepEqual(up.boundHeaders, ['content-length', 'content-type', 'host'])
      assert.equal((await use(up, 'v1')).status, 200)
      const down = isSigned(await call('POST', '/v1/sign/download', { key: name }), { method: 'GET', key: name })
      assert.equal(text(await use(down)), 'v1')
      assert.equal((await call('POST', '/v1/delete', { key: name })).status, 204)
      assert.equal((await use(down)).status, 404)
      assert.equal((await call('POST', '/v1/delete', { key: name })).status, 204, 'deleting nothing is no error (K36)')
    })

    test('expiresAt is X-Amz-Date + X-Amz-Expires of the URL, on every signing route (K35)', limit, async () => {
      const name = key('ends')
      for (const expiresIn of [undefined, 1, 60, 3600]) {
        const ask = expiresIn === undefined ? { key: name } : { key: name, expiresIn }
        const answers = [
          [await call('POST', '/upload-url', ask), 'PUT'],
          [await call('POST', '/delete-url', ask), 'DELETE'],
          [await call('GET', `/download-url${query(ask)}`), 'GET'],
          [await call('POST', '/v1/sign/upload', ask), 'PUT'],
          [await call('POST', '/v1/sign/download', ask), 'GET'],
        ]
        for (const [answer, method] of answers) {
          const { url, expiresAt, expiresIn: given } = isSigned(answer, { method, key: name })
          assert.equal(Date.parse(expiresAt), urlEnd(url))
          assert.equal(given, expiresIn ?? 900)
          // our clock and the signer's are one and the same
          assert.ok(Math.abs(urlEnd(url) - given * 1000 - Date.now()) < 5000)
        }
      }
    })

    test('a life longer than allowed is cut to the longest allowed, and the answer says so (K34)', limit, async () => {
      assert.equal((await signDownload({ key: key('long'), expiresIn: 604_800 })).expiresIn, 3600)
      assert.equal((await signUpload({ key: key('long'), expiresIn: 604_800 })).expiresIn, 3600)
    })

    test('GET /object tells size, etag, content type and time, and 404 when there is nothing', limit, async () => {
      const bytes = randomBytes(321)
      const started = Date.now()
      const signed = await signUpload({ key: key('described'), contentType: 'image/png', contentLength: bytes.length })
      assert.equal((await use(signed, bytes)).status, 200)
      const { status, json } = await call('GET', `/object${query({ key: key('described') })}`)
      assert.equal(status, 200)
      assert.equal(json.key, key('described'))
      assert.equal(json.size, 321)
      assert.equal(json.etag.replaceAll('"', ''), md5(bytes))
      assert.equal(json.contentType, 'image/png')
      assert.match(json.lastModified, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
      assert.ok(Math.abs(Date.parse(json.lastModified) - started) < 60_000)
      isRefused(await call('GET', `/object${query({ key: key('never-was') })}`), 404)
    })

    test('DELETE /object deletes, and is 204 again when there is nothing left (K36)', limit, async () => {
      await put('deleted', 'x')
      assert.equal((await call('DELETE', `/object${query({ key: key('deleted') })}`)).status, 204)
      assert.equal((await get('deleted')).status, 404)
      assert.equal((await call('DELETE', `/object${query({ key: key('deleted') })}`)).status, 204)
    })

    test('a DELETE URL deletes', limit, async () => {
      await put('deleted-by-url', 'x')
      const signed = isSigned(await call('POST', '/delete-url', { key: key('deleted-by-url') }), { method: 'DELETE', key: key('deleted-by-url') })
      assert.equal((await use(signed)).status, 204)
      assert.equal((await get('deleted-by-url')).status, 404)
    })

    test('a HEAD URL works for HEAD and for nothing else', limit, async () => {
      await put('headed', 'four')
      const signed = await signDownload({ key: key('headed'), method: 'HEAD' })
      const answer = await use(signed)
      assert.equal(answer.status, 200)
      assert.equal(answer.headers.get('content-length'), '4')
      isTurnedAway(await use(signed, undefined, { method: 'GET' }), 'GET with a HEAD URL')
    })

    const names = [
      'a b', 'a+b', 'a+b c', "it's", 'say "hi"', "!'()*", '~tilde', '50 % off', 'q?x=1&y=2', 'hash#tag', 'a;b,c:d@e$f=g',
      'ünïcödé', 'e\u0301 decomposed', '日本語', '😀', 'deep/er/and/deeper', '<b>', '[x]{y}|z^`', '...', 'a..b',
    ]
    for (const name of names) {
      test(`a key with ${JSON.stringify(name)} goes up, comes down, is described and deleted (K01)`, limit, async () => {
        const bytes = Buffer.from(`bytes of ${name}`)
        await put(`names/${name}`, bytes)
        await holds(`names/${name}`, bytes)
        const about = await call('GET', `/object${query({ key: key(`names/${name}`) })}`)
        assert.equal(about.json.key, key(`names/${name}`))
        assert.equal(about.json.size, bytes.length)
        assert.equal((await call('DELETE', `/object${query({ key: key(`names/${name}`) })}`)).status, 204)
        assert.equal((await get(`names/${name}`)).status, 404)
      })
    }

    test('the files root is dropped once, with or without its leading slash, on every route (K07)', limit, async () => {
      await put('rooted', 'root')
      for (const path of [`/${key('rooted')}`, `livestore-filesync-files/${key('rooted')}`, `/livestore-filesync-files/${key('rooted')}`]) {
        const signed = isSigned(await call('GET', `/download-url${query({ key: path })}`), { method: 'GET', key: key('rooted') })
        assert.equal(text(await use(signed)), 'root')
        assert.equal((await call('GET', `/object${query({ key: path })}`)).json.key, key('rooted'))
      }
      for (const path of [`//${key('rooted')}`, `livestore-filesync-files//${key('rooted')}`, `livestore-filesync-files/livestore-filesync-files/${key('rooted')}`]) {
        for (const [route, ask] of Object.entries(routes)) {
          const answer = await ask(call, path)
          assert.ok([400, 403].includes(answer.status), `${route} ${path}: ${answer.status}`)
        }
      }
      await holds('rooted', 'root')
    })

    test('a body of another length than signed is refused, and nothing is kept (K21)', limit, async () => {
      const signed = await signUpload({ key: key('length'), contentLength: 5 })
      assert.ok(signed.boundHeaders.includes('content-length'))
      for (const body of ['123456', '1234', '']) isTurnedAway(await use(signed, body), `${body.length} bytes`)
      assert.equal((await get('length')).status, 404)
      assert.equal((await use(signed, '12345')).status, 200)
      await holds('length', '12345')
    })

    test('another content type than signed, or none, is refused (K19)', limit, async () => {
      const signed = await signUpload({ key: key('type'), contentType: 'image/png' })
      assert.deepEqual(signed.headers, { 'Content-Type': 'image/png' })
      isTurnedAway(await use(signed, 'x', { headers: { 'Content-Type': 'text/html' } }), 'text/html')
      isTurnedAway(await use({ ...signed, headers: {} }, Buffer.from('x')), 'no content type')
      assert.equal((await get('type')).status, 404)
      assert.equal((await use(signed, 'x')).status, 200)
      assert.equal((await get('type')).headers.get('content-type'), 'image/png')
    })

    test('a URL with one character changed is refused: signature, key, life, date, credential (K28)', limit, async () => {
      await put('kept', 'kept')
      await put('kepu', 'other')
      const down = await signDownload({ key: key('kept') })
      const up = await signUpload({ key: key('kept') })
      assert.equal((await use(down)).status, 200)
      const swap = (name, change) => (url) => {
        const changed = url.replace(new RegExp(`(${name}=)([^&]+)`), (_, label, value) => label + change(value))
        assert.notEqual(changed, url)
        return changed
      }
      const flip = (value) => value.slice(0, -1) + (value.endsWith('0') ? '1' : '0')
      const changes = {
        signature: swap('X-Amz-Signature', flip),
        'first character of the signature': swap('X-Amz-Signature', (value) => (value[0] === '0' ? '1' : '0') + value.slice(1)),
        key: (url) => url.replace('/kept?', '/kepu?'),
        life: swap('X-Amz-Expires', (value) => String(Number(value) + 1)),
        date: swap('X-Amz-Date', (value) => value.replace(/.Z$/, (end) => (end === '0Z' ? '1Z' : '0Z'))),
        'date in the credential': swap('X-Amz-Credential', (value) => value.replace(/(\d{7})(\d)/, (_, front, last) => front + ((Number(last) + 1) % 10))),
        region: swap('X-Amz-Credential', (value) => value.replace('us-east-1', 'us-east-2')),
        'access key': swap('X-Amz-Credential', (value) => 'X' + value.slice(1)),
        'signed headers': swap('X-Amz-SignedHeaders', () => 'host%3Bx-amz-date'),
        'second X-Amz-Expires': (url) => `${url}&X-Amz-Expires=604800`,
        'no signature': (url) => url.replace(/&?X-Amz-Signature=[^&]+/, ''),
      }
      for (const [what, change] of Object.entries(changes)) {
        const got = await use(down, undefined, { url: change(down.url) })
        isTurnedAway(got, `GET, ${what}`)
        assert.doesNotMatch(text(got), /^(kept|other)$/)
        isTurnedAway(await use(up, 'broken', { url: change(up.url) }), `PUT, ${what}`)
      }
      await holds('kept', 'kept')
      await holds('kepu', 'other')
    })

    test('a sub-resource added to a URL is refused (K26)', limit, async () => {
      await put('sub', 'sub')
      const down = await signDownload({ key: key('sub') })
      const up = await signUpload({ key: key('sub') })
      const added = ['acl', 'tagging', 'uploads', 'uploadId=x&partNumber=1', 'versionId=null', 'response-content-type=text%2Fhtml', 'x-id=GetObject', 'delete', 'legal-hold', 'foo=bar']
      for (const more of added) {
        isTurnedAway(await use(down, undefined, { url: `${down.url}&${more}` }), `GET &${more}`)
        isTurnedAway(await use(up, 'broken', { url: `${up.url}&${more}` }), `PUT &${more}`)
      }
      await holds('sub', 'sub')
    })

    test('another method than signed is refused (K27)', limit, async () => {
      await put('method', 'method')
      const signed = {
        GET: await signDownload({ key: key('method') }),
        PUT: await signUpload({ key: key('method') }),
        DELETE: (await call('POST', '/delete-url', { key: key('method') })).json,
      }
      for (const [own, one] of Object.entries(signed)) {
        for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'POST', 'PATCH']) {
          if (method === own) continue
          isTurnedAway(await use(one, /PUT|POST|PATCH/.test(method) ? 'broken' : undefined, { method }), `${method} with a ${own} URL`)
        }
      }
      await holds('method', 'method')
    })

    test('a URL past its life is refused: download, upload, delete', limit, async () => {
      await put('late', 'late')
      const down = await signDownload({ key: key('late'), expiresIn: 1 })
      const up = await signUpload({ key: key('late'), expiresIn: 1 })
      const gone = (await call('POST', '/delete-url', { key: key('late'), expiresIn: 1 })).json
      assert.equal(down.expiresIn, 1)
      await sleep(Math.max(0, urlEnd(gone.url) - Date.now()) + 1500)
      isTurnedAway(await use(down), 'GET')
      isTurnedAway(await use(up, 'broken'), 'PUT')
      isTurnedAway(await use(gone), 'DELETE')
      await holds('late', 'late')
    })

    test(backend.honoursCopySource
      ? 'x-amz-copy-source added to an upload URL is honoured here: a positive control for the check on SeaweedFS (K24)'
      : 'x-amz-copy-source added to an upload URL is refused, and no bytes of another store come back (K24)', limit, async () => {
      await put('victim', 'victim')
      const signed = await signUpload({ key: key('thief') })
      const bucketAndKey = new URL(signed.url).pathname.replace(/thief$/, 'victim')
      const answer = await use(signed, '', { headers: { 'x-amz-copy-source': bucketAndKey } })
      if (backend.honoursCopySource) {
        assert.equal(answer.status, 200, text(answer))
        await holds('thief', 'victim')
      } else {
        isTurnedAway(answer, 'copy')
        assert.equal((await get('thief')).status, 404)
      }
    })

    for (const [route, ask] of Object.entries(routes)) {
      test(`${route}: no token is 401, a bad one looks the same, and both say Bearer`, limit, async () => {
        const answers = [
          await ask(anonymous, key('x')),
          await ask(caller(service.url, 'rubbish'), key('x')),
          await ask(caller(service.url, `${service.token}x`), key('x')),
          await ask(caller(service.url, unsigned({ storeId: backend.store })), key('x')), // J01
        ]
        for (const answer of answers) {
          isRefused(answer, 401)
          assert.match(answer.headers.get('www-authenticate'), /^Bearer/)
          assert.equal(answer.json.code, answers[0].json.code)
        }
      })

      test(`${route}: a key of another store is 403, also when the names begin alike (K38, K39)`, limit, async () => {
        for (const other of [`${backend.store}0`, backend.store.slice(0, -1), 'other', backend.store.toUpperCase()]) {
          isRefused(await ask(call, `${other}/file`), 403)
        }
      })

      test(`${route}: a key that climbs, doubles a slash or names no file is refused (K03, K04, K05, K13)`, limit, async () => {
        const { store } = backend
        const bad = [`${store}/../other/f`, `${store}/..`, `./${store}/f`, `${store}/./f`, `${store}//f`, store, `${store}/`, '', '*',
          `${store}/%2e%2e/other/f`, `${store}%2f..%2fother/f`, `${store}/%00`, `${store}/a%5Cb`, `${store}\\..\\other\\f`, `${store}/a\\b`, `${store}/a\nb`, `${store}/\u0000`]
        for (const path of bad) isRefused(await ask(call, path), [400, 403])
      })
    }
  })
}

describe('bucket: SeaweedFS, tokens of the signer, CORS, and a bucket that goes away', () => {
  let service
  before(async () => {
    service = await startSigner(s3, { storage: { probe_interval_secs: 5 }, server: { cors_origins: [pageOrigin] } })
  }, limit)
  after(async () => { await service?.stop() })

  const printed = async (...args) => {
    const { code, stdout, all } = await signer(['token', '--config', service.configFile, ...args])
    assert.equal(code, 0, all)
    assert.match(stdout, /^\S+\.\S+\.\S+\n$/, 'one token on one line')
    return caller(service.url, stdout.trim())
  }

  test('store1 never opens store10, nor the other way round, on any route', limit, async () => {
    const one = caller(service.url, await service.mint({ storeId: 'store1' }))
    const ten = caller(service.url, await service.mint({ storeId: 'store10' }))
    const both = caller(service.url, await service.mint({ storeId: ['store1', 'store10'] }))
    for (const [route, ask] of Object.entries(routes)) {
      isRefused(await ask(one, 'store10/f'), 403)
      isRefused(await ask(ten, 'store1/f'), 403)
      for (const path of ['store1/f', 'store10/f']) assert.notEqual((await ask(both, path)).status, 403, route)
    }
  })

  test('a token without a store opens nothing (J28)', limit, async () => {
    for (const storeId of [undefined, null, '', 1, true, {}, [], [''], '*', '.', '..', 'a/b']) {
      const call = caller(service.url, await service.mint(storeId === undefined ? {} : { storeId }))
      for (const ask of Object.values(routes)) isRefused(await ask(call, 'store1/f'), [401, 403])
    }
  })

  test('`signer token` prints a token that opens its store', limit, async () => {
    const call = await printed('--store-id', 'store1', '--ttl', '600', '--subject', 'alice')
    isSigned(await call('POST', '/upload-url', { key: 'store1/a' }), { method: 'PUT', key: 'store1/a' })
    isRefused(await call('POST', '/upload-url', { key: 'store10/a' }), 403)
  })

  test('a scope narrows a token to reading, writing or deleting', limit, async () => {
    const allowed = {
      'files:read': ['GET /download-url', 'GET /object', 'POST /confirm', 'POST /v1/sign/download'],
      'files:write': ['POST /upload-url', 'POST /v1/sign/upload'],
      'files:delete': ['POST /delete-url', 'DELETE /object', 'POST /v1/delete'],
    }
    for (const [scope, open] of Object.entries(allowed)) {
      const call = await printed('--store-id', 'store1', '--scope', scope, '--ttl', '600')
      for (const [route, ask] of Object.entries(routes)) {
        const answer = await ask(call, 'store1/scoped')
        if (open.includes(route)) assert.ok([200, 204, 404].includes(answer.status), `${scope} ${route}: ${answer.text}`)
        else isRefused(answer, 403)
      }
    }
  })

  test('a prefix narrows a token, and is cut at a slash', limit, async () => {
    const call = await printed('--store-id', 'store1', '--prefix', 'store1/a', '--ttl', '600')
    for (const [route, ask] of Object.entries(routes)) {
      for (const inside of ['store1/a', 'store1/a/b']) assert.notEqual((await ask(call, inside)).status, 403, route)
      for (const outside of ['store1/ab', 'store1/b', 'store10/a']) isRefused(await ask(call, outside), 403)
    }
  })

  test('a page may PUT with a signed URL: the bucket answers its preflight', limit, async () => {
    const call = caller(service.url, await service.mint({ storeId: 'store1' }))
    const { url } = (await call('POST', '/upload-url', { key: 'store1/page', contentType: 'image/png' })).json
    const answer = await fetch(url, {
      method: 'OPTIONS',
      headers: { origin: pageOrigin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'content-type' },
    })
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('access-control-allow-origin'), pageOrigin)
  })

  test('a page of a listed origin may read every answer of the signer, refusals too, and no other may (H23)', limit, async () => {
    const ask = (origin, method, headers = {}) => fetch(`${service.url}/upload-url`, { method, headers: { origin, ...headers } })
    const preflight = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' }
    const asked = await ask(pageOrigin, 'OPTIONS', preflight)
    assert.ok(asked.ok)
    assert.equal(asked.headers.get('access-control-allow-origin'), pageOrigin)
    assert.match(asked.headers.get('access-control-allow-methods'), /POST/)
    assert.match(asked.headers.get('access-control-allow-headers'), /authorization/i)
    assert.match(asked.headers.get('access-control-allow-headers'), /content-type/i)
    const refused = await ask(pageOrigin, 'POST')
    assert.equal(refused.status, 401)
    assert.equal(refused.headers.get('access-control-allow-origin'), pageOrigin)
    assert.match(refused.headers.get('vary'), /origin/i)
    for (const stranger of ['https://evil.example', 'null', `${pageOrigin}.evil`, 'http://app.example.com']) {
      for (const method of ['OPTIONS', 'POST']) {
        const answer = await ask(stranger, method, method === 'OPTIONS' ? preflight : {})
        assert.equal(answer.headers.get('access-control-allow-origin'), null, stranger)
      }
    }
  })

  // Last, because it takes the bucket away.
  test('with the bucket gone /health turns 503, signing goes on, and a delete says 502 or 504 (H14, H20)', limit, async () => {
    const call = caller(service.url, await service.mint({ storeId: 'store1' }))
    await until('/health is 200', async () => (await call('GET', '/health')).status === 200)
    await s3.stop()
    const sick = await until('/health is 503', async () => {
      const answer = await call('GET', '/health')
      return answer.status === 503 && answer
    })
    assert.ok(sick.headers.get('retry-after'))
    assert.equal((await call('GET', '/livez')).status, 200)
    isSigned(await call('POST', '/upload-url', { key: 'store1/a' }), { method: 'PUT', key: 'store1/a' })
    isSigned(await call('GET', `/download-url${query({ key: 'store1/a' })}`), { method: 'GET', key: 'store1/a' })
    isSigned(await call('POST', '/v1/sign/download', { key: 'store1/a' }), { method: 'GET', key: 'store1/a' })
    isRefused(await call('DELETE', `/object${query({ key: 'store1/a' })}`), [502, 504])
    isRefused(await call('POST', '/v1/delete', { key: 'store1/a' }), [502, 504])
  })
})
