// Many operations in one request, against real buckets: SeaweedFS, and the S3 that `signer dev` carries with it.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createServer, request } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { caller, isRefused, use } from './support/http.mjs'
import { startSeaweed } from './support/seaweed.mjs'
import { startDev, startSigner } from './support/signer.mjs'

const limit = { timeout: 240_000 }

// Passes on what the signer asks of the bucket, and counts it.
async function startCounter(to) {
  const { hostname, port } = new URL(to)
  const asked = []
  const server = createServer((from, answer) => {
    asked.push(`${from.method} ${from.url.split('?')[0]}`)
    const on = request({ hostname, port, method: from.method, path: from.url, headers: from.headers }, (response) => {
      answer.writeHead(response.statusCode, response.headers)
      response.pipe(answer)
    })
    on.on('error', () => answer.destroy())
    from.pipe(on)
  })
  await new Promise((done) => server.listen({ port: 0, host: '127.0.0.1' }, done))
  return { asked, url: `http://127.0.0.1:${server.address().port}`, stop: () => { server.close(); server.closeAllConnections() } }
}

let s3, counter
before(async () => {
  s3 = await startSeaweed()
  counter = await startCounter(s3.endpoint)
}, { timeout: 120_000 })
after(async () => {
  counter?.stop()
  await s3?.stop()
})

const backends = [
  {
    name: 'SeaweedFS',
    store: 'store1',
    isShared: true,
    async start() {
      const change = { storage: { endpoint: counter.url, public_endpoint: s3.endpoint } }
      const service = await startSigner(s3, change)
      const stranger = await service.mint({ storeId: 'store2' })
      return { ...service, stranger, asked: counter.asked, token: await service.mint({ storeId: 'store1' }) }
    },
  },
  // One token for one store: nobody else is there to have files.
  { name: 'embedded S3', store: 'demo', start: () => startDev() },
]

// So many at a time.
async function pool(count, items, work) {
  const left = [...items]
  await Promise.all(Array.from({ length: count }, async () => {
    while (left.length > 0) await work(left.pop())
  }))
}

