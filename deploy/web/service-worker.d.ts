import type { Files, FilesOptions, TokenCallback } from './client.js'

export interface InstallOptions extends Omit<FilesOptions, 'token'> {
  /** Left out: the pages are asked. Null: a cookie speaks for the user, with `credentials: 'include'`. */
  token?: TokenCallback | null
  /** False leaves `install`, `activate` and `fetch` to you. Default true. */
  listen?: boolean
  /** Tells every page of every call. Default false. */
  reportCalls?: boolean
}

export interface Installed {
  readonly files: Files
  /** For a `fetch` listener of your own: the answer, or null when the request is for no file. */
  answer(request: Request, waitUntil?: (work: Promise<unknown>) => void): Promise<Response> | null
}

/** `worker` is the `self` of a Service Worker. */
export declare function installFiles(worker: unknown, options: InstallOptions): Installed
