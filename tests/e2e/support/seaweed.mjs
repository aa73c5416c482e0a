// A real S3 server: SeaweedFS on free ports, data in a temporary folder, one bucket with CORS.
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bucketScript, python, weedBin } from './parts.mjs'
import { cleanEnv, finish, freeBlock, start, tempDir, until } from './process.mjs'

export const pageOrigin = 'https://app.example.com'

// A role that may do everything in the bucket, which STS of this server gives to whoever asks with a key.
const uploadRole = 'arn:aws:iam::role/uploads'
const iam = (bucket) => ({
  sts: { tokenDuration: '1h', maxSessionLength: '12h', issuer: 'e2e', signingKey: randomBytes(32).toString('base64') },
  policy: { defaultEffect: 'Deny', storeType: 'memory' },
  policies: [{ name: 'bucket', document: allow('s3:*', { Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`] }) }],
  roles: [{ roleName: 'uploads', roleArn: uploadRole, attachedPolicies: ['bucket'], trustPolicy: allow('sts:AssumeRole', { Principal: '*' }) }],
})
const allow = (action, more) => ({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: [action], ...more }] })

// `sts`: with a role (`uploadRole`) that it gives temporary credentials of.
export async function startSeaweed({ versioning = false, identities = [], origins = [pageOrigin], volumes = 20, sts = false } = {}) {
  const weed = weedBin()
  const interpreter = python()
  const home = tempDir('weed')
  const port = await freeBlock(4)
  const s3 = {
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    bucket: 'filesync',
    accessKey: 'E2EACCESSKEY',
    // made for this run, so that a test may look for it where a secret must never be
    secretKey: randomBytes(24).toString('hex'),
  }
  const identity = {
    name: 'e2e',
    credentials: [{ accessKey: s3.accessKey, secretKey: s3.secretKey }],
    actions: ['Admin', 'Read', 'Write', 'List', 'Tagging'],
  }
  mkdirSync(join(home, 'data'))
  writeFileSync(join(home, 's3.json'), JSON.stringify({ identities: [identity, ...identities] }))
  writeFileSync(join(home, 'iam.json'), JSON.stringify(iam(s3.bucket)))
  const run = start(weed, [
    'server', `-dir=${join(home, 'data')}`, '-ip=127.0.0.1', '-ip.bind=127.0.0.1',
    '-s3', `-s3.port=${port}`, `-s3.config=${join(home, 's3.json')}`,
    ...(sts ? [`-s3.iam.config=${join(home, 'iam.json')}`] : []),
    // the two zeros let several of them run side by side
    '-s3.port.iceberg=0', '-s3.port.lance=0',
    `-master.port=${port + 1}`, `-volume.port=${port + 2}`, `-filer.port=${port + 3}`,
    `-volume.max=${volumes}`, '-master.volumeSizeLimitMB=64',
  ], { cwd: home, env: cleanEnv({ HOME: home }) })
  await until('SeaweedFS answers', async () => (await fetch(s3.endpoint)).status > 0, { patience: 60_000, run })
  // Makes the bucket where there is none yet, and lets pages of these origins use it from now on.
  const letIn = async (origins) => {
    const made = await finish(interpreter, [bucketScript], {
      patience: 90_000,
      input: JSON.stringify({ ...s3, origins, versioning }),
    })
    if (made.code !== 0) throw new Error(`bucket.py failed: ${made.all}\n${run.log()}`)
  }
  await letIn(origins)
  // The keys of all versions and delete markers below a prefix, one for each.
  const versions = async (prefix) => {
    const listed = await finish(interpreter, [bucketScript], { input: JSON.stringify({ ...s3, versions: prefix }) })
    if (listed.code !== 0) throw new Error(`bucket.py failed: ${listed.all}`)
    return JSON.parse(listed.stdout)
  }
  // The keys of uploads in parts that were begun and not ended.
  const uploads = async () => {
    const listed = await finish(interpreter, [bucketScript], { input: JSON.stringify({ ...s3, uploads: true }) })
    if (listed.code !== 0) throw new Error(`bucket.py failed: ${listed.all}`)
    return JSON.parse(listed.stdout)
  }
  // Nothing in the folder is worth a slow goodbye.
  return { ...s3, uploadRole, allow: letIn, uploads, versions, stop: () => run.stop('SIGKILL') }
}
