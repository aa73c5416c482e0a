// Several storages, keys of their own for each action, and the doctor over all of them, at a real SeaweedFS.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { caller, isRefused, isSigned, query, use } from './support/http.mjs'
import { freePort, tempDir, until } from './support/process.mjs'
import { pageOrigin, startSeaweed } from './support/seaweed.mjs'
import { serve, settings, newSecret, signer, startDev, toToml, writeConfig } from './support/signer.mjs'
import { minter } from './support/tokens.mjs'

const limit = { timeout: 60_000 }

// Keys that may do one thing each. SeaweedFS has no action for DELETE alone: it goes with Write.
const putOnly = { name: 'put', credentials: [{ accessKey: 'PUTONLY', secretKey: 'put-only-secret-of-this-test' }], actions: ['Write:filesync'] }
const getOnly = { name: 'get', credentials: [{ accessKey: 'GETONLY', secretKey: 'get-only-secret-of-this-test' }], actions: ['Read:filesync'] }
const keyOf = ({ credentials: [{ accessKey, secretKey }] }) => ({ access_key_id: accessKey, secret_access_key: secretKey })

let s3
before(async () => { s3 = await startSeaweed({ identities: [putOnly, getOnly] }) }, { timeout: 120_000 })
after(async () => { await s3?.stop() })

const routes = `
[[storage_routes]]
stores = ["acme", "team-*"]
storage = "eu"
[[storage_routes]]
stores = ["gone"]
storage = "away"
`

async function startWithThree() {
  const listen = `127.0.0.1:${await freePort()}`
  const secret = newSecret()
  const base = settings({ listen, s3, secret, change: { server: { cors_origins: [pageOrigin] } } })
  const sections = {
    ...base,
    'storages.eu': { ...base.storage, prefix: 'filesync/' },
    'storages.away': { ...base.storage, endpoint: `http://127.0.0.1:${await freePort()}` },
  }
  const served = await serve({ config: toToml(sections) + routes, listen, base: '' })
  return { ...served, mint: minter(secret) }
}

describe('several storages', () => {
  let service, as
  before(async () => {
    service = await startWithThree()
    as = async (store) => caller(service.url, await service.mint({ storeId: store }))
  }, limit)
  after(async () => { await service?.stop() })

  test('a file goes up, is described, comes down and goes away below the prefix, and is nowhere else', limit, async () => {
    const acme = await as('acme')
    const body = 'in its own folder'
    const put = isSigned(await acme('POST', '/upload-url', { key: 'acme/a file', contentType: 'text/plain', contentLength: body.length }), { method: 'PUT', key: 'acme/a file' })
    assert.equal(put.providerId, 'eu')
    assert.equal((await use(put, body)).status, 200)
    const described = await acme('GET', `/object${query({ key: 'acme/a file' })}`)
    assert.deepEqual([described.json.size, described.json.providerId, described.json.key], [body.length, 'eu', 'acme/a file'])
    const get = isSigned(await acme('GET', `/download-url${query({ key: 'acme/a file' })}`), { method: 'GET', key: 'acme/a file' })
    assert.equal((await use(get)).bytes.toString(), body)
    // The default storage is the same bucket without the prefix, so it sees where the bytes really lie.
    const all = await as('filesync')
    const there = async () => (await all('GET', `/object${query({ key: 'filesync/acme/a file' })}`)).status
    assert.equal(await there(), 200)
    assert.equal((await acme('DELETE', `/object${query({ key: 'acme/a file' })}`)).status, 204)
    assert.equal(await there(), 404)
  })

  test('a store in a storage that is down fails alone, and nothing stands in for it', limit, async () => {
    await until('the probe has found it away', async () => (await (await fetch(`${service.url}/health`)).json()).status === 'degraded')
    const { storages } = await (await fetch(`${service.url}/health`)).json()
    assert.deepEqual(Object.entries(storages).map(([name, { status, reason }]) => [name, status, reason]), [
      ['default', 'ok', undefined], ['away', 'unavailable', 'unreachable'], ['eu', 'ok', undefined],
    ])
    assert.equal((await fetch(`${service.url}/health?storage=away`)).status, 503)
    assert.equal((await fetch(`${service.url}/health?storage=eu`)).status, 200)
    const gone = await as('gone')
    isRefused(await gone('DELETE', `/object${query({ key: 'gone/f' })}`), [502, 503])
    const signed = isSigned(await gone('GET', `/download-url${query({ key: 'gone/f' })}`), { method: 'GET', key: 'gone/f' })
    assert.equal(signed.providerId, 'away')
    assert.equal((await (await as('s1'))('DELETE', `/object${query({ key: 's1/f' })}`)).status, 204)
  })

  test('signer check tries each by name, and one alone when asked', limit, async () => {
    const one = await signer(['check', '--config', service.configFile, '--storage', 'eu'], { patience: 50_000 })
    assert.equal(one.code, 0, one.all)
    const lines = one.stdout.trimEnd().split('\n')
    assert.ok(lines.length > 15 && lines.every((line) => line.startsWith('ok   [eu] ')), one.all)
    const all = await signer(['check', '--config', service.configFile, '--json'], { patience: 50_000 })
    assert.equal(all.code, 1, all.all)
    const failed = JSON.parse(all.stdout).filter((line) => line.status === 'FAIL')
    assert.deepEqual(failed.map((line) => [line.storage, line.check]), [['away', 'connection']])
    assert.equal((await signer(['check', '--config', service.configFile, '--storage', 'none'])).code, 64)
  })
})

