// Uploads in parts, at SeaweedFS and at the embedded S3: what goes up comes down, what was lost goes on, and nobody but
// their owner touches them.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { caller, isRefused as isRefusal, query, use } from './support/http.mjs'
import { python } from './support/parts.mjs'
import { finish, freePort } from './support/process.mjs'
import { startSeaweed } from './support/seaweed.mjs'
import { newSecret, serve, settings, signer, startDev, startSigner, writeConfig } from './support/signer.mjs'
import { minter } from './support/tokens.mjs'

const limit = { timeout: 120_000 }
const MiB = 1024 * 1024
const sha256 = (bytes, form) => createHash('sha256').update(bytes).digest(form)

function isRefused(answer, status, code) {
  isRefusal(answer, status)
  assert.equal(answer.json.code, code)
}

let s3
before(async () => { s3 = await startSeaweed() }, { timeout: 120_000 })
after(async () => { await s3?.stop() })

// The bytes of a part.
const slice = (bytes, begun, number) => bytes.subarray((number - 1) * begun.partSize, number * begun.partSize)
const numbers = (count) => Array.from({ length: count }, (_, i) => i + 1)

// A client with nothing but a caller and an upload token.
function client(call) {
  const ok = async (...asked) => {
    const answer = await call(...asked)
    assert.ok(answer.status < 300, `${asked[0]} ${asked[1].slice(0, 40)}: ${answer.status} ${answer.text}`)
    return answer.json
  }
  return {
    begin: (fields) => ok('POST', '/multipart', fields),
    sign: async (uploadToken, fields) => (await ok('POST', '/multipart/sign', { uploadToken, ...fields })).parts,
    list: (uploadToken) => ok('GET', `/multipart${query({ uploadToken })}`),
    complete: (uploadToken, parts) => ok('POST', '/multipart/complete', { uploadToken, parts }),
    abort: (uploadToken) => ok('DELETE', `/multipart${query({ uploadToken })}`),
    head: (key) => call('GET', `/object${query({ key })}`),
    download: async (key) => {
      const signed = await ok('GET', `/download-url${query({ key })}`)
      return Buffer.from(await (await fetch(signed.url)).arrayBuffer())
    },
    // Sends these parts, four at a time, and gives what the bucket said of each.
    async send(begun, bytes, wanted) {
      const signed = await this.sign(begun.uploadToken, { partNumbers: wanted })
      assert.deepEqual(signed.map((part) => part.partNumber), wanted)
      const sent = []
      const next = async () => {
        for (let part = signed.shift(); part; part = signed.shift()) {
          const body = slice(bytes, begun, part.partNumber)
          assert.equal(part.contentLength, body.length)
          assert.deepEqual(part.boundHeaders, ['content-length', 'host'])
          const answer = await use(part, body)
          assert.equal(answer.status, 200, answer.bytes.toString())
          sent.push({ partNumber: part.partNumber, etag: answer.headers.get('etag') })
        }
      }
      await Promise.all([next(), next(), next(), next()])
      return sent.sort((a, b) => a.partNumber - b.partNumber)
    },
  }
}

const backends = [
  {
    name: 'SeaweedFS',
    store: 'store1',
    size: 100 * MiB + 12_345,
    checksParts: true,
    async start() {
      const service = await startSigner(s3, { multipart: { secret: newSecret() } })
      return { ...service, token: await service.mint({ storeId: 'store1', sub: 'u1' }) }
    },
  },
  { name: 'embedded S3', store: 'demo', size: 17 * MiB + 1, checksParts: false, start: () => startDev() },
]

