// `signer check` and `signer cors` against SeaweedFS: green when all is well, and each thing that breaks is named.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { cleanEnv, finish, freePort, start, tempDir, until } from './support/process.mjs'
import { python, signerBin } from './support/parts.mjs'
import { pageOrigin, startSeaweed } from './support/seaweed.mjs'
import { newSecret, settings, signer, writeConfig } from './support/signer.mjs'

const limit = { timeout: 60_000 }
const otherPage = 'https://other.example.com'

let s3
before(async () => { s3 = await startSeaweed() }, { timeout: 120_000 })
after(async () => { await s3?.stop() })

const configFor = ({ origins = [pageOrigin], storage = {} } = {}) => writeConfig(settings({
  listen: '127.0.0.1:8787', s3, secret: newSecret(), change: { server: { cors_origins: origins }, storage },
}))

async function check(change, args = []) {
  const ran = await signer(['check', '--config', configFor(change), ...args], { patience: 50_000 })
  for (const secret of [s3.secretKey, 'X-Amz-Signature', 'X-Amz-Credential', 'eyJ']) {
    assert.ok(!ran.all.includes(secret), `printed ${secret}:\n${ran.all}`)
  }
  assert.equal(ran.stderr, '')
  return ran
}

// [check, status] of each line, in order.
const verdicts = (ran) => ran.stdout.trimEnd().split('\n').map((line) => {
  const [, status, name] = line.match(/^(ok|warn|FAIL) {1,3}([a-z][a-z -]*(?: https?:\/\/\S+)?): ./) ?? assert.fail(`no check: ${line}`)
  return [name, status]
})
const line = (ran, name) => ran.stdout.split('\n').find((text) => text.slice(5).startsWith(`${name}: `))

// Asked with boto3, and not with our own code: what is left below the folder, and what the CORS rules are.
async function asked(expression) {
  const script = `import boto3, json, os
from botocore.config import Config
s3 = boto3.client("s3", endpoint_url=os.environ["ENDPOINT"], region_name="us-east-1", aws_access_key_id=os.environ["KEY"],
    aws_secret_access_key=os.environ["SECRET"], config=Config(s3={"addressing_style": "path"}))
bucket = os.environ["BUCKET"]
print(json.dumps(${expression}))`
  const env = { ...process.env, ENDPOINT: s3.endpoint, KEY: s3.accessKey, SECRET: s3.secretKey, BUCKET: s3.bucket }
  const ran = await finish(python(), ['-c', script], { env, patience: 30_000 })
  assert.equal(ran.code, 0, ran.all)
  return JSON.parse(ran.stdout)
}
const rules = () => asked('s3.get_bucket_cors(Bucket=bucket)["CORSRules"]')
const left = () => asked('[o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix=".signer-check/").get("Contents", [])]')

