const secretParameters =
  /([?&;](?:access_token|id_token|refresh_token|token|auth|authorization|api_?key|key|password|passwd|pwd|secret|client_secret|code|sig|signature|session|sessionid|jwt|x-amz-signature|x-amz-security-token|x-amz-credential|x-goog-signature)=)[^&;#]+/gi

/** A path without the values of parameters that are secrets by their names: /login?token=*** */
export function withoutSecrets(path: string): string {
  return path.includes('?') ? path.replace(secretParameters, '$1***') : path
}

/** An authority without the user and password in front of it. */
export function withoutUser(authority: string): string {
  return authority.slice(authority.lastIndexOf('@') + 1)
}
