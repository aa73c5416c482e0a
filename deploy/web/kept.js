// Uploads that were begun and are not done, in IndexedDB, so that a reload does not lose them. An upload token is worth
// nothing to anybody but who began the upload; where there is no database, or no room, nothing is kept.

const DATABASE = 'filesync-uploads-v1'
const RECORDS = 'records'
/** By the id of their record, and not in it: a record is written after each part. */
const FILES = 'files'

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result)
  request.onerror = () => reject(request.error)
})

/** All methods succeed: what cannot be kept is not, and what cannot be read was not there. */
export function makeKept(name = DATABASE) {
  let opened

  async function open() {
    const request = globalThis.indexedDB.open(name, 1)
    request.onupgradeneeded = () => {
      request.result.createObjectStore(RECORDS, { keyPath: 'id' })
      request.result.createObjectStore(FILES)
    }
    const database = await done(request)
    // Another page that wants to delete it is let.
    database.onversionchange = () => { database.close(); opened = undefined }
    return database
  }

  async function within(mode, work) {
    try {
      opened ??= open()
      const transaction = (await opened).transaction([RECORDS, FILES], mode)
      const ended = new Promise((resolve, reject) => {
        transaction.oncomplete = resolve
        transaction.onabort = () => reject(transaction.error)
      })
      ended.catch(() => {})
      const result = await done(work(transaction.objectStore(RECORDS), transaction.objectStore(FILES)))
      await ended
      return { result }
    } catch {
      opened = undefined
      return null
    }
  }

  return {
    all: async () => (await within('readonly', (records) => records.getAll()))?.result ?? [],
    put: async (record) => { await within('readwrite', (records) => records.put(record)) },
    file: async (id) => (await within('readonly', (_, files) => files.get(id)))?.result ?? null,
    /** A large file may be more than the browser gives room for. */
    putFile: async (id, file) => { await within('readwrite', (_, files) => files.put(file, id)) },
    drop: async (id) => { await within('readwrite', (records, files) => { files.delete(id); return records.delete(id) }) },
    clear: async () => { await within('readwrite', (records, files) => { files.clear(); return records.clear() }) },
  }
}
