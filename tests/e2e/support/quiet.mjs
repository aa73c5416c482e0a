// The client and LiveStore write a line for every step they take. They would drown the names of the checks, so they
// are kept aside and shown only with E2E_VERBOSE=1.
if (!process.env.E2E_VERBOSE) {
  for (const name of ['log', 'info', 'debug', 'warn', 'error', 'group', 'groupEnd']) console[name] = () => {}
}
