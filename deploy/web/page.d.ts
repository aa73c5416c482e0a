import type { Call, TokenCallback } from './client.js'

export interface ConnectOptions {
  /** The address of your Service Worker's script. */
  scriptUrl: string
  /** Default `/`. */
  scope?: string
  /** Asked whenever the worker needs it. Leave it out where a cookie speaks for the user. */
  token?: TokenCallback
  /** Hears of the worker's calls, where it was installed with `reportCalls`. */
  onCall?: (call: Call) => void
  /** `classic` for a bundled worker. Default `module`. */
  type?: WorkerType
}

export interface Connected {
  /** After a deletion. */
  forget(key: string): Promise<unknown>
  /** At logout: the worker's token, URLs and bytes. */
  clear(): Promise<unknown>
  /** Gives the token before it is asked for. */
  sendToken(token: string | null): Promise<unknown>
}

/** Resolves when the worker answers for this page. */
export declare function connectServiceWorker(options: ConnectOptions): Promise<Connected>