describe('signer check', () => {
  test('a good bucket: every line is ok, exit 0, and nothing is left in it', limit, async () => {
    const ran = await check()
    assert.equal(ran.code, 0, ran.all)
    assert.deepEqual(verdicts(ran), [
      'dns', 'connection', 'clock', 'credentials', 'region', 'addressing', 'put', 'get', 'head', 'delete', 'delete frees',
      'absent', 'public endpoint', 'round trip', 'length', 'type', 'checksum', 'write-once', 'copy-source', 'expired',
      `cors ${pageOrigin}`, 'cors on errors',
    ].map((name) => [name, 'ok']), ran.all)
    assert.match(line(ran, 'write-once'), /second 412/)
    assert.match(line(ran, 'copy-source'), /403 SignatureDoesNotMatch/)
    assert.deepEqual(await left(), [])
  })

  test('--json is the same for machines', limit, async () => {
    const ran = await check({}, ['--json'])
    assert.equal(ran.code, 0, ran.all)
    const lines = JSON.parse(ran.stdout)
    assert.ok(lines.length > 15)
    for (const entry of lines) {
      assert.deepEqual(Object.keys(entry), ['check', 'status', 'evidence', 'fix'])
      assert.equal(entry.status, 'ok', JSON.stringify(entry))
      assert.equal(entry.fix, null)
    }
  })

  test('a wrong secret is one FAIL, one line for all that waits for it, and exit 1', limit, async () => {
    const ran = await check({ storage: { secret_access_key: 'not-the-secret' } })
    assert.equal(ran.code, 1, ran.all)
    assert.deepEqual(verdicts(ran), [
      ['dns', 'ok'], ['connection', 'ok'], ['clock', 'ok'], ['credentials', 'FAIL'], ['the rest', 'warn'],
    ], ran.all)
    assert.match(line(ran, 'credentials'), /403 SignatureDoesNotMatch.*secret_access_key/)
    assert.match(line(ran, 'the rest'), /credentials/)
  })

  test('a bucket that does not exist, and a port where nothing listens', limit, async () => {
    const missing = await check({ storage: { bucket: 'not-there' } })
    assert.equal(missing.code, 1, missing.all)
    assert.match(line(missing, 'addressing'), /^FAIL .*NoSuchBucket/)
    const nothing = await check({ storage: { endpoint: `http://127.0.0.1:${await freePort()}` } }, ['--json'])
    assert.equal(nothing.code, 1, nothing.all)
    assert.deepEqual(JSON.parse(nothing.stdout).map((entry) => [entry.check, entry.status]), [
      ['dns', 'ok'], ['connection', 'FAIL'], ['the rest', 'warn'],
    ])
  })

  test('a public address that clients cannot reach is its own line; the rest is still tried', limit, async () => {
    const ran = await check({ storage: { public_endpoint: `http://127.0.0.1:${await freePort()}` } })
    assert.equal(ran.code, 1, ran.all)
    assert.deepEqual(verdicts(ran).filter(([, status]) => status !== 'ok'), [['public endpoint', 'FAIL']], ran.all)
    assert.deepEqual(await left(), [])
  })

  test('a missing CORS rule is named, --fix-cors adds it beside the others, and then all is green', limit, async () => {
    const before = await rules()
    const change = { origins: [pageOrigin, otherPage] }
    const broken = await check(change)
    assert.equal(broken.code, 1, broken.all)
    assert.deepEqual(verdicts(broken).filter(([, status]) => status !== 'ok'), [[`cors ${otherPage}`, 'FAIL']], broken.all)
    const rule = JSON.parse(line(broken, `cors ${otherPage}`).match(/\{.*\}$/)[0])
    assert.deepEqual(rule.AllowedOrigins, [pageOrigin, otherPage])
    assert.deepEqual(await rules(), before, 'a check alone changes nothing')

    const fixed = await check(change, ['--fix-cors'])
    assert.equal(fixed.code, 0, fixed.all)
    assert.ok(verdicts(fixed).every(([, status]) => status === 'ok'), fixed.all)
    assert.match(line(fixed, 'fix-cors'), /^ok/)
    const { ID, ...ours } = (await rules()).at(-1)
    assert.equal(ID, 'filesync-signer')
    assert.deepEqual(ours, rule, 'the rule in the bucket is the one that was told')
    assert.equal((await rules()).length, before.length + 1)

    const again = await check(change, ['--fix-cors'])
    assert.equal(again.code, 0, again.all)
    assert.equal(line(again, 'fix-cors'), undefined, 'nothing to mend')
    assert.equal((await rules()).length, before.length + 1)
  })

  test('a bucket that keeps versions is said to, and none of ours stays', limit, async () => {
    await asked(`[s3.create_bucket(Bucket="versioned"),
      s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})] and None`)
    const ran = await check({ origins: [], storage: { bucket: 'versioned' } })
    assert.equal(ran.code, 0, ran.all)
    assert.match(line(ran, 'delete frees'), /^warn .*versions/)
    assert.equal(line(ran, 'clean up'), undefined)
    const kept = await asked(`[[v["Key"] for v in s3.list_object_versions(Bucket="versioned").get(kind, [])]
      for kind in ["Versions", "DeleteMarkers"]]`)
    assert.deepEqual(kept, [[], []])
  })

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    test(`${signal} in the middle still deletes what was put`, limit, async () => {
      const kept = new Map()
      let hung = false
      // a bucket that never answers a HEAD
      const server = createServer(async (request, response) => {
        const { method, url } = request
        const path = url.split('?')[0]
        const chunks = []
        for await (const chunk of request) chunks.push(chunk)
        if (method === 'HEAD') { hung = true; return }
        if (method === 'PUT') kept.set(path, Buffer.concat(chunks))
        if (method === 'DELETE') kept.delete(path)
        response.statusCode = method === 'GET' && !kept.has(path) ? 404 : 200
        response.end(method === 'GET' ? kept.get(path) : undefined)
      })
      await new Promise((done) => server.listen(0, '127.0.0.1', done))
      try {
        const endpoint = `http://127.0.0.1:${server.address().port}`
        const file = configFor({ storage: { endpoint, first_byte_timeout_secs: 30, call_timeout_secs: 30 } })
        const run = start(signerBin(), ['check', '--config', file], { env: cleanEnv(), cwd: tempDir('cwd') })
        await until('the check hangs', () => hung, { run })
        assert.equal(kept.size, 1)
        const { code } = await run.stop(signal, 10_000)
        assert.equal(code, 1, run.log())
        assert.match(run.stdout, /^FAIL interrupted: /m)
        assert.equal(kept.size, 0)
      } finally {
        server.closeAllConnections()
        server.close()
      }
    })
  }

  test('a bad configuration is exit 64', limit, async () => {
    for (const command of ['check', 'cors']) {
      const ran = await signer([command, '--config', configFor({ storage: { bucket: '' } })])
      assert.equal(ran.code, 64, ran.all)
      assert.match(ran.stderr, /storage\.bucket/)
    }
  })
})

