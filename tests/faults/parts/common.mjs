// What several parts have in common: what a broken bucket allows, and faults that come and go.

// Deletes and looks may fail like this, health must say so, and signing goes on.
export const failing = (outcomes, { shows = [outcomes[0]], healthShows = ['503 bucket_unavailable'] } = {}) => ({
  sign: {},
  delete: { good: outcomes, rotated: outcomes, fresh: outcomes, shows },
  head: { good: outcomes, rotated: outcomes, fresh: outcomes, shows },
  health: { good: ['503 bucket_unavailable'], fresh: ['503 bucket_unavailable'], shows: healthShows },
})

export const unharmed = () => ({ sign: {}, delete: {}, head: {}, health: {} })

// The same for all routes and kinds.
export const everywhere = (rules) => ({ sign: { ...rules }, delete: { ...rules }, head: { ...rules }, health: { ...rules } })

// On and off, one after the other, and off at the end.
export function flapping(on, off, millis = 1000) {
  let running
  let isOver
  const sleep = (time) => new Promise((done) => setTimeout(done, time))
  return {
    up(world) {
      isOver = false
      running = (async () => {
        while (!isOver) {
          await on(world)
          await sleep(millis)
          await off(world)
          if (!isOver) await sleep(millis)
        }
      })()
    },
    async away() {
      isOver = true
      await running
    },
  }
}

// Something done again and again until the fault is over.
export function repeating(once, millis, last = () => {}) {
  let timer
  return {
    up(world) {
      let n = 0
      const tick = () => once(world, n++)
      tick()
      timer = setInterval(tick, millis)
    },
    away(world) {
      clearInterval(timer)
      return last(world)
    },
  }
}
