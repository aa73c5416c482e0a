// The whole client: createFileSync on LiveStore. A file saved on one client arrives on a second one, by way of the
// signer and SeaweedFS. See support/livestore.mjs for what stands between the two stores.
import './support/quiet.mjs'
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { caller, query } from './support/http.mjs'
import { makeHub, startClient } from './support/livestore.mjs'
import { load } from './support/parts.mjs'
import { until } from './support/process.mjs'
import { startSeaweed } from './support/seaweed.mjs'
import { startSigner } from './support/signer.mjs'

// createFileSync always uploads with XMLHttpRequest, which Node does not have.
globalThis.XMLHttpRequest = (await load('xhr2')).default

const limit = { timeout: 60_000 }
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

describe('whole client: createFileSync on LiveStore', () => {
  let s3, service, hub, ann, bob, call
  const clients = []
  const enter = async (name, token, idle = false) => {
    const client = await startClient({
      hub, name, storeId: 'store1', remote: { signerBaseUrl: service.url, authToken: token }, idle,
    })
    clients.push(client)
    return client
  }

  before(async () => {
    s3 = await startSeaweed()
    service = await startSigner(s3, { server: { base_path: '/api' } })
    const token = await service.mint({ storeId: 'store1' })
    call = caller(service.url, token)
    hub = await makeHub()
    ann = await enter('ann', token)
    bob = await enter('bob', token)
  }, { timeout: 120_000 })
  after(async () => {
    for (const client of clients) await client.stop()
    await service?.stop()
    await s3?.stop()
  })

  const arrives = async (client, fileId) => {
    await until('the file arrives', () => client.events('download:complete', fileId).length > 0)
    return Buffer.from(await (await client.readFile(client.record(fileId).path)).arrayBuffer())
  }
  const inBucket = async (hash) => (await call('GET', `/object${query({ key: `store1/${hash}` })}`)).status

  for (const [label, size, type] of [['1 KiB', 1024, 'image/png'], ['5 MiB', 5 * 1024 * 1024, 'video/mp4'], ['0 B', 0, 'text/plain'], ['10 B without a type', 10, '']]) {
    test(`saveFile on one client: the same ${label} on a second client`, limit, async () => {
      const bytes = randomBytes(size)
      const { fileId, contentHash } = await ann.saveFile(new File([bytes], 'picture', { type }))
      assert.equal(contentHash, sha256(bytes))
      assert.deepEqual(await arrives(bob, fileId), bytes)
      // on disk, under the second client's own folder, and not by way of the first one's
      assert.deepEqual(readFileSync(join(bob.root, 'livestore-filesync-files', 'store1', contentHash)), bytes)
      assert.equal(bob.record(fileId).remoteKey, `store1/${contentHash}`, 'the key is store and hash, no files root')
      assert.equal(await inBucket(contentHash), 200)
    })
  }

  test('updateFile on the second client: the new bytes on the first', limit, async () => {
    const { fileId } = await ann.saveFile(new File(['before'], 'note', { type: 'text/plain' }))
    await arrives(bob, fileId)
    await bob.updateFile(fileId, new File(['after'], 'note', { type: 'text/plain' }))
    await until('the new bytes arrive', async () => ann.record(fileId).contentHash === sha256('after') && ann.events('download:complete', fileId).length > 0)
    assert.equal((await arrives(ann, fileId)).toString(), 'after')
  })

  test('resolveFileUrl gives a signed URL where there is no local copy yet', limit, async () => {
    const { fileId, contentHash } = await ann.saveFile(new File(['far away'], 'note', { type: 'text/plain' }))
    await until('the upload is done', () => ann.record(fileId).remoteKey)
    // a third client that has the record and, idle, never fetches the bytes by itself
    const cleo = await enter('cleo', await service.mint({ storeId: 'store1' }), true)
    await until('the record arrives', () => cleo.record(fileId)?.remoteKey)
    const url = await cleo.resolveFileUrl(fileId)
    assert.ok(url.startsWith(`${s3.endpoint}/${s3.bucket}/store1/${contentHash}?`))
    assert.equal(await (await fetch(url)).text(), 'far away')
  })

  test('deleteFile on one client: gone from the bucket and from the second client', limit, async () => {
    const { fileId, contentHash } = await ann.saveFile(new File(['to be deleted'], 'note'))
    await arrives(bob, fileId)
    await ann.deleteFile(fileId)
    await until('the bucket has lost it', async () => (await inBucket(contentHash)) === 404)
    await until('the second client has lost it', () => !existsSync(join(bob.root, 'livestore-filesync-files', 'store1', contentHash)))
  })

  test('a client with the token of another store uploads nothing and says so', limit, async () => {
    const mallory = await enter('mallory', await service.mint({ storeId: 'store2' }))
    const { fileId, contentHash } = await mallory.saveFile(new File(['not mine'], 'note'))
    const [event] = await until('the refusal', () => {
      const errors = mallory.events('upload:error', fileId)
      return errors.length > 0 && errors
    })
    assert.match(String(event.error?.cause?.message ?? event.error), /\b403\b/)
    assert.equal(await inBucket(contentHash), 404)
  })
})
