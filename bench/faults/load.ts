// The mixed load: many small actors, each doing one thing over and over at a bounded rate, against
// the nodes in turn. What each of them draws by lot comes from one seed.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client, Reply } from './client.ts'
import type { Node } from './node.ts'
import { type BrowsingPerson, createPerson } from './person.ts'
import type { AppName } from './setup.ts'

export interface Load {
  /** Ends it, when everything that was sent has been answered. */
  stop(): Promise<void>
  /** Nodes that are left alone, as by a load balancer that has noticed. */
  avoid(node: Node, isAvoided: boolean): void
  /** A code that nobody has presented yet. @throws {Error} when none is given within a minute */
  newCode(app: AppName): Promise<string>
}

export interface LoadOptions {
  client: Client
  nodes: readonly Node[]
  random: () => number
  /** How many times slower than usual. */
  slowness?: number
  /** Nothing runs by itself: it only gives codes. */
  isQuiet?: boolean
}

const CHAINS = 2
const CLIENTS_PER_CHAIN = 3
/** Attempts with one code after answers of 503; then the last questions try it once more. */
const ATTEMPTS = 3
const REMEMBERED = 400
const CODE_PATIENCE_MILLIS = 60_000

interface Held {
  app: AppName
  access: string
  refresh: string
}

/** Starts the load. */
export function startLoad(options: LoadOptions): Load {
  const { client, nodes, random, slowness = 1, isQuiet = false } = options
  const avoided = new Set<number>()
  let isOver = false
  const over = new AbortController()
  let turn = 0
  /** Families that nothing ended yet, and tokens that were revoked. */
  const living: Held[] = []
  const dead: Pick<Held, 'access' | 'app'>[] = []
  const own: string[] = []
  const idle: BrowsingPerson[] = []

  function nextNode(): Node {
    const open = nodes.filter(({ index }) => !avoided.has(index))
    turn += 1
    return (open.length > 0 ? open : nodes)[turn % (open.length || nodes.length)]!
  }
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)]
  const remember = <T>(list: T[], one: T): void => {
    list.push(one)
    if (list.length > REMEMBERED) list.splice(0, 1)
  }

  async function obtain(app: AppName, person: BrowsingPerson): Promise<Held | undefined> {
    const { code } = await client.authorize(nextNode(), app, person)
    if (code === undefined) return undefined
    // One in six is presented twice at the same moment, at two servers.
    if (random() < 0.16) {
      await Promise.all([
        client.exchange(nextNode(), app, code),
        client.exchange(nextNode(), app, code),
      ])
      return undefined
    }
    let reply: Reply | undefined
    for (let attempt = 0; attempt < ATTEMPTS && !isOver; attempt += 1) {
      reply = await client.exchange(nextNode(), app, code)
      if (reply.outcome !== 'unavailable') break
      await sleep(200)
    }
    if (reply?.access === undefined || reply.refresh === undefined) return undefined
    return { app, access: reply.access, refresh: reply.refresh }
  }

  const pause = (millis: number): Promise<void> =>
    sleep(millis, undefined, { signal: over.signal }).catch(() => undefined)

  function actor(everyMillis: number, act: () => Promise<void>): Promise<void> {
    const run = async () => {
      await pause(random() * everyMillis)
      while (!isOver) {
        await act()
        await pause(everyMillis * slowness * (0.5 + random()))
      }
    }
    return run()
  }

  function flows(everyMillis: number): Promise<void> {
    const person = createPerson(random() < 0.5 ? 'ada' : 'bob')
    return actor(everyMillis, async () => {
      const held = await obtain('steady', person)
      if (held) remember(living, held)
    })
  }

  function chain(everyMillis: number): Promise<void> {
    const person = createPerson('ada')
    let current: string | undefined
    return actor(everyMillis, async () => {
      if (current === undefined) {
        current = (await obtain('rotating', person))?.refresh
        return
      }
      const token = current
      const replies = await Promise.all(
        Array.from({ length: CLIENTS_PER_CHAIN }, () =>
          client.refresh(nextNode(), 'rotating', token),
        ),
      )
      const next = replies.find(({ refresh }) => refresh !== undefined)?.refresh
      if (next !== undefined) current = next
      else if (replies.some(({ outcome }) => outcome === 'refused')) current = undefined
    })
  }

  const startActors = () => [
    flows(250),
    flows(250),
    ...Array.from({ length: CHAINS }, () => chain(200)),
    actor(120, async () => {
      const held = pick(living)
      if (held) await client.refresh(nextNode(), held.app, held.refresh)
    }),
    actor(40, async () => {
      const held = pick(living)
      if (held) await client.introspect(nextNode(), held.access)
    }),
    actor(60, async () => {
      const held = pick(dead)
      if (held) await client.introspect(nextNode(), held.access)
    }),
    actor(300, async () => {
      if (living.length < 3) return
      const held = living.splice(Math.floor(random() * living.length), 1)[0]!
      const node = nextNode()
      const isWhole = random() < 0.6
      await client.revoke(node, held.app, isWhole ? held.refresh : held.access)
      remember(dead, held)
      // Another server must know at once.
      await client.introspect(nextNode(), held.access)
    }),
    actor(200, async () => {
      const { access } = await client.credentials(nextNode())
      if (access !== undefined) remember(own, access)
    }),
    actor(700, async () => {
      const access = own.splice(Math.floor(random() * own.length), 1)[0]
      if (access === undefined) return
      await client.revoke(nextNode(), 'machine', access)
      remember(dead, { access, app: 'machine' })
    }),
    actor(2500, async () => {
      await client.signIn(nextNode(), createPerson('bob'))
    }),
  ]
  const actors = isQuiet ? [] : startActors()

  return {
    avoid(node, isAvoided) {
      if (isAvoided) avoided.add(node.index)
      else avoided.delete(node.index)
    },
    async newCode(app) {
      // Whoever has signed in goes on with it: hashing passwords is not what is looked at.
      const person = idle.pop() ?? createPerson('ada')
      const deadline = performance.now() + CODE_PATIENCE_MILLIS
      while (performance.now() < deadline) {
        const { code } = await client.authorize(nextNode(), app, person)
        if (code !== undefined) {
          idle.push(person)
          return code
        }
        await sleep(100)
      }
      throw new Error('no code was given')
    },
    async stop() {
      isOver = true
      over.abort()
      await Promise.all(actors)
    },
  }
}