describe('signer cors', () => {
  test('prints the document in each form', limit, async () => {
    const file = configFor({ origins: [pageOrigin, otherPage] })
    const printed = async (...args) => {
      const ran = await signer(['cors', '--config', file, ...args])
      assert.equal(ran.code, 0, ran.all)
      return ran.stdout
    }
    const json = await printed()
    assert.deepEqual(JSON.parse(json).CORSRules[0].AllowedOrigins, [pageOrigin, otherPage])
    assert.equal(await printed('--format', 'json'), json)
    assert.match(await printed('--format', 'xml'), /<AllowedOrigin>https:\/\/other\.example\.com<\/AllowedOrigin>/)
    assert.equal(await printed('--format', 'minio'), `MINIO_API_CORS_ALLOW_ORIGIN=${pageOrigin},${otherPage}\n`)
  })

  test('what it prints is what S3 takes', limit, async () => {
    const ran = await signer(['cors', '--config', configFor({ origins: [otherPage] })])
    await asked(`s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=json.loads('''${ran.stdout}'''))["ResponseMetadata"]["HTTPStatusCode"]`)
    const done = await check({ origins: [otherPage] })
    assert.equal(done.code, 0, done.all)
  })

  test('without origins there is nothing to print', limit, async () => {
    const ran = await signer(['cors', '--config', configFor({ origins: [] })])
    assert.equal(ran.code, 64, ran.all)
    assert.match(ran.stderr, /server\.cors_origins/)
  })
})

describe('the cheap part, at the start', () => {
  const broken = { secret_access_key: newSecret() }
  const serve = (storage) => {
    const run = start(signerBin(), ['serve', '--listen', '127.0.0.1:0', '--set', 'server.allow_root=true', '--config', configFor({ storage })], { env: cleanEnv(), cwd: tempDir('cwd') })
    return run
  }

  test('strict does not serve in front of a bucket that refuses it, and says why', limit, async () => {
    const run = serve({ ...broken, verify: 'strict' })
    const { code } = await run.exited
    assert.equal(code, 1, run.log())
    assert.match(run.stderr, /storage\.verify is strict[^]*FAIL credentials: 403/)
    assert.ok(!run.stderr.includes(broken.secret_access_key))
  })

  test('strict serves in front of a bucket that holds', limit, async () => {
    const run = serve({ verify: 'strict' })
    await until('it listens', () => run.stderr.includes('listening'), { run })
    await run.stop()
  })

  test('warn, the default, serves and says it in the log; off says nothing', limit, async () => {
    const warned = serve(broken)
    await until('it listens and warns', () => says(warned, 'listening') && says(warned, 'FAIL credentials'), { run: warned })
    await warned.stop()
    const silent = serve({ ...broken, verify: 'off' })
    // The background probe speaks of it as well, and later than the start would.
    await until('the probe has spoken', () => says(silent, 'the access key or its secret is refused'), { run: silent })
    assert.ok(!says(silent, 'FAIL credentials'), silent.log())
    await silent.stop()
  })
})

const says = (run, text) => run.stderr.includes(text)
