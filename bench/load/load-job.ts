// The messages between the driver and the load process: a job describes one measured run against
// one server, a result answers it. Both sides import it. It holds types and the request builder
// only.

/** How the next request of a connection is chosen. */
export type RequestSource =
  /** Every connection walks round the list, starting at its own place. */
  | { kind: 'cycle'; bodies: string[] }
  /** Each body is sent exactly once; the run ends when the list is used up. */
  | { kind: 'once'; bodies: string[]; warmupCount: number }
  /** Connection i starts with the i-th token, then sends the refresh token that it got last. */
  | { kind: 'chain'; firstTokens: string[]; before: string; after: string }

/** One run of load against one server. */
export interface LoadJob {
  port: number
  host: string
  method: 'GET' | 'POST'
  path: string
  connections: number
  /**
   * Open loop: requests that become due per second, whatever the answers do. Absent: each
   * connection sends when it was answered.
   */
  ratePerSecond?: number
  source: RequestSource
  /**
   * Not measured; lets compilers and caches settle, for at least 1000 requests. A `once` source
   * counts requests instead.
   */
  warmupSeconds: number
  /** Longest measured time. */
  seconds: number
  /** A piece of text that every 200 answer must contain. */
  expect: string
  /** Keeps the answers' bodies and hands them back (for preparing tokens, not for measuring). */
  collect: boolean
  /** Processes whose CPU time is read at the start and the end of the measured part. */
  serverPid: number
  redisPid: number
}

/** The numbers of a run. Requests of the warm-up are in none of them. */
export interface LoadResult {
  requests: number
  /** From the first measured moment to the last answer. */
  elapsedMillis: number
  /**
   * User + system time of the server process, including the half second after the load in which it
   * finishes deferred work.
   */
  serverCpuMillis: number
  /** The same without that half second: how busy the server's core was. */
  serverBusyMillis: number
  redisCpuMillis: number
  /** One entry per measured request. */
  latenciesMillis: Float64Array
  /**
   * Open loop only: from the time at which a request was due. Waiting for a connection counts, and
   * so does a late load process.
   */
  sinceDueMillis?: Float64Array
  bodies: string[]
}

/** What the load process answers: a result, or why the run is worth nothing. */
export type LoadReply = { kind: 'done'; result: LoadResult } | { kind: 'failed'; reason: string }

/**
 * Writes one HTTP/1.1 request. `body` is form-encoded text with POST, and further header lines with
 * GET.
 */
export function buildRequest(job: Pick<LoadJob, 'method' | 'path' | 'host'>, body: string): Buffer {
  const head = `${job.method} ${job.path} HTTP/1.1\r\nHost: ${job.host}\r\nAccept: application/json\r\n`
  if (job.method === 'GET') return Buffer.from(`${head}${body}\r\n`)
  return Buffer.from(
    `${head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}
