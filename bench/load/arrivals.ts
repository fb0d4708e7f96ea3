// Load at a constant rate (open loop): requests become due by the clock, whether or not earlier
// ones were answered, as those of many independent callers do. A request that finds no free
// connection waits for one, and its wait counts.
import { buildRequest } from './load-job.ts'
import type { LoadJob, LoadResult } from './load-job.ts'
import { readCpuMillis } from './process-cpu.ts'
import { openRawConnection } from './raw-connection.ts'
import type { RawConnection } from './raw-connection.ts'

// As fine as timers are. What becomes due in between is sent together.
const TICK_MILLIS = 1
const SETTLE_MILLIS = 500

/** Runs a job of `cycle` requests at its rate. @throws {Error} at the first unexpected answer */
export async function runArrivals(job: LoadJob, ratePerSecond: number): Promise<LoadResult> {
  if (job.source.kind !== 'cycle') throw new Error('a constant rate needs requests that repeat')
  const requests = job.source.bodies.map((body) => buildRequest(job, body))
  const expected = Buffer.from(job.expect)
  const perMilli = ratePerSecond / 1000
  const warmup = Math.ceil(job.warmupSeconds * ratePerSecond)
  const total = warmup + Math.ceil(job.seconds * ratePerSecond)
  const sinceDue = new Float64Array(total - warmup)
  const sinceSent = new Float64Array(total - warmup)
  const connections: RawConnection[] = []
  const free: number[] = []
  // What each connection is busy with.
  const current = new Int32Array(job.connections)
  const sentAt = new Float64Array(job.connections)
  let startedAt = 0
  let sent = 0
  let answered = 0
  let measuredFrom = 0
  let serverCpuAtStart = 0
  let redisCpuAtStart = 0
  let timer: NodeJS.Timeout | undefined

  try {
    await new Promise<void>((resolve, reject) => {
      const dueAt = (index: number): number => startedAt + index / perMilli

      function sendDue(): void {
        const now = performance.now()
        while (sent < total && dueAt(sent) <= now) {
          const connection = free.pop()
          // Sent when one is free again; it stays due since then.
          if (connection === undefined) return
          if (sent === warmup) {
            measuredFrom = now
            serverCpuAtStart = readCpuMillis(job.serverPid)
            redisCpuAtStart = readCpuMillis(job.redisPid)
          }
          current[connection] = sent
          sentAt[connection] = performance.now()
          connections[connection]!.send(requests[sent % requests.length]!)
          sent += 1
        }
      }

      function receive(connection: number, status: number, body: Buffer): void {
        const now = performance.now()
        if (status !== 200 || !body.includes(expected)) {
          reject(new Error(`${job.path} answered ${status}: ${body.toString().slice(0, 300)}`))
          return
        }
        const index = current[connection]!
        if (index >= warmup) {
          sinceDue[index - warmup] = now - dueAt(index)
          sinceSent[index - warmup] = now - sentAt[connection]!
        }
        answered += 1
        free.push(connection)
        if (answered === total) resolve()
        else sendDue()
      }

      const opening = Array.from({ length: job.connections }, async (_, index) => {
        connections[index] = await openRawConnection(
          job.port,
          ({ status, body }) => {
            receive(index, status, body)
          },
          (reason) => reject(new Error(`${job.path}: ${reason}`)),
        )
        free.push(index)
      })
      Promise.all(opening).then(() => {
        startedAt = performance.now()
        timer = setInterval(sendDue, TICK_MILLIS)
      }, reject)
    })
  } finally {
    clearInterval(timer)
    for (const connection of connections) connection.close()
  }

  const elapsedMillis = performance.now() - measuredFrom
  const serverBusyMillis = readCpuMillis(job.serverPid) - serverCpuAtStart
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MILLIS))
  return {
    requests: total - warmup,
    elapsedMillis,
    serverCpuMillis: readCpuMillis(job.serverPid) - serverCpuAtStart,
    serverBusyMillis,
    redisCpuMillis: readCpuMillis(job.redisPid) - redisCpuAtStart,
    latenciesMillis: sinceSent,
    sinceDueMillis: sinceDue,
    bodies: [],
  }
}
