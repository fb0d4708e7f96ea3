// The operation that answers the OpenAPI document itself. It is made once and can be kept by
// everybody.
import { sha256 } from '../../shared/crypto.ts'
import { openApiDocument } from './openapi.ts'
import type { ApiResource } from './operation.ts'

/** Creates the operation. @param facts.path where the document is, below the base */
export function documentOperations(
  resources: readonly ApiResource[],
  facts: Parameters<typeof openApiDocument>[1] & { path: string },
): ApiResource {
  const resource: ApiResource = {
    tag: 'Document',
    description: 'This document.',
    schemas: {},
    operations: [
      {
        id: 'getDocument',
        method: 'GET',
        path: facts.path,
        summary: 'Get this document',
        scope: undefined,
        versioned: 'read',
        answers: {
          200: { description: 'The OpenAPI 3.1 document.', schema: { type: 'object' } },
        },
        handle: () => Promise.resolve({ kind: 'done', status: 200, cacheable }),
      },
    ],
  }
  const json = JSON.stringify(openApiDocument([...resources, resource], facts))
  const cacheable = { json, etag: `"${sha256(json).slice(0, 22)}"` }
  return resource
}
