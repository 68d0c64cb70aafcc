/** Of which container a file holds the log. */
export interface ContainerLog {
  namespace: string
  pod: string
  container: string
}

/** /var/log/pods/<namespace>_<pod>_<uid>/<container>/0.log, as the kubelet names them. */
const ofKubelet = /\/([a-z0-9-]+)_([a-z0-9.-]+)_[0-9a-f-]+\/([a-z0-9-]+)\/\d+\.log[^/]*$/
/** /var/log/containers/<pod>_<namespace>_<container>-<id>.log, which links there. */
const ofLink = /\/([a-z0-9.-]+)_([a-z0-9-]+)_([a-z0-9-]+)-[0-9a-f]{64}\.log[^/]*$/

/** What the name of a file says of the container that writes to it; undefined for a file of another kind. */
export function readContainerPath(path: string): ContainerLog | undefined {
  const [, namespace, pod, container] = ofKubelet.exec(path) ?? []
  if (pod) return { namespace, pod, container }
  const [, linkedPod, linkedNamespace, linkedContainer] = ofLink.exec(path) ?? []
  return linkedPod ? { namespace: linkedNamespace, pod: linkedPod, container: linkedContainer } : undefined
}

/** The path a file had before it was rotated: without the number or date that was added to its name. */
export const unrotated = (path: string) =>
  path.replace(/\.\d[\d-]*$/, '').replace(/(?<=[^/])-\d{4}-\d\d-\d\d[^/]*?(?=\.[a-z]+$|$)|(?<=[^/])-\d+(?=\.[a-z]+$)/, '')
