// What page and Service Worker say to each other.
export const TOKEN_WANTED = 'filesync:token-wanted'
export const TOKEN = 'filesync:token'
export const CLAIM = 'filesync:claim'
export const FORGET = 'filesync:forget'
export const CLEAR = 'filesync:clear'
export const CALL = 'filesync:call'

/** Sends a message and waits for its answer, for so long. */
export const request = (target, message, ms = 5000) => new Promise((resolve, reject) => {
  const { port1, port2 } = new MessageChannel()
  const timer = setTimeout(() => { port1.close(); reject(new Error('no answer')) }, ms)
  port1.onmessage = ({ data }) => { clearTimeout(timer); port1.close(); resolve(data) }
  target.postMessage(message, [port2])
})
