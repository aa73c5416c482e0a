// A name server (RFC 1035) that knows one address for every name, or what a fault makes of it.
import { createSocket } from 'node:dgram'

const FAILURE = { servfail: 2, nxdomain: 3 }

// `answer` is an IPv4 address, 'none' for no record of the kind, or one of the failures.
function reply(query, answer) {
  let at = 12
  while (query[at]) at += query[at] + 1
  const question = query.subarray(12, at + 5)
  const wantsA = query.readUInt16BE(at + 1) === 1
  const address = wantsA && /^\d/.test(answer) ? answer.split('.').map(Number) : undefined
  const head = Buffer.alloc(12)
  query.copy(head, 0, 0, 2)
  head.writeUInt16BE(0x8180 | (FAILURE[answer] ?? 0), 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(address ? 1 : 0, 6)
  // A pointer to the name, type A, class IN, no seconds to keep it, four bytes.
  return Buffer.concat([head, question, address ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address]) : Buffer.alloc(0)])
}

// `each(send)` is called for every query in place of the proper answer.
export async function startNames(host) {
  const socket = createSocket('udp4')
  const names = { host, each: undefined, asked: 0, stop: () => socket.close() }
  socket.on('message', (query, { port, address }) => {
    names.asked += 1
    const send = (answer = '127.0.0.1') => socket.send(reply(query, answer), port, address)
    if (names.each) names.each(send)
    else send()
  })
  await new Promise((done, fail) => { socket.once('error', fail); socket.bind(53, host, done) })
  socket.on('error', () => {})
  return names
}
