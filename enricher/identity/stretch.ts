/** A stretch of time in which an answer holds, microseconds: narrowed by each interval the answer depended on. */
export class Stretch {
  from = -Infinity
  to = Infinity

  includes(time: number): boolean {
    return time >= this.from && time < this.to
  }

  /** Whether `time` lies in [from, to); from here on the answer holds only where that is the same. */
  within(time: number, from: number, to: number): boolean {
    if (time < from) this.to = Math.min(this.to, from)
    else if (time >= to) this.from = Math.max(this.from, to)
    else {
      this.from = Math.max(this.from, from)
      this.to = Math.min(this.to, to)
      return true
    }
    return false
  }

  /** Holds only where the other holds, too. */
  narrow(other: Stretch): void {
    this.from = Math.max(this.from, other.from)
    this.to = Math.min(this.to, other.to)
  }
}
