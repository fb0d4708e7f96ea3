// What all lists of the admin API share: the parameters of their pages.
import type { QueryParameter } from './operation.ts'
import { text, whole } from './schema.ts'

/** `limit` and `cursor`. @param max of the list's own store */
export const pageParameters = (max: number): readonly QueryParameter[] => [
  {
    name: 'limit',
    schema: whole('How many at most.', { minimum: 1, maximum: max, default: 50 }),
  },
  { name: 'cursor', schema: text('The `next_cursor` of the previous page.', { maxLength: 500 }) },
]
