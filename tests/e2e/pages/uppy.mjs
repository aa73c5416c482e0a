// What an application's page does with Uppy, of either version. The test calls it as `app`.

// The same bytes for the same seed, none of them for anything but to be told apart.
function bytes(size, seed) {
  const words = new Uint32Array(Math.ceil(size / 4))
  let state = seed + 0x9e3779b9
  for (let i = 0; i < words.length; i += 1) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return new Uint8Array(words.buffer, 0, size)
}

async function sha256(data) {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', data))
  return [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function offer({ Uppy, AwsS3, GoldenRetriever, modes }) {
  // Starts Uppy with the options of a mode, as an application would write them.
  function start({ mode, signer, token, multipart = true, remember = false, extra = {} }) {
    const uppy = new Uppy({ id: 'page', autoProceed: false })
    const seen = { parts: [], uploaded: [], errors: [] }
    uppy.use(AwsS3, { shouldUseMultipart: multipart, ...modes[mode]({ signer, token, ...extra }) })
    if (remember) uppy.use(GoldenRetriever, { indexedDB: { maxFileSize: 2 ** 30, maxTotalSize: 2 ** 31 } })
    uppy.on('s3-multipart:part-uploaded', (file, part) => {
      seen.parts.push(part.PartNumber)
      if (seen.parts.length === seen.pauseAfter) uppy.pauseAll()
    })
    uppy.on('upload-success', (file, { body, uploadURL }) => seen.uploaded.push({ name: file.name, body, uploadURL }))
    uppy.on('upload-error', (file, error) => seen.errors.push(String(error)))
    return { uppy, seen }
  }
  let now
  globalThis.app = {
    start: (settings) => { now = start(settings) },
    // Gives the hash of what is added.
    async add({ name, type, size, seed = 1, meta = {} }) {
      const data = bytes(size, seed)
      now.uppy.addFile({ name, type, data: new File([data], name, { type }), meta })
      return sha256(data)
    },
    pauseAfter(parts) { now.seen.pauseAfter = parts },
    // Its end is told by `seen`: a paused upload has none.
    upload() { void now.uppy.upload() },
    resume() { now.seen.pauseAfter = undefined; now.uppy.resumeAll() },
    retry() { void now.uppy.retryAll() },
    cancel() { now.uppy.cancelAll() },
    restored: () => now.uppy.getFiles().map(({ name, isRestored, isGhost, s3Multipart }) => ({ name, isRestored, isGhost, s3Multipart })),
    goOn() { now.uppy.emit('restore-confirmed') },
    seen: () => JSON.parse(JSON.stringify(now.seen)),
    state: () => now.uppy.getFiles().map(({ name, progress, s3Multipart }) => ({ name, progress, s3Multipart })),
  }
}

// The five lines of the guide, for a page whose token is known to its scripts.
export const authorised = (token) => ({ authorization: `Bearer ${token}` })
