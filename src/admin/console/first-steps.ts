// The first steps of a new server, on the list of apps until they are done: a scope, an app, trying
// it. Invariant: what is done is read from what is there, so that it can be done in any order and
// by anybody, also with the command line.
import { isBuiltInScope } from '../../apps/scope.ts'
import type { App } from '../../model/app.ts'
import { may, type Operator } from '../operator.ts'
import { appPath } from './app-frame.ts'
import type { ConsoleDeps } from './console-deps.ts'

/** One step. */
export interface FirstStep {
  label: string
  hint: string
  /** Where it is done; absent where something else comes first. */
  href: string | undefined
  isDone: boolean
}

/** A server with more apps has been in use for long. */
const FEW = 3

/**
 * Returns the steps; none when all are done, or for somebody who cannot do them.
 *
 * @param apps all apps, where there are few
 */
export async function firstSteps(
  { catalogue, eventStore }: Pick<ConsoleDeps, 'catalogue' | 'eventStore'>,
  apps: readonly App[],
  total: number,
  by: Operator,
): Promise<FirstStep[]> {
  if (total > FEW || !may(by, 'admin:apps:write') || !may(by, 'admin:scopes:write')) return []
  const hasScope = [...catalogue().keys()].some((name) => !isBuiltInScope(name))
  const toTry = apps.find(({ type, status }) => type !== 'resource_server' && status === 'active')
  const tried = await eventStore.list({ name: 'app.tried', limit: 1 })
  const steps: FirstStep[] = [
    {
      label: 'Create a scope',
      hint: 'What apps may ask for, in the words of the consent page.',
      href: '/admin/scopes/new',
      isDone: hasScope,
    },
    {
      label: 'Register an app',
      hint: 'Its developer gets a client ID, and code to start with.',
      href: '/admin/apps/new',
      isDone: total > 0,
    },
    {
      label: 'Try it',
      hint: 'Go through sign-in and consent, and see what the app would get.',
      href: toTry && appPath(toTry.id, '/try'),
      isDone: tried.events.length > 0,
    },
  ]
  return steps.every(({ isDone }) => isDone) ? [] : steps
}