for (const backend of backends) {
  describe(`uploads in parts: ${backend.name}`, () => {
    let service, call, own
    before(async () => {
      service = await backend.start()
      call = caller(service.url, service.token)
      own = client(call)
    }, limit)
    after(async () => { await service?.stop() })
    const key = (name) => `${backend.store}/${name}`

    test('what was sent, lost and taken up again comes down as it was', limit, async () => {
      const name = key('big file + é.bin')
      const bytes = randomBytes(backend.size)
      const begun = await own.begin({ key: name, contentLength: bytes.length, contentType: 'video/mp4' })
      assert.equal(begun.key, name)
      assert.equal(begun.partSize, 8 * MiB)
      assert.equal(begun.parts, Math.ceil(bytes.length / begun.partSize))
      assert.ok(Date.parse(begun.expiresAt) > Date.now() + 6 * 86_400_000)

      // Some arrive, in no order; then the page is closed, and all that is left is the token.
      const all = numbers(begun.parts)
      const early = all.filter((number) => number % 3 !== 1)
      const sentEarly = await own.send(begun, bytes, early.toReversed())
      const again = client(caller(service.url, service.token))
      const there = await again.list(begun.uploadToken)
      assert.deepEqual(there.parts.map((part) => part.partNumber), early)
      assert.equal(there.partSize, begun.partSize)
      assert.equal(there.partCount, begun.parts)
      for (const part of there.parts) assert.equal(part.size, slice(bytes, begun, part.partNumber).length)
      // s3s-fs lists no etags, and compares none.
      assert.equal(there.parts.every((part) => part.etag), backend.checksParts)
      const late = await again.send(begun, bytes, all.filter((number) => !early.includes(number)))

      // Out of order: the service puts them right.
      const parts = [...late, ...(backend.checksParts ? there.parts : sentEarly)].map(({ partNumber, etag }) => ({ partNumber, etag }))
      const done = await again.complete(begun.uploadToken, parts.toReversed())
      assert.equal(done.key, name)
      assert.match(done.etag, new RegExp(`^"[0-9a-f]{32}-${begun.parts}"$`))
      assert.ok(done.location.endsWith('/big%20file%20%2B%20%C3%A9.bin') && !done.location.includes('?'), done.location)
      assert.equal(sha256(await own.download(name), 'hex'), sha256(bytes, 'hex'))
      const head = (await own.head(name)).json
      assert.deepEqual([head.size, head.etag], [bytes.length, done.etag])

      // The answer was lost: the same question has the same answer, with the parts and without.
      assert.deepEqual(await again.complete(begun.uploadToken, parts), done)
      assert.deepEqual(await again.complete(begun.uploadToken), done)
    })

    test('a part of another length, number or upload is refused by the bucket', limit, async () => {
      const size = 5 * MiB + 10
      const [mine, other] = await Promise.all(['mine', 'other'].map((name) =>
        own.begin({ key: key(name), contentLength: size, partSize: 5 * MiB })))
      const [, last] = await own.sign(mine.uploadToken, { partNumbers: [1, 2] })
      assert.equal(last.contentLength, 10)
      for (const wrong of ['x'.repeat(11), 'x'.repeat(9)]) assert.equal((await use(last, wrong)).status, 403)
      const foreign = new URL((await own.sign(other.uploadToken, { partNumbers: [2] }))[0].url)
      const id = (url) => new URL(url).searchParams.get('uploadId')
      const changed = (change) => {
        const url = new URL(last.url)
        change(url)
        return { ...last, url: url.href }
      }
      assert.notEqual(id(last.url), id(foreign.href))
      for (const change of [
        (url) => url.searchParams.set('partNumber', '1'),
        (url) => url.searchParams.set('uploadId', id(foreign.href)),
        (url) => url.searchParams.delete('uploadId'),
        (url) => { url.pathname = foreign.pathname },
      ]) assert.equal((await use(changed(change), 'x'.repeat(10))).status, 403)
      assert.deepEqual((await own.list(mine.uploadToken)).parts, [])
      assert.deepEqual((await own.list(other.uploadToken)).parts, [])
      assert.equal((await use(last, 'x'.repeat(10))).status, 200)
      for (const begun of [mine, other]) await own.abort(begun.uploadToken)
    })

    test('a part of other bytes is refused by the bucket where it checks them (K22)', limit, async (t) => {
      if (!backend.checksParts) return t.diagnostic('s3s-fs does not check parts: a playground')
      const bytes = randomBytes(5 * MiB + 1000)
      const name = key('checked')
      const begun = await own.begin({ key: name, contentLength: bytes.length, partSize: 5 * MiB, checksum: 'sha256' })
      const hash = (number) => sha256(slice(bytes, begun, number), 'base64')
      const signed = await own.sign(begun.uploadToken, { parts: [1, 2].map((number) => ({ partNumber: number, checksum: hash(number) })) })
      assert.deepEqual(signed[1].headers, { 'x-amz-checksum-sha256': hash(2) })
      assert.deepEqual(signed[1].boundHeaders, ['content-length', 'host', 'x-amz-checksum-sha256'])
      const wrong = Buffer.from(slice(bytes, begun, 2))
      wrong[0] ^= 1
      assert.equal((await use(signed[1], wrong)).status, 400)
      assert.equal((await use({ ...signed[1], headers: { 'x-amz-checksum-sha256': sha256(wrong, 'base64') } }, wrong)).status, 403)
      assert.deepEqual((await own.list(begun.uploadToken)).parts, [])
      const parts = []
      for (const part of signed) {
        const answer = await use(part, slice(bytes, begun, part.partNumber))
        assert.equal(answer.status, 200, answer.bytes.toString())
        parts.push({ partNumber: part.partNumber, etag: answer.headers.get('etag'), checksum: hash(part.partNumber) })
      }
      // SeaweedFS compares what it is told at the end, and does not tell it.
      const swapped = parts.map((part, i) => ({ ...part, checksum: parts[1 - i].checksum }))
      assert.ok((await call('POST', '/multipart/complete', { uploadToken: begun.uploadToken, parts: swapped })).status >= 400)
      isRefused(await call('POST', '/multipart/complete', { uploadToken: begun.uploadToken }), 400, 'invalid_request')
      assert.equal((await own.head(name)).status, 404)
      await own.complete(begun.uploadToken, parts)
      assert.equal(sha256(await own.download(name), 'hex'), sha256(bytes, 'hex'))
      // Without its checksum no part of such an upload is signed.
      isRefused(await call('POST', '/multipart/sign', { uploadToken: begun.uploadToken, partNumbers: [1] }), 400, 'invalid_request')
    })

    test('an upload without all of its parts is not completed, and can be afterwards', limit, async () => {
      const bytes = randomBytes(10 * MiB + 5)
      const name = key('incomplete')
      const begun = await own.begin({ key: name, contentLength: bytes.length, partSize: 5 * MiB })
      const sent = await own.send(begun, bytes, [1, 3])
      const refused = async (parts, expected) => {
        const answer = await call('POST', '/multipart/complete', { uploadToken: begun.uploadToken, parts })
        isRefused(answer, 409, 'upload_incomplete')
        assert.deepEqual([answer.json.missingParts ?? [], answer.json.wrongParts ?? []], expected)
      }
      await refused(sent, [[2], []])
      await refused(undefined, [[2], []])
      await refused([...sent, { partNumber: 2, etag: sent[0].etag }], [[2], []])
      sent.splice(1, 0, ...await own.send(begun, bytes, [2]))
      await refused([sent[0], sent[2]], [[2], []])
      if (backend.checksParts) await refused([sent[0], { ...sent[1], etag: sent[0].etag }, sent[2]], [[], [2]])
      const odd = [{ ...sent[0], partNumber: 0 }, { ...sent[0], partNumber: 4 }, { ...sent[0], partNumber: 10_001 }, sent[0]]
      for (const part of odd) {
        isRefused(await call('POST', '/multipart/complete', { uploadToken: begun.uploadToken, parts: [...sent, part] }), 400, 'invalid_request')
      }
      assert.equal((await own.head(name)).status, 404)
      assert.equal((await own.list(begun.uploadToken)).parts.length, 3)
      await own.complete(begun.uploadToken, sent)
      assert.equal(sha256(await own.download(name), 'hex'), sha256(bytes, 'hex'))
    })

    test('an upload that was thrown away is gone, and its URLs with it', limit, async () => {
      const bytes = randomBytes(1000)
      const name = key('aborted')
      const begun = await own.begin({ key: name, contentLength: bytes.length })
      const [signed] = await own.sign(begun.uploadToken, { partNumbers: [1] })
      const sent = await own.send(begun, bytes, [1])
      await own.abort(begun.uploadToken)
      assert.ok([400, 403, 404].includes((await use(signed, bytes)).status))
      const completed = await call('POST', '/multipart/complete', { uploadToken: begun.uploadToken, parts: sent })
      assert.ok([404, 409].includes(completed.status), completed.text)
      assert.equal((await own.head(name)).status, 404)
      if (!backend.checksParts) return
      await own.abort(begun.uploadToken)
      isRefused(await call('GET', `/multipart${query({ uploadToken: begun.uploadToken })}`), 404, 'upload_not_found')
    })

    test('part numbers, sizes and tokens that are none are refused', limit, async () => {
      const begun = await own.begin({ key: key('odd'), contentLength: 1 })
      const sign = (fields) => call('POST', '/multipart/sign', { uploadToken: begun.uploadToken, ...fields })
      for (const number of [0, 2, 10_001, -1, 1.5, '1', null]) {
        isRefused(await sign({ partNumbers: [1, number] }), 400, 'invalid_request')
      }
      isRefused(await sign({ partNumbers: Array(1001).fill(1) }), 400, 'batch_too_large')
      assert.equal((await sign({ partNumbers: Array(1000).fill(1) })).json.parts.length, 1000)
      for (const fields of [{}, { partNumbers: [1], parts: [] }, { parts: [{ partNumber: 1, checksum: 'AAAA' }] }]) {
        isRefused(await sign(fields), 400, 'invalid_request')
      }
      const begin = (fields) => call('POST', '/multipart', { key: key('odd2'), ...fields })
      for (const fields of [{}, { contentLength: 0 }, { contentLength: 1, partSize: 1 }, { contentLength: 1, checksum: 'md5' }]) {
        isRefused(await begin(fields), 400, 'invalid_request')
      }
      isRefused(await begin({ contentLength: 5 * MiB * MiB + 1 }), 413, 'upload_too_large')
      isRefused(await begin({ key: 'elsewhere/f', contentLength: 1 }), 403, 'key_outside_store')
      const last = begun.uploadToken.at(-5)
      const changed = `${begun.uploadToken.slice(0, -5)}${last === 'A' ? 'B' : 'A'}${begun.uploadToken.slice(-4)}`
      for (const uploadToken of [changed, begun.uploadToken.slice(1), '', 'x']) {
        isRefused(await sign({ uploadToken, partNumbers: [1] }), 400, 'invalid_upload_token')
        isRefused(await call('GET', `/multipart${query({ uploadToken })}`), 400, 'invalid_upload_token')
      }
      await own.abort(begun.uploadToken)
    })
  })
}

