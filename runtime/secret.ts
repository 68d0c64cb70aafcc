/** The text without the passwords of URLs and of parameters in it, for logs and for people. */
export function withoutPasswords(text: string): string {
  return text.replace(/\/\/[^\s"]*@/g, '//(hidden)@').replace(/\b(password|secret|token)=[^\s&"]*/gi, '$1=(hidden)')
}
