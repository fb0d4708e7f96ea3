// What the dashboard shows of other systems: it asks the server which the user has connected, and
// reads from them through the server's proxy.
import type { Connection } from './connections.ts'
import type { DashboardClient } from './dashboard-client.ts'
import { CONNECTION_SCOPES } from './seed-connections.ts'

export interface OtherSystems {
  /** Whether the user has allowed the app to use them. */
  isAllowed: boolean
  noteboard: { id: string; account: string; notes: readonly string[] } | undefined
  weather: { place: string; celsius: number; sky: string } | undefined
}

/** Reads them; what does not answer is shown as not connected. */
export async function readOtherSystems(
  { accessToken, scopes }: Connection,
  client: DashboardClient,
): Promise<OtherSystems> {
  const isAllowed = CONNECTION_SCOPES.every((scope) => scopes.includes(scope))
  if (!isAllowed) return { isAllowed, noteboard: undefined, weather: undefined }
  const { body } = await client.callConnect('/connections', accessToken)
  const all = (body['connections'] ?? []) as Listed[]
  const idOf = (handle: string) => all.find(({ integration }) => integration === handle)?.id
  const read = async (id: string | undefined, path: string) => {
    if (id === undefined) return undefined
    const answer = await client.callConnect(`/proxy/${id}${path}`, accessToken)
    return answer.status === 200 ? answer.body : undefined
  }
  const noteboardId = idOf('noteboard')
  const notes = await read(noteboardId, '/notes')
  const account = all.find(({ id }) => id === noteboardId)?.external.label
  return {
    isAllowed,
    noteboard:
      noteboardId === undefined || notes === undefined
        ? undefined
        : { id: noteboardId, account: account ?? '', notes: notes['notes'] as string[] },
    weather: (await read(idOf('weather'), '/now')) as OtherSystems['weather'],
  }
}

interface Listed {
  id: string
  integration: string
  external: { label: string | null }
}
