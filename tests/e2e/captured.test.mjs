// A delete that the signer made at the bucket, taken down on the wire and sent again (K25): nothing can be added to it, it
// is for its own key, and after a minute it is for nothing.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { forward } from './support/front.mjs'
import { caller, use } from './support/http.mjs'
import { sleep } from './support/process.mjs'
import { startSeaweed } from './support/seaweed.mjs'
import { startSigner } from './support/signer.mjs'

const limit = { timeout: 120_000 }

let s3, wire, service, call
const seen = []
before(async () => {
  s3 = await startSeaweed()
  wire = createServer((request, response) => {
    const { method, url, headers } = request
    seen.push({ method, url, headers })
    forward(s3.endpoint, request, response)
  })
  await new Promise((done) => wire.listen(0, '127.0.0.1', done))
  service = await startSigner({ ...s3, endpoint: `http://127.0.0.1:${wire.address().port}` })
  call = caller(service.url, await service.mint({ storeId: 's1' }))
}, { timeout: 120_000 })
after(async () => {
  await service?.stop()
  wire?.closeAllConnections()
  wire?.close()
  await s3?.stop()
})

async function put(key) {
  const signed = await call('POST', '/upload-url', { key })
  assert.equal((await use(signed.json, 'hello')).status, 200)
}
const isThere = async (key) => (await call('GET', `/object?key=${key}`)).status === 200

// The wire of the thief: to the bucket by the address that the request was signed for.
const again = ({ method, url, headers }, change = {}) => {
  const { connection: _, ...kept } = headers
  return fetch(`http://${headers.host}${change.url ?? url}`, { method: change.method ?? method, headers: { ...kept, ...change.headers } })
}

describe('a captured delete (K25)', () => {
  test('can neither be added to nor turned to another object, and ends within a minute', limit, async () => {
    await put('s1/f')
    await put('s1/g')
    assert.equal((await call('DELETE', '/object?key=s1/f')).status, 204)
    const taken = seen.find(({ method, url }) => method === 'DELETE' && url.includes('/s1/f?'))
    const { searchParams } = new URL(taken.url, s3.endpoint)
    assert.equal(searchParams.get('X-Amz-Expires'), '60')

    await put('s1/f')
    for (const headers of [
      { 'x-amz-bypass-governance-retention': 'true' },
      { 'x-amz-mfa': '20899872 301749' },
      { 'x-amz-copy-source': `/${s3.bucket}/s1/g` },
      { 'x-amz-expected-bucket-owner': '111122223333' },
      { 'x-amz-meta-any': 'thing' },
    ]) assert.equal((await again(taken, { headers })).status, 403, JSON.stringify(headers))
    for (const change of [
      { url: taken.url.replace('/s1/f?', '/s1/g?') },
      { url: `${taken.url}&versionId=null` },
      { url: `${taken.url}&tagging` },
      { url: taken.url.replace('X-Amz-Expires=60', 'X-Amz-Expires=3600') },
      { method: 'PUT' },
      { method: 'GET' },
    ]) assert.equal((await again(taken, change)).status, 403, JSON.stringify(change))
    assert.deepEqual([await isThere('s1/f'), await isThere('s1/g')], [true, true])

    // Within its minute it is what it was: so that all of the above was about what was changed.
    assert.equal((await again(taken)).status, 204)
    assert.equal(await isThere('s1/f'), false)

    await put('s1/f')
    await sleep(61_000)
    assert.equal((await again(taken)).status, 403)
    assert.equal(await isThere('s1/f'), true)
  })
})