describe('an upload belongs to the caller who began it', () => {
  let service, secret, uploadSecret
  const start = async (change) => {
    const listen = `127.0.0.1:${await freePort()}`
    return serve({ config: settings({ listen, s3, secret, change }), listen, base: '' })
  }
  before(async () => {
    [secret, uploadSecret] = [newSecret(), newSecret()]
    service = await start({ multipart: { secret: uploadSecret } })
  }, limit)
  after(async () => { await service?.stop() })
  const as = async (claims, url = service.url) => caller(url, await minter(secret)(claims))

  test('with its token, another caller gets 403 and changes nothing', limit, async () => {
    const bytes = randomBytes(5 * MiB + 1)
    const name = 'store1/owned'
    const own = client(await as({ storeId: 'store1', sub: 'u1', iss: 'https://idp.example.com' }))
    const begun = await own.begin({ key: name, contentLength: bytes.length, partSize: 5 * MiB })
    const { uploadToken } = begun
    const parts = await own.send(begun, bytes, [1, 2])
    const before = await own.list(uploadToken)
    for (const [who, code] of [
      [{ storeId: 'store1', sub: 'u2', iss: 'https://idp.example.com' }, 'not_your_upload'],
      [{ storeId: 'store1', sub: 'u1', iss: 'https://other.example.com' }, 'not_your_upload'],
      [{ storeId: 'store1', iss: 'https://idp.example.com' }, 'not_your_upload'],
      [{ storeId: 'store2', sub: 'u2', iss: 'https://idp.example.com' }, 'not_your_upload'],
      // The same caller after the right was taken away.
      [{ storeId: 'store2', sub: 'u1', iss: 'https://idp.example.com' }, 'key_outside_store'],
      [{ storeId: 'store1', sub: 'u1', iss: 'https://idp.example.com', scope: 'files:read files:delete' }, 'operation_not_allowed'],
      [{ storeId: 'store1', sub: 'u1', iss: 'https://idp.example.com', prefixes: ['store1/a'] }, 'key_outside_prefixes'],
    ]) {
      const call = await as(who)
      isRefused(await call('POST', '/multipart/sign', { uploadToken, partNumbers: [1] }), 403, code)
      isRefused(await call('GET', `/multipart${query({ uploadToken })}`), 403, code)
      isRefused(await call('POST', '/multipart/complete', { uploadToken, parts }), 403, code)
      isRefused(await call('DELETE', `/multipart${query({ uploadToken })}`), 403, code)
    }
    assert.deepEqual(await own.list(uploadToken), before)
    assert.equal((await own.head(name)).status, 404)
    // A new token of the same caller, with no more than the right to write, is enough.
    const writer = client(await as({ storeId: 'store1', sub: 'u1', iss: 'https://idp.example.com', scope: 'files:write' }))
    const done = await writer.complete(uploadToken, parts)
    assert.deepEqual(await writer.complete(uploadToken, parts), done)
    assert.equal(sha256(await own.download(name), 'hex'), sha256(bytes, 'hex'))
  })

  test('a token outlives its secret while that is listed, and not after', limit, async () => {
    const claims = { storeId: 'store1', sub: 'u1' }
    const begun = await client(await as(claims)).begin({ key: 'store1/rotated', contentLength: 10 })
    const next = newSecret()
    const [listed, dropped] = await Promise.all([{ old_secrets: [uploadSecret] }, {}].map((old) => start({ multipart: { secret: next, ...old } })))
    try {
      const ask = async (url, uploadToken) => (await as(claims, url))('POST', '/multipart/sign', { uploadToken, partNumbers: [1] })
      const signed = await ask(listed.url, begun.uploadToken)
      assert.equal(signed.status, 200)
      assert.equal((await use(signed.json.parts[0], 'x'.repeat(10))).status, 200)
      isRefused(await ask(dropped.url, begun.uploadToken), 400, 'invalid_upload_token')
      await client(await as(claims, listed.url)).complete(begun.uploadToken)
      const newer = await client(await as(claims, listed.url)).begin({ key: 'store1/rotated2', contentLength: 10 })
      assert.equal((await ask(dropped.url, newer.uploadToken)).status, 200)
      isRefused(await ask(service.url, newer.uploadToken), 400, 'invalid_upload_token')
      await client(await as(claims, dropped.url)).abort(newer.uploadToken)
    } finally {
      await Promise.all([listed.stop(), dropped.stop()])
    }
  })

  test('rules of today hold for an upload of yesterday', limit, async () => {
    const claims = { storeId: 'store1', sub: 'u1' }
    const bytes = randomBytes(2000)
    const own = client(await as(claims))
    const begun = await own.begin({ key: 'store1/ruled', contentLength: bytes.length, contentType: 'video/mp4' })
    const parts = await own.send(begun, bytes, [1])
    for (const [rule, status, code] of [
      [{ max_bytes: 1999 }, 413, 'upload_too_large'],
      [{ content_types: ['image/*'] }, 415, 'content_type_not_allowed'],
    ]) {
      const stricter = await start({ multipart: { secret: uploadSecret }, upload: rule })
      const call = await as(claims, stricter.url)
      isRefused(await call('POST', '/multipart/complete', { uploadToken: begun.uploadToken, parts }), status, code)
      isRefused(await call('POST', '/multipart', { key: 'store1/ruled2', contentLength: 2000, contentType: 'video/mp4' }), status, code)
      await stricter.stop()
    }
    assert.equal((await own.head('store1/ruled')).status, 404)
    await own.complete(begun.uploadToken, parts)
  })

  test('an object that must stay stays', limit, async () => {
    const once = await start({ multipart: { secret: uploadSecret }, upload: { write_once: true } })
    try {
      const own = client(await as({ storeId: 'store1', sub: 'u1' }, once.url))
      const first = randomBytes(1000)
      const second = randomBytes(1000)
      const uploads = []
      for (const bytes of [first, second]) {
        const begun = await own.begin({ key: 'store1/once', contentLength: 1000 })
        uploads.push({ token: begun.uploadToken, parts: await own.send(begun, bytes, [1]) })
      }
      const done = await own.complete(uploads[0].token, uploads[0].parts)
      const call = await as({ storeId: 'store1', sub: 'u1' }, once.url)
      isRefused(await call('POST', '/multipart/complete', { uploadToken: uploads[1].token, parts: uploads[1].parts }), 409, 'object_exists')
      assert.ok((await own.download('store1/once')).equals(first))
      // The one that made it hears again that it did.
      assert.deepEqual(await own.complete(uploads[0].token, uploads[0].parts), done)
      await own.abort(uploads[1].token)
    } finally {
      await once.stop()
    }
  })

  test('`signer check` tries one, and asks for the rule that ends stale uploads', limit, async () => {
    const change = { multipart: { secret: uploadSecret } }
    const file = writeConfig(settings({ listen: '127.0.0.1:1', s3, secret, change }))
    const check = async () => {
      const ran = await signer(['check', '--config', file, '--json'], { patience: 50_000 })
      assert.equal(ran.code, 0, ran.all)
      const lines = JSON.parse(ran.stdout)
      return (name) => lines.find((line) => line.check === name)
    }
    const first = await check()
    assert.deepEqual([first('multipart').status, first('stale uploads').status], ['ok', 'warn'])
    assert.match(first('stale uploads').evidence, /no rule that aborts them/)
    // The rule as it is printed, given to the bucket by AWS's own library.
    const rule = first('stale uploads').fix.match(/\{.*\}/)[0]
    const put = `import boto3, json, sys
want = json.load(sys.stdin)
s3 = boto3.client("s3", endpoint_url=want["endpoint"], region_name=want["region"], aws_access_key_id=want["accessKey"], aws_secret_access_key=want["secretKey"])
s3.put_bucket_lifecycle_configuration(Bucket=want["bucket"], LifecycleConfiguration=want["rule"])`
    const made = await finish(python(), ['-c', put], { input: JSON.stringify({ ...s3, rule: JSON.parse(rule) }) })
    assert.equal(made.code, 0, made.all)
    const then = await check()
    assert.deepEqual([then('stale uploads').status, then('stale uploads').evidence], ['ok', 'are aborted after 7 days'])
  })

  test('without a secret there are no uploads in parts', limit, async () => {
    const off = await start({})
    try {
      const call = await as({ storeId: 'store1' }, off.url)
      isRefused(await call('POST', '/multipart', { key: 'store1/f', contentLength: 1 }), 404, 'multipart_off')
    } finally {
      await off.stop()
    }
  })
})
