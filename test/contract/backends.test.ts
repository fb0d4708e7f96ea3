// Tests of failures depend on the servers of test/support/backends.ts. Here those servers are
// disturbed themselves.
import { Redis } from 'ioredis'
import { Client } from 'pg'
import { createDatabase, startPostgres, startRedis, startSentinel } from '../support/backends.ts'

const postgresUrl = process.env['OTESSE_TEST_POSTGRES_URL'] ?? ''

describe('a real Redis', () => {
  it('hangs while paused, and keeps an append-only file over a restart on its port', async () => {
    await using server = await startRedis({ appendOnly: true })
    const client = new Redis(server.url)
    client.on('error', () => undefined) // the restart cuts it off, as it should
    await client.set('name', 'value')
    server.pause()
    const answer = client.get('name')
    expect(await within(300, answer)).toBe('no answer')
    server.resume()
    expect(await answer).toBe('value')
    await server.restart()
    expect(await client.get('name')).toBe('value')
    client.disconnect()
  })

  it('is followed by its sentinels when it dies', async () => {
    await using group = await startSentinel()
    const client = new Redis({ sentinels: group.sentinels, name: group.name })
    client.on('error', () => undefined)
    await client.set('name', 'before')
    await group.killMaster()
    await client.set('name', 'after')
    expect(await client.get('name')).toBe('after')
    expect(client.stream.remotePort).toBe(group.replica.port)
    client.disconnect()
  })
})

describe('a real PostgreSQL', () => {
  it('hangs while paused, also on connections that are open, and keeps its data over a restart', async () => {
    await using server = await startPostgres()
    const before = await connect(server.url)
    await before.query('CREATE TABLE kept (id int)')
    server.pause()
    const answer = before.query('SELECT FROM kept')
    expect(await within(300, answer)).toBe('no answer')
    server.resume()
    await answer
    await server.restart()
    const after = await connect(server.url)
    await after.query('SELECT FROM kept')
    await after.end()
  })

  it('prepares a template once for all who ask at the same time', async () => {
    let timesPrepared = 0
    const template = {
      name: 'backends_template',
      prepare: async (url: string) => {
        timesPrepared++
        const client = await connect(url)
        await client.query('CREATE TABLE prepared (id int)')
        await client.end()
      },
    }
    const asking = [1, 2, 3].map(() => createDatabase(postgresUrl, template))
    for (const database of await Promise.all(asking)) {
      const client = await connect(database.url)
      await client.query('SELECT FROM prepared')
      await client.end()
      await database.drop()
    }
    expect(timesPrepared).toBe(1)
  })

  it('does not drop a database that a test still holds a connection to', async () => {
    const database = await createDatabase(postgresUrl)
    const forgotten = await connect(database.url)
    await expect(database.drop()).rejects.toThrow('being accessed by other users')
    await forgotten.end()
    await database.drop()
  })
})

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined) // a restart of the server ends it
  await client.connect()
  return client
}

function within(millis: number, answer: Promise<unknown>): Promise<unknown> {
  return Promise.race([
    answer,
    new Promise((resolve) => setTimeout(() => resolve('no answer'), millis)),
  ])
}