describe('a key of its own for each action', () => {
  // K24, P10
  test('all routes work, and the key of PUT URLs can read nothing', limit, async () => {
    const listen = `127.0.0.1:${await freePort()}`
    const secret = newSecret()
    const base = settings({ listen, s3, secret })
    const { access_key_id: _, secret_access_key: __, ...storage } = base.storage
    const config = { ...base, storage, 'storage.put': keyOf(putOnly), 'storage.get': keyOf(getOnly), 'storage.delete': keyOf(putOnly) }
    const service = await serve({ config, listen, base: '' })
    try {
      const call = caller(service.url, await minter(secret)({ storeId: 's1' }))
      const put = isSigned(await call('POST', '/upload-url', { key: 's1/split' }), { method: 'PUT', key: 's1/split' })
      assert.match(put.url, /X-Amz-Credential=PUTONLY%2F/)
      assert.equal((await use(put, 'split')).status, 200)
      const get = isSigned(await call('GET', '/download-url?key=s1/split'), { method: 'GET', key: 's1/split' })
      assert.equal((await use(get)).bytes.toString(), 'split')
      assert.equal((await call('GET', '/object?key=s1/split')).json.size, 5)
      await until('the probe has asked', async () => (await fetch(`${service.url}/health`)).status === 200)
      // The same key with GET and DELETE swapped in: what a thief of the PUT key's rights could try.
      assert.equal((await use(put, undefined, { method: 'GET' })).status, 403)
      assert.equal((await call('DELETE', '/object?key=s1/split')).status, 204)
    } finally {
      await service.stop()
    }
    // With the roles swapped the bucket itself says no: the rights are the keys', not the signer's word.
    const swapped = writeConfig({ ...base, storage, 'storage.put': keyOf(getOnly), 'storage.get': keyOf(putOnly), 'storage.delete': keyOf(putOnly) })
    const checked = await signer(['check', '--config', swapped], { patience: 50_000 })
    assert.equal(checked.code, 1)
    assert.match(checked.stdout, /FAIL put: PUT 403 AccessDenied; fix: give the access key s3:PutObject/)
  })
})

describe('the embedded S3', () => {
  test('signer check fails and a strict start is refused, because it honours copy-source (K24); its configuration is gone at the end', limit, async () => {
    const place = tempDir('tmp')
    const dev = await startDev({ env: { TMPDIR: place } })
    const [, file] = dev.run.stdout.match(/^config: +(\S+), /m) ?? assert.fail(dev.run.stdout)
    let ran, strict
    try {
      ran = await signer(['check', '--config', file], { patience: 50_000 })
      strict = await signer(['serve', '--config', file, '--listen', '127.0.0.1:0', '--set', 'storage.verify=strict', '--set', 'server.allow_root=true'], { patience: 50_000 })
    } finally {
      await dev.stop()
    }
    assert.equal(strict.code, 1, strict.all)
    assert.match(strict.stderr, /storage\.verify is strict[^]*FAIL copy-source: 200, and another object was copied/)
    assert.equal(ran.code, 1, ran.all)
    assert.equal(ran.stdout.match(/^FAIL /gm).length, 1, ran.all)
    assert.match(ran.stdout, /^FAIL copy-source: 200, and another object was copied: who may PUT one key can read every other; fix: /m)
    isGone(await signer(['check', '--config', file]))
  })
})

const isGone = (ran) => assert.match(ran.stderr, /cannot be read/)
