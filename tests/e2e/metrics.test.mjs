// /metrics of a signer that really runs, read by Prometheus' own parser. Case numbers (H27 …) are those of the project's
// security research.
import assert from 'node:assert/strict'
import { renameSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { caller } from './support/http.mjs'
import { python } from './support/parts.mjs'
import { finish, freePort, sleep, until } from './support/process.mjs'
import { newSecret, serve, settings, signer, toToml, writeConfig } from './support/signer.mjs'
import { minter } from './support/tokens.mjs'

const limit = { timeout: 120_000 }
const nowhere = { endpoint: 'http://127.0.0.1:9', region: 'us-east-1', bucket: 'one', accessKey: 'KEYONE', secretKey: newSecret() }

// Both of its parsers: that of the older format, and the strict one of OpenMetrics. Gives samples by name and labels.
const PARSE = `
import json, sys
told = json.load(sys.stdin)
if told["open"]:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
else:
    from prometheus_client.parser import text_string_to_metric_families as parse
families = list(parse(told["text"]))
names = [family.name for family in families]
assert len(names) == len(set(names)), "a family is there twice"
samples = [(s.name + json.dumps(s.labels, sort_keys=True), s.value) for f in families for s in f.samples]
assert len(samples) == len(dict(samples)), "a series is there twice"
assert all(f.documentation and f.type in ("counter", "gauge", "histogram") for f in families), "a family says too little"
print(json.dumps(dict(samples)))
`

async function parsed(text, open) {
  const ran = await finish(python(), ['-c', PARSE], { input: JSON.stringify({ text, open }), patience: 60_000 })
  assert.equal(ran.code, 0, ran.all)
  const samples = JSON.parse(ran.stdout)
  return (name, labels = {}) => {
    const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
    return samples[`${name}{${sorted.map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`).join(', ')}}`]
  }
}

async function startOne(change = {}) {
  const listen = `127.0.0.1:${await freePort()}`
  const metrics = `127.0.0.1:${await freePort()}`
  const secret = newSecret()
  const base = settings({ listen, s3: nowhere, secret, change: { ...change, telemetry: { metrics_listen: metrics } } })
  const service = await serve({ config: base, listen, base: '' })
  const call = caller(service.url, await minter(secret)({ storeId: 's1' }))
  const scrape = async (accept = 'text/plain') => {
    const answer = await fetch(`http://${metrics}/metrics`, { headers: { accept } })
    assert.equal(answer.status, 200)
    return parsed(await answer.text(), answer.headers.get('content-type').startsWith('application/openmetrics-text'))
  }
  const swap = (content) => {
    writeFileSync(`${service.configFile}.next`, content)
    renameSync(`${service.configFile}.next`, service.configFile)
  }
  return { service, base, secret, metrics, call, scrape, swap }
}

const asked = (status = '200', code = '') => ({ route: '/download-url', method: 'GET', status, code })

