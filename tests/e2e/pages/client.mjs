// What an application's page does with the published client: LiveStore's store in memory, its files in OPFS. The test
// calls it as `app`. Ours is only the wire between two stores, as in support/livestore.mjs: an ordered list of events, here
// kept by the page's own server (support/pages.mjs).
import { Effect, Option, Stream, SubscriptionRef } from 'effect'
import { makeInMemoryAdapter } from '@livestore/adapter-web'
import { validatePushPayload } from '@livestore/common/sync'
import { createStorePromise, makeSchema, queryDb, State } from '@livestore/livestore'
import { createFileSync, createFileSyncSchema } from '@livestore-filesync/core'
import { layer as opfs } from '@livestore-filesync/opfs'

const { tables, events, createMaterializers } = createFileSyncSchema()
const schema = makeSchema({ events, state: State.SQLite.makeState({ tables, materializers: createMaterializers(tables) }) })

const ask = (path, options) => Effect.promise(async (signal) => (await fetch(path, { ...options, signal })).json())
const page = (list) => ({
  batch: list.map((eventEncoded) => ({ eventEncoded, metadata: Option.none() })),
  pageInfo: { _tag: 'NoMore' },
})
// What there is already comes at once, what comes later when it comes.
const follow = (start) => Stream.unfoldEffect({ after: start, wait: false }, ({ after, wait }) =>
  Effect.map(ask(`/hub?after=${after}&wait=${wait}`), (list) =>
    Option.some([page(list), { after: list.at(-1)?.seqNum ?? after, wait: true }])))

const hub = () => Effect.gen(function* () {
  return {
    isConnected: yield* SubscriptionRef.make(true),
    connect: Effect.void,
    ping: Effect.void,
    pull: (cursor, options) => {
      const after = Option.match(cursor, { onNone: () => 0, onSome: (at) => at.eventSequenceNumber })
      return options?.live ? follow(after) : Stream.fromEffect(Effect.map(ask(`/hub?after=${after}&wait=false`), page))
    },
    push: (batch) => Effect.gen(function* () {
      const { refused, head } = yield* ask('/hub', { method: 'POST', body: JSON.stringify(batch) })
      if (refused) yield* validatePushPayload(batch, head)
    }),
    metadata: { name: 'e2e', description: 'events in memory' },
    supports: { pullPageInfoKnown: true, pullLive: true },
  }
})

const bytesOf = (base64) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))

globalThis.enter = async ({ name, storeId, remote }) => {
  const store = await createStorePromise({
    schema, storeId, adapter: makeInMemoryAdapter({ clientId: name, sync: { backend: hub } }), disableDevtools: true,
  })
  const seen = []
  const fileSync = createFileSync({
    store,
    schema: { tables, events, queryDb },
    remote,
    fileSystem: opfs(),
    options: { onEvent: (event) => seen.push(event), healthCheckIntervalMs: 1000 },
  })
  fileSync.start()
  globalThis.app = {
    save: (base64, type) => fileSync.saveFile(new File([bytesOf(base64)], 'picture', { type })),
    remove: (fileId) => fileSync.deleteFile(fileId),
    resolve: (fileId) => fileSync.resolveFileUrl(fileId),
    record: (fileId) => store.query(queryDb(tables.files.where({ id: fileId })))[0],
    // sentences only: an event's error is no plain object
    events: (type, fileId) => seen.filter((event) => event.type === type && event.fileId === fileId)
      .map(({ error }) => String(error?.cause?.message ?? error ?? '')),
  }
}
