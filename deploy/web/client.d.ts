/** `livestore-filesync-files`. */
export declare const FILES_ROOT: string
/** Drops one leading slash and then one leading files root, once. */
export declare function stripFilesRoot(path: string, filesRoot?: string): string
/** `/livestore-filesync-files/<store>/<name>`, percent-encoded: what an `<img src>` takes. */
export declare function pathOfKey(key: string, filesRoot?: string): string
/** The key of a URL's path, or null where it is the path of no file. */
export declare function keyOfPath(pathname: string, filesRoot?: string): string | null
/** The SHA-256 (64 lower-case hexadecimal digits) that a content-addressed key ends in, or null. */
export declare function hashOfKey(key: string): string | null
/** The SHA-256 of bytes as 64 hexadecimal digits. Needs https or localhost. */
export declare function sha256Hex(bytes: BufferSource): Promise<string>

/**
 * Every failure but an abort. `code` is the signer's (src/guide/api.md, "Errors"), or one of `token_missing`, `signer_unreachable`,
 * `bucket_unreachable`, `bucket_refused`, `bucket_<status>`, `http_<status>`, `object_not_found`, `hash_mismatch`,
 * `invalid_answer`, `insecure_page`. `message` is a sentence to show.
 */
export declare class FilesError extends Error {
  readonly name: 'FilesError'
  readonly code: string
  /** The HTTP status, or 0 where there was none. */
  readonly status: number
  /** The signer's, for its log. */
  readonly requestId: string | null
  /** Seconds, when the other side said how long to wait. */
  readonly retryAfter: number | null
}

/** What the signer gives, to be used as it is. */
export interface SignedUrl {
  readonly method: string
  readonly url: string
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  /** RFC 3339, UTC; null where the URL has no end. */
  readonly expiresAt: string | null
  readonly refreshAfter: string | null
  /** Seconds; null where the URL has no end. */
  readonly expiresIn: number | null
}

/** One call, for a log on the screen. Its URL holds no signature, and no call holds the token. */
export interface Call {
  readonly to: 'signer' | 'bucket' | 'cache'
  readonly method: string
  readonly url: string
  /** Of calls to the bucket and the cache. */
  readonly key?: string
  /** What the signer was sent as JSON. */
  readonly body: unknown
  /** What it said, signatures left out. */
  readonly answer?: unknown
  /** Of a PUT. */
  readonly contentType?: string
  /** 0 when there was no answer that the page may see. */
  readonly status: number
  /** How long until the head of the answer, in milliseconds. */
  readonly ms: number
  /** Of a file, moved by this call. */
  readonly bytes: number
  /** When it began: milliseconds since 1970. */
  readonly at: number
}

/** Gives the token, or null where nobody is signed in. With `refresh` the last one was refused (401). */
export type TokenCallback = (wanted: { refresh: boolean }) => string | null | Promise<string | null>

export interface FilesOptions {
  /** The signer with its base path, on this or another origin. */
  signerBaseUrl: string
  /** Asked before each call to the signer. Leave it out where a cookie speaks for the user. */
  token?: TokenCallback
  /** `include` sends the cookie to a signer on another origin. Default `omit`. */
  credentials?: RequestCredentials
  /** `keys.files_root` of the signer. */
  filesRoot?: string
  /** Of the Cache API. */
  cacheName?: string
  /** Asked life of URLs to read with, in seconds. Default: the signer's. */
  expiresIn?: number
  /** How long asks are gathered into one call, in milliseconds. Default 5. */
  batchDelayMs?: number
  /** URLs remembered at the most. Default 2,000. */
  maxUrls?: number
  /** Objects in the cache at the most, the oldest go. Default 1,000. */
  maxCached?: number
  /** Larger objects are not cached, in bytes. Default 32 MiB. */
  maxCachedBytes?: number
  /** PUTs of one upload, or of one part, at the most. Default 4. */
  maxAttempts?: number
  /** Larger files go up in parts where the signer has them (`[multipart]`), in bytes. Default 64 MiB. */
  multipartAbove?: number
  /** Asked size of the parts, in bytes. Default: the signer's. */
  partSize?: number
  /** Parts of one file that are sent at the same time. Default 3. */
  partsAtOnce?: number
  /** Where unfinished uploads are remembered, instead of IndexedDB. */
  kept?: KeptUploads
  /** Hears of every call to signer and bucket. */
  onCall?: (call: Call) => void
  /** For tests: instead of the global ones. Milliseconds since 1970. */
  fetch?: typeof fetch
  now?: () => number
  wait?: (ms: number, signal?: AbortSignal) => Promise<void>
}

