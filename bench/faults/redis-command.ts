// One command to a Redis of this run, past the link to it.
import { Redis } from 'ioredis'

/** Sends a command and returns its reply as text, arrays joined by commas. */
export async function redisCommand(port: number, ...words: string[]): Promise<string> {
  const redis = new Redis({ host: '127.0.0.1', port })
  redis.on('error', () => undefined)
  try {
    return String(await redis.call(words[0]!, words.slice(1)))
  } finally {
    redis.disconnect()
  }
}
