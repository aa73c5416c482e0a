// What stands in front of a bucket for all the world, and writes down what reaches it. Requests go on as they are, with the
// Host that was signed, and answers come back as they are, less the headers in `leaveOut`.
import { createServer, request as ask } from 'node:http'

export const forward = (target, request, response, { leaveOut = [] } = {}) => {
  const { hostname, port } = new URL(target)
  const { method, url, headers } = request
  const onward = ask({ hostname, port, method, path: url, headers }, (answer) => {
    for (const name of leaveOut) delete answer.headers[name]
    response.writeHead(answer.statusCode, answer.headers)
    answer.pipe(response)
  })
  onward.on('error', () => response.destroy())
  response.on('close', () => onward.destroy())
  request.pipe(onward)
}

// With `losing`, the first request whose URL it likes loses its connection after so many bytes of its body.
export async function startFront(target) {
  const seen = []
  const front = { leaveOut: [], losing: undefined, lost: 0 }
  const lose = (request, after) => {
    let bytes = 0
    request.on('data', (chunk) => {
      bytes += chunk.length
      if (bytes >= after && !request.destroyed) {
        front.lost += 1
        request.socket.destroy()
      }
    })
  }
  const server = createServer((request, response) => {
    const { method, url, headers } = request
    const entry = { method, path: url.split('?')[0], headers }
    seen.push(entry)
    response.on('close', () => { entry.status = response.statusCode })
    if (front.losing && method !== 'OPTIONS' && front.losing.url(url)) {
      lose(request, front.losing.after)
      front.losing = undefined
    }
    forward(target, request, response, front)
  })
  await new Promise((done) => server.listen({ port: 0, host: '127.0.0.1' }, done))
  return Object.assign(front, {
    url: `http://127.0.0.1:${server.address().port}`,
    // requests about an object so far; preflights are not
    about: (key) => seen.filter((entry) => entry.method !== 'OPTIONS' && entry.path.endsWith(`/${key}`)),
    stop: () => new Promise((done) => { server.close(done); server.closeAllConnections() }),
  })
}
