// Two clients of one LiveStore, in one process, without a cloud.
//
// Everything a client has is the published code: LiveStore's store, its SQLite and its sync processors, the Node adapter,
// the file sync's schema and Effect's Node file system. Ours is only the wire in between: LiveStore asks an application for
// a sync backend, and those that exist need Cloudflare, Electric or S2. The one below is an ordered list of events in
// memory that both clients push to and pull from, with the same refusal of a stale push as the real ones.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { load } from './parts.mjs'
import { tempDir } from './process.mjs'

const { Effect, Layer, Option, Stream, SubscriptionRef } = await load('effect')
const { FileSystem } = await load('@effect/platform')
const { NodeFileSystem } = await load('@effect/platform-node')
const { makeAdapter } = await load('@livestore/adapter-node')
const { createStorePromise, makeSchema, queryDb, State } = await load('@livestore/livestore')
const { validatePushPayload } = await load('@livestore/common/sync')
const { createFileSync, createFileSyncSchema } = await load('@livestore-filesync/core')

const { tables, events, createMaterializers } = createFileSyncSchema()
const schema = makeSchema({ events, state: State.SQLite.makeState({ tables, materializers: createMaterializers(tables) }) })

export async function makeHub() {
  const log = []
  const head = await Effect.runPromise(SubscriptionRef.make(0))
  const page = (after) => ({
    batch: log.filter((event) => event.seqNum > after).map((eventEncoded) => ({ eventEncoded, metadata: Option.none() })),
    pageInfo: { _tag: 'NoMore' },
  })
  return () => Effect.gen(function* () {
    return {
      isConnected: yield* SubscriptionRef.make(true),
      connect: Effect.void,
      ping: Effect.void,
      pull: (cursor, options) => {
        const after = Option.match(cursor, { onNone: () => 0, onSome: (at) => at.eventSequenceNumber })
        if (!options?.live) return Stream.sync(() => page(after))
        return head.changes.pipe(Stream.mapAccum(after, (seen) => {
          const next = page(seen)
          return [next.batch.at(-1)?.eventEncoded.seqNum ?? seen, next]
        }))
      },
      push: (batch) => Effect.gen(function* () {
        yield* validatePushPayload(batch, log.at(-1)?.seqNum ?? 0)
        log.push(...batch)
        yield* SubscriptionRef.set(head, log.at(-1).seqNum)
      }),
      metadata: { name: 'e2e', description: 'events in memory' },
      supports: { pullPageInfoKnown: true, pullLive: true },
    }
  })
}

// The file sync uses relative paths, that is the working directory; two clients in one process need a folder each.
const rootedAt = (root) => Layer.effect(FileSystem.FileSystem, Effect.map(FileSystem.FileSystem, (fs) => {
  const rooted = { ...fs }
  for (const name of ['readFile', 'writeFile', 'readDirectory', 'makeDirectory', 'remove', 'exists', 'stat', 'realPath']) {
    rooted[name] = (path, ...rest) => fs[name](join(root, path), ...rest)
  }
  return rooted
})).pipe(Layer.provide(NodeFileSystem.layer))

export async function startClient({ hub, name, storeId, remote, idle = false }) {
  const root = join(tempDir('client'), name)
  mkdirSync(root)
  const store = await createStorePromise({
    schema,
    storeId,
    adapter: makeAdapter({ storage: { type: 'in-memory' }, clientId: name, sync: { backend: hub } }),
    disableDevtools: true,
  })
  const seen = []
  const fileSync = createFileSync({
    store,
    schema: { tables, events, queryDb },
    remote,
    fileSystem: rootedAt(root),
    options: { onEvent: (event) => seen.push(event), healthCheckIntervalMs: 1000 },
  })
  if (!idle) fileSync.start()
  return {
    ...fileSync,
    root,
    // events of one kind about one file, so far
    events: (type, fileId) => seen.filter((event) => event.type === type && event.fileId === fileId),
    record: (fileId) => store.query(queryDb(tables.files.where({ id: fileId })))[0],
    async stop() {
      await fileSync.dispose()
      await store.shutdownPromise()
    },
  }
}
