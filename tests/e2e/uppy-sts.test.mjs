// Temporary credentials of a real STS, SeaweedFS': what they can do by another client's hands (botocore), in the published
// Uppy, and what `signer check` says of them and of an STS that takes no notice of the policy.
import './support/quiet.mjs'
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { caller, isRefused, query } from './support/http.mjs'
import { startOrigins } from './support/origins.mjs'
import { python, sessionScript } from './support/parts.mjs'
import { finish, freePort } from './support/process.mjs'
import { signer } from './support/signer.mjs'
import { LARGE, MIB, PARTS, fixCors, forUppy, openUppy, stored } from './support/uppy.mjs'

const limit = { timeout: 180_000 }

const config = (sts_endpoint, change = {}) => forUppy({
  storage: { provider: 'seaweedfs', prefix: 'pre/', upload_role_arn: origins.s3.uploadRole, sts_endpoint, ...change },
  upload: { checksum: 'off' },
})

let origins, service, token
before(async () => {
  origins = await startOrigins({ withUppy: true, allowed: false, volumes: 100, sts: true })
  service = await origins.start({ ...config(origins.s3.endpoint), server: { cors_origins: [origins.pages.origin] } })
  token = await service.mint({ storeId: 'alice', sub: 'ann' }, { ttl: 3600 })
}, { timeout: 180_000 })
after(async () => { await origins?.stop() })

async function session(settings) {
  const { endpoint, region, bucket, accessKey, secretKey } = origins.s3
  const input = JSON.stringify({ endpoint, region, bucket, accessKey, secretKey, ...settings })
  const ran = await finish(python(), [sessionScript], { patience: 90_000, input })
  assert.equal(ran.code, 0, ran.all)
  return JSON.parse(ran.stdout)
}

describe('temporary credentials at the bucket', () => {
  // What botocore may do with them; all else is refused, whatever the server calls it. SeaweedFS 4.48 takes an access list
  // along with an object from whoever may put it, where AWS asks for a right of its own: it must open nothing.
  const ALLOWED = ['put', 'put deeper', 'create', 'part', 'parts', 'complete', 'create again', 'abort', 'put with acl']

  for (const [store, prefix, folder] of [['alice', '', 'pre/alice/'], ['alice', 'alice/photos 2026', 'pre/alice/photos 2026/']]) {
    test(`of ${folder}: uploads below it, and nothing else`, limit, async () => {
      const given = await caller(service.url, await service.mint({ storeId: store }))('GET', `/s3/sts${query({ keyPrefix: prefix })}`)
      assert.equal(given.status, 200, given.text)
      assert.equal(given.json.keyPrefix, folder)
      const left = Date.parse(given.json.expiresAt) - Date.now()
      assert.ok(left > 880_000 && left <= 900_000, `they end in ${left} ms`)
      const { went, public: open, foreign, secret } = await session({ credentials: given.json.credentials, folder, foreign: 'pre/bob/' })
      const done = Object.keys(went).filter((name) => typeof went[name] === 'number')
      assert.equal(open, 403, 'an access list that was sent along opens nothing')
      assert.deepEqual(done, ALLOWED, JSON.stringify(went))
      // A name that no server takes is refused as such.
      for (const [name, code] of Object.entries(went)) {
        if (!ALLOWED.includes(name)) assert.match(code, /^(AccessDenied|InvalidRequest|InvalidArgument)$/, `${name}: ${code}`)
      }
      assert.deepEqual(foreign, ['pre/bob/secret'])
      assert.equal(secret, 'theirs')
    })
  }

  test('are for who may write the folder', limit, async () => {
    const ask = async (claims, keyPrefix = '') => caller(service.url, await service.mint(claims))('GET', `/s3/sts${query({ keyPrefix })}`)
    isRefused(await ask({ storeId: 'bob' }, 'alice'), 403)
    isRefused(await ask({ storeId: 'alice', prefixes: ['alice/a'] }, 'alice'), 403)
    isRefused(await ask({ storeId: 'alice', scope: 'files:read' }), 403)
    isRefused(await ask({ storeId: 'alice' }, 'alice/*'), 400)
  })
})

describe('@uppy/aws-s3 6 with getCredentials', () => {
  async function open({ multipart }) {
    const { bucket, region, keyPrefix } = (await caller(service.url, token)('GET', '/s3/sts')).json
    const extra = { s3Endpoint: `${origins.front.url}/${bucket}`, region, keyPrefix }
    return openUppy(origins, 6, { mode: 'getCredentials', signer: service.address, token, multipart, extra })
  }

  for (const [what, multipart, size, parts] of [['a small file', false, 123_457, 0], [`${LARGE / MIB} MiB in parts`, true, LARGE, PARTS]]) {
    test(`${what} goes up by credentials that Uppy signs with`, limit, async () => {
      await fixCors(service)
      const app = await open({ multipart })
      const hash = await app.add({ name: 'film é.mp4', type: 'video/mp4', size, seed: 8 })
      await app.upload()
      const [up] = await app.uploaded()
      assert.equal((await app.seen()).parts.length, parts)
      const key = decodeURIComponent(new URL(up.uploadURL).pathname).replace(`/${origins.s3.bucket}/pre/`, '')
      assert.match(key, /^alice\/[0-9a-f-]{36}-film é\.mp4$/)
      assert.equal((await stored(service, token, key)).hash, hash)
      await app.page.context().close()
    })
  }
})

describe('signer check', () => {
  test('tries temporary credentials where they should do nothing', limit, async () => {
    const checked = await signer(['check', '--config', service.configFile], { patience: 90_000 })
    assert.match(checked.stdout, /^ok {3}temporary credentials: upload below their folder and do nothing else, for 15 minutes$/m, checked.all)
  })

  // It answers with all that the role may do, whatever the policy in the call says.
  test('fails where STS takes no notice of the policy', limit, async () => {
    const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = await session({ assume: origins.s3.uploadRole })
    const port = await freePort()
    const careless = createServer((request, response) => {
      request.resume().on('end', () => response.end(
        `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>${AccessKeyId}</AccessKeyId><SecretAccessKey>${SecretAccessKey}</SecretAccessKey>` +
        `<SessionToken>${SessionToken}</SessionToken><Expiration>${Expiration}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`))
    }).listen(port, '127.0.0.1')
    try {
      const other = await origins.start(config(`http://127.0.0.1:${port}`))
      const checked = await signer(['check', '--config', other.configFile], { patience: 90_000 })
      assert.equal(checked.code, 1)
      assert.match(checked.stdout, /^FAIL temporary credentials: an upload outside the folder with them: 200, not 403; fix: empty storage.upload_role_arn/m, checked.all)
      assert.ok(!checked.all.includes(SecretAccessKey) && !checked.all.includes(SessionToken))
    } finally {
      careless.close()
    }
  })

  test('says what is missing where STS gives none', limit, async () => {
    const other = await origins.start(config(origins.s3.endpoint, { upload_role_arn: 'arn:aws:iam::role/of-nobody' }))
    const checked = await signer(['check', '--config', other.configFile], { patience: 90_000 })
    assert.match(checked.stdout, /^FAIL temporary credentials: STS gave no credentials; fix: let the access key assume storage.upload_role_arn/m, checked.all)
    const answer = await caller(other.url, await other.mint({ storeId: 'alice' }))('GET', '/s3/sts')
    isRefused(answer, 502)
    assert.equal(answer.json.code, 'sts_failed')
  })
})