for (const backend of backends) {
  describe(`batch: ${backend.name}`, () => {
    let service, call
    before(async () => {
      service = await backend.start()
      call = caller(service.url, service.token)
    }, limit)
    after(async () => { await service?.stop() })

    const key = (name) => `${backend.store}/${name}`
    const results = (answer) => {
      assert.equal(answer.status, 200, answer.text)
      assert.deepEqual(Object.keys(answer.json), ['results'])
      return answer.json.results
    }
    const batch = async (operations) => results(await call('POST', '/batch', { operations }))
    const each = (op, names) => names.map((name) => ({ op, key: key(name) }))
    const statuses = (entries) => entries.map((entry) => entry.status)
    const put = async (names, bytes = 'x') => {
      const signed = results(await call('POST', '/upload-urls', { items: names.map((name) => ({ key: key(name) })) }))
      await pool(16, signed, async (entry) => {
        const answer = await use(entry, bytes)
        assert.equal(answer.status, 200, `${entry.key}: ${answer.bytes}`)
      })
    }

    test('a gallery goes up, comes down, is looked at and goes away in four requests', limit, async () => {
      const pictures = Array.from({ length: 20 }, (_, i) => ({ name: `gallery/${i}`, bytes: randomBytes(100 + i) }))
      const items = pictures.map(({ name, bytes }) => ({ key: key(name), contentType: 'image/png', contentLength: bytes.length }))
      const up = results(await call('POST', '/upload-urls', { items, expiresIn: 60 }))
      await pool(8, pictures.map((picture, i) => [picture, up[i]]), async ([{ bytes }, signed]) => {
        assert.equal(signed.expiresIn, 60)
        assert.equal((await use(signed, bytes)).status, 200)
      })
      const down = results(await call('POST', '/download-urls', { keys: pictures.map(({ name }) => key(name)) }))
      await pool(8, pictures.map((picture, i) => [picture, down[i]]), async ([{ name, bytes }, signed]) => {
        assert.equal(signed.key, key(name))
        assert.deepEqual((await use(signed)).bytes, bytes)
      })
      const names = pictures.map(({ name }) => name)
      const heads = await batch(each('head', names))
      assert.deepEqual(heads.map(({ status, size, contentType }) => [status, size, contentType]), pictures.map(({ bytes }) => [200, bytes.length, 'image/png']))
      assert.deepEqual(await batch(each('delete', names)), names.map(() => ({ status: 204 })))
      assert.deepEqual(new Set(statuses(await batch(each('head', names)))), new Set([404]))
    })

    test('good and bad operations stand side by side, each with its own answer', limit, async () => {
      await put(['mixed/a', 'mixed/b'], 'hello')
      const entries = await batch([
        { op: 'head', key: key('mixed/a') },
        { op: 'head', key: 'another-store/a' },
        { op: 'download', key: key('mixed/a'), filename: 'é.txt' },
        { op: 'purge', key: key('mixed/a') },
        { op: 'delete', key: key('mixed/b') },
        { op: 'delete', key: key('mixed/never-there') },
        { op: 'delete', key: `${key('mixed')}/../../another-store/a` },
        'delete everything',
        { op: 'head', key: key('mixed/never-there') },
        { op: 'upload', key: key('mixed/c'), contentLength: 3 },
        { op: 'delete-url', key: key('mixed/a') },
      ])
      assert.deepEqual(statuses(entries), [200, 403, 200, 400, 204, 204, 400, 400, 404, 200, 200])
      assert.deepEqual(entries.map(({ code }) => code).filter(Boolean), [
        'key_outside_store', 'invalid_request', 'invalid_key', 'invalid_request', 'object_not_found',
      ])
      assert.equal(entries[0].size, 5)
      const down = await use(entries[2])
      assert.equal(down.bytes.toString(), 'hello')
      assert.match(down.headers.get('content-disposition'), /^attachment; .*filename\*=UTF-8''%C3%A9\.txt/)
      assert.equal((await use(entries[9], 'abc')).status, 200)
      assert.ok([200, 204].includes((await use(entries[10])).status))
      const left = await batch(each('head', ['mixed/a', 'mixed/b', 'mixed/c']))
      assert.deepEqual(statuses(left), [404, 404, 200])
    })

    test('a thousand objects are deleted by one request, and nothing beside them', limit, async () => {
      const names = Array.from({ length: 1000 }, (_, i) => `thousand/${i}`)
      await put([...names.slice(0, 500), 'thousand/kept', 'thousand-kept', 'thousand/10000'])
      await put(names.slice(500))
      service.asked?.splice(0)
      const entries = await batch(each('delete', names))
      const deletes = service.asked?.filter((line) => !/^(GET|HEAD) /.test(line))
      assert.deepEqual(deletes ?? [`POST /${s3.bucket}/`], [`POST /${s3.bucket}/`], 'one call at the bucket')
      assert.equal(entries.length, 1000)
      assert.deepEqual(entries.filter((entry) => entry.status !== 204), [])
      assert.deepEqual(new Set(statuses(await batch(each('head', names)))), new Set([404]))
      assert.deepEqual(statuses(await batch(each('head', ['thousand/kept', 'thousand-kept', 'thousand/10000']))), [200, 200, 200])
      isRefused(await call('POST', '/batch', { operations: each('delete', [...names, 'thousand/kept']) }), 400)
      assert.deepEqual(statuses(await batch(each('head', ['thousand/kept']))), [200], 'a batch that is too large does nothing')
    })

    test('keys that XML, URLs and file systems treat as special are deleted exactly', limit, async () => {
      const odd = [
        `&<>"' +`, '&amp;', '&#97;', '<Key>a</Key>', ']]>', '%', 'a+b', 'a b', '?delete', '#f', 'é', 'e\u0301', '日本/語', '\u{1f600}',
        ' leading', 'trailing ', 'trailing\u00a0', "'quoted'", '"quoted"', 'a;b=c', 'x'.repeat(60),
      ].map((name) => `odd/${name}`)
      // What each would be to somebody who decodes, trims or normalises once too often.
      const near = ['&', 'a', 'trailing', 'leading', 'b', 'delete', 'E', 'quoted'].map((name) => `odd/${name}`)
      await put([...odd, ...near])
      assert.deepEqual(new Set(statuses(await batch(each('head', odd)))), new Set([200]))
      const entries = await batch(each('delete', odd))
      odd.forEach((name, i) => assert.deepEqual(entries[i], { status: 204 }, name))
      const gone = await batch(each('head', odd))
      odd.forEach((name, i) => assert.equal(gone[i].status, 404, name))
      const kept = await batch(each('head', near))
      near.forEach((name, i) => assert.equal(kept[i].status, 200, name))
    })

    test('a key that is asked for twice is answered twice', limit, async () => {
      await put(['twice'])
      assert.deepEqual(statuses(await batch(each('delete', ['twice', 'twice', 'never', 'twice']))), [204, 204, 204, 204])
      assert.deepEqual(statuses(await batch(each('head', ['twice', 'twice']))), [404, 404])
    })

    if (backend.isShared) test('files of another store stay, whatever a batch asks for (K38)', limit, async () => {
      const theirs = caller(service.url, service.stranger)
      const victim = 'store2/victim'
      const signed = (await theirs('POST', '/upload-url', { key: victim })).json
      assert.equal((await use(signed, 'theirs')).status, 200)
      await put(['mine'])
      const keys = [victim, key('mine'), 'store2', 'store2/', `${backend.store}/../${victim}`, `/${victim}`, `livestore-filesync-files/${victim}`, `${key('x')}</Key></Object><Object><Key>${victim}`]
      const entries = await batch(keys.map((name) => ({ op: 'delete', key: name })))
      assert.deepEqual(statuses(entries), [403, 204, 400, 400, 400, 403, 403, 204])
      assert.equal((await theirs('GET', `/object?key=${victim}`)).json.size, 6)
      assert.deepEqual(statuses(await batch(each('head', ['mine']))), [404])
    })
  })
}
