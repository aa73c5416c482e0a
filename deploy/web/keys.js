// Paths and keys. `livestore-filesync-files/<store>/<name>` is where a page sees a file; `<store>/<name>` is its key.

export const FILES_ROOT = 'livestore-filesync-files'

/** Drops one leading slash and then one leading files root, once, as the signer does it. */
export function stripFilesRoot(path, filesRoot = FILES_ROOT) {
  const rest = path.startsWith('/') ? path.slice(1) : path
  return rest.startsWith(`${filesRoot}/`) ? rest.slice(filesRoot.length + 1) : rest
}

/** The path of a key in a URL, every segment encoded. */
export const pathOfKey = (key, filesRoot = FILES_ROOT) =>
  `/${filesRoot}/${key.split('/').map(encodeURIComponent).join('/')}`

/**
 * The key of a URL's path, or null where the path is none of a file. Each segment is decoded once and only once: what a
 * segment holds is no separator, so that `a%2f..%2fb` is refused here and not resolved by somebody later.
 */
export function keyOfPath(pathname, filesRoot = FILES_ROOT) {
  const root = `/${filesRoot}/`
  if (!pathname.startsWith(root)) return null
  try {
    const segments = stripFilesRoot(pathname, filesRoot).split('/').map(decodeURIComponent)
    const plain = (segment) => segment !== '' && segment !== '.' && segment !== '..' && !/[/\\\u0000-\u001f\u007f]/.test(segment)
    return segments.length > 1 && segments.every(plain) ? segments.join('/') : null
  } catch {
    return null
  }
}

/** The SHA-256 that a content-addressed key ends in, or null. */
export const hashOfKey = (key) => /\/([0-9a-f]{64})$/.exec(key)?.[1] ?? null

/** The SHA-256 of bytes, as 64 hexadecimal digits. Pages have WebCrypto on https and on localhost alone. */
export async function sha256Hex(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export const base64OfHex = (hex) => btoa(String.fromCharCode(...hex.match(/../g).map((pair) => parseInt(pair, 16))))
