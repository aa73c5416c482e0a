// The configuration read again while requests run. Case numbers (H33 …) are those of the project's security research.
import assert from 'node:assert/strict'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { caller } from './support/http.mjs'
import { freePort, sleep, tempDir, until } from './support/process.mjs'
import { newSecret, serve, settings, toToml } from './support/signer.mjs'
import { minter } from './support/tokens.mjs'

const limit = { timeout: 120_000 }

// Signing needs no bucket, so none runs here: what is in force is read from the URL that the signer signs.
const nowhere = { endpoint: 'http://127.0.0.1:9', region: 'us-east-1', bucket: 'one', accessKey: 'KEYONE', secretKey: newSecret() }
const two = { bucket: 'two', access_key_id: 'KEYTWO', region: 'eu-west-2' }

async function startOne(change = {}) {
  const listen = `127.0.0.1:${await freePort()}`
  const secret = newSecret()
  const base = settings({ listen, s3: nowhere, secret, change })
  const service = await serve({ config: base, listen, base: '' })
  const text = (storage = {}, more = {}) => toToml({ ...base, ...more, storage: { ...base.storage, ...storage } })
  // As careful editors and Kubernetes do it.
  const swap = (content) => {
    const next = `${service.configFile}.next`
    writeFileSync(next, content)
    renameSync(next, service.configFile)
  }
  const token = await minter(secret)({ storeId: 's1' })
  const url = async () => new URL((await caller(service.url, token)('GET', '/download-url?key=s1/f')).json.url)
  const bucket = async () => (await url()).pathname.split('/')[1]
  const logged = (pattern) => until(`the log says ${pattern}`, () => pattern.test(service.run.stdout + service.run.stderr), { run: service.run })
  return { service, base, secret, token, text, swap, url, bucket, logged }
}

describe('reload', () => {
  test('a changed file is in force within seconds, without one failed or mixed answer (H33)', limit, async () => {
    const { service, token, text, swap, bucket } = await startOne()
    const failures = []
    let done = false
    let answers = 0
    const client = async () => {
      const call = caller(service.url, token)
      while (!done) {
        const { status, json } = await call('GET', '/download-url?key=s1/f').catch((error) => ({ status: error.message }))
        answers += 1
        const seen = json && [/^\/(\w+)\//.exec(new URL(json.url).pathname)[1], ...new URL(json.url).searchParams.get('X-Amz-Credential').split('/').filter((_, part) => part === 0 || part === 2)].join()
        if (status !== 200 || !['one,KEYONE,us-east-1', 'two,KEYTWO,eu-west-2'].includes(seen)) failures.push(`${status} ${seen}`)
      }
    }
    const clients = Array.from({ length: 8 }, client)
    try {
      for (let round = 0; round < 6; round += 1) {
        swap(round % 2 ? text() : text(two))
        await until('it is in force', async () => (await bucket()) === (round % 2 ? 'one' : 'two'), { run: service.run })
      }
    } finally {
      done = true
      await Promise.all(clients)
      await service.stop()
    }
    assert.deepEqual(failures, [])
    assert.ok(answers > 1000, `${answers} answers`)
  })

  test('SIGHUP reads it at once, and says what waits for a restart', limit, async () => {
    const { service, text, swap, bucket, logged } = await startOne()
    try {
      swap(text(two, { telemetry: { log: 'info', log_format: 'json' } }))
      service.run.child.kill('SIGHUP')
      await until('it is in force', async () => (await bucket()) === 'two', { run: service.run })
      await logged(/telemetry has changed, which counts after a restart/)
      // With nothing changed it is read all the same.
      service.run.child.kill('SIGHUP')
      await logged(/in force[^\n]*reloaded"?[=:] ?2|reloaded"?[=:] ?2[^\n]*/)
      assert.equal(await bucket(), 'two')
    } finally {
      await service.stop()
    }
  })

  test('a bad or half-written file is refused, counted and named, and the old one stays in force', limit, async () => {
    const { service, text, swap, bucket, logged } = await startOne()
    try {
      const whole = text(two)
      for (const [count, [broken, pattern]] of [
        [whole.slice(0, whole.length - 20), /is not TOML|is not set/],
        [whole.replace('bucket = ', 'buket = '), /storage\.buket: unknown key/],
        ['', /auth\.hs256_secret: is not set/],
      ].entries()) {
        swap(broken)
        await logged(new RegExp(`refused"?[=:] ?${count + 1}\\b`))
        assert.match(service.run.stdout + service.run.stderr, pattern)
        assert.equal(await bucket(), 'one')
      }
      assert.ok(!(service.run.stdout + service.run.stderr).includes(nowhere.secretKey))
      // Written slowly, in two halves: only the whole is read.
      writeFileSync(service.configFile, whole.slice(0, 40))
      await sleep(100)
      writeFileSync(service.configFile, whole)
      await until('it is in force', async () => (await bucket()) === 'two', { run: service.run })
    } finally {
      await service.stop()
    }
  })

  test('a new secret in a file is in force within seconds, and the old one is not', limit, async () => {
    const file = join(tempDir('secret'), 'jwt')
    const [old, fresh] = [newSecret(), newSecret()]
    writeFileSync(file, old)
    const listen = `127.0.0.1:${await freePort()}`
    const config = { ...settings({ listen, s3: nowhere }), auth: { hs256_secret_file: file } }
    const service = await serve({ config, listen, base: '' })
    try {
      const status = async (secret) => (await caller(service.url, await minter(secret)({ storeId: 's1' }))('GET', '/download-url?key=s1/f')).status
      assert.deepEqual([await status(old), await status(fresh)], [200, 401])
      writeFileSync(file, fresh)
      await until('the new one is in force', async () => (await status(fresh)) === 200, { run: service.run })
      assert.equal(await status(old), 401)
    } finally {
      await service.stop()
    }
  })

  test('an identity provider that is away at that moment leaves the old one in force', limit, async () => {
    const { service, token, text, swap, bucket, logged } = await startOne()
    try {
      swap(text(two, { auth: { jwks_url: 'http://127.0.0.1:9/keys', issuer: 'https://idp.example.com' } }))
      await until('it has tried', () => /refused"?[=:] ?1\b/.test(service.run.stdout + service.run.stderr), { run: service.run, patience: 60_000 })
      await logged(/it had no keys to check tokens with within 30 seconds/)
      assert.equal(await bucket(), 'one')
      assert.equal((await caller(service.url, token)('GET', '/download-url?key=s1/f')).status, 200)
    } finally {
      await service.stop()
    }
  })
})
