// `make faults`: every part that can break, in four ways, seen from four routes. One line a cell; traffic stays on this machine.
//
//            down                     slow                      wrong                        flapping
// bucket     refuses connections      no byte, or one a second  403, 500, an error in a 200, refused and back each second
//                                                               HTML, redirects, 1 GiB,
//                                                               rubbish, cut answers
// provider   refuses connections,     no byte, or two a second; empty, HTML, private keys,   refused and back each second;
//            with a key rotated       the same key              1 MiB, 500, cut, rubbish;    the same key
//            meanwhile                                          then other keys alone
// dns        no name is answered      one second, or eight      no such name, failure, no    silent and back each second
//                                                               address, another's address
// clock      stands, two hours ago    loses 20 s a second       a day ahead                  an hour ahead and right, each second
// descriptors not one to be had       the connections allowed   200 a second that reset or   none and enough, each second
//                                     held, released slowly     end half-way
// memory     64 MiB, 200 bodies that  64 MiB, 200 slow bodies   64 MiB, ever new stores with 64 MiB, 200 bodies each other
//            lack a byte                                        tokens of 7 KB               second
// signals    SIGTERM in flight, and   SIGSTOP two seconds of    broken configurations with   SIGHUP with good and broken
//            a new start              three                     SIGHUP, SIGUSR1, SIGPIPE, …  configurations in turn
//
// H13, H14, H16, H18, H20, H31 and P12 of the attack cases, and what they leave open.
//
// The model: whatever is broken, a bad token is 401 and a foreign key 403, a signed URL is for exactly the key that was
// asked for and truly signed, `expiresAt` is its end, a 204 was done, a size is the object's, an error has its code, request
// id and `Retry-After`. What a fault may change beyond that is in `parts/`, and what it must be seen to change ("shows").
import { performance } from 'node:perf_hooks'
import { longestStall, runFault } from './cell.mjs'

const AT_A_TIME = Number(process.env.FAULTS_AT_A_TIME ?? 7)
const only = process.argv.slice(2)

const parts = ['bucket', 'provider', 'dns', 'clock', 'descriptors', 'memory', 'signals']
const faults = (await Promise.all(parts.map((part) => import(`./parts/${part}.mjs`)))).flatMap((part) => part.default)
const chosen = faults.filter(({ part, kind }) => only.length === 0 || only.some((name) => `${part}/${kind}`.startsWith(name)))

// One that could not be run is four cells that failed.
async function run(fault) {
  try {
    return await runFault(fault)
  } catch (error) {
    return ['sign', 'delete', 'head', 'health'].map((route) => ({
      cell: `${fault.part}/${fault.kind}/${route}`, done: fault.done, seen: '', slowest: 0, recovery: 0, asked: 0, peakKb: 0, failures: [`not run: ${process.env.FAULTS_VERBOSE ? error.stack : error.message}`],
    }))
  }
}

// Again when the machine stood still meanwhile, for then a failure may be the machine's: three times at the most, and said.
async function runSteadily(fault) {
  for (let tries = 1; ; tries += 1) {
    const began = performance.now()
    const verdicts = await run(fault)
    const stall = longestStall(began)
    if (tries === 3 || stall === 0 || verdicts.every(({ failures }) => failures.length === 0)) return verdicts
    repeated += 1
    console.log(`${fault.part}/${fault.kind}: this machine stood still for ${stall} ms, and it is tried again`)
  }
}

let repeated = 0
const verdicts = []
const left = [...chosen]
const began = performance.now()
await Promise.all(Array.from({ length: AT_A_TIME }, async () => {
  for (let fault = left.shift(); fault; fault = left.shift()) {
    for (const verdict of await runSteadily(fault)) {
      verdicts.push(verdict)
      const { cell, done, seen, slowest, recovery, peakKb, failures } = verdict
      const result = failures.length === 0 ? 'OK' : `FAIL: ${failures.slice(0, 6).join('; ')}`
      console.log(`${cell}: ${done}; ${seen}; slowest ${slowest} ms; at most ${Math.round(peakKb * 1024 / 1e6)} MB; as before after ${recovery} ms: ${result}`)
    }
  }
}))

const failed = verdicts.filter(({ failures }) => failures.length > 0)
const most = (of) => Math.max(...verdicts.map(of))
console.log(`\n${verdicts.reduce((sum, { asked }) => sum + asked, 0)} requests, slowest answer ${most((v) => v.slowest)} ms, longest recovery ${most((v) => v.recovery)} ms, ` +
  `most memory ${Math.round(most((v) => v.peakKb) * 1024 / 1e6)} MB, ${Math.round((performance.now() - began) / 1000)} s, ${repeated} faults tried again`)
console.log(`${verdicts.length} cells, ${verdicts.length - failed.length} passed, ${failed.length} failed`)
process.exit(failed.length === 0 && verdicts.length > 0 ? 0 : 1)
