// The load process: takes one job at a time from the driver, keeps every connection busy for its
// length, checks every answer and sends the numbers back. An unexpected status or body, or a closed
// connection, fails the job.
import { setTimeout as delay } from 'node:timers/promises'
import { runArrivals } from './arrivals.ts'
import { buildRequest } from './load-job.ts'
import type { LoadJob, LoadReply, LoadResult } from './load-job.ts'
import { readCpuMillis } from './process-cpu.ts'
import { openRawConnection } from './raw-connection.ts'
import type { RawConnection, RawResponse } from './raw-connection.ts'

// With fewer requests hot functions stay uncompiled, however long they took on a busy machine.
const WARMUP_REQUESTS = 1000

// Batched events and counters leave the server within this time. Their cost belongs to the requests
// that caused them.
const SETTLE_MILLIS = 500
const SHOWN_BODY_CHARACTERS = 300

process.on('message', (job: LoadJob) => {
  const running = job.ratePerSecond === undefined ? run(job) : runArrivals(job, job.ratePerSecond)
  running.then(
    (result) => reply({ kind: 'done', result }),
    (error: unknown) =>
      reply({ kind: 'failed', reason: error instanceof Error ? error.message : String(error) }),
  )
})

function reply(message: LoadReply): void {
  process.send!(message)
}

/** Chooses the next request of a connection; `undefined` means that nothing is left to send. */
type NextRequest = (connection: number, previous: Buffer | undefined) => Buffer | undefined

async function run(job: LoadJob): Promise<LoadResult> {
  const nextRequest = requestSource(job)
  const expected = Buffer.from(job.expect)
  const latencies: number[] = []
  const bodies: string[] = []
  const sentAt = new Float64Array(job.connections)
  let answered = 0
  let measuring = false
  let startedAt = 0
  let lastAnswerAt = 0
  let serverCpuAtStart = 0
  let redisCpuAtStart = 0
  let active = job.connections
  const warmupEndsAt = performance.now() + job.warmupSeconds * 1000

  function beginMeasuring(now: number): void {
    measuring = true
    startedAt = now
    serverCpuAtStart = readCpuMillis(job.serverPid)
    redisCpuAtStart = readCpuMillis(job.redisPid)
  }

  const connections: RawConnection[] = []
  try {
    await new Promise<void>((resolve, reject) => {
      function advance(index: number, previous: Buffer | undefined): void {
        const over = measuring && performance.now() - startedAt >= job.seconds * 1000
        const request = over ? undefined : nextRequest(index, previous)
        if (request === undefined) {
          active -= 1
          if (active === 0) resolve()
          return
        }
        sentAt[index] = performance.now()
        connections[index]!.send(request)
      }

      function receive(index: number, response: RawResponse): void {
        const now = performance.now()
        if (response.status !== 200 || !response.body.includes(expected)) {
          reject(new Error(unexpected(job, response)))
          return
        }
        answered += 1
        if (job.collect) bodies.push(response.body.toString())
        if (measuring) {
          latencies.push(now - sentAt[index]!)
          lastAnswerAt = now
        } else if (isWarm(job, answered, now >= warmupEndsAt && answered >= WARMUP_REQUESTS)) {
          beginMeasuring(now)
        }
        try {
          advance(index, response.body)
        } catch (error) {
          reject(new Error('no next request could be made', { cause: error }))
        }
      }

      const opening = Array.from({ length: job.connections }, async (_, index) => {
        connections[index] = await openRawConnection(
          job.port,
          (response) => {
            receive(index, response)
          },
          (reason) => reject(new Error(`${job.path}: ${reason}`)),
        )
      })
      Promise.all(opening).then(() => {
        if (isWarm(job, 0, job.warmupSeconds === 0)) beginMeasuring(performance.now())
        for (let index = 0; index < job.connections; index += 1) advance(index, undefined)
      }, reject)
    })
  } finally {
    for (const connection of connections) connection.close()
  }

  const serverBusyMillis = readCpuMillis(job.serverPid) - serverCpuAtStart
  if (!job.collect) await delay(SETTLE_MILLIS)
  return {
    requests: latencies.length,
    elapsedMillis: lastAnswerAt - startedAt,
    serverCpuMillis: readCpuMillis(job.serverPid) - serverCpuAtStart,
    serverBusyMillis,
    redisCpuMillis: readCpuMillis(job.redisPid) - redisCpuAtStart,
    latenciesMillis: Float64Array.from(latencies),
    bodies,
  }
}

function isWarm(job: LoadJob, answered: number, warmupTimeIsOver: boolean): boolean {
  return job.source.kind === 'once' ? answered >= job.source.warmupCount : warmupTimeIsOver
}

function unexpected(job: LoadJob, response: RawResponse): string {
  const body = response.body.toString().slice(0, SHOWN_BODY_CHARACTERS)
  return `${job.method} ${job.path} answered ${response.status}, wanted 200 with ${job.expect}: ${body}`
}

function requestSource(job: LoadJob): NextRequest {
  const { source } = job
  if (source.kind === 'chain') {
    const withToken = (token: string): Buffer =>
      buildRequest(job, source.before + token + source.after)
    return (connection, previous) =>
      withToken(previous === undefined ? source.firstTokens[connection]! : refreshTokenIn(previous))
  }
  // Built before the clock starts: sending is then one write.
  const requests = source.bodies.map((body) => buildRequest(job, body))
  if (source.kind === 'once') {
    let sent = 0
    return () => requests[sent++]
  }
  const stride = Math.max(1, Math.floor(requests.length / job.connections))
  const positions = Array.from({ length: job.connections }, (_, index) => index * stride)
  return (connection) => {
    const position = positions[connection]!
    positions[connection] = position + 1
    return requests[position % requests.length]
  }
}

const REFRESH_TOKEN_MEMBER = Buffer.from('"refresh_token":"')

function refreshTokenIn(body: Buffer): string {
  const start = body.indexOf(REFRESH_TOKEN_MEMBER) + REFRESH_TOKEN_MEMBER.length
  if (start < REFRESH_TOKEN_MEMBER.length) throw new Error('an answer without a refresh token')
  return body.toString('latin1', start, body.indexOf('"', start))
}
