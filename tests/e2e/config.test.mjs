// Configuration: mistakes are named all at once, secrets are never shown, the environment wins over the file.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { caller, query } from './support/http.mjs'
import { freePort, tempDir } from './support/process.mjs'
import { newSecret, serve, settings, signer, writeConfig } from './support/signer.mjs'
import { minter } from './support/tokens.mjs'

const limit = { timeout: 60_000 }

// Signing needs no bucket, so none runs here: what a setting did is read from the URL that the signer signs.
const nowhere = { endpoint: 'http://127.0.0.1:9', region: 'eu-west-7', bucket: 'from-file', accessKey: 'FILEACCESSKEY', secretKey: newSecret() }

async function sections(change = {}, secret = newSecret()) {
  return settings({ listen: `127.0.0.1:${await freePort()}`, s3: nowhere, secret, change })
}
const check = (file, env) => signer(['--check-config', '--config', file], { env })
const lines = (result) => result.stderr.split('\n').filter((line) => line.trim() !== '')

// The URL that a signer started like this mints.
async function mintedUrl({ config, env, secret, listen }) {
  const served = await serve({ config, env, base: '', listen })
  try {
    const token = await minter(secret)({ storeId: 'store1' })
    const { status, json, text } = await caller(served.url, token)('GET', `/download-url${query({ key: 'store1/f' })}`)
    assert.equal(status, 200, text)
    return new URL(json.url)
  } finally {
    await served.stop()
  }
}

