// Debian's Chromium, without a window and without calls home, driven by playwright-core.
import { existsSync } from 'node:fs'
import { load } from './parts.mjs'

const CHROMIUM = '/usr/bin/chromium'
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
]

// One browser for a file of tests; `newContext()` gives a profile of its own, with its own storage and Service Workers.
export async function startBrowser(...more) {
  if (!existsSync(CHROMIUM)) throw new Error(`Chromium is missing (${CHROMIUM}): run "make test", which installs it.`)
  const { chromium } = await load('playwright-core')
  return chromium.launch({ executablePath: CHROMIUM, headless: true, args: [...FLAGS, ...more] })
}

// What a page complains of: uncaught errors, console errors, and breaches of its policy, which Chromium reports there.
export function complaints(page) {
  const heard = []
  page.on('pageerror', (error) => heard.push(String(error)))
  page.on('console', (message) => { if (message.type() === 'error') heard.push(`${message.text()} (${message.location().url})`) })
  return heard
}
