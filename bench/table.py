"""What was measured: row → server → numbers; printed as medians, ratios and whether the target is reached."""

import statistics


class Target:
    """`factor` times the `than` server at least; with `first`, before every registry, or, if the bytes have to be `synced`
    for it, before every one that does that."""

    def __init__(self, *against, first=False, synced=False, below=None, above=None):
        self.against, self.first, self.synced, self.below, self.above = against, first, synced, below, above

    def describe(self):
        parts = [f"≥ {factor:g} × {than}" for than, factor in self.against]
        parts += ["first of the registries" + " that sync" * self.synced] if self.first else []
        parts += [f"< {self.below:g}"] if self.below is not None else []
        parts += [f"≥ {self.above:g}"] if self.above is not None else []
        return ", ".join(parts)

    def reached(self, medians, ours, peers):
        """(yes or no, whether all that it speaks of was measured)"""
        mine = medians.get(ours)
        if mine is None:
            return False, False
        wanted = [(medians.get(than), factor) for than, factor in self.against]
        whole = all(other is not None for other, _ in wanted)
        good = all(mine >= factor * other for other, factor in wanted if other is not None)
        good &= self.below is None or mine < self.below
        good &= self.above is None or mine >= self.above
        good &= not self.first or all(mine >= medians[p] for p in peers if p in medians)
        return good, whole


def digits(value):
    return 0 if value >= 100 else 1 if value >= 10 else 2


class Table:
    def __init__(self, columns, registries, syncing):
        self.columns, self.registries, self.syncing = columns, registries, syncing
        self.rows = {}

    def add(self, row, unit, column, value, target=None, better="more"):
        self.rows.setdefault(row, (unit, better, target, {}))[3].setdefault(column, []).append(value)

    def verdict(self, medians, target):
        if target is None:
            return "–"
        good, whole = target.reached(medians, self.columns[0], self.syncing if target.synced else self.registries)
        return f"{target.describe()}: " + (("yes" if good else "**no**") if whole else "not all was measured")

    def line(self, row):
        unit, better, target, values = self.rows[row]
        ours, others = self.columns[0], self.columns[1:]
        medians = {c: statistics.median(v) for c, v in values.items()}
        cells = [f"{medians[c]:,.{digits(medians[c])}f}" if c in medians else "–" for c in self.columns]
        ratios = [f"{medians[ours] / medians[o]:.2f}" if ours in medians and medians.get(o) else "–"
                  for o in others]
        arrow = "" if better == "more" else " (less is better)"
        return (f"| {row}{arrow} | {unit} | {' | '.join(cells)} | {' | '.join(ratios)} | "
                f"{self.verdict(medians, target)} |")

    def print(self):
        ours, others = self.columns[0], self.columns[1:]
        ratios = "".join(f" | {ours} / {o}" for o in others)
        print(f"\n| | unit | {' | '.join(self.columns)}{ratios} | target: reached |")
        print("|---" * (3 + len(self.columns) + len(others)) + "|")
        for row in self.rows:
            print(self.line(row))