export interface DownloadOptions {
  /** `bytes=0-1023`, for a 206. */
  range?: string
  /** An etag or date that the range is for. */
  ifRange?: string
  signal?: AbortSignal
}

interface UploadBase {
  /** Default: the file's, else `application/octet-stream`. */
  contentType?: string
  /** Binds the bytes by their SHA-256 also under a key that does not end in it. */
  checksum?: boolean
  /** Asked life of the URL, in seconds. */
  expiresIn?: number
  signal?: AbortSignal
  /** From 0 to `total`, and from 0 again with the next attempt; of a file in parts it falls by what a part has to repeat. */
  onProgress?: (progress: Progress) => void
  /** Of a file in parts: keeps a copy of it in the browser, so that `unfinished()` gives it back after a reload. */
  keepFile?: boolean
  /** Of a file in parts: it is begun, or found again. Its upload can be ended with `discard()`. */
  onBegun?: (upload: BegunUpload) => void
}

export interface Progress {
  readonly loaded: number
  readonly total: number
  readonly attempt: number
  /** Of a file in parts: how many there are. */
  readonly parts?: number
  /** Of a file in parts: bytes that were at the bucket before. */
  readonly resumed?: number
}

/** An upload in parts, as it is remembered. */
export interface BegunUpload {
  readonly id: string
  readonly key: string
  readonly uploadToken: string
  /** Of the file; null of a blob. */
  readonly name: string | null
  /** Bytes. */
  readonly size: number
  readonly partSize: number
  readonly contentType: string
  /** RFC 3339, UTC: when the signer takes its token no more. */
  readonly expiresAt: string | null
  /** When it was begun: milliseconds since 1970. */
  readonly at: number
}
/** With the file, where `keepFile` kept it. */
export type UnfinishedUpload = BegunUpload & { readonly file: Blob | null }

/** What remembers them: none of these fails. */
export interface KeptUploads {
  all(): Promise<BegunUpload[]>
  put(upload: BegunUpload): Promise<void>
  file(id: string): Promise<Blob | null>
  putFile(id: string, file: Blob): Promise<void>
  drop(id: string): Promise<void>
  clear(): Promise<void>
}
/** A key, or a store: the key is then `<store>/<SHA-256>`, or of a file in parts `<store>/<random>.<ending>`. */
export type UploadOptions = UploadBase & ({ key: string; store?: undefined } | { store: string; key?: undefined })

export interface Uploaded {
  readonly key: string
  /** Null where nothing asked for it. */
  readonly sha256: string | null
  /** Bytes. */
  readonly size: number
  readonly contentType: string
  /** The bucket had it already (write-once). */
  readonly existed: boolean
  readonly attempts: number
}

export interface Files {
  readonly filesRoot: string
  /** The bucket's answer: 200, 206 or 304. Throws `FilesError`. Takes keys and stored paths. */
  download(key: string, options?: DownloadOptions): Promise<Response>
  /** A signed URL to read with, the one in use while it is good. */
  url(key: string, options?: { signal?: AbortSignal }): Promise<SignedUrl>
  /**
   * Reads the whole file into memory where a hash is needed. A file over `multipartAbove` goes up in parts, each held to its
   * SHA-256 by the bucket; an abort then only pauses it, and the same file again goes on from there, also after a reload.
   */
  upload(file: Blob | BufferSource | string, options: UploadOptions): Promise<Uploaded>
  /** Uploads in parts that were begun in this browser and are not done. */
  unfinished(): Promise<UnfinishedUpload[]>
  /** Ends one of them, here and at the bucket. */
  discard(upload: BegunUpload, options?: { signal?: AbortSignal }): Promise<void>
  /** Deletes at the bucket and here; also when there was nothing. */
  remove(key: string, options?: { signal?: AbortSignal }): Promise<void>
  /** Forgets URL and cached bytes of one key. */
  forget(key: string): Promise<void>
  /** Forgets all URLs, cached bytes and unfinished uploads: at logout. */
  clear(): Promise<void>
}

export declare function createFiles(options: FilesOptions): Files
