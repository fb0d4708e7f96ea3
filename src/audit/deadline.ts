// Waiting that ends. Called when the queue and the counters are written out for the last time.

/** Resolves when the work has ended, or after `millis` where it has not; returns whether it ended. The work itself must not reject. */
export async function endsWithin(work: Promise<unknown>, millis: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), millis)
  })
  try {
    return await Promise.race([work.then(() => true), tooLate])
  } finally {
    clearTimeout(timer)
  }
}