describe('configuration', () => {
  test('a good file passes --check-config, quietly, with exit 0', limit, async () => {
    const result = await check(writeConfig(await sections()))
    assert.equal(result.code, 0, result.all)
    assert.equal(result.stderr, '')
  })

  test('a typo stops the start with exit 64 and names the key, the file and what was meant', limit, async () => {
    const good = await sections()
    const { bucket, ...storage } = good.storage
    const file = writeConfig({ ...good, storage: { ...storage, buket: 'x' } })
    for (const args of [['--check-config', '--config', file], ['serve', '--config', file]]) {
      const result = await signer(args)
      assert.equal(result.code, 64, result.all)
      const line = lines(result).find((one) => one.includes('buket'))
      assert.ok(line, result.all)
      assert.ok(line.includes(file), line)
      assert.match(line, /\bbucket\b/)
      assert.doesNotMatch(result.all, /panicked/)
    }
  })

  test('two mistakes are two lines, in one go', limit, async () => {
    const file = writeConfig(await sections({ server: { lisen: 'x' }, upload: { expires_secs: 604_801 } }))
    const result = await check(file)
    assert.equal(result.code, 64, result.all)
    assert.equal(lines(result).length, 2, result.stderr)
    assert.equal(lines(result).filter((line) => line.includes('lisen')).length, 1)
    assert.equal(lines(result).filter((line) => line.includes('upload.expires_secs')).length, 1)
  })

  const mistakes = {
    'a secret of 31 bytes (J36)': [{ auth: { hs256_secret: 'k'.repeat(15) + 'x'.repeat(16) } }, /auth\.hs256_secret.*32/],
    'an empty secret (J36)': [{ auth: { hs256_secret: '' } }, /auth\.hs256_secret/],
    'an unknown section': [{ storag: { bucket: 'x' } }, /storag\b.*storage/],
    'a life of 0 seconds (K34)': [{ download: { expires_secs: 0 } }, /download\.expires_secs/],
    'an endpoint with a user name': [{ storage: { endpoint: 'http://me:pw-9f3a@127.0.0.1:9' } }, /storage\.endpoint/],
    'an endpoint with a query': [{ storage: { endpoint: 'http://127.0.0.1:9/?a=b' } }, /storage\.endpoint/],
    'a public endpoint with a path': [{ storage: { public_endpoint: 'http://127.0.0.1:9/path' } }, /storage\.public_endpoint/],
    'a bucket with a slash (H32)': [{ storage: { bucket: 'a/b' } }, /storage\.bucket/],
    'an unknown addressing': [{ storage: { addressing: 'pat' } }, /storage\.addressing/],
    'a number where a list is wanted': [{ server: { cors_origins: 7 } }, /server\.cors_origins/],
    'an origin of *': [{ server: { cors_origins: ['*'], cors_credentials: true } }, /server\.cors_/],
  }
  for (const [what, [change, expected]] of Object.entries(mistakes)) {
    test(`${what} stops the start with exit 64 and one line that names the setting, not its value`, limit, async () => {
      const result = await check(writeConfig(await sections(change)))
      assert.equal(result.code, 64, result.all)
      assert.equal(lines(result).length, 1, result.stderr)
      assert.match(lines(result)[0], expected)
      assert.doesNotMatch(result.all, /pw-9f3a|kkkkxxxx/)
    })
  }

  test('a missing file, and one that is not TOML, is a line that names it', limit, async () => {
    const folder = tempDir('config')
    const missing = await check(join(folder, 'not-there.toml'))
    assert.equal(missing.code, 64, missing.all)
    assert.match(missing.stderr, /not-there\.toml/)
    writeFileSync(join(folder, 'broken.toml'), '[server\nlisten = ')
    const broken = await check(join(folder, 'broken.toml'))
    assert.equal(broken.code, 64, broken.all)
    assert.match(broken.stderr, /broken\.toml/)
    assert.doesNotMatch(missing.all + broken.all, /panicked/)
  })

  test('no key at all stops the start: nothing is open by accident', limit, async () => {
    const { auth, ...rest } = await sections()
    const result = await check(writeConfig(rest))
    assert.equal(result.code, 64, result.all)
    assert.match(result.stderr, /auth/)
  })

  test('`signer config` shows the effective settings and no secret, wherever the secret came from', limit, async () => {
    const secret = newSecret()
    const fromFile = newSecret()
    const fromEnv = newSecret()
    const secretFile = join(tempDir('secret'), 'key')
    writeFileSync(secretFile, `${fromFile}\n`)
    const good = await sections({}, secret)
    const { hs256_secret, ...auth } = good.auth
    const variants = [
      [good, {}, [secret, nowhere.secretKey]],
      [{ ...good, auth: { ...auth, hs256_secret_file: secretFile } }, {}, [fromFile, nowhere.secretKey]],
      [good, { SIGNER__AUTH__HS256_SECRET: fromEnv, SIGNER__STORAGE__SECRET_ACCESS_KEY: fromEnv }, [fromEnv, secret]],
    ]
    for (const [config, env, hidden] of variants) {
      const result = await signer(['config', '--config', writeConfig(config)], { env })
      assert.equal(result.code, 0, result.all)
      assert.match(result.stdout, /from-file/)
      assert.match(result.stdout, /eu-west-7/)
      for (const value of hidden) assert.ok(!result.all.includes(value), 'a secret was printed')
    }
  })

  test('a secret may come from a file, and the newline at its end does not count', limit, async () => {
    const secret = newSecret()
    const secretFile = join(tempDir('secret'), 'key')
    writeFileSync(secretFile, `${secret}\n`)
    const config = await sections()
    config.auth = { hs256_secret_file: secretFile }
    await mintedUrl({ config, secret, listen: config.server.listen })
  })

  test('SIGNER__ environment wins over the file', limit, async () => {
    const secret = newSecret()
    const config = await sections({}, secret)
    const fromFile = await mintedUrl({ config, secret, listen: config.server.listen })
    assert.equal(fromFile.pathname, '/from-file/store1/f')
    const fromEnv = await mintedUrl({ config, secret, listen: config.server.listen, env: { SIGNER__STORAGE__BUCKET: 'from-env' } })
    assert.equal(fromEnv.pathname, '/from-env/store1/f')
  })

  test('a typo in the environment is named too', limit, async () => {
    const result = await check(writeConfig(await sections()), { SIGNER__STORAGE__BUKET: 'x' })
    assert.equal(result.code, 64, result.all)
    assert.match(result.stderr, /SIGNER__STORAGE__BUKET/)
  })

  test('the environment alone is enough, lists included', limit, async () => {
    const secret = newSecret()
    const listen = `127.0.0.1:${await freePort()}`
    const env = {
      SIGNER__SERVER__LISTEN: listen,
      SIGNER__SERVER__CORS_ORIGINS: '["https://a.example","https://b.example"]',
      SIGNER__AUTH__HS256_SECRET: secret,
      SIGNER__STORAGE__ENDPOINT: nowhere.endpoint,
      SIGNER__STORAGE__REGION: nowhere.region,
      SIGNER__STORAGE__BUCKET: 'env-only',
      SIGNER__STORAGE__ADDRESSING: 'path',
      SIGNER__STORAGE__ACCESS_KEY_ID: nowhere.accessKey,
      SIGNER__STORAGE__SECRET_ACCESS_KEY: nowhere.secretKey,
    }
    assert.equal((await mintedUrl({ config: null, env, secret, listen })).pathname, '/env-only/store1/f')
  })

  test('the S3_* variables of the nearest peer work as they are', limit, async () => {
    const secret = newSecret()
    const listen = `127.0.0.1:${await freePort()}`
    const env = {
      SIGNER__SERVER__LISTEN: listen,
      SIGNER__AUTH__HS256_SECRET: secret,
      S3_ENDPOINT: 'http://s3.example:9',
      S3_REGION: 'eu-north-9',
      S3_BUCKET: 'peer-bucket',
      S3_ACCESS_KEY_ID: 'PEERACCESSKEY',
      S3_SECRET_ACCESS_KEY: newSecret(),
      S3_SESSION_TOKEN: 'peer+session/token==',
    }
    const path = await mintedUrl({ config: null, env: { ...env, S3_FORCE_PATH_STYLE: 'true' }, secret, listen })
    assert.equal(path.host, 's3.example:9')
    assert.equal(path.pathname, '/peer-bucket/store1/f')
    assert.match(path.searchParams.get('X-Amz-Credential'), /^PEERACCESSKEY\/\d{8}\/eu-north-9\/s3\/aws4_request$/)
    assert.equal(path.searchParams.get('X-Amz-Security-Token'), 'peer+session/token==')
    const host = await mintedUrl({ config: null, env: { ...env, S3_FORCE_PATH_STYLE: 'false' }, secret, listen })
    assert.equal(host.host, 'peer-bucket.s3.example:9')
    assert.equal(host.pathname, '/store1/f')
  })

  test('the log holds no token, no signature and no secret, at any level, and a line stays a line (H26)', limit, async () => {
    const secret = newSecret()
    const config = await sections({ telemetry: { log: 'trace', log_format: 'json' } }, secret)
    const served = await serve({ config, base: '', listen: config.server.listen })
    const token = await minter(secret)({ storeId: 'store1', sub: 'ann\n","level":"ERROR' })
    const forged = `${token.slice(0, -4)}AAAA`
    const url = query({ key: 'store1/f' })
    assert.equal((await caller(served.url, token)('GET', `/download-url${url}`)).status, 200)
    assert.equal((await caller(served.url, token)('POST', '/upload-url', { key: 'store1/f' })).status, 200)
    assert.equal((await caller(served.url, forged)('GET', `/download-url${url}`)).status, 401)
    // no bucket is there: its error is logged, and must not quote the URL that was called
    assert.equal((await caller(served.url, token)('DELETE', `/object${url}`)).status, 502)
    assert.equal((await caller(served.url, token)('GET', '/no%0awhere')).status, 404)
    await served.stop()
    const log = served.run.stderr
    const entries = log.trim().split('\n').map((line) => JSON.parse(line))
    const requests = entries.filter((entry) => entry.request_id)
    assert.deepEqual(requests.map((entry) => entry.status).slice(-5), [200, 200, 401, 502, 404])
    assert.ok(requests.every((entry) => entry.level === (entry.status === 502 ? 'WARN' : 'INFO') && entry.path.startsWith('/')))
    for (const hidden of [token, forged, token.split('.')[2], secret, nowhere.secretKey, 'X-Amz-', 'Bearer']) {
      assert.ok(!log.includes(hidden), `the log holds ${hidden}`)
    }
  })
})
