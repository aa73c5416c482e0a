// Compiled by the tests, never run: what the declarations take and what they do not.
import { createFiles, FilesError, keyOfPath } from './client.js'
import { connectServiceWorker } from './page.js'
import { installFiles } from './service-worker.js'

const files = createFiles({ signerBaseUrl: 'https://signer.example.com', token: async ({ refresh }) => (refresh ? null : 'a.b.c') })

export async function example(file: File, signal: AbortSignal): Promise<string | null> {
  const { key, sha256 } = await files.upload(file, { store: 'alice', signal, onProgress: ({ loaded, total }) => void (loaded / total) })
  const response: Response = await files.download(key, { range: 'bytes=0-9' })
  const { url, expiresAt } = await files.url(key)
  await files.remove(keyOfPath('/livestore-filesync-files/alice/a') ?? key)
  const { clear } = await connectServiceWorker({ scriptUrl: '/sw.js', token: () => null })
  await clear()
  for (const upload of await files.unfinished()) {
    if (upload.file) await files.upload(upload.file, { key: upload.key, keepFile: true, onBegun: ({ id }) => void id })
    else await files.discard(upload)
  }
  installFiles(globalThis, { signerBaseUrl: url, token: null, credentials: 'include' })
  // @ts-expect-error: a key or a store
  await files.upload(file, {})
  // @ts-expect-error: not both
  await files.upload(file, { key, store: 'alice' })
  // @ts-expect-error: it may have no end
  const end: string = expiresAt
  try {
    await files.clear()
  } catch (error) {
    if (error instanceof FilesError) return error.code + response.status + end
  }
  return sha256
}
