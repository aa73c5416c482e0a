// What stands in front of a bucket for all the world, and writes down what reaches it. Requests go on as they are, with the
// Host that was signed.
import { createServer, request as ask } from 'node:http'

export async function startFront(target) {
  const { hostname, port } = new URL(target)
  const seen = []
  const server = createServer((request, response) => {
    const { method, url, headers } = request
    const entry = { method, path: url.split('?')[0], query: url.split('?')[1] ?? '', headers, status: undefined }
    seen.push(entry)
    const onward = ask({ hostname, port, method, path: url, headers }, (answer) => {
      entry.status = answer.statusCode
      response.writeHead(answer.statusCode, answer.rawHeaders)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    request.pipe(onward)
  })
  await new Promise((done) => server.listen({ port: 0, host: '127.0.0.1' }, done))
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    // requests for objects so far; preflights are not
    about: (path) => seen.filter((entry) => entry.method !== 'OPTIONS' && entry.path.endsWith(path)),
    seen,
    stop: () => new Promise((done) => { server.close(done); server.closeAllConnections() }),
  }
}