describe('metrics', () => {
  for (const [format, accept] of [['0.0.4', 'text/plain'], ['OpenMetrics', 'application/openmetrics-text; version=1.0.0']]) {
    test(`the format ${format} is read by Prometheus' parser`, limit, async () => {
      const { service, metrics, call, scrape } = await startOne()
      try {
        for (let i = 0; i < 5; i += 1) assert.equal((await call('GET', '/download-url?key=s1/f')).status, 200)
        assert.equal((await call('POST', '/upload-url', { key: 's1/f', contentLength: 1234 })).status, 200)
        assert.equal((await call('GET', '/download-url?key=s2/f')).status, 403)
        await until('the probe failed', async () => (await scrape(accept))('signer_bucket_probe_failure', { storage: 'default', reason: 'unreachable' }) === 1)
        const told = await scrape(accept)
        assert.equal(told('signer_requests_total', asked()), 5)
        assert.equal(told('signer_requests_total', asked('403', 'key_outside_store')), 1)
        assert.equal(told('signer_request_duration_seconds_count', { route: '/download-url' }), 6)
        assert.equal(told('signer_request_duration_seconds_bucket', { route: '/download-url', le: '10.0' }), 6)
        assert.equal(told('signer_urls_minted_total', { storage: 'default', operation: 'download' }), 5)
        assert.equal(told('signer_upload_promised_bytes_total', { storage: 'default' }), 1234)
        assert.equal(told('signer_bucket_up', { storage: 'default' }), 0)
        assert.ok(told('process_resident_memory_bytes') > 1e6 && told('process_resident_memory_bytes') < 1e9)
        assert.ok(told('process_open_fds') > 3 && told('process_cpu_seconds_total') >= 0)
        assert.ok(Math.abs(told('process_start_time_seconds') - Date.now() / 1000) < 120)
        // The service itself has no such path, and its listener no other.
        assert.equal((await fetch(`${service.url}/metrics`)).status, 404)
        assert.equal((await fetch(`http://${metrics}/livez`)).status, 404)
      } finally {
        await service.stop()
      }
    })
  }

  test('counters go on across reloads, which are counted, as are those that are refused', limit, async () => {
    const { service, base, call, scrape, swap } = await startOne()
    const text = (bucket) => toToml({ ...base, storage: { ...base.storage, bucket } })
    try {
      for (let i = 0; i < 3; i += 1) await call('GET', '/download-url?key=s1/f')
      swap(text('two'))
      await until('it is in force', async () => (await scrape())('signer_config_reloads_total', { outcome: 'in_force' }) === 1, { run: service.run })
      await call('GET', '/download-url?key=s1/f')
      let told = await scrape()
      assert.equal(told('signer_requests_total', asked()), 4)
      assert.equal(told('signer_urls_minted_total', { storage: 'default', operation: 'download' }), 4)
      assert.ok(told('signer_token_cache_hits_total') >= 2)
      assert.equal(told('signer_config_last_reload_successful'), 1)
      const before = told('signer_config_timestamp_seconds')
      swap(text('two').replace('bucket = ', 'buket = '))
      await until('it is refused', async () => (await scrape())('signer_config_reloads_total', { outcome: 'refused' }) === 1, { run: service.run })
      told = await scrape()
      assert.equal(told('signer_config_last_reload_successful'), 0)
      assert.equal(told('signer_config_timestamp_seconds'), before)
      assert.equal(told('signer_requests_total', asked()), 4)
    } finally {
      await service.stop()
    }
  })

  test('it is told while the service drains, until the process ends', limit, async () => {
    const { service, metrics, scrape } = await startOne({ server: { drain_delay_secs: 3 } })
    service.run.child.kill('SIGTERM')
    await until('it drains', async () => (await scrape())('signer_draining') === 1, { run: service.run })
    assert.equal((await fetch(`${service.url}/readyz`)).status, 503)
    assert.deepEqual(await service.run.exited, { code: 0, signal: null })
    await assert.rejects(fetch(`http://${metrics}/metrics`))
  })

  test('connections that say nothing to it do not keep anybody from the service, nor for long from it', limit, async () => {
    const { service, metrics, call, scrape } = await startOne()
    const [host, port] = metrics.split(':')
    const silent = Array.from({ length: 40 }, () => connect(Number(port), host).on('error', () => {}))
    try {
      await sleep(200)
      assert.equal((await call('GET', '/download-url?key=s1/f')).status, 200)
      await until('their time is over', () => scrape().catch(() => false), { patience: 30_000, run: service.run })
    } finally {
      for (const socket of silent) socket.destroy()
      await service.stop()
    }
  })

  test('the address of the service is refused for it, as is one that is in use', limit, async () => {
    const listen = `127.0.0.1:${await freePort()}`
    const config = (metrics_listen) => writeConfig(settings({ listen, s3: nowhere, secret: newSecret(), change: { telemetry: { metrics_listen } } }))
    for (const wrong of [listen, listen.replace('127.0.0.1', '0.0.0.0'), 'localhost:9090', '9090']) {
      const refused = await signer(['--config', config(wrong), '--check-config'])
      assert.equal(refused.code, 64, refused.all)
      assert.match(refused.stderr, /telemetry\.metrics_listen: is/)
    }
    const { service, metrics } = await startOne()
    try {
      const second = await signer(['serve', '--config', config(metrics)], { env: { SIGNER__SERVER__ALLOW_ROOT: 'true' } })
      assert.equal(second.code, 1, second.all)
      assert.match(second.all, new RegExp(`${metrics} cannot be listened on: it is in use`))
    } finally {
      await service.stop()
    }
  })
})
