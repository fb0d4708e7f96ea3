// The last questions, when all is quiet again: what every token of the record is worth now, at
// every node. They are recorded like the load, and judged with it. What changes something (a
// refresh, a code presented again) comes after what only looks.
import type { Client } from './client.ts'
import {
  didNothing,
  type Family,
  type History,
  mustBeDead,
  readHistory,
  type Token,
} from './history.ts'
import type { Node } from './node.ts'
import type { Recorder } from './recorder.ts'
import type { AppName } from './setup.ts'

const AT_ONCE = 8
const MOST_TOKENS = 1500
const MOST_ACTS = 60

/** Asks all of them. */
export async function askLastQuestions(
  recorder: Recorder,
  client: Client,
  nodes: readonly Node[],
): Promise<void> {
  client.setPhase('probe')
  await lookAtAll(readHistory(recorder.read()), client, nodes)
  await useAgain(readHistory(recorder.read()), client, nodes)
  await lookAtNewest(readHistory(recorder.read()), client, nodes)
  client.setPhase('last')
  await showTheDead(readHistory(recorder.read()), client, nodes)
  await lookAtAll(readHistory(recorder.read()), client, nodes.slice(0, 1))
}

const look = (client: Client, node: Node, { kind, text, family }: Token) =>
  client.introspect(node, text, kind === 'refresh' ? (family.app as AppName) : 'api')

async function lookAtAll({ tokens }: History, client: Client, nodes: readonly Node[]) {
  const all = [...tokens.values()].slice(-MOST_TOKENS)
  const now = performance.now()
  await inTurns(all, async (token, index) => {
    const isDead = mustBeDead(token, now)
    // The dead are shown to every node, the living to one each.
    const asked = isDead ? nodes : [nodes[index % nodes.length]!]
    for (const node of asked) await look(client, node, token)
  })
}

/**
 * Codes that were not redeemed for sure, and the newest refresh token of each family that was not
 * ended.
 */
async function useAgain({ exchanges, families }: History, client: Client, nodes: readonly Node[]) {
  const open = [...exchanges].filter(([, attempts]) =>
    attempts.every((attempt) => didNothing(attempt) || attempt.answer.outcome === 'lost'),
  )
  await inTurns(open, async ([code, attempts], index) => {
    const app = (attempts[0]?.app ?? 'steady') as AppName
    await client.exchange(nodes[index % nodes.length]!, app, code)
  })
  const usable = families.filter(
    ({ endedAt, doubtedFrom, refusedFrom }) =>
      Math.min(endedAt, doubtedFrom, refusedFrom) === Infinity,
  )
  await inTurns(usable, async (family, index) => {
    const newest = newestOf(family)
    const node = nodes[index % nodes.length]!
    if (newest) await client.refresh(node, family.app as AppName, newest.text)
  })
}

async function lookAtNewest({ families }: History, client: Client, nodes: readonly Node[]) {
  await inTurns(families, async ({ tokens }, index) => {
    const newest = tokens.filter(({ kind }) => kind === 'access').at(-1)
    if (newest) await look(client, nodes[index % nodes.length]!, newest)
  })
}

/** Presents what must be refused: redeemed codes, ended families, long-replaced refresh tokens. */
async function showTheDead(history: History, client: Client, nodes: readonly Node[]) {
  const now = performance.now()
  const dead = [...history.tokens.values()].filter(
    (token) => token.kind === 'refresh' && mustBeDead(token, now),
  )
  await inTurns(dead.slice(-MOST_ACTS), async (token, index) => {
    await client.refresh(nodes[index % nodes.length]!, token.family.app as AppName, token.text)
  })
  const redeemed = history.families.filter(({ code }) => code !== undefined)
  await inTurns(redeemed.slice(-MOST_ACTS), async ({ app, code }, index) => {
    await client.exchange(nodes[index % nodes.length]!, app as AppName, code ?? '')
  })
}

const newestOf = ({ tokens }: Family): Token | undefined =>
  tokens.findLast(({ kind, successor }) => kind === 'refresh' && successor === undefined)

async function inTurns<T>(list: readonly T[], work: (one: T, index: number) => Promise<unknown>) {
  let next = 0
  const worker = async () => {
    while (next < list.length) {
      const index = next
      next += 1
      await work(list[index]!, index)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}
