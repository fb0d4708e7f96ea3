import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { resetConnection } from '../support/tcp-proxy.ts'

it.each([
  { state: 'open', isEnding: false },
  { state: 'already ending', isEnding: true },
])('a connection that is $state is closed by a reset', async ({ isEnding }) => {
  const server = createServer((far) => far.resume().on('error', () => undefined)).listen(
    0,
    '127.0.0.1',
  )
  await once(server, 'listening')
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await once(near, 'connect')
  const errors: unknown[] = []
  near.on('error', (error) => errors.push(error))
  near.write('x')
  if (isEnding) {
    near.end()
    await Promise.resolve()
  }
  resetConnection(near)
  await once(near, 'close')
  expect(errors).toEqual([])
  await new Promise((resolve) => server.close(resolve))
})
